"""Training: the course of a run."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from xlmkit.languages import LANGUAGES
from xlmkit.plots.figure import BLUE, INK, VERMILION, axes, legend_above, need


def learning_curve(history: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the course of a training run: accuracy on dev, in English and over the languages, and the loss behind it.

    Parameters
    ----------
    history : a frame as `training.history` gives it: `event`, `rows`, `loss` in nats, and `accuracy` in [0, 1] with `accuracy_<code>` for each
        language. The band reaches from the lowest language to the highest.

    Raises
    ------
    ValueError : if a column is missing, or nothing was evaluated yet."""
    need(history, "event", "rows", "loss", "accuracy")
    steps = history[(history["event"] == "step") & history["loss"].notna()]
    evaluated = history[history["accuracy"].notna()]
    if evaluated.empty:
        raise ValueError("expected at least one evaluation in the history; got none yet")
    ax = axes(ax, 7.0, 4.2)
    if not steps.empty:
        _behind(ax, steps["rows"], steps["loss"])
    codes = [name for name in history.columns if name.removeprefix("accuracy_") in LANGUAGES]
    rows, languages = evaluated["rows"], 100 * evaluated[codes].astype(float)
    lines = {"accuracy": (100 * evaluated["accuracy"], INK, "D")}
    if "accuracy_en" in codes:
        lines = {"English": (languages["accuracy_en"], INK, "D")}
    if len(codes) > 1:
        lines |= {f"mean of {len(codes)} languages": (languages.mean(axis=1), BLUE, "o")}
    for name, (values, colour, mark) in lines.items():
        ax.plot(rows, values, color=colour, marker=mark, markersize=4, label=name)
    if len(codes) > 1:
        low, high = languages.min(axis=1), languages.max(axis=1)
        ax.fill_between(
            rows, low, high, color=BLUE, alpha=0.15, linewidth=0, label="lowest to highest language"
        )
    legend_above(ax, columns=3)
    ax.set(
        xlabel="training rows seen",
        ylabel="accuracy on dev, %",
        xlim=(0, 1.02 * float(history["rows"].max())),
    )
    sns.despine(ax=ax, right=steps.empty)
    return ax


def _behind(ax: Axes, rows: pd.Series, loss: pd.Series) -> None:
    """The loss of each step on a scale of its own, at the right, behind what is drawn on `ax`."""
    scale = ax.twinx()
    mark = "o" if len(rows) == 1 else None  # a line needs two
    scale.plot(rows, loss, color=VERMILION, linewidth=1, marker=mark, markersize=4, alpha=0.7)
    scale.set_ylim(0, None)
    scale.set_ylabel("training loss, nats", color="#B34F00")
    scale.tick_params(axis="y", colors="#B34F00")
    sns.despine(ax=scale, right=False)
    ax.set_zorder(scale.get_zorder() + 1)
    ax.patch.set_visible(False)  # it would hide the loss
