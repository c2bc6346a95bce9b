"""Languages, or models, compared on the same items: is the difference more than the choice of
items?

The difference has the sign-flip test and its interval, over premise groups; next to it McNemar's
exact test (1947) over items; and Holm's correction (1979) over all rows of a table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from xlmkit.pairs import LABELS
from xlmkit.stats.bootstrap import ALL, Resampling, cluster_sums
from xlmkit.stats.frames import as_text, group_names, paired_items, scored_rows
from xlmkit.stats.permutation import sign_flip

PAIR_COLUMNS = ("item", "pairID", "pair_id")  # say, with the language, which pair a row is


def compare(
    preds: pd.DataFrame,
    by: str = "language",
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    labels: Sequence[str] | None = None,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """Compare the accuracy of languages in pairs, on the same items.

    Parameters
    ----------
    preds : predictions with gold, each item once in every language; `item` (or `pairID`) says which
        rows are one item.
    by : the column whose values are compared; mixed languages are "premise>hypothesis".
    pairs : (first, second); None takes all pairs. The items must be the same in all values that are
        named.
    labels : as for `evaluate`.
    resampling : `confidence_level` of the intervals, in (0, 1), 0.95; `n_resamples` random flips,
        10,000; and the `seed` that draws them, 0. The smallest possible p is 1 / (`n_resamples` +
        1): 0.0001, and for 105 pairs a `p_holm` of 0.0105.

    Returns
    -------
    One row per pair: `first`, `second`; `n` items; `first_accuracy`, `second_accuracy` in [0, 1],
    higher is better; `difference`, the first minus the second, with `low` and `high`, all in [-1,
    1]; `p` of the sign-flip test over premise groups; `p_mcnemar`, the exact test over items, which
    takes the items of a premise group as independent; `p_holm`, `p` corrected for all rows of this
    table. p values are two-sided, in [0, 1]. The interval, which is not corrected, excludes 0
    exactly where `p` is at most 1 - `confidence_level`. With too few premise groups to refute
    anything (one alone, for example) it is [-1, 1], and `p` is 1 or close to it.

    Raises
    ------
    ValueError : if there are fewer than two values to compare, items differ (the first missing one
        is named) or occur twice, no column says which rows are one item, or as `evaluate`."""
    if pairs is not None:
        _check_pairs(pairs)
    groups = None if pairs is None else list(itertools.chain.from_iterable(pairs))
    paired = paired_items(preds, by, labels, groups=groups)
    chosen = list(itertools.combinations(paired.groups, 2)) if pairs is None else list(pairs)
    first, second = (
        paired.correct[:, [paired.groups.index(pair[side]) for pair in chosen]] for side in (0, 1)
    )  # (I, C)
    counted = np.ones(first.shape, dtype=bool)
    table = _compared(first, second, counted, paired.premise_groups, **resampling)
    return pd.DataFrame(chosen, columns=["first", "second"]).join(table)


def gap(
    preds: pd.DataFrame,
    reference: str = "en",
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """The transfer gap: what each language loses against the one that the model was trained on.

    Parameters
    ----------
    reference : the language that the others are compared with.
    preds, by, labels, resampling : as for `compare`.

    Returns
    -------
    One row per language, then "all" (the mean of the others): `by`, `n` items, `accuracy`, `gap`
    (the accuracy of the reference minus this one: positive is a loss) with `low` and `high` in [-1,
    1], `p`, `p_holm` as in `compare`. `attrs`: `reference`, `reference_accuracy`.

    Raises
    ------
    ValueError : as `compare`, and if the reference does not occur."""
    others = sorted(set(group_names(preds, by)) - {reference})
    paired = paired_items(preds, by, labels, groups=[reference, *others])
    correct = paired.correct.astype(float)  # (I, G)
    losses = correct[:, :1] - correct[:, 1:]  # (I, G - 1)
    sizes = np.ones(losses.shape)
    losses, sizes = (np.column_stack([table, table.sum(1)]) for table in (losses, sizes))
    accuracy = correct.mean(0)  # (G,)
    table = pd.DataFrame({by: [*others, ALL], "n": len(correct)})
    table["accuracy"] = [*accuracy[1:], accuracy[1:].mean()]
    tested = _tested(losses, sizes, paired.premise_groups, **resampling)
    table = table.join(tested.rename(columns={"difference": "gap"}))
    table.attrs = {"reference": reference, "reference_accuracy": float(accuracy[0])}
    return table


def compare_models(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    names: tuple[str, str] = ("first", "second"),
    by: str = "language",
    labels: Sequence[str] | None = None,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """Compare two models, or one model in two settings, on the same pairs, by language and over
    all.

    Parameters
    ----------
    first, second : predictions of the same pairs with gold: the same items in the same languages,
        in any order; where no column says the item, the same `pair_id`s.
    names : what the two are called.
    by, labels, resampling : as for `compare`.

    Returns
    -------
    One row per language, then "all" rows: `by`, then the columns of `compare`; `difference` is the
    first minus the second, `n` counts pairs. `p_mcnemar` of "all" is missing, because translations
    of one item are not independent.

    Raises
    ------
    ValueError : if a pair of one frame is missing in the other (the first is named) or occurs
        twice, their gold labels differ, or as `evaluate`."""
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
    table = _compared(paired.correct[:, :1], paired.correct[:, 1:], counted, premises, **resampling)
    if len(groups) > 1:
        table.loc[len(groups), "p_mcnemar"] = np.nan
    return pd.DataFrame({by: [*groups, ALL], "first": names[0], "second": names[1]}).join(table)


def _compared(
    first: np.ndarray,
    second: np.ndarray,
    counted: np.ndarray,
    premise_groups: np.ndarray,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """The columns of `compare` for C comparisons: (I, C) or (I, 1) bool whether `first` and
    `second` are right, (I, C) bool whether an item is `counted`."""
    wins, losses = first & ~second & counted, second & ~first & counted
    n = counted.sum(0)
    table = pd.DataFrame({"n": n, "first_accuracy": (first & counted).sum(0) / n})
    table["second_accuracy"] = (second & counted).sum(0) / n
    table = table.join(_tested(wins.astype(float) - losses, counted, premise_groups, **resampling))
    discordant = zip(wins.sum(0).tolist(), losses.sum(0).tolist(), strict=True)
    mcnemar = [binomtest(won, won + lost).pvalue if won + lost else 1.0 for won, lost in discordant]
    table.insert(len(table.columns) - 1, "p_mcnemar", mcnemar)
    return table


def _tested(
    differences: np.ndarray, sizes: np.ndarray, premise_groups: np.ndarray, **resampling: Unpack[Resampling]
) -> pd.DataFrame:
    """`difference`, `low`, `high`, `p` and `p_holm` of C columns, from (I, C) differences of
    `sizes` items."""
    # Takes a second to import; `evaluate` does without.
    from statsmodels.stats.multitest import multipletests

    sums, total = cluster_sums(differences, premise_groups), cluster_sums(sizes, premise_groups)
    p, low, high = sign_flip(sums, total, **resampling)
    holm = multipletests(p, method="holm")[1]
    difference = sums.sum(0) / total.sum(0)
    return pd.DataFrame({"difference": difference, "low": low, "high": high, "p": p, "p_holm": holm})


def _check_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    if isinstance(pairs, str) or not len(pairs):
        raise ValueError(f"`pairs` must be one or more (first, second); got {pairs!r}")
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"`pairs` must contain pairs of two different names; got {pair!r}")


def _joined(
    frames: Sequence[pd.DataFrame], names: Sequence[str], by: str, labels: Sequence[str] | None
) -> pd.DataFrame:
    """The rows of two models one after the other, with what they can be matched by: `model`, `item`
    (with its language) and `premise`, the number of the premise group in its own frame."""
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
