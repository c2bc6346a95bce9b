"""Word embeddings that 15 languages share, from aligned segments alone: pieces that stand in the same segments lie close.

The sentence's number as the only feature of a word is enough for that (Levy et al. 2017, arXiv:1608.05426); weighed by positive pointwise
mutual information with smoothed contexts (Levy et al. 2015) and reduced by a randomised SVD (Halko et al. 2011)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd


def aligned(segments: Sequence[Iterable[Sequence[int]]], *, size: int, width: int, seed: int) -> np.ndarray:
    """Embeddings of pieces from segments, each given as the ids of its translations.

    Returns
    -------
    (size, width) float32: rows of length 1, or 0 for pieces that never occur (and for all beyond the rank of few segments)."""
    rows, columns, values = [], [], []
    for column, translations in enumerate(segments):
        for ids in translations:
            pieces, counts = np.unique(np.asarray(ids, dtype=np.int64), return_counts=True)
            rows.append(pieces)
            columns.append(np.full(len(pieces), column))
            values.append(np.log1p(counts))
    places = (np.concatenate(rows), np.concatenate(columns))
    counts = sp.csr_matrix((np.concatenate(values), places), shape=(size, len(segments)), dtype=np.float64)
    rank = min(width, min(counts.shape) - 1)
    left, strengths, _ = randomized_svd(_ppmi(counts), rank, n_iter=4, random_state=seed)
    found = np.zeros((size, width))
    found[:, :rank] = left * np.sqrt(strengths)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 1e-9).astype(np.float32)


def _ppmi(counts: sp.csr_matrix) -> sp.csr_matrix:
    """max(0, log p(piece, segment) / (p(piece) p(segment)^0.75))."""
    piece = np.asarray(counts.sum(1)).ravel()
    segment = np.asarray(counts.sum(0)).ravel() ** 0.75
    entries = counts.tocoo()
    expected = piece[entries.row] * segment[entries.col] / segment.sum()
    information = np.maximum(np.log(entries.data / expected), 0).astype(np.float32)
    result = sp.csr_matrix((information, (entries.row, entries.col)), shape=counts.shape)
    result.eliminate_zeros()
    return result
