"""Frames of predictions, from any model, read for the metrics.

What is asked of a frame: `prediction` (the prediction) by name, `gold` where something is judged, a column to group by, and for honest intervals
what says which rows belong together. In XNLI three items share a premise (`promptID`), and every item stands in 15 languages (`item`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS, is_missing, label_reader

PROMPTS = ("promptID", "item", "pairID")  # columns that say which rows are resampled together
ITEMS = ("item", "pairID", "promptID")  # columns that say which rows are translations of one another
ALL = "all"


@dataclass(frozen=True)
class Parallel:
    """The same items in every group (language): one row an item, one column a group."""

    groups: tuple[str, ...]  # G names
    items: np.ndarray  # (I,) text
    prompts: np.ndarray  # (I,) whole numbers 0 to P - 1; items of one prompt share one
    rows: np.ndarray  # (I, G) whole numbers: where the item stands in the frame that was read
    prediction: np.ndarray  # (I, G) text, predicted
    right: np.ndarray  # (I, G) bool; False where there is no gold
    column: str  # that says which rows are one item


def judged(
    preds: pd.DataFrame, by: str = "language", labels: Sequence[str] | None = None, *, gold: bool = True
) -> pd.DataFrame:
    """`by`, `prediction`, `gold` and `prompt` of each row, in the order of `preds` and numbered from 0.

    Parameters
    ----------
    by : the column to group by. Pairs of mixed languages have no `language` and are grouped as "premise>hypothesis".
    labels : the names that may occur; None as `evaluate` says.
    gold : whether gold is needed. Without it the column is missing throughout where `preds` has none.

    Returns
    -------
    Labels by their usual names, None where a row has no gold; `prompt` is a whole number from 0, and `attrs["prompts"]` the column that
    said it ("rows": no such column, and every row is its own).

    Raises
    ------
    ValueError : if there are no rows, a column or a prediction is missing, a label is unknown or a number, or no row has the gold needed."""
    _check_columns(preds, gold)
    if by == "prompt":
        raise ValueError(
            "expected another column than 'prompt' to group by, which numbers prompts here; remedy: rename it"
        )
    frame = pd.DataFrame({by: group_names(preds, by)})
    read = label_reader(labels or own_labels(preds))
    for column in ("prediction", "gold"):
        values = preds[column].to_list() if column in preds else [None] * len(preds)
        names = {value: read(value) for value in set(values)}
        frame[column] = pd.Series([names.get(value) for value in values], dtype=object)
    unpredicted = int(frame["prediction"].isna().sum())
    if unpredicted:
        raise ValueError(
            f"expected a prediction in every row; got none in {unpredicted} of {len(frame)}; remedy: predict them"
        )
    if gold and frame["gold"].isna().all():
        raise ValueError(f"expected gold labels to compare with; got none in {len(frame)} rows")
    frame["prompt"], frame.attrs["prompts"] = prompt_numbers(preds)
    return frame


def with_gold(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `judged` frame that have gold, their prompts numbered anew; how many have none is said."""
    known = frame[frame["gold"].notna()]
    if len(known) < len(frame):
        warn_once(f"{len(frame) - len(known)} of {len(frame)} rows have no gold label and are left out")
    return known.assign(prompt=pd.factorize(known["prompt"])[0])


def prompt_numbers(preds: pd.DataFrame) -> tuple[np.ndarray, str]:
    """(N,) the number of each row's prompt, 0 to P - 1 in order of appearance, and the column that says so.

    That is the first of `PROMPTS` that holds anything; without one every row is its own prompt, and the column is called "rows".

    Raises
    ------
    ValueError : if that column is empty in some rows only."""
    column = _first(preds, PROMPTS)
    if column is None:
        return np.arange(len(preds)), "rows"
    return np.asarray(pd.factorize(keys(preds, column))[0]), column


def item_numbers(preds: pd.DataFrame) -> np.ndarray:
    """(N,) the number of each row's item, which its translations share; without a column that says it for all rows, every row is its own."""
    column = next((name for name in ITEMS[:2] if name in preds and preds[name].notna().all()), None)
    return np.arange(len(preds)) if column is None else np.asarray(pd.factorize(keys(preds, column))[0])


def parallel(
    preds: pd.DataFrame,
    by: str = "language",
    labels: Sequence[str] | None = None,
    *,
    groups: Sequence[str] | None = None,
    gold: bool = True,
) -> Parallel:
    """The items that stand in every group, side by side; rows without gold are left out where gold is needed.

    Parameters
    ----------
    groups : those to take, in this order; None takes all, by name.

    Raises
    ------
    ValueError : if there are fewer than two groups, no column says which rows are one item, an item is missing in a group (the first
        one is named) or stands in it twice, or an item belongs to different prompts."""
    frame = judged(preds, by, labels, gold=gold)
    known = with_gold(frame) if gold else frame
    names = _groups(frame[by], by, groups)
    column = _first(preds, ITEMS)
    if column is None:
        raise ValueError(
            f"expected a column that says which rows are one item ({', '.join(ITEMS)}); got {', '.join(map(str, preds.columns))}; "
            "remedy: give translations of one another the same `item`"
        )
    known = known[known[by].isin(names)]
    codes, items = pd.factorize(keys(preds, column)[known.index])
    places = pd.Index(names).get_indexer(pd.Index(known[by]))
    _check_once(items, codes, places, names, column)
    rows = np.full((len(items), len(names)), -1)
    rows[codes, places] = known.index
    _check_same_items(items, rows, names, by, "with gold " if gold else "")
    prompts = frame["prompt"].to_numpy()[rows]  # (I, G)
    astray = np.flatnonzero((prompts != prompts[:, :1]).any(1))
    if len(astray):
        raise ValueError(
            f"expected each {column} to have one {frame.attrs['prompts']}; got several for {items[astray[0]]!r}"
        )
    label = frame["prediction"].to_numpy()[rows]
    right = label == frame["gold"].to_numpy()[rows]
    return Parallel(names, items, pd.factorize(prompts[:, 0])[0], rows, label, right, column)


def group_names(preds: pd.DataFrame, by: str) -> np.ndarray:
    """(N,) the group of each row, as text; mixed languages as "premise>hypothesis".

    Raises
    ------
    ValueError : if there is no such column, or it is empty in some rows."""
    _check_frame(preds)
    if by in preds:
        return keys(preds, by)
    if by == "language" and {"premise_language", "hypothesis_language"} <= set(preds.columns):
        return keys(preds, "premise_language") + ">" + keys(preds, "hypothesis_language")
    raise ValueError(f"expected a column {by!r} to group by; got {', '.join(map(str, preds.columns))}")


def keys(preds: pd.DataFrame, column: str) -> np.ndarray:
    """(N,) the values of a column as text: 7 and "7" are one item, in whatever file they stood.

    Raises
    ------
    ValueError : if it is empty in some rows."""
    values = preds[column].to_list()
    empty = [number for number, value in enumerate(values) if is_missing(value) or value == ""]
    if empty:
        raise ValueError(
            f"expected a `{column}` in every row; got none in {len(empty)} of {len(values)}, the first in row {empty[0]}; "
            "remedy: fill it in, or drop the column or the rows"
        )
    return np.array([str(value) for value in values], dtype=object)


def own_labels(preds: pd.DataFrame) -> Sequence[str]:
    """The labels that have a column of probabilities, if all predictions are among them; else NLI's, which know other spellings."""
    own = [column[2:] for column in preds if isinstance(column, str) and column.startswith("p_")]
    said = {label for label in preds["prediction"].to_list() if isinstance(label, str)}
    return own if own and said <= set(own) and not set(LABELS) <= set(own) else LABELS


def _check_frame(preds: pd.DataFrame) -> None:
    if not isinstance(preds, pd.DataFrame):
        raise TypeError(
            f"expected a DataFrame of predictions, got {type(preds).__name__}; remedy: predict(...)"
        )


def _check_columns(preds: pd.DataFrame, gold: bool) -> None:
    _check_frame(preds)
    missing = [
        column for column in (("prediction", "gold") if gold else ("prediction",)) if column not in preds
    ]
    if missing:
        raise ValueError(
            f"expected columns `prediction` (the prediction) and `gold`; got no {' and no '.join(missing)}; "
            "remedy: predict gives `prediction`, and `gold` comes with the pairs"
        )
    if preds.empty:
        raise ValueError("expected predictions; got a frame without rows")


def _first(preds: pd.DataFrame, columns: Sequence[str]) -> str | None:
    """The first of `columns` that holds anything."""
    return next((name for name in columns if name in preds and preds[name].notna().any()), None)


def _groups(found: pd.Series, by: str, wanted: Sequence[str] | None) -> tuple[str, ...]:
    there = sorted(found.unique())
    unknown = [name for name in wanted or () if name not in there]
    if unknown:
        raise ValueError(f"expected rows of {by} {unknown[0]!r}; got {', '.join(there)}")
    names = tuple(dict.fromkeys(wanted)) if wanted is not None else tuple(there)
    if len(names) < 2:
        raise ValueError(
            f"expected two or more values of {by!r} to compare; got {', '.join(names) or 'none'}"
        )
    return names


def _check_once(
    items: np.ndarray, codes: np.ndarray, places: np.ndarray, names: Sequence[str], column: str
) -> None:
    cells, times = np.unique(codes * len(names) + places, return_counts=True)
    if (times > 1).any():
        item, place = divmod(int(cells[times > 1][0]), len(names))
        remedy = (
            "a column `item` that tells the items of a prompt apart" if column == "promptID" else "keep one"
        )
        raise ValueError(
            f"expected each {column} once in {names[place]!r}; got {items[item]!r} {times.max()} times; remedy: {remedy}"
        )


def _check_same_items(items: np.ndarray, rows: np.ndarray, names: Sequence[str], by: str, what: str) -> None:
    gone = rows < 0
    if gone.any():
        item, place = np.argwhere(gone)[0]
        raise ValueError(
            f"expected the same items in every {by}; got no item {items[item]!r} {what}in {names[place]!r} "
            f"({gone.any(1).sum()} of {len(items)} items are missing somewhere); remedy: keep the items that all have"
        )
