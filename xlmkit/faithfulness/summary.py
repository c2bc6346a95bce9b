"""Summary: methods by metrics, with intervals over prompts, and chance marked.

Explanations are dear, so prompts are often few, and a plain percentile interval is then too narrow: at 5 prompts random explanations would be called
better or worse than chance 14 % of the time instead of 5. The intervals here are expanded as Student's are (Hesterberg 2015, section 5.3,
doi:10.1080/00031305.2015.1089789), which brings that to 8 % at 5 prompts and to 5 % from 8 on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from xlmkit.faithfulness.frames import HIGHER_IS_BETTER
from xlmkit.stats import bootstrap
from xlmkit.stats.frames import PREMISE_COLUMNS, premise_groups

CHANCE = 0.5  # the percentile of a random explanation, on average
BLOCK = 64  # groups that are resampled together, so that memory stays small
FEW = 5  # with fewer prompts an interval says nothing, and nothing is said to be at chance or not


def summarize(
    judged: pd.DataFrame,
    *,
    by: Sequence[str] = ("method", "aggregation"),
    confidence_level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Methods by metrics: means with intervals, and whether a method does better than random.

    Parameters
    ----------
    judged : what `judge`, `sensitivity` or `plausibility` gave, or several of them joined (`pd.concat`).
    by : the columns to group by, beside `metric` and `erasure`; add "language" for a row a language.
    confidence_level : of the intervals, in (0, 1).
    seed : of the bootstrap.

    Returns
    -------
    One row a group, metric and erasure, in order of appearance: `by`, `metric`, `erasure`; `better` ("higher" or "lower" values); `n` explanations with
    a value, `missing` without; `prompts`; `mean`, `low`, `high` of the value; `control`, the mean of the random controls; `percentile` (0.5 is
    chance, 1 best, whichever way the value goes), `percentile_low`, `percentile_high`; `at_chance`: whether the interval of the mean percentile
    holds 0.5, missing below 5 prompts. A method whose interval lies below 0.5 is worse than random. Intervals are expanded percentile
    bootstraps over prompts, the same resamples for all rows, missing for one prompt; `attrs["interval_over"]` is the column that says what
    a prompt is.

    Raises
    ------
    ValueError : if columns are missing, a metric is unknown, there are no rows, or `confidence_level` is not in (0, 1)."""
    keys = [*([by] if isinstance(by, str) else by), "metric", "erasure"]
    _check(judged, keys)
    bootstrap.check_confidence_level(confidence_level)
    prompts, over = prompts_of(judged)
    numbers = judged.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    firsts = judged.loc[~pd.Series(numbers, index=judged.index).duplicated(), keys].reset_index(drop=True)
    columns = judged[["value", "control", "percentile"]].to_numpy(dtype=np.float64)
    sums = _sums(columns, prompts, numbers)  # (P, G, 3, 2)
    mean = _ratio(sums.sum(0))  # (G, 3)
    counted = (sums[:, :, 0, 1] > 0).sum(0)  # prompts with a value
    low, high = _intervals(sums, counted, confidence_level, seed)
    percentile_low, percentile_high = low[:, 2], high[:, 2]
    at_chance = pd.array((percentile_low <= CHANCE) & (percentile_high >= CHANCE), dtype="boolean")
    at_chance[(counted < FEW) | np.isnan(mean[:, 2])] = pd.NA
    result = firsts.assign(
        better=["higher" if HIGHER_IS_BETTER[metric] else "lower" for metric in firsts["metric"]],
        n=sums[:, :, 0, 1].sum(0).astype(int),
        missing=np.bincount(numbers, np.isnan(columns[:, 0]), len(firsts)).astype(int),
        prompts=counted,
        mean=mean[:, 0],
        low=low[:, 0],
        high=high[:, 0],
        control=mean[:, 1],
        percentile=mean[:, 2],
        percentile_low=percentile_low,
        percentile_high=percentile_high,
        at_chance=at_chance,
    )
    if "untrained" in judged:
        result["untrained"] = True
    result.attrs["interval_over"] = over
    return result


def prompts_of(frame: pd.DataFrame) -> tuple[np.ndarray, str]:
    """(N,) the number of each row's prompt, and the column that says so: of `PREMISE_COLUMNS`, or else `pair_id`."""
    if any(name in frame and frame[name].notna().any() for name in PREMISE_COLUMNS):
        return premise_groups(frame)
    return pd.factorize(frame["pair_id"])[0], "pair_id"


def _check(judged: pd.DataFrame, keys: list[str]) -> None:
    if not isinstance(judged, pd.DataFrame):
        raise TypeError(
            f"expected a frame of judge, got {type(judged).__name__}; remedy: judge(nli, explanations)"
        )
    missing = [name for name in (*keys, "pair_id", "value", "control", "percentile") if name not in judged]
    if missing:
        raise ValueError(f"expected the columns that `judge` gives; got no {', '.join(missing)}")
    if judged.empty:
        raise ValueError("expected at least one judged explanation; got a frame without rows")
    odd = sorted(set(judged["metric"]) - set(HIGHER_IS_BETTER))
    if odd:
        raise ValueError(f"`metric` must be one of {', '.join(HIGHER_IS_BETTER)}; got {odd[0]!r}")


def _sums(values: np.ndarray, prompts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N, C) values -> (P, G, C, 2) their sums, and how many are there, by prompt and group."""
    found = np.zeros((prompts.max() + 1, groups.max() + 1, values.shape[1], 2))
    there = ~np.isnan(values)
    np.add.at(found, (prompts, groups), np.stack([np.where(there, values, 0.0), there], axis=-1))
    return found


def expanded(
    resampled: np.ndarray, prompts: np.ndarray, confidence_level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals that are as much wider as Student's are than the normal's.

    Parameters
    ----------
    resampled : (count, G, ...) figures of G groups. prompts : (G,) how many prompts stand behind each group's.

    Returns
    -------
    low, high : (G, ...), missing for groups of one prompt or none."""
    sides = np.full((2, *resampled.shape[1:]), np.nan)
    for group in np.flatnonzero(prompts > 1):
        own, n = resampled[:, group], int(prompts[group])
        if np.isnan(own).all():
            continue
        tail = norm.cdf(np.sqrt(n / (n - 1)) * t.ppf((1 - confidence_level) / 2, n - 1))
        sides[:, group] = bootstrap.interval(own, confidence_level=1 - 2 * max(tail, 1e-9))
    return sides[0], sides[1]


def _intervals(
    sums: np.ndarray, prompts: np.ndarray, confidence_level: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(P, G, C, 2) -> (G, C) low and high; some groups at a time, all from the same resamples."""
    found = []
    for start in range(0, sums.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        drawn = _ratio(bootstrap.resampled_sums(sums[:, block], seed=seed))  # (count, block, C)
        found.append(expanded(drawn, prompts[block], confidence_level))
    low, high = zip(*found, strict=True)
    return np.concatenate(low), np.concatenate(high)


def _ratio(sums: np.ndarray) -> np.ndarray:
    """(..., 2) sums and counts -> (...) means, missing where nothing is there."""
    with np.errstate(invalid="ignore"):
        return sums[..., 0] / sums[..., 1]
