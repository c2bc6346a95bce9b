"""Findings: what the frames of an analysis say, in sentences. Every number comes from
one of the frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from xlmkit.languages import LANGUAGES
from xlmkit.report.analysis import Analysis
from xlmkit.stats import ALL

LEVEL = 0.05  # of p after correction
MIN_ITEMS = 10  # that the value of a feature must have to be named


def findings(analysis: Analysis) -> list[str]:
    """The sentences of a findings paragraph, in the order of the page.

    Intervals in parentheses are 95 % intervals. "Significantly" is used only where p after
    correction is at most 0.05. A frame that was left out has no sentence."""
    performance = (_accuracy, _gap, _gap_by_feature, _comparison, _agreement, _lost_items)
    behaviour = (_confusion, _calibration, _against, _slices)
    return [sentence for part in (*performance, *behaviour) for sentence in part(analysis)]


def _accuracy(analysis: Analysis) -> Iterator[str]:
    *languages, every = _rows(analysis, "accuracy")
    by = next(iter(every))
    yield f"The model is right on {percent(every['accuracy'])} of {every['n']:,} pairs {between(every)}."
    if len(languages) > 1:
        best, worst = (choose(languages, key=lambda row: row["accuracy"]) for choose in (max, min))
        yield (
            f"Of {len(languages)} languages, {named(best[by])} has the highest accuracy "
            f"({percent(best['accuracy'])}) and {named(worst[by])} the lowest ({percent(worst['accuracy'])})."
        )


def _gap(analysis: Analysis) -> Iterator[str]:
    languages = [row for row in _rows(analysis, "gap") if row["language"] != ALL]
    below = [row for row in languages if row["p_holm"] <= LEVEL and row["gap"] > 0]
    reference = named(analysis.reference)
    if below:
        worst = max(below, key=lambda row: row["gap"])
        yield (
            f"{len(below)} of {len(languages)} languages {'is' if len(below) == 1 else 'are'} significantly "
            f"below {reference} on the same items (Holm's correction), {named(worst['language'])} most: "
            f"{points(worst['gap'])} points {between(worst, points)}."
        )
    elif languages:
        yield (
            f"No language is significantly below {reference} on the same items "
            f"(Holm's correction for {len(languages)} tests)."
        )


def _gap_by_feature(analysis: Analysis) -> Iterator[str]:
    """Only if the whole gap is significant: the value with most more of the gap than of the
    items."""
    whole = [row for row in _rows(analysis, "gap") if row["language"] == analysis.lowest]
    rows = [
        row
        for row in _rows(analysis, "gap_by_feature")
        if row["n"] >= MIN_ITEMS
        and row["low"] > 0
        and row["fraction_of_items"] < min(1, row["fraction_of_gap"])
    ]
    if rows and whole[0]["p_holm"] <= LEVEL:
        row = max(rows, key=lambda row: row["fraction_of_gap"] - row["fraction_of_items"])
        yield (
            f"{percent(row['fraction_of_gap'])} of the gap of {named(analysis.lowest)} comes from the "
            f"{percent(row['fraction_of_items'])} of the items with {row['feature']} “{row['value']}”, "
            f"where it is {points(row['gap'])} points {between(row, points)}."
        )


def _comparison(analysis: Analysis) -> Iterator[str]:
    rows = _rows(analysis, "comparison")
    if len(rows) > 1:
        differ = sum(row["p_holm"] <= LEVEL for row in rows)
        yield (
            f"{differ} of {len(rows)} pairs of languages differ significantly on the same items "
            "(Holm's correction)."
        )


def _agreement(analysis: Analysis) -> Iterator[str]:
    for row in _rows(analysis, "agreement"):
        kappa = f" (Fleiss' kappa {row['fleiss_kappa']:.2f})" if pd.notna(row["fleiss_kappa"]) else ""
        yield (
            f"On {percent(row['unanimous'])} of {row['n']:.0f} items all {row['languages']:.0f} languages get "
            f"the same label; two languages agree on {percent(row['consistency'])} on average{kappa}."
        )
    for row in _rows(analysis, "items_by_n_correct")[:1]:
        yield (
            f"{row['n']} items are wrong in every language; "
            f"with independent errors it would be {row['expected']:.1f}."
        )


def _lost_items(analysis: Analysis) -> Iterator[str]:
    if "lost_items" in analysis.frames:
        count = len(analysis.frames["lost_items"])
        yield f"{count} items are right in {named(analysis.reference)} and wrong in {named(analysis.lowest)}."


def _confusion(analysis: Analysis) -> Iterator[str]:
    rows = [row for row in _rows(analysis, "confusion") if next(iter(row.values())) == ALL]
    wrong = [row for row in rows if row["gold"] != row["prediction"] and row["n"] > 0]
    if wrong:
        row = max(wrong, key=lambda row: row["share"])
        yield (
            f"The most frequent confusion is {row['gold']} taken for {row['prediction']}: "
            f"{percent(row['share'])} of the pairs with gold label {row['gold']}."
        )


def _calibration(analysis: Analysis) -> Iterator[str]:
    for row in _rows(analysis, "calibration")[-1:]:  # over all
        side = "overconfident" if row["confidence"] > row["accuracy"] else "underconfident"
        yield (
            f"It is {side}: mean confidence {percent(row['confidence'])}, accuracy {percent(row['accuracy'])}. "
            f"Its calibration error (ECE) is {points(row['ece'])} points; a calibrated model would show "
            f"{points(row['ece_floor'])} on as many pairs."
        )


def _against(analysis: Analysis) -> Iterator[str]:
    for name in analysis.frames:
        if name.startswith("against "):
            row = _rows(analysis, name)[-1]  # over all
            side = "above" if row["difference"] > 0 else "below"
            unsure = "" if row["p"] <= LEVEL else ", which may be chance"
            yield (
                f"It is {points(abs(row['difference']))} points {side} {row['second']} "
                f"({percent(row['second_accuracy'])}) on the same pairs{unsure}."
            )


def _slices(analysis: Analysis) -> Iterator[str]:
    rows = [row for row in _rows(analysis, "slices") if not row["too_small"]]
    worse = [row for row in rows if row["p_adjusted"] <= LEVEL and row["difference"] < 0]
    weakest = [
        f"{row['feature']} “{row['value']}” ({percent(row['accuracy'])} on {row['n']}, "
        f"{points(-row['difference'])} points below the rest)"
        for row in sorted(worse, key=lambda row: row["difference"])[:3]
    ]
    if weakest:
        yield f"The weakest slices: {'; '.join(weakest)}."
    elif "slices" in analysis.frames:
        yield "No slice is significantly worse than the rest (Benjamini and Hochberg's correction)."


def _rows(analysis: Analysis, name: str) -> list[Any]:
    """The rows of a frame as dicts; none if it was left out."""
    return analysis.frames[name].to_dict("records") if name in analysis.frames else []


def named(code: object) -> str:
    """A language's English name; the name of any other group as it is."""
    return LANGUAGES[code].name if isinstance(code, str) and code in LANGUAGES else str(code)


def percent(fraction: float) -> str:
    """`62.3 %` for a fraction in [0, 1]."""
    return f"{100 * fraction:.1f} %"


def points(difference: float) -> str:
    """`11.2` points for a difference in [-1, 1]."""
    return f"{100 * difference:z.1f}".replace("-", "−")


def between(row: Mapping[str, Any], unit: Callable[[float], str] = percent) -> str:
    """A row's interval: `(60.1 to 64.5 %)`."""
    return f"({unit(row['low']).removesuffix(' %')} to {unit(row['high'])})"
