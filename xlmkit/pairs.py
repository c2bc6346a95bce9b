"""Premise/hypothesis pairs as a tidy frame: readers, label names, parallel sampling."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pandas as pd

from xlmkit import bundled
from xlmkit.languages import resolve

LABELS = ("entailment", "neutral", "contradiction")


def read_pairs(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    languages: str | Sequence[str] | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Pairs as a frame: `pair_id`, `language`, `premise`, `hypothesis`, `gold`, then what else the source has."""
    if not isinstance(source, str) or source != "sample":
        raise NotImplementedError("only the bundled 'sample' can be read so far")
    frame = pd.read_json(bundled.path("sample", "pairs.jsonl"), lines=True, dtype=False)
    if languages is not None:
        codes = [resolve(code) for code in ([languages] if isinstance(languages, str) else languages)]
        frame = frame[frame["language"].isin(codes)].reset_index(drop=True)
    if limit is not None:
        frame = frame[frame["item"].isin(frame["item"].unique()[:limit])].reset_index(drop=True)
    return frame
