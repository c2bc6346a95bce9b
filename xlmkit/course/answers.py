"""Answers: what a learner gives, read as a number, a name or several of them, and compared.

What cannot be read raises `NotYet` with a sentence for the learner, not an error."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

CLOSE = 0.005  # between two fractions that are equal to two digits
MAX_LENGTH = 80  # characters of an answer that are quoted


class NotYet(Exception):
    """The answer is not right; the message says why and what to do."""


def quote(answer: object) -> str:
    """The answer in code marks, shortened, for a sentence."""
    text = " ".join(repr(answer).split()).replace("`", "'")
    return f"`{text}`" if len(text) <= MAX_LENGTH else f"`{text[: MAX_LENGTH - 1]}…`"


def compare(
    given: Any, truth: Any, *, right: str, wrong: Mapping[str, Any], otherwise: str, within: float = 0
) -> str:
    """The sentence for a right answer; for any other answer raises `NotYet` with the reason.

    Parameters
    ----------
    given, truth : names, numbers, or lists of as many numbers each.
    wrong : usual wrong values by the reason why: that of the closest value counts, and the
        first of equal ones.
    otherwise : the reason if the answer is not one of these values.
    within : the largest difference between numbers that count as equal."""
    if _distance(given, truth) <= within:
        return right
    near = [
        (distance, why) for why, value in wrong.items() if (distance := _distance(given, value)) <= within
    ]
    raise NotYet(min(near, key=lambda pair: pair[0])[1] if near else otherwise)


def compare_sets(
    given: set[str], truth: set[str], *, right: str, wrong: Mapping[str, str], missing: str
) -> str:
    """The sentence for a right answer of several names; for any other answer raises `NotYet`.

    Parameters
    ----------
    wrong : why a name is not in `truth`, by name.
    missing : the reason if nothing in the answer is wrong, but names are missing."""
    if given - truth:
        raise NotYet(" ".join(wrong[name] for name in sorted(given - truth)))
    if given != truth:
        raise NotYet(f"Right so far, but {len(truth - given)} missing. {missing}")
    return right


def _distance(first: Any, second: Any) -> float:
    """The largest difference between numbers; of two names, 0 if they are equal, else infinity."""
    if isinstance(first, str):
        return 0 if first == second else math.inf
    return float(np.abs(np.subtract(first, second)).max())


def whole_number(answer: object) -> int:
    """A count: 3, not 3.5 and not "3"."""
    value = number(answer)
    if not value.is_integer():
        raise NotYet(f"Expected a whole number, such as 3; got {quote(answer)}.")
    return int(value)


def number(answer: object, *, low: float = -math.inf, high: float = math.inf) -> float:
    """A number from `low` to `high`; a percentage in place of a fraction is recognised."""
    value = _single(answer)
    real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not real or not math.isfinite(value):
        raise NotYet(f"Expected a number, such as 3 or 0.25; got {quote(answer)}.")
    if high == 1 and low in (-1, 0) and 1 < abs(value) <= 100 and value >= 100 * low:
        raise NotYet(
            f"Expected a fraction from {low:g} to 1; {quote(answer)} looks like per cent: divide by 100."
        )
    if not low <= value <= high:
        raise NotYet(f"Expected a number from {low:g} to {high:g}; got {quote(answer)}.")
    return float(value)


def name(answer: object, among: Iterable[str]) -> str:
    """One of the names in `among`; upper case and surrounding blanks are accepted."""
    known = list(dict.fromkeys(among))
    value = str(_single(answer)).strip().casefold()
    fits = [name for name in known if name.casefold() == value]
    if not fits:
        listed = ", ".join(f"`{name}`" for name in known)
        raise NotYet(f"Expected one of {listed}, in quotes; got {quote(answer)}.")
    return fits[0]


fraction = partial(number, low=0, high=1)
difference = partial(number, low=-1, high=1)


def names(answer: object, among: Iterable[str]) -> set[str]:
    """One or more of the names in `among`, as a list, tuple, set, index or column."""
    known = list(dict.fromkeys(among))
    return {name(part, known) for part in several(answer)}


def several(answer: object, count: int | None = None) -> list[Any]:
    """The parts of a list, tuple, set, index or column; `count` of them if that is given."""
    if isinstance(answer, str) or not isinstance(answer, Collection | np.ndarray | pd.Series | pd.Index):
        if count not in (None, 1):
            raise NotYet(f"Expected {count} values in brackets, such as `[…, …]`; got {quote(answer)}.")
        return [answer]
    parts = list(answer.keys() if isinstance(answer, dict) else answer)
    if not parts or (count is not None and len(parts) != count):
        raise NotYet(f"Expected {count or 'one or more'} values; got {len(parts)}: {quote(answer)}.")
    return parts


def _single(answer: Any) -> Any:
    """A value out of an array, tensor or column that contains just one."""
    if isinstance(answer, bool | np.bool_) or not hasattr(answer, "item"):
        return answer
    try:
        return answer.item()
    except (ValueError, RuntimeError, TypeError):
        raise NotYet(f"Expected one value; got several: {quote(answer)}.") from None
