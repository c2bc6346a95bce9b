"""Where the language embeddings lie: in a plane, beside one another, and joined into a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from xlmkit.plots.figure import GREY, INK, PALETTE, axes, lines, name, need
from xlmkit.plots.matrices import stretched

DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
POINT, NAME = (
    (11.0, 9.5),
    (17.0, 15.0),
)  # how near a name may come to a point and to a name, across and down, in points of type
LEGEND: dict[str, Any] = {"frameon": False, "alignment": "left", "title_fontsize": "medium"}


def embedding_map(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw where the language embeddings lie in a plane: the mark says the script, the colour the family, the code the language.

    Parameters
    ----------
    table : a frame as `probes.embedding_map` gives it: `language`, `x`, `y`, `script`, `family`; `attrs["explained"]`, the
        axes' shares of the variance, are optional.

    Raises
    ------
    ValueError : if a column is missing."""
    need(table, "language", "x", "y", "script", "family")
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
    ax.add_artist(
        ax.legend(handles=scripts, title="script", loc="upper left", bbox_to_anchor=(1, 1), **LEGEND)
    )
    ax.legend(handles=families, title="family", loc="lower left", bbox_to_anchor=(1, 0), **LEGEND)
    shares = [f", {100 * share:.0f} % of the variance" for share in table.attrs.get("explained", ())] or [
        "",
        "",
    ]
    ax.set(xlabel=f"first principal component{shares[0]}", ylabel=f"second principal component{shares[1]}")
    ax.set_aspect("equal", "datalim")
    ax.margins(0.1)
    sns.despine(ax=ax)
    _write_names(ax, table)
    return ax


def cosines(table: pd.DataFrame, joins: pd.DataFrame | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw the cosines between the language embeddings as a heat map.

    Parameters
    ----------
    table : a square frame as `probes.geometry` gives it, in [-1, 1]; the diagonal is left empty.
    joins : a frame as `probes.dendrogram` gives it; its order puts languages that join early side by side. None: the order of the table."""
    order = list(table.index) if joins is None else leaves(joins)
    others = table.where(
        ~np.eye(len(table), dtype=bool)
    )  # with itself each has 1, which would take all the colour
    ordered = others.loc[order, order].rename_axis(index=None, columns=None)
    return stretched(ordered, "cosine", signed=True, decimals=2, ax=ax)


def dendrogram(joins: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which languages join first as a tree: the further left two branches meet, the less alike they are.

    Parameters
    ----------
    joins : a frame as `probes.dendrogram` gives it: `first`, `second`, `distance`, with `attrs["languages"]`.

    Raises
    ------
    ValueError : if a column is missing."""
    need(joins, "first", "second", "distance")
    codes, order = joins.attrs["languages"], leaves(joins)
    ax = axes(ax, 7.0, 1.0 + 0.26 * len(order))
    ends = {
        place: (0.0, float(order.index(code))) for place, code in enumerate(codes)
    }  # (distance, height) of each branch
    for number, join in enumerate(joins.to_dict("records"), start=len(codes)):
        (near, above), (far, below) = ends[int(join["first"])], ends[int(join["second"])]
        distance = join["distance"]
        ax.plot([near, distance, distance, far], [above, above, below, below], color=INK, linewidth=1.2)
        ends[number] = (distance, (above + below) / 2)
    lines(ax, [name(code) for code in order])
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
    """The code beside each point, in the direction where it covers least; a thin line leads there where it had to go further."""
    figure = ax.get_figure(root=True)
    if figure is None:
        return  # the Axes were taken out of their figure: there is nothing to write on
    figure.draw_without_rendering()  # so that places on the page are known
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
    """How much a name there would cover of the points, and of the names that are there."""
    shares = [
        np.clip(1 - (np.abs(taken - place) / size).max(1), 0, None).sum()
        for taken, size in ((points, POINT), (names, NAME))
    ]
    return float(shares[0] + 4 * shares[1])
