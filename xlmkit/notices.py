"""Notices: what a user should hear once, while the numbers are still right.

A notice is a warning of its own category, so that it can be silenced or turned into an error with `warnings`."""

from __future__ import annotations

import sys
import warnings

_said: set[str] = set()


class XlmkitWarning(UserWarning):
    """Something was decided for the user; the result is right, the decision should be known."""


def warn_once(message: str) -> None:
    """Warn with `message`, once in this process, at the line of the user's that led here."""
    if message in _said:
        return
    _said.add(message)
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, XlmkitWarning, stacklevel=level)


def forget() -> None:
    """Let every notice be said again."""
    _said.clear()
