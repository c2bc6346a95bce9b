"""BPETokenizer that every figure is made of: colours, names, fonts, Axes of a size, the ticks of a heat map, a line with its dot.

Colours are those of Okabe and Ito (2008), told apart with any colour vision."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS

COLOURS = {"entailment": "#56B4E9", "neutral": "#E3E3E3", "contradiction": "#E69F00"}
BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#767676", "#222222"
PALETTE = (
    BLUE,
    VERMILION,
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    INK,
)  # for names that have no colour of their own
CHANCE = 1 / len(LABELS)
SIGNED = LinearSegmentedColormap.from_list("against-for", [VERMILION, "#FFFFFF", BLUE])
ALL = "all"
UNTICKED = {"xticklabels": False, "yticklabels": False}
WRONG = "✗"
# For text in a script that matplotlib's own font lacks: of each the first that is installed.
FONTS = (
    ("Noto Sans Devanagari", "Kohinoor Devanagari", "Nirmala UI", "Mangal", "Lohit Devanagari"),
    ("Noto Sans Thai", "Leelawadee UI", "Thonburi", "Tahoma", "Loma"),
    ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei"),
    ("Noto Sans Arabic", "Noto Naskh Arabic", "Geeza Pro", "Segoe UI", "Tahoma", "DejaVu Sans"),
)


def need(frame: pd.DataFrame, *columns: str) -> None:
    """Refuse a frame that lacks a column, by its name."""
    missing = [repr(column) for column in columns if column not in frame]
    if missing:
        raise ValueError(
            f"the frame needs the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has {', '.join(map(repr, frame.columns))}"
        )


def single(frame: pd.DataFrame, *columns: str) -> None:
    """Refuse a frame with several rows for one place of a figure."""
    if frame.duplicated(list(columns)).any():
        named = " and ".join(f"`{column}`" for column in columns)
        raise ValueError(
            f"expected at most one row for each {'pair of ' if len(columns) > 1 else ''}{named}; got several; "
            "remedy: choose rows with `query`"
        )


def axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The given Axes, or those of a new figure of this size in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def name(code: object) -> str:
    """`English (en)` for one of the 15 codes; anything else as it is."""
    return f"{LANGUAGES[code].name} ({code})" if isinstance(code, str) and code in LANGUAGES else str(code)


def wrapped(text: object, width: int = 12) -> str:
    """A column's name in short lines."""
    return textwrap.fill(str(text).replace("_", " "), width)


def interval(
    ax: Axes, place: float, values: Sequence[float], *, colour: str, mark: str, filled: bool = True
) -> None:
    """A horizontal line from the second of three values to the third, with a dot at the first."""
    middle, low, high = values
    ax.plot([low, high], [place, place], color=colour, linewidth=1.5)
    ax.plot(middle, place, mark, color=colour, markerfacecolor=colour if filled else "white")


def lines(ax: Axes, names: Sequence[str]) -> None:
    """Rows of a figure of lines: the first name on top, no ticks, no frame at the left."""
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.3, -0.7))
    readable(ax.get_yticklabels())
    sns.despine(ax=ax, left=True)
    ax.tick_params(axis="y", length=0)


def legend_above(ax: Axes, handles: Sequence[Artist] | None = None, *, columns: int | None = None) -> None:
    """A legend without frame above the Axes, where it covers nothing."""
    found = ax.get_legend_handles_labels()[0] if handles is None else handles
    ax.legend(
        handles=list(found), ncols=columns or max(1, len(found)), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False
    )  # fmt: skip


def flat(ax: Axes, table: pd.DataFrame, *, keep_names: bool = False) -> None:
    """A heat map's ticks: upright text, no tick marks; without the names of index and columns unless they say something.

    The heat map must be drawn with `**UNTICKED`: seaborn would draw the names once before they have the fonts for their scripts."""
    height, width = table.shape
    rows = [str(row).replace("_", " ") for row in table.index]
    ax.set_yticks([place + 0.5 for place in range(height)], labels=rows, rotation=0)
    ax.set_xticks(
        [place + 0.5 for place in range(width)], labels=[wrapped(column) for column in table], rotation=0
    )
    ax.tick_params(length=0)
    readable([*ax.get_yticklabels(), *ax.get_xticklabels()])
    names = (ax.get_xlabel(), ax.get_ylabel()) if keep_names else ("", "")
    ax.set(xlabel=names[0].replace("_", " "), ylabel=names[1].replace("_", " "))


def panels(table: pd.DataFrame, by: str, columns: int | None, height: float) -> Any:
    """seaborn's FacetGrid for a panel a value of `by`; without `columns`, five or four in a row, what leaves fewer places empty."""
    count = table[by].nunique()
    wrap = min(count, columns or min((5, 4), key=lambda width: -count % width))
    facets = sns.FacetGrid(table, col=by, col_wrap=wrap, height=height, despine=False)
    facets.figure.set_layout_engine("constrained")
    return facets


def outline(ax: Axes, rows: Iterable[object], columns: Iterable[object]) -> None:
    """A frame around each cell of a heat map whose row and column have the same name."""
    places = {column: place for place, column in enumerate(columns)}
    for down, row in enumerate(rows):
        if row in places:
            ax.add_patch(Rectangle((places[row], down), 1, 1, fill=False, edgecolor=INK, linewidth=1.5))


def readable(texts: Iterable[Text]) -> None:
    """Give text in other scripts than Latin, Greek and Cyrillic the fonts that this machine has for it.

    matplotlib takes each letter from the first family that has it; the word order of Arabic and Urdu is its own work (from 3.11 on)."""
    for text in texts:
        if any(ord(letter) > 0x58F for letter in text.get_text()):
            text.set_fontfamily(_families())


@cache
def _families() -> list[str]:
    there = set(font_manager.get_font_names())
    found = [next((family for family in stack if family in there), None) for stack in FONTS]
    return list(dict.fromkeys(["DejaVu Sans", *(family for family in found if family)]))


def svg(drawing: Any) -> str:
    """What a plot returned (Axes or FacetGrid) as an SVG document, the same for the same drawing; its figure is closed."""
    figure = drawing.figure
    with BytesIO() as file, plt.rc_context({"svg.hashsalt": "xlmkit"}):
        figure.savefig(
            file, format="svg", metadata={"Date": None}, bbox_inches="tight"
        )  # or a wide legend is cut off
        plt.close(figure)
        return file.getvalue().decode("utf-8")
