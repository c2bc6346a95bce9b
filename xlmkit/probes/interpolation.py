"""Interpolation: the language id moved in a straight line from one language to another, all else kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xlmkit import inference
from xlmkit.checks import check_int
from xlmkit.model import NLIModel
from xlmkit.probes.ids import checked_ids, chunks, need_language_ids, spoken, vectors, with_none, with_vectors


def interpolate(
    nli: NLIModel,
    pairs: pd.DataFrame,
    to: str,
    *,
    steps: int = 10,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """How the logits move while the id's embedding goes from the right language's to another's.

    Parameters
    ----------
    pairs : as `predict` takes them; each side of a mixed pair starts from its own language. Every pair is computed `steps` + 1 times.
    to : the code where all end, or "none".
    steps : equal parts of the way.
    batch_tokens, max_length : as `predict` takes them.

    Returns
    -------
    One row a pair and point: `pair_id`, `language` ("premise>hypothesis" where they differ), `to`, `share` of the way (0: the right id, 1: the other),
    `prediction`, `logit_<label>` and `p_<label>` (in [0, 1]) for each label, `gold` and the texts with their English where the pairs have them. All in float32.

    Raises
    ------
    ValueError : if the model has no language ids or no head, `to` or `steps` is not as said, or rows are faulty."""
    need_language_ids(nli)
    inference.need_head(nli)
    (to,) = checked_ids(nli, [to])
    check_int("steps", steps, 1)
    frame = inference.check_input(nli, pairs)
    wide, offset = _points(replace(nli, dtype=torch.float32), to, steps)
    found = np.full((steps + 1, len(frame), len(nli.labels)), np.nan, dtype=np.float32)
    with tqdm(total=found[..., 0].size, desc="interpolate", unit="pair", disable=not progress) as bar:
        for rows, encoding in chunks(nli, frame, max_length):
            for step in range(steps + 1):
                moved = replace(encoding, langs=encoding.langs + offset * step)
                found[step, rows] = inference.logits(wide, moved, batch_tokens=batch_tokens, bar=bar)
    result = _path(nli, frame, found, to)
    result.attrs["provenance"] = inference.provenance(nli, "interpolate", {"to": to, "steps": steps})
    return result


def movement(path: pd.DataFrame) -> pd.DataFrame:
    """How far the logits have moved at each point of the way, and how many labels with them.

    Parameters
    ----------
    path : what `interpolate` gives.

    Returns
    -------
    `language`, `to`, `share`, `n`, `change` (mean over pairs of the largest absolute change of a logit since share 0, in logits) and
    `flips` (share of pairs whose label is another than at 0, in [0, 1]).

    Raises
    ------
    ValueError : if a column is missing."""
    columns = [name for name in path if str(name).startswith("logit_")]
    missing = [name for name in ("pair_id", "language", "to", "share", "prediction") if name not in path]
    if missing or not columns:
        raise ValueError(
            f"expected a frame of `interpolate`; got none of {', '.join(missing) or 'logit_<label>'}"
        )
    start = path[path["share"] == 0].set_index("pair_id").loc[path["pair_id"]]
    moved = path[["language", "to", "share"]].copy()
    moved["change"] = np.abs(path[columns].to_numpy(float) - start[columns].to_numpy(float)).max(1)
    moved["flips"] = (path["prediction"].to_numpy() != start["prediction"].to_numpy()).astype(float)
    keys = moved.groupby(["language", "to", "share"], sort=False)
    result = keys[["change", "flips"]].mean().reset_index()
    result.insert(3, "n", keys.size().to_numpy())
    return result


def _points(nli: NLIModel, to: str, steps: int) -> tuple[NLIModel, int]:
    """A model whose id n * step + i is language i after `step` steps, n being how many ids it had."""
    _, numbers = with_none(nli)
    own = vectors(nli)
    end = torch.cat([own, torch.zeros_like(own[:1])])[numbers[to]]
    return with_vectors(
        nli, torch.cat([own + (end - own) * (step / steps) for step in range(1, steps + 1)])
    ), len(own)


def _path(nli: NLIModel, frame: pd.DataFrame, found: np.ndarray, to: str) -> pd.DataFrame:
    steps, count, _ = found.shape
    kept = [
        "pair_id",
        "item",
        "gold",
        "premise",
        "hypothesis",
        "text",
        "english_premise",
        "english_hypothesis",
    ]
    one = frame[[name for name in kept if name in frame]].copy()
    one.insert(1, "language", spoken(frame))
    one.insert(2, "to", to)
    rows = np.repeat(np.arange(count), steps)
    result = one.iloc[rows].reset_index(drop=True)
    result.insert(3, "share", np.tile(np.arange(steps) / (steps - 1), count))
    logits = found.transpose(1, 0, 2).reshape(len(rows), -1)
    chances = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf), dtype=np.float64)
    chances /= chances.sum(1, keepdims=True)
    result["prediction"] = np.array(nli.labels, dtype=object)[logits.argmax(1)]
    for place, label in enumerate(nli.labels):
        result[f"logit_{label}"] = logits[:, place]
    for place, label in enumerate(nli.labels):
        result[f"p_{label}"] = chances[:, place]
    return result
