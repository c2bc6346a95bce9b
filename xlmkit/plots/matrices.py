"""Heat maps that bear their numbers: a wide frame, disagreement between languages, confusion by language."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from xlmkit.pairs import LABELS
from xlmkit.plots.figure import ALL, SIGNED, UNTICKED, axes, flat, name, need, panels, single, wrapped


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
        **UNTICKED,
    )
    flat(ax, table, keep_names=True)
    return ax


def confusion(table: pd.DataFrame, *, by: str = "language", columns: int | None = None) -> Any:
    """Draw a small confusion matrix for each language: of the pairs with a gold label (a row), the share that got each label (a column).

    Parameters
    ----------
    table : a frame as `confusion` gives it: `by`, `gold`, `prediction`, `share` in [0, 1].
    columns : panels in a row; None for five or four.

    Returns
    -------
    seaborn's FacetGrid, a panel a language; it makes a figure of its own.

    Raises
    ------
    ValueError : if a column is missing, or a cell has several rows."""
    need(table, by, "gold", "prediction", "share")
    single(table, by, "gold", "prediction")
    labels = _labels(table)
    initials = [label[:1].upper() for label in labels]
    short = initials if len(set(initials)) == len(labels) else labels
    facets = panels(table, by, columns, height=1.25 + 0.15 * len(labels))
    for ax in facets.axes_dict.values():
        ax.set_visible(False)  # with every heat map seaborn draws all that is seen of the figure
    for value, ax in facets.axes_dict.items():
        own = table[table[by] == value].pivot(index="gold", columns="prediction", values="share")
        own = 100 * own.reindex(index=labels, columns=labels).set_axis(short, axis=1)
        scale = {"cmap": "Blues", "vmin": 0, "vmax": 100, "cbar": False}
        sns.heatmap(own, annot=True, fmt=".0f", linewidths=1, ax=ax, **scale, **UNTICKED)
        flat(ax, own)
        ax.set_title(name(value), fontsize="medium", weight="bold" if value == ALL else None)
    for ax in facets.axes_dict.values():
        ax.set_visible(True)
    facets.figure.supxlabel("predicted label", fontsize="medium")
    facets.figure.supylabel("gold label (each row: 100 %)", fontsize="medium")
    return facets


def stretched(
    numbers: pd.DataFrame,
    label: str,
    *,
    signed: bool = False,
    decimals: int = 0,
    lowest: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A heat map whose colours reach from the lowest cell to the highest, or from zero to both sides: 225 near numbers would be one shade on a scale to 100.

    Parameters
    ----------
    numbers : wide, in the unit to be written with this many `decimals`; missing cells stay empty.
    signed : zero is in the middle of the colours.
    lowest : where the colours begin instead of the lowest cell."""
    low, high = float(numbers.min().min()), float(numbers.max().max())
    reach = max(abs(low), abs(high)) or 1.0
    scale: dict[str, Any] = (
        {"cmap": SIGNED, "vmin": -reach, "vmax": reach}
        if signed
        else {"cmap": "Blues", "vmin": low if lowest is None else lowest, "vmax": high}
    )
    texts = numbers.map(lambda cell: "" if pd.isna(cell) else f"{cell:z.{decimals}f}".replace("-", "−"))
    height, width = numbers.shape
    ax = axes(ax, 1.8 + (0.4 if decimals < 2 else 0.46) * width, 0.9 + 0.32 * height)
    sns.heatmap(
        numbers.astype(float),
        annot=texts,
        fmt="",
        annot_kws={"fontsize": "small"},
        linewidths=0.5,
        cbar_kws={"label": label, "shrink": 0.8, "pad": 0.02},
        ax=ax,
        **scale,
        **UNTICKED,
    )
    flat(ax, numbers)
    return ax


def _labels(table: pd.DataFrame) -> list[str]:
    """The labels in the usual order if they are NLI's, else in that of the alphabet."""
    found = {str(label) for column in ("gold", "prediction") for label in table[column]}
    return list(LABELS) if found <= set(LABELS) else sorted(found)
