"""Where each token stands in the text that the user gave."""

from __future__ import annotations

from collections.abc import Sequence

from xlmkit.encoding.value import Encoding, Token, WordPieces
from xlmkit.model import NLIModel
from xlmkit.tokenization import EOS, UNK, Word


def tokens_of(
    nli: NLIModel,
    encoding: Encoding,
    words: Sequence[Sequence[Sequence[Word]]],
    pieces: Sequence[Sequence[WordPieces]],
) -> tuple[tuple[Token, ...], ...]:
    """The tokens of every pair, each with its place in the surface text.

    Parameters
    ----------
    words, pieces : of each pair's sentences, before truncation."""
    firsts = encoding.input_ids[:, 0].tolist() if len(encoding) else []
    return tuple(
        _tokens(nli, first, list(zip(*sides, strict=True)))
        for first, sides in zip(firsts, zip(words, pieces, encoding.n_truncated, strict=True), strict=True)
    )


def _tokens(
    nli: NLIModel, first: int, sides: Sequence[tuple[Sequence[Word], WordPieces, int]]
) -> tuple[Token, ...]:
    """Of one pair: its first token's id, and of each sentence the words, their pieces and how many of these were cut."""

    def special(id: int) -> Token:
        return Token(nli.tokenizer.name(id), None, None, None, None, True)

    tokens = [special(first)]
    for sentence, (words, pieces, n_truncated) in enumerate(sides):
        own = [
            Token(nli.tokenizer.name(id), index, sentence, start, end, False)
            for index, (word, ids) in enumerate(zip(words, pieces, strict=True))
            for id, (start, end) in zip(ids, _piece_spans(nli, word, ids), strict=True)
        ]
        tokens += [*own[: len(own) - n_truncated], special(EOS)]
    return tuple(tokens)


def _piece_spans(nli: NLIModel, word: Word, ids: tuple[int, ...]) -> list[tuple[int, int]]:
    """Surface span of each piece of a word; the word's whole span where a piece is unknown and its length therefore lost."""
    sizes = [len(nli.tokenizer.name(id).removesuffix("</w>")) for id in ids]
    if len(ids) == 1 or UNK in ids or sum(sizes) != len(word.text):
        return [(word.start, word.end)] * len(ids)
    spans, at = [], 0
    for size in sizes:
        covered = word.offsets[at : at + size]
        spans.append((min(covered), max(covered) + 1))
        at += size
    return spans
