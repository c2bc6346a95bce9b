"""Judging on dev: accuracy by language, the selection of weights, and what choosing for each language apart would have given.

The protocol of zero-shot transfer selects by English dev alone. The figures of Lample and Conneau (2019) are of the best run for each language
(XLM #110), which looks at labelled data of the target language: here it is called an oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator

from xlmkit import inference
from xlmkit.model import NLIModel
from xlmkit.stats import wilson
from xlmkit.training.data import ALL, Examples
from xlmkit.training.states import Progress

Counts = dict[str, tuple[int, int]]
"""Language -> right answers and rows."""
CHUNK = 4096  # rows padded together; sorted by length, so that little of it is padding


def correct(nli: NLIModel, dev: Examples, *, dtype: torch.dtype, accelerator: Accelerator) -> Counts:
    """Right answers by language, computed as `predict` does; each process judges its share."""
    judge = replace(nli, dtype=dtype)  # makes its own network where `dtype` is not that of the weights
    order = np.argsort(dev.lengths, kind="stable")[accelerator.process_index :: accelerator.num_processes]
    codes, places = np.unique(dev.languages.astype(str), return_inverse=True)
    counts = np.zeros(len(codes), dtype=np.int64)
    for begin in range(0, len(order), CHUNK):
        rows = order[begin : begin + CHUNK]
        found = inference.logits(judge, dev.batch(rows)).argmax(1)
        np.add.at(counts, places[rows], found == dev.gold[rows])
    total = accelerator.reduce(torch.from_numpy(counts).to(accelerator.device), "sum").cpu().numpy()
    sizes = np.bincount(places)
    return {code: (int(right), int(n)) for code, right, n in zip(codes, total, sizes, strict=True)}


def accuracy(counts: Counts, language: str) -> float:
    """In [0, 1], of one language or of "all" rows."""
    chosen = list(counts.values()) if language == ALL else [counts[language]]
    return sum(right for right, _ in chosen) / sum(n for _, n in chosen)


def by_language(progress: Progress, chosen: Counts) -> pd.DataFrame:
    """Dev accuracy of the selected weights, whose rights and rows are `chosen`, and of the oracle.

    Returns
    -------
    One row a language, then "all" rows: `language`, `n`, `accuracy` with Wilson's 95 % interval `low`, `high`, `oracle` (the best accuracy of
    any evaluation in that language; of "all" the accuracy of choosing for each language apart) and `oracle_step`, its optimiser step."""
    rows: list[dict[str, Any]] = []
    for language, (right, n) in chosen.items():
        best = max(progress.evaluations, key=lambda found: _counts(found)[language][0])  # the first of equals
        rows.append(_row(language, right, n, _counts(best)[language][0]) | {"oracle_step": best["step"]})
    rights = round(sum(row["oracle"] * row["n"] for row in rows))
    total = _row(ALL, sum(right for right, _ in chosen.values()), sum(n for _, n in chosen.values()), rights)
    return pd.DataFrame([*rows, total | {"oracle_step": None}]).astype({"oracle_step": "Int64"})


def _row(language: str, right: int, n: int, oracle: int) -> dict[str, Any]:
    low, high = wilson(right / n, n)
    return {
        "language": language,
        "n": n,
        "accuracy": right / n,
        "low": low,
        "high": high,
        "oracle": oracle / n,
    }


def _counts(evaluation: dict[str, Any]) -> Counts:
    return {language: (right, n) for language, (right, n) in evaluation["correct"].items()}
