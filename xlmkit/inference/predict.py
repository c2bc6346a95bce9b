"""Predicting: pairs, or single texts, with their labels and probabilities.

A checked frame is encoded chunk by chunk, if wanted by other processes while the model computes, and each encoding becomes logits in
length-sorted batches (`forward.length_batches`)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from tqdm.auto import tqdm

from xlmkit import __version__, forward
from xlmkit.encoding import Columns, Encoding, columns, encode, is_whole, lay_out
from xlmkit.model import CLASSIFIERS, NLIModel
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.tokenization.processes import Preparers

CHUNK = 4096  # pairs that are encoded and sorted by length together
TIE = 0.02  # logits; bf16 moves those of the embedded model by 0.003 on average, by 0.018 at most (300 workshop pairs)
def predict(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict the label of every pair, or of every text where the model classifies single texts.

    Parameters
    ----------
    pairs : a frame as `read_pairs` gives it: `premise`, `hypothesis`, `language` (or `premise_language` and `hypothesis_language`);
        for single texts `text` and `language`.
    batch_tokens : padded tokens in one batch; None chooses by device. Out of memory halves it and goes on.
    max_length : the longest pair, special tokens included; longer ones are cut as `encode` says and marked `truncated`.
    workers : processes that prepare texts beside the model. None: up to 4 where the model is on an accelerator and there are more than
        `CHUNK` rows, otherwise 0, since on a processor the model uses every core already.

    Returns
    -------
    The given rows, index and columns, and `prediction`, `p_<label>` for each label (probabilities in [0, 1]), `truncated`, `correct` where the frame
    has gold labels (missing where a row has none), and `untrained` = True throughout if the model's head is random.
    `attrs["provenance"]` names model, kit version and settings.

    Raises
    ------
    ValueError : if rows are faulty (all are named at once), pairs are given to a model of single texts or the other way round, or
        the model has no head."""
    need_head(nli)
    frame = check_input(nli, pairs)
    found, truncated = logits_of_frame(nli, frame, batch_tokens, max_length, workers, progress)
    probabilities = softmax(found)
    result = frame.copy()
    result["prediction"] = np.array(nli.labels, dtype=object)[found.argmax(1)]
    for column, label in enumerate(nli.labels):
        result[f"p_{label}"] = probabilities[:, column]
    result["truncated"] = truncated
    if "gold" in result:
        correct = (result["prediction"] == result["gold"]).astype("boolean")
        result["correct"] = correct.mask(result["gold"].isna())
    if not nli.trained:
        result["untrained"] = True
    settings = {
        "max_length": max_length,
        "dtype": str(nli.dtype).removeprefix("torch."),
        "device": nli.device.type,
    }
    result.attrs["provenance"] = provenance(nli, "predict", settings)
    return result


def provenance(nli: NLIModel, task: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What a result must carry to be made again: the model, the kit's version, what was asked."""
    return {"xlmkit": __version__, "task": task, "settings": settings, "model": dict(nli.provenance)}


