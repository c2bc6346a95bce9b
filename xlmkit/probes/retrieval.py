"""Retrieval: does a sentence lie nearest to its own translation, layer by layer, and does the language id matter for that?

A sentence's vector is the mean of its tokens' states, special tokens left out (as in LASER's and Tatoeba's retrieval, Artetxe and Schwenk 2019,
arXiv:1812.10464; by layer in Conneau et al. 2020, arXiv:1911.01464). Sentences are single texts, `</s> text </s>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xlmkit import forward, inference
from xlmkit.encoding import Encoding, encode
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.probes.ids import NONE, codes, need_language_ids
from xlmkit.probes.parallel import parallel
from xlmkit.stats import wilson

IDS = ("right", "wrong", NONE)


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
    """How often the nearest sentence of the pivot's language is the translation, by language and layer.

    Parameters
    ----------
    pairs : parallel items (`item`, `language`). A model without a head does: load(..., task="mlm").
    pivot : the language to search in.
    column : the sentences; None: `premise`, or `text` in a frame of single texts.
    ids : what all sentences, the pivot's too, are given: "right"; "wrong", the id of the language half-way round the model's list (`wrong_language`);
        or "none".
    centred : take each language's mean away first (Libovický et al. 2020, arXiv:2004.05160).
    batch_tokens, max_length : as `predict` takes them.

    Returns
    -------
    `layer` (0: after the embeddings), `language`, `ids`, `n` sentences, `accuracy` (at 1, by cosine; in [0, 1], higher is better) with `low` and `high` (Wilson, 95 %) and
    `chance` (1 / n). Of items that have the same sentence in some language only the first is kept, since no retrieval could tell them apart.

    Raises
    ------
    ValueError : if items are not parallel (the first that is missing is named), the pivot is not among the languages, an option is unknown,
        or "wrong" or "none" is asked of a model without language ids."""
    frame, column = _sentences(pairs, column)
    pivot = resolve(pivot)
    languages = sorted(frame["language"].unique())
    _check(nli, languages, pivot, ids)
    texts = {code: rows[column].to_list() for code, rows in frame.groupby("language")}
    budget = forward.Budget.of(nli, batch_tokens).tokens
    rows = []
    with tqdm(total=len(ids) * len(frame), desc="retrieval", unit="sentence", disable=not progress) as bar:
        for setting in ids:
            target = _vectors(nli, texts[pivot], pivot, setting, budget, max_length, bar)
            target = _directions(target, centred)
            for code in languages:
                if code == pivot:
                    continue
                asked = _directions(
                    _vectors(nli, texts[code], code, setting, budget, max_length, bar), centred
                )
                for layer, (ours, theirs) in enumerate(zip(asked, target, strict=True)):
                    hits = (ours @ theirs.T).argmax(1) == np.arange(len(ours))
                    rows.append({"layer": layer, "language": code, "ids": setting, **_share(hits)})
    result = pd.DataFrame(rows)
    settings = {"pivot": pivot, "column": column, "centred": centred, "max_length": max_length}
    result.attrs["provenance"] = inference.provenance(nli, "retrieval", settings)
    return result


def wrong_language(nli: NLIModel, code: str) -> str:
    """The language half-way round the model's list: a fixed choice, so that results can be had again."""
    names = codes(nli)
    return names[(names.index(code) + max(1, len(names) // 2)) % len(names)]


def _sentences(pairs: pd.DataFrame, column: str | None) -> tuple[pd.DataFrame, str]:
    """Parallel items whose sentences all differ within each language."""
    frame = parallel(pairs)
    column = column or ("text" if "text" in frame else "premise")
    if column not in frame:
        raise ValueError(
            f"expected a column {column!r} of sentences; got {', '.join(map(str, frame.columns))}"
        )
    again = frame.duplicated(["language", column])
    kept = frame[~frame["item"].isin(frame.loc[again, "item"])]
    if kept["item"].nunique() < 2:
        raise ValueError(
            "expected two or more different sentences to search among; got fewer; remedy: more items"
        )
    return kept, column


def _check(nli: NLIModel, languages: list[str], pivot: str, ids: Sequence[str]) -> None:
    unknown = [name for name in ids if name not in IDS]
    if unknown or isinstance(ids, str) or not ids:
        raise ValueError(f"`ids` must be some of {', '.join(IDS)}; got {ids!r}")
    if pivot not in languages:
        raise ValueError(
            f"`pivot` must be one of the languages that are there, {', '.join(languages)}; got {pivot!r}"
        )
    if set(ids) != {"right"}:
        need_language_ids(nli)


def _share(hits: np.ndarray) -> dict[str, float]:
    low, high = wilson(float(hits.mean()), len(hits))
    return {"n": len(hits), "accuracy": float(hits.mean()), "low": low, "high": high, "chance": 1 / len(hits)}


def _directions(vectors: np.ndarray, centred: bool) -> np.ndarray:
    """(layers, N, H) of length 1."""
    if centred:
        vectors = vectors - vectors.mean(1, keepdims=True)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-12)


def _vectors(
    nli: NLIModel, texts: list[str], code: str, setting: str, budget: int, max_length: int, bar: tqdm
) -> np.ndarray:
    """(layers + 1, N, H) float32 mean states of the texts' own tokens."""
    encoding = encode(nli, texts, None, code, max_length=max_length, spans=False)
    if setting == "wrong":
        encoding = replace(
            encoding, langs=torch.full_like(encoding.langs, nli.lang2id[wrong_language(nli, code)])
        )
    config = nli.network.config
    found = np.empty((config.n_layers + 1, len(texts), config.emb_dim), dtype=np.float32)
    order = np.argsort(-encoding.lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = order[start : start + max(1, budget // int(encoding.lengths[order[start]]))]
        found[:, rows] = _means(nli, encoding.select(rows), without_ids=setting == NONE)
        bar.update(len(rows))
        start += len(rows)
    return found


def _means(nli: NLIModel, encoding: Encoding, *, without_ids: bool) -> np.ndarray:
    """(layers + 1, B, H)"""
    mask = encoding.attention_mask
    rows, places = mask.nonzero(as_tuple=True)  # of each real token
    lengths = torch.from_numpy(encoding.lengths)
    own = (places > 0) & (places < lengths[rows] - 1)  # all but the first and the last `</s>`
    langs = None if without_ids else encoding.langs.to(nli.device)
    with torch.inference_mode():
        layers = forward.all_layers(nli.network, encoding.input_ids.to(nli.device), langs, mask.to(nli.device))
    means = [
        torch.zeros(len(encoding), states.size(1)).index_add_(0, rows[own], states.cpu()[own])
        / (lengths - 2)[:, None]
        for states in layers
    ]
    return torch.stack(means).numpy()
