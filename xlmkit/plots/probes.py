"""What the language id does: swapped, mixed, and layer by layer."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from xlmkit.plots.figure import BLUE, GREY, INK, VERMILION, axes, legend_above, need, outline, single
from xlmkit.plots.matrices import stretched

VALUES = {  # what is written on the scale, the factor, and whether zero is in its middle
    "accuracy": ("accuracy, %", 100, False),
    "flips": ("labels that change, %", 100, False),
    "difference": ("difference in accuracy, points", 100, True),
    "margin": ("change of the margin, logits", 1, True),
}


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


def retrieval(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw layer by layer how often a sentence's nearest neighbour is its translation: the mean over the languages, and the band from lowest to highest.

    Parameters
    ----------
    table : a frame as `probes.retrieval` gives it: `layer`, `language`, `ids`, `accuracy` in [0, 1], `chance`.

    Raises
    ------
    ValueError : if a column is missing, or a language has several rows in one layer."""
    need(table, "layer", "language", "ids", "accuracy", "chance")
    single(table, "layer", "language", "ids")
    ax = axes(ax, 7.0, 3.6)
    for kind, mark, colour in zip(table["ids"].unique(), "osD", (BLUE, VERMILION, GREY), strict=False):
        own = 100 * table[table["ids"] == kind].groupby("layer")["accuracy"].agg(["mean", "min", "max"])
        said = "no id" if kind == "none" else f"{kind} ids"
        ax.plot(own.index, own["mean"], marker=mark, color=colour, label=said)
        ax.fill_between(own.index, own["min"], own["max"], color=colour, alpha=0.12, linewidth=0)
    ax.axhline(100 * table["chance"].mean(), color=INK, linestyle=":", linewidth=1)
    ax.set(xlabel="layer (0: the embeddings)", ylabel="found at the first place, %", ylim=(0, 100))
    ax.set_xticks(sorted(table["layer"].unique()))
    legend_above(ax)
    sns.despine(ax=ax)
    return ax


def _matrix(table: pd.DataFrame, rows: str, columns: str, value: str, ax: Axes | None) -> Axes:
    """The heat map of one value, in the order of the table."""
    if value not in VALUES:
        raise ValueError(f"`value` must be one of {', '.join(VALUES)}; got {value!r}")
    need(table, rows, columns, value)
    single(table, rows, columns)
    wide = table.pivot(index=rows, columns=columns, values=value)
    wide = wide.reindex(index=table[rows].unique(), columns=table[columns].unique())
    label, factor, signed = VALUES[value]
    ax = stretched(factor * wide, label, signed=signed, decimals=int(signed), ax=ax)
    outline(ax, wide.index, wide.columns)
    return ax
