"""Erasure: the same pair without some of its words, in the space of ids: no text is put together and cut anew.

Three ways, because each leaves another trace (Hase et al. 2021, arXiv:2106.00786): the mask piece, which the model saw in pre-training;
the padding piece, whose embedding is the baseline of integrated gradients; and deletion, which moves what follows to earlier positions.
Special tokens are never erased, language ids stay with their tokens, and attention never hides a place that is still there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from xlmkit.checks import is_int
from xlmkit.encoding import Encoding, Token
from xlmkit.tokenization import MASK, PAD

WAYS = ("mask", "pad", "delete")
_NAMES = {"mask": (MASK, "<special1>"), "pad": (PAD, "<pad>")}


def word_numbers(encoding: Encoding) -> torch.Tensor:
    """The number of each token's word, counted from 0 through both sentences, as in `Explanation.words`.

    Returns
    -------
    (B, T) int64; -1 for special tokens and padding.

    Raises
    ------
    ValueError : if the encoding has no spans."""
    found = torch.full(encoding.input_ids.shape, -1)
    for row, tokens in enumerate(_tokens(encoding)):
        found[row, : len(tokens)] = torch.tensor(_numbers(tokens))
    return found


def word_counts(encoding: Encoding) -> np.ndarray:
    """(B,) int64: how many words of each pair reached the model.

    Raises
    ------
    ValueError : if the encoding has no spans."""
    return np.array([max(_numbers(tokens)) + 1 for tokens in _tokens(encoding)], dtype=np.int64)


def erase(encoding: Encoding, words: Sequence[Iterable[int]], how: str = "mask") -> Encoding:
    """Every pair without the given words; the given encoding stays as it is.

    Parameters
    ----------
    encoding : B pairs, with spans. For many variants of one pair: `encoding.select([row] * variants)`.
    words : per pair the numbers of the words to erase, as `word_numbers` counts them; an empty one erases nothing. A sentence may lose all its words.
    how : "mask" puts the mask piece in place of each of the word's tokens, "pad" the padding piece, both with attention, position and
        language id kept; "delete" takes the tokens out and closes the gap.

    Returns
    -------
    An Encoding of B pairs with its `tokens`; `words` and `dropped` are those before. After "mask" and "pad" the words have the numbers they
    had; after "delete" those that are left are counted anew.

    Raises
    ------
    ValueError : if the encoding has no spans, `words` has not one entry a pair, or one names a word that is not there; or `how` is unknown."""
    if how not in WAYS:
        raise ValueError(f"`how` must be one of {', '.join(WAYS)}; got {how!r}")
    tokens = _tokens(encoding)
    if len(words) != len(encoding):
        raise ValueError(f"`words` needs one entry a pair; got {len(words)} for {len(encoding)} pairs")
    hit = np.zeros(encoding.input_ids.shape, dtype=bool)  # (B, T)
    for row, (own, chosen) in enumerate(zip(tokens, words, strict=True)):
        numbers = _numbers(own)
        hit[row, : len(own)] = np.isin(numbers, _checked(chosen, max(numbers) + 1, row))
    return _without(encoding, tokens, hit) if how == "delete" else _replaced(encoding, tokens, hit, how)


def _tokens(encoding: Encoding) -> tuple[tuple[Token, ...], ...]:
    if encoding.tokens is None:
        raise ValueError("expected an encoding with spans; remedy: encode(..., spans=True)")
    return encoding.tokens


def _numbers(tokens: tuple[Token, ...]) -> list[int]:
    seen: dict[tuple[int | None, int | None], int] = {}
    return [
        -1 if token.special else seen.setdefault((token.sentence, token.word), len(seen)) for token in tokens
    ]


def _checked(chosen: Iterable[int], count: int, row: int) -> list[int]:
    listed = list(chosen)
    odd = [number for number in listed if not is_int(number) or not 0 <= number < count]
    if odd:
        raise ValueError(
            f"`words` must hold numbers from 0 to {count - 1}, the words of pair {row}; got {odd[0]!r}"
        )
    return listed


def _replaced(
    encoding: Encoding, tokens: tuple[tuple[Token, ...], ...], hit: np.ndarray, how: str
) -> Encoding:
    id, name = _NAMES[how]
    return replace(
        encoding,
        input_ids=encoding.input_ids.masked_fill(torch.from_numpy(hit), id),
        tokens=tuple(
            tuple(replace(token, text=name) if gone else token for token, gone in zip(own, row, strict=False))
            for own, row in zip(tokens, hit, strict=True)
        ),
    )


def _without(encoding: Encoding, tokens: tuple[tuple[Token, ...], ...], hit: np.ndarray) -> Encoding:
    kept = encoding.attention_mask.numpy().astype(bool) & ~hit  # (B, T)
    lengths = kept.sum(1)
    width = int(lengths.max(initial=0))
    order = torch.from_numpy(
        np.argsort(~kept, axis=1, kind="stable")[:, :width]
    )  # what is kept first, in its order
    real = torch.from_numpy(np.arange(width) < lengths[:, None])  # (B, width)
    langs = encoding.langs.gather(1, order)
    last = encoding.langs[:, -1:]  # padding bears the hypothesis's language
    return replace(
        encoding,
        input_ids=encoding.input_ids.gather(1, order).masked_fill(~real, PAD),
        langs=torch.where(real, langs, last),
        attention_mask=real.long(),
        tokens=tuple(
            tuple(token for token, gone in zip(own, row, strict=False) if not gone)
            for own, row in zip(tokens, hit, strict=True)
        ),
    )
