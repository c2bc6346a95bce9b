"""Sentences as vectors: whether one lies nearest to its own translation, layer by layer, and a map
of many in a plane.

The vector of a sentence is the mean of its tokens' hidden states without the special tokens, as in
the retrieval of LASER and Tatoeba (Artetxe and Schwenk 2019, arXiv:1812.10464) and, by layer, in
Conneau et al. 2020 (arXiv:1911.01464). The sentence is alone before the model, `</s> text </s>`.
Subtracting each language's mean shows what sentences share across languages (Libovický et al. 2020,
arXiv:2004.05160)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from tqdm.auto import tqdm

from xlmkit import forward, inference
from xlmkit.checks import check_choice, check_int
from xlmkit.encoding import encode
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.probes.language_ids import NONE, check_has_language_ids, language_codes, set_language_id
from xlmkit.probes.mixed_languages import check_parallel
from xlmkit.stats import wilson

IDS = ("right", "wrong", NONE)
PAIR = "pair"
PROJECTIONS = ("pca", "umap")


def retrieval(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    pivot: str = "en",
    column: str | None = None,
    ids: Sequence[str] = IDS,
    centred: bool = False,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """How often the nearest sentence of the pivot language is the translation, by language and
    layer.

    Parameters
    ----------
    pairs : parallel items (`item`, `language`).
    nli : a model with or without a head, such as load(..., task="mlm").
    pivot : the language to search in.
    column : the column of sentences; None: `premise`, or `text` in a frame of single texts.
    ids : the language ids of all sentences, the pivot's too: "right"; "wrong", the id of another
        language (`wrong_language`); or "none".
    centred : whether to subtract each language's mean first.
    batch_tokens, max_length : as for `predict`.

    Returns
    -------
    One row per setting, language and layer: `layer` (0: after the embeddings), `language`, `ids`,
    `n` sentences, `accuracy` (of the nearest by cosine, in [0, 1], higher is better) with `low` and
    `high` (Wilson, 95 %) and `chance` (1 / n). Of items with the same sentence in a language only
    the first is kept, as no retrieval can tell them apart.

    Raises
    ------
    ValueError : if items are not parallel (the first missing one is named), the pivot is not among
        the languages, an option is unknown, or a model without language ids is asked for "wrong" or
        "none"."""
    frame = check_parallel(pairs)
    column = column or ("text" if "text" in frame else "premise")
    if column not in frame:
        raise ValueError(
            f"expected a column {column!r} of sentences; got {', '.join(map(str, frame.columns))}"
        )
    frame = frame[~frame["item"].isin(frame.loc[frame.duplicated(["language", column]), "item"])]
    if frame["item"].nunique() < 2:
        raise ValueError("expected at least 2 different sentences to search among. Pass more items.")
    if isinstance(ids, str) or not ids or not set(ids) <= set(IDS):
        raise ValueError(f"`ids` must be some of {', '.join(IDS)}; got {ids!r}")
    texts = {str(code): rows[column].to_list() for code, rows in frame.groupby("language")}
    pivot = resolve(pivot)
    check_choice("pivot", pivot, texts)
    if set(ids) != {"right"}:
        check_has_language_ids(nli)
    budget = forward.Budget.of(nli, batch_tokens)
    rows = []
    with tqdm(total=len(ids) * len(frame), desc="retrieval", unit="sentence", disable=not progress) as bar:

        def directions(code: str, setting: str) -> np.ndarray:
            """(layers + 1, N, H) embeddings of the sentences of a language, of length 1."""
            encoding = encode(nli, texts[code], None, code, max_length=max_length, spans=False)
            if setting == "wrong":
                encoding = set_language_id(encoding, nli.lang2id[wrong_language(nli, code)])
            states = forward.hidden_states(
                nli, encoding, budget=budget, language_ids=setting != NONE, bar=bar
            )
            vectors = np.stack(states, axis=1)
            if centred:
                vectors = vectors - vectors.mean(1, keepdims=True)
            return vectors / np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-12)

        for setting in ids:
            targets = directions(pivot, setting)
            for code in [code for code in texts if code != pivot]:
                queries = directions(code, setting)
                for layer, (query, target) in enumerate(zip(queries, targets, strict=True)):
                    hits = (query @ target.T).argmax(1) == np.arange(len(query))
                    low, high = map(float, wilson(hits.mean(), len(hits)))
                    row = {"layer": layer, "language": code, "ids": setting, "n": len(hits)}
                    row |= {"accuracy": float(hits.mean()), "low": low, "high": high}
                    rows.append({**row, "chance": 1 / len(hits)})
    result = pd.DataFrame(rows)
    settings = {"pivot": pivot, "column": column, "centred": centred, "max_length": max_length}
    result.attrs["provenance"] = inference.provenance(nli, "retrieval", settings)
    return result


def wrong_language(nli: NLIModel, code: str) -> str:
    """The language half-way round the model's list: a fixed choice, so that results are
    reproducible."""
    names = language_codes(nli)
    return names[(names.index(code) + max(1, len(names) // 2)) % len(names)]


def sentence_embeddings(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    of: str = PAIR,
    layer: int | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> np.ndarray:
    """One vector per row.

    Parameters
    ----------
    of : "pair": the hidden state of the first position, which the head reads, of both sentences
        together; or a column of sentences (`premise`, `hypothesis`, `text`): the mean hidden state
        of the sentence's own tokens.
    layer : 0 is after the embeddings; None takes the last.
    batch_tokens, max_length : as for `predict`.

    Returns
    -------
    (N, H) float32, in the order of the rows.

    Raises
    ------
    ValueError : if rows are invalid, or there is no such column or layer."""
    frame = check_pairs(pairs, labels=None)
    check_choice("of", of, (PAIR, *sentence_columns(frame)))
    last = int(nli.network.config.n_layers)
    layer = last if layer is None else layer
    check_int("layer", layer, 0, last)
    if of == PAIR:
        encoding = inference.encode_frame(nli, frame, max_length=max_length, spans=False)
    else:
        codes = frame[language_columns(frame)[-1 if of == "hypothesis" else 0]].to_list()
        encoding = encode(nli, frame[of].to_list(), None, codes, max_length=max_length, spans=False)
    budget, pool = forward.Budget.of(nli, batch_tokens), "first" if of == PAIR else "sentence"
    with tqdm(total=len(frame), desc="sentence embeddings", unit="row", disable=not progress) as bar:
        vectors = forward.hidden_states(nli, encoding, [layer], pool, budget=budget, bar=bar)
    return np.concatenate(vectors)


def project(
    vectors: np.ndarray, *, projection: str = "pca", groups: np.ndarray | None = None, seed: int = 0
) -> pd.DataFrame:
    """Project vectors into a plane.

    Parameters
    ----------
    vectors : (N, H), N at least 3.
    projection : "pca", whose axes are directions and whose distances mean something; or "umap"
        (McInnes et al. 2018, arXiv:1802.03426), which keeps neighbours only.
    groups : (N,) names; the mean of each group is subtracted first. None subtracts nothing.
    seed : of UMAP.

    Returns
    -------
    `x`, `y`, one row per vector; `attrs["explained"]`: the fractions of the variance on the axes,
    in [0, 1], for PCA only.

    Raises
    ------
    ValueError : if the projection is unknown, or there are too few vectors.
    ModuleNotFoundError : if "umap" is requested and umap-learn is not installed."""
    check_choice("projection", projection, PROJECTIONS)
    if len(vectors) < 3:
        raise ValueError(f"expected at least 3 points for a plane; got {len(vectors)}")
    points = pd.DataFrame(np.asarray(vectors, dtype=np.float64))
    if groups is not None:
        points = points - points.groupby(np.asarray(groups)).transform("mean")
    if projection == "pca":
        pca = PCA(n_components=2, svd_solver="full")
        result = pd.DataFrame(pca.fit_transform(points.to_numpy()), columns=["x", "y"])
        result.attrs["explained"] = np.nan_to_num(pca.explained_variance_ratio_).tolist()
        return result
    if not has_umap():
        raise ModuleNotFoundError(
            "UMAP needs the package umap-learn, which is not installed. Run pip install umap-learn, or use projection='pca'."
        )
    umap = importlib.import_module("umap")
    reducer = umap.UMAP(n_components=2, n_neighbors=min(15, len(points) - 1), random_state=seed)
    return pd.DataFrame(np.asarray(reducer.fit_transform(points.to_numpy()))[:, :2], columns=["x", "y"])


def has_umap() -> bool:
    """Whether umap-learn is installed, without loading it."""
    return importlib.util.find_spec("umap") is not None
