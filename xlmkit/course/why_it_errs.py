"""Checks for the notebook `05_why_it_errs`: kinds of errors, blame and its chance, and an edit that sets an error right."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.explanation import Explanation
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns
from xlmkit.tokenization import split_words

CLOSE = 0.005  # of a share: two digits are enough


@exercise("05.1", wants="a share between 0 and 1")
def share_of_the_most_frequent_kind(answer: object, *, preds: pd.DataFrame) -> str:
    """What share of the errors are of the most frequent kind, gold > label?"""
    given = answers.number(answer, low=0, high=1)
    wrong = preds[preds["prediction"] != preds["gold"]]
    kinds = (wrong["gold"] + " > " + wrong["prediction"]).value_counts()
    truth = kinds.iloc[0] / len(wrong)
    if abs(given - truth) <= CLOSE:
        return f"{truth:.0%} of {len(wrong)} errors are {kinds.index[0]}."
    if abs(given - kinds.iloc[0] / len(preds)) <= CLOSE:
        raise NotYet(
            f"That is its share of all {len(preds)} pairs; divide by the number of errors, {len(wrong)}."
        )
    if abs(given - len(wrong) / len(preds)) <= CLOSE:
        raise NotYet("That is the share of errors among all pairs. How many of the errors are of one kind?")
    for kind, count in kinds.iloc[1:].items():
        if abs(given - count / len(wrong)) <= CLOSE:
            raise NotYet(f"That is the share of {kind}; another kind is more frequent.")
    raise NotYet(f"There are {len(wrong)} errors; count each kind, and divide the largest count by that.")


@exercise("05.2", wants="a word, in quotes")
def blamed_word(answer: object, *, explanation: Explanation) -> str:
    """Which word pushes most towards the wrong label?"""
    known = [word.text for word in explanation.words]
    scores = explanation.word_scores
    given = answers.name(answer, known)
    blamed = known[int(scores.argmax())]
    highest = max(score for text, score in zip(known, scores, strict=True) if text == given)
    if given != blamed:
        if highest < 0:
            raise NotYet(
                f"`{given}` speaks for the right label ({highest:.2f} logits); the question is about the wrong one."
            )
        raise NotYet(f"`{given}` pushes by {highest:.2f} logits, and another word pushes more.")
    return f"`{blamed}` adds {highest:.2f} logits to `{explanation.target}` rather than `{explanation.contrast}`."


@exercise("05.3", wants="a share between 0 and 1")
def chance_of_blame(answer: object, *, words: pd.DataFrame) -> str:
    """How often would a word of the hypothesis be blamed if in each error a word were drawn at random?"""
    given = answers.number(answer, low=0, high=1)
    of_pair = words.groupby("pair_id")["in hypothesis"].mean()
    truth = float(of_pair.mean())
    pooled = float(words["in hypothesis"].mean())
    blamed = float(words.loc[words["rank"] == 1, "in hypothesis"].mean())
    if abs(given - truth) <= CLOSE / 5:
        return f"{truth:.3f}: as often as words stand in the hypothesis, pair by pair. It was blamed in {blamed:.0%} of the errors."
    if abs(given - pooled) <= CLOSE / 5:
        raise NotYet(
            "That is the share among all words, in which long pairs count more. Each error blames one word: take the share within each pair, then the mean."
        )
    if abs(given - blamed) <= CLOSE / 5:
        raise NotYet("That is how often it is blamed (rank 1), not how often chance would do it.")
    if abs(given - (1 - truth)) <= CLOSE / 5:
        raise NotYet("That is the chance of the premise.")
    if abs(given - 0.5) <= CLOSE / 5:
        raise NotYet("A half would hold if both sentences had the same number of words; count them.")
    raise NotYet(
        "Draw in your mind: in a pair of 20 words, 8 of them in the hypothesis, chance blames it in 8 of 20 cases. Take the mean of that over the pairs. Give three digits."
    )


@exercise("05.4", wants="(pair_id, premise, hypothesis): an error's name, and both texts after your edit")
def an_edit_that_sets_it_right(answer: object, *, nli: NLIModel, errors: pd.DataFrame) -> str:
    """Which words can be taken out of an error so that the model gives the right label?"""
    id, *texts = answers.several(answer, 3)
    known = errors.set_index("pair_id")
    if id not in set(known.index):
        raise NotYet(
            f"Expected the `pair_id` of one of the errors, such as `{known.index[0]}`; got {answers.said(id)}."
        )
    row = known.loc[id]
    taken: list[str] = []
    for side, text, code in zip(("premise", "hypothesis"), texts, _languages(row, errors), strict=True):
        if not isinstance(text, str) or not text.strip():
            raise NotYet(f"The {side} must be a text with at least one word; got {answers.said(text)}.")
        before, after = ([word.text for word in split_words(own, code)] for own in (row[side], text))
        taken += _taken_out(before, after, side)
    if not taken:
        raise NotYet("Nothing is taken out: these are the words that the error has.")
    edited = errors[errors["pair_id"] == row.name].head(1).assign(premise=texts[0], hypothesis=texts[1])
    named = ["pair_id", "premise", "hypothesis", *language_columns(errors)]
    new = predict(nli, edited[named], progress=False).iloc[0]
    gold = row["gold"]
    words = ", ".join(f"`{word}`" for word in taken)
    if new["prediction"] != gold:
        raise NotYet(
            f"Without {words} the model says `{new['prediction']}`, and gives gold (`{gold}`) {new['p_' + gold]:.2f}. "
            "Take out what pushes most to the wrong label."
        )
    return f"Without {words} the model says `{gold}` ({new['p_' + gold]:.2f}). Read what is left: is that still the right label?"


def _languages(row: pd.Series, errors: pd.DataFrame) -> tuple[str, str]:
    """Of the premise and of the hypothesis."""
    columns = language_columns(errors)
    return str(row[columns[0]]), str(row[columns[-1]])


def _taken_out(before: list[str], after: list[str], side: str) -> list[str]:
    """The words that are gone; what is left must stand in the order that it had."""
    left: Iterator[str] = iter(after)
    wanted = next(left, None)
    gone = []
    for word in before:
        if word == wanted:
            wanted = next(left, None)
        else:
            gone.append(word)
    if wanted is not None:
        raise NotYet(
            f"In the {side}, `{wanted}` is new or in another place; this time words are only taken out."
        )
    return gone
