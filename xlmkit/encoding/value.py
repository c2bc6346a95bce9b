"""The tensors of a batch of pairs, and where each token stands in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from xlmkit.tokenization import Word

WordPieces = Sequence[tuple[int, ...]]
"""The ids of the pieces of each word of a sentence."""


@dataclass(frozen=True)
class Token:
    """One token of an encoded pair, and where it stands in the text that the user gave.

    `word` counts within its sentence; `sentence` is 0 for the premise or a single text, 1 for the hypothesis; `start` and `end` are a span of characters of that
    sentence's surface text. All four are None for a special token."""

    text: str
    word: int | None
    sentence: int | None
    start: int | None
    end: int | None
    special: bool


@dataclass(frozen=True)
class Encoding:
    """A batch of pairs, or of single texts, as the model takes it: B pairs, T tokens.

    `input_ids`, `langs` (language ids) and `attention_mask` (1 real, 0 padding) are (B, T) int64 tensors on the CPU. `tokens` and `words` (premise,
    hypothesis; before truncation) are None where spans were not asked for. `n_truncated` counts the pieces cut from premise and hypothesis. Of a
    single text, `words` and `dropped` have one entry instead of two."""

    input_ids: torch.Tensor
    langs: torch.Tensor
    attention_mask: torch.Tensor
    n_truncated: tuple[tuple[int, ...], ...]
    tokens: tuple[tuple[Token, ...], ...] | None = None
    words: tuple[tuple[tuple[Word, ...], ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def lengths(self) -> np.ndarray:
        """(B,) tokens of each pair, special tokens included."""
        return self.attention_mask.sum(1).numpy()

    @property
    def truncated(self) -> tuple[bool, ...]:
        """Per pair, whether pieces were cut."""
        return tuple(any(cut) for cut in self.n_truncated)

    def select(self, rows: Sequence[int] | np.ndarray) -> Encoding:
        """These rows in this order, without the columns that would be padding in all of them."""
        index = torch.as_tensor(np.asarray(rows, dtype=np.int64))
        width = int(self.attention_mask[index].sum(1).max()) if len(index) else 0
        return Encoding(
            self.input_ids[index, :width],
            self.langs[index, :width],
            self.attention_mask[index, :width],
            tuple(self.n_truncated[i] for i in index.tolist()),
            None if self.tokens is None else tuple(self.tokens[i] for i in index.tolist()),
            None if self.words is None else tuple(self.words[i] for i in index.tolist()),
        )
