"""Details: the tables of the benchmark's own page: what was asked and what was found, limits, agreement, scaling, memory, profiles, preparation."""

from __future__ import annotations

from collections.abc import Callable

from cells import NONE, Results, Row, cell, measured, number, percent, row, table, times

SIZES = ("embedded", "full")
XNLI_TEST = 75_150
MET = "met"
H200 = "on an H200: predict, share of the peak, the test set, integrated gradients against captum and at 50 steps"


def page(results: Results) -> str:
    """All tables, with what each shows."""
    parts = {
        "Asked and found": asked,
        "Share of the processor's limit": limits,
        "One pair": latency,
        "The same numbers": agreement,
        "Workers": scaling,
        "Memory against the size of the input": memory,
        "Where the time goes": profiles,
        "Text to ids": preparation,
        "Tools that could not do all": remarks,
    }
    return "\n\n".join(f"## {title}\n\n{show(results)}" for title, show in parts.items())


def goals(results: Results) -> list[list[str]]:
    """The goals on a processor: what, how much was asked, what was found, and whether that is enough."""
    lines = []
    for size, goal in (("embedded", 5.0), ("full", 5.0)):
        lines.append(
            [
                f"predict, {size}, against the pipeline's best in fp32",
                f"{goal:g} x",
                *_met(_ahead(results, size), goal, times),
            ]
        )
    for size in SIZES:
        shares = [one["share"] for one in measured(results, f"limits-{size}").values()]
        lines.append(
            [
                f"share of the peak, model only, {size}",
                "75 %",
                *_met(max(shares, default=None), 0.75, percent),
            ]
        )
    for size, goal in (("full", 1.5), ("embedded", 3.0)):
        lines.append(
            [
                f"integrated gradients, {size}, pairs that pass, against captum",
                f"{goal:g} x",
                *_met(_passing(results, size), goal, times),
            ]
        )
    one = measured(results, "latency").get("embedded", {})
    lines.append(
        [
            "one pair of 48 pieces, embedded, ids to logits on one thread, at most",
            "40 ms",
            *_met(one.get("model_ms"), 40, _ms, most=True),
        ]
    )
    rounded = row(results, "agreement", "labels in bf16, embedded")
    met = [rounded["error"], ""] if "error" in rounded else _met(rounded["equal"], 0.995, percent)
    lines.append(["labels in bf16 as in fp32, embedded", "99.5 %", *met])
    return lines


def verdict(results: Results) -> str:
    """The goals in a sentence."""
    known = [line for line in goals(results) if line[3]]
    missed = [f"{what} ({found} of {asked})" for what, asked, found, met in known if met != MET]
    met = len(known) - len(missed)
    said = f"Of {len(known)} goals on a processor that could be judged here, {met} {'is' if met == 1 else 'are'} met"
    return f"{said}{'; **not met**: ' if missed else ''}{'; '.join(missed)}."


def asked(results: Results) -> str:
    """What issue and reader want to know first: the goals on a processor, and how far each was met."""
    lines = goals(results)
    for text, name in (("nothing kept", "cold_seconds"), ("texts in the cache", "warm_seconds")):
        one = row(results, "test-set", "embedded")
        said = cell(one, lambda one, name=name: _long(XNLI_TEST * one[name] / one["pairs"]))
        of = f" (from {one['pairs']:,} pairs)" if "error" not in one else ""
        lines.append(
            [
                f"XNLI's {XNLI_TEST:,} test pairs from text to table, embedded, {text}{of}",
                "reported",
                said,
                "",
            ]
        )
    paces = [one["pairs_per_second"] for one in measured(results, "predict-full", "xlmkit").values()]
    said = _long(XNLI_TEST / max(paces)) if paces else NONE
    lines.append(["the same, full, from its pace and not run", "reported", said, ""])
    if next(iter(results.values()))["run"]["gpu"] is None:
        lines.append(
            [H200, "8 x, 50 % in bf16, 10 s, 15 x, 150 pairs/s", "not measured: no GPU was at hand", ""]
        )
    return table(["on this processor", "asked", "found", ""], lines)


def limits(results: Results) -> str:
    """FLOP/s of the model alone next to those of a large matrix product."""
    lines = []
    for size in SIZES:
        for dtype, one in measured(results, f"limits-{size}").items():
            figures = (one["flops"] / 1e9, one["peak_flops"] / 1e9)
            lines.append(
                [size, dtype, number(one["pairs_per_second"]), *map(number, figures), percent(one["share"])]
            )
    text = (
        "Only operations that the result needs are counted (`limits.py`): none on padding, and of the last layer only what leads to the pooled position. "
        "The peak is the best product of two square matrices in the same process."
    )
    return (
        text
        + "\n\n"
        + table(["size", "precision", "pairs/s, model only", "GFLOP/s", "peak GFLOP/s", "share"], lines)
    )


def latency(results: Results) -> str:
    """Milliseconds that one pair takes."""
    names = ("transformers_ms", "model_ms", "text_ms")
    lines = [
        [
            size,
            *(
                cell(row(results, "latency", size), lambda one, name=name: number(one[name]))
                for name in names
            ),
        ]
        for size in SIZES
    ]
    text = "Milliseconds for one pair of 48 pieces in fp32, on one thread (medians)."
    return f"{text}\n\n{table(['size', 'transformers, ids to logits', 'xlmkit, ids to logits', 'xlmkit.predict, text to table'], lines)}"


def agreement(results: Results) -> str:
    """Whether what is fast is also right."""
    lines = []
    for size in SIZES:
        text = f"logits against transformers in fp32, same ids, {size}"
        lines.append(
            [
                text,
                cell(
                    row(results, "agreement", f"logits, {size}"),
                    lambda one: f"at most {one['largest_difference']:.1e} apart ({one['pairs']} pairs)",
                ),
            ]
        )
    for size in SIZES:
        text = f"scores against captum's at 50 steps, {size}"
        lines.append(
            [
                text,
                cell(
                    row(results, f"explain-{size}", "same scores"),
                    lambda one: f"at most {one['largest_difference']:.1e} logit apart ({one['pairs']} pairs)",
                ),
            ]
        )
    lines.append(
        [
            "labels in bf16 against fp32, embedded",
            cell(row(results, "agreement", "labels in bf16, embedded"), _rounded),
        ]
    )
    lines.append(
        [
            "labels of transformers' pipeline against ours, embedded",
            cell(row(results, "agreement", "labels of the pipeline, embedded"), _usual),
        ]
    )
    return table(["what", "found"], lines)


def scaling(results: Results) -> str:
    """Pairs a second by the number of workers."""
    one = row(results, "scaling", "1 workers")
    alone = one.get("pairs_per_second")
    lines = [
        [
            str(found["workers"]),
            number(found["pairs_per_second"]),
            times(found["pairs_per_second"] / alone) if alone else NONE,
            f"{found['worker_peak_gb']:.2f} GB",
        ]
        for found in measured(results, "scaling").values()
    ]
    text = (
        f"`xlmkit.distributed.run` with the embedded model, a thread a worker, on this machine's {one.get('processors', '?')} cores, once every worker has loaded its model. "
        "More workers than cores share them."
    )
    return text + "\n\n" + table(["workers", "pairs/s", "against one", "peak of a worker"], lines)


def memory(results: Results) -> str:
    """Peak memory by rows, streamed and in one frame."""
    lines = []
    for name, found in measured(results, "memory").items():
        kind, rows = name.split()
        if kind == "flat":
            lines.append(
                [
                    f"{int(rows):,}",
                    "streamed",
                    f"{found['worker_peak_gb']:.2f} GB",
                    f"{found['driver_peak_gb']:.2f} GB",
                ]
            )
        else:
            lines.append([f"{int(rows):,}", "one frame", f"{found['peak_gb']:.2f} GB", "-"])
    text = (
        "With a network of next to no size, so that everything else shows; libraries are in it. Streamed is `xlmkit.distributed.run` with one worker and the "
        "process that gives it parts; one frame is `xlmkit.predict`."
    )
    return text + "\n\n" + table(["rows", "how", "worker's peak", "driver's peak"], lines)


def profiles(results: Results) -> str:
    """Shares of the time, by what it is spent on."""
    found = measured(results, "profile")
    kinds = list(
        dict.fromkeys(kind for one in found.values() for kind in (*one.get("parts", {}), *one["operators"]))
    )

    def shares(one: Row) -> dict[str, float]:
        whole = {name: seconds / one["seconds"] for name, seconds in one.get("parts", {}).items()}
        return {**whole, **one["operators"]}

    lines = [
        [kind, *(percent(shares(one)[kind]) if kind in shares(one) else "-" for one in found.values())]
        for kind in kinds
    ]
    text = (
        "First text, model and the rest as shares of the whole call; then operators as shares of the model's time (of the call, for explanations), by torch's "
        "profiler, which makes small operators look dearer than they are."
    )
    return text + "\n\n" + table(["share of the time", *found], lines)


def preparation(results: Results) -> str:
    """Pairs a second and core from text to ids."""
    one = row(results, "preparation", "by language")
    if "error" in one:
        return one["error"]
    lines = [
        [each["language"], number(each["rival_pairs_per_second"]), number(each["pairs_per_second"])]
        for each in [*one["languages"], {**one, "language": "**all**"}]
    ]
    return "One core's time, warm.\n\n" + table(
        ["language", "`XLMTokenizer._tokenize`, pairs/s", "xlmkit, pairs/s"], lines
    )


def remarks(results: Results) -> str:
    """What must be said of the rivals' rows."""
    lines = [
        "- The pipeline and `Trainer.predict` take no language ids in their usual calls and cut every language as English: measured for speed all the same."
    ]
    for name in ("transformers-interpret", "ferret"):
        for size in SIZES:
            one = row(results, f"explain-{size}", name)
            if "error" in one:
                lines.append(f"- {name}, {size}: {one['error']}.")
            elif size == "embedded":
                known = ", ".join(f"{package} {version}" for package, version in one["versions"].items())
                refused = one.get("pairs_refused")
                pairs = (
                    f" Its explainer for pairs cannot run with this tokeniser (`{refused}`), so that it explains one text."
                    if refused
                    else ""
                )
                joined = " It takes premise and hypothesis as one text." if name == "ferret" else ""
                lines.append(
                    f"- {name} ({known}) passes no language ids.{pairs}{joined} {percent(one['zeros'])} of its scores are exactly 0."
                )
    return "\n".join(lines)


def _met(value: float | None, goal: float, show: Callable[[float], str], *, most: bool = False) -> list[str]:
    """What was found, and whether it is at least the goal; at most, where `most`."""
    if value is None:
        return [NONE, ""]
    return [show(value), MET if (value <= goal if most else value >= goal) else "**not met**"]


def _ms(value: float) -> str:
    return f"{value:.1f} ms"


def _ahead(results: Results, size: str) -> float | None:
    own, theirs = (measured(results, f"predict-{size}", start) for start in ("xlmkit", "pipeline float32"))
    if not own or not theirs:
        return None
    best, other = (max(one["pairs_per_second"] for one in rows.values()) for rows in (own, theirs))
    return best / other


def _passing(results: Results, size: str) -> float | None:
    own, theirs = (
        row(results, f"explain-{size}", name) for name in ("xlmkit.explain", "captum called plainly")
    )
    if "error" in own or "error" in theirs or not theirs["passed"]:
        return None
    return own["passing_pairs_per_second"] / theirs["passing_pairs_per_second"]


def _rounded(one: Row) -> str:
    return f"{percent(one['equal'])} of {one['pairs']:,} equal; where they differ, fp32's margin is at most {one['largest_margin_of_changed']:.3f} logit"


def _usual(one: Row) -> str:
    return f"{percent(one['equal'])} of {one['pairs']} equal; right: {percent(one['right'])} ours, {percent(one['right_pipeline'])} the pipeline's"


def _long(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
