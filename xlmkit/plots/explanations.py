"""Explanations as figures: words by method, words as bars, premise and hypothesis together, one item in several languages.

What they draw are frames, so the same numbers go to a file by `xlmkit.save_results`, and the figure by `ax.figure.savefig` (or `svg`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from xlmkit.plots.figure import (
    BLUE,
    INK,
    SIGNED,
    UNTICKED,
    VERMILION,
    WRONG,
    axes,
    flat,
    lines,
    need,
    readable,
    single,
)
from xlmkit.plots.matrices import stretched
from xlmkit.render.text import hidden

ENDS = {-1: "against the target", 0: "0", 1: "for the target"}
HATCH = "////"
WIDE = 3  # so many languages leave room for the words in their own


def word_scores(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the scores of words under several methods, each method on its own scale, with the numbers of that scale.

    Parameters
    ----------
    table : one row a word in the order of the text, one column a method. Each column is divided by its largest absolute value, since methods
        have different units: 1 is the strongest word for the target, -1 the strongest against it."""
    largest = table.abs().max().replace(0.0, 1.0)
    height, width = table.shape
    ax = axes(ax, 2.4 + (1.5 if width <= 5 else 0.95) * width, 0.8 + 0.3 * height)
    shown = table / largest
    sns.heatmap(
        shown,
        annot=shown.map("{:+.1f}".format).replace({"+0.0": "0", "-0.0": "0"}).replace("-", "−", regex=True),
        fmt="",
        cmap=SIGNED,
        vmin=-1,
        vmax=1,
        linewidths=1,
        cbar_kws={"ticks": [-1, 0, 1], "format": ENDS.get},
        ax=ax,
        **UNTICKED,
    )
    flat(ax, table)
    as_written(ax)
    return ax


def token_bars(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw one explanation as bars, a word a line in the order of the text: to the right what speaks for the target, to the left, and hatched, against it.

    Parameters
    ----------
    table : what `attribution.tabulate` gives of one explanation: `kind`, `sentence`, `word_text`, `score`, `unit`, `pair_id`, `target`, `contrast`, `method`.
        Special tokens and language ids, which belong to no word, are the last lines.

    Raises
    ------
    ValueError : if a column is missing, there are no rows, or they are of several explanations."""
    keys = ("pair_id", "target", "contrast", "method", "unit")
    need(table, *keys, "kind", "sentence", "word_text", "score")
    if len(table[list(keys)].drop_duplicates()) != 1:
        raise ValueError(
            f"expected the words of one explanation; got those of {len(table[list(keys)].drop_duplicates())}; remedy: choose one with `query`"
        )
    scores = table["score"].to_numpy(dtype=float)
    ax = axes(ax, 6.4, 1.0 + 0.26 * len(table))
    colours = [VERMILION if score < 0 else BLUE for score in scores]
    bars = ax.barh(range(len(table)), scores, color=colours, height=0.72)
    for bar, score in zip(bars, scores, strict=True):
        if score < 0:
            bar.set(hatch=HATCH, edgecolor="white")
    ax.bar_label(bars, [_score(score) for score in scores], padding=3, fontsize="small")
    words = table["word_text"].where(table["kind"] == "word", "(" + table["kind"] + ")")
    lines(ax, [visible(word) for word in words])
    ax.axvline(0, color=INK, linewidth=0.8)
    sides = table["sentence"].to_numpy()
    for place in range(1, len(table)):
        if sides[place] != sides[place - 1]:  # premise from hypothesis from what belongs to no word
            ax.axhline(place - 0.5, color=INK, linewidth=0.8, linestyle=":")
    first = table.iloc[0]
    ax.margins(x=0.14)
    ax.set_xlabel(f"explained: {_explained(first)}; {first['unit']}")
    as_written(ax)
    return ax


def interaction(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what each word of the premise (a row) does only together with each word of the hypothesis (a column).

    Parameters
    ----------
    table : a matrix as `attribution.interaction` gives it, in logits; its `attrs` name what is explained."""
    shown = table.rename(index=visible, columns=visible)
    ax = stretched(shown, "together beyond one by one, logits", signed=True, decimals=2, ax=ax)
    for label in ax.get_xticklabels():
        label.set(rotation=45, ha="right", rotation_mode="anchor")
    if table.attrs.get("target"):
        ax.set_title(f"explained: {_explained(table.attrs)}", fontsize="medium")
    ax.set(xlabel="hypothesis", ylabel="premise")
    as_written(ax)
    return ax


def aligned(carried: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw one item in several languages as a heat map: a row for each word of the reference language, a column a language.

    Parameters
    ----------
    carried : what `alignment.carry` gives, of one item, method and aggregation, with `gold` (from the frame that was explained) or without. Words without a
        partner in a language are empty. With up to three languages the partners themselves stand under the numbers.

    Returns
    -------
    Axes on which a column's name bears its label and, where `gold` is known, ✓ or ✗; what is explained stands below. All languages share one scale.

    Raises
    ------
    ValueError : if a column is missing, there are no rows, or several items or methods."""
    keys = ("item", "method", "aggregation")
    need(
        carried,
        *keys,
        "language",
        "prediction",
        "target",
        "contrast",
        "word",
        "word_text",
        "sentence",
        "score",
        "partners",
    )
    kinds = carried[list(keys)].drop_duplicates()
    if len(kinds) != 1:
        raise ValueError(
            f"expected one item by one method; got {len(kinds)} items and methods; remedy: choose rows with `query`"
        )
    single(carried, "language", "word")
    codes = list(dict.fromkeys(carried["language"]))
    numbers = carried.pivot(index="word", columns="language", values="score")[codes].astype(float)
    partners = carried.pivot(index="word", columns="language", values="partners")[codes]
    wide = len(codes) <= WIDE
    texts = numbers.map(_score)
    if wide:
        own = partners.map(lambda words: " ".join(map(visible, words)))
        texts = texts.where(own == "", texts + "\n" + own)
        texts[codes[0]] = numbers[codes[0]].map(_score)
    names, said = _columns(carried, codes, wide)
    words = carried.drop_duplicates("word").sort_values("word")
    numbers.index = pd.Index([visible(word) for word in words["word_text"]])
    ax = _heat(numbers, texts, wide, signed=carried["aggregation"].iloc[0] == "sum", ax=ax)
    ax.set_xticks([place + 0.5 for place in range(len(names))], labels=names, rotation=0)
    ax.set_xlabel(said)
    sides = words["sentence"].to_numpy()
    for place in range(1, len(sides)):
        if sides[place] != sides[place - 1]:
            ax.axhline(place, color=INK, linewidth=1.5)  # premise from hypothesis
    as_written(ax)
    return ax


def _heat(numbers: pd.DataFrame, texts: pd.DataFrame, wide: bool, *, signed: bool, ax: Axes | None) -> Axes:
    """The heat map itself: one scale, numbers in the cells, crosses of grey where there is nothing."""
    reach = float(numbers.abs().max().max()) or 1.0
    scale: dict[str, Any] = (
        {"cmap": SIGNED, "vmin": -reach, "vmax": reach}
        if signed
        else {"cmap": "Blues", "vmin": 0, "vmax": reach}
    )
    height, width = numbers.shape
    ax = axes(ax, 2.2 + (1.9 if wide else 0.62) * width, 1.1 + (0.44 if wide else 0.3) * height)
    sns.heatmap(
        numbers,
        annot=texts.to_numpy(),
        fmt="",
        annot_kws={"fontsize": "small"},
        linewidths=0.5,
        cbar_kws={"label": "score, one scale", "shrink": 0.8, "pad": 0.02},
        ax=ax,
        **scale,
        **UNTICKED,
    )
    flat(ax, numbers)
    readable(ax.texts)
    hatched(ax, numbers.isna())  # no partner is not the same as no effect
    return ax


def _columns(carried: pd.DataFrame, codes: list[str], wide: bool) -> tuple[list[str], str]:
    """Of each language its code, a sign and its label (in narrow columns its first letter), and what the letters mean."""
    firsts = carried.drop_duplicates("language").set_index("language").loc[codes]
    labels = [visible(label) for label in firsts["prediction"]]
    initials = {label: label[:1].upper() for label in labels}
    short = not wide and len(set(initials.values())) == len(initials)
    signs = [""] * len(codes)
    if "gold" in firsts:
        rows = zip(firsts["gold"], firsts["prediction"], strict=True)
        signs = ["" if pd.isna(gold) else " ✓" if gold == label else f" {WRONG}" for gold, label in rows]
    shown = [initials[label] if short else label for label in labels]
    names = [f"{code}{sign}\n{label}" for code, sign, label in zip(codes, signs, shown, strict=True)]
    meant = f"{', '.join(f'{initial}: {label}' for label, initial in sorted(initials.items()))}; "
    what = firsts[["target", "contrast"]].drop_duplicates()
    why = _explained(what.iloc[0]) if len(what) == 1 else "in each language another label"
    return names, f"{meant if short else ''}explained: {why}"


def as_written(ax: Axes) -> None:
    """Take no text of these Axes as a formula: a word may be `$x$`."""
    for text in (
        *ax.texts,
        *ax.get_xticklabels(),
        *ax.get_yticklabels(),
        ax.title,
        ax.xaxis.label,
        ax.yaxis.label,
    ):
        text.set_parse_math(False)


def visible(text: object) -> str:
    """Text with what is invisible and could reorder it, or cannot be drawn, replaced by its number."""
    return "".join(f"U+{ord(letter):04X}" if hidden(letter) else letter for letter in str(text))


def hatched(ax: Axes, cells: pd.DataFrame) -> None:
    """Hatch the cells of a heat map that are true."""
    for down, across in np.argwhere(cells.to_numpy(dtype=bool)):
        ax.add_patch(
            Rectangle((across, down), 1, 1, fill=False, hatch=HATCH, edgecolor="#BBBBBB", linewidth=0)
        )


def _score(score: float) -> str:
    """+0.12, −0.12 or 0; nothing where there is none."""
    return (
        ""
        if pd.isna(score)
        else f"{score:+.2f}".replace("+0.00", "0").replace("-0.00", "0").replace("-", "−")
    )


def _explained(row: Any) -> str:
    contrast = row.get("contrast")
    than = "" if contrast is None or pd.isna(contrast) else f" rather than {visible(contrast)}"
    return f"{visible(row['target'])}{than}"
