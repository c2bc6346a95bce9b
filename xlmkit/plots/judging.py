"""Judged explanations as a figure: methods by metrics, with chance marked."""

from __future__ import annotations

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from xlmkit.plots.explanations import as_written, hatched
from xlmkit.plots.figure import SIGNED, UNTICKED, axes, flat, need, single, wrapped

CHANCE_PERCENTILE = 50  # of a random explanation, on average
SHORT = {
    "token_f1": "token F1",
    "iou": "IoU",
    "auprc": "AUPRC",
    "leave_one_out": "leave-one-out",
    "max_sensitivity": "max-sensitivity",
}


def judged(summary: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw methods by metrics: where each stands among random explanations, and which cannot be told from them.

    Parameters
    ----------
    summary : what `faithfulness.summarize` gives. A cell is the mean percentile among the random controls in per cent, 50 is chance and 100 best for every
        metric, over the metric's own value beside that of the controls. Hatched, with "≈ chance": the interval holds 50. "few": too few prompts to say.

    Raises
    ------
    ValueError : if a column is missing, or a method and metric have several rows."""
    need(summary, "method", "metric", "percentile", "at_chance", "mean", "control")
    named = summary.assign(method=_methods(summary), metric=_metrics(summary))
    single(named, "method", "metric")
    order = {name: list(dict.fromkeys(named[name])) for name in ("method", "metric")}

    def wide(values: pd.Series) -> pd.DataFrame:
        table = named.assign(values=values).pivot(index="method", columns="metric", values="values")
        return table.loc[order["method"], order["metric"]].rename_axis(index=None, columns=None)

    texts = wide(named.apply(_cell, axis=1))
    numbers = wide(100 * named["percentile"].astype(float))
    height, width = numbers.shape
    ax = axes(ax, 2.6 + 1.35 * width, 1.0 + 0.62 * height)
    sns.heatmap(
        numbers,
        annot=texts.fillna("").to_numpy(),
        fmt="",
        annot_kws={"fontsize": "small"},
        cmap=SIGNED,
        vmin=0,
        vmax=100,
        linewidths=1,
        cbar_kws={"label": "percentile among random explanations", "ticks": [0, CHANCE_PERCENTILE, 100]},
        ax=ax,
        **UNTICKED,
    )
    flat(ax, numbers)
    names = [wrapped(column, 18) for column in numbers]  # room for "comprehensiveness"
    ax.set_xticks([place + 0.5 for place in range(width)], labels=names, rotation=0)
    as_written(ax)
    hatched(ax, wide(named["at_chance"].astype("boolean").fillna(False).astype(float)) == 1)
    return ax


def _cell(row: Any) -> str:
    if pd.isna(row["percentile"]):
        return ""
    values = f"{row['mean']:.2f}, random {row['control']:.2f}".replace("-", "−")
    chance = " few" if pd.isna(row["at_chance"]) else " ≈ chance" if row["at_chance"] else ""
    return f"{100 * row['percentile']:.0f}{chance}\n{values}"


def _methods(summary: pd.DataFrame) -> pd.Series:
    """The method, with its aggregation where a method stands there with several."""
    return _told_apart(summary, summary["method"].astype(str), "method", "aggregation")


def _metrics(summary: pd.DataFrame) -> pd.Series:
    """The metric, with the way of erasing where a metric stands there with several."""
    names = summary["metric"].map(lambda metric: SHORT.get(metric, str(metric)))
    return _told_apart(summary, names, "metric", "erasure")


def _told_apart(summary: pd.DataFrame, names: pd.Series, column: str, other: str) -> pd.Series:
    """What the values of a column are called, with those of another one where a value stands there with several."""
    if other not in summary:
        return names
    several = summary.groupby(column)[other].transform("nunique") > 1
    return names.where(~several, names + " " + summary[other].astype(str))
