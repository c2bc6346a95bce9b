"""Checks for `07_fine_tuning`: training steps, transfer, sample size and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from xlmkit.course import answers
from xlmkit.course.answers import CLOSE, NotYet, compare
from xlmkit.course.checking import exercise
from xlmkit.stats import ALL, wilson

COPIES = 4  # numbers per parameter: the weight, its gradient, and Adam's two moments
BYTES = 4  # of a number in float32


@exercise("07.1", answers.whole_number, wants="a whole number")
def steps_of_a_run(given: int, *, rows: int, batch_size: int, epochs: int) -> str:
    """How many steps does a run take?"""
    steps = math.ceil(rows / batch_size)
    incomplete = f"{rows} rows are not a whole number of batches of {batch_size}"
    wrong = {
        f"That is one epoch; there are {epochs}.": steps,
        f"That counts one step per row; a step takes {batch_size} rows at once.": rows * epochs,
        f"{incomplete}; the rows that are left are a step, too.": epochs * (rows // batch_size),
        f"{incomplete}; each epoch ends with a step of its own.": rows * epochs // batch_size,
    }
    left = rows - (steps - 1) * batch_size
    right = f"{epochs} epochs of {steps} steps; the last step of an epoch has {left} rows."
    otherwise = f"Count the steps of an epoch of {rows} rows, {batch_size} per step; multiply by the epochs."
    return compare(given, epochs * steps, right=right, wrong=wrong, otherwise=otherwise)


@exercise("07.2", answers.difference, wants="a difference of two fractions, from -1 to 1")
def rise_where_nothing_was_taught(given: float, *, table: pd.DataFrame, taught: Sequence[str]) -> str:
    """By how much did accuracy rise, on average over the languages without training text?"""
    every, trained = table["language"] == ALL, table["language"].isin(taught)
    rise, unseen = table["after"] - table["before"], ~every & ~trained
    truth, count = float(rise[unseen].mean()), int(unseen.sum())
    also = f"That includes {', '.join(taught)}, which had training text"
    wrong = {
        "The sign is reversed: a rise is after minus before.": -truth,
        "That is the accuracy after; subtract the one before.": table["after"][unseen].mean(),
        f"{also}.": rise[~every].mean(),
        "That includes the row `all`, which is no language.": rise[~trained].mean(),
        f"{also}, and the row `all`, which is no language.": rise.mean(),
    }
    right = f"It rose by {100 * truth:.0f} points in {count} languages without training text."
    otherwise = f"Take the mean of `after` minus `before` over the {count} languages without training text."
    return compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE)


@exercise("07.3", answers.whole_number, wants="a whole number")
def enough_to_beat_chance(given: int, *, n: int, chance: float) -> str:
    """How many of n texts must be right until the interval lies above chance?"""
    if not 0 <= given <= n:
        raise NotYet(f"There are {n} texts; expected a number from 0 to {n}.")
    lows = [wilson(right / n, n)[0] for right in range(n + 1)]
    truth = next((right for right, low in enumerate(lows) if low > chance), None)
    if truth is None:
        raise NotYet(f"With {n} texts even all right would not be enough; take more texts.")
    if given < truth:
        low, high = wilson(given / n, n)
        hint = f", though {given} of {n} is more than {chance:.0%}" if given / n > chance else ""
        raise NotYet(f"The interval, from {low:.3f} to {high:.2f}, contains chance, {chance:.3f}{hint}.")
    if given > truth:
        raise NotYet(f"{given} of {n} are enough (from {lows[given]:.3f}), but fewer would be, too.")
    text = f"{truth} of {n}: the interval begins at {lows[truth]:.3f}, and chance is {chance:.3f}"
    return f"{text}. That is for one language; among 15, one may get there by luck."


@exercise("07.4", wants="a number of gigabytes (1 GB = 1,000,000,000 bytes)")
def memory_of_training(answer: object, *, parameters: int) -> str:
    """How many gigabytes do weights, gradients and Adam's moments take in float32?"""
    given = answers.number(answer, low=0)
    truth = COPIES * BYTES * parameters / 1e9
    kinds = {1: "the weights alone", 2: "weights and gradients", 3: "only three of the four"}
    wrong = {
        "Right in GiB, of 1,073,741,824 bytes; here a GB has 1,000,000,000.": truth * 1e9 / 2**30,
        "Right in bytes; divide by 1,000,000,000.": truth * 1e9,
    }
    for copies, what in kinds.items():
        reason = f"That is enough for {what}; Adam keeps two moments of each number, too."
        wrong[reason] = truth * copies / COPIES
    right = f"{parameters:,} numbers, {COPIES} times, {BYTES} bytes each: {truth:.1f} GB. Activations come on top."
    otherwise = "For each parameter there are a weight, a gradient and two moments; each number has 4 bytes."
    return compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=0.02 * given)
