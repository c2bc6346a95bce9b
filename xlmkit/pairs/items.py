"""Items: which rows of a frame are translations of one another, the language of a row, and the
English original of a text.

An item is one pair in all its languages. XNLI and the workshop set name it in a column `item`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.pairs.columns import is_missing, language_columns, sentence_columns

ITEM_COLUMNS = ("item", "pairID", "promptID")
"""Columns that say which rows are one item; the first that is not empty counts."""


def row_language(frame: pd.DataFrame) -> np.ndarray:
    """The language of each row: "en", or "en>fr" for an English premise with a French hypothesis.

    Returns
    -------
    (N,) object array of str. A pair whose two languages are equal, or whose second is missing, has
    one code.

    Raises
    ------
    ValueError : if there is no `language` and not both `premise_language` and
        `hypothesis_language`."""
    columns = language_columns(frame)
    if not set(columns) <= set(frame.columns):
        raise ValueError(
            "expected a column `language`, or `premise_language` and `hypothesis_language`; "
            f"got {', '.join(map(str, frame.columns))}. Add the language of each row."
        )
    first, second = frame[columns[0]].to_list(), frame[columns[-1]].to_list()
    codes = [
        premise if is_missing(hypothesis) or premise == hypothesis else f"{premise}>{hypothesis}"
        for premise, hypothesis in zip(first, second, strict=True)
    ]
    return np.array(codes, dtype=object)


def shared_items(
    frame: pd.DataFrame,
    by: str = "language",
    *,
    groups: Sequence[str] | None = None,
    minimum: int = 2,
    complete: bool = True,
) -> pd.DataFrame:
    """Find the rows of every item in every language.

    For example, four rows with the items a, a, b, b in the languages en, sw, sw, en give

           en  sw
        a   0   1
        b   3   2

    Parameters
    ----------
    frame : N rows with `item` (or `pairID`, `promptID`), the same for all translations of a pair.
    by : the column whose values are compared; "language" is that of `row_language`.
    groups : the languages to take, in this order; None takes all, sorted. Rows in others are left
        out.
    minimum : how many languages there must be.
    complete : whether every item must be in every language. If not, -1 marks a missing one.

    Returns
    -------
    Row positions, 0 to N - 1: one row per item in order of appearance, one column per language. The
    index is named after the column that identifies items; items are text.

    Raises
    ------
    ValueError : if no column identifies items or it is empty in a row, a language is missing or
        there are too few, or an item occurs twice in a language or is missing in one. The first
        such item is named."""
    column = next((name for name in ITEM_COLUMNS if name in frame and frame[name].notna().any()), None)
    if column is None:
        raise ValueError(
            "expected a column `item` that is the same for all translations of a pair; "
            f"got {', '.join(map(str, frame.columns))}. Number the items of your own pairs."
        )
    languages = row_language(frame) if by == "language" else frame[by].astype(str).to_numpy(dtype=object)
    there = sorted(set(languages))
    names = there if groups is None else list(groups)
    absent = [name for name in names if name not in there]
    if absent or len(names) < minimum:
        expected = f"rows with the {by} {absent[0]!r}" if absent else f"at least {minimum} values of `{by}`"
        raise ValueError(f"expected {expected}; got {', '.join(map(str, there)) or 'none'}.")
    rows = np.flatnonzero(np.isin(languages, names))
    ids = [None if is_missing(value) else str(value) for value in frame[column].iloc[rows]]
    if None in ids:
        raise ValueError(
            f"`{column}` must be given in every row; got none in {ids.count(None)} of {len(ids)}."
        )
    codes, items = pd.factorize(np.array(ids, dtype=object))
    places = pd.Index(names).get_indexer(pd.Index(languages[rows]))
    found = pd.DataFrame(-1, index=pd.Index(items, name=column, dtype=object), columns=list(names))
    positions = found.to_numpy(copy=True)
    positions[codes, places] = rows
    again = np.flatnonzero(positions[codes, places] != rows)
    if len(again):
        item, name = items[codes[again[0]]], names[places[again[0]]]
        raise ValueError(
            f"expected each item once per {by}; got {item!r} more than once in {name!r}. Keep one of the rows."
        )
    if complete and (positions < 0).any():
        item, place = np.argwhere(positions < 0)[0]
        raise ValueError(
            f"expected the same items in every {by}; item {items[item]!r} is missing in {names[place]!r} "
            f"(the first of {(positions < 0).sum()}). Keep the items that all of them have."
        )
    return pd.DataFrame(positions, index=found.index, columns=found.columns)


def with_english(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the English original of each text.

    Returns
    -------
    A copy with `english_premise` and `english_hypothesis` (or `english_text`): what the frame has
    there, or the text of the same item's row in English, or missing where neither is known."""
    result = frame.copy()
    texts = [column for column in sentence_columns(frame) if column in frame]
    items = frame["item"].to_list() if "item" in frame else [None] * len(frame)
    english: dict[object, int] = {}
    if "item" in frame and set(language_columns(frame)) <= set(frame.columns):
        for row in np.flatnonzero(row_language(frame) == "en").tolist():
            english.setdefault(items[row], row)
    for column in texts:
        name, originals = f"english_{column}", frame[column].to_list()
        known = frame[name].to_list() if name in frame else [None] * len(frame)
        values = [
            (originals[english[item]] if item in english else None)
            if is_missing(text) or text == ""
            else text
            for text, item in zip(known, items, strict=True)
        ]
        result[name] = pd.Series(values, index=frame.index, dtype=object)
    return result
