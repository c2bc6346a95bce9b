"""Languages, or models, compared on the same items: is the difference more than the choice of items?

The difference has the sign-flip test and its interval, over premise groups; next to it McNemar's exact
test (1947) over items; and Holm's correction (1979) over all rows of a table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from xlmkit.pairs import LABELS
from xlmkit.stats.bootstrap import ALL, N_RESAMPLES, check_confidence_level, cluster_sums
from xlmkit.stats.frames import as_text, group_names, paired_items, scored_rows
from xlmkit.stats.sign_flip import sign_flip

PAIR_COLUMNS = ("item", "pairID", "pair_id")  # say, with the language, which pair a row is


def compare(
    preds: pd.DataFrame,
    by: str = "language",
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the accuracy of languages in pairs, on the same items.

    Parameters
    ----------
    preds : predictions with gold, each item once in every language; `item` (or `pairID`) says which rows
        are one item.
    by : the column whose values are compared; mixed languages are "premise>hypothesis".
    pairs : (first, second); None takes all pairs. The items must be the same in all values that are named.
    labels, confidence_level : as for `evaluate`.
    n_resamples, seed : random flips, and the seed that draws them. The smallest possible p is
        1 / (`n_resamples` + 1): 0.0001, and for 105 pairs a `p_holm` of 0.0105.

    Returns
    -------
    One row per pair: `first`, `second`; `n` items; `first_accuracy`, `second_accuracy` in [0, 1], higher is
    better; `difference`, the first minus the second, with `low` and `high`, all in [-1, 1]; `p` of the
    sign-flip test over premise groups; `p_mcnemar`, the exact test over items, which takes the items of a
    premise group as independent; `p_holm`, `p` corrected for all rows of this table. p values are
    two-sided, in [0, 1]. The interval, which is not corrected, excludes 0 exactly where `p` is at most
    1 - `confidence_level`. With too few premise groups to refute anything (one alone, for example) it is
    [-1, 1], and `p` is 1 or close to it.

    Raises
    ------
    ValueError : if there are fewer than two values to compare, items differ (the first missing one is
        named) or occur twice, no column says which rows are one item, or as `evaluate`."""
    if pairs is None:
        groups = None
    else:
        _check_pairs(pairs)
        groups = list(itertools.chain.from_iterable(pairs))
    paired = paired_items(preds, by, labels, groups=groups)
    chosen = list(itertools.combinations(paired.groups, 2)) if pairs is None else list(pairs)
    first, second = (
        paired.correct[:, [paired.groups.index(pair[side]) for pair in chosen]] for side in (0, 1)
    )  # (I, C)
    counted = np.ones(first.shape, dtype=bool)
    options = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}
    table = _tested(first, second, counted, paired.premise_groups, **options)
    table.insert(0, "first", [pair[0] for pair in chosen])
    table.insert(1, "second", [pair[1] for pair in chosen])
    return _with_holm(table)


def gap(
    preds: pd.DataFrame,
    reference: str = "en",
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """The transfer gap: what each language loses against the one that the model was trained on.

    Parameters
    ----------
    reference : the language that the others are compared with.
    preds, by, labels, confidence_level, n_resamples, seed : as for `compare`.

    Returns
    -------
    One row per language, then "all" (the mean of the others): `by`, `n` items, `accuracy`, `gap` (the
    accuracy of the reference minus this one: positive is a loss) with `low` and `high` in [-1, 1], `p`,
    `p_holm` as in `compare`. `attrs`: `reference`, `reference_accuracy`.

    Raises
    ------
    ValueError : as `compare`, and if the reference does not occur."""
    check_confidence_level(confidence_level)
    others = sorted(set(group_names(preds, by)) - {reference})
    paired = paired_items(preds, by, labels, groups=[reference, *others])
    correct = paired.correct.astype(float)  # (I, G)
    losses = correct[:, :1] - correct[:, 1:]  # (I, G - 1)
    differences = cluster_sums(np.column_stack([losses, losses.sum(1)]), paired.premise_groups)
    items = np.ones((len(correct), 1)) * [*np.ones(len(others)), len(others)]
    sizes = cluster_sums(items, paired.premise_groups)
    p, low, high = sign_flip(
        differences, sizes, n_resamples=n_resamples, seed=seed, confidence_level=confidence_level
    )
    accuracy = correct.mean(0)  # (G,)
    table = pd.DataFrame({by: [*others, ALL], "n": len(correct)})
    table["accuracy"] = [*accuracy[1:], accuracy[1:].mean()]
    table["gap"] = differences.sum(0) / sizes.sum(0)
    table = _with_holm(table.assign(low=low, high=high, p=p))
    table.attrs = {"reference": reference, "reference_accuracy": float(accuracy[0])}
    return table


def compare_models(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    names: tuple[str, str] = ("first", "second"),
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare two models, or one model in two settings, on the same pairs, by language and over all.

    Parameters
    ----------
    first, second : predictions of the same pairs with gold: the same items in the same languages, in any
        order; where no column says the item, the same `pair_id`s.
    names : what the two are called.
    by, labels, confidence_level, n_resamples, seed : as for `compare`.

    Returns
    -------
    One row per language, then "all" rows: `by`, then the columns of `compare`; `difference` is the first
    minus the second, `n` counts pairs. `p_mcnemar` of "all" is missing, because translations of one item
    are not independent.

    Raises
    ------
    ValueError : if a pair of one frame is missing in the other (the first is named) or occurs twice, their
        gold labels differ, or as `evaluate`."""
    if len(set(names)) != 2:
        raise ValueError(f"`names` must be two different names; got {names!r}")
    both = _joined((first, second), names, by, labels)
    known = {*both["prediction"], *both["gold"].dropna()}
    paired = paired_items(both, "model", None if known <= set(LABELS) else sorted(known), groups=names)
    gold = both["gold"].to_numpy()[paired.rows]  # (I, 2)
    unlike = np.flatnonzero(gold[:, 0] != gold[:, 1])
    if len(unlike):
        raise ValueError(
            f"expected the same gold labels in both frames; got {gold[unlike[0], 0]!r} and "
            f"{gold[unlike[0], 1]!r} for {paired.items[unlike[0]]!r}"
        )
    group = both[by].to_numpy()[paired.rows[:, 0]]
    groups = sorted(set(group))
    counted = np.column_stack([*(group == name for name in groups), np.ones(len(group), dtype=bool)])
    # Where one of the frames does not know the premise groups, the other one may.
    codes = [both["premise"].to_numpy()[rows] for rows in paired.rows.T]
    premises = pd.factorize(min(codes, key=lambda code: len(set(code))))[0]
    options = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}
    table = _tested(paired.correct[:, :1], paired.correct[:, 1:], counted, premises, **options)
    for place, (name, value) in enumerate(
        {by: [*groups, ALL], "first": names[0], "second": names[1]}.items()
    ):
        table.insert(place, name, value)
    if len(groups) > 1:
        table.loc[len(groups), "p_mcnemar"] = np.nan
    return _with_holm(table)


def _tested(
    first: np.ndarray,
    second: np.ndarray,
    counted: np.ndarray,
    premise_groups: np.ndarray,
    *,
    confidence_level: float,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """The columns of `compare` for C comparisons: (I, C) or (I, 1) bool whether `first` and `second` are
    right, (I, C) bool whether an item is `counted`."""
    check_confidence_level(confidence_level)
    wins, losses = first & ~second & counted, second & ~first & counted
    n = counted.sum(0)
    differences = cluster_sums(wins.astype(float) - losses, premise_groups)
    p, low, high = sign_flip(
        differences,
        cluster_sums(counted.astype(float), premise_groups),
        n_resamples=n_resamples,
        seed=seed,
        confidence_level=confidence_level,
    )
    mcnemar = [
        binomtest(won, won + lost).pvalue if won + lost else 1.0
        for won, lost in zip(wins.sum(0).tolist(), losses.sum(0).tolist(), strict=True)
    ]
    return pd.DataFrame(
        {
            "n": n,
            "first_accuracy": (first & counted).sum(0) / n,
            "second_accuracy": (second & counted).sum(0) / n,
            "difference": differences.sum(0) / n,
            "low": low,
            "high": high,
            "p": p,
            "p_mcnemar": mcnemar,
        }
    )


def _with_holm(frame: pd.DataFrame) -> pd.DataFrame:
    # Takes a second to import; `evaluate` does without.
    from statsmodels.stats.multitest import multipletests

    return frame.assign(p_holm=multipletests(frame["p"].to_numpy(), method="holm")[1])


def _check_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    if isinstance(pairs, str) or not len(pairs):
        raise ValueError(f"`pairs` must be one or more (first, second); got {pairs!r}")
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"`pairs` must contain pairs of two different names; got {pair!r}")


def _joined(
    frames: Sequence[pd.DataFrame], names: Sequence[str], by: str, labels: Sequence[str] | None
) -> pd.DataFrame:
    """The rows of two models one after the other, with what they can be matched by: `model`, `item` (with
    its language) and `premise`, the number of the premise group in its own frame."""
    scored = [scored_rows(preds, by, labels) for preds in frames]
    column = next((name for name in PAIR_COLUMNS if all(name in preds for preds in frames)), None)
    if column is None:
        raise ValueError(
            f"expected a column in both frames that says which pair a row is ({', '.join(PAIR_COLUMNS)}); "
            f"got {', '.join(map(str, frames[0].columns))} and {', '.join(map(str, frames[1].columns))}"
        )
    parts = [
        rows.rename(columns={"premise_group": "premise"}).assign(
            model=name, item=as_text(preds, column) + " in " + rows[by].to_numpy()
        )
        for name, preds, rows in zip(names, frames, scored, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
