"""Heat maps: any wide frame, labels in a grid, confusion, disagreement, language ids, faithfulness.

All are drawn by `draw_cells`; `draw_numbers` adds the scale and the text of each number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Rectangle

from xlmkit.pairs import LABELS
from xlmkit.plots.figure import (
    ALL,
    COLOURS,
    INK,
    SIGNED,
    WRONG,
    axes,
    check_columns,
    disable_mathtext,
    language_label,
    legend_above,
    minus,
    panels,
    set_fonts,
    wrapped,
)

HATCH = "////"
VALUES = {  # by column: what the scale is called, the factor, whether zero is in its middle
    "accuracy": ("accuracy, %", 100, False),
    "flips": ("labels that change, %", 100, False),
    "difference": ("difference in accuracy, points", 100, True),
    "margin": ("change of the margin, logits", 1, True),
}
METRICS = {
    "token_f1": "token F1",
    "iou": "IoU",
    "auprc": "AUPRC",
    "leave_one_out": "leave-one-out",
    "max_sensitivity": "max-sensitivity",
}


def heatmap(
    table: pd.DataFrame, *, signed: bool = False, name: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a wide frame of numbers as a heat map that shows them.

    Parameters
    ----------
    table : its index and columns name the rows and columns; missing cells stay empty.
    signed : False for fractions in [0, 1], written as percentages; True for numbers in [-1, 1],
        such as correlations.
    name : what the numbers are, for the colour scale."""
    low, high = (-1, 1) if signed else (0, 100)
    numbers = table.astype(float) * (1 if signed else 100)
    return draw_numbers(numbers, name, signed=signed, decimals=2 * signed, low=low, high=high, ax=ax)


def labels(
    predictions: pd.DataFrame, *, rows: str = "item", columns: str = "language", ax: Axes | None = None
) -> Axes:
    """Draw the predicted label in each cell of a grid by letter and colour; a cross marks errors.

    Parameters
    ----------
    predictions : as `predict` returns it, at most one row per cell; `gold` is optional.
    rows, columns : the columns of the frame that make up the grid.

    Raises
    ------
    ValueError : if a column is missing, a label unknown, or a cell has several rows."""
    check_columns(predictions, rows, columns, "prediction")
    unknown = sorted({str(label) for label in predictions["prediction"]} - set(LABELS))
    if unknown:
        known = ", ".join(LABELS)
        raise ValueError(f"`prediction` must be one of {known}; got {', '.join(map(repr, unknown))}.")
    check_columns(predictions, unique=(rows, columns))
    letters = predictions["prediction"].str[0].str.upper()
    keys = [Patch(facecolor=COLOURS[label], label=f"{label[0].upper()} {label}") for label in LABELS]
    if "gold" in predictions:
        wrong = predictions["gold"].notna() & (predictions["prediction"] != predictions["gold"])
        letters = letters.where(~wrong, letters + WRONG)
        keys.append(Patch(facecolor="none", label=f"{WRONG} not the gold label"))
    frame = predictions.assign(code=predictions["prediction"].map(LABELS.index), letter=letters)
    codes, texts = (_wide(frame, rows, columns, value) for value in ("code", "letter"))
    ax = axes(ax, 1.8 + 0.5 * codes.shape[1], 1.0 + 0.42 * len(codes))
    colours = ListedColormap([COLOURS[label] for label in LABELS])
    draw_cells(ax, codes, texts.fillna(""), colours, 0, len(LABELS) - 1, text={"color": INK})
    legend_above(ax, keys)
    return ax


def confusion(table: pd.DataFrame, *, by: str = "language", columns: int | None = None) -> Any:
    """Draw one small confusion matrix per language, in percent of each gold label (a row).

    Parameters
    ----------
    table : as `confusion` returns it: `by`, `gold`, `prediction`, `share` in [0, 1].
    columns : panels per row; None for five or four.

    Returns
    -------
    seaborn's FacetGrid with one panel per language; it makes a figure of its own.

    Raises
    ------
    ValueError : if a column is missing, or a cell has several rows."""
    check_columns(table, by, "gold", "prediction", "share", unique=(by, "gold", "prediction"))
    known = {str(label) for column in ("gold", "prediction") for label in table[column]}
    names = list(LABELS) if known <= set(LABELS) else sorted(known)
    initials = [label[:1].upper() for label in names]
    short = initials if len(set(initials)) == len(names) else names
    facets = panels(table, by, columns, height=1.25 + 0.15 * len(names))
    for ax in facets.axes_dict.values():
        ax.set_visible(False)  # with every heat map seaborn draws all that is visible of the figure
    for value, ax in facets.axes_dict.items():
        matrix = 100 * _wide(table[table[by] == value], "gold", "prediction", "share")
        matrix = matrix.reindex(index=names, columns=names).set_axis(short, axis=1)
        draw_cells(ax, matrix, matrix.map(_text), "Blues", 0, 100, text={"fontsize": "medium"})
        ax.set_title(language_label(value), fontsize="medium", weight="bold" if value == ALL else None)
    for ax in facets.axes_dict.values():
        ax.set_visible(True)
    facets.figure.supxlabel("predicted label", fontsize="medium")
    facets.figure.supylabel("gold label (each row: 100 %)", fontsize="medium")
    return facets


def disagreement(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw for each two languages the percentage of items whose predicted labels differ.

    Parameters
    ----------
    table : as `metrics.disagreement` returns it: `first`, `second`, `share` in [0, 1]; each two
        languages in one order or in both.

    Raises
    ------
    ValueError : if a column is missing, or two languages have several rows."""
    check_columns(table, "first", "second", "share", unique=("first", "second"))
    turned = table.rename(columns={"first": "second", "second": "first"})
    both = pd.concat([table, turned]).drop_duplicates(["first", "second"])
    both = both[both["first"] != both["second"]]  # a language never differs from itself
    wide = both.pivot(index="first", columns="second", values="share").rename_axis(index=None, columns=None)
    return draw_numbers(100 * wide, "items with different labels, %", low=0, ax=ax)


def language_id_matrix(table: pd.DataFrame, *, value: str = "flips", ax: Axes | None = None) -> Axes:
    """Draw the effect of giving texts of one language (rows) the id of another (columns) or none.

    Parameters
    ----------
    table : as `probes.language_id_matrix` returns it: `text_language`, `id`, and the value. The
        cells with the right id are outlined.
    value : `flips` or `accuracy`, fractions in [0, 1]; `difference` of accuracies in [-1, 1]; or
        `margin` in logits.

    Raises
    ------
    ValueError : if a column is missing, the value is another, or a cell has several rows."""
    ax = _languages(table, "text_language", "id", value, ax)
    ax.set(xlabel="language id given", ylabel="language of the text")
    return ax


def mixed_language_grid(table: pd.DataFrame, *, value: str = "accuracy", ax: Axes | None = None) -> Axes:
    """Draw pairs whose premise (rows) and hypothesis (columns) are in two languages.

    Parameters
    ----------
    table : as `probes.mixed_language_grid` returns it: `premise_language`, `hypothesis_language`,
        and the value. The cells with one language for both are outlined.
    value : `accuracy` or `flips`, fractions in [0, 1]; or `difference` of accuracies in [-1, 1].

    Raises
    ------
    ValueError : if a column is missing, the value is another, or a cell has several rows."""
    ax = _languages(table, "premise_language", "hypothesis_language", value, ax)
    ax.set(xlabel="language of the hypothesis", ylabel="language of the premise")
    return ax


def faithfulness(summary: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw explanation methods by metrics, as percentiles among random explanations.

    Parameters
    ----------
    summary : as `faithfulness.summarize` returns it. A cell has the mean percentile among random
        controls (50 is chance, 100 is best for each metric), and below it the value of the metric
        next to that of the controls. Hatched, "≈ chance": the interval contains 50. "few": too few
        premise groups to tell.

    Raises
    ------
    ValueError : if a column is missing, or a method and metric have several rows."""
    check_columns(summary, "method", "metric", "percentile", "at_chance", "mean", "control")
    methods = summary["method"].astype(str)
    metrics = summary["metric"].map(lambda metric: METRICS.get(metric, str(metric)))
    named = summary.assign(
        method=_distinguished(methods, summary, "method", "aggregation"),
        metric=_distinguished(metrics, summary, "metric", "perturbation"),
        text=summary.apply(_percentile, axis=1),
        chance=summary["at_chance"].astype("boolean").fillna(False).astype(float),
        percentile=100 * summary["percentile"].astype(float),
    )
    check_columns(named, unique=("method", "metric"))
    numbers, texts, chance = (
        _wide(named, "method", "metric", value) for value in ("percentile", "text", "chance")
    )
    ax = axes(ax, 2.6 + 1.35 * numbers.shape[1], 1.0 + 0.62 * len(numbers))
    bar = {"label": "percentile among random explanations", "ticks": [0, 50, 100]}
    draw_cells(ax, numbers, texts.fillna(""), SIGNED, 0, 100, bar=bar, wrap=18)
    disable_mathtext(ax)
    hatch(ax, chance == 1)
    return ax


def draw_numbers(
    numbers: pd.DataFrame,
    label: str | None,
    *,
    signed: bool = False,
    decimals: int = 0,
    low: float | None = None,
    high: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A heat map of numbers in the unit in which they are written.

    Parameters
    ----------
    label : name of the colour scale; None for none.
    signed : put zero in the middle of the colours.
    low, high : ends of the colour scale; None takes the lowest and the highest cell, since 225
        similar numbers would have one shade on a scale up to 100."""
    reach = float(numbers.abs().max().max()) or 1.0
    lowest, highest = (-reach, reach) if signed else (numbers.min().min(), numbers.max().max())
    texts = numbers.map(lambda cell: _text(cell, decimals))
    letters = max((len(line) for column in numbers for line in wrapped(column).split("\n")), default=0)
    width = max(0.42 if decimals < 2 else 0.48, 0.085 * letters)
    ax = axes(ax, 2.0 + width * numbers.shape[1], 0.9 + 0.34 * len(numbers))
    ends = (lowest if low is None else low, highest if high is None else high)
    bar = {"label": label, "shrink": 0.8, "pad": 0.02}
    draw_cells(ax, numbers, texts, SIGNED if signed else "Blues", *ends, bar=bar)
    return ax


def draw_cells(
    ax: Axes,
    numbers: pd.DataFrame,
    texts: pd.DataFrame,
    colours: Any,
    low: float,
    high: float,
    *,
    bar: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
    wrap: int = 12,
) -> None:
    """Draw a text in each cell over the colour of its number, and name rows and columns.

    `bar` are options of the colour bar (None for no bar), `text` those of the texts in the cells,
    `wrap` is the number of letters per line of a column's name. The ticks are set here, since
    seaborn would draw the names before they have the fonts for their scripts."""
    shared = {"fmt": "", "linewidths": 1, "xticklabels": False, "yticklabels": False}
    options = {"cmap": colours, "vmin": low, "vmax": high, "cbar": bar is not None, "cbar_kws": bar}
    style = {"fontsize": "small"} if text is None else text
    sns.heatmap(numbers.astype(float), annot=texts.to_numpy(), annot_kws=style, ax=ax, **shared, **options)
    rows = [str(row).replace("_", " ") for row in numbers.index]
    columns = [wrapped(column, wrap) for column in numbers]
    ax.set_yticks([place + 0.5 for place in range(len(rows))], labels=rows, rotation=0)
    ax.set_xticks([place + 0.5 for place in range(len(columns))], labels=columns, rotation=0)
    ax.tick_params(length=0)
    set_fonts([*ax.get_yticklabels(), *ax.get_xticklabels(), *ax.texts])
    ax.set(xlabel=ax.get_xlabel().replace("_", " "), ylabel=ax.get_ylabel().replace("_", " "))


def hatch(ax: Axes, cells: pd.DataFrame) -> None:
    """Hatch the cells of a heat map that are true."""
    style: Any = {"fill": False, "hatch": HATCH, "edgecolor": "#BBBBBB", "linewidth": 0}
    for row, column in np.argwhere(cells.to_numpy(dtype=bool)):
        ax.add_patch(Rectangle((column, row), 1, 1, **style))


def _outline(ax: Axes, rows: Iterable[object], columns: Iterable[object]) -> None:
    """Frame each cell whose row and column have the same name."""
    places = {column: place for place, column in enumerate(columns)}
    for place, row in enumerate(rows):
        if row in places:
            ax.add_patch(Rectangle((places[row], place), 1, 1, fill=False, edgecolor=INK, linewidth=1.5))


def _languages(table: pd.DataFrame, rows: str, columns: str, value: str, ax: Axes | None) -> Axes:
    """The heat map of one value by two languages, in the order of the table."""
    if value not in VALUES:
        raise ValueError(f"`value` must be one of {', '.join(VALUES)}; got {value!r}.")
    check_columns(table, rows, columns, value, unique=(rows, columns))
    wide = _wide(table, rows, columns, value)
    label, factor, signed = VALUES[value]
    ax = draw_numbers(factor * wide, label, signed=signed, decimals=int(signed), ax=ax)
    _outline(ax, wide.index, wide.columns)
    return ax


def _wide(table: pd.DataFrame, rows: str, columns: str, value: str) -> pd.DataFrame:
    """Values by row and column, both in the order of the table, without names of the axes."""
    wide = table.pivot(index=rows, columns=columns, values=value)
    return wide.reindex(index=table[rows].unique(), columns=table[columns].unique()).rename_axis(
        index=None, columns=None
    )


def _text(cell: float, decimals: int = 0) -> str:
    return "" if pd.isna(cell) else minus(f"{cell:z.{decimals}f}")


def _percentile(row: Any) -> str:
    """The text of a cell: the percentile, whether it is at chance, the metric and the controls'."""
    if pd.isna(row["percentile"]):
        return ""
    chance = " few" if pd.isna(row["at_chance"]) else " ≈ chance" if row["at_chance"] else ""
    values = minus(f"{row['mean']:.2f}, random {row['control']:.2f}")
    return f"{100 * row['percentile']:.0f}{chance}\n{values}"


def _distinguished(names: pd.Series, table: pd.DataFrame, column: str, other: str) -> pd.Series:
    """Names with the value of another column, where a name occurs with several of its values."""
    if other not in table:
        return names
    several = table.groupby(column)[other].transform("nunique") > 1
    return names.where(~several, names + " " + table[other].astype(str))
