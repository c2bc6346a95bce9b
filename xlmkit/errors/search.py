"""Search: the fewest edits of one pair that flip its prediction to gold.

An edit removes a word, or replaces it by one token, in the space of ids. The search tries every
single word, then every two, then a greedy path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
class Variant:
    """A pair after some edits: their (labels,) `logits`, and gold's logit minus the best other one
    (`margin`): above 0, gold is predicted."""

    edits: Edits
    logits: np.ndarray
    margin: float


@dataclass(frozen=True)
class Outcome:
    """The variant that is predicted as gold, or None; whether fewer edits are known not to suffice
    (`minimal`); and how many variants were computed (`tried`)."""

    flip: Variant | None
    minimal: bool
    tried: int


def search(
    choices: Mapping[int, Edits],
    score: Callable[[Sequence[Edits]], np.ndarray],
    *,
    gold: int,
    sentences: Sequence[int | None] = (),
    order: Sequence[int] | None = None,
    budget: int = 300,
) -> Outcome:
    """Look for the fewest edits that flip the prediction of a pair to gold.

    For the pair "no one eats . / one man eats .", with words 0 to 2 (and 3) in the premise and 4 to
    6 in the hypothesis:

        1. every word alone        {0} {1} {2} {4} {5} {6}   the largest margin of gold wins
        2. every two words         {0 5} {0 1} {1 5} ...     the most promising first
        3. greedy path, then back  {0 5 1} {0 5 1 6} ...     until one flips; then fewer again

    Parameters
    ----------
    choices : the possible edits of each word.
    score : V variants, at least one -> their (V, labels) logits.
    gold : the number of the gold label.
    sentences : where edits remove words, the sentence of each word; one word of each sentence
        stays. None for punctuation, which does not keep a sentence.
    order : of the words on the greedy path; None takes the largest margins first.
    budget : most variants that are computed."""
    tried = 0

    def compute(variants: Sequence[Edits]) -> list[Variant]:
        nonlocal tried
        tried += len(variants)
        logits = score(variants) if variants else np.empty((0, gold + 2))
        margins = logits[:, gold] - np.delete(logits, gold, axis=1).max(1)
        return [Variant(*each) for each in zip(variants, logits, margins.tolist(), strict=True)]

    def allowed(edits: Edits) -> bool:
        gone = {edit.word for edit in edits}
        left = {sentence for word, sentence in enumerate(sentences) if word not in gone}
        return left | {None} == {*sentences, None}

    singles = list(filter(allowed, ((edit,) for edits in choices.values() for edit in edits)))
    best: dict[int, Variant] = {}  # by word, the edit with the largest margin, best first
    for variant in sorted(compute(singles[:budget]), key=lambda variant: -variant.margin):
        best.setdefault(variant.edits[0].word, variant)
    top = next(iter(best.values()), None)
    if top and top.margin > 0:
        return Outcome(top, True, tried)
    twos = [best[one].edits + best[other].edits for one, other in combinations(sorted(best), 2)]
    doubles = sorted(filter(allowed, twos), key=lambda edits: -sum(best[e.word].margin for e in edits))
    room = budget - tried
    # If not all fit, the greedy path and its way back keep room for one variant per word.
    fit = len(doubles) if len(doubles) + len(best) <= room else max(0, room - len(best))
    top = max(compute(doubles[:fit]), key=lambda variant: variant.margin, default=None)
    complete = len(singles) <= budget
    if top and top.margin > 0:
        return Outcome(top, complete, tried)
    path: Edits = ()
    paths = []
    for word in best if order is None else order:
        if word in best and allowed(path + best[word].edits):
            path += best[word].edits
            paths.append(path)
    found = compute(paths[2:][: max(0, budget - tried)])  # of three words on
    flip = next((variant for variant in found if variant.margin > 0), None)
    if flip is None:
        return Outcome(None, False, tried)
    known = {frozenset(variant.edits) for variant in found}
    while len(flip.edits) > 3 and tried + len(flip.edits) <= budget:
        fewer = [tuple(edit for edit in flip.edits if edit is not dropped) for dropped in flip.edits]
        fewer = [edits for edits in fewer if frozenset(edits) not in known]
        top = max(compute(fewer), key=lambda variant: variant.margin, default=None)
        if top is None or top.margin <= 0:
            break
        flip = top
    complete = complete and fit == len(doubles) and all(len(edits) == 1 for edits in choices.values())
    return Outcome(flip, complete and len(flip.edits) == 3, tried)


def apply_edits(encoding: Encoding, variants: Sequence[Edits]) -> Encoding:
    """One row per variant: a pair with some words removed, or replaced by one token each.

    </s> the xer ox man </s> ...    the pair; "xerox", word 1, is two tokens
    </s> the man </s> ...           Edit(1)
    </s> the dog man </s> ...       Edit(1, piece=id of "dog"), in the first token's place"""
    repeated = encoding.select([0] * len(variants))
    numbers = word_numbers(encoding)[0]  # (T,)
    ids, dropped = repeated.input_ids.clone(), np.zeros(repeated.input_ids.shape, dtype=bool)
    for row, edits in enumerate(variants):
        for edit in edits:
            places = (numbers == edit.word).nonzero().flatten()
            dropped[row, places] = True
            if edit.piece is not None:
                ids[row, places[0]], dropped[row, places[0]] = edit.piece, False
    return drop_tokens(replace(repeated, input_ids=ids), dropped)


def likely_replacements(mlm: NLIModel, encoding: Encoding, words: Sequence[int], top_k: int) -> list[Edits]:
    """For each word of a pair, the `top_k` whole words that the language model finds most likely in
    its place, best first.

    A candidate is one token that is a whole word with a letter or digit, and not the word that is
    there."""
    masked = apply_edits(encoding, [(Edit(word, mask_id(mlm)),) for word in words])
    numbers = word_numbers(encoding)[0]
    names = map(mlm.tokenizer.name, range(len(mlm.tokenizer)))
    whole = torch.tensor(
        [name.endswith("</w>") and has_letter_or_digit(name.removesuffix("</w>")) for name in names]
    )
    found = []
    for word, scores in zip(words, mask_logits(mlm, masked), strict=True):
        allowed = whole.clone()
        current = encoding.input_ids[0][numbers == word]
        if len(current) == 1:
            allowed[current] = False
        ranked = scores.masked_fill(~allowed, -torch.inf).topk(min(top_k, int(allowed.sum()))).indices
        found.append(tuple(Edit(word, int(piece)) for piece in ranked))
    return found
