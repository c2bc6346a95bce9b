"""Building blocks of all figures: colours, fonts, checks of a frame, Axes of a size, and panels.

The colours are those of Okabe and Ito (2008), which any colour vision can tell apart."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.text import Text

from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS
from xlmkit.render import is_hidden

COLOURS = {"entailment": "#56B4E9", "neutral": "#E3E3E3", "contradiction": "#E69F00"}
BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#767676", "#222222"
PALETTE = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)  # for other names
SIGNED = LinearSegmentedColormap.from_list("against-for", [VERMILION, "#FFFFFF", BLUE])
CHANCE = 1 / len(LABELS)
ALL = "all"
WRONG = "✗"
# For text in a script that matplotlib's own font lacks: the first of each row that is installed.
FONTS = (
    ("Noto Sans Devanagari", "Kohinoor Devanagari", "Nirmala UI", "Mangal", "Lohit Devanagari"),
    ("Noto Sans Thai", "Leelawadee UI", "Thonburi", "Tahoma", "Loma"),
    ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei"),
    ("Noto Sans Arabic", "Noto Naskh Arabic", "Geeza Pro", "Segoe UI", "Tahoma", "DejaVu Sans"),
)


def check_columns(frame: pd.DataFrame, *columns: str, unique: Sequence[str] = ()) -> None:
    """Refuse a frame that lacks one of these columns, or has several rows for one mark or cell of a
    figure: equal values of all the columns of `unique`."""
    missing = ", ".join(repr(column) for column in columns if column not in frame)
    if missing:
        have = ", ".join(map(repr, frame.columns))
        raise ValueError(f"expected a frame with the column(s) {missing}; it has {have}.")
    if unique and frame.duplicated(list(unique)).any():
        names = " and ".join(f"`{column}`" for column in unique)
        raise ValueError(f"expected at most one row for each {names}; got several. Select rows with `query`.")


def axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The given Axes, or those of a new figure of this size in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def panels(table: pd.DataFrame, by: str, columns: int | None, height: float) -> Any:
    """seaborn's FacetGrid with one panel per value of `by`.

    `columns` is the number of panels per row; None takes 5 or 4, whichever leaves fewer places
    empty."""
    count = table[by].nunique()
    wrap = min(count, columns or min((5, 4), key=lambda width: -count % width))
    facets = sns.FacetGrid(table, col=by, col_wrap=wrap, height=height, despine=False)
    facets.figure.set_layout_engine("constrained")
    return facets


def legend_above(
    ax: Axes, handles: Sequence[Artist] | None = None, *, columns: int | None = None, y: float = 1.0
) -> None:
    """A legend without frame above the Axes, where it covers nothing."""
    shown = list(ax.get_legend_handles_labels()[0] if handles is None else handles)
    where: Any = {"loc": "lower center", "bbox_to_anchor": (0.5, y)}
    ax.legend(handles=shown, ncols=columns or max(1, len(shown)), frameon=False, **where)


def language_label(code: object) -> str:
    """`English (en)` for one of the 15 codes; anything else as it is."""
    return f"{LANGUAGES[code].name} ({code})" if isinstance(code, str) and code in LANGUAGES else str(code)


def wrapped(text: object, width: int = 12) -> str:
    """The name of a column in short lines."""
    return textwrap.fill(str(text).replace("_", " "), width)


def minus(text: str) -> str:
    """A formatted number with the minus sign in place of the hyphen."""
    return text.replace("-", "−")


def visible(text: object) -> str:
    """Text whose invisible and reordering characters are replaced by their code points
    (`U+202E`)."""
    return "".join(f"U+{ord(letter):04X}" if is_hidden(letter) else letter for letter in str(text))


def disable_mathtext(ax: Axes) -> None:
    """Take no text of these Axes as a formula: a word may be `$x$`."""
    ticks = (*ax.get_xticklabels(), *ax.get_yticklabels())
    for text in (*ax.texts, *ticks, ax.title, ax.xaxis.label, ax.yaxis.label):
        text.set_parse_math(False)


def set_fonts(texts: Iterable[Text]) -> None:
    """Give text in other scripts than Latin, Greek and Cyrillic a font of this machine that has
    them.

    matplotlib takes each letter from the first family that has it. From version 3.11 on it also
    orders Arabic and Urdu."""
    for text in texts:
        if any(ord(letter) > 0x58F for letter in text.get_text()):
            text.set_fontfamily(font_families())


@cache
def font_families() -> list[str]:
    """The installed families to draw text with: matplotlib's own, then one for each row of
    `FONTS`."""
    installed = set(font_manager.get_font_names())
    found = [next((family for family in stack if family in installed), None) for stack in FONTS]
    return list(dict.fromkeys(["DejaVu Sans", *(family for family in found if family)]))
