"""Notices: what a user should hear once, while the numbers are still right.

A notice is a warning of its own category, so that it can be silenced or turned into an error with `warnings`."""

from __future__ import annotations

import warnings

_said: set[str] = set()


class Notice(UserWarning):
    """Something was decided for the user; the result is right, the decision should be known."""


def say(message: str) -> None:
    """Warn with `message`, once in this process."""
    if message in _said:
        return
    _said.add(message)
    warnings.warn(message, Notice, stacklevel=3)


def forget() -> None:
    """Let every notice be said again."""
    _said.clear()
