"""The bootstrap over prompts: what a figure would have been, had other prompts been drawn (Efron 1979).

Rows are not resampled, prompts are, each with all of its items in all languages: items of one prompt share a premise, and translations share
everything but the language. So every language sees the same resample. Whatever is computed from sums over rows is computed from sums over
prompts, and all resamples of a sum are one product of matrices: (count x prompts) weights times (prompts x sums)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from xlmkit.stats.frames import prompt_numbers

COUNT = 10_000  # resamples
CELLS = 2**20  # weights that are in memory together, 8 MB


def resamples(preds: pd.DataFrame, n_resamples: int = COUNT, seed: int = 0) -> np.ndarray:
    """How often each resample drew each prompt of `preds`; prompts are numbered as `frames.prompt_numbers` does it.

    Returns
    -------
    (count, P) whole numbers; every row sums to P. The same `seed` gives the same resamples.

    Raises
    ------
    ValueError : if `n_resamples` is not positive, or there are no rows."""
    prompts = int(prompt_numbers(preds)[0].max(initial=-1)) + 1
    return np.concatenate(list(weights(prompts, n_resamples=n_resamples, seed=seed))).astype(np.int64)


def weights(prompts: int, *, n_resamples: int = COUNT, seed: int = 0) -> Iterator[np.ndarray]:
    """The multinomial weights of `n_resamples` resamples of P `prompts`, as (some, P) float64 at a time, so that memory stays small.

    Raises
    ------
    ValueError : if `prompts` or `n_resamples` is not positive."""
    if prompts < 1 or n_resamples < 1:
        raise ValueError(
            f"expected one or more prompts and resamples; got {prompts} prompts, `n_resamples` {n_resamples!r}"
        )
    generator = np.random.default_rng(seed)
    some = max(1, CELLS // prompts)
    for start in range(0, n_resamples, some):
        size = min(some, n_resamples - start)
        drawn = generator.integers(prompts, size=(size, prompts))
        drawn += np.arange(size)[:, None] * prompts
        yield np.bincount(drawn.ravel(), minlength=size * prompts).reshape(size, prompts).astype(float)


def sums(values: np.ndarray, prompts: np.ndarray, size: int | None = None) -> np.ndarray:
    """(N, ...) values by row -> (P, ...) their sums by prompt, which `totals` resamples.

    `prompts` are the (N,) numbers of the rows' prompts; `size` is P where it is not the largest of them and one."""
    result = np.zeros((int(prompts.max()) + 1 if size is None else size, *values.shape[1:]))
    np.add.at(result, prompts, values)
    return result


def totals(values: np.ndarray, *, n_resamples: int = COUNT, seed: int = 0) -> np.ndarray:
    """(P, ...) sums by prompt -> (count, ...) their sums over each resample; the same `seed` draws the same prompts, whatever the sums."""
    flat = values.reshape(len(values), -1).astype(float)
    drawn = [chosen @ flat for chosen in weights(len(values), n_resamples=n_resamples, seed=seed)]
    return np.concatenate(drawn).reshape(-1, *values.shape[1:])


def interval(resampled: np.ndarray, *, confidence_level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """(count, ...) resampled figures -> their percentile interval, low and high of shape (...); resamples without the figure (NaN) are left out.

    Raises
    ------
    ValueError : if `confidence_level` does not lie between 0 and 1."""
    check_confidence_level(confidence_level)
    tail = (1 - confidence_level) / 2
    flat = resampled.reshape(len(resampled), -1)
    found = np.full((2, flat.shape[1]), np.nan)
    missing = np.isnan(flat)
    whole, none = ~missing.any(0), missing.all(0)
    found[:, whole] = np.quantile(flat[:, whole], [tail, 1 - tail], axis=0)
    part = ~whole & ~none  # nanquantile is many times as slow
    found[:, part] = np.nanquantile(flat[:, part], [tail, 1 - tail], axis=0)
    low, high = found.reshape(2, *resampled.shape[1:])
    return low, high


def check_confidence_level(confidence_level: float) -> None:
    """Refuse with a ValueError what does not lie between 0 and 1."""
    if not 0 < confidence_level < 1:
        raise ValueError(f"`confidence_level` must be between 0 and 1; got {confidence_level!r}")
