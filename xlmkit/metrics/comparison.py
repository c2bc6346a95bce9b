"""Languages, or models, compared on the same items: is the difference more than the choice of prompts?

The difference has the test and the interval of `sign_flip`, over prompts. McNemar's exact test (1947) over items stands beside it, and Holm's
correction (1979) over all rows of a table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from xlmkit.pairs import LABELS
from xlmkit.stats.bootstrap import COUNT, check_confidence_level, sums
from xlmkit.stats.frames import ALL, group_names, judged, keys, parallel
from xlmkit.stats.sign_flip import sign_flip

KEYS = ("item", "pairID", "pair_id")  # columns that say, with the language, which pair a row is


def compare(
    preds: pd.DataFrame,
    by: str = "language",
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy of languages in pairs, on the same items.

    Parameters
    ----------
    preds : predictions with gold, each item once in every language; `item` (or `pairID`) says which rows are one item.
    by : the column whose values are compared; mixed languages are "premise>hypothesis".
    pairs : (first, second); None takes all pairs. The items must be the same in all values that are named.
    labels, confidence_level : as `evaluate` takes them.
    n_resamples, seed : random flips, and what draws them. The smallest possible p is 1 / (`n_resamples` + 1): 0.0001, and of 105 pairs a `p_holm` of 0.0105.

    Returns
    -------
    One row a pair: `first`, `second`; `n` items; `first_accuracy`, `second_accuracy` in [0, 1], higher is better; `difference`, the first minus the second, with
    `low` and `high`, all in [-1, 1]; `p` of the sign-flip test over prompts; `p_mcnemar`, the exact test over items, which takes the
    items of a prompt as independent; `p_holm`, `p` corrected for all rows of this table (Holm 1979). p values are two-sided, in [0, 1].
    The interval leaves out 0 exactly where `p` is at most 1 - `confidence_level`; it is not corrected. With so few prompts that nothing could
    be refuted (one alone, say) it is [-1, 1] and `p` is 1 or close to it.

    Raises
    ------
    ValueError : if there are fewer than two values to compare, items differ (the first missing one is named) or stand twice, no column
        says which rows are one item, or what `evaluate` refuses."""
    check_confidence_level(confidence_level)
    groups = None if pairs is None else list(dict.fromkeys(_checked(pairs)))
    found = parallel(preds, by, labels, groups=groups)
    chosen = list(itertools.combinations(found.groups, 2)) if pairs is None else list(pairs)
    places = np.array([[found.groups.index(name) for name in pair] for pair in chosen])  # (C, 2)
    first, second = found.right[:, places[:, 0]], found.right[:, places[:, 1]]  # (I, C)
    frame = pd.DataFrame(chosen, columns=["first", "second"])
    tested = _tested(
        first, second, np.ones(first.shape, bool), found.prompts, (n_resamples, seed, confidence_level)
    )
    return _with_holm(frame.assign(**tested))


def gap(
    preds: pd.DataFrame,
    reference: str = "en",
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    seed: int = 0,
) -> pd.DataFrame:
    """The transfer gap: what each language loses against the one that the model was trained on.

    Parameters
    ----------
    reference : the language that the others are held against.
    preds, by, labels, confidence_level, n_resamples, seed : as `compare` takes them.

    Returns
    -------
    One row a language, then "all" (the mean of the others): `by`, `n` items, `accuracy`, `gap` (the reference's accuracy minus this one:
    positive is a loss) with `low` and `high` in [-1, 1], `p`, `p_holm` as in `compare`. `attrs["reference"]` and
    `attrs["reference_accuracy"]` say what they are held against.

    Raises
    ------
    ValueError : as `compare` does, and if the reference does not occur."""
    check_confidence_level(confidence_level)
    names = sorted(set(group_names(preds, by)))
    found = parallel(preds, by, labels, groups=[reference, *(name for name in names if name != reference)])
    hits = sums(found.right.astype(float), found.prompts)  # (P, G)
    items = sums(np.ones((len(found.items), 1)), found.prompts)  # (P, 1)
    losses = hits[:, :1] - hits[:, 1:]  # (P, G - 1)
    differences = np.column_stack([losses, losses.sum(1)])
    sizes = items * ([1] * losses.shape[1] + [losses.shape[1]])
    p, low, high = sign_flip(
        differences, sizes, n_resamples=n_resamples, seed=seed, confidence_level=confidence_level
    )
    accuracy = found.right.mean(0)  # (G,)
    frame = pd.DataFrame({by: [*found.groups[1:], ALL], "n": len(found.items)})
    frame["accuracy"] = [*accuracy[1:], accuracy[1:].mean()]
    frame["gap"] = differences.sum(0) / sizes.sum(0)
    frame = _with_holm(frame.assign(low=low, high=high, p=p))
    frame.attrs = {"reference": reference, "reference_accuracy": float(accuracy[0])}
    return frame


def compare_models(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    names: tuple[str, str] = ("first", "second"),
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    seed: int = 0,
) -> pd.DataFrame:
    """Two models, or one model in two settings, on the same pairs, by language and over all.

    Parameters
    ----------
    first, second : predictions of the same pairs with gold: the same items in the same languages, in any order; where no
        column says the item, the same `pair_id`s.
    names : what the two are called.
    by, labels, confidence_level, n_resamples, seed : as `compare` takes them.

    Returns
    -------
    One row a language, then "all" rows: `by`, then the columns of `compare`; `difference` is the first minus the second, `n` counts pairs.
    `p_mcnemar` of "all" is missing, since translations of one item are not independent.

    Raises
    ------
    ValueError : if a pair of one frame is missing in the other (the first is named) or stands twice, their gold labels differ, or what
        `evaluate` refuses."""
    check_confidence_level(confidence_level)
    if len(set(names)) != 2:
        raise ValueError(f"`names` must be two different names; got {names!r}")
    both = pd.concat(_readable((first, second), names, by, labels), ignore_index=True)
    known = sorted({*both["prediction"], *both["gold"].dropna()})
    found = parallel(both, "model", None if set(known) <= set(LABELS) else known, groups=names)
    gold = both["gold"].to_numpy()[found.rows]  # (I, 2)
    unlike = np.flatnonzero(gold[:, 0] != gold[:, 1])
    if len(unlike):
        one, other = gold[unlike[0]]
        raise ValueError(
            f"expected the same gold labels for both; got {one!r} and {other!r} for {found.items[unlike[0]]!r}"
        )
    spoken = both[by].to_numpy()[found.rows[:, 0]]
    groups = sorted(set(spoken))
    counted = np.column_stack(
        [*(spoken == name for name in groups), np.ones(len(spoken), bool)]
    )  # (I, G + 1)
    # Where one of the frames does not know the prompts, the other one does.
    numbers = [both["prompt"].to_numpy()[rows] for rows in found.rows.T]
    prompts = pd.factorize(min(numbers, key=lambda of_items: len(set(of_items))))[0]
    tested = _tested(
        found.right[:, :1], found.right[:, 1:], counted, prompts, (n_resamples, seed, confidence_level)
    )
    frame = pd.DataFrame({by: [*groups, ALL], "first": names[0], "second": names[1]})
    frame = frame.assign(**tested)
    if len(groups) > 1:
        frame.loc[len(groups), "p_mcnemar"] = math.nan
    return _with_holm(frame)


def _tested(
    first: np.ndarray,
    second: np.ndarray,
    counted: np.ndarray,
    prompts: np.ndarray,
    settings: tuple[int, int, float],
) -> dict[str, np.ndarray]:
    """The columns of `compare` from what is `right`: (I, C) bool, or (I, 1), over the items that are `counted`, (I, C) bool."""
    n_resamples, seed, confidence_level = settings
    wins, losses = first & ~second & counted, second & ~first & counted
    n = counted.sum(0)
    differences = sums(wins.astype(float) - losses, prompts)
    p, low, high = sign_flip(
        differences,
        sums(counted.astype(float), prompts),
        n_resamples=n_resamples,
        seed=seed,
        confidence_level=confidence_level,
    )
    return {
        "n": n,
        "first_accuracy": (first & counted).sum(0) / n,
        "second_accuracy": (second & counted).sum(0) / n,
        "difference": differences.sum(0) / n,
        "low": low,
        "high": high,
        "p": p,
        "p_mcnemar": np.array([_mcnemar(*both) for both in zip(wins.sum(0), losses.sum(0), strict=True)]),
    }


def _mcnemar(wins: int, losses: int) -> float:
    """The exact test of McNemar: are items that only one gets right as often the first's as the second's?"""
    return float(binomtest(int(wins), int(wins + losses)).pvalue) if wins + losses else 1.0


def _with_holm(frame: pd.DataFrame) -> pd.DataFrame:
    from statsmodels.stats.multitest import multipletests  # takes a second to load; `evaluate` does without

    return frame.assign(p_holm=multipletests(frame["p"].to_numpy(), method="holm")[1])


def _checked(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The names in `pairs`, one after the other."""
    if isinstance(pairs, str) or not len(pairs):
        raise ValueError(f"`pairs` must be one or more (first, second); got {pairs!r}")
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"`pairs` must hold two different names each; got {pair!r}")
        yield from pair


def _readable(
    frames: Sequence[pd.DataFrame], names: Sequence[str], by: str, labels: Sequence[str] | None
) -> Iterator[pd.DataFrame]:
    """Each of two models' frames with what both can be matched by: `model`, `item` (and language), `prompt`, and labels by their usual names."""
    read = [judged(preds, by, labels) for preds in frames]
    column = next((name for name in KEYS if all(name in preds for preds in frames)), None)
    if column is None:
        raise ValueError(
            f"expected a column in both frames that says which pair a row is ({', '.join(KEYS)}); "
            f"got {', '.join(map(str, frames[0].columns))} and {', '.join(map(str, frames[1].columns))}"
        )
    for name, preds, frame in zip(names, frames, read, strict=True):
        yield frame.assign(model=name, item=keys(preds, column) + " in " + frame[by].to_numpy())
