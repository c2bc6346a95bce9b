"""What the metrics read from a frame of predictions, from any model.

`prediction` is needed, `gold` where predictions are scored, and a column to group by. For honest
intervals, columns say which rows belong together: in XNLI three items share a premise (`promptID`),
and every item is in 15 languages (`item`). Rows with the same premise are a *premise group*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS, is_missing, label_reader, row_language, shared_items

PREMISE_COLUMNS = ("promptID", "item", "pairID")  # say which rows are resampled together


def scored_rows(
    preds: pd.DataFrame, by: str = "language", labels: Sequence[str] | None = None, *, gold: bool = True
) -> pd.DataFrame:
    """`by`, `prediction`, `gold` and `premise_group` of each row, in the order of `preds`, indexed
    from 0.

    Parameters
    ----------
    by : the column to group by. Pairs of mixed languages without a column `language` are grouped as
        "premise>hypothesis".
    labels : the labels that may occur; None as in `infer_labels`.
    gold : whether gold is needed. Otherwise `gold` may be missing throughout.

    Returns
    -------
    Labels by their usual names, None where a row has no gold. `premise_group` is a whole number
    from 0; `attrs["over"]` names the column that it comes from.

    Raises
    ------
    ValueError : if there are no rows, a column or a prediction is missing, a label is unknown, or
        gold is needed and no row has it."""
    _check_columns(preds, ("prediction", "gold") if gold else ("prediction",))
    if by == "premise_group":
        raise ValueError("`by` cannot be 'premise_group', a name that is used here. Rename the column.")
    frame = pd.DataFrame({by: group_names(preds, by)})
    read = label_reader(labels or infer_labels(preds))
    for column in ("prediction", "gold"):
        values = preds[column].to_list() if column in preds else [None] * len(preds)
        names = {value: read(value) for value in set(values)}
        frame[column] = pd.Series([names[value] for value in values], dtype=object)
    missing = int(frame["prediction"].isna().sum())
    if missing:
        raise ValueError(
            f"expected a prediction in every row; got none in {missing} of {len(frame)} rows. "
            "Predict them, or drop the rows."
        )
    if gold and frame["gold"].isna().all():
        raise ValueError(f"expected gold labels to compare with; got none in {len(frame)} rows")
    frame["premise_group"], frame.attrs["over"] = premise_groups(preds)
    return frame


def with_gold(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of `scored_rows` that have gold, their premise groups numbered from 0 again; warns
    if any are left out."""
    known = frame[frame["gold"].notna()]
    if len(known) < len(frame):
        warn_once(f"{len(frame) - len(known)} of {len(frame)} rows have no gold label and are left out")
    return known.assign(premise_group=pd.factorize(known["premise_group"])[0])


def premise_groups(preds: pd.DataFrame) -> tuple[np.ndarray, str]:
    """(N,) the number of each row's premise group, from 0 in order of appearance, and its column.

    That is the first of `PREMISE_COLUMNS` that is not empty. Without one, every row is a group of
    its own, and the column is called "rows".

    Raises
    ------
    ValueError : if the column is empty in some rows only."""
    column = next((name for name in PREMISE_COLUMNS if name in preds and preds[name].notna().any()), None)
    if column is None:
        return np.arange(len(preds)), "rows"
    return np.asarray(pd.factorize(as_text(preds, column))[0]), column


def item_codes(preds: pd.DataFrame) -> np.ndarray:
    """(N,) the number of each row's item, shared by its translations; without a complete column of
    items, every row is its own."""
    column = next((name for name in ("item", "pairID") if name in preds and preds[name].notna().all()), None)
    return np.arange(len(preds)) if column is None else np.asarray(pd.factorize(as_text(preds, column))[0])


@dataclass(frozen=True)
class PairedItems:
    """The same I items in each of G groups (languages, or models), next to each other."""

    groups: tuple[str, ...]  # G names
    items: np.ndarray  # (I,) text
    premise_groups: np.ndarray  # (I,) whole numbers from 0
    rows: np.ndarray  # (I, G) whole numbers: the row of the item in the frame that was read
    prediction: np.ndarray  # (I, G) text
    correct: np.ndarray  # (I, G) bool; False where there is no gold


def paired_items(
    preds: pd.DataFrame,
    by: str = "language",
    labels: Sequence[str] | None = None,
    *,
    groups: Sequence[str] | None = None,
    gold: bool = True,
) -> PairedItems:
    """Put the items of every group next to each other; where gold is needed, rows without it are
    left out.

    Parameters
    ----------
    groups : those to take, in this order; None takes all, by name.

    Raises
    ------
    ValueError : if there are fewer than two groups, no column says which rows are one item, an item
        is missing in a group or occurs twice in it, or belongs to several premise groups."""
    frame = scored_rows(preds, by, labels, gold=gold)
    known = with_gold(frame) if gold else frame
    named = preds.iloc[known.index].assign(**{by: known[by].to_numpy()})
    # A group that has no gold at all is missing, too.
    names = sorted(frame[by].unique()) if groups is None else list(dict.fromkeys(groups))
    table = shared_items(named, by, groups=names)
    rows = known.index.to_numpy()[table.to_numpy()]  # (I, G)
    premise = frame["premise_group"].to_numpy()[rows]  # (I, G)
    several = np.flatnonzero((premise != premise[:, :1]).any(1))
    if len(several):
        raise ValueError(
            f"expected each {table.index.name} to have one {frame.attrs['over']}; "
            f"got several for {table.index[several[0]]!r}"
        )
    return PairedItems(
        groups=tuple(table.columns),
        items=table.index.to_numpy(),
        premise_groups=pd.factorize(premise[:, 0])[0],
        rows=rows,
        prediction=frame["prediction"].to_numpy()[rows],
        correct=(frame["prediction"] == frame["gold"]).to_numpy()[rows],
    )


def group_names(preds: pd.DataFrame, by: str) -> np.ndarray:
    """(N,) the group of each row, as text; mixed languages as "premise>hypothesis".

    Raises
    ------
    ValueError : if there is no such column, or it is empty in some rows."""
    _check_columns(preds)
    if by == "language" and by not in preds:
        return row_language(preds)
    if by not in preds:
        raise ValueError(f"expected a column {by!r} to group by; got {', '.join(map(str, preds.columns))}")
    return as_text(preds, by)


def as_text(preds: pd.DataFrame, column: str) -> np.ndarray:
    """(N,) the values of a column as text, so that 7 and "7" are one item, whatever file they come
    from.

    Raises
    ------
    ValueError : if it is empty in some rows."""
    values = preds[column].to_list()
    empty = [number for number, value in enumerate(values) if is_missing(value) or value == ""]
    if empty:
        raise ValueError(
            f"expected `{column}` in every row; got none in {len(empty)} of {len(values)} rows, the first "
            f"in row {empty[0]}. Fill it in, or drop the column or the rows."
        )
    return np.array([str(value) for value in values], dtype=object)


def infer_labels(preds: pd.DataFrame) -> Sequence[str]:
    """The labels that have a column of probabilities, if all predictions are among them; else
    NLI's, which are also read in other spellings."""
    named = [column[2:] for column in preds if isinstance(column, str) and column.startswith("p_")]
    predicted = {label for label in preds["prediction"].to_list() if isinstance(label, str)}
    return named if named and predicted <= set(named) and not set(LABELS) <= set(named) else LABELS


def _check_columns(preds: pd.DataFrame, columns: Sequence[str] = ()) -> None:
    if not isinstance(preds, pd.DataFrame):
        raise TypeError(
            f"expected a DataFrame of predictions; got {type(preds).__name__}. Use the result of predict."
        )
    missing = [column for column in columns if column not in preds]
    if missing:
        raise ValueError(
            f"expected columns {' and '.join(columns)}; got no {' and no '.join(missing)}. "
            "predict adds `prediction`; `gold` comes with the pairs."
        )
    if columns and preds.empty:
        raise ValueError("expected predictions; got a frame without rows")
