"""Measures of one explanation: do the words that it names carry the decision?

Each takes `value`, a function that tells what the model gives without certain words, so that any model can be judged, a stub with a known answer
too. Comprehensiveness and sufficiency are those of DeYoung et al. 2020 (ERASER), arXiv:1911.03429; leave-one-out correlation that of Jain and
Wallace 2019, arXiv:1902.10186; infidelity that of Yeh et al. 2019, arXiv:1901.09392."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import kendalltau

FRACTIONS = (0.01, 0.05, 0.10, 0.20, 0.50)  # ERASER's bins

Words = frozenset[int]
"""Numbers of words, as in `Explanation.words`."""

Value = Callable[[Sequence[Words]], np.ndarray]
"""(K) sets of words -> (K,) what the model gives for the target where these words are erased."""


def steps(count: int, fractions: Sequence[float] = FRACTIONS) -> tuple[int, ...]:
    """How many of `count` words each fraction means: rounded up, equal numbers once, rising.

    Of 20 words the usual fractions mean 1, 2, 4 and 10: 1 % and 5 % are both one word.

    Raises
    ------
    ValueError : if there are no fractions, or one is not in (0, 1]."""
    if not fractions or not all(0 < share <= 1 for share in fractions):
        raise ValueError(f"`fractions` must be shares in (0, 1]; got {tuple(fractions)!r}")
    # 0.05 * 20 is 1.0000000000000002 in some orders of rounding; a word more for that would be wrong.
    return tuple(sorted({math.ceil(round(share * count, 9)) for share in fractions}))


def ranked(scores: np.ndarray) -> list[int]:
    """Words from the highest score to the lowest; of equal scores the earlier word first."""
    return np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable").tolist()


def comprehensiveness(value: Value, scores: np.ndarray, *, fractions: Sequence[float] = FRACTIONS) -> float:
    """How much the target loses without the words that the explanation puts first; the mean over `fractions`.

    Parameters
    ----------
    value : of the target, here a probability in [0, 1].
    scores : (W,) a word each; higher speaks more for the target.

    Returns
    -------
    In [-1, 1]; higher is more faithful; 0 if the model does not care for these words."""
    order = ranked(scores)
    tops = [frozenset(order[:count]) for count in steps(len(order), fractions)]
    full, *without = value([frozenset(), *tops])
    return float(full - np.mean(without))


def sufficiency(value: Value, scores: np.ndarray, *, fractions: Sequence[float] = FRACTIONS) -> float:
    """How much the target loses when only the words are kept that the explanation puts first; the mean over `fractions`.

    Parameters are those of `comprehensiveness`.

    Returns
    -------
    In [-1, 1]; lower is more faithful; 0 or below if these words alone decide."""
    order = ranked(scores)
    rests = [frozenset(order[count:]) for count in steps(len(order), fractions)]
    full, *kept = value([frozenset(), *rests])
    return float(full - np.mean(kept))


def leave_one_out(value: Value, scores: np.ndarray) -> float:
    """Kendall's tau-b between the scores and what the target loses when each word alone is erased.

    Parameters
    ----------
    value : of the target, here a logit.
    scores : (W,) a word each.

    Returns
    -------
    In [-1, 1]; higher is more faithful; missing (NaN) where all scores, or all losses, are equal. Occlusion is this by construction when
    it erases in the same way."""
    full, *without = value([frozenset(), *(frozenset([word]) for word in range(len(scores)))])
    drops = full - np.asarray(without)
    if np.ptp(drops) == 0:
        return math.nan  # at once: while `judge` notes what will be asked, no loss is known
    return float(kendalltau(scores, drops, method="asymptotic").statistic)  # of p, which nobody asks for


def infidelity(value: Value, scores: np.ndarray, masks: np.ndarray) -> float:
    """Mean squared error of the scores as forecasts: the sum over a set of words against what the target loses without the set.

    Parameters
    ----------
    value : of the target, here a logit.
    scores : (W,) a word each. They are scaled by the one factor that serves them best (captum's `normalize=True`), since norms and gradients
        are in no logits; a factor below 0 is allowed, as in captum.
    masks : (M, W) bool, a set of words each.

    Returns
    -------
    Squared logits, 0 or more; lower is more faithful."""
    full, *without = value([frozenset(), *(frozenset(np.flatnonzero(mask).tolist()) for mask in masks)])
    drops = full - np.asarray(without)
    sums = masks @ np.asarray(scores, dtype=np.float64)
    square = float(np.mean(sums**2))
    factor = float(np.mean(sums * drops)) / square if square > 0 else 0.0
    return float(np.mean((factor * sums - drops) ** 2))


def random_masks(count: int, amount: int, rng: np.random.Generator) -> np.ndarray:
    """(amount, count) bool: sets of words drawn by `rng`, their sizes uniform from 1 to `count`, so single words and the whole pair both occur."""
    sizes = rng.integers(1, count + 1, size=amount)
    ranks = rng.permuted(np.tile(np.arange(count), (amount, 1)), axis=1)
    return ranks < sizes[:, None]


def shuffled(scores: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Random controls: the very same scores, given to the words in random orders.

    Parameters
    ----------
    scores : (W,)
    orders : (K, W) each a permutation of the words: who gets the highest score, who the next.

    Returns
    -------
    (K, W). Controls of two methods that come from the same orders erase the same words, which saves most of the work."""
    found = np.empty(orders.shape)
    np.put_along_axis(found, orders, np.sort(scores)[None, ::-1], axis=1)
    return found


def percentile(value: float, controls: np.ndarray, *, higher_is_better: bool) -> float:
    """The share of controls that a value beats, in [0, 1]; ties count half; missing where the value is.

    0.5 is chance, 1 better than every control, whether `higher_is_better` or not."""
    if math.isnan(value):
        return math.nan
    controls = np.asarray(controls, dtype=np.float64)
    ties = np.isclose(controls, value, rtol=1e-9, atol=1e-12)
    beaten = (controls < value) if higher_is_better else (controls > value)
    return float(np.mean(np.where(ties, 0.5, beaten)))
