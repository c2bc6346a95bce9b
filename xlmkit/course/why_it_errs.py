"""Checks for `05_why_it_errs`: kinds of errors, blamed words and chance, and an edit that fixes an
error."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from xlmkit.course import answers
from xlmkit.course.answers import NotYet, quote
from xlmkit.course.checking import exercise
from xlmkit.explanation import Explanation
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns
from xlmkit.tokenization import split_words

CLOSE = 0.005  # between two fractions that are equal to two digits


@exercise("05.1", wants="a fraction between 0 and 1")
def share_of_the_most_frequent_kind(answer: object, *, preds: pd.DataFrame) -> str:
    """What fraction of the errors are of the most frequent kind (gold > prediction)?"""
    given = answers.number(answer, low=0, high=1)
    errors = preds[preds["prediction"] != preds["gold"]]
    kinds = (errors["gold"] + " > " + errors["prediction"]).value_counts()
    truth = kinds.iloc[0] / len(errors)
    wrong = {
        count / len(errors): f"That is the fraction of {kind}; another kind is more frequent."
        for kind, count in kinds.iloc[1:].items()
    }
    wrong |= {
        len(errors) / len(preds): "That is the fraction of all pairs that are errors. How many of the errors "
        "are of one kind?",
        kinds.iloc[0]
        / len(preds): f"That is the fraction of all {len(preds)} pairs; divide by the number of "
        f"errors, {len(errors)}.",
    }
    right = f"{truth:.0%} of {len(errors)} errors are {kinds.index[0]}."
    otherwise = f"There are {len(errors)} errors; count each kind, and divide the largest count by that."
    return answers.compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE)


@exercise("05.2", wants="a word, in quotes")
def blamed_word(answer: object, *, explanation: Explanation) -> str:
    """Which word pushes most towards the wrong label?"""
    words = [word.text for word in explanation.words]
    given = answers.name(answer, words)
    scores = pd.Series(explanation.word_scores, index=words)
    blamed, highest = scores.idxmax(), scores[[given]].max()
    if given != blamed and highest < 0:
        raise NotYet(f"`{given}` speaks for the right label ({highest:.2f} logits); find one for the wrong.")
    if given != blamed:
        raise NotYet(f"`{given}` pushes by {highest:.2f} logits, and another word pushes more.")
    contrast = f"`{explanation.target}` rather than `{explanation.contrast}`"
    return f"`{blamed}` adds {highest:.2f} logits to {contrast}."


@exercise("05.3", wants="a fraction between 0 and 1")
def chance_of_blame(answer: object, *, words: pd.DataFrame) -> str:
    """How often is a word of the hypothesis blamed if one word per error is drawn at random?"""
    given = answers.number(answer, low=0, high=1)
    inside = words["in hypothesis"]
    truth = float(inside.groupby(words["pair_id"]).mean().mean())
    blamed = float(inside[words["rank"] == 1].mean())
    wrong = {
        0.5: "A half would be right if both sentences had the same number of words; count them.",
        1 - truth: "That is the chance of the premise.",
        blamed: "That is how often it is blamed (rank 1), not how often chance would blame it.",
        float(inside.mean()): "That is the fraction of all words, in which long pairs count more. Each error "
        "blames one word: take the fraction within each pair, then the mean.",
    }
    right = f"{truth:.3f}: the mean over the pairs. It was blamed in {blamed:.0%} of the errors."
    otherwise = (
        "In a pair of 20 words, 8 of them in the hypothesis, chance blames it in 8 of 20 cases. Take the mean "
        "of that over the pairs. Give three digits."
    )
    return answers.compare(given, truth, right=right, wrong=wrong, otherwise=otherwise, within=CLOSE / 5)


@exercise("05.4", wants="(pair_id, premise, hypothesis): an error's id, and both texts after your edit")
def an_edit_that_sets_it_right(answer: object, *, nli: NLIModel, errors: pd.DataFrame) -> str:
    """Which words can be removed from an error so that the model predicts the right label?"""
    id, *texts = answers.several(answer, 3)
    known = errors.set_index("pair_id")
    if id not in set(known.index):
        raise NotYet(
            f"Expected the `pair_id` of one of the errors, such as `{known.index[0]}`; got {quote(id)}."
        )
    row, columns = known.loc[id], language_columns(errors)
    languages = (str(row[columns[0]]), str(row[columns[-1]]))
    removed: list[str] = []
    for side, text, code in zip(("premise", "hypothesis"), texts, languages, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise NotYet(f"The {side} must be a text with at least one word; got {quote(text)}.")
        before, after = ([word.text for word in split_words(one, code)] for one in (row[side], text))
        removed += _removed(before, after, side)
    if not removed:
        raise NotYet("Nothing is removed: these are the words of the error itself.")
    edited = errors[errors["pair_id"] == id].head(1).assign(premise=texts[0], hypothesis=texts[1])
    new = predict(nli, edited[["pair_id", "premise", "hypothesis", *columns]], progress=False).iloc[0]
    gold, words = row["gold"], ", ".join(f"`{word}`" for word in removed)
    if new["prediction"] != gold:
        raise NotYet(
            f"Without {words} the model predicts `{new['prediction']}`; gold (`{gold}`) gets "
            f"{new['p_' + gold]:.2f}. Remove what pushes most to the wrong label."
        )
    return (
        f"Without {words} the model predicts `{gold}` ({new['p_' + gold]:.2f}). "
        "Read what is left: is that still the right label?"
    )


def _removed(before: list[str], after: list[str], side: str) -> list[str]:
    """The words that are gone; the others must be in their old order."""
    left: Iterator[str] = iter(after)
    wanted = next(left, None)
    gone = []
    for word in before:
        if word == wanted:
            wanted = next(left, None)
        else:
            gone.append(word)
    if wanted is not None:
        raise NotYet(f"In the {side}, `{wanted}` is new or has moved; this time, only remove words.")
    return gone
