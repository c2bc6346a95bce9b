"""Layout: where the real tokens of a batch stand, so that no arithmetic is done on padding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

FEW, ALIKE = 8, 32
"""Packed tokens come in multiples of `ALIKE`: padding fills up where there is some, zeros elsewhere. For each new number of rows oneDNN compiles its products anew and
keeps them: measured on a processor, a linear layer in bf16 took twice the time and 2 MB more at each step without it. Up to `FEW * ALIKE` tokens, where that
would be arithmetic to be felt, they come in multiples of `FEW`: one pair of 48 tokens took 32 ms instead of 38 (embedded model, one thread of an AMD EPYC)."""


@dataclass(frozen=True)
class Layout:
    """Where the R real tokens of a batch stand among its B x T positions: padding takes part in attention's shapes and in next to nothing else."""

    shape: tuple[int, int]  # B, T
    real: torch.Tensor | None  # (R,) places in the flattened batch, some padding last; None without padding
    first: torch.Tensor  # (B,) each pair's first token among the real ones
    mask: torch.Tensor | None  # (B, 1, 1, T) true where a key is real
    places: (
        torch.Tensor | None
    )  # (B * T,) each position's row among the real ones, of padding that of the last token before it

    @classmethod
    def of(cls, attention_mask: torch.Tensor) -> Layout:
        """The layout of a (B, T) mask."""
        pairs, width = attention_mask.shape
        lengths = attention_mask.sum(1)
        first = lengths.cumsum(0) - lengths
        if bool(attention_mask.all()):
            return cls((pairs, width), None, first, None, None)
        flat = attention_mask.flatten()
        real = flat.nonzero().squeeze(1)
        padding = (flat == 0).nonzero().squeeze(1)
        real = torch.cat([real, padding[: missing(len(real))]])
        places = flat.cumsum(0) - 1
        return cls((pairs, width), real, first, attention_mask.bool()[:, None, None, :], places)

    def pack(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, H) -> (R, H)."""
        rows = states.flatten(0, 1)
        if self.real is not None:
            return rows[self.real]
        empty = missing(len(rows))
        return F.pad(rows, (0, 0, 0, empty)) if empty else rows

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """(R, H) -> (B, T, H); what stands at padding is finite, and for `mask` to hide."""
        pairs, width = self.shape
        if self.real is None or self.places is None:
            return rows[: pairs * width].unflatten(0, self.shape)
        if not rows.requires_grad:
            return rows.index_select(0, self.places).unflatten(0, self.shape)
        # The way back of this is a plain selection, that of `index_select` a sum over repeated rows.
        empty = rows.new_zeros(pairs * width, rows.size(1))
        return empty.index_copy(0, self.real, rows).unflatten(0, self.shape)


def missing(rows: int) -> int:
    """How many rows `rows` lack of the next multiple."""
    return -rows % (ALIKE if rows > FEW * ALIKE else FEW)
