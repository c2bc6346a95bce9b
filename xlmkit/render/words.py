"""Words: a sentence as it was written, with what each word adds drawn on it.

Words carry no horizontal padding, since that would break the shapes of Arabic, Urdu and Hindi letters that join."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xlmkit.explanation import ExplainedWord, Explanation
from xlmkit.languages import LANGUAGES
from xlmkit.render.text import escaped, quoted, signed, unsigned

LEVELS = 8  # shades on either side of zero
NUMBER_WIDTH = 2.1  # ems of the sentence's font that a number under a word takes
JOINING = (
    "ARABIC LETTER",
    "DEVANAGARI LETTER",
    "DEVANAGARI SIGN",
    "DEVANAGARI VOWEL SIGN",
)  # character names


def largest(explanation: Explanation) -> float:
    """The largest |word score|: the end of the colour scale."""
    return float(abs(explanation.word_scores).max(initial=0.0))


Attributes = Callable[[tuple[int, ...]], str]


def marked(
    explanation: Explanation, sentence: int, scale: float, *, attributes: Attributes | None = None
) -> str:
    """One sentence of the pair in its own language and direction, its words marked.

    Parameters
    ----------
    attributes : gives the further HTML attributes, escaped, of the span that shows these words (places in `Explanation.words`)."""
    code = (explanation.premise_language, explanation.hypothesis_language or "")[sentence]
    text = (explanation.premise, explanation.hypothesis or "")[sentence]
    return (
        f'<p class="xk-text" lang="{quoted(code)}" dir="{direction(code)}">'
        f"{_words(explanation, sentence, text, scale, attributes)}</p>"
    )


def direction(code: str) -> str:
    """As in HTML's `dir`; of a language that the kit does not know, what its first letters say."""
    return LANGUAGES[code].direction if code in LANGUAGES else "auto"


def language_name(code: str) -> str:
    """`Hindi` for `hi`; of a language that the kit does not know, its code."""
    return LANGUAGES[code].name if code in LANGUAGES else code


@dataclass(frozen=True)
class _Run:
    """A stretch of the surface text that one word covers, or several whose spans overlap."""

    start: int
    end: int
    words: tuple[int, ...]  # places in `Explanation.words`


def _runs(words: Sequence[ExplainedWord], sentence: int, length: int) -> list[_Run]:
    """The words of a sentence as stretches in the order of the text, none overlapping; spans outside the text are cut to it."""
    spans = [
        (min(max(word.start, 0), length), min(max(word.end, 0), length), place)
        for place, word in enumerate(words)
        if word.sentence == sentence
    ]
    runs: list[_Run] = []
    for start, end, place in sorted(spans):
        if runs and start < runs[-1].end:
            last = runs.pop()
            runs.append(_Run(last.start, max(last.end, end), (*last.words, place)))
        else:
            runs.append(_Run(start, max(start, end), (place,)))
    return runs


def _words(
    explanation: Explanation, sentence: int, text: str, scale: float, attributes: Attributes | None
) -> str:
    """The text with its words marked; nothing of it is lost, moved or repeated."""
    runs = _runs(explanation.words, sentence, len(text))
    numbered = _numbered(explanation, text, runs, scale)
    parts, cursor = [], 0
    for run in runs:
        parts.append(escaped(text[cursor : run.start]))
        further = "" if attributes is None else " " + attributes(run.words)
        parts.append(_word(explanation, text, run, scale, run in numbered, further))
        cursor = run.end
    rest = text[cursor:]
    faded = explanation.truncated and bool(rest.strip())
    parts.append(
        f'<span class="xk-cut" title="not seen by the model">{escaped(rest)}</span>'
        if faded
        else escaped(rest)
    )
    return "".join(parts)


def _score(explanation: Explanation, run: _Run) -> float:
    return float(sum(explanation.word_scores[place] for place in run.words))


def _word(explanation: Explanation, text: str, run: _Run, scale: float, numbered: bool, further: str) -> str:
    score = _score(explanation, run)
    prepared = " ".join(explanation.words[place].text for place in run.words)
    surface = text[run.start : run.end]
    shown = (
        escaped(surface)
        if surface.strip()
        else f'<span class="xk-code xk-prepared">{escaped(prepared)}</span>{escaped(surface)}'
    )
    title = quoted(f"{prepared}: {written(explanation, score)} {explanation.unit}")
    decimals = (
        max(1, 1 - math.floor(math.log10(scale))) if numbered else 0
    )  # the same for all words of a pair
    number = f'<sub dir="ltr">{written(explanation, score, f".{decimals}f")}</sub>' if numbered else ""
    return f'<span class="xk-w {shade(score, scale)}" title="{title}"{further}>{shown}{number}</span>'


def _numbered(explanation: Explanation, text: str, runs: Sequence[_Run], scale: float) -> set[_Run]:
    """The strongest words of a sentence, which get a number: each at least a third of the scale, and no two numbers in each other's way."""
    chosen: dict[_Run, float] = {}  # the middle of each, in ems from the sentence's start
    for run in sorted(runs, key=lambda run: -abs(_score(explanation, run))):
        if scale == 0 or abs(_score(explanation, run)) < scale / 3:
            break
        middle = (_width(text[: run.start]) + _width(text[: run.end])) / 2
        if _stands_alone(text, run) and all(abs(middle - other) >= NUMBER_WIDTH for other in chosen.values()):
            chosen[run] = middle
    return set(chosen)


def _width(text: str) -> float:
    """A rough width in ems."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    none = sum(unicodedata.category(character) == "Mn" for character in text)
    return wide + 0.5 * (len(text) - wide - none)


def _stands_alone(text: str, run: _Run) -> bool:
    """Whether a number can hang under the run without tearing joined letters apart."""
    return not (
        _joins(text[run.start : run.start + 1], text[: run.start][-1:])
        or _joins(text[run.end :][:1], text[: run.end][-1:])
    )


def _joins(right: str, left: str) -> bool:
    """Whether two neighbouring characters may be drawn as one shape."""
    if not right or not left:
        return False
    if unicodedata.category(right)[0] == "M":
        return True
    return all(unicodedata.name(side, "").startswith(JOINING) for side in (right, left))


def shade(score: float, scale: float) -> str:
    """The class of a word: its sign, and how strong it is on the scale."""
    level = 0 if scale == 0 else min(LEVELS, math.ceil(LEVELS * abs(score) / scale - 0.5))
    return f"xk-{'n' if score < 0 else 'p'}{level}" if level else "xk-0"


def written(explanation: Explanation, value: float, form: str = "") -> str:
    """A score as a number, with its sign where the method has one."""
    return signed(value, form) if explanation.signed else unsigned(value, form)
