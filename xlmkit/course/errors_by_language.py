"""Checks for the notebook `03_errors_by_language`: items in pairs, Holm's correction, who is too sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.stats import ALL

CLOSE = 0.0006  # p values that differ by no more are the same, rounded to three decimals


@exercise("03.1", wants="two whole numbers of items: [lost, won]")
def lost_and_won(answer: object, *, preds: pd.DataFrame, reference: str, language: str) -> str:
    """How many items are right in the reference and wrong in the language, and how many the other way round?"""
    given = [answers.whole_number(part) for part in answers.several(answer, 2)]
    right = preds.pivot(index="item", columns="language", values="correct").astype(bool)
    first, second = right[reference], right[language]
    lost, won = int((first & ~second).sum()), int((~first & second).sum())
    if given == [lost, won]:
        return (
            f"{language} loses {lost} items and wins {won}: {lost - won:+d} of {len(right)}, which is the gap of {(lost - won) / len(right):.1%}. "
            "The items that both have right, or both wrong, say nothing of the difference."
        )
    if given == [won, lost]:
        raise NotYet(
            f"The two are exchanged: first the items that {reference} has right and {language} wrong."
        )
    if given == [int(first.sum()), int(second.sum())]:
        raise NotYet(
            "These are the right items of each. Look at them item by item: which are right in one alone?"
        )
    if given[0] - given[1] == lost - won:
        raise NotYet(
            "The difference is right, the two numbers are not: compare item by item, on the same items."
        )
    raise NotYet(
        f"Not {given[0]} and {given[1]}: make a table with a row an item and a column a language, and compare two columns."
    )


@exercise("03.2", wants="a list of corrected p values, in the same order")
def holm(answer: object, *, p_values: Sequence[float]) -> str:
    """What are these p values after Holm's correction?"""
    given = np.array([answers.number(part, low=0) for part in answers.several(answer, len(p_values))])
    p = np.array(p_values, dtype=float)
    order, count = p.argsort(kind="stable"), len(p)
    stepwise = np.empty(count)
    stepwise[order] = p[order] * np.arange(count, 0, -1)
    truth = np.empty(count)
    truth[order] = np.minimum(np.maximum.accumulate(stepwise[order]), 1)
    if np.allclose(given, truth, atol=CLOSE):
        return f"Of {int((p <= 0.05).sum())} that were at most 0.05, {int((truth <= 0.05).sum())} still are: asking {count} questions has its price."
    reasons = [
        (p, "These are the values before correction."),
        (
            np.minimum(p * count, 1),
            "That is Bonferroni's correction: it multiplies all by the same number. Holm's multiplies only the smallest by it.",
        ),
        (
            np.minimum(stepwise, 1),
            "Almost: a corrected value may not be below that of a smaller p; take the larger of the two.",
        ),
    ]
    for values, reason in reasons:
        if np.allclose(given, values, atol=CLOSE):
            raise NotYet(reason)
    off = int(np.argmax(np.abs(given - truth)))
    raise NotYet(
        f"The value for p = {p[off]:g} is not {given[off]:g}. Sort; multiply the smallest by {count}, the next by {count - 1} and so on; "
        "no value may be below the one before it."
    )


@exercise("03.3", wants="a language's code")
def too_sure(answer: object, *, calibration: pd.DataFrame) -> str:
    """In which language is the model most too sure: confidence minus accuracy?"""
    rows = calibration[calibration["language"] != ALL].set_index("language")
    given = answers.name(answer, rows.index)
    confidence, accuracy = rows["confidence"], rows["accuracy"]
    excess = confidence - accuracy
    if given == excess.idxmax():
        return f"In `{given}` the model says {confidence[given]:.1%} on average and is right on {accuracy[given]:.1%}."
    hints = {
        confidence.idxmax(): "It has the highest confidence there, which is not the same as the largest excess.",
        accuracy.idxmin(): "It has the lowest accuracy there, which is not the same as the largest excess.",
        excess.idxmin(): "That is the other end: the smallest excess.",
    }
    why = f"In `{given}` confidence exceeds accuracy by {100 * excess[given]:.1f} points; elsewhere by more."
    raise NotYet(f"{why} {hints.get(given, '')}".rstrip())
