"""A permutation test for "these rows are right as often as the rest", when rows come in prompts, items and translations.

Under the null hypothesis which prompt a pattern of right and wrong answers fell on is chance. So whole prompts change places with prompts of the same
shape, and items within a prompt; the translations of an item stay together and in their places. What makes rows of a prompt alike, in answers or
in slices, is kept (exchangeability in blocks: Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

COUNT = 2_000  # permutations
COUNTED = 10  # permutations at least as extreme, below which p is not counted but taken from the tail of a normal distribution
CELLS = 2**22  # permuted rows that are in memory together


def slice_p(
    right: np.ndarray,
    members: np.ndarray,
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    n_permutations: int = COUNT,
    seed: int = 0,
) -> np.ndarray:
    """Two-sided p of S slices of N rows: is the share of right rows another than in the rest?

    Parameters
    ----------
    right : (N,) 1 or 0.
    members : (N, S) 1 where a row is in the slice; every slice and every rest needs rows.
    blocks : (N,) the prompt, the item within the prompts, and the place within the item (language) of each row, as whole numbers.
    n_permutations, seed : permutations, and what draws them.

    Returns
    -------
    (S,) in (0, 1]: the share of permutations whose difference is at least as large, that which was seen included. Where fewer than 10 are, the
    share is too coarse for corrections over many slices, and p is the tail of the normal distribution with the permutations' spread, where
    that is less."""
    members = members.astype(np.float32)
    inside = members.sum(0, dtype=float)
    outside = len(right) - inside
    total = float(right.sum())

    def difference(hits: np.ndarray) -> np.ndarray:
        return hits / inside - (total - hits) / outside

    seen = difference(right @ members)
    values = np.concatenate(
        [
            difference((answers @ members).astype(float))
            for answers in _permuted(right.astype(np.float32), blocks, n_permutations, seed)
        ]
    )
    extreme = (np.abs(values) >= np.abs(seen) - 1e-9).sum(0)
    counted = (1 + extreme) / (1 + n_permutations)
    spread = np.sqrt((values**2).mean(0))
    with np.errstate(divide="ignore", invalid="ignore"):  # no spread: all permutations show what was seen
        tail = 2 * norm.sf(np.abs(seen) / spread)
    return np.where((extreme < COUNTED) & (spread > 0), np.minimum(counted, tail), counted)


def _permuted(
    right: np.ndarray, blocks: tuple[np.ndarray, np.ndarray, np.ndarray], n_permutations: int, seed: int
) -> Iterator[np.ndarray]:
    """(some, N) answers at a time, permuted in blocks."""
    generator = np.random.default_rng(seed)
    cubes = _cubes(*blocks)
    some = max(1, CELLS // len(right))
    for start in range(0, n_permutations, some):
        size = min(some, n_permutations - start)
        answers = np.empty((size, len(right)), dtype=np.float32)
        for cube in cubes:
            prompts, items, _ = cube.shape
            source = generator.permuted(np.tile(np.arange(prompts), (size, 1)), axis=1)  # (size, C)
            order = np.argsort(generator.random((size, prompts, items)), axis=2)  # (size, C, m)
            rows = cube[source[:, :, None], order]  # (size, C, m, L)
            answers[:, cube.ravel()] = right[rows.reshape(size, -1)]
        yield answers


def _cubes(prompt: np.ndarray, item: np.ndarray, place: np.ndarray) -> list[np.ndarray]:
    """The rows as (C prompts, m items, L places), prompts of the same shape together.

    A prompt whose items do not have the same places is one block: its items are not exchanged."""
    rows: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in np.lexsort((place, item, prompt)):
        rows[int(prompt[row])][int(item[row])].append(int(row))
    shapes: dict[tuple[tuple[int, ...], ...], list[list[list[int]]]] = defaultdict(list)
    for items in rows.values():
        parts = list(items.values())
        if len({tuple(place[part]) for part in parts}) > 1:
            parts = [sorted((row for part in parts for row in part), key=lambda row: place[row])]
        shapes[tuple(tuple(int(value) for value in place[part]) for part in parts)].append(parts)
    return [np.array(parts) for parts in shapes.values()]
