"""Predicting: pairs, or single texts, with their labels and probabilities.

A checked frame is encoded chunk by chunk, optionally by other processes while the model computes;
each encoding becomes logits in length-sorted batches (`forward.length_batches`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from tqdm.auto import tqdm

from xlmkit import __version__, forward
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding, build_inputs, encode_columns
from xlmkit.forward import Budget
from xlmkit.model import CLASSIFIERS, NLIModel
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.tokenization import tokenize_chunks

CHUNK = 4096  # pairs that are encoded and sorted by length together
# In logits. Where bf16 changes a label of the bundled model, fp32's best logit leads by at most
# 0.006 (the model's card, section "Accuracy").
TIE = 0.02


def predict(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
    workers: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict the label of every pair, or of every text if the model classifies single texts.

    Parameters
    ----------
    pairs : a frame as `read_pairs` returns it: `premise`, `hypothesis`, `language` (or
        `premise_language` and `hypothesis_language`); for single texts `text` and `language`.
    batch_tokens : padded tokens in one batch; None chooses by device. When memory runs out it is
        halved.
    max_length : tokens of the longest pair, special tokens included; longer ones are cut as
        `encode` describes and marked `truncated`.
    workers : processes that tokenize ahead of the model, at least 0. On a GPU and with very many
        pairs 2 to 4 help; a script that uses them needs `if __name__ == "__main__":` around its
        calls.
    progress : show a progress bar.

    Returns
    -------
    A copy of the frame, rows and columns in the same order, with `prediction`, `p_<label>` for each
    label (probabilities in [0, 1]), `truncated`, `correct` if the frame has gold labels (missing
    where a row has none), and `untrained` = True throughout if the model's head is random.
    `attrs["provenance"]` names model, kit version and settings.

    Raises
    ------
    ValueError : if rows are faulty (all are named at once), a model of single texts gets pairs or
        the other way round, or the model has no head."""
    need_head(nli)
    frame = check_input(nli, pairs)
    scores, truncated = logits_of_frame(
        nli, frame, batch_tokens=batch_tokens, max_length=max_length, workers=workers, progress=progress
    )
    probabilities = softmax(scores.astype(np.float64), axis=1)
    added: dict[str, Any] = {"prediction": np.array(nli.labels, dtype=object)[scores.argmax(1)]}
    added |= {f"p_{label}": probabilities[:, column] for column, label in enumerate(nli.labels)}
    added["truncated"] = truncated
    if "gold" in frame:
        correct = pd.Series(added["prediction"] == frame["gold"], dtype="boolean")
        added["correct"] = correct.mask(frame["gold"].isna())
    if not nli.trained:
        added["untrained"] = True
    result = frame.assign(**added)
    settings = {
        "max_length": max_length,
        "dtype": str(nli.dtype).removeprefix("torch."),
        "device": nli.device.type,
    }
    result.attrs["provenance"] = provenance(nli, "predict", settings)
    return result


def provenance(nli: NLIModel, task: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What is needed to compute a result again: the model, the kit's version and the settings."""
    return {"xlmkit": __version__, "task": task, "settings": settings, "model": dict(nli.provenance)}


def need_head(nli: NLIModel) -> None:
    """Refuse a model without a head for labels (ValueError), and anything that is not a model
    (TypeError)."""
    if not isinstance(nli, NLIModel):
        raise TypeError(f"expected a model first; got {type(nli).__name__}. Load one with nli = load(...).")
    if nli.task not in CLASSIFIERS:
        raise ValueError(
            f"expected a model with a head for NLI or another classification; got task {nli.task!r}. "
            "Use load(source, task='nli')."
        )


def check_input(nli: NLIModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Check pairs, or single texts, against the model.

    Returns
    -------
    A new frame, as `check_pairs` returns it.

    Raises
    ------
    ValueError : if rows are faulty, or the model was trained on single texts and gets pairs, or the
        other way round."""
    checked = check_pairs(frame, labels=nli.labels)
    number = len(sentence_columns(checked))
    if nli.sentences not in (None, number):
        forms = {1: "single texts (`text`)", 2: "pairs (`premise` and `hypothesis`)"}
        raise ValueError(
            f"the model {nli.source!r} was trained on {forms[nli.sentences]}; got {forms[number]}. "
            "Give it the form of input that it was trained on."
        )
    return checked


def encode_frame(nli: NLIModel, frame: pd.DataFrame, *, max_length: int, spans: bool) -> Encoding:
    """`encode` for the pairs, or the single texts, of a checked frame."""
    texts, codes = _columns(frame)
    return encode_columns(nli, texts, codes, max_length=max_length, spans=spans)


def logits(
    nli: NLIModel,
    encoding: Encoding,
    *,
    batch_tokens: int | None = None,
    budget: Budget | None = None,
    bar: tqdm | None = None,
) -> np.ndarray:
    """Compute the logits of every pair of an encoding, in length-sorted batches.

    Parameters
    ----------
    batch_tokens : padded tokens in one batch; None chooses by device.
    budget : instead of `batch_tokens`, one that several calls share.
    bar : a progress bar, which counts pairs.

    Returns
    -------
    (N, labels) float32, in the order of the pairs and of `nli.labels`. They do not depend on the
    batches (1e-5 in fp32). In lower precision, a pair whose two best logits lie within `TIE` is
    computed again in fp32, so that rounding alone never decides a label.

    Raises
    ------
    ValueError : if the model has no head.
    MemoryError : if not even one pair fits."""
    need_head(nli)
    budget = budget or Budget.of(nli, batch_tokens)
    result = np.full((len(encoding), len(nli.labels)), np.nan, dtype=np.float32)
    for rows, values in forward.length_batches(
        encoding.lengths, budget, lambda rows: forward.logits(nli, encoding.select(rows)).numpy()
    ):
        result[rows] = values
        if bar is not None:
            bar.update(len(rows))
    if nli.dtype != torch.float32:
        best = np.sort(result, axis=1)[:, -2:]
        close = np.flatnonzero(best[:, -1] - best[:, 0] < TIE)
        exact = replace(nli, dtype=torch.float32)
        result[close] = logits(exact, encoding.select(close), budget=budget)
    return result


def logits_of_frame(
    nli: NLIModel,
    frame: pd.DataFrame,
    *,
    batch_tokens: int | None,
    max_length: int,
    workers: int = 0,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(N, labels) float32 logits and (N,) whether a pair was truncated, of a checked frame; options
    as in `predict`."""
    result = np.full((len(frame), len(nli.labels)), np.nan, dtype=np.float32)
    truncated = np.zeros(len(frame), dtype=bool)
    budget = Budget.of(nli, batch_tokens)
    with tqdm(total=len(frame), desc="predict", unit="pair", disable=not progress) as bar:
        for rows, encoding in encodings(nli, frame, max_length, workers):
            result[rows] = logits(nli, encoding, budget=budget, bar=bar)
            truncated[rows] = encoding.truncated
    return result, truncated


def encodings(
    nli: NLIModel, frame: pd.DataFrame, max_length: int, workers: int
) -> Iterator[tuple[slice, Encoding]]:
    """The rows of a checked frame in chunks of `CHUNK`, encoded without spans; `workers` processes
    tokenize ahead."""
    check_int("workers", workers, 0)
    chunks = [slice(start, start + CHUNK) for start in range(0, len(frame), CHUNK)]
    columns = (_columns(frame.iloc[rows]) for rows in chunks)
    flat = ((list(chain.from_iterable(texts)), list(chain.from_iterable(codes))) for texts, codes in columns)
    tokenized = tokenize_chunks(nli.tokenizer, flat, lowercase=nli.lowercase, workers=workers)
    for rows, each in zip(chunks, tokenized, strict=True):
        yield rows, build_inputs(nli, *_columns(frame.iloc[rows]), each, max_length=max_length)


def _columns(frame: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
    """The texts of a checked frame by column, and the language codes of each column."""
    texts = [frame[name].to_list() for name in sentence_columns(frame)]
    codes = [frame[name].to_list() for name in language_columns(frame)]
    return texts, codes if len(codes) == len(texts) else codes * len(texts)
