"""Sifting: a question to a frame of predictions, and its answer: the rows that fit, and the confusion matrix around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from xlmkit.widgets.choosing import Choice, chosen, records, sorted_by
from xlmkit.widgets.notes import Notes

ANY = "any"
WITH, WITHOUT, TAG = "with a note", "without a note", "tag: "


@dataclass(frozen=True)
class Question:
    """What is to be shown: rows as `choice` says, of one slice, with or without notes, in which order, and which page of them."""

    choice: Choice
    part: str = ANY
    noted: str = ANY
    order: str = "as given"
    page: int = 0

    @property
    def words(self) -> str:
        """The filters in words."""
        choice = self.choice
        low, high = choice.confidence
        said = {
            "language": choice.language,
            "gold": choice.gold,
            "predicted": choice.label,
            "rows": None if choice.outcome == "all" else choice.outcome,
            "confidence": None if (low, high) == (0.0, 1.0) else f"{low:.2f} to {high:.2f}",
            "with the words": choice.text or None,
            "slice": None if self.part == ANY else self.part,
            "notes": None if self.noted == ANY else self.noted,
        }
        return ", ".join(f"{name}: {value}" for name, value in said.items() if value) or "all rows"


def sift(
    frame: pd.DataFrame,
    question: Question,
    notes: Notes,
    *,
    parts: Mapping[str, np.ndarray],
    texts: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that fit, sorted; and those that would fit if labels and outcome did not matter, which a confusion matrix counts.

    Parameters
    ----------
    frame, parts : from `choosing.predictions` and `choosing.parts`.
    texts : what `choosing.folded_texts` gives for the frame, if that is known already."""
    choice = question.choice
    free = replace(choice, gold=None, label=None, outcome="all")
    around = _noted(chosen(frame, free, part=parts.get(question.part), texts=texts), question.noted, notes)
    fitting = chosen(around, Choice(gold=choice.gold, label=choice.label, outcome=choice.outcome))
    return sorted_by(fitting, question.order), around


def note_filters(notes: Notes) -> list[str]:
    """What rows can be filtered by that has to do with notes."""
    return [ANY, WITH, WITHOUT, *(f"{TAG}{tag}" for tag in notes.tags)]


def _noted(rows: pd.DataFrame, wanted: str, notes: Notes) -> pd.DataFrame:
    if wanted == ANY:
        return rows
    tests: dict[str, Callable[[tuple[str, str]], bool]] = {WITH: any, WITHOUT: lambda note: not any(note)}
    test = tests.get(wanted, lambda note: f"{TAG}{note[0]}" == wanted)
    return rows[np.array([test(notes.of(row)) for row in records(rows)], dtype=bool)]
