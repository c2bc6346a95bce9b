"""Check files of pairs in the workshop's format: `python data/workshop/check.py FILE...`.

Lists every fault with its line and what to do: fields, spans, letters, typography, then labels,
repeated items, cues, and the same items in every language. Exit code 0: no faults; 1: faults; 2: a
file cannot be read."""

from __future__ import annotations

import argparse
import itertools
import math
import os
import statistics
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from items import TEXTS, Finding, Item, read_items
from texts import check_letters, check_spans, check_typography, words

from xlmkit.languages import resolve
from xlmkit.pairs import LABELS

OF_ITEM = (check_spans, check_letters, check_typography)

MARGIN = 0.08  # of accuracy above chance
LEVEL = 0.05  # of the test for words, all words and labels together
FEWEST_ITEMS = 60  # items below which a classifier says nothing
ALIKE = 0.4  # fraction of words that two hypotheses share (Jaccard) when they are one scene
FACTOR = 2.0  # a text may be this many times as long, or as short, as is usual for its language
FEWEST_LENGTHS = 5  # items below which no length is usual


def check_files(paths: Iterable[str | os.PathLike[str]], *, language: str | None = None) -> list[Finding]:
    """Every fault of files in the workshop's format, in the order of their lines; none means that
    they can be used.

    What is asked of a file as a whole (labels, cues, missing items) waits until each of its lines
    has the fields that it needs.

    Parameters
    ----------
    paths : `.jsonl` files, one a language. Those in other languages are compared with the English
        one, or else the first.
    language : of all the files, where their names do not end in one.

    Raises
    ------
    ValueError : if a file cannot be read as JSON Lines at all, or its language is unknown.
    OSError : if it cannot be opened."""
    code = None if language is None else resolve(language)
    found: list[Finding] = []
    files: list[list[Item]] = []
    whole: list[bool] = []
    for path in paths:
        items, faults = read_items(path, language=code)
        files.append(items)
        whole.append(not faults)
        faults += [finding for item in items for check in OF_ITEM for finding in check(item)]
        faults += check_repeats(items)
        found += sorted(faults, key=lambda finding: finding.line or 0)
        if whole[-1]:
            found += [finding for check in (check_labels, check_cues) for finding in check(items)]
    return found + list(check_parallel(files, whole))


# --- labels and repeated items


def check_labels(items: Sequence[Item]) -> Iterator[Finding]:
    """Findings where two labels of the items of one file, or of one phenomenon of it, differ by
    more than one item."""
    groups = {"the file": list(items)}
    for item in items:
        groups.setdefault(f"phenomenon {item.phenomenon!r}", []).append(item)
    for name, group in groups.items():
        counts = Counter(item.label for item in group)
        numbers = [counts[label] for label in LABELS]
        if max(numbers) - min(numbers) > 1:
            got = ", ".join(f"{label} {counts[label]}" for label in LABELS)
            yield Finding(
                items[0].file,
                None,
                None,
                f"expected the labels of {name} to differ by at most one item, got {got}",
                "add items with the rarer labels or remove others",
            )


def check_repeats(items: Sequence[Item]) -> Iterator[Finding]:
    """Findings for ids and pairs of texts of one file that were there before."""
    ids: dict[str, int] = {}
    pairs: dict[tuple[str, str], int] = {}
    for item in items:
        if ids.setdefault(item.id, item.line) != item.line:
            yield item.finding(
                f"expected an id of its own, got that of line {ids[item.id]}", "renumber the items"
            )
        pair = (_folded(item.premise), _folded(item.hypothesis))
        if pairs.setdefault(pair, item.line) != item.line:
            yield item.finding(
                f"expected a pair of its own, got the texts of line {pairs[pair]}", "write another pair"
            )
        if pair[0] == pair[1]:
            yield item.finding("expected two texts, got the same one twice", "write another hypothesis")


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


# --- cues: does the hypothesis alone give the label away (Gururangan et al. 2018, arXiv:1803.02324)?


@dataclass(frozen=True)
class Cue:
    """How often one word of hypotheses occurs with its most frequent label; `p` is corrected by
    Holm over all words and labels."""

    word: str
    label: str
    count: int  # hypotheses with the word and the label
    total: int  # hypotheses with the word
    p: float


def cue_words(items: Sequence[Item], *, fewest: int = 5) -> list[Cue]:
    """The words that occur in at least `fewest` hypotheses, the most telling first.

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
    """A number for each item; items that share a premise or most words of the hypothesis have the
    same.

    Such items are written as contrasts (one wording, several labels). Split between training and
    test they would be evidence *against* their own label, and pull a classifier below chance."""
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
    """Accuracy in [0, 1] of a logistic regression on one and two words of the hypothesis, 10-fold,
    mean over seeds 0 to `seeds` - 1.

    Folds keep a scene together where `by_scene`. Near 1/3 is right for three even labels; more
    means that the wording tells the label."""
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
    if len(items) < FEWEST_ITEMS or len({item.label for item in items}) < 2:
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


# --- the same items in every language


def check_parallel(files: Sequence[Sequence[Item]], whole: Sequence[bool] | None = None) -> Iterator[Finding]:
    """Findings of each file against the English one, or the first where there is none in English;
    files in the same language are not compared.

    `whole` says of which files all lines could be read (None: of all); of the others it is not said
    what they lack."""
    complete = [True] * len(files) if whole is None else list(whole)
    places = [place for place, items in enumerate(files) if items]
    if not places:
        return
    first = next((place for place in places if files[place][0].language == "en"), places[0])
    known = {item.id: item for item in files[first]}
    for place in places:
        items = files[place]
        if items[0].language != files[first][0].language:
            yield from _same_items(items, known, complete[first])
            if complete[place]:
                yield from _missing(items, known)
            yield from _lengths(items, known)


def _same_items(items: Sequence[Item], known: dict[str, Item], all_known: bool) -> Iterator[Finding]:
    file = next(iter(known.values())).file
    for item in items:
        if item.id not in known:
            if all_known:
                yield item.finding(f"expected an item of {file}, got one that is not there", "add it there")
            continue
        for field in ("label", "phenomenon"):
            expected, got = getattr(known[item.id], field), getattr(item, field)
            if expected != got:
                yield item.finding(
                    f"expected the {field} of {file}, {expected!r}; got {got!r}",
                    "correct the wrong one; if the translation changed the label, translate again",
                )


def _missing(items: Sequence[Item], known: dict[str, Item]) -> Iterator[Finding]:
    file = next(iter(known.values())).file
    for name in sorted(known.keys() - {item.id for item in items}):
        what = f"expected every item of {file}, this one is missing"
        yield Finding(items[0].file, None, name, what, "translate it")


def _lengths(items: Sequence[Item], known: dict[str, Item]) -> Iterator[Finding]:
    """Ratios of lengths in characters, each against the median of its file: languages differ, items
    of one language less so."""
    both = [(item, known[item.id]) for item in items if item.id in known]
    if len(both) < FEWEST_LENGTHS:
        return
    for field in TEXTS:
        ratios = [len(getattr(item, field)) / len(getattr(other, field)) for item, other in both]
        usual = statistics.median(ratios)
        for (item, other), ratio in zip(both, ratios, strict=True):
            if abs(math.log(ratio / usual)) > math.log(FACTOR):
                yield item.finding(
                    f"expected a `{field}` of about {usual * len(getattr(other, field)):.0f} characters, to match {other.file}"
                    f", got {len(getattr(item, field))}",
                    "compare the two: something was left out or added",
                )


def main(arguments: list[str] | None = None) -> int:
    """Check the files that the command line names."""
    command = argparse.ArgumentParser(description="List every fault of pairs in the workshop's format.")
    command.add_argument("files", nargs="+", metavar="FILE", help=".jsonl files, one per language")
    command.add_argument("--language", metavar="CODE", help="of files whose names do not end in one")
    chosen = command.parse_args(arguments)
    try:
        findings = check_files(chosen.files, language=chosen.language)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    print(f"{len(findings) or 'no'} fault{'' if len(findings) == 1 else 's'}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
