"""Course: checks for the exercises of the notebooks, which say whether an answer is right and why
not.

`checking` finds and runs a check, `answers` reads what a learner gives; each of the other modules
has the checks of the notebooks that it names."""

from xlmkit.course import (
    by_language,
    can_we_trust_it,
    explain_tokens,
    fine_tuning,
    first_steps,
    why_it_errs,
)
from xlmkit.course.checking import NOTEBOOKS, Exercise, Verdict, check, exercises

__all__ = [
    "NOTEBOOKS",
    "Exercise",
    "Verdict",
    "by_language",
    "can_we_trust_it",
    "check",
    "exercises",
    "explain_tokens",
    "fine_tuning",
    "first_steps",
    "why_it_errs",
]
