"""The sign-flip test over clusters, and the interval that belongs to it.

If neither of two languages is better, the difference in each premise group could as well have come
out the other way round. So the signs of whole clusters are flipped at random (Fisher 1935). The
interval holds every difference that this very test would not refute (Hartigan 1969; Tritchler 1984):
interval and p value cannot disagree. p counts the observed signs too, and is never 0 (Phipson and
Smyth 2010)."""

from __future__ import annotations

import math

import numpy as np

from xlmkit.stats.bootstrap import CELLS, N_RESAMPLES


def sign_flip(
    differences: np.ndarray,
    sizes: np.ndarray,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    confidence_level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test C mean differences over clusters, and find the differences that are not refuted.

    Parameters
    ----------
    differences : (P, C) sums by cluster of first minus second; whole numbers, so that ties are exact.
    sizes : (P, C) the items that were summed; 0 where a cluster has none.
    n_resamples, seed : random flips, and the seed that draws them.
    confidence_level : of the interval, in (0, 1).

    Returns
    -------
    p, low, high : (C,). p is two-sided. The mean difference is the sum of `differences` over that of
        `sizes`; its interval lies within [-1, 1].

    Raises
    ------
    ValueError : if `n_resamples` is not positive."""
    if n_resamples < 1:
        raise ValueError(f"`n_resamples` must be at least 1; got {n_resamples!r}")
    seen, total = differences.sum(0), sizes.sum(0)  # (C,)
    flipped, balance = _flipped(differences, sizes, n_resamples, seed)  # (R, C) each
    p = (1 + (np.abs(flipped) >= np.abs(seen)).sum(0)) / (n_resamples + 1)
    # If the true difference were d, a cluster's excess over d * size would change sign. A flip is as
    # extreme as the observation where |seen - d * total| <= |flipped - d * balance|. Because
    # |balance| <= total, that holds for all d between these two roots.
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.stack([(seen - flipped) / (total - balance), (seen + flipped) / (total + balance)])
    low, high = roots.min(0), roots.max(0)
    same = np.abs(balance) == total  # all signs alike: as extreme for any d
    low[same], high[same] = -np.inf, np.inf
    # d is not refuted while 1 + (flips as extreme) > (1 - level) * (R + 1). The 1e-9 is for rounding:
    # 499.9999999 means 500.
    needed = math.floor((1 - confidence_level) * (n_resamples + 1) + 1e-9)
    if needed < 1:
        return p, np.full(p.shape, -1.0), np.full(p.shape, 1.0)
    low = np.partition(low, needed - 1, axis=0)[needed - 1]
    high = np.partition(high, n_resamples - needed, axis=0)[n_resamples - needed]
    return p, np.clip(low, -1, 1), np.clip(high, -1, 1)


def _flipped(
    differences: np.ndarray, sizes: np.ndarray, n_resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(R, C) sums of `differences` and of `sizes` under random signs, the same for all columns."""
    both = np.concatenate([differences, sizes], axis=1)
    generator = np.random.default_rng(seed)
    some = max(1, CELLS // len(both))
    drawn = []
    for start in range(0, n_resamples, some):
        shape = (min(some, n_resamples - start), len(both))
        drawn.append((2.0 * generator.integers(2, size=shape) - 1) @ both)
    flipped, balance = np.split(np.concatenate(drawn), 2, axis=1)
    return flipped, balance
