"""Search: the fewest edits of one pair that flip the prediction to gold.

First every single word, then every two, then a greedy path: the words that push most to the wrong label, one more at a time, until the prediction
flips; of that set every word that is not needed is given back. A search is a generator that asks for logits of variants and is sent
them, so that many searches are computed in common batches."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from xlmkit.errors.variants import Edit

Edits = tuple[Edit, ...]
Search = Generator[list[Edits], np.ndarray, "Found"]
"""Yields variants of one pair, is sent their (variants, labels) logits, returns what it found."""


@dataclass(frozen=True)
class Found:
    """What a search ended with: `edits` and their (labels,) `logits`, None where no edits flip; `minimal` whether fewer are known not to do;
    `tried`, the variants computed."""

    edits: Edits | None
    logits: np.ndarray | None
    minimal: bool
    tried: int


@dataclass(frozen=True)
class Task:
    """One pair to be searched.

    `choices` are the edits of each word that may be edited; `sentences` which sentence each word of the pair is in (None for punctuation, which
    is no reason to keep a sentence); `order` the words by their push to the wrong label, or None for what the single edits measure; `removing`
    whether edits take words out, of which one must stay in each sentence."""

    choices: dict[int, Edits]
    sentences: tuple[int | None, ...]
    gold: int
    order: tuple[int, ...] | None
    removing: bool
    budget: int


def search(task: Task) -> Search:
    """Look for the fewest edits, at most `task.budget` variants."""
    singles: list[Edits] = [
        (edit,) for edits in task.choices.values() for edit in edits if _leaves(task, (edit,))
    ]
    all_singles = len(singles) <= task.budget
    singles = singles[: task.budget]
    logits = yield from _ask(singles)
    tried = len(singles)
    best = _best(singles, logits, task.gold)
    if best is not None:
        return Found(*best, True, tried)
    gains = _margins(logits, task.gold)
    strongest = _strongest(singles, gains)  # word -> its best edit and gain
    doubles, all_doubles = _doubles(task, strongest, task.budget - tried)
    logits = yield from _ask(doubles)
    tried += len(doubles)
    best = _best(doubles, logits, task.gold)
    if best is not None:
        return Found(*best, all_singles, tried)
    all_doubles = all_doubles and all_singles and all(len(edits) == 1 for edits in task.choices.values())
    return (yield from _greedy(task, strongest, tried, all_doubles))


def _greedy(task: Task, strongest: dict[int, tuple[Edit, float]], tried: int, all_doubles: bool) -> Search:
    """One more word at a time, from three on; then back, as long as a word is not needed."""
    ranked = task.order or sorted(strongest, key=lambda word: -strongest[word][1])
    path: Edits = ()
    paths: list[Edits] = []
    for word in ranked:
        longer = (*path, strongest[word][0]) if word in strongest else path
        if len(longer) > len(path) and _leaves(task, longer):
            path = longer
            paths += [path] if len(path) > 2 else []
    paths = paths[: max(0, task.budget - tried)]
    logits = yield from _ask(paths)
    tried += len(paths)
    flips = logits.argmax(1) == task.gold
    if not flips.any():
        return Found(None, None, False, tried)
    first = int(flips.argmax())
    edits, outcome = paths[first], logits[first]
    failed = set(map(frozenset, paths[:first]))
    while len(edits) > 3 and tried + len(edits) <= task.budget:
        fewer = [tuple(edit for edit in edits if edit is not gone) for gone in edits]
        fewer = [own for own in fewer if frozenset(own) not in failed]
        logits = yield from _ask(fewer)
        tried += len(fewer)
        best = _best(fewer, logits, task.gold)
        if best is None:
            break
        edits, outcome = best
    return Found(edits, outcome, all_doubles and len(edits) == 3, tried)


def _ask(variants: list[Edits]) -> Generator[list[Edits], np.ndarray, np.ndarray]:
    """The variants' logits; nothing is asked for where there are none."""
    if not variants:
        return np.empty((0, 1))
    return (yield variants)


def _doubles(task: Task, strongest: dict[int, tuple[Edit, float]], room: int) -> tuple[list[Edits], bool]:
    """Two words at once, each with its best edit, those that promise most first; and whether these are all."""
    pairs: list[Edits] = [
        (strongest[one][0], strongest[other][0])
        for one, other in combinations(strongest, 2)
        if _leaves(task, (strongest[one][0], strongest[other][0]))
    ]
    pairs.sort(key=lambda pair: -sum(strongest[edit.word][1] for edit in pair))
    # The greedy path and its way back need room too: at least a variant a word.
    room = max(0, room - len(strongest)) if len(pairs) > room - len(strongest) else len(pairs)
    return pairs[:room], len(pairs) <= room


def _strongest(singles: Sequence[Edits], gains: np.ndarray) -> dict[int, tuple[Edit, float]]:
    """Word -> its edit with the highest margin, and that margin."""
    found: dict[int, tuple[Edit, float]] = {}
    for (edit,), gain in zip(singles, gains.tolist(), strict=True):
        if edit.word not in found or gain > found[edit.word][1]:
            found[edit.word] = (edit, gain)
    return found


def _margins(logits: np.ndarray, gold: int) -> np.ndarray:
    """(N,) gold's logit minus the best other one."""
    others = np.delete(logits, gold, axis=1)
    return logits[:, gold] - others.max(1, initial=-np.inf) if len(logits) else np.empty(0)


def _best(variants: Sequence[Edits], logits: np.ndarray, gold: int) -> tuple[Edits, np.ndarray] | None:
    """Of the variants that are predicted as gold, the one with the largest margin."""
    if not variants:
        return None
    margins = np.where(logits.argmax(1) == gold, _margins(logits, gold), -np.inf)
    place = int(margins.argmax())
    return (variants[place], logits[place]) if np.isfinite(margins[place]) else None


def _leaves(task: Task, edits: Edits) -> bool:
    """Whether every sentence keeps a word."""
    if not task.removing:
        return True
    gone = {edit.word for edit in edits}
    left = {sentence for word, sentence in enumerate(task.sentences) if word not in gone}
    return left - {None} == set(task.sentences) - {None}
