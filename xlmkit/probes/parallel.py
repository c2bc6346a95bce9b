"""Parallel items: the same ones in every language, or a refusal that names the first that is missing."""

from __future__ import annotations

import pandas as pd

from xlmkit.pairs import check_pairs


def parallel(pairs: pd.DataFrame, *, least: int = 2) -> pd.DataFrame:
    """The pairs as checked, if every language has the same items once.

    Parameters
    ----------
    pairs : `item`, `language` and texts.
    least : how many languages there must be.

    Returns
    -------
    The checked frame, sorted by item in order of appearance, then language.

    Raises
    ------
    ValueError : if there is no `item` or no `language` column, fewer languages, an item twice in one language, or one that a language lacks."""
    if "item" not in pairs:
        raise ValueError(
            f"expected parallel items: a column `item` that is the same in all languages; got {', '.join(map(str, pairs.columns))}; "
            "remedy: read_pairs gives it for XNLI and the workshop; in your own pairs, number the items"
        )
    frame = check_pairs(pairs, labels=None)
    if "language" not in frame:
        raise ValueError(
            "expected pairs of one language each (`language`); got mixed ones; remedy: give the parallel pairs that they were made of"
        )
    languages = sorted(frame["language"].unique())
    if len(languages) < least:
        raise ValueError(f"expected at least {least} languages; got {', '.join(languages) or 'none'}")
    twice = frame[frame.duplicated(["item", "language"])]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(
            f"expected every item once a language; got {first['item']!r} more than once in {first['language']!r}"
        )
    items = list(dict.fromkeys(frame["item"]))
    there = set(zip(frame["item"], frame["language"], strict=True))
    missing = [(item, code) for item in items for code in languages if (item, code) not in there]
    if missing:
        item, code = missing[0]
        raise ValueError(
            f"expected the same items in every language; item {item!r} is missing in {code!r} (the first of {len(missing)}); remedy: keep the "
            "items that all languages have"
        )
    order = {item: number for number, item in enumerate(items)}
    return frame.sort_values(
        by=["item", "language"],
        key=lambda column: column.map(order) if column.name == "item" else column,
        ignore_index=True,
    )
