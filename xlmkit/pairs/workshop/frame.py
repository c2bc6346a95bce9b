"""The bundled items as one tidy frame, each item in all its languages side by side."""

from __future__ import annotations

import pandas as pd

from xlmkit import bundled
from xlmkit.languages import LANGUAGES
from xlmkit.pairs.workshop.items import Item, read_items


def workshop() -> pd.DataFrame:
    """The workshop's pairs, one row an item and language, in the order of the English file and of the languages' codes.

    Returns
    -------
    `pair_id` ("negation-03-en"), `item` ("negation-03"), `language`, `premise`, `hypothesis`, `gold`, `phenomenon`,
    `premise_rationale` and `hypothesis_rationale` (lists of character spans [start, end), as in the files), `english_premise`,
    `english_hypothesis`, `note` (for teachers, in English).

    Raises
    ------
    FileNotFoundError : if the files are not there.
    ValueError : if one is not as `xlmkit check-pairs` asks."""
    folder = bundled.path("workshop")
    files = {code: folder / f"{code}.jsonl" for code in LANGUAGES if (folder / f"{code}.jsonl").is_file()}
    by_language = {}
    for code, file in files.items():
        items, faults = read_items(file)
        if faults:
            raise ValueError(f"{faults[0]} ({len(faults)} faults in all: xlmkit check-pairs {file.name})")
        by_language[code] = {item.id: item for item in items}
    rows = [
        _row(items[english.id], english)
        for english in by_language["en"].values()
        for items in by_language.values()
        if english.id in items
    ]
    return pd.DataFrame(rows)


def _row(item: Item, english: Item) -> dict[str, object]:
    return {
        "pair_id": f"{item.id}-{item.language}",
        "item": item.id,
        "language": item.language,
        "premise": item.premise,
        "hypothesis": item.hypothesis,
        "gold": item.label,
        "phenomenon": item.phenomenon,
        "premise_rationale": [list(span) for span in item.premise_rationale],
        "hypothesis_rationale": [list(span) for span in item.hypothesis_rationale],
        "english_premise": english.premise,
        "english_hypothesis": english.hypothesis,
        "note": english.note,
    }
