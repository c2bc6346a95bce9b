"""State: a pair as somebody edits it, the steps of a session with undo, and what is asked about a
state.

A word is a span of the surface text. Dropping and replacing words change the text. A mask cannot be
written as text, so it is kept next to it, and moves with its word when the text before it
changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import pandas as pd

from xlmkit.encoding import SENTENCES
from xlmkit.explanation import ExplainedWord, Explanation
from xlmkit.languages import resolve

RIGHT, NONE = "right", "none"  # as language ids: those of the texts; no language embedding at all


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
class PairState:
    """A pair, its language id, and its masked words.

    `language_id` is "right", "none", or the code whose id both sentences get. `masked` has the
    spans in order."""

    premise: str
    hypothesis: str
    premise_language: str = "en"
    hypothesis_language: str = "en"
    language_id: str = RIGHT
    masked: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        for name in SENTENCES:
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"`{name}` must be a text; got {getattr(self, name)!r}.")
            language = f"{name}_language"
            object.__setattr__(self, language, resolve(getattr(self, language)))
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

    def masked_words(self, words: Sequence[ExplainedWord]) -> frozenset[int]:
        """The places of the words that are masked."""
        spans = [Span(word.sentence, word.start, word.end) for word in words]
        return frozenset(
            place for place, span in enumerate(spans) if any(span.overlaps(mask) for mask in self.masked)
        )

    def to_frame(self) -> pd.DataFrame:
        """The pair as `predict` and `explain` take it, without language id and masks."""
        columns = ("premise", "hypothesis", "premise_language", "hypothesis_language")
        return pd.DataFrame([{"pair_id": "explored"} | {name: getattr(self, name) for name in columns}])


def set_text(state: PairState, sentence: int, text: str) -> PairState:
    """Another text of a sentence; masks of words that are still there stay with them."""
    masks = tuple(_moved(state.masked, sentence, state.texts[sentence], text))
    changed: dict[str, Any] = {SENTENCES[sentence]: text, "masked": masks}
    return replace(state, **changed)


def drop_word(state: PairState, span: Span) -> PairState:
    """Without a word, and without one of the two spaces around it."""
    text = state.texts[span.sentence]
    before, after = text[: span.start], text[span.end :]
    if after[:1].isspace() and (not before or before[-1].isspace()):
        after = after[1:]
    elif not after and before[-1:].isspace():
        before = before[:-1]
    return set_text(state, span.sentence, before + after)


def replace_word(state: PairState, span: Span, words: str) -> PairState:
    """With other words in a word's place."""
    text = state.texts[span.sentence]
    return set_text(state, span.sentence, text[: span.start] + words + text[span.end :])


def toggle_mask(state: PairState, span: Span) -> PairState:
    """With a word masked, or seen again if it was masked."""
    masks = tuple(mask for mask in state.masked if not mask.overlaps(span))
    if len(masks) == len(state.masked):
        masks = tuple(sorted((*masks, span)))
    return replace(state, masked=masks)


def swap_sentences(state: PairState) -> PairState:
    """Premise and hypothesis exchanged, with their languages and masks."""
    masks = tuple(sorted(replace(mask, sentence=1 - mask.sentence) for mask in state.masked))
    return PairState(*state.texts[::-1], *state.languages[::-1], state.language_id, masks)


def _moved(masks: Sequence[Span], sentence: int, old: str, new: str) -> Iterator[Span]:
    """Where the masks are after the text has changed; a mask that the change touches is gone."""
    #   old   A man is sleeping.         start = 2, where the texts begin to differ
    #   new   A tall man is sleeping.    end   = 2 in the old text: from there on both are alike
    #         masks before `start` stay; masks from `end` on move by the difference in length
    start = _shared_length(old, new)
    end = len(old) - _shared_length(old[start:][::-1], new[start:][::-1])
    for mask in masks:
        if mask.sentence != sentence or mask.end <= start:
            yield mask
        elif mask.start >= end:
            shift = len(new) - len(old)
            yield replace(mask, start=mask.start + shift, end=mask.end + shift)


def _shared_length(first: str, second: str) -> int:
    """How many characters the two have in common at their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


@dataclass(frozen=True)
class Question:
    """A state, and how it is to be explained."""

    state: PairState
    method: str
    target: str


@dataclass(frozen=True)
class Answer:
    """What the model says: label -> probability in [0, 1], and an explanation.

    `final` is False for the explanation by a quick method while the one that was asked for is
    computed."""

    question: Question
    probabilities: dict[str, float]
    explanation: Explanation
    final: bool = True


@dataclass(frozen=True)
class Step:
    """One change. `kind` names the field that is being typed in, so that a text is one step and not
    one per key."""

    change: str
    state: PairState
    kind: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)


class Session:
    """The steps so far, and which of them is shown.

    Attributes
    ----------
    position : the step that is shown.
    held : the step that all later ones are compared with; None compares each with the one before
        it."""

    def __init__(self, start: PairState) -> None:
        self.steps = [Step("start", start)]
        self.position = 0
        self.held: int | None = None

    @property
    def state(self) -> PairState:
        """The state that is shown."""
        return self.steps[self.position].state

    @property
    def before(self) -> PairState | None:
        """The state that it is compared with; None for the start."""
        place = self.position - 1 if self.held is None else self.held
        return self.steps[place].state if 0 <= place != self.position else None

    def add(self, change: str, state: PairState, *, kind: str | None = None) -> bool:
        """Take a step and forget those that were undone; False if nothing changes."""
        if state == self.state:
            return False
        last = self.position == len(self.steps) - 1
        same_field = kind is not None and self.steps[self.position].kind == kind
        if not (last and same_field and self.held != self.position):
            self.position += 1
        self.steps[self.position :] = [Step(change, state, kind)]
        return True

    def go(self, position: int) -> bool:
        """Show another step; False if there is none, or it is shown already."""
        if position == self.position or not 0 <= position < len(self.steps):
            return False
        self.position = position
        return True

    def hold(self, held: bool) -> None:
        """Compare all later steps with the present one, or each with the one before it."""
        self.held = self.position if held else None

    def note(self, answer: Answer) -> None:
        """Keep the probabilities with every step of the answered state."""
        for place, step in enumerate(self.steps):
            if step.state == answer.question.state:
                self.steps[place] = replace(step, probabilities=dict(answer.probabilities))

    def to_frame(self) -> pd.DataFrame:
        """One row per step: `step`, `change`, the pair with its languages, `language_id`, `masked`
        words, `prediction` and `p_<label>` in [0, 1]; without these where the state was not
        answered."""
        columns = ("premise", "hypothesis", "premise_language", "hypothesis_language", "language_id")
        rows = [
            {"step": number, "change": step.change}
            | {name: getattr(step.state, name) for name in columns}
            | {"masked": " ".join(map(step.state.text, step.state.masked))}
            | {"prediction": max(step.probabilities, key=step.probabilities.__getitem__, default=None)}
            | {f"p_{label}": value for label, value in step.probabilities.items()}
            for number, step in enumerate(self.steps)
        ]
        return pd.DataFrame(rows)
