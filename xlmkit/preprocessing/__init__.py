"""Text to words as the authors' scripts cut them, each word with its span in the surface text.

The pipeline per language is tools/tokenize.sh of facebookresearch/XLM (Moses punctuation scripts and tokeniser, Thai by
pythainlp), then lower case and no accents (lowercase_and_remove_accent.py). Chinese is cut by rjieba, as transformers'
XLMTokenizer does, since the authors' Stanford segmenter is a Java program: it is the one language whose words were
never compared with the authors'."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import regex

from xlmkit.languages import resolve
from xlmkit.preprocessing.rules import table
from xlmkit.preprocessing.tracked import Tracked

VERSION = "1"

__all__ = ["VERSION", "Word", "split_batch", "split_words"]


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    `text` is what the model reads; `start` and `end` bound what it stands for in the surface text; `offsets` gives, for
    each character of `text`, the index of its surface character. `moved`: the authors' rules changed the place of a
    character of it, so that its span may lie across another word's."""

    text: str
    start: int
    end: int
    moved: bool = False
    offsets: tuple[int, ...] = field(default=(), repr=False)


def split_words(text: str, language: str, *, lowercase: bool = True) -> list[Word]:
    """The words of one text, with their places in it."""
    code = resolve(language)
    line = Tracked.surface(_one_line(text))
    if code == "zh":
        line = _cut(line, _chinese(line.text))
    for rule in table(code):
        line = line.apply(rule)
    if code == "th":
        line = _cut(line, _thai(line.text))
    words = []
    for match in regex.finditer(r"[^ \n]+", line.text):
        token = line.slice(*match.span())
        final = _plain(token.text) if lowercase else token.text
        if final:
            words.append(_word(token, final, lowercase))
    return words


def split_batch(texts: Sequence[str], language: str, *, lowercase: bool = True) -> list[list[str]]:
    """The words of many texts in one language, without their places: `[[w.text for w in split_words(t)] for t]`."""
    code = resolve(language)
    lines = [_one_line(text)[:-1] for text in texts]
    if not lines:
        return []
    if code == "zh":
        lines = [" ".join(_chinese(line)) for line in lines]
    joined = "\n".join(lines) + "\n"
    for rule in table(code):
        joined = rule.apply(joined)
    if code == "th":
        joined = "\n".join(" ".join(_thai(line)) for line in joined[:-1].split("\n")) + "\n"
    if lowercase:
        joined = _plain(joined)
    return [line.split() for line in joined[:-1].split("\n")]


def _one_line(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(
            f"`text` must be a str; got {text!r} ({type(text).__name__}). Remedy: drop or fill this value first"
        )
    return text.replace("\n", " ") + "\n"


def _plain(text: str) -> str:
    """Lower case, canonically decomposed, without non-spacing marks (lowercase_and_remove_accent.py)."""
    text = unicodedata.normalize("NFD", text.lower())
    return regex.sub(r"\p{Mn}+", "", text).lower()


def _word(token: Tracked, final: str, lowercase: bool) -> Word:
    offsets = list(token.starts)
    if lowercase:
        offsets = [start for c, start in zip(token.text, token.starts, strict=True) for _ in _plain(c)]
    if len(offsets) != len(final):
        raise AssertionError((token.text, final))
    return Word(final, min(token.starts), max(token.ends), any(token.moved), tuple(offsets))


def _cut(line: Tracked, pieces: list[str]) -> Tracked:
    """The line with a space between the pieces that a segmenter made of it."""
    parts, at = [], 0
    for piece in pieces:
        end = at + len(piece)
        parts += [line.slice(at, end), Tracked(" ", [0], [0], [False])]
        at = end
    return Tracked.joined([*parts, Tracked("\n", [0], [0], [False])])


def _thai(line: str) -> list[str]:
    from pythainlp.tokenize import word_tokenize

    return word_tokenize(line.rstrip("\n"))


def _chinese(line: str) -> list[str]:
    import rjieba

    return rjieba.cut(line.rstrip("\n"))
