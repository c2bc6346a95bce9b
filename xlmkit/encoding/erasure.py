"""Erasure: remove words from an encoding, in the space of ids, so that no text is rebuilt and split
again.

Three ways, because each leaves another trace (Hase et al. 2021, arXiv:2106.00786): the mask token,
which the model saw in pre-training; the padding token, whose embedding is the baseline of
integrated gradients; and deletion, which moves later tokens to earlier positions. Special tokens
are never erased, language ids stay with their tokens, and the attention mask never hides a token
that is still there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from xlmkit.checks import check_choice, is_int
from xlmkit.encoding.encode import Encoding, Token, number_words, require_tokens
from xlmkit.tokenization import MASK, PAD

WAYS = ("mask", "pad", "delete")
_REPLACEMENTS = {"mask": (MASK, "<special1>"), "pad": (PAD, "<pad>")}


def word_counts(encoding: Encoding) -> np.ndarray:
    """(B,) int64: how many words of each pair reached the model.

    Raises
    ------
    ValueError : if the encoding has no spans."""
    return np.array([max(number_words(tokens)) + 1 for tokens in require_tokens(encoding)], dtype=np.int64)


def erase(encoding: Encoding, words: Sequence[Iterable[int]], how: str = "mask") -> Encoding:
    """Every pair without the given words; the given encoding is not changed.

    Parameters
    ----------
    encoding : B pairs, with spans. For many variants of one pair: `encoding.select([row] *
        variants)`.
    words : per pair the numbers of the words to erase, as `word_numbers` counts them; may be empty
        or all words.
    how : "mask" replaces each token of the word by the mask token, "pad" by the padding token; both
        keep attention, position and language id. "delete" removes the tokens and closes the gap.

    Returns
    -------
    An Encoding of B pairs with its `tokens`; `words` and `n_truncated` are those before. After
    "mask" and "pad" words keep their numbers; after "delete" the remaining ones are counted again.

    Raises
    ------
    ValueError : if the encoding has no spans, `words` does not have one entry per pair, an entry
        names a word that does not exist, or `how` is unknown."""
    check_choice("how", how, WAYS)
    tokens = require_tokens(encoding)
    if len(words) != len(encoding):
        raise ValueError(f"`words` needs one entry per pair; got {len(words)} for {len(encoding)} pairs.")
    erased = np.zeros(encoding.input_ids.shape, dtype=bool)  # (B, T)
    for row, (own, chosen) in enumerate(zip(tokens, words, strict=True)):
        numbers, listed = number_words(own), list(chosen)
        wrong = [number for number in listed if not is_int(number) or not 0 <= number <= max(numbers)]
        if wrong:
            raise ValueError(
                f"`words` must contain numbers from 0 to {max(numbers)}, the words of pair {row}; got {wrong[0]!r}."
            )
        erased[row, : len(own)] = np.isin(numbers, listed)
    return drop_tokens(encoding, erased) if how == "delete" else _replaced(encoding, tokens, erased, how)


def drop_tokens(encoding: Encoding, dropped: np.ndarray) -> Encoding:
    """The encoding without the tokens of a (B, T) bool mask; the gaps are closed.

    Raises
    ------
    ValueError : if the encoding has no spans."""
    kept = encoding.attention_mask.numpy().astype(bool) & ~dropped  # (B, T)
    lengths = kept.sum(1)
    width = int(lengths.max(initial=0))
    # The stable sort puts kept tokens first, in order:   kept 1 0 1 1 0  ->  order 0 2 3 | 1 4
    order = torch.from_numpy(np.argsort(~kept, axis=1, kind="stable")[:, :width])
    mask = torch.from_numpy(np.arange(width) < lengths[:, None])  # (B, width)
    last = encoding.langs[:, -1:]  # padding has the hypothesis's language
    return replace(
        encoding,
        input_ids=encoding.input_ids.gather(1, order).masked_fill(~mask, PAD),
        langs=torch.where(mask, encoding.langs.gather(1, order), last),
        attention_mask=mask.long(),
        tokens=tuple(
            tuple(token for token, gone in zip(own, row, strict=False) if not gone)
            for own, row in zip(require_tokens(encoding), dropped, strict=True)
        ),
    )


def _replaced(
    encoding: Encoding, tokens: tuple[tuple[Token, ...], ...], erased: np.ndarray, how: str
) -> Encoding:
    id, name = _REPLACEMENTS[how]
    return replace(
        encoding,
        input_ids=encoding.input_ids.masked_fill(torch.from_numpy(erased), id),
        tokens=tuple(
            tuple(replace(token, text=name) if gone else token for token, gone in zip(own, row, strict=False))
            for own, row in zip(tokens, erased, strict=True)
        ),
    )
