"""Plots: a frame in, an Axes (or a table for reading) out. The numbers were computed before; here they are only drawn.

Colours are those of Okabe and Ito (2008), told apart with any colour vision, and nothing is said by colour alone. Figures bear codes and English
names, so that they need no font for Devanagari, Thai or Chinese."""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.patches import Patch
from pandas.io.formats.style_render import CSSDict

from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS

COLOURS = {"entailment": "#56B4E9", "neutral": "#E3E3E3", "contradiction": "#E69F00"}
INK = "#222222"
CHANCE = 1 / len(LABELS)
SIGNED = LinearSegmentedColormap.from_list("against-for", ["#D55E00", "#FFFFFF", "#0072B2"])
WRONG = "✗"
TEXT = "unicode-bidi: plaintext; text-align: start; white-space: pre-wrap"


def labels(
    predictions: pd.DataFrame, *, rows: str = "item", columns: str = "language", ax: Axes | None = None
) -> Axes:
    """Draw which label was predicted in each cell of a grid, by its letter and colour; a wrong one bears a cross.

    Parameters
    ----------
    predictions : a frame as `predict` gives it, at most one row a cell; `gold` is optional.
    rows, columns : the names of the columns that make up the grid.

    Raises
    ------
    ValueError : if a column is missing, a label unknown, or a cell has several rows."""
    _need(predictions, rows, columns, "label")
    odd = sorted({str(label) for label in predictions["label"]} - set(LABELS))
    if odd:
        raise ValueError(f"`label` must be one of {', '.join(LABELS)}; got {', '.join(map(repr, odd))}")
    if predictions.duplicated([rows, columns]).any():
        raise ValueError(f"expected at most one row for each pair of `{rows}` and `{columns}`; got several")
    frame = predictions.assign(code=predictions["label"].map(LABELS.index), letter=_letters(predictions))
    grid = {
        name: frame.pivot(index=rows, columns=columns, values=name).reindex(
            index=frame[rows].unique(), columns=frame[columns].unique()
        )
        for name in ("code", "letter")
    }
    height, width = grid["code"].shape
    ax = _axes(ax, 1.8 + 0.5 * width, 1.0 + 0.42 * height)
    sns.heatmap(
        grid["code"].astype(float),
        annot=grid["letter"].fillna(""),
        fmt="",
        annot_kws={"color": INK},
        cmap=ListedColormap([COLOURS[label] for label in LABELS]),
        vmin=0,
        vmax=len(LABELS) - 1,
        linewidths=2,
        cbar=False,
        ax=ax,
    )
    keys = [Patch(facecolor=COLOURS[label], label=f"{label[0].upper()} {label}") for label in LABELS]
    if "gold" in predictions:
        keys.append(Patch(facecolor="none", label=f"{WRONG} not the gold label"))
    ax.legend(handles=keys, ncols=len(keys), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    _flat(ax)
    return ax


def accuracy(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw accuracy with its interval, a line a language, over the line of chance.

    Parameters
    ----------
    table : a frame as `evaluate` gives it: `language`, `n`, `accuracy`, `low`, `high`, all shares in [0, 1].

    Raises
    ------
    ValueError : if a column is missing."""
    _need(table, "language", "n", "accuracy", "low", "high")
    ordered = table.sort_values("accuracy", kind="stable")
    ordered = pd.concat([ordered[ordered["language"] == "all"], ordered[ordered["language"] != "all"]])
    ax = _axes(ax, 7.0, 1.0 + 0.28 * len(ordered))
    records: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} for row in ordered.to_dict("records")
    ]
    for place, row in enumerate(records):
        colour, mark = (INK, "D") if row["language"] == "all" else ("#0072B2", "o")
        ax.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, linewidth=1.5)
        ax.plot(100 * row["accuracy"], place, mark, color=colour)
    ax.axvline(100 * CHANCE, color=INK, linestyle=":", linewidth=1)
    ax.text(
        100 * CHANCE, len(ordered) - 0.3, " chance", va="bottom", ha="center", color=INK, fontsize="small"
    )
    names = [f"{_name(row['language'])}, n = {row['n']}" for row in records]
    ax.set(
        yticks=list(range(len(records))), yticklabels=names, xlim=(0, 100), ylim=(-0.7, len(ordered) - 0.3)
    )
    ax.set_xlabel("accuracy, % (line: 95 % interval)")
    sns.despine(ax=ax, left=True)
    ax.tick_params(axis="y", length=0)
    return ax


def probabilities(predictions: pd.DataFrame, *, rows: str = "language", ax: Axes | None = None) -> Axes:
    """Draw how the probability of each row is shared among the labels, in the order of the rows.

    Parameters
    ----------
    predictions : a frame as `predict` gives it: `p_entailment`, `p_neutral`, `p_contradiction` in [0, 1].
    rows : the column that names the rows.

    Raises
    ------
    ValueError : if a column is missing."""
    _need(predictions, rows, *(f"p_{label}" for label in LABELS))
    ax = _axes(ax, 7.0, 1.0 + 0.28 * len(predictions))
    places = list(range(len(predictions)))
    left = pd.Series(0.0, index=predictions.index)
    for label in LABELS:
        share = 100 * predictions[f"p_{label}"]
        bars = ax.barh(places, share, left=left, color=COLOURS[label], edgecolor="white", label=label)
        texts = [f"{value:.0f}" if value >= 6 else "" for value in share]
        ax.bar_label(bars, labels=texts, label_type="center", color=INK, fontsize="small")
        left = left + share
    names = [_name(str(value)) for value in predictions[rows]]
    ax.set(yticks=places, yticklabels=names, xlim=(0, 100), xlabel="probability, %")
    ax.invert_yaxis()
    ax.legend(ncols=len(LABELS), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    sns.despine(ax=ax, left=True)
    ax.tick_params(axis="y", length=0)
    return ax


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
    columns = [_wrapped(column) for column in table.columns]
    letters = max((len(line) for column in columns for line in column.split("\n")), default=0)
    height, width = table.shape
    ax = _axes(ax, 2.4 + max(0.6, 0.09 * letters) * width, 0.8 + 0.42 * height)
    sns.heatmap(
        table.astype(float) * (1 if signed else 100),
        annot=True,
        linewidths=1,
        cbar_kws={"label": name} if name else None,
        ax=ax,
        **scale,
    )
    _flat(ax, keep_names=True)
    return ax


def word_scores(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the scores of words under several methods, each method on its own scale, with the numbers of that scale.

    Parameters
    ----------
    table : one row a word in the order of the text, one column a method. Each column is divided by its largest absolute value, since methods
        have different units: 1 is the strongest word for the target, -1 the strongest against it."""
    largest = table.abs().max().replace(0.0, 1.0)
    height, width = table.shape
    ax = _axes(ax, 2.4 + 1.5 * width, 0.8 + 0.3 * height)
    shown = table / largest
    sns.heatmap(
        shown,
        annot=shown.map("{:+.1f}".format).replace({"+0.0": "0", "-0.0": "0"}).replace("-", "−", regex=True),
        fmt="",
        cmap=SIGNED,
        vmin=-1,
        vmax=1,
        linewidths=1,
        cbar_kws={"label": "against the target      for the target", "ticks": [-1, 0, 1]},
        ax=ax,
    )
    _flat(ax)
    return ax


def learning_curve(history: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the course of a training run: accuracy on dev, in English and over the languages, and the loss behind it.

    Parameters
    ----------
    history : a frame as `training.history` gives it: `event`, `rows`, `loss` in nats, and `accuracy` in [0, 1] with `accuracy_<code>` for each
        language. The band reaches from the lowest language to the highest.

    Raises
    ------
    ValueError : if a column is missing, or nothing was evaluated yet."""
    _need(history, "event", "rows", "loss", "accuracy")
    steps = history[(history["event"] == "step") & history["loss"].notna()]
    evaluated = history[history["accuracy"].notna()]
    if evaluated.empty:
        raise ValueError("expected at least one evaluation in the history; got none yet")
    ax = _axes(ax, 7.0, 4.2)
    if not steps.empty:
        _behind(ax, steps["rows"], steps["loss"])
    codes = [name for name in history.columns if name.removeprefix("accuracy_") in LANGUAGES]
    rows, languages = evaluated["rows"], 100 * evaluated[codes].astype(float)
    lines = {"accuracy": (100 * evaluated["accuracy"], INK, "D")}
    if "accuracy_en" in codes:
        lines = {"English": (languages["accuracy_en"], INK, "D")}
    if len(codes) > 1:
        lines |= {f"mean of {len(codes)} languages": (languages.mean(axis=1), "#0072B2", "o")}
    for name, (values, colour, mark) in lines.items():
        ax.plot(rows, values, color=colour, marker=mark, markersize=4, label=name)
    if len(codes) > 1:
        low, high = languages.min(axis=1), languages.max(axis=1)
        ax.fill_between(
            rows, low, high, color="#0072B2", alpha=0.15, linewidth=0, label="lowest to highest language"
        )
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    ax.set(
        xlabel="training rows seen",
        ylabel="accuracy on dev, %",
        xlim=(0, 1.02 * float(history["rows"].max())),
    )
    sns.despine(ax=ax, right=steps.empty)
    return ax


@dataclass(frozen=True)
class Table:
    """A frame drawn for reading: `html` is what a notebook shows, `text` what a terminal does."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def table(frame: pd.DataFrame, *, index: bool = False, precision: int = 2) -> Table:
    """Draw a frame for reading: each text in its own direction, as it was written, and nothing in it taken as HTML.

    Parameters
    ----------
    index : show the index too.
    precision : decimals of numbers.

    Returns
    -------
    The same for the same frame; without script or network."""
    content = frame.to_csv(errors="backslashreplace").encode()
    styler = frame.style.set_uuid(hashlib.sha256(content).hexdigest()[:8])
    styler = styler.format(precision=precision, escape="html", na_rep="")
    styler = styler.format_index(escape="html").format_index(escape="html", axis=1)
    texts = frame.columns.get_indexer(frame.select_dtypes(exclude=["number", "bool", "boolean"]).columns)
    styles = [CSSDict(selector=f"td.col{place}", props=TEXT) for place in texts]
    styles += [
        CSSDict(selector=f"th.col{place}, th.row_heading", props="text-align: start") for place in texts
    ]
    styler = styler.set_table_styles(styles)
    text = frame.to_string(index=index, float_format=f"{{:.{precision}f}}".format, na_rep="")
    return Table((styler if index else styler.hide()).to_html(), text)


# --- pieces of a figure ----------------------------------------------------------------------------------------------------------------


def _letters(predictions: pd.DataFrame) -> pd.Series:
    """E, N or C of each row's label, with a cross where it is not the gold label."""
    letters = predictions["label"].str[0].str.upper()
    if "gold" not in predictions:
        return letters
    wrong = predictions["gold"].notna() & (predictions["label"] != predictions["gold"])
    return letters.where(~wrong, letters + WRONG)


def _need(frame: pd.DataFrame, *columns: str) -> None:
    missing = [repr(column) for column in columns if column not in frame]
    if missing:
        raise ValueError(
            f"the frame needs the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it has {', '.join(map(repr, frame.columns))}"
        )


def _behind(ax: Axes, rows: pd.Series, loss: pd.Series) -> None:
    """The loss of each step on a scale of its own, at the right, behind what is drawn on `ax`."""
    scale = ax.twinx()
    scale.plot(rows, loss, color="#D55E00", linewidth=1, alpha=0.7)
    scale.set_ylim(0, None)
    scale.set_ylabel("training loss, nats", color="#B34F00")
    scale.tick_params(axis="y", colors="#B34F00")
    sns.despine(ax=scale, right=False)
    ax.set_zorder(scale.get_zorder() + 1)
    ax.patch.set_visible(False)  # it would hide the loss


def _axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The given Axes, or those of a new figure of this size in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def _flat(ax: Axes, *, keep_names: bool = False) -> None:
    """A heat map's ticks: upright text, no tick marks; without the names of index and columns unless they say something."""
    ax.tick_params(length=0)
    rows, columns = (
        [tick.get_text() for tick in ticks] for ticks in (ax.get_yticklabels(), ax.get_xticklabels())
    )
    ax.set_yticks(ax.get_yticks(), labels=[row.replace("_", " ") for row in rows], rotation=0)
    ax.set_xticks(ax.get_xticks(), labels=[_wrapped(column) for column in columns], rotation=0)
    names = (ax.get_xlabel(), ax.get_ylabel()) if keep_names else ("", "")
    ax.set(xlabel=names[0].replace("_", " "), ylabel=names[1].replace("_", " "))


def _wrapped(text: object) -> str:
    """A column's name in short lines."""
    return textwrap.fill(str(text).replace("_", " "), 12)


def _name(code: str) -> str:
    """`English (en)` for one of the 15 codes; anything else as it is."""
    return f"{LANGUAGES[code].name} ({code})" if code in LANGUAGES else code
