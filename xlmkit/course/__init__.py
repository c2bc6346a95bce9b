"""Course: checks for the exercises of the notebooks, which say whether an answer is right and why
not.

`checking` finds and runs a check, `answers` reads what a learner gives and compares it; each of the
other modules has the checks of the notebooks that it names."""

from xlmkit.course import by_language, can_we_trust_it, explaining, fine_tuning, first_steps  # noqa: F401
from xlmkit.course.checking import NOTEBOOKS, Exercise, Verdict, check, exercises

__all__ = ["NOTEBOOKS", "Exercise", "Verdict", "check", "exercises"]
