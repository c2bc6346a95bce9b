"""Calibration by language: is a model right as often as its probabilities say?

The expected calibration error (ECE) is the mean distance of confidence and accuracy over bins of confidence, weighed by their rows (Guo et al. 2017,
arXiv:1706.04599), with bins of equal width, or of equal mass (Nixon et al. 2019, arXiv:1904.01685). Distances add up whether they mean anything or
not, so a perfectly calibrated model shows an ECE too, the more the fewer rows: that floor is simulated from the model's own probabilities and stands
beside every ECE. The Brier score (1950) has no bins and no floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from xlmkit.metrics.probabilities import Probable, probable
from xlmkit.stats.bootstrap import (
    ALL,
    check_confidence_level,
    interval,
)
from xlmkit.stats.bootstrap import (
    MIN_CLUSTERS as FEWEST,
)
from xlmkit.stats.bootstrap import (
    N_RESAMPLES as COUNT,
)
from xlmkit.stats.bootstrap import (
    resampled_sums as totals,
)

BINS = 10
KINDS = ("width", "mass")
DRAWS = 500  # simulated sets of gold labels
CHUNK = 2**22  # cells of a simulation that are in memory together
TINY = (
    1e-12  # a gold label's probability counts as at least that in log loss, which one 0 would make infinite
)


def calibration(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    bins: int = BINS,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    n_simulations: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    """How far probabilities are from what they promise, by language and over all rows.

    Parameters
    ----------
    preds : `prediction`, `gold` and `p_<label>` for each label, in [0, 1] and 1 in sum; `item` and `promptID` where there are. Rows without gold are
        left out, which is said.
    by, labels : as `evaluate`.
    bins : of confidence, the probability of the predicted label.
    confidence_level : of the intervals, in (0, 1).
    n_resamples, n_simulations, seed : resamples of prompts, simulated sets of gold labels, and what draws both.

    Returns
    -------
    One row a group by name, then "all": `by`, `n`, `confidence` (mean), `accuracy`; in [0, 1] and lower is better:
    `ece`, `ece_mass` : with bins of equal width, and of equal mass (rows with the same confidence share a bin).
    `low`, `high` : interval of the calibration error itself, by `ece`. A resample adds noise to an ECE as the sample did, so its percentiles lie
        too high. Instead a test is inverted: the errors are kept of which, with the noise of the resamples, an ECE such as this is not unusual,
        all bins' distances being shrunk or stretched alike. So `low` is 0 where the floor explains the ECE.
    `ece_floor`, `ece_mass_floor` : mean ECE of the same probabilities when gold is drawn from them, so that they are calibrated.
        `ece_floor_high` : its 97.5 % percentile (of `confidence_level`). In "all" an item's translations are right or wrong together, which is
        the highest that floor can be.
    `ece_p` : how often such a calibrated model shows an ECE of at least `ece`.
    `brier` : mean squared distance of probabilities and gold, summed over labels, in [0, 2], with `brier_low`, `brier_high`; and
        `brier_expected`, what it would be if the probabilities were right.
    `nll` : mean negative log probability of gold, in nats.
    Intervals are by bootstrap over prompts; a group of fewer than 30 has none. `attrs`: `interval_over`, `without_interval`, `bins`,
    `resamples`, `n_simulations`, `seed`.

    Raises
    ------
    ValueError : if a column is missing, a label is unknown, no row has gold, `bins` is not positive, or probabilities are no probabilities."""
    check_confidence_level(confidence_level)
    _check_bins(bins)
    read = probable(preds, by, labels)
    groups = [*sorted(set(read.groups)), ALL]
    rows = [np.flatnonzero(read.groups == name) for name in groups[:-1]] + [np.arange(len(read.rows))]
    places = [[_place(read.confidence[own], bins, kind) for kind in KINDS] for own in rows]
    sums = np.stack([_sums(read, own, place, bins) for own, place in zip(rows, places, strict=True)], axis=1)
    found, drawn = _figures(sums.sum(0), bins), totals(sums, n_resamples=n_resamples, seed=seed)
    few = (sums[:, :, -1] > 0).sum(0) < FEWEST
    low, high = (
        np.where(few[:, None], np.nan, side)
        for side in interval(_figures(drawn, bins), confidence_level=confidence_level)
    )
    low[:, 0], high[:, 0] = _error_intervals(sums.sum(0), drawn, bins, (1 - confidence_level) / 2, few)
    floors = np.stack(_floors(read, rows, places, bins, n_simulations, seed), axis=0)  # (G, draws, 2)
    ece = found[:, 0]
    table = pd.DataFrame({by: groups, "n": [len(own) for own in rows]})
    table["confidence"] = [read.confidence[own].mean() for own in rows]
    table["accuracy"] = [read.right[own].mean() for own in rows]
    table["ece"] = ece
    table["low"], table["high"] = low[:, 0], high[:, 0]
    table["ece_floor"] = floors[:, :, 0].mean(1)
    table["ece_floor_high"] = np.quantile(floors[:, :, 0], 0.5 + confidence_level / 2, axis=1)
    table["ece_p"] = (1 + (floors[:, :, 0] >= ece[:, None]).sum(1)) / (1 + n_simulations)
    table["ece_mass"], table["ece_mass_floor"] = found[:, 1], floors[:, :, 1].mean(1)
    table["brier"], table["brier_low"], table["brier_high"] = found[:, 2], low[:, 2], high[:, 2]
    table["brier_expected"] = [(1 - (read.probabilities[own] ** 2).sum(1)).mean() for own in rows]
    table["nll"] = found[:, 3]
    table.attrs = {
        "interval_over": read.over,
        "without_interval": [name for name, is_few in zip(groups, few, strict=True) if is_few],
        "bins": bins,
        "resamples": n_resamples,
        "draws": n_simulations,
        "seed": seed,
    }
    return table


def reliability(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    bins: int = BINS,
    kind: str = "width",
) -> pd.DataFrame:
    """Confidence and accuracy by bin of confidence: the points of a reliability diagram.

    Parameters
    ----------
    preds, by, labels, bins : as `calibration` takes them.
    kind : "width" for bins of equal width, "mass" for bins of equally many rows (rows with the same confidence share a bin).

    Returns
    -------
    One row a group and bin: `by`, `bin` from 1, `low` and `high` (its bounds; the upper one belongs to the next bin, the last excepted), `n`,
    `confidence` and `accuracy` (means in [0, 1], missing where `n` is 0).

    Raises
    ------
    ValueError : as `calibration`, or if `kind` is unknown."""
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(map(repr, KINDS))}; got {kind!r}")
    _check_bins(bins)
    read = probable(preds, by, labels)
    tables = []
    for name in sorted(set(read.groups)):
        own = read.groups == name
        sure, right = read.confidence[own], read.right[own]
        edges = _edges(sure, bins, kind)
        place = _place(sure, bins, kind)
        n = np.bincount(place, minlength=len(edges) - 1)
        with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin
            means = {
                "confidence": np.bincount(place, weights=sure, minlength=len(n)) / n,
                "accuracy": np.bincount(place, weights=right, minlength=len(n)) / n,
            }
        bounds = {"bin": np.arange(1, len(edges)), "low": edges[:-1], "high": edges[1:]}
        tables.append(pd.DataFrame({by: name, **bounds, "n": n, **means}))
    return pd.concat(tables, ignore_index=True)


def _check_bins(bins: int) -> None:
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ValueError(f"`bins` must be a positive whole number; got {bins!r}")


def _edges(sure: np.ndarray, bins: int, kind: str) -> np.ndarray:
    """The bounds of bins: B + 1 numbers from 0 to 1 for equal width; for equal mass quantiles, those that coincide once."""
    inner = np.linspace(0, 1, bins + 1)
    if kind == "mass":
        inner = np.unique(np.quantile(sure, inner[1:-1])) if bins > 1 else np.array([])
        inner = inner[
            inner > sure.min()
        ]  # rows of the lowest confidence alone make no bin of nothing below them
        return np.concatenate([[sure.min()], inner, [sure.max()]])
    return inner


def _place(sure: np.ndarray, bins: int, kind: str) -> np.ndarray:
    """(N,) the number of each row's bin, from 0."""
    return np.searchsorted(_edges(sure, bins, kind)[1:-1], sure, side="right")


def _sums(read: Probable, rows: np.ndarray, places: Sequence[np.ndarray], bins: int) -> np.ndarray:
    """(P, 2 * bins + 3) of one group by prompt: distance by bin of equal width, and of equal mass; Brier score; log loss; rows."""
    prompt = read.prompt[rows]
    result = np.zeros((int(read.prompt.max()) + 1, 2 * bins + 3))
    gap = read.right[rows] - read.confidence[rows]
    for number, place in enumerate(places):
        np.add.at(result, (prompt, place + number * bins), gap)
    own, gold = read.probabilities[rows], read.gold[rows]
    chance = own[np.arange(len(rows)), gold]
    np.add.at(result[:, -3], prompt, (own**2).sum(1) - 2 * chance + 1)
    np.add.at(result[:, -2], prompt, -np.log(np.maximum(chance, TINY)))
    np.add.at(result[:, -1], prompt, 1)
    return result


def _figures(sums: np.ndarray, bins: int) -> np.ndarray:
    """(..., 2 * bins + 3) sums -> (..., 4) ECE, ECE of equal mass, Brier score, log loss; missing where there are no rows."""
    ece = np.abs(sums[..., :bins]).sum(-1), np.abs(sums[..., bins : 2 * bins]).sum(-1)
    with np.errstate(invalid="ignore"):  # 0 / 0 in a resample without the group
        return np.stack([*ece, sums[..., -3], sums[..., -2]], axis=-1) / sums[..., -1:]


def _error_intervals(
    sums: np.ndarray, drawn: np.ndarray, bins: int, tail: float, few: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(G,) low and high of the calibration error from (G, ...) sums and (count, G, ...) resampled ones; missing in groups of `few` prompts."""
    low, high = np.full(len(sums), np.nan), np.full(len(sums), np.nan)
    for group in np.flatnonzero(~few):
        n = drawn[:, group, -1]
        gap = sums[group, :bins] / sums[group, -1]
        noise = drawn[n > 0, group, :bins] / n[n > 0, None] - gap
        low[group], high[group] = _error_interval(gap, noise, tail)
    return low, high


def _error_interval(gap: np.ndarray, noise: np.ndarray, tail: float) -> tuple[float, float]:
    """The calibration errors under which an ECE such as that of the (bins,) `gap` is not unusual, (count, bins) `noise` being added."""
    ece = float(np.abs(gap).sum())

    def shown(times: float) -> np.ndarray:
        """(count,) the ECE of resamples if distances were `times` those that were seen."""
        return np.abs(times * gap + noise).sum(1)

    low = _last(lambda times: (shown(times) >= ece).mean() < tail)
    high = _last(lambda times: (shown(times) <= ece).mean() >= tail)
    return ece * low, ece * high


def _last(holds: Callable[[float], bool]) -> float:
    """Where a condition that holds from 0 up to somewhere ceases to hold, by bisection; 0 if it never holds."""
    low, high = 0.0, 16.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _floors(
    read: Probable,
    rows: Sequence[np.ndarray],
    places: Sequence[Sequence[np.ndarray]],
    bins: int,
    n_simulations: int,
    seed: int,
) -> list[np.ndarray]:
    """By group (draws, 2) ECE of equal width and of equal mass, gold being drawn from the probabilities.

    A prediction is right with the probability of its label. One number is drawn for an item in all languages, so the rows of a language are
    independent, and translations are as dependent as can be."""
    generator = np.random.default_rng(seed)
    items = int(read.item.max()) + 1
    found: list[list[np.ndarray]] = [[] for _ in rows]
    some = max(1, CHUNK // max(items, len(read.rows)))
    for start in range(0, n_simulations, some):
        chance = generator.random((min(some, n_simulations - start), items))
        for group, own in enumerate(rows):
            sure = read.confidence[own]
            gap = (chance[:, read.item[own]] < sure) - sure  # (some, n)
            two = [_ece(gap, place, bins) for place in places[group]]
            found[group].append(np.stack(two, axis=1))
    return [np.concatenate(parts) for parts in found]


def _ece(gap: np.ndarray, place: np.ndarray, bins: int) -> np.ndarray:
    """(D, N) distances -> (D,) ECE, over bins whose number each of the N rows has."""
    member = np.zeros((gap.shape[1], bins))
    member[np.arange(len(place)), place] = 1
    return np.abs(gap @ member).sum(1) / gap.shape[1]
