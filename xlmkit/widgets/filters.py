"""Filters: which rows of a frame of predictions a reader wants to see. Frames in, frames out; no
widget."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import regex

from xlmkit.checks import check_choice
from xlmkit.languages import LANGUAGES
from xlmkit.metrics.slices import KNOWN, MAX_VALUES, bin_column
from xlmkit.pairs import check_pairs, label_reader, language_columns, sentence_columns, with_english
from xlmkit.stats.frames import infer_labels
from xlmkit.widgets.html import ENGLISH
from xlmkit.widgets.notes import Notes

OUTCOMES = ("all", "wrong", "right")
ORDERS = ("as given", "most confident first", "least confident first")
MOST_SLICES = 200  # in one list
SLICE_BINS = 4  # of a column of numbers
WITH, WITHOUT, TAG = "with a note", "without a note", "tag: "


@dataclass(frozen=True)
class Filters:
    """What rows must be like; the defaults let every row pass.

    Attributes
    ----------
    language : a code; of a pair in two languages, either one.
    gold, prediction : labels by name.
    outcome : one of `OUTCOMES`; rows without gold are neither right nor wrong.
    confidence : lowest and highest probability of the predicted label, in [0, 1], both included.
    text : words that must all occur in the sentences or their English originals; see `search_key`.
    slice : a name from `slices_of`.
    noted : a name from `note_options`."""

    language: str = ""
    gold: str = ""
    prediction: str = ""
    outcome: str = "all"
    confidence: tuple[float, float] = (0.0, 1.0)
    text: str = ""
    slice: str = ""
    noted: str = ""

    def in_words(self) -> str:
        """The filters that are set, such as "language: th, rows: wrong"."""
        low, high = self.confidence
        shown = {
            "language": self.language,
            "gold": self.gold,
            "predicted": self.prediction,
            "rows": self.outcome.removeprefix("all"),
            "confidence": "" if (low, high) == (0.0, 1.0) else f"{low:.2f} to {high:.2f}",
            "with the words": self.text,
            "slice": self.slice,
            "notes": self.noted,
        }
        return ", ".join(f"{name}: {value}" for name, value in shown.items() if value) or "all rows"


def check_predictions(preds: pd.DataFrame) -> pd.DataFrame:
    """A checked copy of predictions, numbered from 0, with `confidence`, `correct` and English
    originals as far as known.

    Raises
    ------
    TypeError : if it is not a frame.
    ValueError : if rows are faulty, there are none, or one has no `prediction`."""
    remedy = "Use predict(nli, pairs)."
    if not isinstance(preds, pd.DataFrame):
        raise TypeError(f"expected a DataFrame of predictions; got {type(preds).__name__}. {remedy}")
    if "prediction" not in preds or preds["prediction"].isna().any() or preds.empty:
        missing = int(preds["prediction"].isna().sum()) if "prediction" in preds else "no such column"
        raise ValueError(
            f"expected a `prediction` in every row; got {len(preds)} rows, missing: {missing}. {remedy}"
        )
    labels = tuple(infer_labels(preds))
    read = label_reader(labels)
    frame = check_pairs(preds.drop(columns="prediction"), labels=labels).reset_index(drop=True)
    frame["prediction"] = pd.Series([read(label) for label in preds["prediction"].to_list()], dtype=object)
    frame["confidence"] = np.nan
    for label in frame["prediction"].unique():
        if f"p_{label}" in frame:
            frame.loc[frame["prediction"] == label, "confidence"] = frame[f"p_{label}"]
    frame["correct"] = pd.Series(pd.NA, index=frame.index, dtype="boolean")
    if "gold" in frame:
        right = (frame["prediction"] == frame["gold"]).astype("boolean")
        frame["correct"] = right.mask(frame["gold"].isna())
    return with_english(frame)


def filter_rows(
    frame: pd.DataFrame,
    filters: Filters,
    notes: Notes,
    *,
    slices: Mapping[str, np.ndarray],
    keys: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that fit; and those that would fit if labels and outcome did not matter, for a
    confusion matrix.

    Parameters
    ----------
    frame, slices : from `check_predictions` and `slices_of`.
    keys : (N,) `search_keys` of the frame, if they are known already.

    Raises
    ------
    ValueError : if the outcome is unknown."""
    check_choice("outcome", filters.outcome, OUTCOMES)
    keep = slices.get(filters.slice, np.ones(len(frame), dtype=bool)).copy()
    if filters.language:
        keep &= (frame[language_columns(frame)] == filters.language).any(axis=1).to_numpy()
    if filters.confidence != (0.0, 1.0):
        keep &= frame["confidence"].between(*filters.confidence).to_numpy()
    words = search_key(filters.text).split()
    if words:
        keep &= np.array([all(word in key for word in words) for key in keys or search_keys(frame)])
    if filters.noted:
        keep &= np.array([_is_noted(notes.of(row), filters.noted) for row in frame.to_dict("records")])
    fit = keep.copy()
    for column in ("gold", "prediction"):
        if getattr(filters, column):
            fit &= (frame[column] == getattr(filters, column)).to_numpy() if column in frame else False
    if filters.outcome != "all":
        fit &= (frame["correct"] == (filters.outcome == "right")).fillna(False).to_numpy(dtype=bool)
    return frame[fit], frame[keep]


def _is_noted(note: tuple[str, str], wanted: str) -> bool:
    return any(note) == (wanted == WITH) if wanted in (WITH, WITHOUT) else f"{TAG}{note[0]}" == wanted


def sort_rows(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """The rows in one of `ORDERS`; those whose confidence is not known come last.

    Raises
    ------
    ValueError : if there is no such order."""
    check_choice("order", order, ORDERS)
    if order == ORDERS[0]:
        return frame
    return frame.sort_values("confidence", ascending=order == ORDERS[2], kind="stable")


def language_options(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(name and code, code) of every language in the frame, by name."""
    codes = set(pd.unique(frame[language_columns(frame)].to_numpy().ravel()))
    return sorted((f"{LANGUAGES[code].name} ({code})", code) for code in codes)


def note_options(notes: Notes) -> list[tuple[str, str]]:
    """(name, value) of the filters that have to do with notes."""
    return [("any", ""), *((name, name) for name in (WITH, WITHOUT, *(TAG + tag for tag in notes.tags)))]


def slices_of(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every slice that the frame's columns make, "column: value" -> (N,) bool; the columns that
    `metrics.slices` knows."""
    slices: dict[str, np.ndarray] = {}
    for name in (str(column) for column in frame if column in KNOWN):
        if pd.api.types.is_numeric_dtype(frame[name]) or frame[name].astype(str).nunique() <= MAX_VALUES:
            for part in bin_column(frame, name, SLICE_BINS):
                slices[f"{part.feature}: {part.value}"] = np.isin(np.arange(len(frame)), part.rows)
    return dict(list(slices.items())[:MOST_SLICES])


def search_key(text: str) -> str:
    """Text as a search compares it: without case, compatibility forms, and optional marks (Unicode
    Mn)."""
    return regex.sub(r"\p{Mn}+", "", unicodedata.normalize("NFKD", text.casefold()))


def search_keys(frame: pd.DataFrame) -> list[str]:
    """The `search_key` of all texts of each row, with their English originals."""
    columns = [
        name for column in sentence_columns(frame) for name in (column, ENGLISH[column]) if name in frame
    ]
    filled = frame[columns].astype(object).where(frame[columns].notna(), "")
    return [search_key(" ".join(map(str, row))) for row in filled.itertuples(index=False, name=None)]
