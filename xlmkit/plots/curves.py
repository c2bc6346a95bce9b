"""Charts over a second quantity: confidence, the course of training, layers, numbers of
languages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from xlmkit.languages import LANGUAGES
from xlmkit.plots.figure import (
    BLUE,
    CHANCE,
    GREY,
    INK,
    VERMILION,
    axes,
    check_columns,
    language_label,
    legend_above,
    panels,
)


def reliability(
    table: pd.DataFrame,
    calibration: pd.DataFrame | None = None,
    *,
    by: str = "language",
    columns: int | None = None,
) -> Any:
    """Draw accuracy against confidence for each language; below the diagonal it is overconfident.

    Parameters
    ----------
    table : as `reliability` returns it: `by`, `n`, `confidence`, `accuracy` in [0, 1]; one row per
        bin. The area of a dot is the fraction of the language's pairs that are in the bin.
    calibration : as `calibration` returns it; the titles then show its `ece` and `ece_floor`, the
        ECE of a calibrated model on as many pairs.
    columns : panels per row; None for five or four.

    Returns
    -------
    seaborn's FacetGrid with one panel per language; it makes a figure of its own.

    Raises
    ------
    ValueError : if a column is missing."""
    check_columns(table, by, "n", "confidence", "accuracy")
    errors = {}
    if calibration is not None:
        check_columns(calibration, by, "ece", "ece_floor")
        errors = calibration.set_index(by)[["ece", "ece_floor"]].to_dict("index")
    filled = table[table["n"] > 0]
    facets = panels(table, by, columns, height=1.6)
    limits = {"xlim": (100 * min(CHANCE, float(filled["confidence"].min())) - 3, 100), "ylim": (0, 100)}
    ticks = {"xticks": [50, 100], "yticks": [0, 50, 100]}
    for value, ax in facets.axes_dict.items():
        bins = filled[filled[by] == value].sort_values("confidence")
        confidence, correct = 100 * bins["confidence"], 100 * bins["accuracy"]
        ax.plot([0, 100], [0, 100], color=INK, linestyle=":", linewidth=1)
        ax.plot(confidence, correct, color=BLUE, linewidth=1)
        area = np.maximum(300 * bins["n"] / bins["n"].sum(), 4)
        ax.scatter(confidence, correct, s=area, color=BLUE, clip_on=False)
        ax.set(**limits, **ticks, xlabel="", ylabel="", aspect="auto")
        title = language_label(value)
        if value in errors:
            ece, floor = errors[value].values()
            title += f"\nECE {100 * ece:.1f}, floor {100 * floor:.1f}"
        ax.set_title(title, fontsize="small")
    facets.figure.supxlabel("mean confidence of the bin, %", fontsize="medium")
    facets.figure.supylabel("accuracy of the bin, %", fontsize="medium")
    return facets


def items_by_n_correct(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many items are right in how many languages, next to what independence would give.

    Parameters
    ----------
    table : as `metrics.items_by_n_correct` returns it: `right` languages from 0 up, `n` items,
        `expected` items if languages erred independently.

    Raises
    ------
    ValueError : if a column is missing."""
    check_columns(table, "right", "n", "expected")
    ax = axes(ax, 7.0, 3.2)
    bars = ax.bar(table["right"], table["n"], color=BLUE, width=0.8, label="items")
    halo = [withStroke(linewidth=2.5, foreground="white")]  # keeps the numbers readable over a diamond
    ax.bar_label(bars, padding=2, fontsize="small", path_effects=halo, zorder=4)
    expected: Any = {"color": VERMILION, "mfc": "white", "label": "expected if languages erred independently"}
    ax.plot(table["right"], table["expected"], "D", **expected)
    ax.set(xlabel="languages in which the item is right", ylabel="items", xticks=table["right"])
    legend_above(ax)
    sns.despine(ax=ax)
    return ax


def retrieval(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw for each layer how often a sentence's nearest neighbour is its translation.

    A line is the mean over the languages, its band reaches from the lowest to the highest.

    Parameters
    ----------
    table : as `probes.retrieval` returns it: `layer`, `language`, `ids`, `accuracy` in [0, 1],
        `chance`.

    Raises
    ------
    ValueError : if a column is missing, or a language has several rows in one layer."""
    key = ("layer", "language", "ids")
    check_columns(table, *key, "accuracy", "chance", unique=key)
    ax = axes(ax, 7.0, 3.6)
    for kind, mark, colour in zip(table["ids"].unique(), "osD", (BLUE, VERMILION, GREY), strict=False):
        layers = 100 * table[table["ids"] == kind].groupby("layer")["accuracy"].agg(["mean", "min", "max"])
        label = "no id" if kind == "none" else f"{kind} ids"
        ax.plot(layers.index, layers["mean"], marker=mark, color=colour, label=label)
        _band(ax, layers.index, layers["min"], layers["max"], color=colour)
    ax.axhline(100 * table["chance"].mean(), color=INK, linestyle=":", linewidth=1)
    ax.set(xlabel="layer (0: the embeddings)", ylabel="translation is the nearest, %", ylim=(0, 100))
    ax.set_xticks(sorted(table["layer"].unique()))
    legend_above(ax)
    sns.despine(ax=ax)
    return ax


def learning_curve(history: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a training run: accuracy on dev in English and over the languages, and the loss behind
    it.

    Parameters
    ----------
    history : as `training.history` returns it: `event`, `rows`, `loss` in nats, `accuracy` in [0,
        1] and `accuracy_<code>` for each language. The band reaches from the lowest language to the
        highest.

    Raises
    ------
    ValueError : if a column is missing, or there is no evaluation yet."""
    check_columns(history, "event", "rows", "loss", "accuracy")
    steps = history[(history["event"] == "step") & history["loss"].notna()]
    evaluated = history[history["accuracy"].notna()]
    if evaluated.empty:
        raise ValueError("expected at least one evaluation in the history; got none yet. Train on first.")
    ax = axes(ax, 7.0, 4.2)
    if not steps.empty:
        _draw_loss(ax, steps["rows"], steps["loss"])
    codes = [name for name in history.columns if name.removeprefix("accuracy_") in LANGUAGES]
    rows, languages = evaluated["rows"], 100 * evaluated[codes].astype(float)
    lines = {"accuracy": (100 * evaluated["accuracy"], INK, "D")}
    if "accuracy_en" in codes:
        lines = {"English": (languages["accuracy_en"], INK, "D")}
    if len(codes) > 1:
        lines |= {f"mean of {len(codes)} languages": (languages.mean(axis=1), BLUE, "o")}
    for label, (values, colour, mark) in lines.items():
        ax.plot(rows, values, color=colour, marker=mark, markersize=4, label=label)
    if len(codes) > 1:
        ends = languages.min(axis=1), languages.max(axis=1)
        _band(ax, rows, *ends, color=BLUE, label="lowest to highest language")
    legend_above(ax, columns=3)
    limits = (0, 1.02 * float(history["rows"].max()))
    ax.set(xlabel="training rows seen", ylabel="accuracy on dev, %", xlim=limits)
    sns.despine(ax=ax, right=steps.empty)
    return ax


def _band(ax: Axes, x: Any, low: Any, high: Any, **options: Any) -> None:
    ax.fill_between(x, low, high, alpha=0.13, linewidth=0, **options)


def _draw_loss(ax: Axes, rows: pd.Series, loss: pd.Series) -> None:
    """The loss of each step on a scale of its own on the right, behind everything else on `ax`."""
    scale = ax.twinx()
    mark = "o" if len(rows) == 1 else None  # a line needs two points
    scale.plot(rows, loss, color=VERMILION, linewidth=1, marker=mark, markersize=4, alpha=0.7)
    scale.set_ylim(0, None)
    scale.set_ylabel("training loss, nats", color="#B34F00")
    scale.tick_params(axis="y", colors="#B34F00")
    sns.despine(ax=scale, right=False)
    ax.set_zorder(scale.get_zorder() + 1)
    ax.patch.set_visible(False)  # it would hide the loss
