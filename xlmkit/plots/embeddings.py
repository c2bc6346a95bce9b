"""Language embeddings: their positions in a plane, their cosines, and the tree that joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from xlmkit.plots.figure import GREY, INK, PALETTE, axes, check_columns, language_label
from xlmkit.plots.heatmaps import draw_numbers
from xlmkit.plots.rows import set_rows

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
# How near a name may come to a point and to another name, across and down, in points of type.
POINT, NAME = (11.0, 9.5), (17.0, 15.0)
LEGEND: dict[str, Any] = {"frameon": False, "alignment": "left", "title_fontsize": "medium"}


def language_map(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the language embeddings in a plane; marks show the script, colours the family.

    Parameters
    ----------
    table : as `probes.language_map` returns it: `language`, `x`, `y`, `script`, `family`;
        `attrs["explained"]`, the fractions of the variance that the axes explain, is optional.

    Raises
    ------
    ValueError : if a column is missing."""
    check_columns(table, "language", "x", "y", "script", "family")
    ax = axes(ax, 7.0, 4.6)
    marks = dict(zip(table["script"].unique(), "osD^vPX*h", strict=False))
    colours = dict(zip(table["family"].unique(), PALETTE, strict=False))
    for row in table.to_dict("records"):
        mark, colour = marks.get(row["script"], "p"), colours.get(row["family"], INK)
        ax.plot(row["x"], row["y"], mark, color=colour, markersize=7)
    scripts = [
        Line2D([], [], marker=mark, linestyle="", color=GREY, label=script) for script, mark in marks.items()
    ]
    codes = table.groupby("family")["language"].agg(" ".join)
    families = [Patch(color=colour, label=f"{family}: {codes[family]}") for family, colour in colours.items()]
    upper: Any = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    ax.add_artist(ax.legend(handles=scripts, title="script", **upper, **LEGEND))
    ax.legend(handles=families, title="family", loc="lower left", bbox_to_anchor=(1, 0), **LEGEND)
    explained = [f", {100 * part:.0f} % of the variance" for part in table.attrs.get("explained", ())]
    first, second = explained or ("", "")
    ax.set(xlabel=f"first principal component{first}", ylabel=f"second principal component{second}")
    ax.set_aspect("equal", "datalim")
    ax.margins(0.1)
    sns.despine(ax=ax)
    _write_names(ax, table)
    return ax


def language_cosines(
    table: pd.DataFrame, joins: pd.DataFrame | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the cosines between the language embeddings as a heat map.

    Parameters
    ----------
    table : square, as `probes.language_cosines` returns it, in [-1, 1]; the diagonal stays empty,
        since its ones would dominate the colour scale.
    joins : as `probes.dendrogram` returns it; languages are then in the order of its leaves. None
        takes the order of the table."""
    order = list(table.index) if joins is None else leaves(joins)
    others = table.where(~np.eye(len(table), dtype=bool))
    ordered = others.loc[order, order].rename_axis(index=None, columns=None)
    return draw_numbers(ordered, "cosine", signed=True, decimals=2, ax=ax)


def dendrogram(joins: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a tree of languages: the further left two branches meet, the less similar they are.

    Parameters
    ----------
    joins : as `probes.dendrogram` returns it: `first`, `second`, `distance`, and
        `attrs["languages"]`.

    Raises
    ------
    ValueError : if a column is missing."""
    check_columns(joins, "first", "second", "distance")
    codes, order = joins.attrs["languages"], leaves(joins)
    ax = axes(ax, 7.0, 1.0 + 0.26 * len(order))
    # (distance, height) of the end of each branch. A join makes a branch with the next number:
    #   0 ──┐
    #       4 ──┐      join 4 = (0, 3) ends in the middle of its two branches,
    #   3 ──┘   6      and is itself a branch of a later join.
    ends = {place: (0.0, float(order.index(code))) for place, code in enumerate(codes)}
    for number, join in enumerate(joins.to_dict("records"), start=len(codes)):
        (near, above), (far, below) = ends[int(join["first"])], ends[int(join["second"])]
        distance = join["distance"]
        ax.plot([near, distance, distance, far], [above, above, below, below], color=INK, linewidth=1.2)
        ends[number] = (distance, (above + below) / 2)
    set_rows(ax, [language_label(code) for code in order])
    ax.yaxis.tick_right()
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(1.05 * float(joins["distance"].max()), 0)
    ax.set_xlabel("1 − cosine at which two branches meet")
    return ax


def leaves(joins: pd.DataFrame) -> list[str]:
    """The languages in the order of the tree's leaves."""
    codes = joins.attrs["languages"]
    branches = {place: [code] for place, code in enumerate(codes)}
    for number, join in enumerate(joins.to_dict("records"), start=len(codes)):
        branches[number] = branches[int(join["first"])] + branches[int(join["second"])]
    return branches[len(codes) + len(joins) - 1]


def _write_names(ax: Axes, table: pd.DataFrame) -> None:
    """Write the code next to each point, in the direction where it covers least.

    A thin line leads to a name that had to move further away."""
    figure = ax.get_figure(root=True)
    if figure is None:
        return  # the Axes were removed from their figure
    figure.draw_without_rendering()  # positions on the page are known only then
    points = ax.transData.transform(table[["x", "y"]].to_numpy(float)) * 72 / figure.dpi
    names = np.empty((0, 2))
    for point, row in zip(points, table.to_dict("records"), strict=True):
        ways = [(reach * x, reach * y) for reach in (11, 18, 26, 36) for x, y in DIRECTIONS]
        way = min(ways, key=lambda way: _covered(point + way, points, names) + 0.02 * abs(complex(*way)))
        names = np.vstack([names, point + way])
        thin = {"arrowstyle": "-", "linewidth": 0.5, "color": GREY, "shrinkA": 0, "shrinkB": 0}
        ax.annotate(
            row["language"],
            (row["x"], row["y"]),
            xytext=way,
            textcoords="offset points",
            ha="center",
            va="center",
            arrowprops=thin if abs(complex(*way)) > 12 else None,
        )


def _covered(place: np.ndarray, points: np.ndarray, names: np.ndarray) -> float:
    """How much a name at this place would cover: points, and four times the names."""
    overlaps = [
        np.clip(1 - (np.abs(taken - place) / size).max(1), 0, None).sum()
        for taken, size in ((points, POINT), (names, NAME))
    ]
    return float(overlaps[0] + 4 * overlaps[1])
