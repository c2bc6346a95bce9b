"""TaxiXNLI's categories of reasoning on items of XNLI's test set (K et al. 2021, "Analyzing the Effects of Reasoning Types on Cross-Lingual
Transfer Performance", aclanthology.org/2021.mrl-1.8): boolean, negation, spatial, temporal, causal, knowledge, and others in other releases."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from xlmkit.pairs import check_pairs, label_name
from xlmkit.pairs.tables import read_table

PREFIX = "reasoning_"  # `negation` is a feature of its own
OWN = ("pairID", "promptID", "sentence1", "sentence2", "gold_label")  # the other columns are categories
ANNOTATED = {"1": "yes", "0": "no", "-1": None}


def reasoning(pairs: pd.DataFrame, file: str | os.PathLike[str]) -> pd.DataFrame:
    """Add TaxiXNLI's categories to pairs of XNLI's test set, in whatever language: items are the same in all.

    Parameters
    ----------
    pairs : with `item`, which holds XNLI's `pairID`, and `gold`.
    file : TaxiXNLI as a table of `pairID`, `sentence1`, `sentence2` (English), `gold_label` and a column a category, in which 1 is yes, 0 no, and -1
        not annotated.

    Returns
    -------
    The rows with their index, and for each category a column `reasoning_<category>`: "yes", "no", or missing where it was not annotated, which
    is most of them.

    Raises
    ------
    ValueError : if a column is missing, a value is none of the three, no item is annotated, or an item has another gold label or (in English) another
        hypothesis than there: then these are not the items that were annotated."""
    frame = check_pairs(pairs)
    if "item" not in frame or "gold" not in frame:
        raise ValueError(
            "expected columns `item` (XNLI's pairID) and `gold`; got "
            f"{', '.join(map(str, frame.columns))}; remedy: read_pairs of XNLI's test set gives both"
        )
    notes, categories = _notes(Path(file))
    known = frame["item"].isin(notes.index).to_numpy()
    if not known.any():
        raise ValueError(
            f"expected items that {Path(file).name} annotates, as {notes.index[0]!r}; got none; remedy: XNLI's test set"
        )
    _check_same(frame[known], notes)
    result = frame.copy()
    for category in categories:
        values = notes[category].reindex(frame["item"]).to_numpy()
        result[PREFIX + category] = pd.Series(values, index=frame.index, dtype=object)
    return result


def _notes(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """The annotations by `pairID`, "yes", "no" or None, and the names of the categories."""
    table = read_table(file)
    categories = [column for column in table.columns if column not in OWN]
    missing = [column for column in ("pairID", "sentence2", "gold_label") if column not in table.columns]
    if missing or not categories or table.broken:
        got = f"broken lines {sorted(table.broken)[:5]}" if table.broken else ", ".join(table.columns)
        raise ValueError(f"{file.name}: expected columns {', '.join(OWN)} and a category or more; got {got}")
    notes = pd.DataFrame(table.rows, dtype=object).set_index("pairID")
    notes.index = notes.index.astype(str)
    for category in categories:
        values = [str(value) for value in notes[category]]
        wrong = sorted(set(values) - set(ANNOTATED))
        if wrong:
            raise ValueError(f"{file.name}: expected 1, 0 or -1 in {category!r}; got {wrong[0]!r}")
        notes[category] = pd.Series([ANNOTATED[value] for value in values], index=notes.index, dtype=object)
    return notes, categories


def _check_same(frame: pd.DataFrame, notes: pd.DataFrame) -> None:
    """Refuse items that are not the annotated ones, though they bear their numbers."""
    notes = notes.loc[frame["item"]]
    golds = [label_name(value) for value in notes["gold_label"]]
    other = frame["gold"].to_numpy() != golds
    if "language" in frame:
        english = frame["language"].to_numpy() == "en"
        other |= english & (
            frame["hypothesis"].str.strip().to_numpy() != notes["sentence2"].str.strip().to_numpy()
        )
    if other.any():
        item = frame["item"].to_numpy()[other][0]
        raise ValueError(
            f"expected the items of XNLI's test set that TaxiXNLI annotates; got another gold label or hypothesis for item {item!r}; "
            "remedy: give XNLI's test set, with its pairID as `item`"
        )
