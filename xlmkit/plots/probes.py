"""The language id: swaps, mixed pairs, and where the 15 embeddings lie."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from xlmkit.plots.figure import GREY, INK, PALETTE, axes, need, outline, single
from xlmkit.plots.matrices import stretched

VALUES = {  # what is written on the scale, the factor, and whether zero is in its middle
    "accuracy": ("accuracy, %", 100, False),
    "flips": ("labels that change, %", 100, False),
    "difference": ("difference in accuracy, points", 100, True),
    "margin": ("change of the margin, logits", 1, True),
}
LEGEND: dict[str, Any] = {"frameon": False, "alignment": "left", "title_fontsize": "medium"}


def swap(table: pd.DataFrame, *, value: str = "flips", ax: Axes | None = None) -> Axes:
    """Draw what happens when texts of one language (rows) are given the id of another (columns), or none; the right ids are outlined.

    Parameters
    ----------
    table : a frame as `probes.swap` gives it: `text_language`, `id`, and the value.
    value : `flips` or `accuracy`, shares in [0, 1]; `difference` of accuracies, in [-1, 1]; or `margin`, in logits.

    Raises
    ------
    ValueError : if a column is missing, the value is another, or a cell has several rows."""
    ax = _matrix(table, "text_language", "id", value, ax)
    ax.set(xlabel="language id given", ylabel="language of the text")
    return ax


def mixed(table: pd.DataFrame, *, value: str = "accuracy", ax: Axes | None = None) -> Axes:
    """Draw pairs whose premise (rows) and hypothesis (columns) are in two languages, each with its right id; one language for both is outlined.

    Parameters
    ----------
    table : a frame as `probes.grid` gives it: `premise_language`, `hypothesis_language`, and the value.
    value : `accuracy` or `flips`, shares in [0, 1]; or `difference` of accuracies, in [-1, 1].

    Raises
    ------
    ValueError : if a column is missing, the value is another, or a cell has several rows."""
    ax = _matrix(table, "premise_language", "hypothesis_language", value, ax)
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
        right = _free_on_the_right(table, row)
        ax.annotate(
            row["language"],
            (row["x"], row["y"]),
            xytext=(8 if right else -8, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
        )
    scripts = [
        Line2D([], [], marker=mark, linestyle="", color=GREY, label=script) for script, mark in marks.items()
    ]
    codes = table.groupby("family")["language"].agg(" ".join)
    families = [Patch(color=colour, label=f"{family}: {codes[family]}") for family, colour in colours.items()]
    ax.add_artist(
        ax.legend(handles=scripts, title="script", loc="upper left", bbox_to_anchor=(1, 1), **LEGEND)
    )
    ax.legend(handles=families, title="family", loc="lower left", bbox_to_anchor=(1, 0), **LEGEND)
    ax.set(aspect="equal", xlabel="first principal component", ylabel="second principal component")
    ax.margins(0.1)
    sns.despine(ax=ax)
    return ax


def _matrix(table: pd.DataFrame, rows: str, columns: str, value: str, ax: Axes | None) -> Axes:
    """The heat map of one value, in the order of the table."""
    if value not in VALUES:
        raise ValueError(f"`value` must be one of {', '.join(VALUES)}; got {value!r}")
    need(table, rows, columns, value)
    single(table, rows, columns)
    order = {"index": table[rows].unique(), "columns": table[columns].unique()}
    wide = table.pivot(index=rows, columns=columns, values=value).reindex(**order)
    label, factor, signed = VALUES[value]
    ax = stretched(factor * wide, label, signed=signed, ax=ax)
    outline(ax, wide.index, wide.columns)
    return ax


def _free_on_the_right(table: pd.DataFrame, row: dict[Any, Any]) -> bool:
    """Whether a point's nearest neighbour lies on its left, so that its name has room on the right."""
    others = table[table["language"] != row["language"]]
    distance = (others["x"] - row["x"]) ** 2 + (others["y"] - row["y"]) ** 2
    return others.empty or bool(others["x"].loc[distance.idxmin()] <= row["x"])
