"""Slices: on which pairs is a model worse than on the rest?

Each slice is compared with the rest of its language; intervals are by bootstrap over prompts, p by permutation of prompts, and corrected for all
slices of the table (Benjamini and Hochberg 1995). `parts` cuts columns into slices, `discovery` looks for the worst pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from xlmkit.metrics.parts import PARTS, Part, cut, feature_columns
from xlmkit.stats import permutation
from xlmkit.stats.bootstrap import (
    ALL,
    check_confidence_level,
    estimate,
    interval,
)
from xlmkit.stats.bootstrap import (
    N_RESAMPLES as COUNT,
)
from xlmkit.stats.bootstrap import (
    resampled_sums as totals,
)
from xlmkit.stats.frames import item_codes as item_numbers
from xlmkit.stats.frames import scored_rows as judged
from xlmkit.stats.frames import with_gold

FEWEST = 30  # items below which a slice, or its rest, says nothing


def slices(
    preds: pd.DataFrame,
    columns: Sequence[str] | None = None,
    *,
    by: str | None = "language",
    labels: Sequence[str] | None = None,
    parts: int = PARTS,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    n_permutations: int = permutation.N_PERMUTATIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy by the values of columns, each against the rest.

    Parameters
    ----------
    preds : predictions with gold, and the columns to cut by: those of `xlmkit.features`, `genre`, `phenomenon`, or your own.
    columns : None takes all that `xlmkit.features` gives, `genre` and `phenomenon`, as far as they are there. Numbers are cut into `parts` of
        equally many rows (quantiles of the group, equal values together) unless they are so few different ones that each is a slice; text and
        truth values are taken as they are; a row without a value is in the slice "missing".
    by : slices are cut and compared within each value of this column; None: over all rows, translations of an item staying together in
        every resample.
    labels, confidence_level : as `evaluate`.
    n_resamples, n_permutations, seed : resamples for intervals, permutations for p, and what draws both.

    Returns
    -------
    One row a slice, in the order of `columns`: `by` (unless None); `feature`; `value` ("5 to 14" for numbers); `part` (1 for the lowest; missing
    where values are not cut); `n` rows; `accuracy` with `low` and `high`; `difference` to the accuracy of the rest, with `difference_low` and
    `difference_high`; `p`, two-sided; `p_adjusted`, after Benjamini and Hochberg over all rows of the table that have a p; `too_small`. Accuracies
    are in [0, 1], higher is better; a negative `difference` is a slice that is worse than the rest.
    A slice of fewer than 30 items, or whose rest has fewer, is `too_small` and has no p; so has one without a rest. `attrs` says what
    `interval_over`, `tests` (how many p there are), `resamples`, `n_permutations`, `seed`.

    Raises
    ------
    ValueError : as `evaluate`, or if a column is missing, holds lists, or text of more than 50 different values."""
    check_confidence_level(confidence_level)
    sample, given = read(preds, by, labels)
    names = feature_columns(given, columns)
    found: list[tuple[str, np.ndarray, Part]] = []
    for group in sorted(set(sample.group)):
        rows = np.flatnonzero(sample.group == group)
        own = given.iloc[rows]
        found += [(group, rows[part.rows], part) for name in names for part in cut(own, name, parts)]
    groups = [group for group, _, _ in found]
    table = pd.DataFrame(
        {
            "feature": [part.feature for _, _, part in found],
            "value": [part.value for _, _, part in found],
            "part": pd.array([part.number for _, _, part in found], dtype="Int64"),
        }
    )
    chosen = [rows for _, rows, _ in found]
    table = table.assign(
        **accuracies(
            sample, chosen, groups, confidence_level=confidence_level, n_resamples=n_resamples, seed=seed
        )
    )
    small = too_small(sample, chosen, groups)
    table["p"] = p_values(sample, chosen, groups, small, n_permutations=n_permutations, seed=seed)
    table["p_adjusted"] = adjusted(table["p"])
    table["too_small"] = small
    if by:
        table.insert(0, by, groups)
    table.attrs = {
        "interval_over": sample.over,
        "tests": int(table["p"].notna().sum()),
        "resamples": n_resamples,
        "permutations": n_permutations,
        "seed": seed,
    }
    return table


def adjusted(p: pd.Series) -> np.ndarray:
    """p after Benjamini and Hochberg; missing ones stay missing and do not count."""
    result = np.full(len(p), np.nan)
    known = p.notna().to_numpy()
    if known.any():
        result[known] = false_discovery_control(p[known].to_numpy(dtype=float))
    return result


@dataclass(frozen=True)
class Sample:
    """N rows with gold: right or not, and what belongs together."""

    right: np.ndarray  # (N,) 1.0 or 0.0
    prompt: np.ndarray  # (N,) whole numbers
    item: np.ndarray  # (N,) whole numbers
    place: np.ndarray  # (N,) the language, as a whole number
    group: np.ndarray  # (N,) text
    over: str  # the column that says which rows are one prompt; "rows": none does


def read(preds: pd.DataFrame, by: str | None, labels: Sequence[str] | None) -> tuple[Sample, pd.DataFrame]:
    """The rows that have gold, as a sample, and as they were given, numbered from 0; without `by` they are one group.

    Raises
    ------
    ValueError : as `frames.judged`."""
    everything = preds.assign(**{ALL: ALL}) if by is None and isinstance(preds, pd.DataFrame) else preds
    frame = with_gold(judged(everything, by or ALL, labels))
    given = preds.iloc[frame.index].reset_index(drop=True)
    sides = [name for name in ("language", "premise_language", "hypothesis_language") if name in given]
    spoken = given[sides].astype(str).agg(">".join, axis=1) if sides else pd.Series("", index=given.index)
    sample = Sample(
        right=(frame["prediction"] == frame["gold"]).to_numpy(dtype=float),
        prompt=pd.factorize(frame["premise_group"])[0],
        item=item_numbers(given),
        place=pd.factorize(spoken, sort=True)[0],
        group=frame[by or ALL].to_numpy(dtype=object),
        over=str(frame.attrs.get("over", "rows")),
    )
    return sample, given


def accuracies(
    sample: Sample,
    chosen: Sequence[np.ndarray],
    groups: Sequence[str],
    *,
    confidence_level: float,
    n_resamples: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """`n`, `accuracy`, `difference` and their intervals for C slices, given as the places of their rows, each in its group."""
    names = sorted(set(groups))
    prompts = int(sample.prompt.max()) + 1

    def by_prompt(rows: np.ndarray) -> np.ndarray:
        prompt = sample.prompt[rows]
        hits = np.bincount(prompt, weights=sample.right[rows], minlength=prompts)
        return np.stack([hits, np.bincount(prompt, minlength=prompts)], axis=1)

    inside = [by_prompt(rows) for rows in chosen]
    whole = [by_prompt(np.flatnonzero(sample.group == name)) for name in names]
    sums = np.stack([*inside, *whole], axis=1)  # (P, C + G, 2)
    size, owner = len(chosen), [len(chosen) + names.index(group) for group in groups]
    drawn = totals(sums, n_resamples=n_resamples, seed=seed)
    total = sums.sum(0)
    with np.errstate(invalid="ignore"):  # 0 / 0 in a resample without the slice, or without a rest
        share = _share(drawn[:, :size])
        found = estimate(
            sums[:, :size],
            few="wilson",
            confidence_level=confidence_level,
            n_resamples=n_resamples,
            seed=seed,
        )
        low, high = found.low, found.high
        below, above = interval(
            share - _share(drawn[:, owner] - drawn[:, :size]), confidence_level=confidence_level
        )
        accuracy = _share(total[:size])
        difference = accuracy - _share(total[owner] - total[:size])
    bare = too_small(sample, chosen, groups)
    return {
        "n": total[:size, 1].astype(int),
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "difference": difference,
        "difference_low": np.where(bare, np.nan, below),
        "difference_high": np.where(bare, np.nan, above),
    }


def _share(sums: np.ndarray) -> np.ndarray:
    """(..., 2) hits and rows -> (...) hits / rows."""
    return sums[..., 0] / sums[..., 1]


def too_small(sample: Sample, chosen: Sequence[np.ndarray], groups: Sequence[str]) -> np.ndarray:
    """(C,) whether a slice or its rest has fewer than `FEWEST` items."""
    result = []
    for rows, group in zip(chosen, groups, strict=True):
        rest = np.setdiff1d(np.flatnonzero(sample.group == group), rows, assume_unique=True)
        result.append(min(len(np.unique(sample.item[part])) for part in (rows, rest)) < FEWEST)
    return np.array(result, dtype=bool)


def p_values(
    sample: Sample,
    chosen: Sequence[np.ndarray],
    groups: Sequence[str],
    small: np.ndarray,
    *,
    n_permutations: int,
    seed: int,
) -> np.ndarray:
    """(C,) p of the slices that are not too small, in their groups; missing for the others."""
    result = np.full(len(chosen), np.nan)
    for group in sorted(set(groups)):
        rows = np.flatnonzero(sample.group == group)
        asked = [place for place, name in enumerate(groups) if name == group and not small[place]]
        if not asked:
            continue
        members = np.stack([np.isin(rows, chosen[place]) for place in asked], axis=1)
        blocks = sample.prompt[rows], sample.item[rows], sample.place[rows]
        result[asked] = permutation.slice_p(
            sample.right[rows], members, blocks, n_permutations=n_permutations, seed=seed
        )
    return result
