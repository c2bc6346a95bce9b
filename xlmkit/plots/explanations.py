"""Explanations as figures: words by method, words as bars, pairs of words, one item in several
languages.

They draw frames, so `xlmkit.save_results` writes the same numbers, and `ax.figure.savefig` the
figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from xlmkit.plots.figure import (
    BLUE,
    INK,
    SIGNED,
    VERMILION,
    WRONG,
    axes,
    check_columns,
    disable_mathtext,
    minus,
    visible,
)
from xlmkit.plots.heatmaps import HATCH, draw_cells, draw_numbers, hatch
from xlmkit.plots.rows import set_rows

ENDS = {-1: "against the target", 0: "0", 1: "for the target"}
WIDE = 3  # up to so many languages there is room for the words themselves


def word_scores(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the scores of words under several methods, each method on a scale of its own.

    Parameters
    ----------
    table : one row per word in the order of the text, one column per method. Each column is divided
        by its largest absolute value, since methods have different units: 1 is the strongest word
        for the target, -1 the strongest against it."""
    shown = table / table.abs().max().replace(0.0, 1.0)
    width = 1.5 if table.shape[1] <= 5 else 0.95
    ax = axes(ax, 2.4 + width * table.shape[1], 0.8 + 0.3 * len(table))
    texts = shown.map(lambda score: _score(score, 1))
    bar = {"ticks": list(ENDS), "format": ENDS.get}
    draw_cells(ax, shown, texts, SIGNED, -1, 1, bar=bar, text={"fontsize": "medium"})
    ax.set(xlabel="", ylabel="")
    disable_mathtext(ax)
    return ax


def token_bars(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw one explanation as bars, one row per word: to the right for the target, hatched against.

    Parameters
    ----------
    table : as `attribution.tabulate` returns it for one explanation: `kind`, `sentence`,
        `word_text`, `score`, `unit`, `pair_id`, `target`, `contrast`, `method`. Special tokens and
        language ids, which belong to no word, are the last rows.

    Raises
    ------
    ValueError : if a column is missing, there are no rows, or they are of several explanations."""
    keys = ["pair_id", "target", "contrast", "method", "unit"]
    check_columns(table, *keys, "kind", "sentence", "word_text", "score")
    _check_single(table, keys, "explanations")
    scores = table["score"].to_numpy(dtype=float)
    ax = axes(ax, 6.4, 1.0 + 0.26 * len(table))
    colours = [VERMILION if score < 0 else BLUE for score in scores]
    bars = ax.barh(range(len(table)), scores, color=colours, height=0.72)
    for bar, score in zip(bars, scores, strict=True):
        if score < 0:
            bar.set(hatch=HATCH, edgecolor="white")
    ax.bar_label(bars, [_score(score) for score in scores], padding=3, fontsize="small")
    words = table["word_text"].where(table["kind"] == "word", "(" + table["kind"] + ")")
    set_rows(ax, [visible(word) for word in words])
    ax.axvline(0, color=INK, linewidth=0.8)
    for place in _boundaries(table["sentence"]):
        ax.axhline(place - 0.5, color=INK, linewidth=0.8, linestyle=":")
    ax.margins(x=0.14)
    ax.set_xlabel(f"explained: {_target(table.iloc[0])}; {table['unit'].iloc[0]}")
    disable_mathtext(ax)
    return ax


def interaction(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the interaction of each word of the premise (a row) with each of the hypothesis.

    Parameters
    ----------
    table : a matrix in logits as `attribution.interaction` returns it; its `attrs` name what is
        explained."""
    shown = table.rename(index=visible, columns=visible)
    label = "effect together beyond the single effects, logits"
    ax = draw_numbers(shown, label, signed=True, decimals=2, ax=ax)
    for tick in ax.get_xticklabels():
        tick.set(rotation=45, ha="right", rotation_mode="anchor")
    if table.attrs.get("target"):
        ax.set_title(f"explained: {_target(table.attrs)}", fontsize="medium")
    ax.set(xlabel="hypothesis", ylabel="premise")
    disable_mathtext(ax)
    return ax


def aligned(carried: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw one item in several languages: one row per word of the reference, one column per
    language.

    Parameters
    ----------
    carried : as `alignment.project_scores` returns it, of one item, method and aggregation; a
        column `gold` (from the frame that was explained) is optional. Cells of words without a
        partner in a language are hatched. With up to three languages the partners are under the
        numbers.

    Returns
    -------
    Axes on which the name of a column has its prediction and, where `gold` is known, ✓ or ✗. All
    languages share one colour scale.

    Raises
    ------
    ValueError : if a column is missing, there are no rows, or several items or methods."""
    keys = ["item", "method", "aggregation"]
    texts = ("word", "word_text", "sentence", "score", "partners")
    check_columns(carried, *keys, "language", "prediction", "target", "contrast", *texts)
    _check_single(carried, keys, "combinations of item, method and aggregation")
    check_columns(carried, unique=("language", "word"))
    codes = list(dict.fromkeys(carried["language"]))
    words = carried.drop_duplicates("word").sort_values("word")
    table = carried.pivot(index="word", columns="language", values=["score", "partners"])
    numbers: Any = table["score"][codes].astype(float)
    cells = numbers.map(_score)
    wide = len(codes) <= WIDE
    if wide:
        partners = table["partners"][codes[1:]].map(lambda names: " ".join(map(visible, names)))
        cells[codes[1:]] = cells[codes[1:]].where(partners == "", cells[codes[1:]] + "\n" + partners)
    numbers.index = pd.Index([visible(word) for word in words["word_text"]])
    ax = axes(ax, 2.2 + (1.9 if wide else 0.62) * len(codes), 1.1 + (0.44 if wide else 0.3) * len(words))
    signed, reach = carried["aggregation"].iloc[0] == "sum", float(numbers.abs().max().max()) or 1.0
    scale = (SIGNED, -reach, reach) if signed else ("Blues", 0, reach)
    draw_cells(ax, numbers, cells, *scale, bar={"label": "score, one scale", "shrink": 0.8, "pad": 0.02})
    hatch(ax, numbers.isna())  # having no partner is not the same as having no effect
    names, legend = _column_names(carried, codes, wide)
    ax.set_xticks([place + 0.5 for place in range(len(names))], labels=names, rotation=0)
    ax.set(xlabel=legend, ylabel="")
    for place in _boundaries(words["sentence"]):
        ax.axhline(place, color=INK, linewidth=1.5)
    disable_mathtext(ax)
    return ax


def _check_single(table: pd.DataFrame, keys: list[str], what: str) -> None:
    count = len(table[keys].drop_duplicates())
    if count != 1:
        raise ValueError(
            f"expected the rows of one explanation; got {count} {what}. Select rows with `query`."
        )


def _boundaries(sentences: pd.Series) -> np.ndarray:
    """The rows where another sentence begins, or what belongs to no word."""
    values = sentences.astype(object).where(sentences.notna(), "").to_numpy()
    return 1 + np.flatnonzero(values[1:] != values[:-1])


def _column_names(carried: pd.DataFrame, codes: list[str], wide: bool) -> tuple[list[str], str]:
    """The code of each language with its prediction, and what is explained.

    Narrow columns have the prediction's first letter, and the second text says what it means."""
    firsts = carried.drop_duplicates("language").set_index("language").loc[codes]
    labels = [visible(label) for label in firsts["prediction"]]
    initials = {label: label[:1].upper() for label in labels}
    short = not wide and len(set(initials.values())) == len(initials)
    gold = firsts["gold"] if "gold" in firsts else pd.Series(None, index=firsts.index)
    right = (firsts["prediction"] == gold).map({True: " ✓", False: f" {WRONG}"})
    signs = right.where(gold.notna(), "")
    shown = [initials[label] if short else label for label in labels]
    names = [f"{code}{sign}\n{label}" for code, sign, label in zip(codes, signs, shown, strict=True)]
    meaning = f"{', '.join(f'{initial}: {label}' for label, initial in sorted(initials.items()))}; "
    targets = firsts[["target", "contrast"]].drop_duplicates()
    target = _target(targets.iloc[0]) if len(targets) == 1 else "another label in each language"
    return names, f"{meaning if short else ''}explained: {target}"


def _score(score: float, decimals: int = 2) -> str:
    """+0.12, −0.12 or 0; nothing where there is no score."""
    if pd.isna(score):
        return ""
    text = f"{score:+.{decimals}f}"
    return "0" if float(text) == 0 else minus(text)


def _target(row: Any) -> str:
    contrast = row.get("contrast")
    than = "" if contrast is None or pd.isna(contrast) else f" rather than {visible(contrast)}"
    return f"{visible(row['target'])}{than}"
