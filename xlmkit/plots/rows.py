"""Charts with one row per language, pair or slice: accuracy, differences, slices, probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from xlmkit.pairs import LABELS
from xlmkit.plots.figure import (
    ALL,
    BLUE,
    CHANCE,
    COLOURS,
    GREY,
    INK,
    VERMILION,
    axes,
    check_columns,
    language_label,
    legend_above,
    set_fonts,
)

# Accuracy on XNLI's test set after training on English alone: Lample and Conneau 2019,
# arXiv:1901.07291, table 1. The authors chose the best run for each language separately
# (facebookresearch/XLM issue 110), so these are upper bounds; "all" is their average.
_COLUMNS = ("en", "fr", "es", "de", "el", "bg", "ru", "tr", "ar", "vi", "th", "zh", "hi", "sw", "ur", ALL)
_ROWS = {
    "XLM (MLM)": (83.2, 76.5, 76.3, 74.2, 73.1, 74.0, 73.1, 67.8, 68.5, 71.2, 69.2, 71.9, 65.7, 64.6, 63.4, 71.5),
    "XLM (MLM+TLM)": (85.0, 78.7, 78.9, 77.8, 76.6, 77.4, 75.3, 72.5, 73.1, 76.1, 73.2, 76.5, 69.6, 68.4, 67.3, 75.1),
}  # fmt: skip
PUBLISHED: dict[str, dict[str, float]] = {
    model: {code: value / 100 for code, value in zip(_COLUMNS, row, strict=True)}
    for model, row in _ROWS.items()
}
LEVEL = 0.05  # of p after correction, for a filled dot
INTERVAL = "(line: 95 % interval)"
HOLLOW: dict[str, Any] = {"marker": "D", "ls": "", "color": VERMILION, "mfc": "none", "ms": 7}


def accuracy(
    table: pd.DataFrame,
    *,
    by: str = "language",
    published: str | Mapping[str, float] | None = None,
    chance: float | None = CHANCE,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy with its interval, one row per language, from the highest to the lowest.

    Parameters
    ----------
    table : as `evaluate` returns it: `by`, `n`, `accuracy`, `low`, `high`, all fractions in [0, 1].
    by : the column that names the rows.
    published : accuracies to show as hollow diamonds: a key of `PUBLISHED`, or fractions in [0, 1]
        by name. Those of `PUBLISHED` are of XNLI's test set; show them only if `table` is, too.
    chance : the accuracy of guessing, drawn as a dotted line; None for no line.

    Raises
    ------
    ValueError : if a column is missing, or `published` is unknown."""
    check_columns(table, by, "n", "accuracy", "low", "high")
    if isinstance(published, str) and published not in PUBLISHED:
        known = ", ".join(map(repr, PUBLISHED))
        raise ValueError(f"`published` must be one of {known}, or fractions by name; got {published!r}.")
    reference = PUBLISHED[published] if isinstance(published, str) else published or {}
    rows: list[Any] = _sorted(table, by, "accuracy").to_dict("records")
    ax = axes(ax, 7.0, 1.0 + 0.28 * len(rows))
    for place, row in enumerate(rows):
        colour, mark = (INK, "D") if row[by] == ALL else (BLUE, "o")
        _interval(ax, place, row, "accuracy", colour=colour, mark=mark)
        if row[by] in reference:
            ax.plot(100 * reference[row[by]], place, **HOLLOW)
    set_rows(ax, [f"{language_label(row[by])}, n = {row['n']}" for row in rows])
    if chance is not None:
        _vertical(ax, chance, " chance")
    if reference:
        label = f"{published}, XNLI test" if isinstance(published, str) else "published"
        where: Any = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
        ax.legend(handles=[Line2D([], [], label=label, **HOLLOW)], frameon=False, **where)
    ax.set(xlim=(0, 100), xlabel=f"accuracy, % {INTERVAL}")
    return ax


def differences(table: pd.DataFrame, *, label: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw paired differences with their intervals; a filled dot is significant after correction.

    Parameters
    ----------
    table : as `compare`, `gap` or `compare_models` returns it: `first` and `second`, or `language`;
        `difference` or `gap`, `low`, `high` in [-1, 1]. Or one language of what `probes.ablation`
        returns: `what`, `difference`, `difference_low`, `difference_high`. `p_holm` in [0, 1] is
        optional; without it every dot is filled. Rows are sorted by value, those of `what` are not.
    label : what the numbers are; None takes a default for the column.

    Raises
    ------
    ValueError : if a column is missing."""
    value = "gap" if "gap" in table else "difference"
    options = (("what",), ("language",), ("first", "second"))
    names = next((columns for columns in options if set(columns) <= set(table)), options[-1])
    ends = {end: f"difference_{end}" for end in ("low", "high") if f"difference_{end}" in table}
    table = table.assign(**{end: table[column] for end, column in ends.items()})
    check_columns(table, *names, value, "low", "high")
    ordered = table if names == ("what",) else _sorted(table, names[0], value)
    rows: list[Any] = ordered.to_dict("records")
    ax = axes(ax, 7.0, 1.3 + 0.28 * len(rows))
    for place, row in enumerate(rows):
        mark = "D" if row[names[0]] == ALL else "o"
        filled = not row.get("p_holm", 0) > LEVEL
        _interval(ax, place, row, value, colour=_side(row, value), mark=mark, filled=filled)
    set_rows(ax, [" − ".join(language_label(row[part]) for part in names) for row in rows])
    ax.axvline(0, color=INK, linestyle=":", linewidth=1)
    reference = language_label(table.attrs.get("reference", "the reference"))
    default = f"below {reference}" if value == "gap" else "difference in accuracy"
    ax.set_xlabel(f"{label or default}, points {INTERVAL}")
    if "p_holm" in table:
        legend_above(ax, [_dot(f"p after Holm ≤ {LEVEL}"), _dot(f"p > {LEVEL}", filled=False)])
    return ax


def slices(table: pd.DataFrame, *, rest: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of slices with their intervals, in the order of the frame.

    A filled dot differs from the rest of the pairs; a cross is too small to tell.

    Parameters
    ----------
    table : as `slices` returns it for one language: `feature`, `value`, `n`, `accuracy`, `low`,
        `high`, `p_adjusted`, `too_small`.
    rest : the accuracy over all rows in [0, 1], drawn as a dotted line; None for no line.

    Raises
    ------
    ValueError : if a column is missing, or a slice has several rows (of several languages)."""
    key, numbers = ("feature", "value"), ("n", "accuracy", "low", "high")
    check_columns(table, *key, *numbers, "p_adjusted", "too_small", unique=key)
    rows: list[Any] = table.to_dict("records")
    ax = axes(ax, 7.0, 1.3 + 0.28 * len(rows))
    for place, row in enumerate(rows):
        colour, mark = (GREY, "x") if row["too_small"] else (BLUE, "o")
        filled = bool(row["p_adjusted"] <= LEVEL)
        _interval(ax, place, row, "accuracy", colour=colour, mark=mark, filled=filled)
    set_rows(ax, [f"{str(row['feature']).replace('_', ' ')}: {row['value']}, n = {row['n']}" for row in rows])
    if rest is not None:
        _vertical(ax, rest, "all")
    small = _dot("too small to tell", mark="x", color=GREY)
    legend_above(ax, [_dot("differs from the rest"), _dot("does not differ", filled=False), small], y=1.04)
    ax.set(xlim=(0, 100), xlabel=f"accuracy, % {INTERVAL}")
    return ax


def probabilities(predictions: pd.DataFrame, *, rows: str = "language", ax: Axes | None = None) -> Axes:
    """Draw the three probabilities of each row as one stacked bar, in the order of the frame.

    Parameters
    ----------
    predictions : as `predict` returns it: `p_entailment`, `p_neutral`, `p_contradiction` in [0, 1].
    rows : the column that names the rows.

    Raises
    ------
    ValueError : if a column is missing."""
    check_columns(predictions, rows, *(f"p_{label}" for label in LABELS))
    ax = axes(ax, 7.0, 1.0 + 0.28 * len(predictions))
    left = pd.Series(0.0, index=predictions.index)
    for label in LABELS:
        width = 100 * predictions[f"p_{label}"]
        options: Any = {"color": COLOURS[label], "edgecolor": "white", "label": label}
        bars = ax.barh(range(len(predictions)), width, left=left, **options)
        texts = [f"{value:.0f}" if value >= 6 else "" for value in width]
        ax.bar_label(bars, labels=texts, label_type="center", color=INK, fontsize="small")
        left = left + width
    set_rows(ax, [language_label(value) for value in predictions[rows]])
    ax.set(xlim=(0, 100), xlabel="probability, %")
    legend_above(ax)
    return ax


def set_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows of a chart: the first on top, no ticks, no frame on the left."""
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.3, -0.7))
    set_fonts(ax.get_yticklabels())
    sns.despine(ax=ax, left=True)
    ax.tick_params(axis="y", length=0)


def _sorted(table: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """From the highest value to the lowest, the row of all languages last."""
    ordered = table.sort_values(value, ascending=False, kind="stable")
    return pd.concat([ordered[ordered[by] != ALL], ordered[ordered[by] == ALL]])


def _interval(
    ax: Axes, place: int, row: dict[str, Any], value: str, *, colour: str, mark: str, filled: bool = True
) -> None:
    """A line from `low` to `high` in percent, with a dot at the value."""
    ax.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, linewidth=1.5)
    ax.plot(100 * row[value], place, mark, color=colour, markerfacecolor=colour if filled else "white")


def _vertical(ax: Axes, value: float, label: str) -> None:
    """A dotted line at a fraction, with its name on top."""
    ax.axvline(100 * value, color=INK, linestyle=":", linewidth=1)
    ax.text(100 * value, -0.7, label, va="bottom", ha="center", color=INK, fontsize="small")


def _side(row: Mapping[str, Any], value: str) -> str:
    """Blue where it is better than zero, vermilion where worse (a gap is a loss), else ink."""
    above, below = (VERMILION, BLUE) if value == "gap" else (BLUE, VERMILION)
    return above if row["low"] > 0 else below if row["high"] < 0 else INK


def _dot(label: str, *, filled: bool = True, mark: str = "o", color: str = INK) -> Line2D:
    face = color if filled else "white"
    return Line2D([], [], marker=mark, linestyle="", color=color, markerfacecolor=face, label=label)
