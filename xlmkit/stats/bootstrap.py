"""The cluster bootstrap: what a figure would have been with other premise groups (Efron 1979).

Items that share a premise, and translations of one item, are not independent. So whole premise
groups (clusters) are resampled, each with all of its rows in all languages, and every language sees
the same resamples. Whatever is computed from sums over rows is computed from sums over clusters:
all resamples of a sum are one product of matrices, (R resamples x P clusters) x (P clusters x
sums).

    preds["premise_group"] = premise_groups(preds)[0]
    preds["correct"] = preds["prediction"] == preds["gold"]
    grouped(preds, {"accuracy": "correct"}, "language", "premise_group", few="wilson")

       language  accuracy  accuracy_low  accuracy_high
    0        en      0.80          0.76           0.84
    1        sw      0.62          0.57           0.67

`grouped` gives means and ratios of columns. For any other figure (F1, kappa, a weighted
difference), `estimate` takes the sums by cluster and a function of sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from xlmkit.checks import check_choice, check_int

ALL = "all"  # the group of all rows
N_RESAMPLES = 10_000
CELLS = 2**20  # random numbers that are in memory at a time, 8 MB
FIGURES = 2**23  # resampled sums that are in memory at a time, 64 MB
# Clusters that a group needs for a percentile interval, which is too narrow with few of them.
MIN_CLUSTERS = 30
FEW = ("missing", "wilson", "student", "percentile")


class Resampling(TypedDict, total=False):
    """Options that all functions with intervals take, and pass on."""

    confidence_level: float  # of the intervals, in (0, 1); 0.95
    n_resamples: int  # resamples, or random flips of signs; 10,000
    seed: int  # that draws them; 0


@dataclass(frozen=True)
class Estimate:
    """A statistic of G groups with its bootstrap interval; arrays are (G,) or, for K statistics,
    (G, K)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    standard_error: np.ndarray
    n_clusters: np.ndarray  # (G,) clusters that have rows of the group
    few: np.ndarray  # (G,) bool: not a percentile interval, for lack of clusters (or of variation)

    def columns(self, value: str, low: str, high: str) -> dict[str, np.ndarray]:
        """The value and its interval as columns of these names."""
        return {value: self.value, low: self.low, high: self.high}


def grouped(
    frame: pd.DataFrame,
    values: Mapping[str, str | tuple[str, str]],
    by: str | Sequence[str],
    over: str,
    *,
    few: str = "missing",
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """Means, or ratios of sums, of each group, with bootstrap intervals.

    Parameters
    ----------
    frame : one row per observation. For a group of all rows, join the frame with itself:
        `with_all`.
    values : name of the result -> the column whose mean is wanted (missing values are skipped), or
        two columns, whose sums are divided.
    by : the column or columns to group by.
    over : the column of clusters; rows with the same value are resampled together.
    few : what a group of fewer than 30 clusters gets, as for `estimate`.
    resampling : `confidence_level`, `n_resamples`, `seed`, as for `estimate`.

    Returns
    -------
    One row per group, in order of appearance: `by`, then `<name>`, `<name>_low` and `<name>_high`
    for each of `values`; missing where there is nothing to divide by."""
    keys = [by] if isinstance(by, str) else list(by)
    group = pd.factorize(frame.groupby(keys, sort=False, dropna=False, observed=True).ngroup())[0]
    result = frame.loc[~pd.Series(group, index=frame.index).duplicated(), keys].reset_index(drop=True)
    columns = []
    for value in values.values():
        if isinstance(value, str):
            numbers = frame[value].to_numpy(dtype=float, na_value=np.nan)
            columns.append([np.nan_to_num(numbers), ~np.isnan(numbers)])
        else:
            columns.append([frame[name].to_numpy(dtype=float) for name in value])
    stacked = np.moveaxis(np.array(columns, dtype=float), -1, 0)  # (N, V, 2)
    sums = cluster_sums(stacked, pd.factorize(frame[over])[0], group)  # (P, G, V, 2)
    found = estimate(sums.reshape(len(sums), -1, 2), few=few, **resampling)
    for number, name in enumerate(values):
        for suffix, array in (("", found.value), ("_low", found.low), ("_high", found.high)):
            result[f"{name}{suffix}"] = array[number :: len(values)]
    return result


def with_all(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows twice, the second time as the group "all"."""
    return pd.concat([frame, frame.assign(**{by: ALL})], ignore_index=True)


def ratio(sums: np.ndarray) -> np.ndarray:
    """(..., 2) numerators and denominators -> (...) their ratios; missing where nothing was
    counted."""
    return sums[..., 0] / sums[..., 1]


def estimate(
    sums: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray] = ratio,
    *,
    few: str = "missing",
    n_clusters: np.ndarray | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """A statistic of sums over rows, with its interval by bootstrap over clusters.

    Parameters
    ----------
    sums : (P, G, C) sums by cluster and group, as `cluster_sums` gives them; the last column counts
        the rows of the group.
    statistic : (..., C) sums -> (...) or (..., K) figures; the default is a ratio of two columns.
    few : the interval of a group of fewer than 30 clusters, where percentiles are too narrow.
        "missing" : none. "wilson" : Wilson's (1927), for a ratio that is a proportion; also where
        all clusters have the
            same proportion, so that every resample repeats it.
        "student" : for any number of clusters, percentiles that are as much wider as Student's t
            is than the normal (Hesterberg 2015, section 5.3, doi:10.1080/00031305.2015.1089789);
            missing for one cluster.
        "percentile" : percentiles all the same.
    n_clusters : (G,) the number of clusters behind each figure; None counts those that have rows.
    confidence_level : of the interval, in (0, 1).
    n_resamples, seed : number of resamples, and the seed that draws them. The same seed draws the
        same clusters for all groups and calls, so that differences are paired.

    Raises
    ------
    ValueError : if there are no clusters, or an option is not as described."""
    check_confidence_level(confidence_level)
    check_choice("few", few, FEW)
    check_int("n_resamples", n_resamples, 1)
    if not len(sums):
        raise ValueError("expected at least 1 cluster to resample; got none")
    if n_clusters is None:
        n_clusters = (sums[..., -1] > 0).sum(0)
    levels = np.full(len(n_clusters), confidence_level)
    if few == "student":
        levels = _student_levels(n_clusters, confidence_level)
    block = max(1, FIGURES // (n_resamples * sums.shape[2]))
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 in a resample without the group
        value = np.asarray(statistic(sums.sum(0)), dtype=float)
        low, high, error = np.full((3, *value.shape), np.nan)
        for start in range(0, sums.shape[1], block):
            drawn = statistic(resampled_sums(sums[:, start : start + block], n_resamples, seed))
            for level in np.unique(levels[start : start + block]):
                own = start + np.flatnonzero(levels[start : start + block] == level)
                low[own], high[own] = interval(drawn[:, own - start], confidence_level=level)
            error[start : start + block] = _columns(drawn).std(ddof=0).to_numpy().reshape(drawn.shape[1:])
    is_few = n_clusters < (2 if few == "student" else MIN_CLUSTERS)
    if few == "wilson":
        is_few = _wilson_where_few(sums, is_few, low, high, confidence_level)
    elif few != "percentile":
        low[is_few], high[is_few] = np.nan, np.nan
    return Estimate(value, low, high, error, n_clusters, is_few)


def cluster_sums(
    values: np.ndarray,
    clusters: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    n_clusters: int | None = None,
) -> np.ndarray:
    """(N, ...) values -> (P, ...) their sums by cluster, or (P, G, ...) by cluster and group.

    `clusters` and `groups` are (N,) whole numbers from 0. Unless given, P is the largest and
    one."""
    places = (clusters,) if groups is None else (clusters, groups)
    shape = [int(codes.max(initial=-1)) + 1 for codes in places]
    result = np.zeros((n_clusters or shape[0], *shape[1:], *values.shape[1:]))
    np.add.at(result, places, values)
    return result


def resample_weights(n_clusters: int, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Iterator[np.ndarray]:
    """How often each resample drew each cluster: (some, P) float64 at a time, P in sum by row."""
    generator = np.random.default_rng(seed)
    some = max(1, CELLS // n_clusters)
    for start in range(0, n_resamples, some):
        size = min(some, n_resamples - start)
        drawn = generator.integers(n_clusters, size=(size, n_clusters))
        drawn += np.arange(size)[:, None] * n_clusters
        counts = np.bincount(drawn.ravel(), minlength=size * n_clusters)
        yield counts.reshape(size, n_clusters).astype(float)


def resampled_sums(sums: np.ndarray, n_resamples: int = N_RESAMPLES, seed: int = 0) -> np.ndarray:
    """(P, ...) sums by cluster -> (R, ...) their sums over each resample."""
    flat = sums.reshape(len(sums), -1).astype(float)
    drawn = [weights @ flat for weights in resample_weights(len(sums), n_resamples, seed)]
    return np.concatenate(drawn).reshape(-1, *sums.shape[1:])


def interval(resampled: np.ndarray, *, confidence_level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """(R, ...) resampled figures -> low and high (...) of their percentile interval.

    Resamples without the figure (NaN) are left out; without any, the interval is missing."""
    tail = (1 - confidence_level) / 2
    low, high = _columns(resampled).quantile([tail, 1 - tail]).to_numpy().reshape(2, *resampled.shape[1:])
    return low, high


def wilson(
    proportion: float | np.ndarray, n: float | np.ndarray, *, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Wilson's interval (1927) of a proportion in [0, 1] of `n` rows; `n` need not be whole.

    Returns
    -------
    low, high : in [0, 1]; arrays if the arguments are arrays."""
    # Takes a second to import.
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(np.multiply(proportion, n), n, alpha=1 - confidence_level, method="wilson")
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


def effective_rows(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How many independent rows tell as much about a proportion (Kish 1965; Korn and Graubard
    1998).

    `hits` and `rows` are (P, ...) sums by cluster. The result (...) is the number of independent
    rows whose proportion would vary as much as `hits` / `rows` does between clusters, at most all
    rows. Where clusters do not vary, it is the number of clusters that have rows."""
    n = rows.sum(0)
    proportion = hits.sum(0) / n
    variance = ((hits - proportion * rows) ** 2).sum(0) / n**2
    effective = np.minimum(n, proportion * (1 - proportion) / np.where(variance > 0, variance, np.nan))
    return np.where(variance > 0, effective, (rows > 0).sum(0))


def check_confidence_level(confidence_level: float) -> None:
    """Refuse with a ValueError what is not between 0 and 1."""
    if not 0 < confidence_level < 1:
        raise ValueError(f"`confidence_level` must be between 0 and 1; got {confidence_level!r}")


def _wilson_where_few(
    sums: np.ndarray, few: np.ndarray, low: np.ndarray, high: np.ndarray, confidence_level: float
) -> np.ndarray:
    """Put Wilson's interval where clusters are `few` or all alike; (G,) where that is."""
    hits, rows = sums[..., 0], sums[..., 1]  # (P, G)
    total = rows.sum(0)
    proportion = np.divide(hits.sum(0), total, out=np.full(total.shape, np.nan), where=total > 0)
    alike = (np.abs(hits - proportion * rows) < 1e-9).all(0)
    chosen = (few | alike) & (total > 0)
    if chosen.any():
        n = effective_rows(hits[:, chosen], rows[:, chosen])
        low[chosen], high[chosen] = wilson(proportion[chosen], n, confidence_level=confidence_level)
    return chosen


def _student_levels(n_clusters: np.ndarray, confidence_level: float) -> np.ndarray:
    """(G,) confidence levels at which percentile intervals are as wide as Student's."""
    n = np.maximum(n_clusters, 2)
    tail = norm.cdf(np.sqrt(n / (n - 1)) * t.ppf((1 - confidence_level) / 2, n - 1))
    return 1 - 2 * np.maximum(tail, 1e-9)


def _columns(resampled: np.ndarray) -> pd.DataFrame:
    """(R, ...) resampled figures, one column each: pandas leaves out missing ones, and is fast."""
    return pd.DataFrame(resampled.reshape(len(resampled), -1))
