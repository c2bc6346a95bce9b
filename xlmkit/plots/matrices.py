"""Heat maps that bear their numbers: a wide frame, disagreement between languages, confusion by language."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from xlmkit.pairs import LABELS
from xlmkit.plots.figure import ALL, SIGNED, axes, flat, name, need, single, wrapped


def grid(
    table: pd.DataFrame, *, signed: bool = False, name: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a wide frame of numbers as a heat map that bears them, such as a share by premise and hypothesis language.

    Parameters
    ----------
    table : its index and columns name the rows and columns of the map; missing cells stay empty.
    signed : False for shares in [0, 1], written as percentages; True for numbers in [-1, 1], such as correlations.
    name : what the numbers are, for the scale."""
    scale: dict[str, Any] = (
        {"fmt": ".2f", "cmap": SIGNED, "vmin": -1, "vmax": 1}
        if signed
        else {"fmt": ".0f", "cmap": "Blues", "vmin": 0, "vmax": 100}
    )
    columns = [wrapped(column) for column in table.columns]
    letters = max((len(line) for column in columns for line in column.split("\n")), default=0)
    height, width = table.shape
    ax = axes(ax, 2.4 + max(0.42, 0.085 * letters) * width, 0.8 + 0.36 * height)
    sns.heatmap(
        table.astype(float) * (1 if signed else 100),
        annot=True,
        linewidths=1,
        cbar_kws={"label": name} if name else None,
        ax=ax,
        **scale,
    )
    flat(ax, keep_names=True)
    return ax


def flips(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw for every two languages the share of items on which their labels differ.

    Parameters
    ----------
    table : a frame as `flips` gives it: `first`, `second`, `n`, `share` in [0, 1]; one row a pair of languages, in either order.

    Raises
    ------
    ValueError : if a column is missing, or a pair has several rows."""
    need(table, "first", "second", "share")
    single(table, "first", "second")
    turned = table.rename(columns={"first": "second", "second": "first"})
    both = pd.concat([table, turned]).drop_duplicates(["first", "second"])
    wide = both.pivot(index="first", columns="second", values="share").rename_axis(index=None, columns=None)
    return grid(wide, name="items with different labels, %", ax=ax)


def confusion(table: pd.DataFrame, *, by: str = "language", columns: int = 5) -> Any:
    """Draw a small confusion matrix for each language: of the pairs with a gold label (a row), the share that got each label (a column).

    Parameters
    ----------
    table : a frame as `confusion` gives it: `by`, `gold`, `label`, `n`, `share` in [0, 1].
    columns : panels in a row.

    Returns
    -------
    seaborn's FacetGrid, a panel a language; it makes a figure of its own.

    Raises
    ------
    ValueError : if a column is missing."""
    need(table, by, "gold", "label", "share")
    single(table, by, "gold", "label")
    labels = _labels(table)
    panels = sns.FacetGrid(
        table, col=by, col_wrap=min(columns, table[by].nunique()), height=1.6, despine=False
    )
    for value, ax in panels.axes_dict.items():
        own = table[table[by] == value].pivot(index="gold", columns="label", values="share")
        own = own.reindex(index=labels, columns=labels)
        sns.heatmap(
            100 * own, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, linewidths=1, cbar=False, ax=ax
        )
        flat(ax)
        ax.set_title(name(value), fontsize="medium", weight="bold" if value == ALL else None)
    panels.figure.supxlabel("predicted label", fontsize="medium")
    panels.figure.supylabel("gold label (each row adds up to 100 %)", fontsize="medium")
    panels.figure.set_layout_engine("constrained")
    return panels


def _labels(table: pd.DataFrame) -> list[str]:
    """The labels in the usual order if they are NLI's, else in that of the alphabet."""
    found = {str(label) for column in ("gold", "label") for label in table[column]}
    return list(LABELS) if found <= set(LABELS) else sorted(found)
