"""Which tokens of two tokenisations stand for the same stretch of a text.

Two models that cut a text differently are compared unit by unit: the shortest stretches whose ends cut no token of either."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Spans = Sequence[tuple[int, int]]
"""(start, end) in characters of the text, one a token."""


def units(ours: Spans, theirs: Spans, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The unit of every token of ours and of theirs, counted from 0 over those that both have a token in; -1 for the others.

    `length` is the text's, in characters."""
    inside = np.zeros(length + 2, dtype=bool)  # whether a token spans the border before character i
    for start, end in (*ours, *theirs):
        inside[start + 1 : end] = True
    stretch = np.cumsum(~inside)
    found = [stretch[[min(start, length) for start, _ in spans]] for spans in (ours, theirs)]
    both = np.intersect1d(found[0], found[1])
    places = [np.searchsorted(both, own) for own in found]
    return tuple(  # type: ignore[return-value]
        np.where(np.isin(own, both), place, -1) for own, place in zip(found, places, strict=True)
    )


def overlapping(start: int, end: int, spans: Spans) -> list[tuple[int, int]]:
    """(number, shared characters) of the tokens of `spans` that share characters with one stretch."""
    shared = ((number, min(end, b) - max(start, a)) for number, (a, b) in enumerate(spans))
    return [(number, count) for number, count in shared if count > 0]
