"""Words: a sentence as the user wrote it, each word marked with its score.

Words have no horizontal padding, since it would separate the joined letters of Arabic, Urdu and
Hindi."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xlmkit.explanation import ExplainedWord, Explanation
from xlmkit.languages import LANGUAGES
from xlmkit.render.text import escaped, quoted, signed, unsigned

LEVELS = 8  # shades on either side of zero
NUMBER_WIDTH = 2.1  # of a number under a word, in ems of the sentence's font
JOINING = ("ARABIC LETTER", "DEVANAGARI LETTER", "DEVANAGARI SIGN", "DEVANAGARI VOWEL SIGN")  # Unicode names

Attributes = Callable[[tuple[int, ...]], str]


def largest(explanation: Explanation) -> float:
    """The largest absolute word score, which is the end of the colour scale."""
    return float(abs(explanation.word_scores).max(initial=0.0))


def shared_scale(explanations: Sequence[Explanation]) -> float:
    """The end of a colour scale for several explanations; 0 without any.

    The scores of a failed explanation mean nothing, so they count only if all have failed."""
    reliable = [one for one in explanations if one.converged is not False] or explanations
    return max(map(largest, reliable), default=0.0)


def direction(code: str) -> str:
    """The value of HTML's `dir`; "auto" for a language that the kit does not know."""
    return LANGUAGES[code].direction if code in LANGUAGES else "auto"


def language_name(code: str) -> str:
    """`Hindi` for `hi`; the code of a language that the kit does not know."""
    return LANGUAGES[code].name if code in LANGUAGES else code


def sentence_of(explanation: Explanation, sentence: int) -> tuple[str, str]:
    """The language and the text of the premise (0) or the hypothesis (1)."""
    if sentence == 0:
        return explanation.premise_language, explanation.premise
    return explanation.hypothesis_language or "", explanation.hypothesis or ""


def written(explanation: Explanation, value: float, form: str = "") -> str:
    """A score as a number, with its sign where the method has one."""
    return signed(value, form) if explanation.signed else unsigned(value, form)


def shade(score: float, scale: float) -> str:
    """The CSS class of a word, from the sign of its score and its strength on the scale."""
    level = 0 if scale == 0 else min(LEVELS, math.ceil(LEVELS * abs(score) / scale - 0.5))
    return f"xk-{'n' if score < 0 else 'p'}{level}" if level else "xk-0"


def marked(
    explanation: Explanation, sentence: int, scale: float, *, attributes: Attributes | None = None
) -> str:
    """One sentence of the pair in its own language and direction, its words marked.

    Parameters
    ----------
    sentence : 0 for the premise, 1 for the hypothesis.
    scale : the score with the strongest colour.
    attributes : gives further HTML attributes, escaped, for the span that shows these words
        (indices into `Explanation.words`)."""
    code, text = sentence_of(explanation, sentence)
    runs = _runs(explanation, sentence, len(text))
    numbered = _numbered(text, runs, scale)
    parts, cursor = [], 0
    for run in runs:
        more = "" if attributes is None else " " + attributes(run.words)
        word = _word(explanation, text, run, scale, run in numbered, more)
        parts += [escaped(text[cursor : run.start]), word]
        cursor = run.end
    rest = escaped(text[cursor:])
    if explanation.truncated and text[cursor:].strip():
        rest = f'<span class="xk-cut" title="not seen by the model">{rest}</span>'
    return f'<p class="xk-text" lang="{quoted(code)}" dir="{direction(code)}">{"".join(parts)}{rest}</p>'


def sentences(explanation: Explanation, scale: float, *, attributes: Attributes | None = None) -> str:
    """Each sentence of the pair, `marked`, next to its name and language."""
    rows = ""
    for place, side in enumerate(explanation.sides):
        language = escaped(language_name(sentence_of(explanation, place)[0]))
        text = marked(explanation, place, scale, attributes=attributes)
        rows += f'<div class="xk-row"><div class="xk-side">{side}<br>{language}</div>{text}</div>'
    return rows


@dataclass(frozen=True)
class _Run:
    """A stretch of the surface text that one word covers, or several whose spans overlap."""

    start: int
    end: int
    words: tuple[int, ...]  # indices into `Explanation.words`
    score: float = 0.0  # the sum over the words


def _runs(explanation: Explanation, sentence: int, length: int) -> list[_Run]:
    """The words of a sentence in the order of the text, without overlap and clipped to the text.

    Two words may come from one character, as "1" and "2" from "½":
        "½ cup"   spans (0, 1) (0, 1) (2, 5)   ->   runs (0, 1) of two words, (2, 5) of one"""

    def span(word: ExplainedWord) -> tuple[int, int]:
        return min(max(word.start, 0), length), min(max(word.end, 0), length)

    runs: list[_Run] = []
    spans = [
        (*span(word), index) for index, word in enumerate(explanation.words) if word.sentence == sentence
    ]
    for start, end, index in sorted(spans):
        score = float(explanation.word_scores[index])
        if runs and start < runs[-1].end:
            last = runs.pop()
            runs.append(_Run(last.start, max(last.end, end), (*last.words, index), last.score + score))
        else:
            runs.append(_Run(start, max(start, end), (index,), score))
    return runs


def _word(explanation: Explanation, text: str, run: _Run, scale: float, numbered: bool, more: str) -> str:
    prepared = " ".join(explanation.words[index].text for index in run.words)
    shown = escaped(text[run.start : run.end])
    if not text[run.start : run.end].strip():  # nothing to see there, so the prepared word is shown
        shown = f'<span class="xk-code xk-prepared">{escaped(prepared)}</span>{shown}'
    title = quoted(f"{prepared}: {written(explanation, run.score)} {explanation.unit}")
    number = ""
    if numbered:
        decimals = max(1, 1 - math.floor(math.log10(scale)))  # the same for all words of a pair
        number = f'<sub dir="ltr">{written(explanation, run.score, f".{decimals}f")}</sub>'
    return f'<span class="xk-w {shade(run.score, scale)}" title="{title}"{more}>{shown}{number}</span>'


def _numbered(text: str, runs: Sequence[_Run], scale: float) -> set[_Run]:
    """The strongest words of a sentence, which get a number under them.

    Each has at least a third of the scale, and no two numbers are in each other's way."""
    chosen: dict[_Run, float] = {}  # the middle of each, in ems from the start of the sentence
    for run in sorted(runs, key=lambda run: -abs(run.score)):
        if scale == 0 or abs(run.score) < scale / 3:
            break
        middle = (_width(text[: run.start]) + _width(text[: run.end])) / 2
        free = all(abs(middle - other) >= NUMBER_WIDTH for other in chosen.values())
        if free and not _is_joined(text, run.start) and not _is_joined(text, run.end):
            chosen[run] = middle
    return set(chosen)


def _width(text: str) -> float:
    """A rough width in ems."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    none = sum(unicodedata.category(character) == "Mn" for character in text)
    return wide + 0.5 * (len(text) - wide - none)


def _is_joined(text: str, place: int) -> bool:
    """Whether the characters before and after this place may be drawn as one shape.

    A number under the word would separate them."""
    left, right = text[:place][-1:], text[place:][:1]
    if not left or not right:
        return False
    joining = (unicodedata.name(side, "").startswith(JOINING) for side in (left, right))
    return unicodedata.category(right).startswith("M") or all(joining)
