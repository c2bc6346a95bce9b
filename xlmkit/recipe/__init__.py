"""The recipe of `data/mini-xnli15`: from public texts to a model of at most 8 MB that the kit loads when nothing else is named.

    python -m xlmkit.recipe --data FOLDER --out data/mini-xnli15

Vocabulary, embeddings that the 15 languages share, a network wired to compare sentences, training on ten languages: one room each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from xlmkit.checkpoint import NLIModel
from xlmkit.encoding import Encoding, encode
from xlmkit.inference import predict
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import read_pairs
from xlmkit.pieces import Pieces
from xlmkit.preprocessing import split_batch
from xlmkit.recipe import embeddings, vocabulary, wiring, writing
from xlmkit.recipe.fitting import Plan, fit, probe
from xlmkit.recipe.inputs import DEV, Inputs, read
from xlmkit.recipe.measuring import Figures, measure

__all__ = ["Plan", "make"]

SIZE = 20_000  # pieces
MAX_TOKENS = 80  # of a training pair
PROBED = 40_000  # rows that the head is first fitted to
# The last epochs also make that rounding does not matter.
SETTLING = Plan(epochs=2, rate=5e-4, embedding_rate=2e-4, steadiness=200.0)
SOFTER = 0.75  # of the logits: where bf16 still changes a label, fp32 then leads by less than 0.05

Words = list[list[str]]
Tables = tuple[dict[str, int], list[tuple[str, str]]]


def make(
    data: Path,
    out: Path,
    *,
    epochs: int = Plan().epochs,
    seed: int = 0,
    smoke: bool = False,
    progress: bool = True,
) -> Figures:
    """Make the model in the folder `out` from the texts under `data`, and measure it.

    Parameters
    ----------
    data : holds train15k/, parallel/ and xnli/ as data/README.md lists them.
    seed : of everything that is left to chance.
    smoke : take small inputs of any content, and every piece that occurs twice.

    Raises
    ------
    FileNotFoundError, ValueError : if inputs are missing or not the ones known by their sha256."""
    inputs = read(data, check=not smoke)
    nli, tables = start(inputs, size=SIZE, least=2 if smoke else 5, seed=seed)
    rows, gold = versions(nli, inputs, seed=seed)
    english = read_pairs(data / DEV, languages="en")

    def judge() -> float:
        return float(predict(nli, english, progress=False)["correct"].mean())

    chosen = np.random.default_rng(seed).choice(len(rows), size=min(PROBED, len(rows)), replace=False)
    probe(nli, rows, gold, rows=chosen)
    settling = dataclasses.replace(SETTLING, epochs=min(epochs, SETTLING.epochs))
    for plan in (Plan(epochs=epochs), settling):
        fit(nli, rows, gold, plan=plan, seed=seed, judge=judge, progress=progress)
    soften(nli)
    writing.write(out, nli, tables, inputs.files, seed=seed, max_tokens=MAX_TOKENS)
    figures = measure(nli, out, data, progress=progress)
    writing.describe(out, figures)
    return figures


def soften(nli: NLIModel) -> None:
    """Scale the logits by `SOFTER`, in place; no label changes, all grow less certain."""
    with torch.no_grad():
        for weight in nli.network.sequence_summary.parameters():
            weight.mul_(SOFTER)


def start(inputs: Inputs, *, size: int, least: int = 5, seed: int) -> tuple[NLIModel, Tables]:
    """The untrained model: its vocabulary of at most `size` pieces, aligned embeddings, wired network."""
    pairs = {code: tuple(split_batch(side, code) for side in sides) for code, sides in inputs.pairs.items()}
    segments = {code: _split_segments(inputs, code) for code in LANGUAGES}
    return assemble(pairs, segments, size=size, least=least, seed=seed)


def assemble(
    pairs: Mapping[str, tuple[Words, ...]],
    segments: Mapping[str, dict[int, list[str]]],
    *,
    size: int,
    least: int,
    seed: int,
) -> tuple[NLIModel, Tables]:
    """`start` from words instead of texts; `segments` gives each language's words by the segment's number."""
    corpus = {
        code: [
            *chain.from_iterable(zip(*pairs.get(code, ()), strict=True)),
            *reversed(segments[code].values()),
        ]
        for code in LANGUAGES
    }
    tables = vocabulary.learn(corpus, size=size, least=least)
    pieces = Pieces.from_tables(*tables)
    columns: dict[tuple[str, int], list[list[int]]] = {}
    counts = {}
    for code in LANGUAGES:
        named = [(("segment", number), words) for number, words in segments[code].items()]
        for side, sentences in enumerate(pairs.get(code, ())):
            named += [((f"pair {side}", row), words) for row, words in enumerate(sentences)]
        ids = [list(chain.from_iterable(pieces.ids(words))) for _, words in named]
        for (column, _), own in zip(named, ids, strict=True):
            columns.setdefault(column, []).append(own)
        counts[code] = np.bincount(np.fromiter(chain.from_iterable(ids), np.int64), minlength=len(pieces))
    meanings = embeddings.aligned(list(columns.values()), size=len(pieces), width=wiring.MEANING, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = wiring.build(len(pieces))
        wiring.wire(network, meanings, counts)
    return _model(network, pieces), tables


def _model(network: torch.nn.Module, pieces: Pieces) -> NLIModel:
    return NLIModel(
        network=network,
        pieces=pieces,
        labels=wiring.LABELS,
        languages={code: language.id for code, language in LANGUAGES.items()},
        pair_format="xlm",
        lowercase=True,
        task="nli",
        device=torch.device("cpu"),
        dtype=torch.float32,
        trained=True,
        source="mini-xnli15",
        provenance={},
    )


def versions(nli: NLIModel, inputs: Inputs, *, mixed: int = 2, seed: int) -> tuple[Encoding, np.ndarray]:
    """Every training row in each of its languages, then `mixed` times with premise and hypothesis in languages picked by chance."""
    chance = np.random.default_rng(seed)
    count = len(inputs.gold)
    chosen = [(np.full(count, code), np.full(count, code)) for code in inputs.pairs]
    chosen += [tuple(chance.choice(list(inputs.pairs), size=(2, count))) for _ in range(mixed)]
    columns: list[list[str]] = [[], [], [], []]
    for own in chosen:
        for side in (0, 1):
            columns[side] += [inputs.pairs[code][side][row] for row, code in enumerate(own[side])]
            columns[2 + side] += own[side].tolist()
    premises, hypotheses, languages, others = columns
    encoding = encode(
        nli, premises, hypotheses, languages, hypothesis_languages=others, max_tokens=MAX_TOKENS, spans=False
    )
    return encoding, np.array([wiring.LABELS.index(label) for label in inputs.gold])


def _split_segments(inputs: Inputs, code: str) -> dict[int, list[str]]:
    own = {number: texts[code] for number, texts in enumerate(inputs.segments) if code in texts}
    return dict(zip(own, split_batch(list(own.values()), code), strict=True))
