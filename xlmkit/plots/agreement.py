"""Agreement across languages on the same items: which two differ, and in how many an item is right."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from xlmkit.plots.figure import BLUE, VERMILION, axes, legend_above, need, single
from xlmkit.plots.matrices import stretched


def flips(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw for every two languages the share of items on which their labels differ.

    Parameters
    ----------
    table : a frame as `flips` gives it: `first`, `second`, `share` in [0, 1]; two languages in both orders or in one.

    Raises
    ------
    ValueError : if a column is missing, or a pair has several rows."""
    need(table, "first", "second", "share")
    single(table, "first", "second")
    turned = table.rename(columns={"first": "second", "second": "first"})
    both = pd.concat([table, turned]).drop_duplicates(["first", "second"])
    both = both[both["first"] != both["second"]]  # a language never differs from itself
    wide = both.pivot(index="first", columns="second", values="share").rename_axis(index=None, columns=None)
    return stretched(100 * wide, "items with different labels, %", lowest=0, ax=ax)


def by_count(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many items are right in how many languages, beside what languages that err independently would give.

    Parameters
    ----------
    table : a frame as `by_count` gives it: `right` languages from 0 up, `n` items, `expected` items.

    Raises
    ------
    ValueError : if a column is missing."""
    need(table, "right", "n", "expected")
    ax = axes(ax, 7.0, 3.2)
    bars = ax.bar(table["right"], table["n"], color=BLUE, width=0.8, label="items")
    halo = [withStroke(linewidth=2.5, foreground="white")]  # the numbers stay readable over a diamond
    ax.bar_label(bars, padding=2, fontsize="small", path_effects=halo, zorder=4)
    said = "expected if languages erred independently"
    ax.plot(table["right"], table["expected"], "D", color=VERMILION, markerfacecolor="white", label=said)
    ax.set(xlabel="languages in which the item is right", ylabel="items", xticks=table["right"])
    legend_above(ax)
    sns.despine(ax=ax)
    return ax
