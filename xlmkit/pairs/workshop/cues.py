"""Cues: does the hypothesis alone give the label away, as annotators' habits do in SNLI (Gururangan et al. 2018, arXiv:1803.02324)?

Two laws: a classifier that sees hypotheses only stays near chance, and no word stands with one label more often than chance allows."""

from __future__ import annotations

import itertools
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xlmkit.pairs.checks import LABELS
from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.items import Item
from xlmkit.pairs.workshop.spans import words

MARGIN = 0.08  # of accuracy above chance
LEVEL = 0.05  # of the test for words, all words and labels together
FEWEST = 60  # items below which a classifier says nothing
ALIKE = 0.4  # share of words that two hypotheses have in common (Jaccard) when they are one scene


@dataclass(frozen=True)
class Cue:
    """How often one word of hypotheses stands with its most frequent label; `p` is corrected by Holm over all words and labels."""

    word: str
    label: str
    count: int  # hypotheses with the word and the label
    total: int  # hypotheses with the word
    p: float


def cue_words(items: Sequence[Item], *, fewest: int = 5) -> list[Cue]:
    """The words that stand in at least `fewest` hypotheses, the most telling first.

    An exact binomial test, one-sided, against the label's share of the items."""
    shares = {label: sum(item.label == label for item in items) / len(items) for label in LABELS}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        for word in set(words(item.hypothesis, item.language)):
            counts[word][item.label] += 1
    frequent = {word: count for word, count in counts.items() if count.total() >= fewest}
    tails = sorted(
        (_tail(count[label], count.total(), shares[label]), word, label)
        for word, count in frequent.items()
        for label in LABELS
    )
    corrected, best = 0.0, dict[str, Cue]()
    for rank, (tail, word, label) in enumerate(tails):
        corrected = max(corrected, min(1.0, tail * (len(tails) - rank)))  # Holm 1979
        best.setdefault(word, Cue(word, label, frequent[word][label], frequent[word].total(), corrected))
    return list(best.values())


def _tail(count: int, total: int, share: float) -> float:
    """Probability of `count` or more successes in `total` trials of probability `share`."""
    return sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count, total + 1))


def scenes(items: Sequence[Item]) -> list[int]:
    """A number for each item; items that share a premise or most words of the hypothesis have the same.

    Such items are written as contrasts (one wording, several labels). Split between training and test they would be evidence *against* their own
    label, and pull a classifier below chance."""
    sets = [set(words(item.hypothesis, item.language)) for item in items]
    number = list(range(len(items)))
    for later in range(len(items)):
        for earlier in range(later):
            union = sets[later] | sets[earlier]
            alike = bool(union) and len(sets[later] & sets[earlier]) / len(union) >= ALIKE
            if alike or items[later].premise == items[earlier].premise:
                old, new = number[later], number[earlier]
                number = [new if value == old else value for value in number]
    return number


def hypothesis_only(items: Sequence[Item], *, by_scene: bool = True, seeds: int = 3) -> float:
    """Accuracy in [0, 1] of a logistic regression on one and two words of the hypothesis, 10-fold, mean over seeds 0 to `seeds` - 1.

    Folds keep a scene together where `by_scene`. Near 1/3 is right for three even labels; more means that the wording tells the label."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

    texts = [words(item.hypothesis, item.language) for item in items]
    # Counted once for all folds: a word of the test fold alone has no weight, and dense rows of so few items are quicker.
    counts = CountVectorizer(analyzer=_one_and_two, binary=True, dtype=float).fit_transform(texts).toarray()
    labels = [item.label for item in items]
    groups = scenes(items) if by_scene else list(range(len(items)))
    model = LogisticRegression(max_iter=1000, tol=1e-3)
    accuracies = []
    for seed in range(seeds):
        folds = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a label with fewer items than folds
            accuracies.append(cross_val_score(model, counts, labels, groups=groups, cv=folds).mean())
    return float(sum(accuracies) / seeds)


def _one_and_two(sequence: list[str]) -> list[str]:
    return sequence + [f"{first} {second}" for first, second in itertools.pairwise(sequence)]


def check_cues(items: Sequence[Item]) -> Iterator[Finding]:
    """Findings where hypotheses alone give labels away; nothing is said of fewer than 60 items."""
    if len(items) < FEWEST or len({item.label for item in items}) < 2:
        return
    remedy = "rewrite hypotheses so that the wording is the same with every label; do not change labels"
    for cue in cue_words(items):
        if cue.p < LEVEL:
            what = (
                f"expected no word to predict a label, got {cue.word!r} with {cue.label} in {cue.count} of {cue.total} "
                f"hypotheses (p = {cue.p:.3g} after Holm)"
            )
            yield Finding(items[0].file, None, None, what, remedy)
    chance = max(Counter(item.label for item in items).values()) / len(items)
    accuracy = hypothesis_only(items)
    if accuracy > chance + MARGIN:
        what = f"expected hypotheses alone to give at most {chance + MARGIN:.1%} of the labels, got {accuracy:.1%}"
        yield Finding(items[0].file, None, None, what, remedy)
