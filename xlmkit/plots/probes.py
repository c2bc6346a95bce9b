"""The language id: swaps, mixed pairs, and where the 15 embeddings lie."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from xlmkit.plots.figure import GREY, INK, PALETTE, SIGNED, axes, flat, need, outline, single

SHARES = {"accuracy": "accuracy, %", "flips": "labels that change, %"}
LOGITS = {"margin": "change of the margin, logits"}


def swap(table: pd.DataFrame, *, value: str = "flips", ax: Axes | None = None) -> Axes:
    """Draw what happens when texts of one language (rows) are given the id of another (columns), or none; the right ids are outlined.

    Parameters
    ----------
    table : a frame as `probes.swap` gives it: `text_language`, `id`, and the value.
    value : `flips` or `accuracy`, shares in [0, 1]; or `margin`, in logits.

    Raises
    ------
    ValueError : if a column is missing, or a cell has several rows."""
    need(table, "text_language", "id", value)
    single(table, "text_language", "id")
    wide = _wide(table, "text_language", "id", value)
    ax = _matrix(wide, value, ax)
    ax.set(xlabel="language id given", ylabel="language of the text")
    return ax


def mixed(table: pd.DataFrame, *, value: str = "accuracy", ax: Axes | None = None) -> Axes:
    """Draw pairs whose premise (rows) and hypothesis (columns) are in two languages, each with its right id; one language for both is outlined.

    Parameters
    ----------
    table : a frame as `probes.grid` gives it: `premise_language`, `hypothesis_language`, and the value.
    value : `accuracy` or `flips`, shares in [0, 1]; or `margin`, in logits.

    Raises
    ------
    ValueError : if a column is missing, or a cell has several rows."""
    need(table, "premise_language", "hypothesis_language", value)
    single(table, "premise_language", "hypothesis_language")
    wide = _wide(table, "premise_language", "hypothesis_language", value)
    ax = _matrix(wide, value, ax)
    ax.set(xlabel="language of the hypothesis", ylabel="language of the premise")
    return ax


def embedding_map(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw where the language embeddings lie in a plane: the mark says the script, the colour the family, the code the language.

    Parameters
    ----------
    table : a frame as `probes.embedding_map` gives it: `language`, `x`, `y`, `script`, `family`.

    Raises
    ------
    ValueError : if a column is missing."""
    need(table, "language", "x", "y", "script", "family")
    ax = axes(ax, 7.0, 4.4)
    marks = dict(zip(table["script"].unique(), "osD^vPX*h", strict=False))
    colours = dict(zip(table["family"].unique(), PALETTE, strict=False))
    for row in table.to_dict("records"):
        mark, colour = marks.get(row["script"], "p"), colours.get(row["family"], INK)
        ax.plot(row["x"], row["y"], mark, color=colour, markersize=9)
        ax.annotate(row["language"], (row["x"], row["y"]), xytext=(7, 3), textcoords="offset points")
    codes = table.groupby("family")["language"].agg(" ".join)
    keys = [
        Line2D([], [], marker=mark, linestyle="", color=GREY, label=script) for script, mark in marks.items()
    ]
    keys += [Patch(color=colour, label=f"{family}: {codes[family]}") for family, colour in colours.items()]
    ax.legend(handles=keys, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    ax.set(aspect="equal", xlabel="first principal component", ylabel="second principal component")
    sns.despine(ax=ax)
    return ax


def _wide(table: pd.DataFrame, rows: str, columns: str, value: str) -> pd.DataFrame:
    return table.pivot(index=rows, columns=columns, values=value).reindex(
        index=table[rows].unique(), columns=table[columns].unique()
    )


def _matrix(wide: pd.DataFrame, value: str, ax: Axes | None) -> Axes:
    """The heat map: shares from the lowest to the highest cell, since 225 near numbers would be one shade on a scale to 100; logits about zero."""
    numbers = wide.astype(float) * (1 if value in LOGITS else 100)
    low, high = float(numbers.min().min()), float(numbers.max().max())
    reach = max(abs(low), abs(high)) or 1.0
    scale: dict[str, Any] = (
        {"fmt": ".1f", "cmap": SIGNED, "vmin": -reach, "vmax": reach}
        if value in LOGITS
        else {"fmt": ".0f", "cmap": "Blues", "vmin": low, "vmax": high}
    )
    height, width = wide.shape
    ax = axes(ax, 1.6 + 0.4 * width, 0.9 + 0.32 * height)
    bar = {"label": (SHARES | LOGITS).get(value, value), "shrink": 0.8, "pad": 0.02}
    sns.heatmap(
        numbers, annot=True, annot_kws={"fontsize": "small"}, linewidths=0.5, cbar_kws=bar, ax=ax, **scale
    )
    flat(ax)
    outline(ax, wide.index, wide.columns)
    return ax
