"""Length-sorted batches under a budget of tokens, which halves when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from xlmkit.checks import check_int
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once

BATCH_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 65536}
"""Padded tokens in one batch of predictions, by device; a processor gains nothing from more."""

Result = TypeVar("Result")


@dataclass
class Budget:
    """How many padded tokens one pass may have; it shrinks when memory runs out, for all passes
    that follow."""

    tokens: int

    @classmethod
    def of(
        cls, nli: NLIModel, batch_tokens: int | None, defaults: Mapping[str, int] = BATCH_TOKENS
    ) -> Budget:
        """`batch_tokens`, or where that is None the default of the model's device.

        Raises
        ------
        ValueError : if `batch_tokens` is not an integer of at least 1."""
        if batch_tokens is None:
            return cls(defaults[nli.device.type])
        check_int("batch_tokens", batch_tokens, 1)
        return cls(batch_tokens)

    def rows(self, width: int) -> int:
        """How many rows of `width` tokens fit into one pass; at least 1."""
        return max(1, self.tokens // width)

    def halve(self, rows: int, width: int, error: RuntimeError) -> None:
        """Shrink to half of a pass of `rows` x `width` tokens that failed with `error`.

        Raises
        ------
        RuntimeError : `error` itself, if memory did not run out.
        MemoryError : if the pass had only one row."""
        if not is_out_of_memory(error):
            raise error
        if rows <= 1:
            raise MemoryError(
                f"one row of {width} tokens does not fit into memory. Use a lower `max_length`, dtype='bfloat16' or device='cpu'."
            ) from error
        self.tokens = rows * width // 2
        warn_once("out of memory: the batch was halved. Pass a smaller `batch_tokens` to avoid the retries.")


def length_batches(
    lengths: np.ndarray,
    budget: Budget,
    compute: Callable[[np.ndarray], Result],
    *,
    copies: float = 1,
) -> Iterator[tuple[np.ndarray, Result]]:
    """Compute something of many rows in batches of similar lengths; where memory runs out, again in
    smaller ones.

    Parameters
    ----------
    lengths : (N,) tokens of each row.
    budget : shared by all calls that should remember how much memory holds.
    compute : of the indices of some rows, such as `lambda rows: forward.logits(nli,
        encoding.select(rows))`.
    copies : rows of a pass that each input takes, such as the steps of a path; `inf` computes one
        input at a time.

    Yields
    ------
    The indices of a batch and what `compute` returned for them. Every row is in exactly one batch.

    Raises
    ------
    MemoryError : if not even one row fits."""
    waiting = _plan(lengths, np.arange(len(lengths)), budget, copies)
    while waiting:
        rows = waiting.pop()
        width = int(lengths[rows[0]])
        try:
            result = compute(rows)
        except RuntimeError as error:
            budget.halve(int(min(budget.rows(width), len(rows) * copies)), width, error)
            waiting = _plan(lengths, np.sort(np.concatenate([rows, *waiting])), budget, copies)
        else:
            yield rows, result


def _plan(lengths: np.ndarray, rows: np.ndarray, budget: Budget, copies: float) -> list[np.ndarray]:
    """The batches of these rows, last one first; in each the longest row is first.

    Full batches of one length come first, because they need no padding and no mask; then what is
    left over, longest first. With room for 10 tokens:

        lengths   5 3 5 3 3 5 3          rows 0 to 6
        full      [0 2] [1 3 4]          two rows of 5 tokens, three rows of 3
        left over [5 6]                  padded to 5"""
    rows = rows[np.argsort(-lengths[rows], kind="stable")]
    full: list[np.ndarray] = []
    rest: list[np.ndarray] = []
    for same in np.split(rows, np.flatnonzero(np.diff(lengths[rows])) + 1):
        size = _size(lengths, same, budget, copies)
        whole = len(same) // size * size if size > 1 else 0
        full += list(same[:whole].reshape(-1, size))
        rest.append(same[whole:])
    left = np.concatenate(rest)
    while len(left):
        size = _size(lengths, left, budget, copies)
        full.append(left[:size])
        left = left[size:]
    return full[::-1]


def _size(lengths: np.ndarray, rows: np.ndarray, budget: Budget, copies: float) -> int:
    """How many of these rows, whose first is the longest, make one batch."""
    return max(1, int(budget.rows(int(lengths[rows[0]])) // copies)) if len(rows) else 1


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether `error` says that memory ran out, in the words of CUDA, MPS or the CPU's allocator;
    then the device's cache is emptied."""
    messages = ("out of memory", "not enough memory", "can't allocate memory")
    if not isinstance(error, torch.OutOfMemoryError) and not any(text in str(error) for text in messages):
        return False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True
