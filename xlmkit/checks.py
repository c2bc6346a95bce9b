"""Checks of arguments, with one wording for the package, made once at the public border."""

from __future__ import annotations

import operator
from collections.abc import Iterable


def is_int(value: object) -> bool:
    """Whether a value is an integer of Python or numpy; True and False are not."""
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def check_int(name: str, value: object, minimum: int, maximum: int | None = None) -> None:
    """Check that an argument is an integer from `minimum` to `maximum`, both included.

    Raises
    ------
    ValueError : if it is not."""
    if is_int(value) and minimum <= value and (maximum is None or value <= maximum):  # type: ignore[operator]
        return
    bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    raise ValueError(f"`{name}` must be an integer {bounds}; got {value!r}.")


def check_choice(name: str, value: object, options: Iterable[object]) -> None:
    """Check that an argument is one of `options`.

    Raises
    ------
    ValueError : if it is not; the message lists them."""
    known = list(options)
    if value not in known:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}; got {value!r}.")
