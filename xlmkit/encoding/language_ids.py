"""The language ids of sentences, and of words in code-switched text."""

from __future__ import annotations

from collections.abc import Sequence

from xlmkit.checkpoint import NLIModel
from xlmkit.encoding.sentences import names_of
from xlmkit.languages import resolve

WordLanguages = Sequence[str] | None
"""One code a word of `split_words(text, language)`, or None for a sentence that is all in its own language."""


def language_id(nli: NLIModel, code: str) -> int:
    if code in nli.languages:
        return nli.languages[code]
    if nli.uses_language_ids:
        raise ValueError(
            f"language {code!r} has no language embedding in {nli.source!r}, which knows {', '.join(nli.languages)}"
        )
    return 0


def word_language_ids(
    nli: NLIModel,
    words: list[list[list[str]]],
    codes: list[list[str]],
    given: Sequence[tuple[WordLanguages, ...]] | None,
) -> list[list[list[int] | None]]:
    """Per sentence the language id of each word, or None where the sentence's own serves for all."""
    count = len(words[0])
    if given is None:
        return [[None] * count for _ in words]
    if len(given) != count:
        raise ValueError(f"`word_languages` needs one entry a pair; got {len(given)} for {count} pairs")
    found: list[list[list[int] | None]] = [[] for _ in words]
    for row, pair in enumerate(given):
        if len(pair) != len(words):
            raise ValueError(
                f"`word_languages` needs an entry for {' and '.join(names_of(words))} of row {row}; got {pair!r}"
            )
        for side, name in enumerate(names_of(words)):
            own = pair[side]
            if own is not None and (isinstance(own, str) or len(own) != len(words[side][row])):
                raise ValueError(
                    f"`word_languages` needs one code a word: {name} {row} has the {len(words[side][row])} words "
                    f"{words[side][row]!r} in {codes[side][row]!r}; got {own!r}"
                )
            found[side].append(None if own is None else [language_id(nli, resolve(code)) for code in own])
    return found
