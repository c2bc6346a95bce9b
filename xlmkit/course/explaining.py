"""Checks for `04_explain_tokens` and `05_why_it_errs`: completeness, differences between methods,
contrasts, a one-word change; kinds of errors, blamed words and chance, edits that fix errors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np
import pandas as pd

from xlmkit.course import answers
from xlmkit.course.answers import CLOSE, NotYet, compare, quote
from xlmkit.course.checking import exercise
from xlmkit.explanation import Explanation, passes_gate, tolerance
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns
from xlmkit.tokenization import split_words

EXACT = 1e-6  # logits; values computed from the same numbers differ only by rounding
NEARLY = 5e-4


@exercise("04.1", answers.number, wants="a number of logits, above or below 0")
def delta_by_hand(given: float, *, explanation: Explanation) -> str:
    """By how much does the sum of all token scores differ from F(x) - F(baseline)?"""
    change, total = explanation.change or 0.0, float(explanation.scores.sum())
    delta = total - change
    passes = "which passes" if passes_gate(delta, change) else "which does not pass"
    right = f"{abs(delta):.2g} of {change:.3f} logits, {passes}: {tolerance(change):.2g} is allowed."
    wrong = {
        "The sign is reversed: delta is the sum of the scores minus the change in logit.": -delta,
        "This is the sum of the scores; subtract the change in logit, F(x) - F(baseline).": total,
        "This is the change in logit; subtract it from the sum of the scores.": change,
        "You subtracted F(x); the scores add up to F(x) - F(baseline).": total - explanation.output,
    }
    otherwise = "Add up `scores`, and subtract `output` minus `baseline_output`."
    if abs(given - delta) <= NEARLY:
        otherwise = "Nearly: do not round, and leave out nothing."
    return compare(given, delta, right=right, wrong=wrong, otherwise=otherwise, within=EXACT)


@exercise("04.2", wants='a method\'s name, such as "lime"')
def most_different_method(answer: object, *, scores: pd.DataFrame) -> str:
    """Which method ranks the words least like integrated gradients?"""
    reference = "integrated_gradients"
    given = answers.name(answer, scores.columns)
    agreement = scores.corr(method="spearman")[reference]
    others = agreement.drop(reference)
    text = f"The correlation of `{given}` is {agreement[given]:.2f}."
    right = f"`{given}`, with {agreement[given]:+.2f} on this pair. Over many pairs the order may differ."
    wrong = {
        f"`{reference}` agrees with itself; which other method differs most from it?": reference,
        f"{text} It is closest to no relation; a reversed order (below 0) differs more.": others.abs().idxmin(),
        f"{text} It agrees with it most; look for the lowest correlation.": others.idxmax(),
    }
    otherwise = f"{text} Another one is lower."
    return compare(given, others.idxmin(), right=right, wrong=wrong, otherwise=otherwise)


@exercise("04.3", wants="an array with one number per word")
def third_contrast(answer: object, *, against: Sequence[Explanation]) -> str:
    """How much does each word add to the logit of the second rival rather than the first?"""
    first, second = against
    truth, total = first.word_scores - second.word_scores, first.word_scores + second.word_scores
    question = f"`{second.contrast}` rather than `{first.contrast}`"
    given = np.array([answers.number(part) for part in answers.several(answer, len(truth))])
    strongest = first.words[int(truth.argmax())].text
    right = f"The strongest word for {question} is `{strongest}`, and no further explanation was needed."
    turned = f"This is `{first.contrast}` rather than `{second.contrast}`"
    wrong = {
        f"{turned}: the sign of every word is reversed.": -truth,
        "The sum contains the predicted label twice. Does + or - remove it from both questions?": total,
    }
    for explanation in against:
        contrast = f"`{explanation.target}` rather than `{explanation.contrast}`"
        reason = f"These are the scores of {contrast} unchanged; the question is about {question}."
        wrong[reason] = explanation.word_scores
    off = int((np.abs(given - truth) > EXACT).argmax())
    got = f"For the word `{first.words[off].text}` you have {given[off]:.3f}; it should be {truth[off]:.3f}"
    otherwise = f"{got}. Write down both questions as differences of logits."
    return compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=EXACT)


@exercise("04.4", wants="a hypothesis, as a text in quotes")
def one_word_that_turns_it(answer: object, *, nli: NLIModel, pair: pd.DataFrame) -> str:
    """Which change of one word in the hypothesis makes the model predict another label?"""
    if not isinstance(answer, str):
        raise NotYet(f"Expected a text in quotes; got {quote(answer)}.")
    row = pair.iloc[0]
    languages = language_columns(pair)
    before, after = (_words(text, row[languages[-1]]) for text in (row["hypothesis"], answer))
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
        was, is_now = (f"{row[f'p_{label}']:.2f}" for row in (old, new))
        raise NotYet(f"Still `{label}`, with {is_now} instead of {was}. Try a word that has a high score.")
    return f"`{label}` became `{new['prediction']}`. Is that right? And did the word have a high score?"


def _words(text: str, language: str) -> list[str]:
    return [word.text for word in split_words(text, language)]


def _n_changed(before: list[str], after: list[str]) -> int:
    """The number of words between what both begin with and what both end with."""
    start = _n_common(before, after)
    end = _n_common(before[start:][::-1], after[start:][::-1])
    return max(len(before), len(after)) - start - end


def _n_common(first: list[str], second: list[str]) -> int:
    """The number of words that two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


@exercise("05.1", answers.fraction, wants="a fraction between 0 and 1")
def share_of_the_most_frequent_kind(given: float, *, preds: pd.DataFrame) -> str:
    """What fraction of the errors are of the most frequent kind (gold > prediction)?"""
    errors = preds[preds["prediction"] != preds["gold"]]
    kinds = (errors["gold"] + " > " + errors["prediction"]).value_counts()
    n, largest = len(errors), kinds.iloc[0]
    wrong = {
        f"That is the fraction of all {len(preds)} pairs; divide by the {n} errors.": largest / len(preds),
        "That is the fraction of all pairs that are errors. How many are of one kind?": n / len(preds),
    }
    for kind, count in kinds.iloc[1:].items():
        wrong[f"That is the fraction of {kind}; another kind is more frequent."] = count / n
    right = f"{largest / n:.0%} of {n} errors are {kinds.index[0]}."
    otherwise = f"There are {n} errors; count each kind, and divide the largest count by that."
    return compare(given, largest / n, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE)


@exercise("05.2", wants="a word, in quotes")
def blamed_word(answer: object, *, explanation: Explanation) -> str:
    """Which word pushes most towards the wrong label?"""
    words = [word.text for word in explanation.words]
    given = answers.name(answer, words)
    scores = pd.Series(explanation.word_scores, index=words)
    score = scores[[given]].max()  # a word may occur twice
    contrast = f"`{explanation.target}` rather than `{explanation.contrast}`"
    right = f"`{given}` adds {score:.2f} logits to {contrast}."
    otherwise = f"`{given}` pushes by {score:.2f} logits, and another word pushes more."
    if score < 0:
        otherwise = f"`{given}` speaks for the right label ({score:.2f} logits); find one for the wrong."
    return compare(given, scores.idxmax(), right=right, wrong={}, otherwise=otherwise)


@exercise("05.3", answers.fraction, wants="a fraction between 0 and 1")
def chance_of_blame(given: float, *, words: pd.DataFrame) -> str:
    """How often is a word of the hypothesis blamed if one word per error is drawn at random?"""
    inside = words["in hypothesis"]
    truth = float(inside.groupby(words["pair_id"]).mean().mean())
    blamed = float(inside[words["rank"] == 1].mean())
    wrong = {
        "That is the fraction of all words, in which long pairs count more.": inside.mean(),
        "That is how often it is blamed (rank 1), not how often chance would blame it.": blamed,
        "That is the chance of the premise.": 1 - truth,
        "A half would be right if both sentences had the same number of words; count them.": 0.5,
    }
    right = f"{truth:.3f}: the mean over the pairs. It was blamed in {blamed:.0%} of the errors."
    otherwise = "Take the hypothesis's fraction of each pair's words, then the mean. Give three digits."
    return compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE / 5)


@exercise("05.4", wants="(pair_id, premise, hypothesis): an error's id, and both texts after your edit")
def an_edit_that_sets_it_right(answer: object, *, nli: NLIModel, errors: pd.DataFrame) -> str:
    """Which words can be removed from an error so that the model predicts the right label?"""
    id, *texts = answers.several(answer, 3)
    known = errors.set_index("pair_id")
    if id not in set(known.index):
        raise NotYet(f"Expected the `pair_id` of an error, such as `{known.index[0]}`; got {quote(id)}.")
    row, columns = known.loc[id], language_columns(errors)
    languages = (str(row[columns[0]]), str(row[columns[-1]]))
    removed: list[str] = []
    for side, text, code in zip(("premise", "hypothesis"), texts, languages, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise NotYet(f"The {side} must be a text with at least one word; got {quote(text)}.")
        removed += _removed(_words(row[side], code), _words(text, code), side)
    if not removed:
        raise NotYet("Nothing is removed: these are the words of the error itself.")
    edited = errors[errors["pair_id"] == id].head(1).assign(premise=texts[0], hypothesis=texts[1])
    new = predict(nli, edited[["pair_id", "premise", "hypothesis", *columns]], progress=False).iloc[0]
    gold, words = row["gold"], ", ".join(f"`{word}`" for word in removed)
    if new["prediction"] != gold:
        text = f"Without {words} the model predicts `{new['prediction']}`; gold (`{gold}`) gets"
        raise NotYet(f"{text} {new[f'p_{gold}']:.2f}. Remove what pushes most to the wrong label.")
    text = f"Without {words} the model predicts `{gold}` ({new[f'p_{gold}']:.2f})"
    return f"{text}. Read what is left: is that still the right label?"


def _removed(before: list[str], after: list[str], side: str) -> list[str]:
    """The words that are gone; the others must be in their old order."""
    gone, left = [], list(after)
    for word in before:
        if left and word == left[0]:
            left.pop(0)
        else:
            gone.append(word)
    if left:
        raise NotYet(f"In the {side}, `{left[0]}` is new or has moved; this time, only remove words.")
    return gone
