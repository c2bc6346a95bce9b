"""Warnings about decisions that a user should know of, each issued once; the numbers are right.

They have their own category, so that `warnings` can silence them or turn them into errors."""

from __future__ import annotations

import sys
import warnings

_issued: set[str] = set()


class XlmkitWarning(UserWarning):
    """Something was decided for the user; the result is right, but the decision should be known."""


def warn_once(message: str) -> None:
    """Warn once per process with `message`, at the user's line that led here."""
    if message in _issued:
        return
    _issued.add(message)
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, XlmkitWarning, stacklevel=level)


def forget() -> None:
    """Let every warning be issued again."""
    _issued.clear()
