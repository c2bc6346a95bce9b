"""Batches: an encoding in length-sorted batches -> logits; out of memory halves them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding
from xlmkit.inference.feeding import need_head
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once

# Padded tokens in one batch; a processor gains nothing by more.
BATCH_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 65536}
TIE = 0.02  # logits; bf16 moves those of the embedded model by 0.003 on average, and by 0.018 at most among 300 of the workshop's pairs


def logits(
    nli: NLIModel, encoding: Encoding, *, batch_tokens: int | None = None, bar: tqdm | None = None
) -> np.ndarray:
    """Logits of every pair of an encoding, in length-sorted batches.

    Returns
    -------
    (N, labels) float32, in the order of the pairs and of `nli.labels`. They do not depend on the batches (1e-5 in fp32). Below fp32,
    a pair whose two best logits lie within `TIE` is computed again in fp32: a label is never decided by rounding alone.

    Raises
    ------
    ValueError : if the model has no head.
    MemoryError : if not even one pair fits."""
    need_head(nli)
    return logits_within(Budget.of(nli, batch_tokens), nli, encoding, bar)


@dataclass
class Budget:
    """Padded tokens that a batch may have: less once memory ran out, for all batches that follow."""

    tokens: int

    @classmethod
    def of(cls, nli: NLIModel, batch_tokens: int | None) -> Budget:
        """What was asked for, or what is usual on the model's device."""
        return cls(token_budget(batch_tokens, BATCH_TOKENS[nli.device.type]))


def token_budget(batch_tokens: int | None, usual: int) -> int:
    """The padded tokens that a batch may have: `batch_tokens`, or `usual` where that is None.

    Raises
    ------
    ValueError : if it is no positive whole number."""
    if batch_tokens is None:
        return usual
    check_int("batch_tokens", batch_tokens, 1)
    return batch_tokens


def logits_within(budget: Budget, nli: NLIModel, encoding: Encoding, bar: tqdm | None) -> np.ndarray:
    """`logits` of one encoding of several, which share a budget."""
    found = _in_batches(nli, encoding, budget, bar)
    if nli.dtype != torch.float32:
        best = np.sort(found, axis=1)[:, -2:]
        close = np.flatnonzero(best[:, -1] - best[:, 0] < TIE)
        found[close] = _in_batches(replace(nli, dtype=torch.float32), encoding.select(close), budget, None)
    return found


def _in_batches(nli: NLIModel, encoding: Encoding, budget: Budget, bar: tqdm | None) -> np.ndarray:
    """(N, labels) logits in `nli.dtype`."""
    found = np.full((len(encoding), len(nli.labels)), np.nan, dtype=np.float32)
    lengths = encoding.lengths
    waiting = list(_batches(lengths, budget.tokens))[::-1]
    while waiting:
        rows = waiting.pop()
        size = len(rows) * int(lengths[rows].max())
        if size > budget.tokens and len(rows) > 1:  # made before memory ran out
            waiting += _halves(rows)
            continue
        try:
            found[rows] = forward.logits(nli, encoding.select(rows)).numpy()
        except RuntimeError as error:
            _check_memory(rows, error)
            waiting += _halves(rows)
            budget.tokens = (len(rows) + 1) // 2 * int(lengths[rows].max())
            continue
        if bar is not None:
            bar.update(len(rows))
    return found


def _batches(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Rows in batches of at most `budget` padded tokens (and at least one row): first full ones of a single length, which need no padding and no mask, then
    what is left over, longest first."""
    order = np.argsort(-lengths, kind="stable")
    rest = []
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        size = budget // int(lengths[same[0]]) if len(same) else 0
        whole = len(same) // size * size if size > 1 else 0
        yield from same[:whole].reshape(-1, max(size, 1))
        rest.append(same[whole:])
    left = np.concatenate(rest)
    start = 0
    while start < len(left):
        size = max(1, budget // int(lengths[left[start]]))
        yield left[start : start + size]
        start += size


def _halves(rows: np.ndarray) -> list[np.ndarray]:
    middle = (len(rows) + 1) // 2
    return [rows[middle:], rows[:middle]]


def _check_memory(rows: np.ndarray, error: RuntimeError) -> None:
    """Raise again what is no lack of memory, or what one pair alone lacks; say it otherwise."""
    if not forward.out_of_memory(error):
        raise error
    if len(rows) == 1:
        raise MemoryError(
            "one pair alone does not fit into memory; remedy: a lower `max_length`, dtype='bfloat16', or device='cpu'"
        ) from error
    warn_once("out of memory: the batch was halved; a smaller `batch_tokens` avoids the retries")
