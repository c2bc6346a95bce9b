"""The course: checks for the notebooks' exercises, that say whether an answer is right and why not.

Each notebook's checks stand in the module of its name; `checking` finds them."""

from __future__ import annotations

from xlmkit.course.checking import Exercise, check, exercises
from xlmkit.course.verdict import Verdict

__all__ = ["Exercise", "Verdict", "check", "exercises"]
