"""Predicting: pairs, or single texts, with their labels and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit import __version__
from xlmkit.inference.batches import Budget, logits_within
from xlmkit.inference.feeding import check_input, encodings, need_head
from xlmkit.model import NLIModel


def predict(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
    workers: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict the label of every pair, or of every text where the model classifies single texts.

    Parameters
    ----------
    pairs : a frame as `read_pairs` gives it: `premise`, `hypothesis`, `language` (or `premise_language` and `hypothesis_language`);
        for single texts `text` and `language`.
    batch_tokens : padded tokens in one batch; None chooses by device. Out of memory halves it and goes on.
    max_length : the longest pair, special tokens included; longer ones are cut as `encode` says and marked `truncated`.
    workers : processes that tokenize ahead of the model, at least 0. On a GPU and with very many pairs 2 to 4 help; a
        script that asks for them needs `if __name__ == "__main__":` around its calls.

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


def logits_of_frame(
    nli: NLIModel,
    frame: pd.DataFrame,
    batch_tokens: int | None,
    max_length: int,
    workers: int,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(N, labels) float32 logits and (N,) truncated of a checked frame."""
    found = np.full((len(frame), len(nli.labels)), np.nan, dtype=np.float32)
    truncated = np.zeros(len(frame), dtype=bool)
    budget = Budget.of(nli, batch_tokens)
    with tqdm(total=len(frame), desc="predict", unit="pair", disable=not progress) as bar:
        for rows, encoding in encodings(nli, frame, max_length, workers):
            found[rows] = logits_within(budget, nli, encoding, bar)
            truncated[rows] = encoding.truncated
    return found, truncated


def softmax(values: np.ndarray) -> np.ndarray:
    """(N, K) -> (N, K) float64 that sums to 1 by row."""
    shifted = np.exp(values.astype(np.float64) - values.max(1, keepdims=True, initial=-np.inf))
    return shifted / shifted.sum(1, keepdims=True)
