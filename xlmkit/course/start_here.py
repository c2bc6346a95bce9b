"""Checks for the notebook `00_start_here`: pieces, the layout of a pair, and the usual path's mistakes."""

from __future__ import annotations

import pandas as pd

from xlmkit.checkpoint import NLIModel
from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.preprocessing import split_words


@exercise("00.1", wants='a language\'s code, such as "en"')
def most_pieces(answer: object, *, nli: NLIModel, pairs: pd.DataFrame) -> str:
    """In which language does the hypothesis take the most pieces a word?"""
    given = answers.name(answer, pairs["language"])
    rates = _pieces_a_word(nli, pairs, "hypothesis")
    best = rates.idxmax()
    if given == _pieces_a_word(nli, pairs, "premise").idxmax() != best:
        raise NotYet(
            f"`{given}` has the most pieces a word in the premise; the question is about the hypothesis."
        )
    if given != best:
        raise NotYet(
            f"In `{given}` the hypothesis takes {rates[given]:.2f} pieces a word, and another language takes more: "
            "divide the number of pieces by the number of words, in each language."
        )
    return f"In `{best}` each word takes {rates[best]:.2f} pieces on average, {rates[best] / rates.min():.1f} times as many as in `{rates.idxmin()}`."


def _pieces_a_word(nli: NLIModel, pairs: pd.DataFrame, side: str) -> pd.Series:
    """By language."""
    rates = {}
    for code, text in zip(pairs["language"], pairs[side], strict=True):
        words = [word.text for word in split_words(text, code)]
        rates[code] = sum(map(len, nli.pieces.ids(words))) / len(words)
    return pd.Series(rates)
