"""Answers: what a learner gives, read as a number, a name or several; what cannot be read is answered with a sentence, not an error."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd

from xlmkit.course.verdict import NotYet

LONGEST = 80  # characters of an answer that are said back


def said(answer: object) -> str:
    """The answer in code marks, shortened, for a sentence."""
    text = " ".join(repr(answer).split()).replace("`", "'")
    return f"`{text}`" if len(text) <= LONGEST else f"`{text[: LONGEST - 1]}…`"


def whole_number(answer: object) -> int:
    """A count: 3, not 3.5 and not "3"."""
    value = _single(answer)
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    found = _finite(value) if real else math.nan
    if not found.is_integer():
        raise NotYet(f"Expected a whole number, such as 3; got {said(answer)}.")
    return int(found)


def number(answer: object, *, low: float = -math.inf, high: float = math.inf) -> float:
    """A number from `low` to `high`; a percentage given for a share is recognised."""
    value = _single(answer)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise NotYet(f"Expected a number, such as 0.25; got {said(answer)}.")
    found = _finite(value)
    if (low, high) == (0, 1) and 1 < found <= 100:
        raise NotYet(f"Expected a share between 0 and 1; {said(answer)} looks like per cent: divide by 100.")
    if not low <= found <= high:
        raise NotYet(f"Expected a number from {low:g} to {high:g}; got {said(answer)}.")
    return found


def name(answer: object, among: Iterable[str]) -> str:
    """One of the names in `among`; upper case and spaces around it are forgiven."""
    known = list(dict.fromkeys(among))
    value = _single(answer)
    if not isinstance(value, str):
        raise NotYet(f"Expected one name of {_listed(known)}, in quotes; got {said(answer)}.")
    fits = [one for one in known if one.casefold() == value.strip().casefold()]
    if not fits:
        raise NotYet(f"Expected one of {_listed(known)}; got {said(answer)}.")
    return fits[0]


def names(answer: object, among: Iterable[str]) -> set[str]:
    """One or more of the names in `among`, as a list, tuple, set, index or column."""
    known = list(dict.fromkeys(among))
    parts = several(answer)
    return {name(str(part) if isinstance(part, numbers.Integral) else part, known) for part in parts}


def several(answer: object, count: int | None = None) -> list[Any]:
    """The parts of a list, tuple, set, index or column; `count` of them if that is given."""
    if isinstance(answer, str) or not isinstance(answer, Collection | np.ndarray | pd.Series | pd.Index):
        if count not in (None, 1):
            raise NotYet(f"Expected {count} values in brackets, such as `[…, …]`; got {said(answer)}.")
        return [answer]
    parts = list(answer.keys() if isinstance(answer, dict) else answer)
    if not parts or (count is not None and len(parts) != count):
        raise NotYet(f"Expected {count or 'one or more'} values; got {len(parts)}: {said(answer)}.")
    return parts


def table(answer: object, columns: Iterable[str]) -> pd.DataFrame:
    """A frame with these columns and at least one row."""
    if not isinstance(answer, pd.DataFrame):
        raise NotYet(f"Expected a table (a DataFrame); got {said(answer)}.")
    missing = [column for column in columns if column not in answer]
    if missing:
        raise NotYet(f"Expected a table with the columns {_listed(columns)}; it has no {_listed(missing)}.")
    return answer


def _single(answer: Any) -> Any:
    """A value out of an array, tensor or column that holds just one."""
    if not isinstance(answer, bool | np.bool_) and hasattr(answer, "item"):
        try:
            return answer.item()
        except (ValueError, RuntimeError, TypeError):
            raise NotYet(f"Expected one value; got several: {said(answer)}.") from None
    return bool(answer) if isinstance(answer, np.bool_) else answer


def _finite(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise NotYet(f"Expected a number; got {said(found)}.")
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in names)
