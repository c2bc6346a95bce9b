"""Compare predictions on changed inputs with those on the right inputs of the same pairs: accuracy,
changes, intervals.

Premise groups are resampled with all their items and translations, and the same ones for every
group of rows, so that differences are paired."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.stats import grouped, wilson


def gold_numbers(frame: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """(N,) the number of each row's gold label; -1 if there is none."""
    if "gold" not in frame:
        return np.full(len(frame), -1)
    return pd.Index(labels).get_indexer(pd.Index(frame["gold"]))


def is_correct(predicted: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """(N,) 1 where the prediction is gold, 0 where it is not, NaN where there is no gold (-1)."""
    return np.where(gold < 0, np.nan, predicted == gold)


def compare_inputs(
    rows: pd.DataFrame, by: Sequence[str], means: Sequence[str] = (), *, seed: int = 0
) -> pd.DataFrame:
    """Accuracy by group on changed inputs, and its difference to the right inputs.

    Parameters
    ----------
    rows : one row per pair and changed input: `premise_group`, `correct` (0 to 1, NaN without
        gold), `right` (the same of the right input), `flip` (0 to 1: the prediction differs) and
        `changed` (0 or 1: the network was given something else).
    by : the columns to group by.
    means : further columns, which are averaged.

    Returns
    -------
    One row per group, in order of appearance: `by`, `n` rows, `without_gold` (how many of them have
    none), `accuracy` in [0, 1] with `low` and `high`, `difference` to the right input in [-1, 1]
    (negative: worse) with `difference_low` and `difference_high`, `flips` and `changed` (mean of
    `flip` and `changed`), and the `means`. Intervals are 95 %. Accuracies are missing without gold.
    Below 30 premise groups the difference has no interval, unless it is 0 in all."""
    by = list(by)
    rows = rows.assign(difference=rows["correct"] - rows["right"])
    accuracy = grouped(rows, {"accuracy": "correct"}, by, "premise_group", few="wilson", seed=seed)
    difference = grouped(rows, {"difference": "difference"}, by, "premise_group", seed=seed)
    groups = rows.groupby(by, sort=False)
    result = groups.agg(n=("flip", "size"), known=("correct", "count")).reset_index()
    result.insert(len(by) + 1, "without_gold", result["n"] - result.pop("known"))
    result[["accuracy", "low", "high"]] = accuracy[["accuracy", "accuracy_low", "accuracy_high"]]
    ends = ["difference_low", "difference_high"]
    result[["difference", *ends]] = difference[["difference", *ends]]
    # Where no premise group changes, every resample says 0, which is too sure.
    # Wilson's interval of 0 in so many groups bounds the difference.
    sums = rows.dropna(subset="correct").groupby([*by, "premise_group"], sort=False)["difference"].sum()
    same = (
        sums.eq(0).groupby(by, sort=False).agg(["all", "size"]).reindex(pd.MultiIndex.from_frame(result[by]))
    )
    unchanged = same["all"].eq(True).to_numpy()
    bound = wilson(0.0, same["size"].to_numpy(float)[unchanged])[1]
    result.loc[unchanged, ends] = np.stack([-bound, bound], 1)
    averages = groups[["flip", "changed", *means]].mean().reset_index()
    result[["flips", "changed", *means]] = averages[["flip", "changed", *means]]
    result.loc[(result["changed"] == 0) & result["difference"].notna(), ends] = 0.0  # equal by definition
    return result
