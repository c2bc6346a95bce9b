"""Checking: finds the check of an exercise, refuses what cannot be an answer, and gives a verdict.

A check is a function that takes the answer, as one of `answers` reads it, and, by name, the data of
the notebook. It computes the right answer from these data. It returns a sentence for a right
answer, and raises `NotYet` with the reason for any other:

    @exercise("00.1", wants="a language's code")
    def most_pieces(answer: object, *, nli: NLIModel, pairs: pd.DataFrame) -> str:
        '''In which language does the hypothesis have the most pieces per word?'''
        given = answers.name(answer, pairs["language"])
        ..."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlmkit.course.answers import NotYet
from xlmkit.render import escaped

NOTEBOOKS = {
    "00": "start_here",
    "01": "explore_predictions",
    "02": "language_ids",
    "03": "errors_by_language",
    "04": "explain_tokens",
    "05": "why_it_errs",
    "06": "can_we_trust_it",
    "07": "fine_tuning",
}
LOOKS = {  # of a verdict: sign and border, so that no meaning depends on colour alone
    "right": ("✓", "solid #0072b2"),
    "not yet": ("✗", "dashed #d55e00"),
    "open": ("…", "dotted #767676"),
}
Check = Callable[..., str]
Read = Callable[[Any], Any]


@dataclass(frozen=True)
class Exercise:
    """One exercise: its number, what reads an answer and raises `NotYet` if that is impossible, the
    form of an answer ("a whole number"), and its check."""

    number: str
    read: Read
    wants: str
    check: Check

    @property
    def question(self) -> str:
        """The first paragraph of the check's docstring."""
        return " ".join((inspect.getdoc(self.check) or "").partition("\n\n")[0].split())

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the data that `check` takes in addition to the answer."""
        return tuple(inspect.signature(self.check).parameters)[1:]


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether an answer is right, and why. True in a condition if it is."""

    exercise: str
    right: bool
    why: str
    untouched: bool = False  # the answer is still `...`

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
        sign, border = LOOKS[self.word]
        style = f"border-inline-start:4px {border};padding:4px 12px;max-width:60em"
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(self.why))
        head = f"<strong>{sign} {escaped(self.exercise)}: {self.word}.</strong>"
        return f'<div role="status" lang="en" dir="ltr" style="{style}">{head} {text}</div>'


_EXERCISES: dict[str, Exercise] = {}


def exercise(number: str, read: Read = lambda answer: answer, *, wants: str) -> Callable[[Check], Check]:
    """Make a function the check of exercise `number` ("00.1"); `wants` is the form of an answer."""

    def add(function: Check) -> Check:
        _EXERCISES[number] = Exercise(number, read, wants, function)
        return function

    return add


def exercises() -> tuple[Exercise, ...]:
    """All exercises of the course, in order."""
    return tuple(_EXERCISES[number] for number in sorted(_EXERCISES))


def check(exercise: str, answer: object, **given: Any) -> Verdict:
    """Whether an answer to an exercise is right, and why not.

    Parameters
    ----------
    exercise : its number, such as "00.1".
    answer : your answer; `...` means that there is none yet.
    given : by name, the data of the exercise, from which the right answer is computed. The cell of
        the exercise in the notebook passes them.

    Raises
    ------
    ValueError : if there is no such exercise.
    TypeError : if data of the exercise are missing, or others are given."""
    if exercise not in _EXERCISES:
        notebook = str(exercise).partition(".")[0]
        known = ", ".join(number for number in sorted(_EXERCISES) if number.startswith(f"{notebook}."))
        raise ValueError(
            f"`exercise` must be one of {known or ', '.join(sorted(_EXERCISES))}; got {exercise!r}."
        )
    found = _EXERCISES[exercise]
    if set(given) != set(found.needs):
        call = ", ".join([repr(exercise), "answer", *(f"{name}={name}" for name in found.needs)])
        got = ", ".join(given) or "nothing"
        raise TypeError(f"exercise {exercise} needs {', '.join(found.needs)}; got {got}. Call check({call}).")
    if _is_untouched(answer):
        why = f"Replace `...` by your answer and run the cell again. The answer is {found.wants}."
        return Verdict(exercise, False, why, untouched=True)
    try:
        _refuse_nothing(answer, found.wants)
        return Verdict(exercise, True, found.check(found.read(answer), **given))
    except NotYet as reason:
        return Verdict(exercise, False, str(reason))


def _is_untouched(answer: object) -> bool:
    if isinstance(answer, dict):
        answer = [*answer, *answer.values()]
    return answer is ... or (isinstance(answer, list | tuple | set) and any(part is ... for part in answer))


def _refuse_nothing(answer: object, wants: str) -> None:
    """Refuse what cannot be an answer to any exercise."""
    if isinstance(answer, bool | np.bool_):
        raise NotYet(f"Expected {wants}; got {answer}. Give the answer itself.")
    if answer is None:
        raise NotYet(f"Expected {wants}; got None, which is what a call without a result returns.")
    empty = isinstance(answer, str) and not answer.strip()
    if empty or (isinstance(answer, Sized) and not len(answer)):
        raise NotYet(f"Expected {wants}; the answer is empty.")
