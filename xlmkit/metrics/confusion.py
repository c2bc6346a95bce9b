"""Which label is taken for which, by language, and what follows from these counts: accuracy and F1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.pairs import LABELS
from xlmkit.stats.bootstrap import COUNT, check_confidence_level, totals
from xlmkit.stats.frames import ALL, judged, with_gold
from xlmkit.stats.intervals import share_intervals


def confusion(
    preds: pd.DataFrame,
    by: str = "language",
    *,
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    seed: int = 0,
) -> pd.DataFrame:
    """How often each gold label was predicted as each label, by language and over all rows.

    Parameters
    ----------
    preds, by, labels, confidence_level, n_resamples, seed : as `evaluate` takes them.

    Returns
    -------
    One row a group, gold label and predicted label, also where nothing was counted: `by`, `gold`, `prediction`, `n` rows, and `share` of the rows
    with this gold label in [0, 1] with `low` and `high` as in `evaluate`; missing where the group has no such gold. Labels that occur
    nowhere are left out. The last group is "all".

    Raises
    ------
    ValueError : as `evaluate` does."""
    check_confidence_level(confidence_level)
    known = with_gold(judged(preds, by, labels))
    names, table = label_counts(known, by, sorted(known[by].unique()))
    counts = np.concatenate([table, table.sum(1, keepdims=True)], axis=1)  # (P, G + 1, K, K)
    hits = counts.reshape(len(counts), -1)
    rows = np.broadcast_to(counts.sum(-1, keepdims=True), counts.shape).reshape(hits.shape)
    with np.errstate(invalid="ignore"):  # 0 / 0 where a resample has no such gold
        resampled = totals(hits, n_resamples=n_resamples, seed=seed) / totals(
            rows, n_resamples=n_resamples, seed=seed
        )
        share = hits.sum(0) / rows.sum(0)
    low, high, _ = share_intervals(hits, rows, resampled, confidence_level=confidence_level)
    groups = [*sorted(known[by].unique()), ALL]
    frame = pd.MultiIndex.from_product([groups, names, names], names=[by, "gold", "prediction"]).to_frame(
        index=False
    )
    return frame.assign(n=hits.sum(0).astype(int), share=share, low=low, high=high)


def label_counts(known: pd.DataFrame, by: str, groups: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The K labels that occur, NLI's in their usual order, and the (P, G, K, K) rows of each prompt, group, gold and predicted label.

    `known` is a `judged` frame, all of whose rows have gold; `prompt` numbers need not be consecutive, absent ones have no rows."""
    found = set(known["gold"]) | set(known["prediction"])
    names = (*(label for label in LABELS if label in found), *sorted(found - set(LABELS)))
    shape = (int(known["prompt"].max()) + 1, len(groups), len(names), len(names))
    places = (
        known["prompt"].to_numpy(dtype=np.int64),
        pd.Index(groups).get_indexer(pd.Index(known[by])),
        pd.Index(names).get_indexer(pd.Index(known["gold"])),
        pd.Index(names).get_indexer(pd.Index(known["prediction"])),
    )
    cells = np.ravel_multi_index(places, shape)
    return names, np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape).astype(float)


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """(..., K, K) rows by gold and predicted label -> (...) the unweighted mean of F1 over the labels that occur, in [0, 1]; NaN without rows."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    either = counts.sum(-1) + counts.sum(-2)  # rows with the label as gold, and rows with it as prediction
    scores = np.divide(2 * right, either, out=np.zeros_like(either), where=either > 0)
    occur = (either > 0).sum(-1)
    return np.divide(scores.sum(-1), occur, out=np.full(occur.shape, np.nan), where=occur > 0)
