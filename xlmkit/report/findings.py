"""Findings: what the frames of an analysis say, in sentences. Every number in them is one of the frames'."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from xlmkit.languages import LANGUAGES
from xlmkit.metrics.frames import ALL
from xlmkit.report.analysis import Analysis

LEVEL = 0.05  # of p, after correction


def findings(analysis: Analysis) -> list[str]:
    """The sentences of a findings paragraph, in the order of the page; a question that has no answer has no sentence.

    Intervals in brackets are of 95 %. "Differ" and "lose" are said only where p after correction is at most 0.05."""
    return [sentence for part in PARTS for sentence in part(analysis)]


def _accuracy(analysis: Analysis) -> Iterator[str]:
    table = analysis.frames["accuracy"].set_index(analysis.frames["accuracy"].columns[0])
    every = table.loc[ALL]
    yield f"The model is right on {percent(every['accuracy'])} of {every['n']:,.0f} pairs {between(every)}."
    languages = table.drop(index=ALL)
    if len(languages) > 1:
        best, worst = languages["accuracy"].idxmax(), languages["accuracy"].idxmin()
        yield (
            f"Of {len(languages)} languages it is best in {named(best)}, {percent(languages.loc[best, 'accuracy'])}, "
            f"and worst in {named(worst)}, {percent(languages.loc[worst, 'accuracy'])}."
        )


def _gap(analysis: Analysis) -> Iterator[str]:
    if "gap" not in analysis.frames:
        return
    table = analysis.frames["gap"]
    languages, reference = table[table["language"] != ALL], named(analysis.reference)
    lose = languages[(languages["p_holm"] <= LEVEL) & (languages["gap"] > 0)]
    if lose.empty:
        yield f"No language loses more against {reference} on these items than chance explains (Holm's correction for {len(languages)})."
        return
    worst = lose.loc[lose["gap"].idxmax()]
    which = "All" if len(lose) == len(languages) else str(len(lose))
    yield (
        f"{which} of {len(languages)} languages lose against {reference} on the same items (Holm's correction); most {named(worst['language'])}, "
        f"{points(worst['gap'])} points {between(worst, points)}."
    )


def _loss(analysis: Analysis) -> Iterator[str]:
    """Where the loss lies, only if the loss as a whole is more than chance: the kind that has most more of it than of the items."""
    if "loss" not in analysis.frames or analysis.lowest is None:
        return
    gap = analysis.frames["gap"].set_index("language").loc[analysis.lowest]
    table = analysis.frames["loss"]
    over = table[(table["n"] >= FEWEST) & (table["low"] > 0) & (table["share_of_items"] < 1)]
    if gap["p_holm"] > LEVEL or over.empty:
        return
    row = over.loc[(over["share_of_loss"] - over["share_of_items"]).idxmax()]
    if row["share_of_loss"] <= row["share_of_items"]:
        return
    yield (
        f"Of what {named(analysis.lowest)} loses, {percent(row['share_of_loss'])} falls on the {percent(row['share_of_items'])} of the items with "
        f"{row['feature']} “{row['value']}”, where it loses {points(row['gap'])} points {between(row, points)}."
    )


def _comparison(analysis: Analysis) -> Iterator[str]:
    table = analysis.frames.get("comparison")
    if table is not None and len(table) > 1:
        differ = int((table["p_holm"] <= LEVEL).sum())
        yield f"Of {len(table)} pairs of languages {differ} differ on the same items (Holm's correction)."


def _agreement(analysis: Analysis) -> Iterator[str]:
    if "agreement" in analysis.frames:
        row = analysis.frames["agreement"].iloc[0]
        kappa = f"; Fleiss' kappa {row['fleiss_kappa']:.2f}" if pd.notna(row["fleiss_kappa"]) else ""
        yield (
            f"On {percent(row['unanimous'])} of {row['n']:.0f} items all {row['languages']:.0f} languages get the same label, and two "
            f"languages agree on {percent(row['consistency'])} on average{kappa}."
        )
    if "by_count" in analysis.frames:
        none = analysis.frames["by_count"].iloc[0]
        yield f"{none['n']:.0f} items are wrong in every language, where independent errors would leave {none['expected']:.1f}."
    if "right_wrong" in analysis.frames and analysis.lowest is not None:
        found = len(analysis.frames["right_wrong"])
        yield f"{found} items are right in {named(analysis.reference)} and wrong in {named(analysis.lowest)}."


def _confusion(analysis: Analysis) -> Iterator[str]:
    table = analysis.frames.get("confusion")
    if table is None:
        return
    wrong = table[
        (table[table.columns[0]] == ALL) & (table["gold"] != table["label"]) & table["share"].notna()
    ]
    if not wrong.empty and wrong["n"].max() > 0:
        row = wrong.loc[wrong["share"].idxmax()]
        yield f"The commonest mistake takes {row['gold']} for {row['label']}: {percent(row['share'])} of the pairs that are {row['gold']}."


def _calibration(analysis: Analysis) -> Iterator[str]:
    table = analysis.frames.get("calibration")
    if table is None:
        return
    table = table.set_index(table.columns[0])
    row = table.loc[ALL] if ALL in table.index else table.iloc[0]
    side = "surer" if row["confidence"] > row["accuracy"] else "less sure"
    yield (
        f"It is {side} than it is right: mean confidence {percent(row['confidence'])} against {percent(row['accuracy'])}; its calibration error "
        f"(ECE) is {points(row['ece'])} points, where a calibrated model would show {points(row['ece_floor'])} on as many pairs."
    )


def _beside(analysis: Analysis) -> Iterator[str]:
    for name, table in analysis.frames.items():
        if not name.startswith("beside "):
            continue
        row = table.set_index("language").loc[ALL]
        side = "above" if row["difference"] > 0 else "below"
        sure = "" if row["p"] <= LEVEL else ", which chance may explain"
        yield (
            f"It is {points(abs(row['difference']))} points {side} {row['second']} ({percent(row['second_accuracy'])}) on the same pairs{sure}."
        )


def _slices(analysis: Analysis) -> Iterator[str]:
    table = analysis.frames.get("slices")
    if table is None:
        return
    worse = table[
        ~table["too_small"].astype(bool) & (table["p_adjusted"] <= LEVEL) & (table["difference"] < 0)
    ]
    if worse.empty:
        yield "No slice is worse than the rest after correction (Benjamini and Hochberg)."
        return
    said = [
        f"{row['feature']} “{row['value']}” ({percent(row['accuracy'])} on {row['n']:.0f}, {points(-row['difference'])} points below the rest)"
        for row in worse.nsmallest(3, "difference").to_dict("records")
    ]
    yield f"The weakest slices: {'; '.join(said)}."


FEWEST = 10  # items that a kind must have to be named
PARTS = (_accuracy, _gap, _loss, _comparison, _agreement, _confusion, _calibration, _beside, _slices)


def named(code: object) -> str:
    """A language's English name; another group's own."""
    return LANGUAGES[code].name if isinstance(code, str) and code in LANGUAGES else str(code)


def percent(share: float) -> str:
    """`62.3 %` of a share in [0, 1]."""
    return f"{100 * share:.1f} %"


def points(share: float) -> str:
    """`11.2`, in points, of a difference in [-1, 1]."""
    return f"{100 * share:z.1f}".replace("-", "−")


def between(row: pd.Series, unit=percent) -> str:  # type: ignore[no-untyped-def]
    """`(60.1 to 64.5)`: a row's interval."""
    return f"({unit(row['low']).removesuffix(' %')} to {unit(row['high'])})"
