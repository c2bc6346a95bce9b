"""Accuracy by language, with intervals that know that XNLI is parallel.

A language's interval is Wilson's (1927). In the row over all languages the same item stands up to 15 times, so rows are no independent draws:
its variance is taken over items (as in cluster samples), and Wilson's interval is computed at the effective number of rows that follows from it
(Kish 1965; Korn and Graubard 1998)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from scipy.stats import norm
from sklearn.metrics import f1_score

from xlmkit.notices import say
from xlmkit.pairs import LABELS, label_reader

ITEMS = ("item", "pairID", "promptID")  # columns that say which rows are one item, the first that is there
ALL = "all"


def evaluate(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Accuracy and macro-F1 of predictions by language, and over all rows.

    Parameters
    ----------
    preds : predictions of any model: `label` and `gold` by name, one row a pair; `item` where rows are translations of one another.
    by : the column to group by. Pairs of mixed languages have no `language` and are grouped as "premise>hypothesis".
    labels : the names that may occur. None: those that have a column `p_<label>`, as `predict` gives them, and NLI's where there are none.
    confidence : of the intervals, in (0, 1).

    Returns
    -------
    One row a group in order of its name, then "all": `by`; `n`, the rows that have gold; `without_gold`, those left out because they have none;
    `accuracy`, `low`, `high` and `macro_f1` (unweighted mean of F1 over the labels that occur), all in [0, 1], higher is better; missing
    where `n` is 0. "all" weighs rows equally; its interval is over items where an item column exists, and that column is
    `attrs["interval_over"]`; else over rows, which is too narrow for translations.

    Raises
    ------
    ValueError : if a column is missing, a prediction is missing, a label is unknown or a number, or no row has gold."""
    frame = _grouped(preds, by, labels)
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be between 0 and 1; got {confidence!r}")
    unlabelled = int(frame["gold"].isna().sum())
    if unlabelled == len(frame):
        raise ValueError(f"expected gold labels to compare with; got none in {len(frame)} rows")
    if unlabelled:
        say(f"{unlabelled} of {len(frame)} rows have no gold label and are left out")
    items = next((column for column in ITEMS if column in preds), None)
    if items is None and frame[by].nunique() > 1:
        say(
            'without an `item` column rows count as independent: if they are translations, the interval of "all" is too narrow'
        )
    frame["item"] = preds[items].to_numpy() if items else range(len(frame))
    groups = [_row(name, rows, confidence, by) for name, rows in frame.groupby(by, sort=True)]
    result = pd.DataFrame([*groups, _row(ALL, frame, confidence, by)])
    result.attrs["interval_over"] = items or "rows"
    return result


def wilson(share: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share that was seen in `n` draws; `n` need not be whole.

    At whole numbers it equals `scipy.stats.binomtest(...).proportion_ci(method="wilson")`, which takes no others."""
    z = float(norm.ppf(0.5 + confidence / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def effective_rows(correct: pd.Series, item: pd.Series) -> float:
    """How many independent rows tell as much as these rows of `item`s, by the variance of the share over items; at most all of them.

    `correct` is 0 or 1 by row. Where that variance is 0 it tells nothing, and it is the number of items."""
    n, share = len(correct), correct.mean()
    surplus = (correct - share).groupby(item.to_numpy()).sum()  # of each item
    variance = float((surplus**2).sum()) / n**2
    return float(min(n, share * (1 - share) / variance)) if variance > 0 else float(item.nunique())


def _grouped(preds: pd.DataFrame, by: str, labels: Sequence[str] | None) -> pd.DataFrame:
    """`by`, `label` and `gold` of each row, labels by their usual names."""
    if not isinstance(preds, pd.DataFrame):
        raise TypeError(
            f"expected a DataFrame of predictions, got {type(preds).__name__}; remedy: predict(...)"
        )
    missing = [column for column in ("label", "gold") if column not in preds]
    if missing:
        raise ValueError(
            f"expected columns `label` (the prediction) and `gold`; got no {' and no '.join(missing)}; "
            "remedy: predict gives `label`, and `gold` comes with the pairs"
        )
    if by in preds:
        groups = preds[by].astype(str)
    elif by == "language" and {"premise_language", "hypothesis_language"} <= set(preds.columns):
        groups = preds["premise_language"].astype(str) + ">" + preds["hypothesis_language"].astype(str)
    else:
        raise ValueError(f"expected a column {by!r} to group by; got {', '.join(map(str, preds.columns))}")
    frame = pd.DataFrame({by: groups.to_numpy()})
    read = label_reader(labels or _own_labels(preds))
    for column in ("label", "gold"):
        names = {value: read(value) for value in set(preds[column].to_list())}
        frame[column] = [names.get(value) for value in preds[column].to_list()]
    unpredicted = int(frame["label"].isna().sum())
    if unpredicted:
        raise ValueError(
            f"expected a prediction in every row; got none in {unpredicted} of {len(frame)}; remedy: predict them"
        )
    return frame


def _own_labels(preds: pd.DataFrame) -> Sequence[str]:
    """The labels that have a column of probabilities, if all predictions are among them; else NLI's, which know other spellings."""
    own = [column[2:] for column in preds if isinstance(column, str) and column.startswith("p_")]
    said = {label for label in preds["label"].to_list() if isinstance(label, str)}
    return own if own and said <= set(own) and not set(LABELS) <= set(own) else LABELS


def _row(name: object, rows: pd.DataFrame, confidence: float, by: str) -> dict[str, object]:
    known = rows[rows["gold"].notna()]
    values = {by: name, "n": len(known), "without_gold": len(rows) - len(known)}
    if known.empty:
        return {**values, "accuracy": math.nan, "low": math.nan, "high": math.nan, "macro_f1": math.nan}
    correct = (known["label"] == known["gold"]).astype(float)
    accuracy = float(correct.mean())
    n = effective_rows(correct, known["item"]) if name == ALL else len(known)
    low, high = wilson(accuracy, n, confidence=confidence)
    macro = float(f1_score(known["gold"].to_list(), known["label"].to_list(), average="macro"))
    return {**values, "accuracy": accuracy, "low": low, "high": high, "macro_f1": macro}
