"""Points: what the points of a map stand for, what they are coloured by, and what each says. Frames and rows in, frames and text out.

A row is a pair, a single text, or a language as `probes.embedding_map` gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from xlmkit.languages import LANGUAGES
from xlmkit.probes.geometry import FAMILIES
from xlmkit.widgets.items import sides, spoken

OF_LANGUAGES = ("language", "script", "family")
COLUMNS = {
    "prediction": "prediction",
    "right or wrong": "correct",
    "gold": "gold",
    "phenomenon": "phenomenon",
    "genre": "genre",
}
COLOURS = (*OF_LANGUAGES, *COLUMNS)


def sampled(frame: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """At most `most` rows, numbered as in the given frame: whole items are drawn by lot, and one is kept even if it alone is larger.

    Raises
    ------
    ValueError : if there are fewer than three rows."""
    frame = frame.reset_index(drop=True)
    if len(frame) < 3:
        raise ValueError(f"a plane needs three or more points; got {len(frame)} rows")
    if len(frame) <= most:
        return frame
    names = frame["item"] if "item" in frame else pd.Series(frame.index, index=frame.index)
    lot = np.random.default_rng(seed).permutation(names.unique())
    sizes = names.value_counts().reindex(lot).cumsum()
    kept = set(sizes.index[sizes <= most]) or {lot[0]}
    return frame[names.isin(kept)]


def colours_of(frame: pd.DataFrame | None) -> list[str]:
    """What the rows of a frame can be coloured by; of None, which stands for languages alone, what languages can."""
    if frame is None:
        return list(OF_LANGUAGES)
    return [name for name in COLOURS if name in OF_LANGUAGES or COLUMNS[name] in frame]


def described(rows: Sequence[Mapping[str, Any]], colour: str) -> pd.DataFrame:
    """`group`, `text` and, where points are told apart by language, `mark` of each row, for `scatter`.

    Parameters
    ----------
    colour : one of `COLOURS`."""
    table = pd.DataFrame(
        {"group": [group(row, colour) for row in rows], "text": [said(row) for row in rows]}, dtype=object
    )
    if colour == "language" or any(map(_is_language, rows)):
        table["mark"] = ["+".join(_codes(row)) for row in rows]
    return table


def group(row: Mapping[str, Any], colour: str) -> str:
    """What a row is coloured by, in words."""
    codes = _codes(row)
    if colour == "language":
        return " and ".join(LANGUAGES[code].name for code in codes)
    if colour == "script":
        return " and ".join(dict.fromkeys(LANGUAGES[code].script for code in codes))
    if colour == "family":
        return " and ".join(dict.fromkeys(FAMILIES[code][0] for code in codes))
    value = row.get(COLUMNS[colour])
    if colour == "right or wrong":
        if not isinstance(value, bool | np.bool_):
            return "no gold label"
        return "✓ right" if value else "✗ wrong"
    return str(value) if isinstance(value, str) else "unknown"


def said(row: Mapping[str, Any]) -> str:
    """What a point says when it is pointed at, in lines: language, verdict, texts, English originals."""
    if _is_language(row):
        return f"{row['name']} ({row['language']}): {row['family']}, {row['branch']}; script {row['script']}"
    lines = [spoken(row)]
    if isinstance(row.get("prediction"), str):
        lines[0] += f"; predicted: {row['prediction']}{_verdict(row)}"
    lines += [str(row[name]) for name, _ in sides(row)]
    originals = [row.get(f"english_{name}") for name, code in sides(row) if code != "en"]
    lines += [f"English: {text}" for text in originals if isinstance(text, str)]
    return "\n".join(lines)


def _verdict(row: Mapping[str, Any]) -> str:
    gold = row.get("gold")
    if not isinstance(gold, str):
        return ""
    return ", right" if gold == row["prediction"] else f", wrong, gold: {gold}"


def _is_language(row: Mapping[str, Any]) -> bool:
    return "hypothesis" not in row and "text" not in row


def _codes(row: Mapping[str, Any]) -> list[str]:
    """The language, or both of a mixed pair."""
    return (
        [str(row["language"])] if _is_language(row) else list(dict.fromkeys(code for _, code in sides(row)))
    )
