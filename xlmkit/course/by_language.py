"""Checks for the notebook `02_language_ids`: the dial, labels under wrong ids, mistakes that a test in English cannot see."""

from __future__ import annotations

import pandas as pd

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.probes import NONE
from xlmkit.stats import ALL

CLOSE = 0.0015  # shares that differ by no more are the same, rounded


@exercise("02.1", wants='an id, such as "en" or "none"')
def worst_id(answer: object, *, dial: pd.DataFrame) -> str:
    """Under which id does this text's gold label get the lowest probability?"""
    given = answers.name(answer, dial["to"])
    gold = dial["gold"].iloc[0]
    chances = dial.set_index("to")[f"p_{gold}"]
    worst = chances.idxmin()
    if given == chances.idxmax() != worst:
        raise NotYet(
            f"Under `{given}` the gold label, {gold}, is most probable: {chances[given]:.3f}. Look for the other end."
        )
    if given != worst:
        raise NotYet(
            f"Under `{given}` the gold label, {gold}, gets {chances[given]:.3f}; another id gives it less."
        )
    return f"Under `{worst}` the gold label, {gold}, gets {chances[worst]:.3f}; the most that an id gives it is {chances.max():.3f}."


@exercise("02.2", wants="a share between 0 and 1")
def wrong_ids(answer: object, *, swapped: pd.DataFrame) -> str:
    """What share of the labels changes under a wrong id?"""
    given = answers.number(answer, low=0, high=1)
    own, none = swapped["id"] == swapped["text_language"], swapped["id"] == NONE
    truth = float(swapped.loc[~own & ~none, "flips"].mean())
    if abs(given - truth) <= CLOSE:
        return f"Over all languages and wrong ids {truth:.1%} of the labels change; without an id {swapped.loc[none, 'flips'].mean():.1%}."
    reasons = {
        "That is the mean over all ids. Under the right id nothing can change, and no id is not a wrong one: leave both out.": swapped[
            "flips"
        ],
        "That includes the right ids, under which nothing can change.": swapped.loc[~none, "flips"],
        "That includes `none`, which is no id rather than a wrong one.": swapped.loc[~own, "flips"],
        "That is the share for `none`.": swapped.loc[none, "flips"],
        "That is the share that stays.": 1 - swapped.loc[~own & ~none, "flips"],
    }
    for reason, flips in reasons.items():
        if abs(given - flips.mean()) <= CLOSE:
            raise NotYet(reason)
    raise NotYet(f"{answers.said(given)} is not the mean of `flips` over the rows whose id is a wrong one.")


@exercise("02.3", wants='a list of traps, such as ["1", "5"]')
def unseen_in_english(answer: object, *, traps: pd.DataFrame) -> str:
    """Which of the traps 1 to 7 change what the model is fed in some language, but in no English pair?"""
    single = traps[traps["trap"].isin(list("1234567"))]
    changed = single.pivot(index="trap", columns="language", values="changed")
    given = answers.names(answer, changed.index)
    unseen = set(changed.index[(changed[ALL] > 0) & (changed["en"] == 0)])
    for trap in sorted(given - unseen):
        if changed.loc[trap, ALL] == 0:
            raise NotYet(f"Trap {trap} changes nothing here, in any language.")
        raise NotYet(f"Trap {trap} changes {changed['en'][trap]:.0%} of the English pairs: English shows it.")
    if given != unseen:
        missing = len(unseen - given)
        raise NotYet(
            f"These are among them, and {missing} more {'is' if missing == 1 else 'are'}: read `changed`, row by row."
        )
    most = str(changed.loc[sorted(unseen)].drop(columns=[ALL]).max().idxmax())
    return f"Whoever tests in English alone never sees {' and '.join(sorted(unseen))}; in `{most}` pairs are fed otherwise."
