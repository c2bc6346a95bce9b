"""Do explanations of errors differ from those of correct predictions? Their profiles compared, with intervals over prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t
from statsmodels.stats.multitest import multipletests

from xlmkit.faithfulness.summary import expanded, prompts_of
from xlmkit.notices import warn_once
from xlmkit.stats import bootstrap

BLOCK = 16  # groups that are resampled together, so that memory stays small


def compare_errors(
    profiled: pd.DataFrame,
    *,
    by: Sequence[str] = ("method", "aggregation"),
    within: str | None = "language",
    confidence_level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Errors against correct predictions, feature by feature.

    Parameters
    ----------
    profiled : what `profile` gave, errors and correct predictions together.
    by : the columns to group by, beside `feature`.
    within : compare inside the groups of this column and weigh their differences by their errors, because errors are more frequent in some
        languages, whose sentences differ anyway; "prediction" does the same by predicted label. None compares all with all.
    confidence_level : of the intervals, in (0, 1). seed : of the bootstrap.

    Returns
    -------
    One row a group and feature: `by`, `feature`, `n_errors`, `n_correct`, `errors` and `correct` (means), `difference` (errors minus correct, as `within` says),
    `low`, `high`, `p` (two-sided; Student's t with the resamples' spread) and `p_holm` (over the features of a group), missing where there are no errors
    or no correct predictions to compare, or those of one prompt only. Intervals are bootstraps over prompts, expanded as in `summarize` for as
    many prompts as have errors, or correct predictions if these are fewer; `attrs["interval_over"]` is the column that says what a prompt is.

    Raises
    ------
    ValueError : if columns are missing, or no row has gold."""
    keys = [*([by] if isinstance(by, str) else by), "feature"]
    known = _known(profiled, [*keys, *([within] if within else [])])
    bootstrap.check_confidence_level(confidence_level)
    prompts, over = prompts_of(known)
    groups = known.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    strata = np.zeros(len(known), dtype=int) if within is None else pd.factorize(known[within])[0]
    sums = _sums(known, (prompts, groups, strata))  # (P, G, S, 2, 2)
    total = sums.sum((0, 2))  # (G, 2, 2)
    with np.errstate(invalid="ignore"):
        means = total[..., 0] / total[..., 1]  # (G, 2): correct and wrong
    difference = _difference(sums.sum(0))  # (G,)
    fewer = (sums.sum(2)[..., 1] > 0).sum(0).min(1)  # (G,) prompts with errors, or with correct predictions
    low, high, p = _resampled(sums, difference, fewer, confidence_level, seed)
    firsts = known.loc[~pd.Series(groups).duplicated(), keys].reset_index(drop=True)
    result = firsts.assign(
        n_errors=total[:, 1, 1].astype(int),
        n_correct=total[:, 0, 1].astype(int),
        errors=means[:, 1],
        correct=means[:, 0],
        difference=difference,
        low=low,
        high=high,
        p=p,
    )
    result["p_holm"] = result.groupby(keys[:-1], sort=False, dropna=False)["p"].transform(_holm)
    result.attrs["interval_over"] = over
    return result


def _known(profiled: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    if not isinstance(profiled, pd.DataFrame):
        raise TypeError(
            f"expected a frame of profile, got {type(profiled).__name__}; remedy: profile(explanations)"
        )
    missing = [name for name in (*columns, "pair_id", "correct", "value") if name not in profiled]
    if missing:
        raise ValueError(f"expected the columns that `profile` gives; got no {', '.join(missing)}")
    known = profiled[profiled["correct"].notna()]
    if known.empty:
        raise ValueError("expected gold labels, to tell errors from correct predictions; got none")
    if len(known) < len(profiled):
        bare = profiled["pair_id"].nunique() - known["pair_id"].nunique()
        warn_once(f"{bare} of {profiled['pair_id'].nunique()} pairs have no gold label and are left out")
    return known.reset_index(drop=True)


def _sums(known: pd.DataFrame, places: tuple[np.ndarray, ...]) -> np.ndarray:
    """By prompt, group, stratum, and correct or wrong, the sum of the values and how many there are: (P, G, S, 2, 2)."""
    values = known["value"].to_numpy(dtype=float)
    wrong = (~known["correct"].to_numpy(dtype=bool)).astype(int)
    found = np.zeros((*(own.max() + 1 for own in places), 2, 2))
    there = ~np.isnan(values)
    np.add.at(found, (*places, wrong), np.stack([np.where(there, values, 0.0), there], axis=-1))
    return found


def _resampled(
    sums: np.ndarray, difference: np.ndarray, prompts: np.ndarray, confidence_level: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(P, G, S, 2, 2) -> (G,) low, high and p of the differences; some groups at a time, all from the same resamples."""
    found = []
    for start in range(0, sums.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        drawn = _difference(bootstrap.resampled_sums(sums[:, block], seed=seed))  # (count, block)
        low, high = expanded(drawn, prompts[block], confidence_level)
        found.append(np.stack([low, high, _p(difference[block], drawn, prompts[block])]))
    low, high, p = np.hstack(found)
    return low, high, p


def _p(difference: np.ndarray, drawn: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """(G,) two-sided, missing for one prompt or none, and where no resample differs from another."""
    found = np.full(len(difference), np.nan)
    for group in np.flatnonzero((prompts > 1) & ~np.isnan(difference)):
        n = int(prompts[group])
        error = np.nanstd(drawn[:, group]) * np.sqrt(n / (n - 1))
        if error > 0:
            found[group] = 2 * t.sf(abs(difference[group]) / error, n - 1)
    return found


def _difference(sums: np.ndarray) -> np.ndarray:
    """(..., S, 2, 2) -> (...): wrong minus correct in each stratum that has both, weighted by its errors."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., 0] / sums[..., 1]  # (..., S, 2)
        own = means[..., 1] - means[..., 0]  # (..., S)
        weights = np.where(np.isnan(own), 0.0, sums[..., 1, 1])
        return (np.nan_to_num(own) * weights).sum(-1) / weights.sum(-1)


def _holm(p: pd.Series) -> pd.Series:
    """Corrected for all that are there (Holm 1979)."""
    found = p.copy()
    there = p.notna()
    if there.any():
        found[there] = multipletests(p[there].to_numpy(), method="holm")[1]
    return found
