"""The tidy frame that all of this room gives: one row an explanation and metric."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from xlmkit.explanation import Explanation
from xlmkit.stats.frames import PREMISE_COLUMNS

COLUMNS = (
    "pair_id",
    "language",
    "method",
    "aggregation",
    "target",
    "contrast",
    "prediction",
    "gold",
    "metric",
    "erasure",
    "value",
    "control",
    "percentile",
)
HIGHER_IS_BETTER = {
    "comprehensiveness": True,
    "sufficiency": False,
    "leave_one_out": True,
    "infidelity": False,
    "max_sensitivity": False,
    "token_f1": True,
    "iou": True,
    "auprc": True,
    "average_precision": True,
}


def described(explanation: Explanation) -> dict[str, object]:
    """What of an explanation stands in every row about it; languages that differ as "en>de"."""
    languages = dict.fromkeys(filter(None, (explanation.premise_language, explanation.hypothesis_language)))
    names = ("method", "aggregation", "target", "contrast", "prediction", "gold")
    return {
        "pair_id": explanation.pair_id,
        "language": ">".join(languages),
        **{name: getattr(explanation, name) for name in names},
    }


def finished(
    rows: list[dict[str, object]], explanations: Sequence[Explanation], pairs: pd.DataFrame | None
) -> pd.DataFrame:
    """Rows as a frame, with the items of `pairs`, and marked where a model's head is random."""
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    if pairs is not None:
        frame = with_items(frame, pairs)
    return frame if all(one.trained for one in explanations) else frame.assign(untrained=True)


def with_items(frame: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """`frame` with those of `promptID`, `item` and `pairID` that `pairs` has, after `pair_id`.

    Raises
    ------
    ValueError : if `pairs` has no `pair_id`, one twice, or lacks one of `frame`'s."""
    known = by_id(pairs, frame["pair_id"])
    result = frame.copy()
    for column in reversed([name for name in PREMISE_COLUMNS if name in pairs]):
        result.insert(1, column, known[column].loc[frame["pair_id"]].to_list())
    return result


def by_id(pairs: pd.DataFrame, wanted: Sequence[str] | pd.Series) -> pd.DataFrame:
    """`pairs` by its `pair_id`, which must hold each of `wanted` once.

    Raises
    ------
    TypeError : if `pairs` is no frame.
    ValueError : if it has no `pair_id`, one twice, or lacks one that is wanted."""
    if not isinstance(pairs, pd.DataFrame):
        raise TypeError(f"`pairs` must be the frame that was explained; got {type(pairs).__name__}")
    if "pair_id" not in pairs:
        raise ValueError(
            "`pairs` must have the column `pair_id`; remedy: give the frame that was explained, as read_pairs or predict made it"
        )
    ids = pairs["pair_id"].astype(str)
    if ids.duplicated().any():
        raise ValueError(
            f"expected every `pair_id` of `pairs` once; got {ids[ids.duplicated()].iloc[0]!r} again"
        )
    known = pairs.set_index(ids)
    missing = [id for id in dict.fromkeys(wanted) if id not in known.index]
    if missing:
        raise ValueError(
            f"`pairs` lacks {len(missing)} of the explained pairs ({', '.join(map(repr, missing[:3]))}); "
            "remedy: give the frame that was explained"
        )
    return known
