"""Profiles: where the time goes, in a prediction and in an explanation, by what the operators do and by what happens around them.

Operators by torch's profiler (their own time, without what they call); what is left of the wall clock is Python and whatever waits. Before that the same work
runs unprofiled, since the profiler slows small operators down; its shares, not its seconds, are what to read."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from measure import BEHIND
from sizes import folder, pairs
from torch.profiler import ProfilerActivity, profile

import xlmkit as xk
from xlmkit.encoding import encode
from xlmkit.inference import logits

# What an operator's name holds -> what it is for; the first that fits.
KINDS = {
    "attention": ("scaled_dot_product", "flash_attention", "softmax", "bmm", "baddbmm"),
    "matrix products": ("mm", "linear", "mkldnn", "matmul", "gemm"),
    "normalisation": ("layer_norm",),
    "activation": ("gelu", "relu"),
    "embeddings": ("embedding",),
    "packing and copies": (
        "index",
        "copy",
        "cat",
        "stack",
        "nonzero",
        "gather",
        "scatter",
        "masked",
        "zero",
        "fill",
        "to_copy",
        "contiguous",
        "clone",
        "repeat",
        "expand",
    ),
}
REST = "other operators"


def prediction(size: str, dtype: str, count: int) -> dict[str, Any]:
    """Shares of `xk.predict`: text to ids, the model, and the rest around both; within the model by kind of operator."""
    nli = xk.load(folder(size), dtype=dtype)
    xk.predict(nli, pairs(64, skip=BEHIND), progress=False)
    frame = pairs(count, skip=8000)
    whole = _seconds(lambda: xk.predict(nli, frame, progress=False))
    other = pairs(count, skip=12_000)  # as many, which no cache knows
    encoding = None

    def prepare() -> None:
        nonlocal encoding
        encoding = encode(nli, other["premise"], other["hypothesis"], other["language"], spans=False)

    text = _seconds(prepare)
    model = _seconds(lambda: logits(nli, encoding))
    whole = max(whole, text + model)  # other pairs of the same number may take a little longer
    return {
        "pairs": count,
        "seconds": whole,
        "parts": {"text to ids": text, "model": model, "around them": whole - text - model},
        "operators": _operators(lambda: logits(nli, encoding)),
    }


def explanation(size: str, count: int) -> dict[str, Any]:
    """Shares of `xk.explain` by integrated gradients, by kind of operator, forward and back."""
    nli = xk.load(folder(size))
    xk.explain(nli, pairs(1, skip=BEHIND), progress=False)
    frame = pairs(count, skip=8000)
    return {
        "pairs": count,
        "seconds": _seconds(lambda: xk.explain(nli, frame, progress=False)),
        "operators": _operators(lambda: xk.explain(nli, frame, progress=False)),
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _operators(work: Callable[[], object]) -> dict[str, float]:
    """Share of the profiled wall clock by kind of operator; the rest is Python and waiting."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        whole = _seconds(work)
    taken: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        taken[_kind(event.key)] += event.self_cpu_time_total / 1e6
    shares = {kind: taken[kind] / whole for kind in (*KINDS, REST) if taken[kind]}
    return {**shares, "Python and waiting": max(0.0, 1 - sum(shares.values()))}


def _kind(name: str) -> str:
    for kind, words in KINDS.items():
        if any(word in name for word in words):
            return kind
    return REST
