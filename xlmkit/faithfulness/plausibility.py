"""Plausibility: do the words that an explanation names agree with those that a reader would name (rationales)?

The measures are those of DeYoung et al. 2020 (ERASER), arXiv:1911.03429. Agreement with a rationale says how an explanation reads to someone who
knows the answer, not whether the model reasons so (Jacovi and Goldberg 2020, arXiv:2004.03685): that is `judge`'s question. Whose rationales they
are, only who gives them can say; the workshop set's are written by a machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from xlmkit.checks import is_int
from xlmkit.explanation import Explanation
from xlmkit.faithfulness.frames import HIGHER_IS_BETTER, by_id, described, finished
from xlmkit.faithfulness.inputs import check_explanations, random_orders
from xlmkit.faithfulness.measures import percentile, shuffled
from xlmkit.notices import warn_once
from xlmkit.pairs import is_missing

MEASURES = ("token_f1", "iou", "auprc", "average_precision")

Spans = Sequence[tuple[int, int]]
"""[start, end) in characters of one sentence."""


def plausibility(
    explanations: Explanation | Sequence[Explanation],
    pairs: pd.DataFrame,
    *,
    rationales: Sequence[str] | None = None,
    controls: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """How well do the words that each explanation puts first agree with the rationale of its pair?

    Parameters
    ----------
    pairs : the frame that was explained, with the rationales: one column a sentence, each a list of spans [start, end) of characters (or
        that list as JSON text, as in a CSV); empty or missing where a sentence has none.
    rationales : the names of these columns, in the order of the sentences. None: "premise_rationale" and "hypothesis_rationale" (of single
        texts "text_rationale"), as the workshop set calls them.
    controls, seed : as in `judge`.

    Returns
    -------
    The columns of `judge`, with `erasure` missing; four metrics, each in [0, 1], higher is better. A rationale's words are those that share
    a character with one of its spans. "token_f1" and "iou" (intersection over union) take as many of the words with the highest scores as the
    rationale has, so precision and recall are equal; "auprc" is the area under the curve of precision and recall, "average_precision" its sum by
    steps, whose mean over pairs is the MAP. A pair without a rationale, or with one that truncation cut off, is left out; how many, is said.
    An explanation of a wrong label need not agree with a rationale of the right one: `target` and `gold` are there to choose by.

    Raises
    ------
    ValueError : if a column or pair is missing, or a span is no span or lies outside its sentence; pairs are named.
    TypeError : if what is given are no explanations."""
    found = check_explanations(None, explanations)
    known = by_id(pairs, [one.pair_id for one in found])
    rows: list[dict[str, object]] = []
    bare = 0
    for one in found:
        right = rationale_words(one, _spans(one, known, rationales))
        if not right.any():
            bare += 1
            continue
        rows += _rows(one, right, random_orders(one, controls, seed))
    if bare:
        warn_once(f"{bare} of {len(found)} explanations have no rationale among their words and are left out")
    return finished(rows, found, pairs)


def rationale_words(explanation: Explanation, spans: Sequence[Spans]) -> np.ndarray:
    """(W,) bool: the words that share a character with a span of their sentence.

    Parameters
    ----------
    spans : for each sentence the spans [start, end) in characters of its text as the user wrote it.

    Raises
    ------
    ValueError : if a span is empty, no pair of whole numbers, or outside its sentence."""
    texts = [explanation.premise, explanation.hypothesis][: len(explanation.sides)]
    if len(spans) != len(texts):
        raise ValueError(f"expected spans for each of {', '.join(explanation.sides)}; got {len(spans)} lists")
    for side, text, own in zip(explanation.sides, texts, spans, strict=True):
        _check(explanation.pair_id, side, text or "", own)
    return np.array(
        [
            any(word.start < end and start < word.end for start, end in spans[word.sentence])
            for word in explanation.words
        ],
        dtype=bool,
    )


def _check(pair_id: str, side: str, text: str, spans: Any) -> None:
    for span in spans:
        whole = isinstance(span, Sequence | np.ndarray) and not isinstance(span, str) and len(span) == 2
        if not whole or not all(is_int(place) for place in span):
            raise ValueError(
                f"the {side} rationale of pair {pair_id!r} must be a list of spans [start, end) in characters; got {span!r} in it"
            )
        start, end = span
        if not 0 <= start < end <= len(text):
            raise ValueError(
                f"the {side} rationale of pair {pair_id!r} must lie inside its text of {len(text)} characters; got the span {list(span)!r}; "
                "remedy: count characters from 0, the end not included"
            )


def _spans(one: Explanation, known: pd.DataFrame, names: Sequence[str] | None) -> list[Any]:
    """The rationale of each sentence, as the frame has it."""
    if isinstance(names, str):
        names = (names,)
    columns = [f"{side}_rationale" for side in one.sides] if names is None else list(names)
    if len(columns) != len(one.sides):
        raise ValueError(f"`rationales` must name a column for each of {', '.join(one.sides)}; got {names!r}")
    missing = [column for column in columns if column not in known]
    if missing:
        raise ValueError(
            f"`pairs` has no column {' and no '.join(map(repr, missing))}; remedy: name the columns of the rationales with `rationales`"
        )
    return [_listed(one.pair_id, column, known.at[one.pair_id, column]) for column in columns]


def _listed(pair_id: str, column: str, value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value or "[]")
        except json.JSONDecodeError:
            value = value or None
    if isinstance(value, list | tuple | np.ndarray):
        return list(value)
    if is_missing(value):
        return []
    raise ValueError(f"expected a list of spans in `{column}` of pair {pair_id!r}; got {value!r}")


def _rows(one: Explanation, right: np.ndarray, orders: np.ndarray) -> list[dict[str, object]]:
    """One explanation by the four measures, each with its controls."""
    scores = np.vstack([one.word_scores, shuffled(one.word_scores, orders)])  # (1 + controls, W)
    measured = dict(zip(MEASURES, _measured(scores, right), strict=True))
    return [
        {
            **described(one),
            "metric": metric,
            "erasure": None,
            "value": float(values[0]),
            "control": float(values[1:].mean()),
            "percentile": percentile(float(values[0]), values[1:], higher_is_better=HIGHER_IS_BETTER[metric]),
        }
        for metric, values in measured.items()
    ]


def _measured(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The four measures (4, K) of (K, W) scores, each row the same scores in another order, against the (W,) words of the rationale.

    All rows at once, since scikit-learn's curves, which tests compare with, take a millisecond each."""
    size = int(right.sum())
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = right[order].cumsum(1)  # (K, W) words of the rationale among the first 1, 2, ...
    both = hits[:, size - 1]
    ordered = np.sort(scores[0])[::-1]
    ends = np.flatnonzero(
        np.append(ordered[1:] != ordered[:-1], True)
    )  # of words with equal scores, the last
    recall = np.pad(hits[:, ends] / size, ((0, 0), (1, 0)))
    precision = np.pad(hits[:, ends] / (ends + 1), ((0, 0), (1, 0)), constant_values=1.0)
    gained = np.diff(recall, axis=1)
    return np.array(
        [
            both / size,
            both / (2 * size - both),
            (gained * (precision[:, 1:] + precision[:, :-1]) / 2).sum(1),
            (gained * precision[:, 1:]).sum(1),
        ]
    )
