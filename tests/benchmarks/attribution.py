"""Attribution: explained pairs a second by integrated gradients, captum called plainly against `xlmkit.explain`; the same weights, pairs and ids.

Plainly means as its tutorials do: pair by pair, 50 steps, over transformers' own network. It is given the kit's ids, language ids and baseline, ready made, so that its
numbers can be compared; a pair passes as in the kit, if |delta| <= max(5 % of the change, 0.02 logit). At the embedded size everybody explains
the pairs twice, and the faster time counts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from captum.attr import IntegratedGradients
from measure import BEHIND, memory, rounds
from prediction import device, network
from sizes import MADE, folder, pairs

import xlmkit as xk
from xlmkit.encoding import encode
from xlmkit.explanation import passes_gate
from xlmkit.tokenization import EOS, PAD

STEPS = 50
Found = TypeVar("Found")


def captum_plainly(size: str, count: int) -> dict[str, Any]:
    """`IntegratedGradients(...).attribute(...)`, one pair at a time."""
    nli = xk.load(folder(size), dtype="float32")
    own = network(size, "float32").to(device())

    def logits(embeddings: torch.Tensor, mask: torch.Tensor, langs: torch.Tensor) -> torch.Tensor:
        return own(inputs_embeds=embeddings, attention_mask=mask, langs=langs).logits

    def explain(frame: pd.DataFrame, steps: int) -> list[tuple[np.ndarray, bool]]:
        encoding = encode(nli, frame["premise"], frame["hypothesis"], frame["language"], spans=False)
        return [_plainly(own, logits, encoding.select([row]), steps) for row in range(len(frame))]

    explain(pairs(1, skip=BEHIND), 2)
    frame = pairs(count, skip=count)
    found, seconds = _timed(size, lambda: explain(frame, STEPS))
    _keep(size, "captum", [scores for scores, _ in found])
    return _row(count, seconds, sum(passed for _, passed in found))


def _plainly(own: Any, logits: Any, one: Any, steps: int) -> tuple[np.ndarray, bool]:
    ids, langs, mask = (tensor.to(device()) for tensor in (one.input_ids, one.langs, one.attention_mask))
    absent = torch.where(ids == EOS, ids, torch.full_like(ids, PAD))
    with torch.no_grad():
        inputs, baseline = (own.get_input_embeddings()(chosen) for chosen in (ids, absent))
        values = logits(inputs, mask, langs)[0]
        target = int(values.argmax())
        before = logits(baseline, mask, langs)[0, target]
    found = IntegratedGradients(logits).attribute(
        inputs, baseline, target=target, additional_forward_args=(mask, langs), n_steps=steps
    )
    scores = found.sum(-1)[0].detach().cpu().double().numpy()
    change = float(values[target] - before)
    return scores, passes_gate(float(scores.sum()) - change, change)


def ours(size: str, count: int, steps: int | None) -> dict[str, Any]:
    """`xlmkit.explain`: `steps` None starts at 20 and increases only for the pairs that fail."""
    nli = xk.load(folder(size), dtype="float32")
    xk.explain(nli, pairs(1, skip=BEHIND), method="input_x_gradient", progress=False)
    frame = pairs(count, skip=count)
    found, seconds = _timed(size, lambda: xk.explain(nli, frame, n_steps=steps, progress=False))
    if steps == STEPS:
        _keep(size, "ours", [one.scores if one.n_steps == STEPS else np.empty(0) for one in found])
    needed = [one.n_steps or 0 for one in found]
    return {
        **_row(count, seconds, sum(bool(one.passed) for one in found)),
        "mean_steps": float(np.mean(needed)),
    }


def agreement(size: str) -> dict[str, Any]:
    """How far the scores of the two lie apart, where both took 50 steps: in logits, and against the largest score of the pair."""
    theirs, own = (_kept(size, name) for name in ("captum", "ours"))
    both = [(a, b) for a, b in zip(theirs, own, strict=False) if len(a) == len(b)]
    apart = [float(np.abs(a - b).max()) for a, b in both]
    share = [float(np.abs(a - b).max() / np.abs(a).max()) for a, b in both]
    return {"pairs": len(both), "largest_difference": max(apart), "largest_share": max(share)}


def _timed(size: str, work: Callable[[], Found]) -> tuple[Found, float]:
    """What `work` gives, and its seconds."""
    times = []
    for _ in range(rounds(size)):
        start = time.perf_counter()
        found = work()
        times.append(time.perf_counter() - start)
    return found, min(times)


def _row(count: int, seconds: float, passed: int) -> dict[str, Any]:
    return {
        "pairs": count,
        "seconds": seconds,
        "pairs_per_second": count / seconds,
        "passed": passed,
        "passing_pairs_per_second": passed / seconds,
        **memory(),
    }


def _place(size: str, name: str) -> Path:
    return MADE / f"scores-{size}-{name}.json"


def _keep(size: str, name: str, scores: list[np.ndarray]) -> None:
    MADE.mkdir(parents=True, exist_ok=True)
    _place(size, name).write_text(json.dumps([list(map(float, row)) for row in scores]), encoding="utf-8")


def _kept(size: str, name: str) -> list[np.ndarray]:
    return [np.array(row) for row in json.loads(_place(size, name).read_text(encoding="utf-8"))]
