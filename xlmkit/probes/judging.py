"""What a setting does to accuracy and labels, beside the right way of feeding the same pairs, with intervals over prompts.

The bootstrap is that of `metrics`: prompts are resampled with all their items and translations, the same ones for every group and setting, so
that differences are paired."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.stats.bootstrap import ALL, MIN_CLUSTERS, estimate, interval, resampled_sums, wilson
from xlmkit.stats.frames import premise_groups

MEAN = "mean_"


def golds(frame: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """(N,) number of each row's gold label; -1 where there is none."""
    if "gold" not in frame:
        return np.full(len(frame), -1)
    numbers = {label: number for number, label in enumerate(labels)}
    return np.array([numbers.get(gold, -1) for gold in frame["gold"].to_list()], dtype=np.int64)


def correct(found: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """(N,) 1 where the label is gold's, 0 where not, NaN where there is no gold."""
    return np.where(gold < 0, np.nan, (found == gold).astype(float))


def prompts(frame: pd.DataFrame) -> np.ndarray:
    """(N,) number of each row's prompt, as `metrics` counts them."""
    return premise_groups(frame)[0]


def with_all(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows twice, the second time in one group "all"."""
    return pd.concat([rows, rows.assign(**{column: ALL})], ignore_index=True)


def summary(rows: pd.DataFrame, by: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Accuracy and what has changed, by group.

    Parameters
    ----------
    rows : `prompt`, `correct` (0 to 1, NaN without gold), `right` (the same of the right way), `flip` (0 to 1) and `changed` (0 or 1, whether the
        network was given anything else); columns that start with "mean_" are averaged.
    by : the columns that make a group.

    Returns
    -------
    `by`, groups in order of appearance; `n` rows, of which `without_gold` have none; `accuracy` with `low` and `high`; `difference` to the right
    way with `difference_low` and `difference_high` (all over the rows with gold, missing without any; 95 %); `flips`, the share of all rows
    whose label is another; `changed`; the means by their own names. The interval of a difference is missing below 30 prompts."""
    keys = rows.groupby(list(by), sort=False, observed=True)
    group = keys.ngroup().to_numpy()
    result = rows.drop_duplicates(list(by))[list(by)].reset_index(drop=True)
    known = rows["correct"].notna().to_numpy()
    result["n"] = np.bincount(group, minlength=len(result))
    result["without_gold"] = result["n"] - np.bincount(group[known], minlength=len(result))
    columns = ["accuracy", "low", "high", "difference", "difference_low", "difference_high"]
    result[columns] = _intervals(rows[known], group[known], len(result), seed)
    result["flips"], result["changed"] = keys["flip"].mean().to_numpy(), keys["changed"].mean().to_numpy()
    result.loc[(result["changed"] == 0) & result["difference"].notna(), columns[4:]] = (
        0.0  # the same by definition
    )
    for name in [str(name) for name in rows if str(name).startswith(MEAN)]:
        result[name.removeprefix(MEAN)] = keys[name].mean().to_numpy()
    return result


def interval_of_sum(by_prompt: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the sum of (P,) values of prompts; missing below 30 of them."""
    if len(by_prompt) < MIN_CLUSTERS:
        return math.nan, math.nan
    low, high = interval(resampled_sums(by_prompt, seed=seed))
    return float(low), float(high)


def _intervals(known: pd.DataFrame, group: np.ndarray, groups: int, seed: int) -> np.ndarray:
    """(G, 6) accuracy, low, high, difference, low, high of each group; NaN for one without rows."""
    found = np.full((groups, 6), np.nan)
    if known.empty:
        return found
    prompt = pd.factorize(known["prompt"])[0]
    here = known["correct"].to_numpy(float)
    values = np.stack([here, here - known["right"].to_numpy(float), np.ones(len(known))], 1)
    by_prompt = np.zeros((prompt.max() + 1, groups, 3))
    np.add.at(by_prompt, (prompt, group), values)
    hits, differences, counts = np.moveaxis(by_prompt, -1, 0)  # (P, G) each
    drawn = resampled_sums(by_prompt, seed=seed)  # (count, G, 3)
    with np.errstate(invalid="ignore"):
        found[:, 0], found[:, 3] = hits.sum(0) / counts.sum(0), differences.sum(0) / counts.sum(0)
        shares = drawn[..., :2] / drawn[..., 2:]
    accuracy = estimate(np.stack([hits, counts], -1), few="wilson", seed=seed)
    found[:, 1], found[:, 2] = accuracy.low, accuracy.high
    found[:, 4], found[:, 5] = _of_differences(differences, counts, shares[..., 1])
    return found


def _of_differences(
    differences: np.ndarray, counts: np.ndarray, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(G,) low and high. Where no prompt has changed every resample says 0, and that is too sure of itself: then the share of prompts that would
    change is bounded by Wilson's interval of none, and so is the difference."""
    low, high = interval(drawn)
    prompts = (counts > 0).sum(0)
    few = prompts < MIN_CLUSTERS
    low[few], high[few] = np.nan, np.nan
    for place in np.flatnonzero((prompts > 0) & (differences == 0).all(0)):
        high[place] = wilson(0.0, float(prompts[place]))[1]
        low[place] = -high[place]
    return low, high
