"""Rationale spans: inside the text, in order, and cutting no word in two.

A word is a run of letters, marks and digits. Thai and Chinese write no spaces between words, so there a span may end at any character that a
reader sees as one (an extended grapheme cluster, UAX #29)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import regex

from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.items import Item, Spans

UNSPACED = ("th", "zh")
JOINED = ("sw",)  # an apostrophe is part of the word there, as in ng’ombe; elsewhere it ends one, as in l’eau
_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")
_GRAPHEME = regex.compile(r"\X")
_REMEDY = "give character offsets, from 0, of whole words, in their order"


def words(text: str, language: str) -> list[str]:
    """The words of a text in lower case; in Thai and Chinese its letters in pairs, which stand for words where no spaces do."""
    lowered = text.lower()
    if language not in UNSPACED:
        return regex.findall(r"[\p{L}\p{M}\p{N}]+", lowered)
    seen = [part for part in _GRAPHEME.findall(lowered) if _LETTER.match(part)]
    return [first + second for first, second in itertools.pairwise(seen)] or seen


def is_boundary(text: str, offset: int, language: str) -> bool:
    """Whether a word may begin or end at `offset` of `text` (from 0 to its length)."""
    if offset in (0, len(text)):
        return True
    if language in UNSPACED:
        return offset in {match.start() for match in _GRAPHEME.finditer(text)}
    before, after = text[offset - 1], text[offset]
    inside = [_LETTER.match(character) is not None for character in (before, after)]
    if language in JOINED and "’" in (before, after):
        return not any(inside)
    return not all(inside)


def check_spans(item: Item) -> Iterator[Finding]:
    """Findings on the rationales of one item."""
    for side, text, spans in item.sides():
        for what in _faults(text, spans, item.language):
            yield item.finding(f"`{side}_rationale`: {what}", _REMEDY)


def _faults(text: str, spans: Spans, language: str) -> Iterator[str]:
    if not spans:
        yield "expected at least one span, got none"
    last = 0
    for start, end in spans:
        if not 0 <= start < end <= len(text):
            yield f"expected 0 <= start < end <= {len(text)}, got [{start}, {end}]"
            continue
        if start < last:
            yield f"expected spans in order that do not overlap, got [{start}, {end}] after one that ends at {last}"
        last = end
        shown = text[start:end]
        if not (_LETTER.match(text[start]) and _LETTER.match(text[end - 1])):
            yield f"expected a span that begins and ends with a letter, mark or digit, got {_shown(shown)}"
        elif not (is_boundary(text, start, language) and is_boundary(text, end, language)):
            yield f"expected whole words, got {_shown(shown)} of {_shown(text)}"
    covered = {position for start, end in spans for position in range(start, end)}
    if spans and all(position in covered for position, letter in enumerate(text) if _LETTER.match(letter)):
        yield "expected the words that decide, got the whole text"


def _shown(text: str) -> str:
    """A text as a finding shows it: on one line that can be read."""
    return repr(text) if len(text) <= 120 else f"{text[:80]!r}..."
