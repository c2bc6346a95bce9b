"""Text to words as the authors' scripts cut them, each word with its span in the surface text.

The pipeline of a language is tools/tokenize.sh of facebookresearch/XLM (Moses punctuation scripts, Moses tokeniser or a
segmenter), then lowercase_and_remove_accent.py: see `rules` for the table and `segment` for Thai and Chinese. Chinese is
the one language whose words were never compared with the authors', since their segmenter is a Java program.

One text is one line: a newline in it counts as a space. `dropped` says which characters may belong to no word."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate

import regex

from xlmkit.languages import resolve
from xlmkit.tokenization.rules import table
from xlmkit.tokenization.segment import chinese, thai
from xlmkit.tokenization.tracked import Tracked

__all__ = ["VERSION", "Word", "dropped", "split_batch", "split_words"]

VERSION = "1"  # of the rules; changes whenever some text gives other words
_LINES = 1024  # lines that one pass of the rules works on, so that they stay in the processor's cache
_MARKS = regex.compile(r"\p{Mn}+")
_DROPPED = regex.compile(r"[\s\p{C}\p{Mn}]")
_TOKEN = regex.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    `text` is what the model reads. `start` and `end` bound what it stands for in the surface text. `offsets[i]` is the index
    of the surface character that `text[i]` comes from. `moved`: the authors' rules put a quotation mark on the other side of a
    stop or comma (or, in Thai, cut between the dots of one "…"), so that this span and another word's cross."""

    text: str
    start: int
    end: int
    moved: bool = False
    offsets: tuple[int, ...] = field(default=(), repr=False)


def dropped(character: str) -> bool:
    """Whether the authors' scripts may drop this character: white space, category C, or a non-spacing mark (Mn).

    Category C is control, format (zero-width joiners, ...), surrogate, private and unassigned characters: they separate
    words. A mark is taken off its word, in whose span it stays; it has no word only where nothing but marks, spaces
    and such characters precede it. Every other character lies in exactly one word's span, moved words aside."""
    return _DROPPED.fullmatch(character) is not None


def split_words(text: str, language: str, *, lowercase: bool = True) -> list[Word]:
    """The words of one text, with their places in it.

    Parameters
    ----------
    text : any string; empty or blank gives no words.
    language : one of the 15 codes.
    lowercase : False for checkpoints whose tokeniser has `do_lowercase_and_remove_accent` false (xlm-mlm-17, -100).

    Returns
    -------
    Words in the model's order. Spans are disjoint and in order, except those of moved words.

    Raises
    ------
    TypeError : if `text` is no string.
    ValueError : if `language` is none of the 15."""
    code = resolve(language)
    tracked = Tracked.of(_line("text", text) + "\n")
    if code == "zh":
        tracked = tracked.spaced(chinese(tracked.line[:-1]))
    for rule in table(code):
        tracked = tracked.apply(rule)
    if code == "th":
        tracked = tracked.spaced(thai(tracked.line[:-1]))
    return _mark_moved(_words(tracked, lowercase))


def split_batch(texts: Sequence[str], language: str, *, lowercase: bool = True) -> list[list[str]]:
    """The words of many texts in one language, without places: for each text, the `text` of its `split_words`.

    Parameters and errors are those of `split_words`; one call with many texts is the fast way."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"`texts` must be a sequence of str; got {texts!r}; remedy: pass [text]")
    code = resolve(language)
    lines = [_line(f"texts[{i}]", text) for i, text in enumerate(texts)]
    batches = (lines[i : i + _LINES] for i in range(0, len(lines), _LINES))
    return [words for batch in batches for words in _split_lines(batch, code, lowercase)]


def _split_lines(lines: Iterable[str], code: str, lowercase: bool) -> list[list[str]]:
    if code == "zh":
        lines = (" ".join(chinese(line)) for line in lines)
    joined = "\n".join(lines) + "\n"
    for rule in table(code):
        joined = rule.apply(joined)
    if code == "th":
        joined = "\n".join(" ".join(thai(line)) for line in joined[:-1].split("\n")) + "\n"
    if lowercase:
        joined = _lowercase_and_remove_accent(joined)
    return [line.split() for line in joined[:-1].split("\n")]


def _line(name: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(
            f"`{name}` must be a str; got {text!r} of type {type(text).__name__}; remedy: fill in or leave out that row"
        )
    return text.replace("\n", " ")


def _lowercase_and_remove_accent(text: str) -> str:
    """The authors' last step: lower case, canonical decomposition, no non-spacing marks."""
    return _MARKS.sub("", unicodedata.normalize("NFD", text.lower())).lower()


@lru_cache(maxsize=65536)
def _length(character: str) -> int:
    """How many characters the last step leaves of one. The final sigma depends on its neighbours, its length does not."""
    return len(_lowercase_and_remove_accent(character))


def _words(tracked: Tracked, lowercase: bool) -> list[Word]:
    words: list[Word] = []
    for match in _TOKEN.finditer(tracked.line):
        token, place = match[0], slice(*match.span())
        offsets = tracked.starts[place]
        start, end = min(offsets), max(tracked.ends[place])
        if lowercase:
            if not token.isascii():
                offsets = [at for c, at in zip(token, offsets, strict=True) for _ in range(_length(c))]
            token = _lowercase_and_remove_accent(token)
        if token:
            words.append(Word(token, start, end, offsets=tuple(offsets)))
        elif words and words[-1].end == start:  # a virama, cut off and gone, stays with its letter
            words[-1] = replace(words[-1], end=end)
    return words


def _mark_moved(words: list[Word]) -> list[Word]:
    """The words, those marked whose spans cross or are out of order."""
    furthest = list(accumulate((word.end for word in words), max))
    nearest = list(accumulate((word.start for word in reversed(words)), min))[::-1]
    for i in range(1, len(words)):
        if furthest[i - 1] > words[i].start:
            words[i] = replace(words[i], moved=True)
        if words[i - 1].end > nearest[i]:
            words[i - 1] = replace(words[i - 1], moved=True)
    return words
