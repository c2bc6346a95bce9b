"""Endless pairs to learn from: training rows in languages picked by chance, and pairs without a label in the languages that have no training rows.

Premise and hypothesis are often in two languages (the rows are parallel), which ties the languages together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recipe.inputs import Inputs
from recipe.networks import LABELS
from xlmkit.languages import LANGUAGES

MIXED = 0.4  # share of labelled pairs whose sentences may be in two languages
SAME = 0.015  # share of pairs that are a sentence and itself, in any two languages: entailment
# How often the unlabelled pairs are in each language: those without training rows, and those whose rows are badly translated.
UNLABELLED = {"bg": 17, "el": 17, "hi": 17, "ru": 15, "th": 17, "sw": 9, "ur": 8}
PREMISE, HYPOTHESIS = 230, 150  # characters at most; a third of it in Chinese
_BREAKS = re.compile(r"[,;:،，、]| - ")
_UNSPACED = ("th", "zh")


@dataclass(frozen=True)
class Pair:
    """Two sentences, each in its language; `label` is the place of its label among the logits, -1 where nobody said.

    `settled`: the label is beyond doubt, whatever the teacher answers."""

    premise: str
    premise_language: str
    hypothesis: str
    hypothesis_language: str
    label: int
    settled: bool = False


def labelled(inputs: Inputs, chance: np.random.Generator, *, english: int = 4) -> Iterator[Pair]:
    """The training rows, each once before any comes again; in English `english` times as often as in any other language."""
    codes = [*inputs.pairs, *["en"] * (english - 1)]
    gold = [LABELS.index(label) for label in inputs.gold]
    while True:
        for row in chance.permutation(len(gold)):
            first = second = codes[chance.integers(len(codes))]
            if chance.random() < MIXED:
                second = codes[chance.integers(len(codes))]
            premise, hypothesis = inputs.pairs[first][0][row], inputs.pairs[second][1][row]
            if chance.random() < SAME:
                yield _pair(premise, first, inputs.pairs[second][0][row], second, LABELS.index("entailment"))
            else:
                yield _pair(premise, first, hypothesis, second, gold[row])


def unlabelled(inputs: Inputs, chance: np.random.Generator) -> Iterator[Pair]:
    """A text with its translation, a part of itself, its neighbour, or as a part's hypothesis; the teacher says what they are to each other."""
    codes, weights = list(UNLABELLED), np.array(list(UNLABELLED.values())) / sum(UNLABELLED.values())
    sources = [inputs.news, inputs.topics, inputs.technical]
    paragraphs = {code: [{code: text} for text in texts] for code, texts in inputs.paragraphs.items()}
    while True:
        code = codes[chance.choice(len(codes), p=weights)]
        texts = paragraphs.get(code, [])
        if not texts or chance.random() >= 0.3:
            texts = sources[chance.choice(3, p=(0.3, 0.15, 0.55))]
        row = int(chance.integers(len(texts)))
        found = _unlabelled(texts[row], texts[(row + 1) % len(texts)], code, chance)
        if found is not None:
            yield found


def unrelated(inputs: Inputs, chance: np.random.Generator) -> Iterator[Pair]:
    """Two sentences that have nothing to do with each other: neutral, which MultiNLI seldom shows.

    Half are of two training rows, their premises as often short as long; half are of two texts of one language, any of the 15."""
    rows, codes, neutral = labelled(inputs, chance), list(LANGUAGES), LABELS.index("neutral")
    while True:
        first, second = next(rows), next(rows)
        if chance.random() < 0.5:
            premise = (first.premise, first.premise_language)
            if chance.random() < 0.5:
                premise = (first.hypothesis, first.hypothesis_language)
            yield _pair(*premise, second.hypothesis, second.hypothesis_language, neutral, settled=True)
            continue
        texts = (inputs.news, inputs.topics, inputs.technical)[chance.integers(3)]
        code = codes[chance.integers(len(codes))]
        one, other = (texts[number] for number in chance.integers(len(texts), size=2))
        if one is not other and code in one and code in other:
            yield _pair(one[code], code, part(other[code], code, chance), code, neutral, settled=True)


def _unlabelled(
    text: dict[str, str], neighbour: dict[str, str], code: str, chance: np.random.Generator
) -> Pair | None:
    if code not in text:
        return None
    own, kind = text[code], chance.random()
    if kind < 0.35 and len(text) > 1:
        others = [*(other for other in text if other != code), *(["en"] * 3 if "en" in text else [])]
        other = others[chance.integers(len(others))]
        sides = [(own, code), (text[other], other)]
        (a, first), (b, second) = sides if chance.random() < 0.5 else sides[::-1]
        return _pair(a, first, b, second, -1)
    if kind < 0.65:
        return _pair(own, code, part(own, code, chance), code, -1)
    if kind < 0.9 and code in neighbour:
        return _pair(own, code, neighbour[code], code, -1)
    return _pair(part(own, code, chance), code, own, code, -1)


def part(text: str, code: str, chance: np.random.Generator) -> str:
    """A clause of the text, or a half of it where it has but one."""
    clauses = [
        clause.strip() for clause in _BREAKS.split(text) if len(clause.strip()) > (6 if code == "zh" else 12)
    ]
    if len(clauses) > 1:
        return clauses[chance.integers(len(clauses))]
    joint = "" if code in _UNSPACED else " "
    words = list(text) if code in _UNSPACED else text.split(" ")
    middle = max(1, len(words) // 2)
    return joint.join(words[:middle] if chance.random() < 0.5 else words[middle:]) or text


def _pair(
    premise: str, first: str, hypothesis: str, second: str, label: int, *, settled: bool = False
) -> Pair:
    return Pair(
        clip(premise, first, PREMISE), first, clip(hypothesis, second, HYPOTHESIS), second, label, settled
    )


def clip(text: str, code: str, most: int) -> str:
    """The text's beginning, cut between words where the language has spaces."""
    most = most // 3 if code == "zh" else most
    if len(text) <= most:
        return text
    start = text[:most]
    return start if code in _UNSPACED else start.rsplit(" ", 1)[0] or start
