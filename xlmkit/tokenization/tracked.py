"""A line that remembers, for each of its characters, which part of the surface text it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from xlmkit.tokenization.rules import Rule


@dataclass(frozen=True)
class Tracked:
    """`line[i]` stands for the surface from `starts[i]` to `ends[i]`. A space that a rule adds stands for nothing."""

    line: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, surface: str) -> Tracked:
        """The surface itself, each character standing for itself."""
        return cls(surface, range(len(surface)), range(1, len(surface) + 1))

    def apply(self, rule: Rule) -> Tracked:
        """The line after one rule: groups keep their places, a new character stands for what it replaces."""
        if rule.literal and rule.pattern not in self.line:
            return self
        edit = _Edit(self)
        for match in rule.compiled.finditer(self.line):
            if rule.unless is None or not rule.unless(match):
                edit.copy(match.start())
                edit.replace(rule, match)
        return edit.result()

    def spaced(self, pieces: Sequence[str]) -> Tracked:
        """The line with a space between the `pieces`, whose lengths are those of its parts."""
        edit = _Edit(self)
        for i, piece in enumerate(pieces):
            if i:
                edit.insert(" ", 0, 0)
            edit.copy(edit.done + len(piece))
        return edit.result()


class _Edit:
    """One pass over a line from left to right. What lies before `done` has been taken over or replaced."""

    def __init__(self, old: Tracked) -> None:
        self.old = old
        self.done = 0
        self.texts: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def copy(self, end: int) -> None:
        if end > self.done:
            self.take(self.done, end)
            self.done = end

    def take(self, start: int, end: int) -> None:
        self.texts.append(self.old.line[start:end])
        self.starts += self.old.starts[start:end]
        self.ends += self.old.ends[start:end]

    def insert(self, text: str, start: int, end: int) -> None:
        self.texts.append(text)
        self.starts += [start] * len(text)
        self.ends += [end] * len(text)

    def replace(self, rule: Rule, match: regex.Match[str]) -> None:
        for part in rule.parts:
            if isinstance(part, int):
                self.take(*match.span(part))
            elif part.isspace():
                self.insert(part, 0, 0)
            else:
                self.insert(part, *self.replaced(rule, match))
        self.done = match.end()

    def replaced(self, rule: Rule, match: regex.Match[str]) -> tuple[int, int]:
        """The surface of what a match holds beside the groups that are kept and the spaces."""
        kept = [match.span(part) for part in rule.parts if isinstance(part, int)]
        gone = [i for i in range(*match.span()) if not any(start <= i < end for start, end in kept)]
        solid = [i for i in gone if not self.old.line[i].isspace()] or gone
        return self.old.starts[solid[0]], self.old.ends[solid[-1]]

    def result(self) -> Tracked:
        if not self.done:
            return self.old
        self.copy(len(self.old.line))
        return Tracked("".join(self.texts), self.starts, self.ends)
