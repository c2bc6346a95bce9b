"""Checks for the notebook `06_can_we_trust_it`: a word taken out, a rationale met, chance, and agreement beyond it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.explanation import Explanation
from xlmkit.faithfulness import rationale_words
from xlmkit.inference import predict
from xlmkit.model import NLIModel

CLOSE = 0.005  # of a probability or share: two digits are enough
NONE = "none"  # the answer where no method fits


@exercise("06.1", wants="a difference of two probabilities, from -1 to 1")
def fall_without_the_strongest_word(answer: object, *, nli: NLIModel, explanation: Explanation) -> str:
    """How far does the probability of the explained label fall without the word that has the highest score?"""
    given = answers.number(answer, low=-1, high=1)
    order = np.argsort(-explanation.word_scores, kind="stable").tolist()
    before, *after = _probabilities(nli, explanation, order)
    truth = before - after[0]
    top = explanation.words[order[0]].text
    if abs(given - truth) <= CLOSE:
        return (
            f"Without `{top}` it goes from {before:.2f} to {after[0]:.2f}. One word out of one pair is an anecdote; "
            "comprehensiveness is the mean over several numbers of words."
        )
    if abs(given + truth) <= CLOSE:
        raise NotYet("The sign is turned: a fall is the probability before minus the one after.")
    if abs(given - after[0]) <= CLOSE:
        raise NotYet(
            f"This is the probability without `{top}`; the question is how far it fell from {before:.2f}."
        )
    if abs(given - before) <= CLOSE:
        raise NotYet("This is the probability of the whole pair; subtract the one without the word.")
    for word, chance in zip(order[1:], after[1:], strict=True):
        if abs(given - (before - chance)) <= CLOSE:
            text, score = explanation.words[word].text, explanation.word_scores[word]
            raise NotYet(f"This fits the word `{text}`, whose score is {score:.2f}; `{top}` has the highest.")
    raise NotYet(
        f"Cut the characters of `{top}` out of its sentence, predict again, and take `p_{explanation.target}` before minus after."
    )


def _probabilities(nli: NLIModel, explanation: Explanation, words: Sequence[int]) -> list[float]:
    """Of the explained label: for the pair as it is, and without each of the words alone, cut out of the text."""
    rows = [{"premise": explanation.premise, "hypothesis": explanation.hypothesis}]
    for number in words:
        word = explanation.words[number]
        side = explanation.sides[word.sentence]
        text = rows[0][side] or ""
        rows.append({**rows[0], side: text[: word.start] + text[word.end :]})
    frame = pd.DataFrame(rows).assign(
        pair_id=[str(row) for row in range(len(rows))],
        premise_language=explanation.premise_language,
        hypothesis_language=explanation.hypothesis_language,
    )
    found = predict(nli, frame, progress=False)
    return found[f"p_{explanation.target}"].astype(float).tolist()


@exercise("06.2", wants='a list of methods, or ["none"]')
def methods_at_chance(answer: object, *, summary: pd.DataFrame) -> str:
    """Which methods cannot be told from chance by sufficiency?"""
    own = summary[summary["metric"] == "sufficiency"].set_index("method")
    low, high = own["percentile_low"], own["percentile_high"]
    truth = set(own.index[(low <= 0.5) & (high >= 0.5)])
    given = answers.names(answer, [*own.index, NONE])
    if NONE in given and (len(given) > 1 or truth):
        raise NotYet(
            "`none` stands alone, and holds only if no interval of `percentile` has 0.5 in it. One has."
        )
    for method in sorted(given - truth - {NONE}):
        side = "below" if high[method] < 0.5 else "above"
        raise NotYet(
            f"`{method}` can: its interval, {low[method]:.3f} to {high[method]:.3f}, lies {side} 0.5."
        )
    for method in sorted(truth - given):
        raise NotYet(
            f"`{method}` is missing: its interval, {low[method]:.3f} to {high[method]:.3f}, holds 0.5."
        )
    below = sorted(own.index[high < 0.5])
    worse = f" Below 0.5, so worse than random: {', '.join(below)}." if below else ""
    return f"{', '.join(sorted(truth)) or 'No method'}.{worse} More items would make the intervals narrower."


@exercise("06.3", wants="a share between 0 and 1")
def rationale_met(answer: object, *, explanation: Explanation, pairs: pd.DataFrame) -> str:
    """What share of the strongest words are words of the rationale, taking as many as the rationale has?"""
    given = answers.number(answer, low=0, high=1)
    row = pairs[pairs["pair_id"] == explanation.pair_id].iloc[0].to_dict()
    right = rationale_words(explanation, [row[f"{side}_rationale"] for side in explanation.sides])  # (W,)
    size = int(right.sum())
    hits = right[np.argsort(-explanation.word_scores, kind="stable")].cumsum()  # (W,)
    truth = hits[size - 1] / size
    if abs(given - truth) <= CLOSE:
        return f"{hits[size - 1]} of {size}; words drawn at random would give {right.mean():.2f} on average. It is the token F1."
    sizes = np.arange(1, len(hits) + 1)
    if abs(given - hits[size - 1] / (2 * size - hits[size - 1])) <= CLOSE:
        raise NotYet(
            "That is the intersection over the union; divide the words in both by the words that you took."
        )
    if abs(given - right.mean()) <= CLOSE:
        raise NotYet("That is the rationale's share of all words, which is what chance would give.")
    by_size = np.flatnonzero(np.abs(hits / sizes - given) <= CLOSE)
    if len(by_size):
        raise NotYet(
            f"That fits the strongest {sizes[by_size[0]]} words; the rationale has {size} (words that share a character with a span)."
        )
    raise NotYet(
        f"The rationale has {size} words. Take the {size} words with the highest scores and count those in it."
    )


@exercise("06.4", wants='two codes of languages, such as ("en", "de")')
def agree_least(answer: object, *, agreement: pd.DataFrame, method: str) -> str:
    """In which two languages do a method's explanations agree least, beyond chance?"""
    own = agreement[(agreement["method"] == method) & (agreement["first"] != "all")]
    known = [*own["first"], *own["second"]]
    given = {answers.name(part, known) for part in answers.several(answer, 2)}
    if len(given) < 2:
        raise NotYet("Expected two different languages.")
    pairs = [{first, second} for first, second in zip(own["first"], own["second"], strict=True)]
    row = own.iloc[pairs.index(given)]
    least = own.iloc[int(own["difference"].argmin())]
    if row.name != least.name:
        other = (
            " It has the lowest `rho`, but `rho` is not 0 by chance."
            if row["rho"] == own["rho"].min()
            else ""
        )
        raise NotYet(
            f"Their `difference` from shuffled scores is {row['difference']:.3f}, and two other languages have a lower one.{other}"
        )
    return (
        f"{least['first']} and {least['second']}: {least['difference']:.2f} above shuffled scores, "
        f"between {least['low']:.2f} and {least['high']:.2f}. Do the intervals of the other languages overlap with it?"
    )
