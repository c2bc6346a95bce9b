"""Search: the fewest edits of one pair that flip its prediction to gold.

An edit removes a word, or replaces it by one token, in the space of ids. The search tries every
single word, then every two, then a greedy path."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch

from xlmkit.encoding import Encoding, drop_tokens, word_numbers
from xlmkit.errors.words import has_letter_or_digit
from xlmkit.model import NLIModel
from xlmkit.probes.fill_mask import mask_id, mask_logits


@dataclass(frozen=True)
class Edit:
    """One word of a pair, numbered as in `Explanation.words`: removed, or replaced by the token
    with the id `piece`."""

    word: int
    piece: int | None = None


Edits = tuple[Edit, ...]


@dataclass(frozen=True)
class Problem:
    """One pair to search.

    `choices` are the possible edits of each word; `sentences` which sentence each word is in (None:
    punctuation, which does not keep a sentence alive); `gold` the number of the gold label; `order`
    the words by their push towards the wrong label, or None to measure it; `removing` whether edits
    remove words, so that one must stay in each sentence."""

    choices: dict[int, Edits]
    sentences: tuple[int | None, ...]
    gold: int
    order: tuple[int, ...] | None
    removing: bool
    budget: int

    def allows(self, edits: Edits) -> bool:
        """Whether every sentence keeps a word."""
        gone = {edit.word for edit in edits} if self.removing else ()
        left = {sentence for word, sentence in enumerate(self.sentences) if word not in gone}
        return left | {None} == {*self.sentences, None}


@dataclass(frozen=True)
class Outcome:
    """The `edits` that flip a prediction and the (labels,) `logits` after them, or None; whether
    fewer are known not to flip it (`minimal`); and how many variants were computed (`tried`)."""

    edits: Edits | None
    logits: np.ndarray | None
    minimal: bool
    tried: int


Variant = tuple[int, Edits]
"""The number of a pair, and what is edited in it."""
Steps = Generator[list[Edits], np.ndarray, Outcome]
"""A search of one pair: it yields variants, is sent their (V, labels) logits, and returns."""


def search(
    problems: Mapping[int, Problem], score: Callable[[list[Variant]], np.ndarray]
) -> dict[int, Outcome]:
    """Search several pairs together, so that a batch may hold variants of all of them.

        pair 0    yields {0} {1} {2}    is sent their logits    yields {0 1} {0 2} ...
        pair 1    yields {0} {1}        is sent their logits    {1} flips it: returns

    Parameters
    ----------
    problems : by number of the pair.
    score : V variants, perhaps none -> their (V, labels) logits."""
    searches = {number: search_pair(problem) for number, problem in problems.items()}
    variants = {number: next(steps) for number, steps in searches.items()}
    outcomes = {}
    while variants:
        logits = score([(number, edits) for number, each in variants.items() for edits in each])
        ends = np.cumsum([len(each) for each in variants.values()])[:-1]
        for number, own in zip(list(variants), np.split(logits, ends), strict=True):
            try:
                variants[number] = searches[number].send(own)
            except StopIteration as finished:
                outcomes[number] = finished.value
                del variants[number]
    return outcomes


def search_pair(problem: Problem) -> Steps:
    """Look for the fewest edits that flip a prediction to gold, among at most `problem.budget`
    variants.

    For the pair "no one eats . / one man eats .", with words 0 to 2 (and 3) in the premise and 4 to
    6 in the hypothesis:

        1. every word alone        {0} {1} {2} {4} {5} {6}   the largest margin of gold wins
        2. every two words         {0 5} {0 1} {1 5} ...     the most promising first
        3. greedy path, then back  {0 5 1} {0 5 1 6} ...     until one flips; then fewer again"""
    singles: list[Edits] = [(edit,) for edits in problem.choices.values() for edit in edits]
    singles = [edits for edits in singles if problem.allows(edits)]
    complete = len(singles) <= problem.budget  # whether everything so far was tried
    singles = singles[: problem.budget]
    logits = yield singles
    margins = _margins(problem, logits)
    tried = len(singles)
    if (margins > 0).any():
        return Outcome(singles[margins.argmax()], logits[margins.argmax()], True, tried)
    best: dict[int, tuple[Edit, float]] = {}  # word -> its edit with the highest margin, and that margin
    for (edit,), margin in zip(singles, margins.tolist(), strict=True):
        if edit.word not in best or margin > best[edit.word][1]:
            best[edit.word] = (edit, margin)
    pairs = [(one, other) for (one, _), (other, _) in combinations(best.values(), 2)]
    pairs = [edits for edits in pairs if problem.allows(edits)]
    pairs.sort(key=lambda edits: -sum(best[edit.word][1] for edit in edits))
    room = problem.budget - tried
    # If not all fit, the greedy path and its way back keep room for one variant per word.
    doubles: list[Edits] = list(
        pairs if len(pairs) + len(best) <= room else pairs[: max(0, room - len(best))]
    )
    logits = yield doubles
    margins = _margins(problem, logits)
    tried += len(doubles)
    if (margins > 0).any():
        return Outcome(doubles[margins.argmax()], logits[margins.argmax()], complete, tried)
    complete = complete and len(doubles) == len(pairs)
    complete = complete and all(len(edits) == 1 for edits in problem.choices.values())
    return (yield from _greedy(problem, best, tried, complete))


def _greedy(problem: Problem, best: dict[int, tuple[Edit, float]], tried: int, complete: bool) -> Steps:
    """Add one word at a time, from three on, until the prediction flips; then drop each word that
    is not needed."""
    path: Edits = ()
    paths: list[Edits] = []
    for word in problem.order or sorted(best, key=lambda word: -best[word][1]):
        if word in best and problem.allows((*path, best[word][0])):
            path = (*path, best[word][0])
            paths.append(path)
    paths = paths[2:][: max(0, problem.budget - tried)]
    logits = yield paths
    margins = _margins(problem, logits)
    tried += len(paths)
    if not (margins > 0).any():
        return Outcome(None, None, False, tried)
    first = int((margins > 0).argmax())
    edits, outcome = paths[first], logits[first]
    failed = set(map(frozenset, paths[:first]))
    while len(edits) > 3 and tried + len(edits) <= problem.budget:
        fewer = [tuple(edit for edit in edits if edit is not kept) for kept in edits]
        fewer = [variant for variant in fewer if frozenset(variant) not in failed]
        logits = yield fewer
        margins = _margins(problem, logits)
        tried += len(fewer)
        if not (margins > 0).any():
            break
        edits, outcome = fewer[margins.argmax()], logits[margins.argmax()]
    return Outcome(edits, outcome, complete and len(edits) == 3, tried)


def _margins(problem: Problem, logits: np.ndarray) -> np.ndarray:
    """(V,) gold's logit minus the best other one: above 0, gold is predicted."""
    return logits[:, problem.gold] - np.delete(logits, problem.gold, axis=1).max(1)


def apply_edits(encoding: Encoding, variants: Sequence[Variant]) -> Encoding:
    """One pair per variant: a row of an encoding with some words removed, or replaced by one token
    each.

    </s> the xer ox man </s> ...    the row; "xerox", word 1, is two tokens
    </s> the man </s> ...           Edit(1)
    </s> the dog man </s> ...       Edit(1, piece=id of "dog"), in the first token's place"""
    rows = [row for row, _ in variants]
    chosen = encoding.select(rows)
    numbers = word_numbers(encoding)[rows, : chosen.input_ids.size(1)]  # (V, T)
    ids, dropped = chosen.input_ids.clone(), np.zeros(numbers.shape, dtype=bool)
    for number, (_, edits) in enumerate(variants):
        for edit in edits:
            places = (numbers[number] == edit.word).nonzero().flatten()
            dropped[number, places] = True
            if edit.piece is not None:
                ids[number, places[0]], dropped[number, places[0]] = edit.piece, False
    return drop_tokens(replace(chosen, input_ids=ids), dropped)


def likely_replacements(
    mlm: NLIModel, encoding: Encoding, row: int, words: Sequence[int], top_k: int
) -> list[Edits]:
    """For each word, the `top_k` whole words that the language model finds most likely in its
    place, best first.

    A candidate is one token that is a whole word with a letter or digit, and not the word that is
    there."""
    masked = apply_edits(encoding, [(row, (Edit(word, mask_id(mlm)),)) for word in words])
    numbers = word_numbers(encoding)[row]
    names = [mlm.tokenizer.name(id) for id in range(len(mlm.tokenizer))]
    whole = torch.tensor(
        [name.endswith("</w>") and has_letter_or_digit(name[: -len("</w>")]) for name in names]
    )
    found = []
    for word, scores in zip(words, mask_logits(mlm, masked), strict=True):
        allowed = whole.clone()
        current = encoding.input_ids[row][numbers == word]
        if len(current) == 1:
            allowed[current] = False
        ranked = scores.masked_fill(~allowed, -torch.inf).topk(min(top_k, int(allowed.sum()))).indices
        found.append(tuple(Edit(word, int(piece)) for piece in ranked))
    return found
