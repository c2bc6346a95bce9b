"""Limits: what the machine can multiply at best, and how much of that the model's own arithmetic reaches.

The peak is that of a large square matrix product in the same process. The model's floating-point operations are those that its result needs: of real tokens only,
and of the last layer only what leads to the pooled position. What else is computed counts as waste."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from measure import BEHIND
from sizes import folder, pairs

import xlmkit as xk
from xlmkit.encoding import Encoding, encode
from xlmkit.inference import logits

SIDE = {"cpu": 3072, "cuda": 16384}


def share_of_peak(size: str, dtype: str, count: int, seconds: float) -> dict[str, Any]:
    """Operations a second of the model alone (encoded pairs in, logits out), and of a large matrix product."""
    nli = xk.load(folder(size), dtype=dtype)
    encoding = _encoded(nli, count, 0)
    logits(nli, _encoded(nli, min(count, 64), BEHIND))
    peak = product(nli.device.type, nli.dtype, seconds / 4)
    runs, start = 0, time.perf_counter()
    while runs == 0 or time.perf_counter() - start < seconds:
        logits(nli, encoding)
        runs += 1
    taken = (time.perf_counter() - start) / runs
    peak = max(
        peak, product(nli.device.type, nli.dtype, seconds / 4)
    )  # a second time: processors change their clock
    needed = operations(nli.network.config, encoding.lengths)
    return {
        "pairs": count,
        "mean_tokens": float(encoding.lengths.mean()),
        "pairs_per_second": count / taken,
        "flops": needed / taken,
        "peak_flops": peak,
        "share": needed / taken / peak,
        "side": SIDE[nli.device.type],
    }


def product(device: str, dtype: torch.dtype, seconds: float) -> float:
    """Operations a second of a product of two square matrices: the best of several."""
    side = SIDE[device]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best, end = 0.0, time.perf_counter() + seconds
    while best == 0 or time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def operations(config: Any, lengths: np.ndarray) -> float:
    """Multiplications and additions of the classifier for pairs of these lengths."""
    width, layers = config.emb_dim, config.n_layers
    tokens, squares = float(lengths.sum()), float((lengths.astype(np.float64) ** 2).sum())
    whole = tokens * 24 * width**2 + 4 * squares * width  # q, k, v, out: 8 H^2 a token; feed-forward: 16 H^2
    last = (
        tokens * (4 * width**2 + 4 * width) + len(lengths) * 20 * width**2
    )  # k and v of all, the rest of one
    return (layers - 1) * whole + last


def _encoded(nli: Any, count: int, skip: int) -> Encoding:
    frame = pairs(count, skip=skip)
    return encode(nli, frame["premise"], frame["hypothesis"], frame["language"], spans=False)
