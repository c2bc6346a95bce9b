"""Explanations side by side: the scores of words under several methods."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from xlmkit.plots.figure import SIGNED, UNTICKED, axes, flat

ENDS = {-1: "against the target", 0: "0", 1: "for the target"}


def word_scores(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the scores of words under several methods, each method on its own scale, with the numbers of that scale.

    Parameters
    ----------
    table : one row a word in the order of the text, one column a method. Each column is divided by its largest absolute value, since methods
        have different units: 1 is the strongest word for the target, -1 the strongest against it."""
    largest = table.abs().max().replace(0.0, 1.0)
    height, width = table.shape
    ax = axes(ax, 2.4 + 1.5 * width, 0.8 + 0.3 * height)
    shown = table / largest
    sns.heatmap(
        shown,
        annot=shown.map("{:+.1f}".format).replace({"+0.0": "0", "-0.0": "0"}).replace("-", "−", regex=True),
        fmt="",
        cmap=SIGNED,
        vmin=-1,
        vmax=1,
        linewidths=1,
        cbar_kws={"ticks": [-1, 0, 1], "format": ENDS.get},
        ax=ax,
        **UNTICKED,
    )
    flat(ax, table)
    return ax
