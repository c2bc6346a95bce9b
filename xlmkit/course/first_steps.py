"""Checks for the notebook `00_start_here`: pieces, the layout of a pair, and the usual path's mistakes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch

from xlmkit.course import answers
from xlmkit.course.checking import exercise
from xlmkit.course.verdict import NotYet
from xlmkit.encoding import encode
from xlmkit.model import NLIModel
from xlmkit.tokenization import EOS, split_words


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
        rates[code] = sum(map(len, nli.tokenizer.ids(words))) / len(words)
    return pd.Series(rates)


@exercise("00.2", wants="a whole number of positions")
def second_language(answer: object, *, nli: NLIModel, pairs: pd.DataFrame) -> str:
    """Premise of the first row, hypothesis of the second: how many positions bear the second language's id?"""
    given = answers.whole_number(answer)
    one, two = pairs.iloc[0], pairs.iloc[1]
    encoding = encode(nli, one.premise, two.hypothesis, one.language, hypothesis_languages=two.language)
    bearing = int((encoding.langs == nli.lang2id[two.language]).sum())
    length = int(encoding.attention_mask.sum())
    reasons = {  # where two fit, the later one is said
        length - bearing: "So many positions bear the id of the premise's language.",
        bearing - 2: "These are the pieces of the hypothesis alone; two `</s>` bear its language too.",
        bearing
        - 1: "One `</s>` is missing: the middle one and the last one both bear the language of the hypothesis.",
        length: "That is the whole pair; some positions bear the id of the premise's language.",
    }
    if given != bearing:
        raise NotYet(
            reasons.get(given, f"{given} is not what `langs` shows: encode the pair and count in `langs[0]`.")
        )
    return f"Of {length} positions {bearing} bear it: the middle `</s>`, {bearing - 2} pieces, and the last `</s>`."


_REASONS = {  # why a trap that was named is none here
    "1": "the first token is the one that the authors had (1)",
    "2": "the pieces are those of the text's own language (2)",
    "3": "trap 3 needs a language that is passed on to the tokeniser's inner method (3)",
    "4": "language ids are there (4)",
    "5": "no token types are handed over (5)",
    "6": "there is a mask (6)",
    "7": "a head belongs to a model, not to a call of the tokeniser (7)",
}


@exercise("00.3", wants="a list of the traps' numbers, such as [3, 5]")
def traps_of_a_call(
    answer: object, *, nli: NLIModel, fed: Mapping[str, torch.Tensor], pair: pd.Series
) -> str:
    """Into which of the traps 1 to 7 does this call of transformers' tokeniser fall?"""
    given = answers.names(answer, _REASONS)
    right = encode(nli, pair.premise, pair.hypothesis, pair.language).input_ids[0]
    ids = fed["input_ids"][0]
    found = {
        "1": bool(ids[0] != right[0]),
        "2": ids[ids > EOS].tolist() != right[right > EOS].tolist(),
        "4": "langs" not in fed,
        "5": "token_type_ids" in fed,
        "6": "attention_mask" not in fed,
    }
    truth = {trap for trap, there in found.items() if there}
    if given - truth:
        raise NotYet(f"Not all of these: {'; '.join(_REASONS[trap] for trap in sorted(given - truth))}.")
    if given != truth:
        missing = len(truth - given)
        raise NotYet(
            f"These are among them, and {missing} more {'is' if missing == 1 else 'are'}. Look at the first token, at the pieces, at what "
            "the call gives back and at what it leaves out."
        )
    return f"The call falls into {len(truth)} traps ({', '.join(sorted(truth))}) and says nothing of it."
