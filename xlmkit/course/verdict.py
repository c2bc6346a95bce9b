"""Verdict: what a check says of an answer, as a sentence and as a box in a notebook; never by colour alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xlmkit.render.text import escaped

_LOOKS = {  # of the box, by the word that the verdict begins with: sign, border
    "right": ("✓", "solid #0072b2"),
    "not yet": ("✗", "dashed #d55e00"),
    "open": ("…", "dotted #767676"),
}


class NotYet(Exception):
    """Raised by a check: the answer is not right, and this sentence says why and what to do."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether an answer is right, and why. True in a condition if it is."""

    exercise: str
    right: bool
    why: str
    untouched: bool = False
    """The answer is still `...`."""

    @property
    def word(self) -> str:
        """ "right", "not yet" or "open"."""
        return "right" if self.right else "open" if self.untouched else "not yet"

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return f"{self.exercise}: {self.word}. {self.why}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        sign, border = _LOOKS[self.word]
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(self.why))
        return (
            f'<div role="status" dir="ltr" style="border-inline-start:4px {border};padding:4px 12px;max-width:60em">'
            f"<strong>{sign} {escaped(self.exercise)}: {self.word}.</strong> {text}</div>"
        )
