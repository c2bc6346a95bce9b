"""Temperature scaling (Guo et al. 2017, arXiv:1706.04599): one number that makes probabilities softer or sharper, and changes no label.

Probabilities p become p^(1/T), divided by their sum; log p serves as logits. T is fitted to the log loss on a development set, by language or on
English alone, as is all that a zero-shot user has. Fit it on other rows than those that it is judged on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import t as student

from xlmkit.metrics.calibration import TINY, calibration
from xlmkit.metrics.probabilities import Probable, probability_columns, probable
from xlmkit.notices import warn_once
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
from xlmkit.stats.bootstrap import cluster_sums as by_prompt
from xlmkit.stats.bootstrap import (
    resampled_sums as totals,
)
from xlmkit.stats.frames import group_names
from xlmkit.stats.frames import infer_labels as own_labels

LOWEST, HIGHEST = 0.05, 20.0  # temperatures that are tried


def fit_temperature(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """The temperature at which the log loss of predictions is least, by language and over all rows.

    Parameters
    ----------
    preds : predictions of a development set, with `gold` and `p_<label>`; for a temperature of English alone, its rows.
    by, labels : as `evaluate`. confidence : of the intervals, in (0, 1).

    Returns
    -------
    One row a group by name, then "all": `by`, `n`, `temperature` (above 1: the model was too sure; below: not sure enough), `low` and `high` (Wald's
    interval of its logarithm, its variance over prompts; missing below 30 prompts), `nll_before` and `nll_after` (mean log loss, nats). Temperatures
    are between 0.05 and 20; one at a bound is no minimum, which is said. Where all labels of all rows have the same probability no
    temperature changes anything, and it is 1.

    Raises
    ------
    ValueError : as `calibration`."""
    check_confidence_level(confidence_level)
    read = probable(preds, by, labels)
    logits = _logits(read.probabilities)
    groups = [*sorted(set(read.groups)), ALL]
    rows = [read.groups == name for name in groups[:-1]] + [np.ones(len(read.rows), dtype=bool)]
    table = [_fitted(logits[own], read.gold[own], read.prompt[own], confidence_level) for own in rows]
    result = pd.DataFrame(table)
    result.insert(0, by, groups)
    bound = result[by][~result["temperature"].between(LOWEST * 1.001, HIGHEST * 0.999)]
    if len(bound):
        warn_once(
            f"the log loss has no minimum between temperatures {LOWEST} and {HIGHEST} in {', '.join(bound)}: too few rows, or all of them right or wrong"
        )
    result.attrs["interval_over"] = read.over
    return result


def with_temperature(
    preds: pd.DataFrame,
    temperature: float | Mapping[str, float] | pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Predictions whose probabilities have been given a temperature; their labels stay.

    Parameters
    ----------
    preds, by, labels : as `calibration` takes them; gold is not needed.
    temperature : one number for all rows, or one a language: a mapping, or the frame of `fit_temperature`.

    Returns
    -------
    The rows, index and columns of `preds`, the columns `p_<label>` new, 1 in sum by row.

    Raises
    ------
    ValueError : if a temperature is missing, or no positive number, or probabilities are no probabilities."""
    if not isinstance(preds, pd.DataFrame):
        raise TypeError(
            f"expected a DataFrame of predictions, got {type(preds).__name__}; remedy: predict(...)"
        )
    names = tuple(labels or own_labels(preds))
    logits = _logits(probability_columns(preds, names))
    divisors = _by_row(preds, temperature, by)
    result = preds.copy()
    values = softmax(logits / divisors[:, None], axis=1)
    for place, label in enumerate(names):
        result[f"p_{label}"] = values[:, place]
    return result


def temperature_effect(
    preds: pd.DataFrame,
    dev: pd.DataFrame,
    *,
    by: str = "language",
    reference: str = "en",
    labels: Sequence[str] | None = None,
    n_resamples: int = COUNT,
    seed: int = 0,
) -> pd.DataFrame:
    """Calibration of predictions before and after a temperature: fitted on English alone, and on each language.

    Parameters
    ----------
    preds : what is judged. dev : other predictions of the same model, on which temperatures are fitted.
    reference : the language whose temperature is given to all.
    by, labels, n_resamples, seed : as `calibration` takes them.

    Returns
    -------
    For each language and "all" three rows: `by`, `fitted_on` ("nothing"; `reference`; "own": each language's, in "all" too), `temperature` (missing
    in "all" where it is each language's), the columns of `calibration`, and `brier_gain` with `gain_low` and `gain_high`: by how much the Brier
    score is lower than as it was (in [-2, 2], higher is better), with the interval of a bootstrap over prompts.

    Raises
    ------
    ValueError : as `calibration`, or if `dev` lacks a language of `preds` or the `reference`."""
    fitted = fit_temperature(dev, by=by, labels=labels).set_index(by)["temperature"].drop(ALL)
    if reference not in fitted:
        raise ValueError(
            f"expected rows of {reference!r} in `dev`, as `reference` asks; got {', '.join(fitted.index)}"
        )
    settings: dict[str, float | dict[str, float]] = {
        "nothing": 1.0,
        reference: float(fitted[reference]),
        "own": {str(name): float(value) for name, value in fitted.items()},
    }
    before = probable(preds, by, labels)
    tables = []
    for name, temperature in settings.items():
        scaled = with_temperature(preds, temperature, by=by, labels=labels) if name != "nothing" else preds
        table = calibration(scaled, by=by, labels=labels, n_resamples=n_resamples, seed=seed)
        given = table[by].map(temperature) if isinstance(temperature, dict) else temperature
        table.insert(1, "fitted_on", name)
        table.insert(2, "temperature", given)
        gains = _gains(before, probable(scaled, by, labels), table[by], n_resamples, seed)
        tables.append(table.assign(**gains))
    result = pd.concat(tables, ignore_index=True)
    order = {name: place for place, name in enumerate(tables[0][by])}
    result = result.sort_values(by, key=lambda column: column.map(order), kind="stable", ignore_index=True)
    result.attrs = tables[0].attrs
    return result


def _logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, TINY))


def _fitted(
    logits: np.ndarray, gold: np.ndarray, prompt: np.ndarray, confidence_level: float
) -> dict[str, Any]:
    """The row of one group: (N, K) logits, (N,) gold and prompts."""
    places = np.arange(len(gold))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits * math.exp(-log_temperature), axis=1)[places, gold].mean())

    if np.ptp(logits, axis=1).max() < 1e-9:
        best = 0.0
    else:
        bounds = (math.log(LOWEST), math.log(HIGHEST))
        inside = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
        best = min((*bounds, inside), key=loss)
    prompts = len(np.unique(prompt))
    half = math.nan
    if prompts >= FEWEST:
        half = float(student.ppf(0.5 + confidence_level / 2, prompts - 1)) * _spread(
            logits, gold, prompt, math.exp(-best)
        )
    return {
        "n": len(gold),
        "temperature": math.exp(best),
        "low": math.exp(best - half),
        "high": math.exp(best + half),
        "nll_before": loss(0.0),
        "nll_after": loss(best),
    }


def _spread(logits: np.ndarray, gold: np.ndarray, prompt: np.ndarray, inverse: float) -> float:
    """Standard error of the temperature's logarithm, by the sandwich of slopes summed over prompts; missing where the loss has no curvature."""
    names, number = np.unique(prompt, return_inverse=True)
    chance = softmax(logits * inverse, axis=1)
    mean = (chance * logits).sum(1)
    slopes = np.bincount(number, weights=mean - logits[np.arange(len(gold)), gold])  # of the loss by 1 / T
    curvature = float(((chance * logits**2).sum(1) - mean**2).sum())
    if curvature <= 0:
        return math.nan
    return math.sqrt(float((slopes**2).sum()) * len(names) / (len(names) - 1)) / (curvature * inverse)


def _by_row(
    preds: pd.DataFrame, temperature: float | Mapping[str, float] | pd.DataFrame, by: str
) -> np.ndarray:
    """(N,) the temperature of each row."""
    if isinstance(temperature, pd.DataFrame):
        temperature = dict(zip(temperature[by], temperature["temperature"], strict=True))
    if not isinstance(temperature, Mapping):
        return np.full(len(preds), _positive(temperature))
    names = group_names(preds, by)
    missing = sorted(set(names) - set(temperature))
    if missing:
        raise ValueError(
            f"expected a temperature for each {by}; got none for {', '.join(missing)}; remedy: fit it on rows in them"
        )
    values = {name: _positive(temperature[name]) for name in set(names)}
    return np.array([values[name] for name in names])


def _positive(temperature: object) -> float:
    if isinstance(temperature, bool) or not isinstance(temperature, int | float | np.number):
        raise ValueError(f"expected a temperature as a number; got {temperature!r}")
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"expected a positive temperature; got {temperature!r}")
    return float(temperature)


def _gains(
    before: Probable, after: Probable, groups: pd.Series, n_resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """`brier_gain`, `gain_low` and `gain_high` by group, the last of which is all rows."""
    gain = _brier(before) - _brier(after)
    values = np.stack([gain, np.ones(len(gain))], axis=1)
    members = [before.groups == name if name != ALL else np.ones(len(gain), dtype=bool) for name in groups]
    sums = np.stack([by_prompt(values * own[:, None], before.prompt) for own in members], axis=1)  # (P, G, 2)
    drawn = totals(sums, n_resamples=n_resamples, seed=seed)
    with np.errstate(invalid="ignore"):  # 0 / 0 in a resample without the group
        low, high = interval(drawn[..., 0] / drawn[..., 1])
    few = (sums[..., 1] > 0).sum(0) < FEWEST
    total = sums.sum(0)
    return {
        "brier_gain": total[:, 0] / total[:, 1],
        "gain_low": np.where(few, np.nan, low),
        "gain_high": np.where(few, np.nan, high),
    }


def _brier(read: Probable) -> np.ndarray:
    """(N,) the Brier score of each row."""
    target = np.eye(len(read.labels))[read.gold]
    return ((read.probabilities - target) ** 2).sum(1)
