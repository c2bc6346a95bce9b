"""Plausibility: do explanations name the words that a reader would name (the rationale)?

The measures are those of DeYoung et al. 2020 (ERASER), arXiv:1911.03429. Agreement with a
rationale says how an explanation reads to someone who knows the answer, not whether the model
reasons so (Jacovi and Goldberg 2020, arXiv:2004.03685); for that, see `erasure_metrics`. Whose
rationales they are, only their source can say; those of the workshop set are written by a
machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import auc, average_precision_score, precision_recall_curve

from xlmkit.alignment.rationales import read_spans, words_in_spans
from xlmkit.attribution.tabulate import pairs_by_id
from xlmkit.explanation import Explanation
from xlmkit.faithfulness.controls import (
    check_explanations,
    metric_frame,
    metric_row,
    random_orders,
    with_controls,
)
from xlmkit.notices import warn_once

METRICS = ("token_f1", "iou", "auprc", "average_precision")

Spans = Sequence[tuple[int, int]]
"""[start, end) in characters of one sentence."""


def plausibility(
    explanations: Explanation | Sequence[Explanation],
    pairs: pd.DataFrame,
    *,
    rationales: Sequence[str] | None = None,
    n_controls: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """How well do the words that each explanation ranks first agree with the rationale of its
    pair?

    Parameters
    ----------
    pairs : the explained frame with the rationales: one column per sentence, each cell a list of
        spans [start, end) of characters, or that list as JSON (as in a CSV); empty or missing
        where a sentence has none.
    rationales : the names of these columns, in the order of the sentences. None:
        "premise_rationale" and "hypothesis_rationale" (for single texts "text_rationale"), as in
        the workshop set.
    n_controls, seed : as for `erasure_metrics`.

    Returns
    -------
    The columns of `erasure_metrics`, with `perturbation` missing; four metrics in [0, 1], higher
    is better. A word belongs to a rationale if it shares a character with one of its spans.
    "token_f1" and "iou" (intersection over union) take as many of the highest-scored words as the
    rationale has, so precision and recall are equal; "auprc" is the area under the
    precision-recall curve, "average_precision" its sum by steps, whose mean over pairs is the
    MAP. Pairs without a rationale, or whose rationale was truncated, are skipped with a warning.
    An explanation of a wrong label need not agree with the rationale of the right one: select by
    `target` and `gold`.

    Raises
    ------
    ValueError : if a column or pair is missing, or a span is invalid or outside its sentence.
    TypeError : if `explanations` has something else."""
    listed = check_explanations(None, explanations)
    known = pairs_by_id(pairs, [one.pair_id for one in listed])
    rows: list[dict[str, object]] = []
    skipped = 0
    for one in listed:
        rationale = rationale_words(one, _spans(one, known, rationales))
        if rationale.any():
            scores = with_controls(one.word_scores, random_orders(one, n_controls, seed))
            values = [agreement(row, rationale) for row in scores]
            rows += [metric_row(one, metric, None, [value[metric] for value in values]) for metric in METRICS]
        else:
            skipped += 1
    if skipped:
        warn_once(f"skipped {skipped} of {len(listed)} explanations without a rationale among their words")
    return metric_frame(rows, listed, pairs)


def rationale_words(explanation: Explanation, spans: Sequence[Spans]) -> np.ndarray:
    """(W,) bool: the words that share a character with a span of their sentence.

    Parameters
    ----------
    spans : for each sentence the spans [start, end) in characters of the text as the user wrote it,
        or that list as JSON.

    Raises
    ------
    ValueError : if a span is empty, no pair of integers, or outside its sentence."""
    texts = [explanation.premise, explanation.hypothesis][: len(explanation.sides)]
    if len(spans) != len(texts):
        raise ValueError(
            f"expected spans for each of {', '.join(explanation.sides)}; got {len(spans)} lists."
        )
    inside = []
    for number, (side, text) in enumerate(zip(explanation.sides, texts, strict=True)):
        what = f"the {side} rationale of pair {explanation.pair_id!r}"
        words = [word for word in explanation.words if word.sentence == number]
        inside.append(words_in_spans(words, read_spans(spans[number], text or "", what)))
    return np.concatenate(inside)


def _spans(one: Explanation, known: pd.DataFrame, names: Sequence[str] | None) -> list[Any]:
    """The rationale of each sentence, as the frame has it."""
    columns = [f"{side}_rationale" for side in one.sides] if names is None else names
    columns = [columns] if isinstance(columns, str) else list(columns)
    if len(columns) != len(one.sides):
        raise ValueError(
            f"`rationales` must name one column for each of {', '.join(one.sides)}; got {names!r}."
        )
    missing = [column for column in columns if column not in known]
    if missing:
        raise ValueError(
            f"`pairs` has no column {missing[0]!r}. Name the columns of rationales in `rationales`."
        )
    return [known.at[one.pair_id, column] for column in columns]


def agreement(scores: np.ndarray, rationale: np.ndarray) -> dict[str, float]:
    """The four measures of (W,) scores against the (W,) words of a rationale, which has at least
    one."""
    size = int(rationale.sum())
    top = np.argsort(-scores, kind="stable")[:size]
    hits = int(rationale[top].sum())
    precision, recall, _ = precision_recall_curve(rationale, scores)
    values = (hits / size, hits / (2 * size - hits), auc(recall, precision))
    return dict(zip(METRICS, (*values, average_precision_score(rationale, scores)), strict=True))
