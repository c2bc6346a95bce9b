"""Calibration: whether predictions that are sure to a degree are right as often as that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from xlmkit.plots.figure import BLUE, CHANCE, INK, name, need, panels


def reliability(
    table: pd.DataFrame,
    calibration: pd.DataFrame | None = None,
    *,
    by: str = "language",
    columns: int | None = None,
) -> Any:
    """Draw for each language how often predictions of a confidence are right: on the diagonal they are as sure as they should be, below it too sure.

    Parameters
    ----------
    table : a frame as `reliability` gives it: `by`, `n`, `confidence`, `accuracy` in [0, 1]; one row a bin. The area of a dot is the bin's
        share of the language's pairs.
    calibration : a frame as `calibration` gives it; its `ece` and the `ece_floor` that a calibrated model of that n shows stand in the titles.
    columns : panels in a row; None for five or four.

    Returns
    -------
    seaborn's FacetGrid, a panel a language; it makes a figure of its own.

    Raises
    ------
    ValueError : if a column is missing."""
    need(table, by, "n", "confidence", "accuracy")
    said = {} if calibration is None else _errors(calibration, by)
    filled = table[table["n"] > 0]
    facets = panels(table, by, columns, height=1.6)
    start = 100 * min(CHANCE, float(filled["confidence"].min()))
    for value, ax in facets.axes_dict.items():
        own = filled[filled[by] == value].sort_values("confidence")
        ax.plot([0, 100], [0, 100], color=INK, linestyle=":", linewidth=1)
        ax.plot(100 * own["confidence"], 100 * own["accuracy"], color=BLUE, linewidth=1)
        area = 300 * own["n"] / own["n"].sum()
        ax.scatter(
            100 * own["confidence"], 100 * own["accuracy"], s=np.maximum(area, 4), color=BLUE, clip_on=False
        )
        ax.set(
            xlim=(start - 3, 100),
            ylim=(0, 100),
            xticks=[50, 100],
            yticks=[0, 50, 100],
            xlabel="",
            ylabel="",
            aspect="auto",
        )
        ax.set_title("\n".join([name(value), *said.get(value, [])]), fontsize="small")
    facets.figure.supxlabel("mean confidence of the bin, %", fontsize="medium")
    facets.figure.supylabel("accuracy of the bin, %", fontsize="medium")
    return facets


def _errors(calibration: pd.DataFrame, by: str) -> dict[object, list[str]]:
    need(calibration, by, "ece", "ece_floor")
    columns = (calibration[by], calibration["ece"], calibration["ece_floor"])
    return {
        value: [f"ECE {100 * ece:.1f}, floor {100 * floor:.1f}"]
        for value, ece, floor in zip(*columns, strict=True)
    }
