"""The workshop's pairs: 120 items in 15 languages, with the words that decide each label;
data/workshop/README.md describes them."""

from __future__ import annotations

import pandas as pd

from xlmkit import bundled
from xlmkit.languages import LANGUAGES
from xlmkit.pairs.tables import read_table

PHENOMENA = (
    "negation",
    "quantifiers",
    "antonyms",
    "hypernyms",
    "numbers",
    "time",
    "place",
    "word_order",
    "modality",
    "coreference",
    "world_knowledge",
    "lexical_overlap",
)


def workshop() -> pd.DataFrame:
    """The workshop's pairs, one row per item and language, in the order of the English file and of
    the language codes.

    Returns
    -------
    `pair_id` ("negation-03-en"), `item` ("negation-03"), `language`, `premise`, `hypothesis`,
    `gold`, `phenomenon`, `premise_rationale` and `hypothesis_rationale` (lists of character spans
    [start, end)), `english_premise`, `english_hypothesis`, `note` (for teachers, in English).

    Raises
    ------
    FileNotFoundError : if the files are missing.
    ValueError : if a file cannot be read as JSON Lines."""
    folder = bundled.path("workshop")
    files = [read_table(folder / f"{code}.jsonl").frame().assign(language=code) for code in LANGUAGES]
    frame = pd.concat(files, ignore_index=True).rename(columns={"id": "item", "label": "gold"})
    english = frame[frame["language"] == "en"].set_index("item")
    order = {item: number for number, item in enumerate(english.index)}
    frame = frame.sort_values("item", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    frame["pair_id"] = frame["item"] + "-" + frame["language"]
    for column in ("premise", "hypothesis"):
        frame[f"english_{column}"] = frame["item"].map(english[column])
    frame["note"] = frame["item"].map(english["note"])
    return frame[
        [
            *("pair_id", "item", "language", "premise", "hypothesis", "gold", "phenomenon"),
            *("premise_rationale", "hypothesis_rationale", "english_premise", "english_hypothesis", "note"),
        ]
    ]
