"""Parallel rows: the same item in several languages, and which two of them to compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from xlmkit.languages import LANGUAGES
from xlmkit.stats.frames import group_names, premise_groups

ITEMS = (
    "item",
    "pairID",
)  # columns that say which rows are translations of one another, the first that is there
REFERENCE = "en"
ALL = "all"


def check_parallel(frame: pd.DataFrame) -> pd.DataFrame:
    """`item`, `prompt` (a number), `language` and `pair_id` of each row of a checked frame; "en>fr" where premise and hypothesis may differ in language.

    Raises
    ------
    ValueError : if no column says which rows are one item, or an item stands twice in a language."""
    if "item" not in frame:
        raise ValueError(
            f"expected a column `item` that says which rows are translations of one another; got {', '.join(map(str, frame.columns))}"
        )
    rows = pd.DataFrame(
        {
            "item": frame["item"],
            "prompt": premise_groups(frame)[0],
            "language": group_names(frame, "language"),
            "pair_id": frame["pair_id"],
        },
        index=frame.index,
    )
    twice = rows[rows.duplicated(["item", "language"])]
    if len(twice):
        item, language = twice[["item", "language"]].iloc[0]
        raise ValueError(
            f"expected each item once in a language; got {item!r} more than once in {language!r}; remedy: keep one"
        )
    return rows


def language_pairs(
    languages: Iterable[str], wanted: Sequence[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    """The pairs of languages to compare; None takes every two, English first where it is one of them.

    Raises
    ------
    ValueError : if a pair is no two different languages of the frame."""
    known = sorted(set(languages), key=lambda code: (code != REFERENCE, code not in LANGUAGES, code))
    if wanted is None:
        return [(first, second) for place, first in enumerate(known) for second in known[place + 1 :]]
    for pair in wanted:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(known):
            raise ValueError(
                f"`languages` must hold pairs of two different languages of the frame ({', '.join(known)}); got {pair!r}"
            )
    return [(first, second) for first, second in wanted]


def missing(rows: pd.DataFrame, languages: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Per pair of languages ("en-fr"), how many items stand in one of the two only."""
    items = {language: set(own) for language, own in rows.groupby("language")["item"]}
    return {f"{first}-{second}": len(items[first] ^ items[second]) for first, second in languages}
