"""Probabilities of a frame of predictions: `p_<label>` for each label, checked before anything is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xlmkit.pairs import LABELS
from xlmkit.stats.frames import (
    infer_labels as own_labels,
)
from xlmkit.stats.frames import (
    item_codes as item_numbers,
)
from xlmkit.stats.frames import (
    scored_rows as judged,
)
from xlmkit.stats.frames import (
    with_gold,
)

SLACK = 0.015 + 1e-9  # what three probabilities that were rounded to two places may miss 1 by


@dataclass(frozen=True)
class Probable:
    """Predictions with gold, read: N rows, K labels.

    rows : (N,) places in the frame that was read.
    groups : (N,) text, the group of each row.
    probabilities : (N, K), by row 1 in sum but for rounding.
    labels : the K names.
    label, gold : (N,) numbers of labels.
    prompt : (N,) whole numbers; rows with the same are resampled together. over : the column that says so ("rows": none does).
    item : (N,) whole numbers; rows with the same are translations of one another."""

    rows: np.ndarray
    groups: np.ndarray
    probabilities: np.ndarray
    labels: tuple[str, ...]
    prediction: np.ndarray
    gold: np.ndarray
    prompt: np.ndarray
    over: str
    item: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """(N,) the probability of the predicted label."""
        return self.probabilities[np.arange(len(self.prediction)), self.prediction]

    @property
    def right(self) -> np.ndarray:
        """(N,) 1.0 where the prediction is right, else 0.0."""
        return (self.prediction == self.gold).astype(float)


def probable(preds: pd.DataFrame, by: str = "language", labels: Sequence[str] | None = None) -> Probable:
    """Read the rows of predictions that have gold, with their probabilities.

    Raises
    ------
    ValueError : as `frames.judged`, or if a column `p_<label>` is missing, a probability is no number in [0, 1], or those of a row do not sum to 1."""
    frame = with_gold(judged(preds, by, labels))
    names = tuple(labels or own_labels(preds))
    places = frame.index.to_numpy()
    return Probable(
        rows=places,
        groups=frame[by].to_numpy(dtype=object),
        probabilities=probability_columns(preds, names)[places],
        labels=names,
        prediction=_numbers(frame["prediction"], names),
        gold=_numbers(frame["gold"], names),
        prompt=pd.factorize(frame["premise_group"])[0],
        over=str(frame.attrs.get("over", "rows")),
        item=item_numbers(preds)[places],
    )


def probability_columns(preds: pd.DataFrame, labels: Sequence[str] = LABELS) -> np.ndarray:
    """(N, K) float64 the columns `p_<label>`.

    Raises
    ------
    ValueError : if one is missing or holds no numbers in [0, 1], or a row does not sum to 1 but for rounding to two places."""
    columns = [f"p_{label}" for label in labels]
    missing = [column for column in columns if column not in preds]
    if missing:
        raise ValueError(
            f"expected the probability of each label in a column of its own; got no {', '.join(missing)}; remedy: predict gives them"
        )
    try:
        values = preds[columns].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected numbers in {', '.join(columns)}; got others: {error}") from None
    outside = ~((values >= 0) & (values <= 1)).all(1)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"expected probabilities between 0 and 1; got {values[row].tolist()} in row {row} and such in {int(outside.sum())} of {len(preds)} rows; "
            "remedy: softmax of logits, and no percent"
        )
    off = np.abs(values.sum(1) - 1) > SLACK
    if off.any():
        row = int(np.flatnonzero(off)[0])
        raise ValueError(
            f"expected the probabilities of a row to sum to 1; got {values[row].sum():.4g} in row {row} and such in {int(off.sum())} of {len(preds)} rows; "
            "remedy: give all labels, each with its own softmax probability"
        )
    return values


def _numbers(column: pd.Series, labels: tuple[str, ...]) -> np.ndarray:
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places[value] for value in column], dtype=int)
