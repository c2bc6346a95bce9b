"""Agreement across languages: the same item, asked in several languages, should get one answer.

Fleiss' kappa (1971) takes languages as raters; 0 is the agreement of raters who only know how often each label occurs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.pairs import is_missing
from xlmkit.stats.bootstrap import COUNT, check_confidence_level, interval, sums, totals
from xlmkit.stats.frames import Parallel, group_names, keys, parallel
from xlmkit.stats.intervals import FEWEST

ENGLISH = ("en", "en>en")


def agreement(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    seed: int = 0,
) -> pd.DataFrame:
    """How far the predictions for one item agree across languages; gold is not needed.

    Parameters
    ----------
    preds : predictions, each item once in every language; `item` (or `pairID`) says which rows are one item.
    by, labels, confidence_level, n_resamples, seed : as `evaluate` takes them.

    Returns
    -------
    One row: `languages`, `n` items; `unanimous`, the share of items with one label in all languages; `consistency`, the mean share of the pairs of
    languages that agree on an item; `fleiss_kappa`, the same corrected for chance, at most 1 (missing where one label is all that
    was ever predicted: chance then explains everything). Higher is more agreement. Each has `<name>_low` and `<name>_high` by
    bootstrap over prompts, missing where there are fewer than 30.

    Raises
    ------
    ValueError : if there are fewer than two languages, or items differ (the first missing one is named) or stand twice."""
    from statsmodels.stats.inter_rater import fleiss_kappa  # takes a second to load; `evaluate` does without

    check_confidence_level(confidence_level)
    found = parallel(preds, by, labels, gold=False)
    raters = len(found.groups)
    votes = (found.prediction[:, :, None] == sorted(set(found.prediction.ravel()))).sum(1)  # (I, K)
    pairs = (votes * (votes - 1)).sum(1) / (raters * (raters - 1))
    values = np.column_stack([np.ones(len(votes)), votes.max(1) == raters, pairs, votes / raters])
    by_prompt = sums(values, found.prompts)  # (P, 3 + K)
    resampled = _measures(totals(by_prompt, n_resamples=n_resamples, seed=seed))
    seen = _measures(by_prompt.sum(0))
    if votes.shape[1] > 1:
        seen[2] = fleiss_kappa(votes)
    row: dict[str, float] = {"languages": raters, "n": len(votes)}
    few = len(by_prompt) < FEWEST
    for place, name in enumerate(("unanimous", "consistency", "fleiss_kappa")):
        low, high = (
            (math.nan, math.nan)
            if few
            else interval(resampled[..., place], confidence_level=confidence_level)
        )
        row |= {name: float(seen[place]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return pd.DataFrame([row])


def flips(preds: pd.DataFrame, *, by: str = "language", labels: Sequence[str] | None = None) -> pd.DataFrame:
    """How often two languages get different labels for the same item.

    Parameters
    ----------
    preds, by, labels : as `agreement` takes them.

    Returns
    -------
    One row for each first and second language, in both orders and with itself: `first`, `second`, `n` items, `share` of them with
    different labels; and, where `preds` has gold, `lost`, the share right in the first and wrong in the second. Both in [0, 1], lower is more agreement.
    `pivot(index="first", columns="second", values="share")` gives the matrix.

    Raises
    ------
    ValueError : as `agreement` does."""
    judge = "gold" in preds and bool(preds["gold"].notna().any())
    found = parallel(preds, by, labels, gold=judge)
    rows = []
    for first, second in itertools.product(range(len(found.groups)), repeat=2):
        row = {"first": found.groups[first], "second": found.groups[second], "n": len(found.items)}
        row["share"] = (found.prediction[:, first] != found.prediction[:, second]).mean()
        if judge:
            row["lost"] = (found.right[:, first] & ~found.right[:, second]).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def by_count(
    preds: pd.DataFrame, *, by: str = "language", labels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Items by the number of languages that get them right.

    Parameters
    ----------
    preds, by, labels : as `agreement` takes them, with gold.

    Returns
    -------
    One row for each number from none to all: `right` languages, `n` items, their `share` in [0, 1], and `expected` items, were each
    language as accurate as it is but right or wrong independently of the others. More items at both ends than expected: languages
    find the same items easy and hard.

    Raises
    ------
    ValueError : as `agreement` does, and if there is no gold."""
    found = parallel(preds, by, labels)
    size = len(found.groups)
    items = np.bincount(found.right.sum(1), minlength=size + 1)
    chances = np.ones(1)  # of 0, 1, ... languages being right, one more language at a time
    for accuracy in found.right.mean(0):
        chances = np.convolve(chances, [1 - accuracy, accuracy])
    total = len(found.items)
    return pd.DataFrame(
        {"right": range(size + 1), "n": items, "share": items / total, "expected": chances * total}
    )


def right_wrong(
    preds: pd.DataFrame,
    right: str = "en",
    wrong: str = "sw",
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The items that are right in one language and wrong in another, to be read.

    Parameters
    ----------
    preds, by, labels : as `agreement` takes them, with gold.
    right, wrong : the two languages.

    Returns
    -------
    The rows of `preds` in the language `wrong`, those that are surest of their wrong label first where there are columns `p_<label>`; with
    `english_premise` and `english_hypothesis`, which are missing where `preds` neither has them nor the item in English; and, where that is
    another language, `<right>_premise` and `<right>_hypothesis`. No rows where there is no such item.

    Raises
    ------
    ValueError : as `agreement` does, and if there is no gold or a language does not occur."""
    found = parallel(preds, by, labels, groups=[right, wrong])
    chosen = found.right[:, 0] & ~found.right[:, 1]
    result = preds.iloc[found.rows[chosen, 1]].copy()
    for column in ("premise", "hypothesis"):
        if column not in preds:
            continue
        if right not in ENGLISH:
            result[f"{right}_{column}"] = preds[column].to_numpy()[found.rows[chosen, 0]]
        result[f"english_{column}"] = _in_english(preds, found, chosen, by, column)
    sure = _probability(result, found.prediction[chosen, 1])
    return result.iloc[np.argsort(-sure, kind="stable")].reset_index(drop=True)


def _measures(sums_of_votes: np.ndarray) -> np.ndarray:
    """(..., 3 + K) items, unanimous ones, agreeing pairs, shares of votes by label -> (..., 3) unanimous, consistency, Fleiss' kappa."""
    means = sums_of_votes[..., 1:] / sums_of_votes[..., :1]
    chance = (means[..., 2:] ** 2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(chance < 1 - 1e-12, (means[..., 1] - chance) / (1 - chance), np.nan)
    return np.stack([means[..., 0], means[..., 1], kappa], axis=-1)


def _in_english(
    preds: pd.DataFrame, found: Parallel, chosen: np.ndarray, by: str, column: str
) -> list[object]:
    """The English text of each chosen item: its own column where that is filled, else its row in English, else None."""
    names = group_names(preds, by)
    rows = np.flatnonzero(np.isin(names, ENGLISH))
    originals = dict(zip(keys(preds, found.column)[rows], preds[column].to_numpy()[rows], strict=True))
    own = preds.get(f"english_{column}", pd.Series(None, index=preds.index, dtype=object)).to_numpy()
    given = own[found.rows[chosen, 1]]
    return [
        originals.get(item) if is_missing(text) else text
        for item, text in zip(found.items[chosen], given, strict=True)
    ]


def _probability(rows: pd.DataFrame, label: np.ndarray) -> np.ndarray:
    """(N,) of each row's own label; 0 where there is no such column."""
    columns = [f"p_{name}" for name in label]
    return np.array(
        [rows[name].iloc[place] if name in rows else 0.0 for place, name in enumerate(columns)], dtype=float
    )
