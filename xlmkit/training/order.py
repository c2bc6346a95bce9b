"""The order in which training rows are seen: a function of the seed and the epoch and of nothing else, so that a run can go on from any step.

Rows of similar length come together, since a batch costs as much as its longest row. The composition of a step does not depend on how many
processes share it."""

from __future__ import annotations

import math

import numpy as np

POOL = (
    64  # steps whose rows are sorted by length together: padding nearly gone, and still any two rows may meet
)


def steps_of_epoch(lengths: np.ndarray, rows_a_step: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each step of one pass: every row once, `rows_a_step` at a time, and in one of the steps those that are left over.

    Parameters
    ----------
    lengths : (N,) tokens of each row."""
    chance = np.random.default_rng((seed, epoch))
    order = chance.permutation(len(lengths))
    pools = np.array_split(order, math.ceil(len(order) / (POOL * rows_a_step)))
    order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    steps = chance.permutation(steps_in_epoch(len(lengths), rows_a_step))
    return [order[number * rows_a_step : (number + 1) * rows_a_step] for number in steps]


def steps_in_epoch(rows: int, rows_a_step: int) -> int:
    """How many steps one pass takes."""
    return math.ceil(rows / rows_a_step)


def shares(step: np.ndarray, *, accumulation: int, process: int, processes: int) -> list[np.ndarray]:
    """The rows of a step that one process computes, one array for each of its passes; some may be empty."""
    parts = np.array_split(step, accumulation * processes)
    return parts[process::processes]
