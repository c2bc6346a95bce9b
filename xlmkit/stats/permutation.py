"""Permutation tests over clusters: of paired differences by flipping signs, of a slice against the
rest.

`sign_flip`: if neither of two languages is better, the difference in each premise group could as
well have come out the other way round. So the signs of whole clusters are flipped at random (Fisher
1935). Its interval contains every difference that this test would not reject (Hartigan 1969;
Tritchler 1984): interval and p cannot disagree.

`slice_p`: if a slice is as difficult as the rest, it is chance which premise group a pattern of
right and wrong answers fell on. So whole groups change places with groups of the same shape, and
items change places within a group; the translations of an item stay together, each in its language.
What makes rows of a group alike, in answers or in slices, is kept (exchangeability in blocks:
Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060).

Both p count the observation too, and are never 0 (Phipson and Smyth 2010)."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from xlmkit.checks import check_int
from xlmkit.stats.bootstrap import N_RESAMPLES, check_confidence_level

N_PERMUTATIONS = 2_000
ENOUGH = 10  # permutations as extreme as the observation, after which p is precise enough
CELLS = 2**22  # random signs, or permuted rows, that are in memory at a time


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
    differences : (P, C) sums by cluster of first minus second; whole numbers, so that ties are
        exact.
    sizes : (P, C) the items that were summed; 0 where a cluster has none.
    n_resamples, seed : random flips, and the seed that draws them.
    confidence_level : of the interval, in (0, 1).

    Returns
    -------
    p, low, high : (C,). p is two-sided. The mean difference is the sum of `differences` over that
        of `sizes`; its interval lies within [-1, 1].

    Raises
    ------
    ValueError : if `n_resamples` is not positive, or `confidence_level` not in (0, 1)."""
    check_confidence_level(confidence_level)
    check_int("n_resamples", n_resamples, 1)
    seen, total = differences.sum(0), sizes.sum(0)  # (C,)
    flipped, balance = _flipped(differences, sizes, n_resamples, seed)  # (R, C) each
    p = (1 + (np.abs(flipped) >= np.abs(seen)).sum(0)) / (n_resamples + 1)
    # If the true difference were d, a cluster's excess over d * size would change sign. A flip is
    # as extreme as the observation where |seen - d * total| <= |flipped - d * balance|. Because
    # |balance| <= total, that holds for all d between these two roots.
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.stack([(seen - flipped) / (total - balance), (seen + flipped) / (total + balance)])
    low, high = roots.min(0), roots.max(0)
    same = np.abs(balance) == total  # all signs alike: as extreme for any d
    low[same], high[same] = -np.inf, np.inf
    # d is not refuted while 1 + (flips as extreme) > (1 - level) * (R + 1). The 1e-9 is for
    # rounding: 499.9999999 means 500.
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
    generator, some = np.random.default_rng(seed), max(1, CELLS // len(both))
    drawn = []
    for start in range(0, n_resamples, some):
        shape = (min(some, n_resamples - start), len(both))
        drawn.append((2.0 * generator.integers(2, size=shape) - 1) @ both)
    flipped, balance = np.split(np.concatenate(drawn), 2, axis=1)
    return flipped, balance


def slice_p(
    right: np.ndarray,
    members: np.ndarray,
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    n_permutations: int = N_PERMUTATIONS,
    max_permutations: int = 0,
    seed: int = 0,
) -> np.ndarray:
    """Test S slices of N rows: is the proportion of right rows different from that of the rest?

    Parameters
    ----------
    right : (N,) 1 or 0.
    members : (N, S) 1 where a row is in the slice; every slice and every rest needs rows.
    blocks : (N,) the premise group, the item, and the place within the item (the language) of each
        row, as whole numbers.
    n_permutations : drawn for every slice.
    max_permutations : drawn at most. The number is doubled up to it for slices of which fewer than
        10 permutations are as extreme, whose p would be too coarse to survive a correction.
    seed : draws the permutations.

    Returns
    -------
    (S,) two-sided p in (0, 1]: the proportion of permutations that are at least as extreme as the
    observation, counting the observation (Phipson and Smyth 2010), so never below
    1 / (`max_permutations` + 1). Doubling keeps p valid: a slice that stops has p of more than
    ENOUGH / (n + 1), and for each level below that only the later, longer counts matter (Besag and
    Clifford 1991)."""
    members = members.astype(np.float32)
    inside = members.sum(0, dtype=float)
    outside = len(right) - inside
    total = float(right.sum())

    def difference(hits: np.ndarray) -> np.ndarray:
        return hits / inside - (total - hits) / outside

    seen = np.abs(difference(right @ members)) - 1e-9
    generator, cubes = np.random.default_rng(seed), _cubes(*blocks)
    right, p, extreme = right.astype(np.float32), np.ones(len(seen)), np.zeros(len(seen))
    some = max(1, CELLS // len(right))
    done, wanted, open_slices = 0, n_permutations, np.ones(len(seen), dtype=bool)
    while done < wanted:
        answers = _permuted(right, cubes, min(some, wanted - done), generator)
        extreme += (np.abs(difference((answers @ members).astype(float))) >= seen).sum(0)
        done += len(answers)
        if done == wanted:
            p[open_slices] = (1 + extreme[open_slices]) / (1 + done)
            open_slices &= extreme < ENOUGH
            if open_slices.any():
                wanted = max(wanted, min(2 * wanted, max_permutations))
    return p


def _permuted(
    right: np.ndarray, cubes: list[np.ndarray], size: int, generator: np.random.Generator
) -> np.ndarray:
    """(size, N) answers, permuted in blocks.

    Premise groups A and B have the same shape, two items in two languages; C has one item:

        rows        A1en A1de A2en A2de   B1en B1de B2en B2de   C1en C1de
        1. groups   B1en B1de B2en B2de   A1en A1de A2en A2de   C1en C1de    A and B change places
        2. items    B2en B2de B1en B1de   A1en A1de A2en A2de   C1en C1de    items, within A and B

    The answer of the row in line 2 goes to the row in line 0 above it."""
    answers = np.empty((size, len(right)), dtype=np.float32)
    for cube in cubes:
        groups, items, _ = cube.shape
        source = generator.permuted(np.tile(np.arange(groups), (size, 1)), axis=1)  # (size, C)
        order = np.argsort(generator.random((size, groups, items)), axis=2)  # (size, C, m)
        rows = cube[source[:, :, None], order]  # (size, C, m, L)
        answers[:, cube.ravel()] = right[rows.reshape(size, -1)]
    return answers


def _cubes(group: np.ndarray, item: np.ndarray, place: np.ndarray) -> list[np.ndarray]:
    """Row numbers as (C groups, m items, L places), premise groups of the same shape together.

    For the rows 0 to 9 of `_permuted`: [[[0 1] [2 3]] [[4 5] [6 7]]] for A and B, [[[8 9]]] for C.
    A group whose items are not in the same languages becomes one item: nothing is exchanged in
    it."""
    rows: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in np.lexsort((place, item, group)):
        rows[int(group[row])][int(item[row])].append(int(row))
    shapes: dict[tuple[tuple[int, ...], ...], list[list[list[int]]]] = defaultdict(list)
    for items in rows.values():
        parts = list(items.values())
        if len({tuple(place[part]) for part in parts}) > 1:
            parts = [sorted((row for part in parts for row in part), key=lambda row: place[row])]
        shapes[tuple(tuple(int(value) for value in place[part]) for part in parts)].append(parts)
    return [np.array(parts) for parts in shapes.values()]
