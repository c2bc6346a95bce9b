"""Parts: the rows of a frame, cut by the values of one of its columns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

PARTS = 4  # of a column of numbers
MOST = 50  # different texts that a column may have
MISSING = "missing"
KNOWN = (
    "length",
    "length_ratio",
    "overlap",
    "negation",
    "pieces_per_word",
    "unknown_pieces",
    "genre",
    "phenomenon",
)  # columns to slice by that the kit knows; and those that begin with PREFIX
PREFIX = "reasoning_"


@dataclass(frozen=True)
class Part:
    """Rows with one value, or one range of values, of a column.

    number : 1 for the lowest part of a column of numbers; None where values are not cut into ranges.
    rows : places in the frame that was cut."""

    feature: str
    value: str
    number: int | None
    rows: np.ndarray


def feature_columns(preds: pd.DataFrame, columns: Sequence[str] | None) -> list[str]:
    """The columns to cut by: `columns`, or those that the kit knows.

    Raises
    ------
    ValueError : if one is missing, or there is none."""
    if isinstance(columns, str):
        raise ValueError(f"expected `columns` as several names; got {columns!r}; remedy: [{columns!r}]")
    names = [str(name) for name in preds if name in KNOWN or str(name).startswith(PREFIX)]
    wanted = names if columns is None else list(dict.fromkeys(columns))
    absent = [name for name in wanted if name not in preds]
    if absent:
        raise ValueError(
            f"expected a column {absent[0]!r} to slice by; got {', '.join(map(str, preds.columns))}; remedy: xlmkit.features adds some"
        )
    if not wanted:
        raise ValueError(
            f"expected columns to slice by, as {', '.join(KNOWN)}; got none; remedy: xlmkit.features.features(preds), or name your own"
        )
    return wanted


def cut(preds: pd.DataFrame, column: str, parts: int = PARTS) -> list[Part]:
    """The parts of a frame by one column: every row is in one of them.

    Numbers of more than `parts` different values are cut at quantiles, equal values together, and a part's value is its least and greatest ("5 to
    14"); other values are a part each, in order. Rows without a value are the part "missing", the last.

    Raises
    ------
    ValueError : if values are lists or the like, text has more than 50 different values, or `parts` is no whole number above 1."""
    if isinstance(parts, bool) or not isinstance(parts, int | np.integer) or parts < 2:
        raise ValueError(f"`parts` must be a whole number above 1; got {parts!r}")
    values = preds[column]
    gone = values.isna().to_numpy()
    known = values[~gone]
    places = np.flatnonzero(~gone)
    numbers = is_numeric_dtype(values) and not is_bool_dtype(values)
    if numbers and known.nunique() > parts:
        found = _ranges(column, known.to_numpy(dtype=float), places, parts)
    else:
        found = _values(column, known, places)
    if gone.any():
        found.append(Part(column, MISSING, None, np.flatnonzero(gone)))
    return found


def _values(column: str, known: pd.Series, places: np.ndarray) -> list[Part]:
    try:
        different = sorted(set(known.to_list()), key=lambda value: (str(type(value)), value))
    except TypeError:
        raise ValueError(
            f"expected text, numbers or truth values in {column!r}; got {type(known.iloc[0]).__name__}; remedy: slice by something counted on it"
        ) from None
    if len(different) > MOST:
        raise ValueError(
            f"expected at most {MOST} different values in {column!r}; got {len(different)}; remedy: numbers as numbers (they are cut into parts), or a "
            "column of fewer kinds"
        )
    codes = known.map({value: place for place, value in enumerate(different)}).to_numpy()
    return [Part(column, _name(value), None, places[codes == place]) for place, value in enumerate(different)]


def _name(value: object) -> str:
    """The value as text; a text that reads like a missing value is put in quotes."""
    if isinstance(value, float):
        return f"{value:g}"
    return repr(value) if value == MISSING else str(value)


def _ranges(column: str, known: np.ndarray, places: np.ndarray, parts: int) -> list[Part]:
    edges = np.unique(np.quantile(known, np.linspace(0, 1, parts + 1)[1:-1]))
    codes = np.searchsorted(edges, known, side="left")
    numbers = np.unique(codes)
    names = _range_names([known[codes == number] for number in numbers])
    return [
        Part(column, name, place, places[codes == number])
        for place, (number, name) in enumerate(zip(numbers, names, strict=True), 1)
    ]


def _range_names(values: Sequence[np.ndarray]) -> list[str]:
    """ "least to greatest" for each part, with as many digits as tell them apart."""
    if all((part == part.astype(int)).all() for part in values):
        return [f"{part.min():.0f} to {part.max():.0f}" for part in values]
    for digits in (3, 5, 17):
        names = [f"{part.min():.{digits}g} to {part.max():.{digits}g}" for part in values]
        bounds = [name.split(" to ") for name in names]
        if all(one[1] != other[0] for one, other in itertools.pairwise(bounds)):
            break
    return names
