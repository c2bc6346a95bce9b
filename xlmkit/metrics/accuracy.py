"""Accuracy, macro-F1 and confusions by language, with intervals that know that XNLI is parallel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd

from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS
from xlmkit.stats.bootstrap import ALL, N_RESAMPLES, Resampling, estimate
from xlmkit.stats.frames import scored_rows, with_gold


def evaluate(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """Accuracy and macro-F1 of predictions by language, and over all rows.

    Parameters
    ----------
    preds : predictions of any model, one row per pair, with `prediction` and `gold` by name; `item`
        where rows are translations of one another, and `promptID` where items share a premise.
    by : the column to group by. Pairs of mixed languages have no `language` and are grouped as
        "premise>hypothesis".
    labels : the labels that may occur. None: those that have a column `p_<label>`, as `predict`
        gives them, and NLI's without such columns.
    resampling : `confidence_level` of the intervals, in (0, 1), 0.95; `n_resamples` of the
        bootstrap, 10,000; and the `seed` that draws them, 0.

    Returns
    -------
    One row per group in order of its name, then "all", which weighs rows equally: `by`; `n`, the
    rows with gold; `without_gold`, the rows without, which are left out; `accuracy` with `low` and
    `high`, and `macro_f1` (unweighted mean of F1 over the labels that occur) with `macro_f1_low`
    and `macro_f1_high`, all in [0, 1], higher is better; missing where `n` is 0. Intervals are
    percentiles of a bootstrap over premise groups, the same resamples for every row. With fewer
    than 30 premise groups, or the same accuracy in all of them, accuracy has Wilson's interval
    instead and macro-F1 none. `attrs`: `interval` ("bootstrap" or "wilson", of "all"), `wilson`
    (the groups that have it), `interval_over` (the column of the premise groups; "rows" without
    one, and then the interval of "all" is too narrow for translations), `resamples`.

    Raises
    ------
    ValueError : if a column or a prediction is missing, a label is unknown or a number, or no row
        has gold."""
    frame = scored_rows(preds, by, labels)
    known, over = with_gold(frame), frame.attrs["over"]
    if over == "rows" and frame[by].nunique() > 1:
        warn_once(
            "without a column `item`, rows count as independent. If they are translations, the "
            'interval of "all" is too narrow'
        )
    groups = sorted(frame[by].unique())
    labels, counts = _label_counts(known, by, groups)  # (P, G, K, K)
    rows = counts.sum((2, 3))  # (P, G)
    correct = np.stack([np.trace(counts, axis1=2, axis2=3), rows], axis=-1)
    accuracy = estimate(correct, few="wilson", **resampling)
    flat = counts.reshape(*rows.shape, -1)
    f1 = estimate(flat, macro_f1, n_clusters=accuracy.n_clusters, **resampling)
    table = pd.DataFrame({by: [*groups, ALL], "n": rows.sum(0).astype(int)})
    n_rows = frame[by].value_counts().reindex(groups).to_list()
    table["without_gold"] = [*n_rows, len(frame)] - table["n"]
    table = table.assign(**accuracy.columns("accuracy", "low", "high"))
    table = table.assign(**f1.columns("macro_f1", "macro_f1_low", "macro_f1_high"))
    table.attrs = {
        "interval": "wilson" if accuracy.few[-1] else "bootstrap",
        "interval_over": over,
        "wilson": table[by][accuracy.few].to_list(),
        "resamples": resampling.get("n_resamples", N_RESAMPLES),
    }
    return table


def confusion(
    preds: pd.DataFrame,
    by: str = "language",
    *,
    labels: Sequence[str] | None = None,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """How often each gold label was predicted as each label, by language and over all rows.

    Parameters
    ----------
    preds, by, labels, resampling : as for `evaluate`.

    Returns
    -------
    One row per group, gold label and predicted label, also where nothing was counted: `by`, `gold`,
    `prediction`, `n` rows, and `share`, their fraction of the rows with this gold label, in [0, 1],
    with `low` and `high` as in `evaluate`; missing where the group has no such gold. Labels that
    occur nowhere are left out. The last group is "all".

    Raises
    ------
    ValueError : as `evaluate`."""
    known = with_gold(scored_rows(preds, by, labels))
    groups = sorted(known[by].unique())
    names, counts = _label_counts(known, by, groups)  # (P, G, K, K)
    of_gold = np.broadcast_to(counts.sum(-1, keepdims=True), counts.shape)
    cells = np.stack([counts, of_gold], axis=-1).reshape(len(counts), -1, 2)
    fraction = estimate(cells, few="wilson", **resampling)
    index = pd.MultiIndex.from_product([[*groups, ALL], names, names], names=[by, "gold", "prediction"])
    n = counts.sum(0).ravel().astype(int)
    return index.to_frame(index=False).assign(n=n, **fraction.columns("share", "low", "high"))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """(..., K * K) rows by gold and predicted label -> (...) macro-F1 in [0, 1], higher is better.

    That is the unweighted mean of F1 over the labels that occur; missing without rows."""
    size = round(counts.shape[-1] ** 0.5)
    table = counts.reshape(*counts.shape[:-1], size, size)
    correct = np.diagonal(table, axis1=-2, axis2=-1)
    either = table.sum(-1) + table.sum(-2)  # rows with the label as gold, and as prediction
    scores = np.divide(2 * correct, either, out=np.zeros_like(either), where=either > 0)
    return scores.sum(-1) / (either > 0).sum(-1)


def _label_counts(known: pd.DataFrame, by: str, groups: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The K labels that occur, NLI's in their usual order, and (P, G + 1, K, K) rows by premise
    group, group (the last is all), gold and predicted label."""
    occur = set(known["gold"]) | set(known["prediction"])
    names = (*(label for label in LABELS if label in occur), *sorted(occur - set(LABELS)))
    shape = (known["premise_group"].max() + 1, len(groups), len(names), len(names))
    places = [known["premise_group"].to_numpy()]
    for values, column in ((groups, by), (names, "gold"), (names, "prediction")):
        places.append(pd.Index(values).get_indexer(pd.Index(known[column])))
    counts = np.bincount(np.ravel_multi_index(tuple(places), shape), minlength=np.prod(shape))
    counts = counts.reshape(shape).astype(float)
    return names, np.concatenate([counts, counts.sum(1, keepdims=True)], axis=1)
