"""Latency: what one pair of 48 pieces takes on one thread of a processor, by transformers' own forward, by the kit's, and by `xlmkit.predict` from its text."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from prediction import network
from sizes import folder, pairs

import xlmkit as xk
from xlmkit.encoding import encode
from xlmkit.inference import logits

PIECES = 48
AMONG = 600  # pairs that are looked through for one of so many pieces


def one_pair(size: str, times: int) -> dict[str, Any]:
    """Medians in milliseconds, the three in turn; the pair is the first of exactly 48 pieces."""
    torch.set_num_threads(1)
    nli = xk.load(folder(size), dtype="float32", device="cpu")
    plain = network(size, "float32")
    frame = pairs(AMONG)
    encoding = encode(nli, frame["premise"], frame["hypothesis"], frame["language"], spans=False)
    place = encoding.lengths.tolist().index(PIECES)
    frame, one = frame.iloc[[place]], encoding.select([place])

    def transformers() -> None:
        with torch.inference_mode():
            plain(input_ids=one.input_ids, langs=one.langs, attention_mask=one.attention_mask)

    ways: dict[str, Callable[[], object]] = {
        "transformers_ms": transformers,
        "model_ms": lambda: logits(nli, one),
        "text_ms": lambda: xk.predict(nli, frame, progress=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times + 1):  # the first is the warm-up
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    found = {name: 1000 * statistics.median(taken[1:]) for name, taken in seconds.items()}
    return {"pieces": PIECES, "times": times, **found}
