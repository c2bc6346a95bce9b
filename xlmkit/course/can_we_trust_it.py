"""Checks for `06_can_we_trust_it`: a removed word, a rationale, chance, and agreement beyond it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.course import answers
from xlmkit.course.answers import CLOSE, NotYet, compare, compare_sets
from xlmkit.course.checking import exercise
from xlmkit.explanation import Explanation
from xlmkit.faithfulness import rationale_words
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.stats import ALL

NONE = "none"  # the answer if no method fits


@exercise("06.1", answers.difference, wants="a difference of two probabilities, from -1 to 1")
def fall_without_the_strongest_word(given: float, *, nli: NLIModel, explanation: Explanation) -> str:
    """How far does the explained label's probability fall without the word with the highest
    score?"""
    strongest, *rest = np.argsort(-explanation.word_scores, kind="stable").tolist()
    before, after, *others_after = _probabilities(nli, explanation, [strongest, *rest])
    top = explanation.words[strongest].text
    right = f"Without `{top}` it falls from {before:.2f} to {after:.2f}. One word of one pair proves nothing."
    wrong = {
        "This is the probability of the whole pair; subtract the one without the word.": before,
        f"This is the probability without `{top}`; how far did it fall from {before:.2f}?": after,
        "The sign is reversed: a fall is the probability before minus the one after.": after - before,
    }
    for word, chance in zip(rest, others_after, strict=True):
        score = f"`{explanation.words[word].text}`, whose score is {explanation.word_scores[word]:.2f}"
        wrong[f"This fits the word {score}; `{top}` has the highest."] = before - chance
    otherwise = f"Remove `{top}`, predict again, and take `p_{explanation.target}` before minus after."
    return compare(given, before - after, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE)


def _probabilities(nli: NLIModel, explanation: Explanation, words: Sequence[int]) -> list[float]:
    """The probability of the explained label, for the whole pair and without each word alone."""
    rows = [{"premise": explanation.premise, "hypothesis": explanation.hypothesis}]
    for number in words:
        word = explanation.words[number]
        side = explanation.sides[word.sentence]
        text = rows[0][side] or ""
        rows.append({**rows[0], side: text[: word.start] + text[word.end :]})
    frame = pd.DataFrame(rows).assign(
        premise_language=explanation.premise_language, hypothesis_language=explanation.hypothesis_language
    )
    return predict(nli, frame, progress=False)[f"p_{explanation.target}"].astype(float).tolist()


@exercise("06.2", wants='a list of methods, or ["none"]')
def methods_at_chance(answer: object, *, summary: pd.DataFrame) -> str:
    """Which methods cannot be distinguished from chance by sufficiency?"""
    rows = summary[summary["metric"] == "sufficiency"].set_index("method")
    low, high = rows["percentile_low"], rows["percentile_high"]
    at_chance = (low <= 0.5) & (high >= 0.5)
    truth = set(rows.index[at_chance]) or {NONE}
    given = answers.names(answer, [*rows.index, NONE])
    interval = {method: f"its interval, {low[method]:.3f} to {high[method]:.3f}," for method in rows.index}
    wrong = {
        method: f"`{method}` can: {interval[method]} lies {'below' if high[method] < 0.5 else 'above'} 0.5."
        for method in rows.index
    }
    wrong[NONE] = "`none` is right only if no interval of `percentile` contains 0.5. One does."
    missing = " ".join(
        f"`{method}` is missing: {interval[method]} contains 0.5."
        for method in sorted(truth - given - {NONE})
    )
    below = sorted(rows.index[high < 0.5])
    worse = f" Below 0.5, so worse than random: {', '.join(below)}." if below else ""
    right = f"{', '.join(sorted(truth - {NONE})) or 'No method'}.{worse} More items would make the intervals narrower."
    return compare_sets(given, truth, right=right, wrong=wrong, missing=missing)


@exercise("06.3", answers.fraction, wants="a fraction between 0 and 1")
def rationale_met(given: float, *, explanation: Explanation, pairs: pd.DataFrame) -> str:
    """What fraction of the strongest words are in the rationale, taking as many as it has?"""
    row = pairs[pairs["pair_id"] == explanation.pair_id].iloc[0].to_dict()
    inside = rationale_words(explanation, [row[f"{side}_rationale"] for side in explanation.sides])  # (W,)
    order = np.argsort(-explanation.word_scores, kind="stable")
    hits = inside[order].cumsum()  # (W,) among the first 1, 2, ...
    size = int(inside.sum())
    found = hits[size - 1]
    right = f"{found} of {size}; random words would give {inside.mean():.2f} on average. It is the token F1."
    wrong = {
        "That is the rationale's fraction of all words, which is what chance would give.": inside.mean(),
        "That is the intersection over the union; divide by the words that you took.": found
        / (2 * size - found),
    }
    for count, n_hits in enumerate(hits, start=1):
        wrong[f"That fits the strongest {count} words; the rationale has {size}."] = n_hits / count
    otherwise = f"The rationale has {size} words. Take the {size} strongest and count those in the rationale."
    return compare(given, found / size, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE)


@exercise("06.4", wants='two language codes, such as ("en", "de")')
def agree_least(answer: object, *, agreement: pd.DataFrame, method: str) -> str:
    """In which two languages do a method's explanations agree least, beyond chance?"""
    rows = agreement[(agreement["method"] == method) & (agreement["first"] != ALL)]
    given = {answers.name(part, [*rows["first"], *rows["second"]]) for part in answers.several(answer, 2)}
    if len(given) < 2:
        raise NotYet("Expected two different languages.")
    pairs = [{first, second} for first, second in zip(rows["first"], rows["second"], strict=True)]
    row, least = rows.iloc[pairs.index(given)], rows.iloc[int(rows["difference"].argmin())]
    if row.name != least.name:
        lowest_rho = row["rho"] == rows["rho"].min()
        hint = " It has the lowest `rho`, but chance does not give a `rho` of 0." if lowest_rho else ""
        raise NotYet(
            f"Their `difference` is {row['difference']:.3f}; two other languages have a lower one.{hint}"
        )
    interval = f"{least['difference']:.2f}, between {least['low']:.2f} and {least['high']:.2f}"
    return f"{least['first']} and {least['second']}: {interval}. Do the intervals of others overlap with it?"
