"""Situation: a pair as somebody is trying it out, and what can be done to it: other texts, languages and ids, words dropped, masked, replaced.

A word is a span of the surface text. Dropping and replacing change the text; a mask cannot be spelt, so it is kept beside the text, and moves with
its word when text before it changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from xlmkit.encoding import SENTENCES
from xlmkit.explanation import ExplainedWord
from xlmkit.languages import resolve

RIGHT, NONE = "right", "none"  # as language ids: each sentence's own; no language embedding at all


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Characters `start` to `end` of sentence 0 (premise) or 1 (hypothesis)."""

    sentence: int
    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        """Whether the two have a character in common."""
        return self.sentence == other.sentence and self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Situation:
    """A pair under a language id, some of its words masked.

    `language_id` is "right", "none", or the code of the language whose id both sentences get. `masked` holds spans in order."""

    premise: str
    hypothesis: str
    premise_language: str = "en"
    hypothesis_language: str = "en"
    language_id: str = RIGHT
    masked: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        for name in ("premise", "hypothesis"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"expected `{name}` as text, got {getattr(self, name)!r}")
        for name in ("premise_language", "hypothesis_language"):
            object.__setattr__(self, name, resolve(getattr(self, name)))
        if self.language_id not in (RIGHT, NONE):
            object.__setattr__(self, "language_id", resolve(self.language_id))

    @property
    def texts(self) -> tuple[str, str]:
        """Premise and hypothesis."""
        return self.premise, self.hypothesis

    @property
    def languages(self) -> tuple[str, str]:
        """Codes of the premise's and the hypothesis's language."""
        return self.premise_language, self.hypothesis_language

    def text(self, span: Span) -> str:
        """The characters of a span."""
        return self.texts[span.sentence][span.start : span.end]

    def hidden(self, words: Sequence[ExplainedWord]) -> frozenset[int]:
        """The places of the words that are masked."""
        return frozenset(
            place
            for place, word in enumerate(words)
            if any(span.overlaps(Span(word.sentence, word.start, word.end)) for span in self.masked)
        )

    def to_frame(self) -> pd.DataFrame:
        """The pair as `predict` and `explain` take it; the id and the masks are not in it."""
        return pd.DataFrame(
            {
                "pair_id": ["explored"],
                "premise": [self.premise],
                "hypothesis": [self.hypothesis],
                "premise_language": [self.premise_language],
                "hypothesis_language": [self.hypothesis_language],
            }
        )


def typed(situation: Situation, sentence: int, text: str) -> Situation:
    """Another text of a sentence; masks of words that are still there stay with them."""
    masks = tuple(_moved(situation.masked, sentence, situation.texts[sentence], text))
    changed: dict[str, Any] = {SENTENCES[sentence]: text, "masked": masks}
    return replace(situation, **changed)


def dropped(situation: Situation, span: Span) -> Situation:
    """Without a word, and without one of two blanks that stood around it."""
    text = situation.texts[span.sentence]
    before, after = text[: span.start], text[span.end :]
    if after[:1].isspace() and (not before or before[-1].isspace()):
        after = after[1:]
    elif not after and before[-1:].isspace():
        before = before[:-1]
    return typed(situation, span.sentence, before + after)


def replaced(situation: Situation, span: Span, words: str) -> Situation:
    """With other words in a word's place."""
    text = situation.texts[span.sentence]
    return typed(situation, span.sentence, text[: span.start] + words + text[span.end :])


def toggled(situation: Situation, span: Span) -> Situation:
    """With a word masked, or seen again where it was masked."""
    others = tuple(mask for mask in situation.masked if not mask.overlaps(span))
    if len(others) == len(situation.masked):
        others = tuple(sorted((*others, span)))
    return replace(situation, masked=others)


def swapped(situation: Situation) -> Situation:
    """Premise and hypothesis exchanged, with their languages and masks."""
    return replace(
        situation,
        premise=situation.hypothesis,
        hypothesis=situation.premise,
        premise_language=situation.hypothesis_language,
        hypothesis_language=situation.premise_language,
        masked=tuple(sorted(replace(mask, sentence=1 - mask.sentence) for mask in situation.masked)),
    )


def _moved(masks: Sequence[Span], sentence: int, old: str, new: str) -> Iterator[Span]:
    """Where the masks are after old[start:end] has become something else; a mask that this touches is gone."""
    start = _alike(old, new)
    end, longer = len(old) - _alike(old[start:][::-1], new[start:][::-1]), len(new) - len(old)
    for mask in masks:
        if mask.sentence != sentence or mask.end <= start:
            yield mask
        elif mask.start >= end:
            yield replace(mask, start=mask.start + longer, end=mask.end + longer)


def _alike(one: str, other: str) -> int:
    """How many characters the two have in common at their start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
