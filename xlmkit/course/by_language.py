"""Checks for `02_language_ids` and `03_errors_by_language`: predictions under wrong ids, mistakes
that a test in English cannot see; paired items, Holm's correction, overconfidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from xlmkit.course import answers
from xlmkit.course.answers import compare, compare_sets, quote
from xlmkit.course.checking import exercise
from xlmkit.probes import NONE
from xlmkit.stats import ALL

CLOSE_MEAN = 0.0015  # between two fractions that are equal after rounding
CLOSE_P = 0.0006  # between two p values that are equal to three decimals


@exercise("02.1", wants='an id, such as "en" or "none"')
def worst_id(answer: object, *, dial: pd.DataFrame) -> str:
    """Under which id does this text's gold label get the lowest probability?"""
    given = answers.name(answer, dial["to"])
    gold = dial["gold"].iloc[0]
    chances = dial.set_index("to")[f"p_{gold}"]
    text = f"Under `{given}` the gold label, {gold}, gets {chances[given]:.3f}"
    right = f"{text}; at most it gets {chances.max():.3f}."
    wrong = {f"{text}; it is the highest. Look for the other end.": chances.idxmax()}
    otherwise = f"{text}; another id gives it less."
    return compare(given, chances.idxmin(), right=right, wrong=wrong, otherwise=otherwise)


@exercise("02.2", answers.fraction, wants="a fraction between 0 and 1")
def wrong_ids(given: float, *, swapped: pd.DataFrame) -> str:
    """What fraction of the labels changes under a wrong id?"""
    flips, none = swapped["flips"], swapped["id"] == NONE
    same = swapped["id"] == swapped["text_language"]
    truth = float(flips[~same & ~none].mean())
    wrong = {
        "That is the fraction that stays.": 1 - truth,
        "That is the fraction for `none`.": flips[none].mean(),
        "That includes `none`, which is no id rather than a wrong one.": flips[~same].mean(),
        "That includes the right ids, under which nothing can change.": flips[~none].mean(),
        "That is the mean over all ids. Leave out the right ids, and `none`, which is no id.": flips.mean(),
    }
    right = f"Over all languages and wrong ids {truth:.1%} of the labels change; without an id {flips[none].mean():.1%}."
    otherwise = f"{quote(given)} is not the mean of `flips` over the rows whose id is a wrong one."
    return compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE_MEAN)


@exercise("02.3", wants='a list of traps, such as ["1", "5"]')
def unseen_in_english(answer: object, *, traps: pd.DataFrame) -> str:
    """Which of the traps 1 to 7 change the model's input in some language, but in no English
    pair?"""
    single = traps[traps["trap"].isin(list("1234567"))]
    changed = single.pivot(index="trap", columns="language", values="changed")
    given = answers.names(answer, changed.index)
    unseen = sorted(changed.index[(changed[ALL] > 0) & (changed["en"] == 0)])
    most = changed.loc[unseen].drop(columns=[ALL]).max().idxmax()
    wrong = {
        str(trap): f"Trap {trap} changes {row['en']:.0%} of the English pairs: English shows it."
        if row[ALL]
        else f"Trap {trap} changes nothing here, in any language."
        for trap, row in changed.iterrows()
    }
    right = f"A test in English alone never shows {' and '.join(unseen)}, but the input of `{most}` pairs changes."
    return compare_sets(given, set(unseen), right=right, wrong=wrong, missing="Read `changed`, row by row.")


@exercise("03.1", wants="two whole numbers of items: [lost, won]")
def lost_and_won(answer: object, *, preds: pd.DataFrame, reference: str, language: str) -> str:
    """How many items are right in the reference and wrong in the language, and the other way
    round?"""
    given = [answers.whole_number(part) for part in answers.several(answer, 2)]
    correct = preds.pivot(index="item", columns="language", values="correct").astype(bool)
    first, second = correct[reference], correct[language]
    lost, won = int((first & ~second).sum()), int((~first & second).sum())
    gap = f"{lost - won:+d} of {len(correct)}, which is the gap of {(lost - won) / len(correct):.1%}"
    right = f"{language} loses {lost} items and wins {won}: {gap}. Only these decide the difference."
    wrong = {
        f"The two are exchanged: first the items right in {reference} and wrong in {language}.": [won, lost],
        "These are the right items of each language. Which are right in only one?": [
            first.sum(),
            second.sum(),
        ],
    }
    otherwise = "Make a table with one row per item and one column per language, and compare two columns."
    if given[0] - given[1] == lost - won:
        otherwise = f"The difference is right, the two numbers are not. {otherwise}"
    return compare(given, [lost, won], right=right, wrong=wrong, otherwise=otherwise)


@exercise("03.2", wants="a list of corrected p values, in the same order")
def holm(answer: object, *, p_values: Sequence[float]) -> str:
    """What are these p values after Holm's correction?"""
    given = np.array([answers.number(part, low=0) for part in answers.several(answer, len(p_values))])
    p, count = np.array(p_values, dtype=float), len(p_values)
    truth, bonferroni = (multipletests(p, method=method)[1] for method in ("holm", "bonferroni"))
    ranks = p.argsort(kind="stable").argsort(kind="stable")
    stepped = np.minimum(p * (count - ranks), 1)
    wrong = {
        "These are the values before correction.": p,
        "That is Bonferroni's correction; Holm's multiplies only the smallest by so much.": bonferroni,
        "Almost: a corrected value may not be below that of a smaller p; take the larger of the two.": stepped,
    }
    before, after = ((values <= 0.05).sum() for values in (p, truth))
    right = f"{after} of the {before} p values up to 0.05 remain: that is the price of {count} tests."
    off = np.abs(given - truth).argmax()
    rule = f"Sort, and multiply the smallest by {count}, the next by {count - 1} and so on"
    otherwise = f"The value for p = {p[off]:g} is not {given[off]:g}. {rule}; no value may fall."
    return compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE_P)


@exercise("03.3", wants="a language's code")
def too_sure(answer: object, *, calibration: pd.DataFrame) -> str:
    """In which language is the model most overconfident (confidence minus accuracy)?"""
    rows = calibration[calibration["language"] != ALL].set_index("language")
    given = answers.name(answer, rows.index)
    confidence, accuracy = rows["confidence"], rows["accuracy"]
    excess = confidence - accuracy
    right = f"In `{given}` the mean confidence is {confidence[given]:.1%}, but the accuracy {accuracy[given]:.1%}."
    text = f"In `{given}` confidence is {100 * excess[given]:.1f} points above accuracy, elsewhere more."
    wrong = {
        f"{text} That is the other end: the smallest excess.": excess.idxmin(),
        f"{text} It has the lowest accuracy, which is not the largest excess.": accuracy.idxmin(),
        f"{text} It has the highest confidence, which is not the largest excess.": confidence.idxmax(),
    }
    return compare(given, excess.idxmax(), right=right, wrong=wrong, otherwise=text)
