"""Choosing: which rows of a frame of predictions a reader wants to see. Frames in, frames out; no widget."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from xlmkit.languages import LANGUAGES
from xlmkit.metrics.parts import KNOWN, MOST, PREFIX, cut
from xlmkit.pairs import check_pairs, is_missing, label_reader, language_columns, sentence_columns
from xlmkit.stats.frames import infer_labels

OUTCOMES = ("all", "wrong", "right")
ORDERS = ("as given", "most confident first", "least confident first")
MOST_CHOICES = 200  # that one list offers
ENGLISH = {"premise": "english_premise", "hypothesis": "english_hypothesis", "text": "english_text"}


@dataclass(frozen=True)
class Choice:
    """What rows must be like; None, "all" and an empty text let every row pass.

    Attributes
    ----------
    language : a code; of mixed pairs that of either sentence.
    gold, label : labels by name.
    outcome : one of `OUTCOMES`; rows without gold are neither right nor wrong.
    confidence : lowest and highest probability of the predicted label, in [0, 1], both included.
    text : words that must all occur in the sentences or their English originals, in any case and Unicode form; no patterns."""

    language: str | None = None
    gold: str | None = None
    label: str | None = None
    outcome: str = "all"
    confidence: tuple[float, float] = (0.0, 1.0)
    text: str = ""


def predictions(preds: pd.DataFrame) -> pd.DataFrame:
    """A checked copy of predictions, numbered from 0, with `confidence`, `correct` and the English originals as far as they are known.

    Raises
    ------
    TypeError : if it is no frame.
    ValueError : if rows are faulty, there are none, or a row has no prediction in `prediction`."""
    if not isinstance(preds, pd.DataFrame):
        raise TypeError(
            f"expected a DataFrame of predictions, got {type(preds).__name__}; remedy: predict(nli, pairs)"
        )
    if "prediction" not in preds or preds["prediction"].isna().any():
        missing = (
            "no column `prediction`"
            if "prediction" not in preds
            else f"{int(preds['prediction'].isna().sum())} rows without one"
        )
        raise ValueError(f"expected a prediction in every row; got {missing}; remedy: predict(nli, pairs)")
    if preds.empty:
        raise ValueError("expected predictions; got a frame without rows")
    labels = tuple(infer_labels(preds))
    read = label_reader(labels)
    frame = check_pairs(preds.drop(columns="prediction"), labels=labels).reset_index(drop=True)
    frame["prediction"] = pd.Series([read(label) for label in preds["prediction"].to_list()], dtype=object)
    frame["confidence"] = _confidence(frame)
    if "gold" in frame:
        right = (frame["prediction"] == frame["gold"]).astype("boolean")
        frame["correct"] = right.mask(frame["gold"].isna())
    return with_english(frame)


def with_english(frame: pd.DataFrame) -> pd.DataFrame:
    """With `english_premise` and `english_hypothesis` (`english_text`): the given ones, else the texts of the item's row in English, else missing."""
    result = frame.copy()
    columns = sentence_columns(frame)
    known: dict[Any, dict[Any, Any]] = {}
    if "item" in frame and "language" in frame:
        english = frame[frame["language"] == "en"].drop_duplicates("item").set_index("item")[columns]
        known = english.to_dict("index")
    for column in columns:
        name = ENGLISH[column]
        given = frame[name].to_list() if name in frame else [None] * len(frame)
        items = frame["item"].to_list() if "item" in frame else [None] * len(frame)
        result[name] = pd.Series(
            [
                known.get(item, {}).get(column) if is_missing(text) or text == "" else text
                for text, item in zip(given, items, strict=True)
            ],
            index=frame.index,
            dtype=object,
        )
    return result


def chosen(
    frame: pd.DataFrame,
    choice: Choice,
    *,
    part: np.ndarray | None = None,
    texts: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The rows of a frame from `predictions` that are as `choice` says, in their order.

    Parameters
    ----------
    part : (N,) bool, a further condition; None lets every row pass.
    texts : (N,) what `folded_texts` gives for the frame, if that is known already.

    Raises
    ------
    ValueError : if the outcome is unknown."""
    if choice.outcome not in OUTCOMES:
        raise ValueError(f"`outcome` must be one of {', '.join(OUTCOMES)}; got {choice.outcome!r}")
    keep = np.ones(len(frame), dtype=bool) if part is None else part.copy()
    if choice.language is not None:
        keep &= (frame[language_columns(frame)] == choice.language).any(axis=1).to_numpy()
    for column in ("gold", "prediction"):
        wanted = getattr(choice, column)
        if wanted is not None:
            keep &= (frame[column] == wanted).to_numpy() if column in frame else False
    if choice.outcome != "all":
        judged = (
            frame["correct"] if "correct" in frame else pd.Series(pd.NA, index=frame.index, dtype="boolean")
        )
        keep &= (judged == (choice.outcome == "right")).fillna(False).to_numpy(dtype=bool)
    low, high = choice.confidence
    if (low, high) != (0.0, 1.0):
        keep &= frame["confidence"].between(low, high).to_numpy()
    words = folded(choice.text).split()
    if words:
        keep &= np.array(
            [all(word in text for word in words) for text in texts or folded_texts(frame)], dtype=bool
        )
    return frame[keep]


def sorted_by(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """The rows in one of `ORDERS`; those whose confidence is not known come last.

    Raises
    ------
    ValueError : if there is no such order."""
    if order not in ORDERS:
        raise ValueError(f"`order` must be one of {', '.join(map(repr, ORDERS))}; got {order!r}")
    if order == ORDERS[0]:
        return frame
    return frame.sort_values("confidence", ascending=order == ORDERS[2], kind="stable")


def languages(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(name and code, code) of every language in the frame, by name."""
    codes = set(pd.unique(frame[language_columns(frame)].to_numpy().ravel()))
    return sorted((f"{LANGUAGES[code].name} ({code})", code) for code in codes)


def parts(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every slice that the frame's columns make, by "column: value": (N,) bool. Columns are those that `metrics.slices` knows."""
    found: dict[str, np.ndarray] = {}
    for name in (str(column) for column in frame if column in KNOWN or str(column).startswith(PREFIX)):
        if not pd.api.types.is_numeric_dtype(frame[name]) and frame[name].astype(str).nunique() > MOST:
            continue
        for part in cut(frame, name, 4):
            rows = np.zeros(len(frame), dtype=bool)
            rows[part.rows] = True
            found[f"{part.feature}: {part.value}"] = rows
    return dict(list(found.items())[:MOST_CHOICES])


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Each row by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def folded(text: str) -> str:
    """Text as it is compared in a search: compatibility forms and case do not matter, nor do marks that are written or left out at will."""
    return unicodedata.normalize("NFKD", text.casefold()).translate(_marks())


@cache
def _marks() -> dict[int, None]:
    """Every combining mark (Unicode Mn), as `str.translate` takes away."""
    return {code: None for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Mn"}


def folded_texts(frame: pd.DataFrame) -> list[str]:
    """All that each row says, with its English original, `folded`."""
    columns = [name for own in sentence_columns(frame) for name in (own, ENGLISH[own]) if name in frame]
    filled = frame[columns].astype(object).where(frame[columns].notna(), "")
    return [folded(" ".join(map(str, row))) for row in filled.itertuples(index=False, name=None)]


def _confidence(frame: pd.DataFrame) -> pd.Series:
    """The probability of each row's own label; missing where the frame has none."""
    found = pd.Series(np.nan, index=frame.index, dtype=float)
    for label in frame["prediction"].unique():
        if f"p_{label}" in frame:
            found = found.mask(frame["prediction"] == label, frame[f"p_{label}"])
    return found
