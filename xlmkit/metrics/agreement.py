"""Agreement across languages: the same item should get the same prediction in every language.

Fleiss' kappa (1971) takes languages as raters; 0 is the agreement of raters who know only how often
each label occurs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd

from xlmkit.pairs import with_english
from xlmkit.stats.bootstrap import Resampling, cluster_sums, estimate
from xlmkit.stats.frames import paired_items


def agreement(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """How far the predictions for one item agree across languages; gold is not needed.

    Parameters
    ----------
    preds : predictions, each item once in every language; `item` (or `pairID`) says which rows are
        one item.
    by, labels, resampling : as for `evaluate`.

    Returns
    -------
    One row: the number of `languages`; `n` items; `unanimous`, the fraction of items with one label
    in all languages; `consistency`, the mean fraction of the pairs of languages that agree on an
    item; `fleiss_kappa`, the same corrected for chance, at most 1 (missing where only one label was
    ever predicted). Higher is more agreement. Each has `<name>_low` and `<name>_high` by bootstrap
    over premise groups, missing below 30.

    Raises
    ------
    ValueError : if there are fewer than two languages, or items differ (the first missing one is
        named) or occur twice."""
    paired = paired_items(preds, by, labels, gold=False)
    raters = len(paired.groups)
    votes = (paired.prediction[:, :, None] == np.unique(paired.prediction)).sum(1)  # (I, K)
    agreeing = (votes * (votes - 1)).sum(1) / (raters * (raters - 1))
    columns = [votes.max(1) == raters, agreeing, votes / raters, np.ones(len(votes))]
    sums = cluster_sums(np.column_stack(columns), paired.premise_groups)  # (P, 3 + K)
    found = estimate(sums[:, None], _agreement, **resampling)
    row: dict[str, float] = {"languages": raters, "n": len(votes)}
    for place, name in enumerate(("unanimous", "consistency", "fleiss_kappa")):
        for suffix, figures in (("", found.value), ("_low", found.low), ("_high", found.high)):
            row[name + suffix] = float(figures[0, place])
    return pd.DataFrame([row])


def disagreement(
    preds: pd.DataFrame, *, by: str = "language", labels: Sequence[str] | None = None
) -> pd.DataFrame:
    """How often two languages get different labels for the same item.

    Parameters
    ----------
    preds, by, labels : as for `agreement`.

    Returns
    -------
    One row for each first and second language, in both orders and with itself: `first`, `second`,
    `n` items, `share`, the fraction of them with different labels; and, where `preds` has gold,
    `lost`, the fraction that is right in the first and wrong in the second. Both in [0, 1], lower
    is more agreement. `pivot(index="first", columns="second", values="share")` gives the matrix.

    Raises
    ------
    ValueError : as `agreement`."""
    scored = "gold" in preds and bool(preds["gold"].notna().any())
    paired = paired_items(preds, by, labels, gold=scored)
    rows = []
    for first, second in itertools.product(range(len(paired.groups)), repeat=2):
        row = {"first": paired.groups[first], "second": paired.groups[second], "n": len(paired.items)}
        row["share"] = (paired.prediction[:, first] != paired.prediction[:, second]).mean()
        if scored:
            row["lost"] = (paired.correct[:, first] & ~paired.correct[:, second]).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def items_by_n_correct(
    preds: pd.DataFrame, *, by: str = "language", labels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Items by the number of languages that get them right.

    Parameters
    ----------
    preds, by, labels : as for `agreement`, with gold.

    Returns
    -------
    One row for each number from none to all: `right` languages, `n` items, `share`, their fraction
    in [0, 1], and the items `expected` if each language were as accurate as it is, but right or
    wrong independently of the others. More items at both ends than expected: languages find the
    same items easy and hard.

    Raises
    ------
    ValueError : as `agreement`, and if there is no gold."""
    correct = paired_items(preds, by, labels).correct  # (I, G)
    total, size = correct.shape
    n = np.bincount(correct.sum(1), minlength=size + 1)
    chances = np.ones(1)  # of 0, 1, ... languages being right, one more language at a time
    for accuracy in correct.mean(0):
        chances = np.convolve(chances, [1 - accuracy, accuracy])
    return pd.DataFrame({"right": range(size + 1), "n": n, "share": n / total, "expected": chances * total})


def right_in_one_wrong_in_other(
    preds: pd.DataFrame,
    right: str = "en",
    wrong: str = "sw",
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The items that are right in one language and wrong in another, for reading.

    Parameters
    ----------
    preds, by, labels : as for `agreement`, with gold.
    right, wrong : the two languages.

    Returns
    -------
    The rows of `preds` in the language `wrong`; where there are columns `p_<label>`, those with the
    most probable wrong label first. They have `english_premise` and `english_hypothesis` (missing
    where `preds` has neither these columns nor the item in English) and, where `right` is another
    language, `<right>_premise` and `<right>_hypothesis`. No rows where there is no such item.

    Raises
    ------
    ValueError : as `agreement`, and if there is no gold or a language does not occur."""
    paired = paired_items(preds, by, labels, groups=[right, wrong])
    chosen = paired.correct[:, 0] & ~paired.correct[:, 1]
    result = with_english(preds).iloc[paired.rows[chosen, 1]].copy()
    if right != "en":
        for column in ("premise", "hypothesis"):
            if column in preds:
                result[f"{right}_{column}"] = preds[column].to_numpy()[paired.rows[chosen, 0]]
    predicted = enumerate(paired.prediction[chosen, 1])
    surest = [-result[f"p_{label}"].iloc[row] if f"p_{label}" in result else 0 for row, label in predicted]
    return result.iloc[np.argsort(surest, kind="stable")].reset_index(drop=True)


def _agreement(sums: np.ndarray) -> np.ndarray:
    """(..., 3 + K) sums of unanimous items, agreeing pairs, fractions of votes by label, and items
    -> (..., 3) unanimous, consistency, Fleiss' kappa."""
    means = sums[..., :-1] / sums[..., -1:]
    chance = (means[..., 2:] ** 2).sum(-1)
    kappa = np.where(chance < 1 - 1e-12, (means[..., 1] - chance) / (1 - chance), np.nan)
    return np.stack([means[..., 0], means[..., 1], kappa], axis=-1)
