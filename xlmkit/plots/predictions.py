"""Predictions one by one: which label in each cell of a grid, and how the probability is shared."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from xlmkit.pairs import LABELS
from xlmkit.plots.figure import (
    COLOURS,
    INK,
    UNTICKED,
    WRONG,
    axes,
    flat,
    legend_above,
    lines,
    name,
    need,
    single,
)


def labels(
    predictions: pd.DataFrame, *, rows: str = "item", columns: str = "language", ax: Axes | None = None
) -> Axes:
    """Draw which label was predicted in each cell of a grid, by its letter and colour; a wrong one bears a cross.

    Parameters
    ----------
    predictions : a frame as `predict` gives it, at most one row a cell; `gold` is optional.
    rows, columns : the names of the columns that make up the grid.

    Raises
    ------
    ValueError : if a column is missing, a label unknown, or a cell has several rows."""
    need(predictions, rows, columns, "prediction")
    odd = sorted({str(label) for label in predictions["prediction"]} - set(LABELS))
    if odd:
        raise ValueError(f"`prediction` must be one of {', '.join(LABELS)}; got {', '.join(map(repr, odd))}")
    single(predictions, rows, columns)
    frame = predictions.assign(code=predictions["prediction"].map(LABELS.index), letter=_letters(predictions))
    grid = {
        name: frame.pivot(index=rows, columns=columns, values=name).reindex(
            index=frame[rows].unique(), columns=frame[columns].unique()
        )
        for name in ("code", "letter")
    }
    height, width = grid["code"].shape
    ax = axes(ax, 1.8 + 0.5 * width, 1.0 + 0.42 * height)
    sns.heatmap(
        grid["code"].astype(float),
        annot=grid["letter"].fillna(""),
        fmt="",
        annot_kws={"color": INK},
        cmap=ListedColormap([COLOURS[label] for label in LABELS]),
        vmin=0,
        vmax=len(LABELS) - 1,
        linewidths=2,
        cbar=False,
        ax=ax,
        **UNTICKED,
    )
    keys = [Patch(facecolor=COLOURS[label], label=f"{label[0].upper()} {label}") for label in LABELS]
    if "gold" in predictions:
        keys.append(Patch(facecolor="none", label=f"{WRONG} not the gold label"))
    legend_above(ax, keys)
    flat(ax, grid["code"])
    return ax


def probabilities(predictions: pd.DataFrame, *, rows: str = "language", ax: Axes | None = None) -> Axes:
    """Draw how the probability of each row is shared among the labels, in the order of the rows.

    Parameters
    ----------
    predictions : a frame as `predict` gives it: `p_entailment`, `p_neutral`, `p_contradiction` in [0, 1].
    rows : the column that names the rows.

    Raises
    ------
    ValueError : if a column is missing."""
    need(predictions, rows, *(f"p_{label}" for label in LABELS))
    ax = axes(ax, 7.0, 1.0 + 0.28 * len(predictions))
    places = list(range(len(predictions)))
    left = pd.Series(0.0, index=predictions.index)
    for label in LABELS:
        share = 100 * predictions[f"p_{label}"]
        bars = ax.barh(places, share, left=left, color=COLOURS[label], edgecolor="white", label=label)
        texts = [f"{value:.0f}" if value >= 6 else "" for value in share]
        ax.bar_label(bars, labels=texts, label_type="center", color=INK, fontsize="small")
        left = left + share
    lines(ax, [name(str(value)) for value in predictions[rows]])
    ax.set(xlim=(0, 100), xlabel="probability, %")
    legend_above(ax)
    return ax


def _letters(predictions: pd.DataFrame) -> pd.Series:
    """E, N or C of each row's label, with a cross where it is not the gold label."""
    letters = predictions["prediction"].str[0].str.upper()
    if "gold" not in predictions:
        return letters
    wrong = predictions["gold"].notna() & (predictions["prediction"] != predictions["gold"])
    return letters.where(~wrong, letters + WRONG)
