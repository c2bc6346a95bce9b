"""Checks for `04_explain_tokens`: completeness, differences between methods, contrasts, a one-word
change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.course import answers
from xlmkit.course.answers import NotYet, closest, quote
from xlmkit.course.checking import exercise
from xlmkit.explanation import Explanation, passes_gate, tolerance
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns
from xlmkit.tokenization import split_words

EXACT = 1e-6  # logits; values computed from the same numbers differ only by rounding
NEARLY = 5e-4


@exercise("04.1", wants="a number of logits, above or below 0")
def delta_by_hand(answer: object, *, explanation: Explanation) -> str:
    """By how much does the sum of all token scores differ from F(x) - F(baseline)?"""
    given = answers.number(answer)
    change, total = explanation.change or 0.0, float(explanation.scores.sum())
    delta = total - change
    if abs(given - delta) > EXACT:
        others = {
            -delta: "The sign is reversed: delta is the sum of the scores minus the change in logit.",
            total: "This is the sum of the scores; subtract the change in logit, F(x) - F(baseline).",
            change: "This is the change in logit; subtract it from the sum of the scores.",
            total - explanation.output: "You subtracted F(x); the scores add up to F(x) - F(baseline).",
        }
        nearly = closest(given, {delta: "Nearly: do not round, and leave out nothing."}, NEARLY)
        default = "Add up `scores`, and subtract `output` minus `baseline_output`."
        raise NotYet(closest(given, others, EXACT) or nearly or default)
    verdict = "passes" if passes_gate(delta, change) else "does not pass"
    return (
        f"The sum of the scores differs from the change of {change:.3f} logits by {abs(delta):.2g}; "
        f"{tolerance(change):.2g} is allowed, so it {verdict}."
    )


@exercise("04.2", wants='a method\'s name, such as "lime"')
def most_different_method(answer: object, *, scores: pd.DataFrame) -> str:
    """Which method ranks the words least like integrated gradients?"""
    reference = "integrated_gradients"
    given = answers.name(answer, scores.columns)
    if given == reference:
        raise NotYet(f"`{reference}` agrees with itself; which other method differs most from it?")
    agreement = scores.corr(method="spearman")[reference].drop(reference)
    least = agreement.idxmin()
    if given != least:
        hints = {
            agreement.idxmax(): "It agrees with it most; look for the lowest correlation.",
            agreement.abs().idxmin(): "It is closest to no relation; a reversed order (below 0) differs more.",
        }
        hint = hints.get(given, "Another one is lower.")
        raise NotYet(f"The correlation of `{given}` is {agreement[given]:.2f}. {hint}")
    return (
        f"`{least}`, with {agreement[least]:+.2f} on this pair. Over many pairs the order may be different."
    )


@exercise("04.3", wants="an array with one number per word")
def third_contrast(answer: object, *, against: Sequence[Explanation]) -> str:
    """How much does each word add to the logit of the second rival rather than the first?"""
    first, second = against
    truth = first.word_scores - second.word_scores
    asked = f"`{second.contrast}` rather than `{first.contrast}`"
    parts = answers.several(answer, len(truth))
    given = np.array([answers.number(part) for part in parts])
    if np.allclose(given, truth, atol=EXACT):
        strongest = first.words[int(truth.argmax())].text
        return f"The strongest word for {asked} is `{strongest}`, and no further explanation was needed."
    reversed_question = f"This is `{first.contrast}` rather than `{second.contrast}`"
    others = [
        (-truth, f"{reversed_question}: the sign of every word is reversed."),
        (
            first.word_scores + second.word_scores,
            "The sum contains the predicted label twice. Does + or - remove it from both questions?",
        ),
        *((one.word_scores, _unchanged(one, asked)) for one in against),
    ]
    for values, reason in others:
        if np.allclose(given, values, atol=EXACT):
            raise NotYet(reason)
    wrong = int(np.flatnonzero(~np.isclose(given, truth, atol=EXACT))[0])
    raise NotYet(
        f"For the word `{first.words[wrong].text}` you have {given[wrong]:.3f}; it should be {truth[wrong]:.3f}. "
        "Write down both questions as differences of logits."
    )


def _unchanged(explanation: Explanation, asked: str) -> str:
    contrast = f"`{explanation.target}` rather than `{explanation.contrast}`"
    return f"These are the scores of {contrast} unchanged; the question is about {asked}."


@exercise("04.4", wants="a hypothesis, as a text in quotes")
def one_word_that_turns_it(answer: object, *, nli: NLIModel, pair: pd.DataFrame) -> str:
    """Which change of one word in the hypothesis makes the model predict another label?"""
    if not isinstance(answer, str):
        raise NotYet(f"Expected a text in quotes; got {quote(answer)}.")
    row = pair.iloc[0]
    languages = language_columns(pair)
    before, after = (
        [word.text for word in split_words(text, str(row[languages[-1]]))]
        for text in (row["hypothesis"], answer)
    )
    if before == after:
        raise NotYet("The model reads the same words as before; it ignores upper case and accents.")
    changed = _n_changed(before, after)
    if changed > 1:
        raise NotYet(f"About {changed} words differ; add, remove or replace a single one.")
    original = pair[["pair_id", "premise", "hypothesis", *languages]].head(1)
    both = pd.concat([original, original.assign(pair_id="changed", hypothesis=answer)], ignore_index=True)
    old, new = predict(nli, both, progress=False).to_dict("records")
    label = old["prediction"]
    if new["prediction"] == label:
        raise NotYet(
            f"Still `{label}`, with {new[f'p_{label}']:.2f} instead of {old[f'p_{label}']:.2f}. "
            "Try a word that has a high score in the explanation."
        )
    return (
        f"`{label}` became `{new['prediction']}` ({new['p_' + new['prediction']]:.2f}). "
        "Is that right, too? And did the word that you changed have a high score?"
    )


def _n_changed(before: Sequence[str], after: Sequence[str]) -> int:
    """The number of words between what both begin with and what both end with."""
    shorter = min(len(before), len(after))
    start = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    left = shorter - start
    end = next((at for at in range(left) if before[-1 - at] != after[-1 - at]), left)
    return max(len(before), len(after)) - start - end
