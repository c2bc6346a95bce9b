"""Checks for the notebook `04_explain_tokens`: what adds up, how far methods differ, contrasts, and a test of an explanation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.explanation import Explanation, passes_gate, tolerance
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns
from xlmkit.tokenization import split_words

EXACT = 1e-6  # logits; what is computed from the same numbers differs by rounding alone


@exercise("04.1", wants="a number of logits, above or below 0")
def delta_by_hand(answer: object, *, explanation: Explanation) -> str:
    """By how much do the scores of all tokens miss F(x) - F(baseline)?"""
    given = answers.number(answer)
    change, total = explanation.change or 0.0, float(explanation.scores.sum())
    delta = total - change
    others = {
        -delta: "The sign is turned: delta is the sum of the scores minus the change in logit.",
        total: "This is the sum of the scores; subtract the change in logit, F(x) - F(baseline).",
        change: "This is the change in logit; subtract it from the sum of the scores.",
        total - explanation.output: "F(x) alone was subtracted; the scores add up to F(x) - F(baseline).",
    }
    if abs(given - delta) > EXACT:
        meant = [why for value, why in others.items() if abs(given - value) <= EXACT]
        if not meant and abs(given - delta) <= 5e-4:
            meant = ["Nearly: do not round, and leave out nothing."]
        raise NotYet(
            meant[0] if meant else "Sum up `scores`, and subtract `output` minus `baseline_output` from it."
        )
    verdict = "passes" if passes_gate(delta, change) else "does not pass"
    return f"The scores miss the change of {change:.3f} logits by {abs(delta):.2g}; {tolerance(change):.2g} are allowed, so it {verdict}."


@exercise("04.2", wants='a method\'s name, such as "lime"')
def most_different_method(answer: object, *, scores: pd.DataFrame) -> str:
    """Which method orders the words least as integrated gradients do?"""
    own = "integrated_gradients"
    given = answers.name(answer, scores.columns)
    if given == own:
        raise NotYet(f"`{own}` agrees with itself; which of the other methods differs most from it?")
    agreement = scores.corr(method="spearman")[own].drop(own)
    least = agreement.idxmin()
    if given == agreement.idxmax() != least:
        raise NotYet(
            f"`{given}` agrees with it most ({agreement[given]:.2f}); look for the lowest correlation."
        )
    if given == agreement.abs().idxmin() != least:
        raise NotYet(
            f"`{given}` is nearest to no relation ({agreement[given]:.2f}); an order that is turned round (below 0) is further off."
        )
    if given != least:
        raise NotYet(f"The correlation of `{given}` is {agreement[given]:.2f}, and another one is lower.")
    return f"`{least}`, with {agreement[least]:+.2f}. On one pair, that is: over many the order of methods may be another."


@exercise("04.3", wants="an array with one number a word")
def third_contrast(answer: object, *, against: Sequence[Explanation]) -> str:
    """What does each word add to the logit of the second rival rather than the first?"""
    first, second = against
    truth = first.word_scores - second.word_scores
    asked = f"`{second.contrast}` rather than `{first.contrast}`"
    given = _numbers(answer, len(truth))
    if np.allclose(given, -truth, atol=EXACT) and not np.allclose(given, truth, atol=EXACT):
        raise NotYet(
            f"This is `{first.contrast}` rather than `{second.contrast}`: the sign of every word is turned."
        )
    if np.allclose(given, first.word_scores + second.word_scores, atol=EXACT):
        raise NotYet(
            "The sum leaves the predicted label in, twice. Which of + and - makes it vanish from both questions?"
        )
    for one in against:
        if np.allclose(given, one.word_scores, atol=EXACT):
            raise NotYet(
                f"These are the scores of `{one.target}` rather than `{one.contrast}` unchanged; the question is about {asked}."
            )
    wrong = np.flatnonzero(~np.isclose(given, truth, atol=EXACT))
    if len(wrong):
        word = first.words[wrong[0]].text
        raise NotYet(
            f"For the word `{word}` you have {given[wrong[0]]:.3f}; it should be {truth[wrong[0]]:.3f}. Write down both questions as differences of logits."
        )
    strongest = first.words[int(truth.argmax())].text
    return f"For {asked} `{strongest}` speaks most, and the model was not asked again."


def _numbers(answer: object, count: int) -> np.ndarray:
    """(count,) as many finite numbers."""
    parts = answers.several(answer, count)
    return np.array([answers.number(part) for part in parts], dtype=np.float64)


@exercise("04.4", wants="a hypothesis, as a text in quotes")
def one_word_that_turns_it(answer: object, *, nli: NLIModel, pair: pd.DataFrame) -> str:
    """Which change of one word in the hypothesis makes the model give another label?"""
    if not isinstance(answer, str):
        raise NotYet(f"Expected a text in quotes; got {answers.said(answer)}.")
    row = pair.iloc[0]
    language = str(row[language_columns(pair)[-1]])
    before = [word.text for word in split_words(row["hypothesis"], language)]
    after = [word.text for word in split_words(answer, language)]
    if before == after:
        raise NotYet("The model reads the same words as before; it knows no upper case and no accents.")
    changed = _changed(before, after)
    if changed > 1:
        raise NotYet(f"About {changed} words differ; put in, take out or replace a single one.")
    named = ["pair_id", "premise", "hypothesis", *language_columns(pair)]
    both = pd.concat([pair[named].head(1), pair[named].head(1).assign(pair_id="changed", hypothesis=answer)])
    old, new = predict(nli, both.reset_index(drop=True), progress=False).to_dict("records")
    if new["prediction"] == old["prediction"]:
        label = old["prediction"]
        was, now = old[f"p_{label}"], new[f"p_{label}"]
        raise NotYet(
            f"Still `{label}`, with {now:.2f} instead of {was:.2f}. Try a word that the explanation calls strong."
        )
    return (
        f"`{old['prediction']}` became `{new['prediction']}` ({new['p_' + new['prediction']]:.2f}). "
        "Is that right, too? And had the explanation named the word that you changed?"
    )


def _changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words lie between what both begin with and what both end with."""
    shorter = min(len(before), len(after))
    start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    left = shorter - start
    end = next((at for at in range(left) if before[-1 - at] != after[-1 - at]), left)
    return max(len(before), len(after)) - start - end
