"""Segmenters for the two languages that write no spaces between words.

Thai by pythainlp 5.4.0 (newmm), as in the authors' tools/segment_th.py. Chinese by rjieba, as in
transformers' XLMTokenizer; the authors used the Stanford segmenter. Both packages load when the
first line comes, since their dictionaries are slow to load."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

import regex

# pythainlp joins numbers in quadratic time, so a longer number is set apart beforehand.
_LONG_NUMBER = regex.compile(r"(\p{Nd}{200,})")


def thai(line: str) -> list[str]:
    """The line cut into words and white space; joined, they are the line."""
    if not _LONG_NUMBER.search(line):
        return _word_tokenize()(line)
    parts = _LONG_NUMBER.split(line)
    return [word for i, part in enumerate(parts) for word in ([part] if i % 2 else _word_tokenize()(part))]


def chinese(line: str) -> list[str]:
    """The line cut into words, white space and marks; joined, they have the line's length."""
    import rjieba

    # Rust refuses a lone surrogate. U+FFFE is not a character either, and is dropped later.
    return rjieba.cut(regex.sub(r"\p{Cs}", "\ufffe", line))


@cache
def _word_tokenize() -> Callable[[str], list[str]]:
    """pythainlp's tokeniser, imported without the folder that it would otherwise create in the
    user's home."""
    settings = ("PYTHAINLP_READ_ONLY", "PYTHAINLP_READ_MODE")  # a user's own choice stays
    ours = not any(name in os.environ for name in settings)
    if ours:
        os.environ[settings[0]] = "1"
    try:
        from pythainlp.tokenize import word_tokenize
    finally:
        if ours:
            del os.environ[settings[0]]
    return word_tokenize
