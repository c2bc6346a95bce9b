"""Where each token stands in the text that the user gave."""

from __future__ import annotations

from xlmkit.checkpoint import NLIModel
from xlmkit.encoding.value import Token
from xlmkit.pieces import EOS, UNK
from xlmkit.preprocessing import Word


def tokens_of(
    nli: NLIModel, first: int, sides: list[tuple[tuple[Word, ...], list[tuple[int, ...]], int]]
) -> tuple[Token, ...]:
    """The tokens of one row, each with its place in the surface text."""

    def special(id: int) -> Token:
        return Token(nli.pieces.name(id), None, None, None, None, True)

    tokens = [special(first)]
    for sentence, (words, pieces, kept) in enumerate(sides):
        own: list[Token] = []
        for index, (word, ids) in enumerate(zip(words, pieces, strict=True)):
            if len(own) >= kept:
                break
            for id, (start, end) in zip(ids, _piece_spans(nli, word, ids), strict=True):
                own.append(Token(nli.pieces.name(id), index, sentence, start, end, False))
        tokens += [*own[:kept], special(EOS)]
    return tuple(tokens)


def _piece_spans(nli: NLIModel, word: Word, ids: tuple[int, ...]) -> list[tuple[int, int]]:
    """Surface span of each piece of a word; the word's whole span where a piece is unknown and its length therefore lost."""
    sizes = [len(nli.pieces.name(id).removesuffix("</w>")) for id in ids]
    if len(ids) == 1 or UNK in ids or sum(sizes) != len(word.text):
        return [(word.start, word.end)] * len(ids)
    spans, at = [], 0
    for size in sizes:
        covered = word.offsets[at : at + size]
        spans.append((min(covered), max(covered) + 1))
        at += size
    return spans
