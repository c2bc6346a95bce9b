"""A text that remembers, for each of its characters, which characters of the surface it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

from xlmkit.preprocessing.rules import Rule


@dataclass
class Tracked:
    """`text[i]` stands for the surface from `starts[i]` to `ends[i]`; `moved[i]`: a rule changed its place."""

    text: str
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    moved: list[bool] = field(default_factory=list)

    @classmethod
    def surface(cls, text: str) -> Tracked:
        return cls(text, list(range(len(text))), list(range(1, len(text) + 1)), [False] * len(text))

    def slice(self, start: int, end: int) -> Tracked:
        return Tracked(
            self.text[start:end], self.starts[start:end], self.ends[start:end], self.moved[start:end]
        )

    @classmethod
    def joined(cls, pieces: list[Tracked]) -> Tracked:
        return cls(
            "".join(p.text for p in pieces),
            list(chain.from_iterable(p.starts for p in pieces)),
            list(chain.from_iterable(p.ends for p in pieces)),
            list(chain.from_iterable(p.moved for p in pieces)),
        )

    def apply(self, rule: Rule) -> Tracked:
        """The text after one rule: groups keep their places, new characters stand for what they replace."""
        if rule.literal and rule.pattern not in self.text:
            return self
        pieces: list[Tracked] = []
        done = 0
        for match in rule.compiled.finditer(self.text):
            if rule.unless is not None and rule.unless(match):
                continue
            pieces.append(self.slice(done, match.start()))
            done = match.end()
            pieces.extend(self._replaced(rule, match))
        if not done:
            return self
        pieces.append(self.slice(done, len(self.text)))
        return Tracked.joined(pieces)

    def _replaced(self, rule: Rule, match) -> list[Tracked]:
        kept = set()
        for part in rule.parts:
            if isinstance(part, int):
                kept.update(range(*match.span(part)))
        gone = [i for i in range(*match.span()) if i not in kept]
        solid = [i for i in gone if not self.text[i].isspace()] or gone or [match.start()]
        start, end = min(self.starts[i] for i in solid), max(self.ends[i] for i in solid)
        pieces = []
        for part in rule.parts:
            if isinstance(part, int):
                piece = self.slice(*match.span(part))
                piece.moved = [moved or (rule.moves and part < 3) for moved in piece.moved]
            else:
                size = len(part)
                piece = Tracked(part, [start] * size, [end] * size, [False] * size)
            pieces.append(piece)
        return pieces
