"""Slices: on which pairs is a model worse than on the rest?

Each slice is compared with the rest of its language. Intervals are by bootstrap over premise
groups, p by permutation of premise groups, corrected for all slices of the table (Benjamini and
Hochberg 1995).

Whoever looks at hundreds of slices and reports the worst has found chance. So `discover_slices`
looks for the worst slices in half of the premise groups and evaluates them in the other half (Cox
1975): what that says of a slice is as honest as if the slice had been thought of before."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.stats import false_discovery_control

from xlmkit.checks import check_int
from xlmkit.pairs import row_language
from xlmkit.stats.bootstrap import ALL, Resampling, cluster_sums, estimate
from xlmkit.stats.frames import item_codes, scored_rows, with_gold
from xlmkit.stats.permutation import N_PERMUTATIONS, slice_p

N_BINS = 4  # of a column of numbers
MAX_VALUES = 50  # different values that a column of text may have
MISSING = "missing"
MIN_ITEMS = 30  # of a slice, and of its rest, below which they say nothing
SAME = 0.8  # fraction of rows in common (Jaccard) from which two slices count as one
# Columns that are sliced by default.
KNOWN = (
    *("length", "length_ratio", "overlap", "negation", "pieces_per_word", "unknown_pieces"),
    *("genre", "phenomenon"),
)
PER_TEST = 40  # permutations drawn at most for each p of a table: p then reaches half of 0.05 / tests


@dataclass(frozen=True)
class Slice:
    """The rows with one value, or one range of values, of a column."""

    feature: str
    value: str
    number: int | None  # 1 for the lowest range; None where values are not binned
    rows: np.ndarray  # positions in the frame that was sliced

    def __str__(self) -> str:
        return f"{self.feature}: {self.value}"


def slices(
    preds: pd.DataFrame,
    columns: Sequence[str] | None = None,
    *,
    by: str | None = "language",
    labels: Sequence[str] | None = None,
    bins: int = N_BINS,
    n_permutations: int = N_PERMUTATIONS,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """Accuracy by the values of columns, each against the rest.

    Parameters
    ----------
    preds : predictions with gold, and the columns to slice by: those of `xlmkit.features`, `genre`,
        `phenomenon`, or your own.
    columns : None takes all that `xlmkit.features` adds, `genre` and `phenomenon`, if they are
        there. Numbers are cut into `bins` of equally many rows (quantiles of the group, equal
        values together), unless there are so few different ones that each is a slice; text and
        truth values are taken as they are; rows without a value are the slice "missing".
    by : slices are made and compared within each value of this column. None: over all rows, where
        translations of an item stay together in every resample.
    labels : as for `evaluate`.
    n_permutations : drawn for every slice; up to 40 per row of the table are drawn for those with a
        small p, so that p can survive the correction.
    resampling : `confidence_level`, `n_resamples`, `seed`, as for `evaluate`.

    Returns
    -------
    One row per slice, in the order of `columns`: `by` (unless None); `feature`; `value` ("5 to 14"
    for numbers); `part` (1 for the lowest bin; missing without bins); `n` rows; `accuracy` with
    `low` and `high`; `difference` to the accuracy of the rest, with `difference_low` and
    `difference_high`; `p`, two-sided; `p_adjusted`, after Benjamini and Hochberg over all rows that
    have a p; `too_small`. Accuracies are in [0, 1], higher is better; a slice with a negative
    `difference` is worse than the rest. A slice of fewer than 30 items, or whose rest has fewer, is
    `too_small` and has no p. `attrs`: `interval_over`, `tests` (the number of p).

    Raises
    ------
    ValueError : as `evaluate`, or if a column is missing, contains lists, or text of more than 50
        different values."""
    rows, frame = _scored(preds, by, labels)
    table, members = [], []
    for name in sorted(rows["group"].unique()):
        group = np.flatnonzero(rows["group"] == name)
        for column in _columns(frame, columns):
            for one in bin_column(frame.iloc[group], column, bins):
                table.append({by or ALL: name, "feature": column, "value": one.value, "part": one.number})
                members.append(group[one.rows])
    result = pd.DataFrame(table).astype({"part": "Int64"})
    compared = _compared(rows, members, result[by or ALL].to_list(), n_permutations, **resampling)
    result = result.join(compared).drop(columns=[] if by else ALL)
    result.attrs = {"interval_over": rows.attrs["over"], "tests": int(result["p"].notna().sum())}
    return result


def discover_slices(
    preds: pd.DataFrame,
    columns: Sequence[str] | None = None,
    *,
    top: int = 10,
    labels: Sequence[str] | None = None,
    bins: int = N_BINS,
    n_permutations: int = N_PERMUTATIONS,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """Find the slices by one or two features on which a model is worst against the rest.

    Parameters
    ----------
    preds : predictions with gold and the columns to look at, in one language, or in several that
        are then looked at together (name `language` among the columns to look for slices by
        language too).
    columns, labels, bins, n_permutations : as for `slices`.
    top : the number of slices that are evaluated in the second half.
    resampling : `confidence_level` (1 minus it is the level of `confirmed`), `n_resamples`, `seed`
        (draws the halves too), as for `evaluate`.

    Returns
    -------
    One row per slice, the worst in the first half first: `slice` ("overlap: 0 to 0.2 and negation:
    both"), `feature`, `value`, and `feature_2`, `value_2` (missing for a slice by one feature); in
    the first half `n_found`, `accuracy_found` in [0, 1] (higher is better), `difference_found` in
    [-1, 1]; in the second half the columns of `slices`, where `p_adjusted` is over this table; and
    `confirmed`: worse in the second half too, with `p_adjusted` of at most 1 - `confidence_level`.
    In the first half a slice needs 30 items and a rest of 30. The worst is the one whose accuracy
    is the most standard errors below that of the rest. Of slices that share 4 rows of 5, only the
    worst is taken. `attrs`: how many were `looked_at`, and `interval_over`.

    Raises
    ------
    ValueError : as `slices`, or if there are fewer than two premise groups, or no slice has enough
        items."""
    rows, frame = _scored(preds, None, labels)
    premise = rows["premise_group"].to_numpy()
    n_groups = int(premise.max()) + 1
    if n_groups < 2:
        raise ValueError("expected at least 2 premise groups, to find slices in half of them; got 1")
    order = np.random.default_rng(resampling.get("seed", 0)).permutation(n_groups)
    first = order[premise] < n_groups // 2  # (N,)
    candidates, member = _candidates(frame, _columns(frame, columns), bins)  # (N, C)
    worst = _worst(rows[first], member[first], top)
    chosen = [candidates[number] for number in worst.index]
    table = pd.DataFrame({"slice": [" and ".join(map(str, slices)) for slices in chosen]})
    for place, suffix in ((0, ""), (1, "_2")):
        for name in ("feature", "value"):
            table[name + suffix] = [getattr(one[place], name) if one[place:] else None for one in chosen]
    table = table.join(worst.reset_index(drop=True))
    second = rows[~first].assign(premise_group=pd.factorize(premise[~first])[0]).reset_index(drop=True)
    members = [np.flatnonzero(member[~first, number]) for number in worst.index]
    table = table.join(_compared(second, members, [ALL] * len(members), n_permutations, **resampling))
    level = 1 - resampling.get("confidence_level", 0.95)
    table["confirmed"] = (table["difference"] < 0) & (table["p_adjusted"] <= level)
    table.attrs = {"looked_at": len(candidates), "interval_over": rows.attrs["over"]}
    return table


def bin_column(frame: pd.DataFrame, column: str, bins: int = N_BINS) -> list[Slice]:
    """Slice a frame by one column: every row is in one slice.

    Numbers of more than `bins` different values are cut at quantiles, equal values together; the
    value of a slice is then its least and greatest number ("5 to 14"). Other values are a slice
    each, in order. Rows without a value are the slice "missing", the last.

    Raises
    ------
    ValueError : if values are lists or the like, there are more than 50 of text, or `bins` is less
        than 2."""
    check_int("bins", bins, 2)
    values = frame[column]
    missing = values.isna().to_numpy()
    known, positions = values[~missing], np.flatnonzero(~missing)
    ranges = is_numeric_dtype(values) and not is_bool_dtype(values) and known.nunique() > bins
    if ranges:
        numbers = known.to_numpy(dtype=float)
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1]))
        codes = pd.factorize(np.searchsorted(edges, numbers, side="left"), sort=True)[0]
        names = _range_names([numbers[codes == code] for code in range(codes.max() + 1)])
    else:
        try:
            codes, different = pd.factorize(known, sort=True)
        except TypeError:
            raise ValueError(
                f"expected text, numbers or truth values in {column!r}; got {type(known.iloc[0]).__name__}. "
                "Slice by something that is counted on it."
            ) from None
        # Text that reads like a missing value is put in quotes.
        names = [f"{v:g}" if isinstance(v, float) else repr(v) if v == MISSING else str(v) for v in different]
    if len(names) > max(MAX_VALUES, bins):
        raise ValueError(
            f"expected at most {MAX_VALUES} different values in {column!r}; got {len(names)}. Give numbers as "
            "numbers, which are binned, or take a column with fewer values."
        )
    found = [
        Slice(column, name, code + 1 if ranges else None, positions[codes == code])
        for code, name in enumerate(names)
    ]
    return found + ([Slice(column, MISSING, None, np.flatnonzero(missing))] if missing.any() else [])


def _range_names(values: Sequence[np.ndarray]) -> list[str]:
    """ "least to greatest" for each bin, with as many digits as tell bins apart."""
    if all((one == one.astype(int)).all() for one in values):
        return [f"{one.min():.0f} to {one.max():.0f}" for one in values]
    for digits in (3, 5, 17):
        bounds = [(f"{one.min():.{digits}g}", f"{one.max():.{digits}g}") for one in values]
        if all(one[1] != other[0] for one, other in itertools.pairwise(bounds)):
            break
    return [" to ".join(pair) for pair in bounds]


def _columns(frame: pd.DataFrame, columns: Sequence[str] | None) -> list[str]:
    """The columns to slice by: `columns`, or those that the kit knows."""
    if isinstance(columns, str):
        raise ValueError(f"`columns` must be a list of names; got {columns!r}. Write [{columns!r}].")
    known = [str(name) for name in frame if name in KNOWN]
    names = known if columns is None else list(dict.fromkeys(columns))
    absent = [name for name in names if name not in frame]
    if absent or not names:
        got = f"no column {absent[0]!r}" if absent else f"none of {', '.join(KNOWN)}"
        raise ValueError(
            f"expected columns to slice by; got {got}. Add features with xlmkit.features.features(preds), or "
            "name your own columns."
        )
    return names


def _scored(
    preds: pd.DataFrame, by: str | None, labels: Sequence[str] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows with gold: what belongs together and is compared (`group`, `premise_group`, `item`,
    `place`, the number of the language, and `correct`, 1 or 0), and the same rows as they were
    given."""
    grouped = preds.assign(**{ALL: ALL}) if by is None and isinstance(preds, pd.DataFrame) else preds
    rows = with_gold(scored_rows(grouped, by or ALL, labels))
    frame = preds.iloc[rows.index].reset_index(drop=True)
    has_language = "language" in frame or {"premise_language", "hypothesis_language"} <= set(frame)
    rows = rows.reset_index(drop=True).rename(columns={by or ALL: "group"})
    rows["correct"] = (rows["prediction"] == rows["gold"]).astype(float)
    rows["item"] = item_codes(frame)
    rows["place"] = pd.factorize(row_language(frame), sort=True)[0] if has_language else 0
    return rows, frame


def _compared(
    rows: pd.DataFrame,
    members: Sequence[np.ndarray],
    groups: Sequence[str],
    n_permutations: int,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """The columns of `slices` from `n` on, for S slices: the rows of each, and the group that it is
    compared in."""
    positions = {name: np.flatnonzero(rows["group"] == name) for name in set(groups)}
    values = rows[["correct"]].assign(n=1).to_numpy(dtype=float)  # (N, 2)
    premise, item, language = rows[["premise_group", "item", "place"]].to_numpy().T
    sums, too_small = [], []
    for inside, group in zip(members, groups, strict=True):
        parts = np.setdiff1d(positions[group], inside, assume_unique=True), inside
        by_premise = [
            cluster_sums(values[part], premise[part], n_clusters=premise.max() + 1) for part in parts
        ]
        sums.append(np.concatenate(by_premise, axis=1))
        too_small.append(min(len(np.unique(item[part])) for part in parts) < MIN_ITEMS)
    stacked, small = np.stack(sums, axis=1), np.array(too_small)  # (P, S, 4), (S,)
    accuracy = estimate(stacked[..., 2:], few="wilson", **resampling)
    difference = estimate(stacked, _difference, few="percentile", **resampling)
    p = np.full(len(members), np.nan)
    for name, rows_of_group in positions.items():
        tested = [k for k in range(len(p)) if not small[k] and groups[k] == name]
        if tested:
            p[tested] = slice_p(
                values[rows_of_group, 0],
                np.stack([np.isin(rows_of_group, members[k]) for k in tested], axis=1),
                (premise[rows_of_group], item[rows_of_group], language[rows_of_group]),
                n_permutations=n_permutations,
                max_permutations=PER_TEST * int((~small).sum()),
                seed=resampling.get("seed", 0),
            )
    table = pd.DataFrame({"n": stacked[..., 3].sum(0).astype(int)})
    table = table.assign(**accuracy.columns("accuracy", "low", "high"))
    table = table.assign(**difference.columns("difference", "difference_low", "difference_high"))
    table.loc[small, ["difference_low", "difference_high"]] = np.nan
    adjusted = np.full(len(p), np.nan)
    if not small.all():
        adjusted[~small] = false_discovery_control(p[~small])
    return table.assign(p=p, p_adjusted=adjusted, too_small=small)


def _difference(sums: np.ndarray) -> np.ndarray:
    """(..., 4) correct and all rows of the rest, and of the slice -> (...) accuracy of slice minus
    rest."""
    return sums[..., 2] / sums[..., 3] - sums[..., 0] / sums[..., 1]


def _candidates(
    frame: pd.DataFrame, columns: Sequence[str], bins: int
) -> tuple[list[tuple[Slice, ...]], np.ndarray]:
    """C slices by one feature and by two different ones, and (N, C) whether a row is in them."""
    single = [one for column in columns for one in bin_column(frame, column, bins)]
    pairs = [pair for pair in itertools.combinations(single, 2) if pair[0].feature != pair[1].feature]
    candidates: list[tuple[Slice, ...]] = [*((one,) for one in single), *pairs]
    member = np.zeros((len(frame), len(candidates)), dtype=bool)
    for number, candidate in enumerate(candidates):
        member[functools.reduce(np.intersect1d, (one.rows for one in candidate)), number] = True
    return candidates, member


def _worst(rows: pd.DataFrame, member: np.ndarray, top: int) -> pd.DataFrame:
    """What the worst of C slices show in these rows, worst first, by the number of the slice;
    `member` is (N, C) bool."""
    correct, items = rows["correct"].to_numpy(), rows["item"].to_numpy()
    fewest = [min(len(np.unique(items[part])) for part in (inside, ~inside)) for inside in member.T]
    n, hits = member.sum(0), correct @ member  # (C,)
    with np.errstate(invalid="ignore", divide="ignore"):  # slices without rows, or without a rest
        accuracy = hits / n
        difference = accuracy - (correct.sum() - hits) / (len(rows) - n)
        score = difference / np.sqrt(1 / n + 1 / (len(rows) - n))  # in standard errors, but for a constant
    table = pd.DataFrame({"n_found": n, "accuracy_found": accuracy, "difference_found": difference})
    enough = np.flatnonzero(np.array(fewest) >= MIN_ITEMS)
    if not len(enough):
        raise ValueError(
            f"expected slices of at least {MIN_ITEMS} items in half of the premise groups; got none among "
            f"{len(table)}. Give more items, or columns with fewer values."
        )
    chosen: list[int] = []
    for number in enough[np.argsort(score[enough], kind="stable")]:
        others = member[:, chosen]
        both, either = (member[:, [number]] & others).sum(0), (member[:, [number]] | others).sum(0)
        if len(chosen) < top and (both < SAME * either).all():
            chosen.append(number)
    return table.loc[chosen]
