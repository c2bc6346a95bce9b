"""Plan: what `make bench` measures, part by part, in the order of its worth, should the time run out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BATCHES = (1, 8, 32, 128)
SIZES = ("embedded", "full")
RIVALS = ("transformers-interpret", "ferret")


@dataclass(frozen=True)
class Work:
    """One row of a part: a function of a module of this folder, with its arguments."""

    part: str
    name: str
    function: str  # "module.function"
    arguments: dict[str, Any] = field(default_factory=dict)
    seconds: float = 300  # after which it is given up

    @property
    def rounded(self) -> bool:
        """Whether it computes in bf16, of which only hardware that does so natively says anything."""
        return self.arguments.get("dtype") == "bfloat16" or "in bf16" in self.name


@dataclass(frozen=True)
class Amounts:
    """How much is measured.

    `block`: pairs that are predicted together; `seconds`: of a row at least; `times`: how often one pair is predicted; `explained`, `compared`, `limits`, `table`, `scaled`: pairs of those parts; `shard`:
    rows of a shard; `rows`: those of the memory's curve; `languages`: pairs of each language whose preparation is measured."""

    block: dict[str, int]
    seconds: float
    times: dict[str, int]
    explained: dict[str, int]
    compared: dict[str, int]
    limits: dict[str, int]
    table: int
    scaled: int
    shard: int
    rows: tuple[int, ...]
    languages: int


WHOLE = Amounts(
    block={"embedded": 256, "full": 32},
    seconds=6,
    times={"embedded": 100, "full": 10},
    explained={"embedded": 16, "full": 3},
    compared={"embedded": 600, "full": 16},
    limits={"embedded": 512, "full": 48},
    table=4_500,
    scaled=3072,
    shard=256,
    rows=(10_000, 100_000, 1_000_000),
    languages=100,
)
QUICK = Amounts(
    block={"embedded": 16, "full": 2},
    seconds=0.5,
    times={"embedded": 3, "full": 1},
    explained={"embedded": 2, "full": 1},
    compared={"embedded": 16, "full": 2},
    limits={"embedded": 16, "full": 2},
    table=30,
    scaled=96,
    shard=16,
    rows=(200, 400),
    languages=4,
)


def works(amounts: Amounts) -> list[Work]:
    """All that is measured."""
    return [
        *(one for size in SIZES for one in _limits(size, amounts)),
        *(
            Work("latency", size, "latency.one_pair", {"size": size, "times": amounts.times[size]})
            for size in SIZES
        ),
        *(one for size in SIZES for one in _predictions(size, amounts)),
        *(one for size in SIZES for one in _explanations(size, amounts)),
        *_agreement(amounts),
        Work(
            "test-set",
            "embedded",
            "prediction.text_to_table",
            {"size": "embedded", "count": amounts.table},
        ),
        *_scaling(amounts),
        *_profiles(amounts),
        Work("energy", "xlmkit.predict, embedded", "power.prediction", {"seconds": 4 * amounts.seconds}),
        Work("preparation", "by language", "preprocessing.by_language", {"limit": amounts.languages}),
        *_memory(amounts),
    ]


def _limits(size: str, amounts: Amounts) -> list[Work]:
    count, seconds = amounts.limits[size], amounts.seconds
    return [
        Work(
            f"limits-{size}",
            dtype,
            "limits.share_of_peak",
            {"size": size, "dtype": dtype, "count": count, "seconds": seconds},
        )
        for dtype in ("float32", "bfloat16")
    ]


def _predictions(size: str, amounts: Amounts) -> list[Work]:
    block = amounts.block[size]
    usual = {"size": size, "seconds": amounts.seconds, "warm": max(2, block // 4)}
    found = []
    for dtype, batches in (("float32", BATCHES), ("bfloat16", (8, 32))):
        for batch in batches:
            own = {**usual, "dtype": dtype, "batch": batch, "block": max(batch, block)}
            found.append((f"pipeline {dtype} {batch}", "transformers_pipeline", own))
    found.append(
        ("Trainer.predict float32 32", "trainer_predict", {**usual, "batch": 32, "block": max(32, block)})
    )
    for dtype in ("float32", "auto"):
        own = {**usual, "dtype": dtype, "block": 4 * block, "warm": block}
        found.append((f"xlmkit.predict {dtype}", "ours", own))
    return [Work(f"predict-{size}", name, f"prediction.{function}", own) for name, function, own in found]


def _explanations(size: str, amounts: Amounts) -> list[Work]:
    given = {"size": size, "count": amounts.explained[size]}
    found = [
        ("captum called plainly", "attribution.captum_plainly", given),
        ("xlmkit.explain 50 steps", "attribution.ours", {**given, "steps": 50}),
        ("xlmkit.explain", "attribution.ours", {**given, "steps": None}),
        *((name, "rivals.explain", {**given, "name": name}) for name in RIVALS),
        ("same scores", "attribution.agreement", {"size": size}),
    ]
    return [Work(f"explain-{size}", name, function, own) for name, function, own in found]


def _agreement(amounts: Amounts) -> list[Work]:
    embedded, full = (amounts.compared[size] for size in SIZES)
    found = [
        ("logits, embedded", "logits_of_both", {"size": "embedded", "count": embedded // 2}),
        ("logits, full", "logits_of_both", {"size": "full", "count": full}),
        ("labels in bf16, embedded", "labels_in_bf16", {"size": "embedded", "count": 4 * embedded}),
        ("labels of the pipeline, embedded", "labels_of_the_pipeline", {"count": embedded}),
    ]
    return [Work("agreement", name, f"agreement.{function}", own) for name, function, own in found]


def _scaling(amounts: Amounts) -> list[Work]:
    given = {"size": "embedded", "rows": amounts.scaled, "shard_rows": amounts.shard}
    return [
        Work("scaling", f"{count} workers", "scaling.workers", {**given, "count": count})
        for count in (1, 2, 4)
    ]


def _memory(amounts: Amounts) -> list[Work]:
    shard = max(amounts.shard, min(16_384, amounts.rows[-1] // 8))
    found = [
        ("flat", rows, {"size": "tiny", "rows": rows, "shard_rows": min(shard, rows // 4)})
        for rows in amounts.rows
    ]
    found.insert(2, ("whole_frame", amounts.rows[1], {"size": "tiny", "rows": amounts.rows[1]}))
    return [
        Work("memory", f"{kind} {rows}", f"scaling.{kind}", own, seconds=1500) for kind, rows, own in found
    ]


def _profiles(amounts: Amounts) -> list[Work]:
    found = [
        *(
            (f"predict {size}", "prediction", {"size": size, "dtype": "auto", "count": amounts.limits[size]})
            for size in SIZES
        ),
        (
            "explain embedded",
            "explanation",
            {"size": "embedded", "count": amounts.explained["embedded"] // 2},
        ),
    ]
    return [Work("profile", name, f"profiles.{function}", own) for name, function, own in found]
