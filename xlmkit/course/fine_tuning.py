"""Checks for the notebook `07_fine_tuning`: steps, what carried over, how much is needed to say so, and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.stats import wilson

CLOSE = 0.005  # of a share: two digits are enough
COPIES = 4  # numbers that are kept for each parameter: the weight, its gradient, and Adam's two moments
BYTES = 4  # of a number in float32


@exercise("07.1", wants="a whole number")
def steps_of_a_run(answer: object, *, rows: int, batch_size: int, epochs: int) -> str:
    """How many steps does a run take?"""
    given = answers.whole_number(answer)
    in_pass = math.ceil(rows / batch_size)
    truth = epochs * in_pass
    if given == truth:
        return f"{epochs} passes of {in_pass} steps; in the last step of a pass {rows - (in_pass - 1) * batch_size} rows are left."
    if given == in_pass:
        raise NotYet(f"That is one pass over the rows; there are {epochs}.")
    if given == rows * epochs:
        raise NotYet(f"That counts a step a row; a step takes {batch_size} rows at once.")
    if given in (rows * epochs // batch_size, epochs * (rows // batch_size)):
        raise NotYet(
            f"{rows} rows are no whole number of batches of {batch_size}, and what is left at the end of each pass is a step, too."
        )
    raise NotYet(
        f"Each pass takes {rows} rows, {batch_size} a step: count the steps of a pass, then take it times the passes."
    )


@exercise("07.2", wants="a difference of two shares, from -1 to 1")
def rise_where_nothing_was_taught(answer: object, *, table: pd.DataFrame, taught: Sequence[str]) -> str:
    """By how much did accuracy rise, on average over the languages without training text?"""
    given = answers.number(answer)
    if 1 < abs(given) <= 100:
        raise NotYet(
            f"Expected a difference of shares, from -1 to 1; {answers.said(answer)} looks like per cent: divide by 100."
        )
    languages = table[table["language"] != "all"]
    unseen = languages[~languages["language"].isin(taught)]
    truth = _rise(unseen)
    if abs(given - truth) <= CLOSE:
        return f"It rose by {100 * truth:.0f} points in {len(unseen)} languages of which it had read no training text."
    also = f"That includes {', '.join(taught)}, which was taught"
    unnamed = table[~table["language"].isin(taught)]
    others = (
        (-truth, "The sign is turned: a rise is after minus before."),
        (float(unseen["after"].mean()), "That is the accuracy after; subtract the one before."),
        (_rise(languages), f"{also}."),
        (_rise(unnamed), "That includes the row `all`, which is no language."),
        (_rise(table), f"{also}, and the row `all`, which is no language."),
    )
    for value, why in others:
        if abs(given - value) <= CLOSE / 5:
            raise NotYet(why)
    raise NotYet(
        f"Take `after` minus `before` in each of the {len(unseen)} languages that were not taught, and the mean of that."
    )


def _rise(table: pd.DataFrame) -> float:
    return float((table["after"] - table["before"]).mean())


@exercise("07.3", wants="a whole number")
def enough_to_beat_chance(answer: object, *, n: int, chance: float) -> str:
    """How many of n texts must be right until the interval lies above chance?"""
    given = answers.whole_number(answer)
    if not 0 <= given <= n:
        raise NotYet(f"There are {n} texts; expected a number from 0 to {n}.")
    lows = [wilson(right / n, n)[0] for right in range(n + 1)]
    truth = next((right for right, low in enumerate(lows) if low > chance), None)
    if truth is None:
        raise NotYet(f"With {n} texts not even all right would do; expected more texts.")
    if given < truth:
        low, high = wilson(given / n, n)
        hint = f", though {given} of {n} is more than {chance:.0%}" if given / n > chance else ""
        raise NotYet(
            f"With {given} of {n} right the interval goes from {low:.3f} to {high:.2f} and holds chance, {chance:.3f}{hint}."
        )
    if given > truth:
        raise NotYet(f"{given} of {n} do (from {lows[given]:.3f}), and fewer are enough.")
    return f"{truth} of {n}: the interval begins at {lows[truth]:.3f}, and chance is {chance:.3f}. Of one language alone; of 15, one may get there by luck."


@exercise("07.4", wants="a number of gigabytes (1 GB = 1,000,000,000 bytes)")
def memory_of_training(answer: object, *, parameters: int) -> str:
    """How many gigabytes do weights, gradients and Adam's moments take in float32?"""
    given = answers.number(answer, low=0)
    truth = COPIES * BYTES * parameters / 1e9
    if math.isclose(given, truth, rel_tol=0.02):
        return f"{parameters:,} numbers, {COPIES} times, {BYTES} bytes each: {truth:.1f} GB. Activations come on top, and depend on the batch."
    if math.isclose(given, truth * 1e9, rel_tol=0.02):
        raise NotYet("Right in bytes; divide by 1,000,000,000.")
    if math.isclose(given, truth * 1e9 / 2**30, rel_tol=0.01):
        raise NotYet("Right in GiB, of 1,073,741,824 bytes; here a GB has 1,000,000,000.")
    for copies, what in (
        (1, "the weights alone"),
        (2, "weights and gradients"),
        (3, "only three of the four"),
    ):
        if math.isclose(given, truth * copies / COPIES, rel_tol=0.02):
            raise NotYet(f"That is enough for {what}; Adam keeps two moments of each number, too.")
    raise NotYet(
        "For each parameter there are a weight, a gradient and two moments; each is a number of 4 bytes."
    )
