"""Accuracy and macro-F1 by language, with intervals that know that XNLI is parallel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.metrics.confusion import label_counts, macro_f1
from xlmkit.notices import warn_once
from xlmkit.stats.bootstrap import COUNT, check_confidence_level, interval, totals
from xlmkit.stats.frames import ALL, judged, with_gold
from xlmkit.stats.intervals import FEWEST, share_intervals


def evaluate(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy and macro-F1 of predictions by language, and over all rows.

    Parameters
    ----------
    preds : predictions of any model: `prediction` and `gold` by name, one row a pair; `item` where rows are translations of one another, and
        `promptID` where items share a premise.
    by : the column to group by. Pairs of mixed languages have no `language` and are grouped as "premise>hypothesis".
    labels : the names that may occur. None: those that have a column `p_<label>`, as `predict` gives them, and NLI's where there are none.
    confidence_level : of the intervals, in (0, 1).
    n_resamples, seed : resamples of the bootstrap, and what draws them.

    Returns
    -------
    One row a group in order of its name, then "all", which weighs rows equally: `by`; `n`, the rows that have gold; `without_gold`, those left
    out because they have none; `accuracy` with `low` and `high`, `macro_f1` (unweighted mean of F1 over the labels that occur) with
    `macro_f1_low` and `macro_f1_high`, all in [0, 1], higher is better; missing where `n` is 0.
    Intervals are percentiles of a bootstrap over prompts, the same resamples for every group. A group of fewer than 30 prompts, or one whose
    prompts all have the same accuracy, tells too little for that: its accuracy has Wilson's interval and its macro-F1 none. `attrs`
    says so: `interval` ("bootstrap" or "wilson", of "all"), `wilson` (the groups that have it), `interval_over` (the
    column of the prompts; "rows" without one, and then the interval of "all" is too narrow for translations), `resamples` and `seed`.

    Raises
    ------
    ValueError : if a column is missing, a prediction is missing, a label is unknown or a number, or no row has gold."""
    check_confidence_level(confidence_level)
    frame = judged(preds, by, labels)
    known = with_gold(frame)
    over = frame.attrs["prompts"]
    if over == "rows" and frame[by].nunique() > 1:
        warn_once(
            'without an `item` column rows count as independent: if they are translations, the interval of "all" is too narrow'
        )
    groups = sorted(frame[by].unique())
    _, table = label_counts(known, by, groups)
    counts = np.concatenate([table, table.sum(1, keepdims=True)], axis=1)  # (P, G + 1, K, K)
    result = pd.DataFrame({by: [*groups, ALL]})
    result["n"] = counts.sum((0, 2, 3)).astype(int)
    rows = frame[by].value_counts().reindex(groups).to_list()
    result["without_gold"] = [*rows, len(frame)] - result["n"]
    figures, few = _figures(counts, totals(counts, n_resamples=n_resamples, seed=seed), confidence_level)
    result = result.assign(**figures)
    result.attrs = {
        "interval": "wilson" if few[-1] else "bootstrap",
        "interval_over": over,
        "wilson": [name for name, is_few in zip(result[by], few, strict=True) if is_few],
        "resamples": n_resamples,
        "seed": seed,
    }
    return result


def _figures(
    counts: np.ndarray, resampled: np.ndarray, confidence_level: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The columns of `evaluate` from (P, G, K, K) counts and (count, G, K, K) resampled ones, and (G,) where Wilson's interval stands."""
    hits, rows = np.trace(counts, axis1=2, axis2=3), counts.sum((2, 3))  # (P, G)
    with np.errstate(invalid="ignore"):  # 0 / 0 where a group, or a resample of it, has no rows
        accuracy = hits.sum(0) / rows.sum(0)
        shares = np.trace(resampled, axis1=2, axis2=3) / resampled.sum((2, 3))
    low, high, few = share_intervals(hits, rows, shares, confidence_level=confidence_level)
    f1_low, f1_high = interval(macro_f1(resampled), confidence_level=confidence_level)
    bare = (rows > 0).sum(0) < FEWEST
    return {
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "macro_f1": macro_f1(counts.sum(0)),
        "macro_f1_low": np.where(bare, np.nan, f1_low),
        "macro_f1_high": np.where(bare, np.nan, f1_high),
    }, few
