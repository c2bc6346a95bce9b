"""Sentences in a plane: where the model puts pairs, or single sentences, of many languages.

Principal components, or UMAP (McInnes et al. 2018, arXiv:1802.03426) where umap-learn is installed. A language's mean can be taken away first, which
shows what the sentences share across languages (Libovický et al. 2020, arXiv:2004.05160)."""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from tqdm.auto import tqdm

from xlmkit import forward, inference
from xlmkit.checks import is_int
from xlmkit.encoding import Encoding, encode
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs, language_columns, sentence_columns

PROJECTIONS = ("pca", "umap")
PAIR = "pair"


def sentence_vectors(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    of: str = PAIR,
    layer: int | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> np.ndarray:
    """A vector for each row.

    Parameters
    ----------
    of : "pair": the state of the first position, which the head reads, with both sentences before the model; or a column of sentences
        (`premise`, `hypothesis`, `text`): the mean state of its own tokens, the sentence being alone before the model.
    layer : 0 is after the embeddings; None takes the last.

    Returns
    -------
    (N, H) float32, in the order of the rows.

    Raises
    ------
    ValueError : if rows are faulty, there is no such column, or no such layer."""
    frame = check_pairs(pairs, labels=None)
    columns = sentence_columns(frame)
    if of not in (PAIR, *columns):
        raise ValueError(f"`of` must be {PAIR!r} or one of {', '.join(columns)}; got {of!r}")
    last = int(nli.network.config.n_layers)
    layer = last if layer is None else layer
    if not is_int(layer) or not 0 <= layer <= last:
        raise ValueError(
            f"`layer` must be a whole number from 0 (after the embeddings) to {last}, the model's last; got {layer!r}"
        )
    if of == PAIR:
        encoding = inference.encode_frame(nli, frame, max_length=max_length, spans=False)
    else:
        codes = frame[language_columns(frame)[-1 if of == "hypothesis" else 0]].to_list()
        encoding = encode(nli, frame[of].to_list(), None, codes, max_length=max_length, spans=False)
    budget = forward.Budget.of(nli, batch_tokens).tokens
    found = np.empty((len(frame), nli.network.config.emb_dim), dtype=np.float32)
    order = np.argsort(-encoding.lengths, kind="stable")
    with tqdm(total=len(frame), desc="sentence vectors", unit="row", disable=not progress) as bar:
        while len(order):
            size = max(1, budget // int(encoding.lengths[order[0]]))
            rows, order = order[:size], order[size:]
            found[rows] = _pooled(nli, encoding.select(rows), layer, first=of == PAIR)
            bar.update(len(rows))
    return found


def project(
    vectors: np.ndarray, *, projection: str = "pca", groups: np.ndarray | None = None, seed: int = 0
) -> pd.DataFrame:
    """Vectors in two dimensions.

    Parameters
    ----------
    vectors : (N, H), N at least 3.
    projection : "pca", whose axes are directions and whose distances mean something; or "umap", which keeps neighbours only.
    groups : (N,) names; the mean of each group is taken away first. None takes nothing away.
    seed : of UMAP.

    Returns
    -------
    `x`, `y`, a row a vector; `attrs["explained"]`: the axes' shares of the variance in [0, 1], for PCA only.

    Raises
    ------
    ValueError : if the projection is unknown, or there are too few vectors.
    ModuleNotFoundError : if "umap" is asked for and umap-learn is not installed."""
    if projection not in PROJECTIONS:
        raise ValueError(f"`projection` must be one of {', '.join(PROJECTIONS)}; got {projection!r}")
    if len(vectors) < 3:
        raise ValueError(f"a plane needs three or more points; got {len(vectors)}")
    points = np.asarray(vectors, dtype=np.float64)
    if groups is not None:
        numbers = pd.factorize(groups)[0]
        counts = np.bincount(numbers)[:, None]
        means = np.zeros((len(counts), points.shape[1]))
        np.add.at(means, numbers, points)
        points = points - (means / counts)[numbers]
    if projection == "umap":
        if not has_umap():
            raise ModuleNotFoundError(
                "UMAP needs the package umap-learn, which is not installed; remedy: pip install umap-learn, or projection='pca'"
            )
        reducer = importlib.import_module("umap").UMAP(
            n_components=2, n_neighbors=min(15, len(points) - 1), random_state=seed
        )
        return pd.DataFrame(np.asarray(reducer.fit_transform(points))[:, :2], columns=["x", "y"])
    pca = PCA(n_components=2, svd_solver="full")
    result = pd.DataFrame(pca.fit_transform(points), columns=["x", "y"])
    result.attrs["explained"] = [float(share) for share in np.nan_to_num(pca.explained_variance_ratio_)]
    return result


def has_umap() -> bool:
    """Whether umap-learn is installed; it is not loaded to see that."""
    return importlib.util.find_spec("umap") is not None


def _pooled(nli: NLIModel, encoding: Encoding, layer: int, *, first: bool) -> np.ndarray:
    """(B, H): the first position's state, or the mean of all but the special tokens at both ends."""
    mask = encoding.attention_mask
    rows, places = mask.nonzero(as_tuple=True)  # of each real token
    lengths = torch.from_numpy(encoding.lengths)
    tensors = (encoding.input_ids, encoding.langs, mask)
    with torch.inference_mode():
        states = (
            forward.all_layers(nli.network, *(tensor.to(nli.device) for tensor in tensors))[layer].float().cpu()
        )  # (R, H)
    own = places == 0 if first else (places > 0) & (places < lengths[rows] - 1)
    sums = torch.zeros(len(encoding), states.size(1)).index_add_(0, rows[own], states[own])
    return (sums / torch.bincount(rows[own], minlength=len(encoding))[:, None]).numpy()
