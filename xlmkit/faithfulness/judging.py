"""Judging: the measures of faithfulness for many explanations, each beside random controls, from one pass of the model over all erased pairs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xlmkit import inference
from xlmkit.checks import check_int
from xlmkit.encoding import WAYS, erase
from xlmkit.explanation import Explanation
from xlmkit.faithfulness import measures
from xlmkit.faithfulness.frames import HIGHER_IS_BETTER, described, finished
from xlmkit.faithfulness.inputs import (
    by_input,
    check_explanations,
    check_same_model,
    encode_explained,
    explained_logit,
    generator,
    random_orders,
)
from xlmkit.faithfulness.measures import Value, Words
from xlmkit.model import NLIModel
from xlmkit.results import digest, resumable_map

MEASURES = ("comprehensiveness", "sufficiency", "leave_one_out", "infidelity")
PROBABILITIES = ("comprehensiveness", "sufficiency")  # the others are about logits
MASKS = 1  # the stream of randomness that masks come from
CHUNK = 32  # inputs whose erased variants are encoded together
KEPT = 4  # inputs whose judgements are written to a file together


def judge(
    nli: NLIModel,
    explanations: Explanation | Sequence[Explanation],
    *,
    metrics: Sequence[str] = MEASURES,
    how: str = "mask",
    controls: int = 20,
    masks: int = 50,
    pairs: pd.DataFrame | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
    keep: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Does the model use the words that each explanation names? Words are erased, in the space of ids, and the model is asked again.

    Parameters
    ----------
    explanations : of this model, by any methods; those of one pair share the work. All made with the same `max_length`.
    metrics : any of "comprehensiveness" (higher is better), "sufficiency" (lower), "leave_one_out" (Kendall's tau-b, higher) and "infidelity"
        (lower), as in `measures`. The first two are in probability of the target, against the contrast alone where there is one; the
        others in logits, target minus contrast.
    how : "mask", "pad" or "delete", as in `erasure.erase`.
    controls : random explanations beside each: its own scores in random orders, the same orders for every method.
    masks : random sets of words for infidelity.
    pairs : the frame that was explained: its `promptID`, `item` and `pairID` come along, and `summarize` knows what belongs together.
    seed : with the pair's texts it decides orders and masks, whatever else is judged beside it.
    batch_tokens : as in `predict`.
    keep : a file for what is found, every few pairs; the same call reads it and goes on where it was cut off.

    Returns
    -------
    One row an explanation and metric, in order: `pair_id`, those columns of `pairs`, `language` ("en>de" for mixed pairs), `method`, `aggregation`,
    `target`, `contrast`, `prediction`, `gold`, `metric`, `erasure` (= `how`), `value`, `control` (mean of the controls), `percentile` (share of the controls
    that it beats, ties half, in [0, 1]; higher is better for every metric, 0.5 is chance). `value` and `percentile` are missing where the
    metric is not defined (leave-one-out of equal scores). `untrained` = True is added if the model's head is random.

    Raises
    ------
    ValueError : if an option is not as said, an explanation is of another model, `pairs` lacks a pair, or `keep` is a file of another call.
    TypeError : if what is given are no explanations.
    OSError : if `keep` cannot be written, or another run is writing it."""
    found = check_explanations(nli, explanations)
    wanted = _check_options(metrics, how, masks)
    exact = replace(nli, dtype=torch.float32)  # drops are small, and explanations are in fp32 too
    groups = by_input(found)
    size = CHUNK if keep is None else KEPT
    asked = {
        "task": "judge",
        "metrics": wanted,
        "how": how,
        "controls": controls,
        "masks": masks,
        "seed": seed,
    }
    if keep is not None:
        asked |= {"model": dict(nli.provenance), "explanations": digest([one.to_dict() for one in found])}
    rows: dict[int, list[dict[str, object]]] = {}
    with tqdm(desc="judge", unit="erased pair", total=0, disable=not progress or not found) as bar:

        def find(some: list[list[int]]) -> list[tuple[int, list[dict[str, object]]]]:
            cases = [_case(found, members, (controls, masks, seed), wanted) for members in some]
            _ask(exact, cases, how, batch_tokens, bar)
            return [
                (number, [_row(nli, case, one, metric, how) for metric in wanted])
                for case in cases
                for number, one in case.members.items()
            ]

        parts = [groups[start : start + size] for start in range(0, len(groups), size)]
        for some in resumable_map(keep, asked, parts, find, serialize=list, deserialize=tuple):
            rows.update(some)
    return finished([row for number in range(len(found)) for row in rows[number]], found, pairs)


@dataclass
class _Case:
    """One input with all explanations of it, and the sets of words that they and their controls ask about."""

    members: dict[int, Explanation]  # by their places in the list
    orders: np.ndarray  # (controls, W)
    masks: np.ndarray  # (masks, W) bool
    places: dict[Words, int] = field(default_factory=dict)
    logits: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))  # (K, labels), by place

    @property
    def first(self) -> Explanation:
        return next(iter(self.members.values()))


def _check_options(metrics: Sequence[str], how: str, masks: int) -> tuple[str, ...]:
    wanted = (metrics,) if isinstance(metrics, str) else tuple(dict.fromkeys(metrics))
    odd = [name for name in wanted if name not in MEASURES]
    if odd or not wanted:
        raise ValueError(f"`metrics` must be some of {', '.join(MEASURES)}; got {metrics!r}")
    if how not in WAYS:
        raise ValueError(f"`how` must be one of {', '.join(WAYS)}; got {how!r}")
    check_int("masks", masks, 1)
    return wanted


def _case(
    explanations: list[Explanation],
    members: list[int],
    amounts: tuple[int, int, int],
    metrics: tuple[str, ...],
) -> _Case:
    controls, amount, seed = amounts
    first = explanations[members[0]]
    orders = random_orders(first, controls, seed)
    masks = measures.random_masks(len(first.words), amount, generator(first, seed, MASKS))
    case = _Case({number: explanations[number] for number in members}, orders, masks, {frozenset(): 0})

    def note(sets: Sequence[Words]) -> np.ndarray:
        """A value that knows nothing yet: it hears which sets of words will be asked about."""
        for words in sets:
            case.places.setdefault(words, len(case.places))
        return np.zeros(len(sets))

    for one in case.members.values():
        for metric in metrics:
            _measure(metric, note, one.word_scores, masks)
            if metric in PROBABILITIES:  # the others ask about the same sets whatever the scores
                for scores in measures.shuffled(one.word_scores, orders):
                    _measure(metric, note, scores, masks)
    return case


def _measure(metric: str, value: Value, scores: np.ndarray, masks: np.ndarray) -> float:
    if metric == "infidelity":
        return measures.infidelity(value, scores, masks)
    function = {
        "comprehensiveness": measures.comprehensiveness,
        "sufficiency": measures.sufficiency,
        "leave_one_out": measures.leave_one_out,
    }[metric]
    return function(value, scores)


def _ask(nli: NLIModel, cases: list[_Case], how: str, batch_tokens: int | None, bar: tqdm) -> None:
    """Give every case the model's logits for all its sets of words: one encoding, batches sorted by length."""
    encoding = encode_explained(nli, [case.first for case in cases])
    counts = [len(case.places) for case in cases]
    bar.total += sum(counts)
    bar.refresh()
    repeated = encoding.select(np.repeat(np.arange(len(cases)), counts))
    erased = erase(repeated, [words for case in cases for words in case.places], how)
    logits = inference.logits(nli, erased, batch_tokens=batch_tokens, bar=bar)  # (K, labels)
    for case, part in zip(cases, np.split(logits, np.cumsum(counts)[:-1]), strict=True):
        case.logits = part


def _row(nli: NLIModel, case: _Case, one: Explanation, metric: str, how: str) -> dict[str, object]:
    """One explanation by one metric, with its controls."""
    outputs = explained_logit(nli, one, case.logits)  # (K,)
    check_same_model(one, float(outputs[case.places[frozenset()]]))
    known = _probability(nli, one, case.logits) if metric in PROBABILITIES else outputs
    measure = partial(_measure, metric, lambda sets: known[[case.places[words] for words in sets]])
    value = measure(one.word_scores, case.masks)
    beside = np.array([measure(s, case.masks) for s in measures.shuffled(one.word_scores, case.orders)])
    return {
        **described(one),
        "metric": metric,
        "erasure": how,
        "value": value,
        "control": float(beside.mean()),
        "percentile": measures.percentile(value, beside, higher_is_better=HIGHER_IS_BETTER[metric]),
    }


def _probability(nli: NLIModel, one: Explanation, logits: np.ndarray) -> np.ndarray:
    """(K, labels) -> (K,) probability of the target, among all labels or, with a contrast, between the two."""
    target = nli.labels.index(one.target)
    among = range(len(nli.labels)) if one.contrast is None else (target, nli.labels.index(one.contrast))
    values = logits[:, list(among)].astype(np.float64)
    return 1 / np.exp(values - logits[:, [target]]).sum(1)
