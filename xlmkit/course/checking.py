"""Checking: finds the check of an exercise, refuses what is no answer, and turns the rest into a verdict.

A check is a function that takes the answer and, by name, what the notebook gives; it computes the truth from that, returns the sentence for a
right answer, and raises `NotYet` with the reason for any other:

    @exercise("00.1", wants="a language's code")
    def most_pieces(answer: object, *, nli: NLIModel, pairs: pd.DataFrame) -> str:
        '''In which language does the hypothesis take the most pieces a word?'''
        given = answers.name(answer, pairs["language"])
        ..."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlmkit.course.verdict import NotYet, Verdict

NOTEBOOKS = {  # number: the module with its checks, which bears its name
    "00": "start_here",
    "01": "explore_predictions",
    "02": "language_ids",
    "03": "errors_by_language",
    "04": "explain_tokens",
    "05": "why_it_errs",
    "06": "can_we_trust_it",
    "07": "fine_tuning",
}
Judge = Callable[..., str]


@dataclass(frozen=True)
class Exercise:
    """One exercise: its number, what form an answer has ("a whole number"), and the function that judges it."""

    number: str
    wants: str
    judge: Judge

    @property
    def question(self) -> str:
        """The first line of the check's docstring."""
        return (inspect.getdoc(self.judge) or "").partition("\n")[0]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of what `check` must be given beside the answer."""
        return tuple(inspect.signature(self.judge).parameters)[1:]


_FOUND: dict[str, Exercise] = {}


def exercise(number: str, *, wants: str) -> Callable[[Judge], Judge]:
    """Make a function the check of the exercise `number` ("00.1"); `wants` says what an answer looks like."""

    def add(judge: Judge) -> Judge:
        _FOUND[number] = Exercise(number, wants, judge)
        return judge

    return add


def exercises() -> tuple[Exercise, ...]:
    """All exercises of the course, in order."""
    for module in NOTEBOOKS.values():
        importlib.import_module(f"xlmkit.course.{module}")
    return tuple(_FOUND[number] for number in sorted(_FOUND))


def check(exercise: str, answer: object, **given: Any) -> Verdict:
    """Whether an answer to an exercise is right, and why not.

    Parameters
    ----------
    exercise : its number, "00.1".
    answer : what you found; `...` as long as you have not.
    given : by name, what the exercise is about: its cell in the notebook says what. The truth is computed from it.

    Raises
    ------
    ValueError : if there is no such exercise.
    TypeError : if something that the exercise is about is missing, or too much."""
    found = _find(exercise)
    if set(given) != set(found.needs):
        wanted = ", ".join(f"{name}={name}" for name in found.needs)
        raise TypeError(
            f"exercise {exercise} is about {', '.join(found.needs) or 'nothing'}; got {', '.join(given) or 'nothing'}; "
            f"remedy: check({', '.join([repr(exercise), 'answer', wanted])})"
        )
    if _untouched(answer):
        why = f"Put your answer in the place of `...` and run the cell again. It is {found.wants}."
        return Verdict(exercise, False, why, untouched=True)
    try:
        _refuse_nothing(answer, found.wants)
        return Verdict(exercise, True, found.judge(answer, **given))
    except NotYet as reason:
        return Verdict(exercise, False, str(reason))


def _find(number: str) -> Exercise:
    module = NOTEBOOKS.get(str(number).partition(".")[0])
    if module is not None:
        importlib.import_module(f"xlmkit.course.{module}")
    if number not in _FOUND:
        own = [name for name in sorted(_FOUND) if name.partition(".")[0] == str(number).partition(".")[0]]
        known = ", ".join(own) or f'"00.1" and so on, for the notebooks {", ".join(NOTEBOOKS)}'
        raise ValueError(f"`exercise` must be one of {known}; got {number!r}")
    return _FOUND[number]


def _untouched(answer: object) -> bool:
    if isinstance(answer, dict):
        answer = [*answer, *answer.values()]
    return answer is ... or (isinstance(answer, list | tuple | set) and any(part is ... for part in answer))


def _refuse_nothing(answer: object, wants: str) -> None:
    """What can be no answer to any exercise."""
    if isinstance(answer, bool | np.bool_):
        raise NotYet(f"The answer is {wants}, not {answer}: the check wants to see what you found.")
    if answer is None:
        raise NotYet(f"The answer is None, as after a cell that gives nothing back; expected {wants}.")
    if isinstance(answer, str) and not answer.strip():
        raise NotYet(f"The answer is an empty text; expected {wants}.")
    if isinstance(answer, Sized) and not len(answer):
        raise NotYet(f"The answer is empty; expected {wants}.")
