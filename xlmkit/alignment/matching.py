"""Matching: which words of two sentences belong together, from the similarity of their vectors.

Argmax and itermax are those of SimAlign (Jalili Sabet et al. 2020, arXiv:2004.08728, sections 2.2 and 2.3)."""

from __future__ import annotations

import numpy as np

MATCHINGS = ("itermax", "argmax")
DISCOUNT = 0.9  # SimAlign's alpha: a second partner counts a tenth less


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(cosine + 1) / 2 of all pairs of words, after each sentence's mean word was taken away from its words.

    Parameters
    ----------
    first, second : (..., N, H) and (..., M, H) vectors of the words of two sentences.

    Returns
    -------
    (..., N, M) in [0, 1]; higher is more alike. Where a sentence has one word only, which is its own mean, neither mean is taken away."""
    if min(first.shape[-2], second.shape[-2]) > 1:
        first, second = (words - words.mean(-2, keepdims=True) for words in (first, second))
    first, second = (_unit(words) for words in (first, second))
    return (first @ np.swapaxes(second, -1, -2) + 1) / 2


def match(similar: np.ndarray, matching: str = "itermax") -> np.ndarray:
    """The words that correspond.

    Parameters
    ----------
    similar : (N, M) similarities, 0 or more; of equal ones the first counts.
    matching : "argmax": words that are each other's nearest, so each has one partner at most. "itermax": then once more for what is left, where
        a word that has a partner may get a second one at a discount of a tenth; two words that both have partners are not joined.

    Returns
    -------
    (N, M) truth values.

    Raises
    ------
    ValueError : if `matching` is unknown."""
    check_matching(matching)
    found = _mutual(similar)
    if matching == "argmax" or min(similar.shape) <= 2:  # as SimAlign's own code stops there
        return found
    free = ~found.any(1, keepdims=True), ~found.any(0, keepdims=True)
    if not (free[0].any() and free[1].any()):
        return found
    weights = np.minimum(DISCOUNT * free[0] + DISCOUNT * free[1], 1.0)  # both free 1, one 0.9, none 0
    return found | (_mutual(similar * weights) & (weights > 0))


def check_matching(matching: str) -> None:
    """Refuse with a ValueError a matching that is not there."""
    if matching not in MATCHINGS:
        raise ValueError(f"`matching` must be one of {', '.join(MATCHINGS)}; got {matching!r}")


def _mutual(similar: np.ndarray) -> np.ndarray:
    """(N, M) true where two words are each other's nearest."""
    nearest, back = similar.argmax(1), similar.argmax(0)
    rows = np.arange(len(similar))
    found = np.zeros(similar.shape, dtype=bool)
    found[rows, nearest] = back[nearest] == rows
    return found


def _unit(words: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(words, axis=-1, keepdims=True)
    return words / np.where(length > 0, length, 1.0)
