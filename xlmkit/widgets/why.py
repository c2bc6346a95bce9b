"""Why: what to ask `explain` about a row of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from xlmkit.attribution.methods import METHOD
from xlmkit.pairs import is_missing


def why(row: Mapping[str, Any], method: str) -> dict[str, str]:
    """The options of `explain` for a row: its prediction; where that is wrong, the prediction rather than the gold label, if the method tells labels apart."""
    if METHOD[method].labelled and not is_missing(row.get("gold")) and row["gold"] != row["prediction"]:
        return {"target": row["prediction"], "contrast": row["gold"]}
    return {"target": row["prediction"]}


def unpredicted(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of predictions as the pairs that they were."""
    return rows.drop(columns=["prediction", "confidence", "correct"], errors="ignore")
