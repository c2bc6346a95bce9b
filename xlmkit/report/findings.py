"""Findings: what the frames of an analysis say, in sentences. Every number in them is one of the frames'."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from xlmkit.languages import LANGUAGES
from xlmkit.report.analysis import Analysis
from xlmkit.stats import ALL

LEVEL = 0.05  # of p, after correction


def findings(analysis: Analysis) -> list[str]:
    """The sentences of a findings paragraph, in the order of the page; a question that has no answer has no sentence.

    Intervals in brackets are of 95 %. "Differ" and "lose" are said only where p after correction is at most 0.05."""
    return [sentence for part in PARTS for sentence in part(analysis)]


def _accuracy(analysis: Analysis) -> Iterator[str]:
    rows = _rows(analysis, "accuracy")
    by = str(analysis.frames["accuracy"].columns[0])
    languages, every = [row for row in rows if row[by] != ALL], rows[-1]
    yield f"The model is right on {percent(every['accuracy'])} of {every['n']:,} pairs {between(every)}."
    if len(languages) > 1:
        best, worst = (choose(languages, key=lambda row: row["accuracy"]) for choose in (max, min))
        yield (
            f"Of {len(languages)} languages it is best in {named(best[by])}, {percent(best['accuracy'])}, "
            f"and worst in {named(worst[by])}, {percent(worst['accuracy'])}."
        )


def _gap(analysis: Analysis) -> Iterator[str]:
    languages = [row for row in _rows(analysis, "gap") if row["language"] != ALL]
    if not languages:
        return
    reference = named(analysis.reference)
    lose = [row for row in languages if row["p_holm"] <= LEVEL and row["gap"] > 0]
    if not lose:
        yield f"No language loses more against {reference} on these items than chance explains (Holm's correction for {len(languages)})."
        return
    worst = max(lose, key=lambda row: row["gap"])
    which = "All" if len(lose) == len(languages) else str(len(lose))
    yield (
        f"{which} of {len(languages)} languages {'loses' if len(lose) == 1 else 'lose'} against {reference} on the same items (Holm's correction); most {named(worst['language'])}, "
        f"{points(worst['gap'])} points {between(worst, points)}."
    )


def _loss(analysis: Analysis) -> Iterator[str]:
    """Where the loss lies, only if the loss as a whole is more than chance: the kind that has most more of it than of the items."""
    whole = [row for row in _rows(analysis, "gap") if row["language"] == analysis.lowest]
    over = [
        row
        for row in _rows(analysis, "loss")
        if row["n"] >= FEWEST and row["low"] > 0 and row["share_of_items"] < min(1, row["share_of_loss"])
    ]
    if over and whole[0]["p_holm"] <= LEVEL:
        row = max(over, key=lambda row: row["share_of_loss"] - row["share_of_items"])
        yield (
            f"Of what {named(analysis.lowest)} loses, {percent(row['share_of_loss'])} falls on the {percent(row['share_of_items'])} of the items with "
            f"{row['feature']} “{row['value']}”, where it loses {points(row['gap'])} points {between(row, points)}."
        )


def _comparison(analysis: Analysis) -> Iterator[str]:
    rows = _rows(analysis, "comparison")
    if len(rows) > 1:
        differ = sum(row["p_holm"] <= LEVEL for row in rows)
        yield f"Of {len(rows)} pairs of languages {differ} differ on the same items (Holm's correction)."


def _agreement(analysis: Analysis) -> Iterator[str]:
    for row in _rows(analysis, "agreement"):
        kappa = f"; Fleiss' kappa {row['fleiss_kappa']:.2f}" if pd.notna(row["fleiss_kappa"]) else ""
        yield (
            f"On {percent(row['unanimous'])} of {row['n']:.0f} items all {row['languages']:.0f} languages get the same label, and two "
            f"languages agree on {percent(row['consistency'])} on average{kappa}."
        )
    for none in _rows(analysis, "by_count")[:1]:
        yield f"{none['n']} items are wrong in every language, where independent errors would leave {none['expected']:.1f}."
    if "right_wrong" in analysis.frames:
        found = len(analysis.frames["right_wrong"])
        yield f"{found} items are right in {named(analysis.reference)} and wrong in {named(analysis.lowest)}."


def _confusion(analysis: Analysis) -> Iterator[str]:
    by = str(analysis.frames["accuracy"].columns[0])
    wrong = [
        row
        for row in _rows(analysis, "confusion")
        if row[by] == ALL and row["gold"] != row["prediction"] and row["n"] > 0
    ]
    if wrong:
        row = max(wrong, key=lambda row: row["share"])
        yield f"The commonest mistake takes {row['gold']} for {row['prediction']}: {percent(row['share'])} of the pairs that are {row['gold']}."


def _calibration(analysis: Analysis) -> Iterator[str]:
    for row in _rows(analysis, "calibration")[-1:]:  # over all
        side = "surer" if row["confidence"] > row["accuracy"] else "less sure"
        yield (
            f"It is {side} than it is right: mean confidence {percent(row['confidence'])} against {percent(row['accuracy'])}; its calibration error "
            f"(ECE) is {points(row['ece'])} points, where a calibrated model would show {points(row['ece_floor'])} on as many pairs."
        )


def _beside(analysis: Analysis) -> Iterator[str]:
    for name in analysis.frames:
        if not name.startswith("beside "):
            continue
        row = _rows(analysis, name)[-1]  # over all
        side = "above" if row["difference"] > 0 else "below"
        sure = "" if row["p"] <= LEVEL else ", which chance may explain"
        yield (
            f"It is {points(abs(row['difference']))} points {side} {row['second']} ({percent(row['second_accuracy'])}) on the same pairs{sure}."
        )


def _slices(analysis: Analysis) -> Iterator[str]:
    rows = _rows(analysis, "slices")
    worse = [
        row for row in rows if not row["too_small"] and row["p_adjusted"] <= LEVEL and row["difference"] < 0
    ]
    if rows and not worse:
        yield "No slice is worse than the rest after correction (Benjamini and Hochberg)."
    if worse:
        said = [
            f"{row['feature']} “{row['value']}” ({percent(row['accuracy'])} on {row['n']}, {points(-row['difference'])} points below the rest)"
            for row in sorted(worse, key=lambda row: row["difference"])[:3]
        ]
        yield f"The weakest slices: {'; '.join(said)}."


def _rows(analysis: Analysis, name: str) -> list[dict[str, Any]]:
    """The rows of a frame; none where the question has no answer."""
    if name not in analysis.frames:
        return []
    return [
        {str(key): value for key, value in row.items()} for row in analysis.frames[name].to_dict("records")
    ]


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


def between(row: Mapping[str, Any], unit: Callable[[float], str] = percent) -> str:
    """`(60.1 to 64.5)`: a row's interval."""
    return f"({unit(row['low']).removesuffix(' %')} to {unit(row['high'])})"
