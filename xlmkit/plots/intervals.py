"""Estimates with their intervals, a line a row: accuracy beside the published one, paired differences, slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from xlmkit.plots.figure import (
    ALL,
    BLUE,
    CHANCE,
    GREY,
    INK,
    VERMILION,
    axes,
    interval,
    legend_above,
    lines,
    name,
    need,
    single,
)

# Accuracy on XNLI's test set, trained on English alone: Lample and Conneau 2019, arXiv:1901.07291, table 1. The authors chose the best run for each
# language apart (facebookresearch/XLM issue 110), so these are upper ends; "all" is their average.
_COLUMNS = ("en", "fr", "es", "de", "el", "bg", "ru", "tr", "ar", "vi", "th", "zh", "hi", "sw", "ur", ALL)
_ROWS = {
    "XLM (MLM)": (83.2, 76.5, 76.3, 74.2, 73.1, 74.0, 73.1, 67.8, 68.5, 71.2, 69.2, 71.9, 65.7, 64.6, 63.4, 71.5),
    "XLM (MLM+TLM)": (85.0, 78.7, 78.9, 77.8, 76.6, 77.4, 75.3, 72.5, 73.1, 76.1, 73.2, 76.5, 69.6, 68.4, 67.3, 75.1),
}  # fmt: skip
PUBLISHED: dict[str, dict[str, float]] = {
    model: {code: value / 100 for code, value in zip(_COLUMNS, row, strict=True)}
    for model, row in _ROWS.items()
}
NAMES = (
    ("what",),
    ("language",),
    ("first", "second"),
)  # what a row of differences is of, the first that is there
LEVEL = 0.05  # of the family-wise or false-discovery rate that a filled dot keeps


def accuracy(
    table: pd.DataFrame,
    *,
    by: str = "language",
    published: str | Mapping[str, float] | None = None,
    chance: float | None = CHANCE,
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy with its interval, a line a language, over the line of chance.

    Parameters
    ----------
    table : a frame as `evaluate` gives it: `by`, `n`, `accuracy`, `low`, `high`, all shares in [0, 1].
    by : the column that names the lines.
    published : accuracies to stand beside, as hollow diamonds: one of `PUBLISHED`, or shares in [0, 1] by name. They are of XNLI's test set, so they
        are a comparison only where `table` is of it too.
    chance : the share that guessing gives; None for no line.

    Raises
    ------
    ValueError : if a column is missing, or `published` is not known."""
    need(table, by, "n", "accuracy", "low", "high")
    beside = _published(published)
    ordered = table.sort_values("accuracy", ascending=False, kind="stable")
    ordered = pd.concat([ordered[ordered[by] != ALL], ordered[ordered[by] == ALL]])
    ax = axes(ax, 7.0, 1.0 + 0.28 * len(ordered))
    rows = _records(ordered)
    for place, row in enumerate(rows):
        colour, mark = (INK, "D") if row[by] == ALL else (BLUE, "o")
        interval(ax, place, _percent(row, "accuracy"), colour=colour, mark=mark)
        if row[by] in beside:
            ax.plot(100 * beside[row[by]], place, "D", color=VERMILION, markerfacecolor="none", markersize=7)
    lines(ax, [f"{name(row[by])}, n = {row['n']}" for row in rows])
    if chance is not None:
        ax.axvline(100 * chance, color=INK, linestyle=":", linewidth=1)
        ax.text(100 * chance, -0.7, " chance", va="bottom", ha="center", color=INK, fontsize="small")
    if beside:
        said = published if isinstance(published, str) else "published"
        hollow = Line2D([], [], marker="D", linestyle="", color=VERMILION, markerfacecolor="none")
        hollow.set_label(f"{said}, XNLI test" if isinstance(published, str) else said)
        ax.legend(handles=[hollow], loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False)
    ax.set(xlim=(0, 100), xlabel="accuracy, % (line: 95 % interval)")
    return ax


def differences(table: pd.DataFrame, *, label: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw paired differences as a forest: a dot and its interval a row, filled where it holds after correction for the number of rows.

    Parameters
    ----------
    table : a frame as `compare`, `gap` or `compare_models` gives it: `first` and `second`, or `language`; `difference` or `gap`, `low`, `high` in
        [-1, 1]. Or as `probes.ablation` gives it, one language of it: `what`, `difference`, `difference_low`, `difference_high`. `p_holm` in [0, 1] is optional, and without it every dot is filled. Rows are drawn in their order.
    label : what the numbers are; None for what their column says.

    Raises
    ------
    ValueError : if a column is missing."""
    value = "gap" if "gap" in table else "difference"
    names = next((columns for columns in NAMES if set(columns) <= set(table)), NAMES[-1])
    table = table.assign(
        **{end: table[f"difference_{end}"] for end in ("low", "high") if f"difference_{end}" in table}
    )
    need(table, *names, value, "low", "high")
    rows = _records(table)
    ax = axes(ax, 7.0, 1.3 + 0.28 * len(rows))
    for place, row in enumerate(rows):
        colour, holds = _side(row, value), not row.get("p_holm", 0) > LEVEL
        mark = "D" if row[names[0]] == ALL else "o"
        interval(ax, place, _percent(row, value), colour=colour, mark=mark, filled=holds)
    lines(ax, [" − ".join(name(row[part]) for part in names) for row in rows])
    ax.axvline(0, color=INK, linestyle=":", linewidth=1)
    said = label or (
        f"below {name(table.attrs.get('reference', 'the reference'))}"
        if value == "gap"
        else "difference in accuracy"
    )
    ax.set_xlabel(f"{said}, points (line: 95 % interval)")
    if "p_holm" in table:
        legend_above(ax, [_dot(True, f"p after Holm ≤ {LEVEL}"), _dot(False, f"p > {LEVEL}")])
    return ax


def slices(table: pd.DataFrame, *, rest: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of slices with their intervals, in the order of the rows: filled where a slice differs from the rest, a cross where it is too small.

    Parameters
    ----------
    table : a frame as `slices` gives it for one language: `feature`, `value`, `n`, `accuracy`, `low`, `high`, `p_adjusted`, `too_small`.
    rest : the accuracy over all rows, in [0, 1], as a dotted line; None for none.

    Raises
    ------
    ValueError : if a column is missing, or a slice has several rows (those of several languages, say)."""
    need(table, "feature", "value", "n", "accuracy", "low", "high", "p_adjusted", "too_small")
    single(table, "feature", "value")
    rows = _records(table)
    ax = axes(ax, 7.0, 1.3 + 0.28 * len(rows))
    for place, row in enumerate(rows):
        colour, mark = (GREY, "x") if row["too_small"] else (BLUE, "o")
        differs = bool(row["p_adjusted"] <= LEVEL)
        interval(ax, place, _percent(row, "accuracy"), colour=colour, mark=mark, filled=differs)
    lines(ax, [f"{str(row['feature']).replace('_', ' ')}: {row['value']}, n = {row['n']}" for row in rows])
    if rest is not None:
        ax.axvline(100 * rest, color=INK, linestyle=":", linewidth=1)
        ax.text(100 * rest, -0.7, "all", va="bottom", ha="center", color=INK, fontsize="small")
    keys = [_dot(True, "differs from the rest"), _dot(False, "does not"), _dot(False, "too small to tell", mark="x", colour=GREY)]  # fmt: skip
    ax.legend(handles=keys, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.04), frameon=False)
    ax.set(xlim=(0, 100), xlabel="accuracy, % (line: 95 % interval)")
    return ax


def _published(given: str | Mapping[str, float] | None) -> Mapping[str, float]:
    if isinstance(given, str):
        if given not in PUBLISHED:
            raise ValueError(
                f"`published` must be one of {', '.join(map(repr, PUBLISHED))}, or shares by name; got {given!r}"
            )
        return PUBLISHED[given]
    return given or {}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _percent(row: Mapping[str, Any], value: str) -> tuple[float, float, float]:
    return 100 * row[value], 100 * row["low"], 100 * row["high"]


def _side(row: Mapping[str, Any], value: str) -> str:
    """Blue for the better side of zero, vermilion for the worse (a gap is a loss), ink where the interval holds it."""
    above, below = (VERMILION, BLUE) if value == "gap" else (BLUE, VERMILION)
    return above if row["low"] > 0 else below if row["high"] < 0 else INK


def _dot(filled: bool, label: str, *, mark: str = "o", colour: str = INK) -> Line2D:
    return Line2D(
        [],
        [],
        marker=mark,
        linestyle="",
        color=colour,
        markerfacecolor=colour if filled else "white",
        label=label,
    )
