"""Text to words as the authors' scripts cut them, each word with its span in the text.

The pipeline of a language is tools/tokenize.sh of facebookresearch/XLM (Moses punctuation scripts,
Moses tokenizer or a segmenter), then lowercase_and_remove_accent.py: see `rules` for the tables and
`segment` for Thai and Chinese. Chinese words were never compared with the authors', because their
segmenter is a Java program.

One text is one line: a newline in it counts as a space. `is_ignorable` says which characters may be
in no word."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, chain, islice
from typing import Any

import regex

from xlmkit.languages import resolve
from xlmkit.tokenization.rules import NOTHING, Sources, table
from xlmkit.tokenization.segment import chinese, thai

VERSION = "1"  # of the rules; changes whenever any text gets other words
_LINES = 1024  # texts that one pass of the rules processes, few enough for the processor's cache
_MARKS = regex.compile(r"\p{Mn}+")
_IGNORABLE = regex.compile(r"[\s\p{C}\p{Mn}]")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    `text` is what the model reads, `text[start:end]` of the original what it stands for.
    `offsets[i]` is the index of the original character that the word's character i comes from.
    `moved`: the authors' rules exchanged a quotation mark with a full stop or comma (or, in Thai,
    cut between the dots of one "…"), so this span and another word's overlap."""

    text: str
    start: int
    end: int
    moved: bool = False
    offsets: tuple[int, ...] = field(default=(), repr=False)


def is_ignorable(character: str) -> bool:
    """Whether the authors' scripts may drop this character: white space, category C, or a
    non-spacing mark (Mn).

    Category C is control, format (zero-width joiners, ...), surrogate, private and unassigned
    characters: they separate words. A mark is removed from its word but stays in the word's span;
    it is in no word only where nothing but marks, spaces and such characters precede it. Every
    other character is in exactly one word's span, moved words aside."""
    return _IGNORABLE.fullmatch(character) is not None


def split_words(text: str, language: str, *, lowercase: bool = True) -> list[Word]:
    """Split one text into words, with their spans.

    Parameters
    ----------
    text : any string; an empty or blank one has no words.
    language : one of the 15 codes.
    lowercase : False for checkpoints whose tokenizer has `do_lowercase_and_remove_accent` false
        (xlm-mlm-17, -100).

    Returns
    -------
    Words in the model's order. Spans are disjoint and in order, except those of moved words.

    Raises
    ------
    TypeError : if `text` is not a string.
    ValueError : if `language` is not one of the 15."""
    _check_text("text", text)
    return next(split_lines([text], resolve(language), lowercase=lowercase, spans=True))


def split_batch(texts: Sequence[str], language: str, *, lowercase: bool = True) -> list[list[str]]:
    """Split many texts in one language into words without spans: of each text, the `text` of its
    `split_words`.

    Parameters and errors are those of `split_words`. One call with many texts is faster than many
    calls."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"`texts` must be a sequence of str; got {texts!r}. Pass [text].")
    listed = list(texts)
    for number, text in enumerate(listed):
        _check_text(f"texts[{number}]", text)
    return list(split_lines(listed, resolve(language), lowercase=lowercase, spans=False))


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(
            f"`{name}` must be a str; got {text!r} of type {type(text).__name__}. Fill in or drop that row."
        )


def split_lines(texts: Sequence[str], code: str, *, lowercase: bool, spans: bool) -> Iterator[list[Any]]:
    """The words of each text in one language: `Word`s where spans are asked for, else str.
    Arguments are not checked."""
    for start in range(0, len(texts), _LINES):
        yield from _split(texts[start : start + _LINES], code, lowercase, spans)


def _split(texts: Sequence[str], code: str, lowercase: bool, spans: bool) -> Iterator[list[Any]]:
    lines = "".join(text.replace("\n", " ") + "\n" for text in texts)
    sources = [(at, at + 1) for text in texts for at in range(len(text) + 1)] if spans else None
    if code == "zh":
        lines, sources = _segmented(lines, sources, chinese)
    for rule in table(code):
        lines, sources = rule.apply(lines, sources)
    if code == "th":
        lines, sources = _segmented(lines, sources, thai)
    tokens = [line.split() for line in lines[:-1].split("\n")]
    joined = " ".join(chain.from_iterable(tokens))
    plain = iter((_lowercase_and_remove_accent(joined) if lowercase else joined).split(" "))
    if sources is None:
        for line in tokens:
            yield list(filter(None, islice(plain, len(line))))  # a token of nothing but marks is empty now
        return
    at = 0
    for line in tokens:
        words: list[Word] = []
        for token, text in zip(line, islice(plain, len(line)), strict=True):
            at = lines.index(token, at) + len(token)
            _add(words, token, text, sources[at - len(token) : at])
        yield _mark_moved(words)


def _segmented(
    lines: str, sources: Sources | None, segment: Callable[[str], list[str]]
) -> tuple[str, Sources | None]:
    """The lines with a space between the pieces that `segment` cuts each of them into."""
    cut = [segment(line) for line in lines[:-1].split("\n")]
    if sources is not None:
        moved: Sources = []
        at = 0
        for pieces in cut:
            for number, piece in enumerate(pieces):
                moved += [NOTHING] * (number > 0) + sources[at : at + len(piece)]
                at += len(piece)
            moved.append(sources[at])  # the line's end
            at += 1
        sources = moved
    return "\n".join(map(" ".join, cut)) + "\n", sources


def _lowercase_and_remove_accent(text: str) -> str:
    """The authors' last step: lower case, canonical decomposition, no non-spacing marks."""
    return _MARKS.sub("", unicodedata.normalize("NFD", text.lower())).lower()


@lru_cache(maxsize=65536)
def _length(character: str) -> int:
    """How many characters the last step leaves of one. A final sigma depends on its neighbours, its
    length does not."""
    return len(_lowercase_and_remove_accent(character))


def _add(words: list[Word], token: str, text: str, sources: Sources) -> None:
    """Add the word that a token has become; without any text left, its span goes to the word before
    it."""
    start, end = min(source[0] for source in sources), max(source[1] for source in sources)
    if not text:
        if words and words[-1].end == start:  # a virama, cut off and gone, stays with its letter
            words[-1] = replace(words[-1], end=end)
        return
    offsets = [source[0] for source in sources]
    if text != token and not token.isascii():
        offsets = [at for letter, at in zip(token, offsets, strict=True) for _ in range(_length(letter))]
    words.append(Word(text, start, end, offsets=tuple(offsets)))


def _mark_moved(words: list[Word]) -> list[Word]:
    """The words, with those marked whose spans overlap or are out of order."""
    furthest = list(accumulate((word.end for word in words), max))
    nearest = list(accumulate((word.start for word in reversed(words)), min))[::-1]
    for i in range(1, len(words)):
        if furthest[i - 1] > words[i].start:
            words[i] = replace(words[i], moved=True)
        if words[i - 1].end > nearest[i]:
            words[i - 1] = replace(words[i - 1], moved=True)
    return words
