"""Checks for `00_start_here` and `01_explore_predictions`: pieces, the layout of a pair, mistakes
of common tools; agreement across languages, sample size, three labels for one premise."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch

from xlmkit.course import answers
from xlmkit.course.answers import NotYet, compare, compare_sets, quote
from xlmkit.course.checking import exercise
from xlmkit.encoding import encode
from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.stats import wilson
from xlmkit.tokenization import EOS, split_words

NOT_HERE = {  # why a trap that was named does not apply here
    "1": "Not 1: the first token is the authors'.",
    "2": "Not 2: the pieces are those of the text's own language.",
    "3": "Not 3: that needs a language that is passed to the tokenizer's inner method.",
    "4": "Not 4: there are language ids.",
    "5": "Not 5: no token types are passed.",
    "6": "Not 6: there is a mask.",
    "7": "Not 7: a head belongs to a model, not to a call of the tokenizer.",
}


@exercise("00.1", wants='a language\'s code, such as "en"')
def most_pieces(answer: object, *, nli: NLIModel, pairs: pd.DataFrame) -> str:
    """In which language does the hypothesis have the most pieces per word?"""
    given = answers.name(answer, pairs["language"])
    rates = _pieces_per_word(nli, pairs, "hypothesis")
    most, least = str(rates.idxmax()), str(rates.idxmin())
    in_premise = _pieces_per_word(nli, pairs, "premise").idxmax()
    times = f"{rates[most] / rates[least]:.1f} times as many as in `{least}`"
    right = f"In `{most}` a word has {rates[most]:.2f} pieces on average, {times}."
    wrong = {f"`{given}` has the most in the premise; the question is about the hypothesis.": in_premise}
    text = f"The hypothesis in `{given}` has {rates[given]:.2f} pieces per word; another language has more"
    otherwise = f"{text}. Divide the number of pieces by the number of words, in each language."
    return compare(given, most, right=right, wrong=wrong, otherwise=otherwise)


def _pieces_per_word(nli: NLIModel, pairs: pd.DataFrame, side: str) -> pd.Series:
    """By language."""
    rates = {}
    for code, text in zip(pairs["language"], pairs[side], strict=True):
        words = [word.text for word in split_words(text, code)]
        rates[code] = sum(map(len, nli.tokenizer.ids(words))) / len(words)
    return pd.Series(rates)


@exercise("00.2", answers.whole_number, wants="a whole number of positions")
def second_language(given: int, *, nli: NLIModel, pairs: pd.DataFrame) -> str:
    """Premise of row 1, hypothesis of row 2: how many positions have the second language's id?"""
    first, second = pairs.iloc[0], pairs.iloc[1]
    texts = (first.premise, second.hypothesis)
    encoding = encode(nli, *texts, first.language, hypothesis_languages=second.language)
    count = int((encoding.langs == nli.lang2id[second.language]).sum())
    length = int(encoding.attention_mask.sum())
    wrong = {
        "That is the whole pair; some positions have the id of the premise's language.": length,
        "One `</s>` is missing: the middle and the last have the hypothesis's language.": count - 1,
        "These are the pieces of the hypothesis alone; two `</s>` have its language too.": count - 2,
        "So many positions have the id of the premise's language.": length - count,
    }
    right = f"{count} of {length} positions: the middle `</s>`, {count - 2} pieces, and the last `</s>`."
    otherwise = f"`langs` does not show {given}: encode the pair and count in `langs[0]`."
    return compare(given, count, right=right, wrong=wrong, otherwise=otherwise)


@exercise("00.3", wants="a list of the traps' numbers, such as [3, 5]")
def traps_of_a_call(
    answer: object, *, nli: NLIModel, fed: Mapping[str, torch.Tensor], pair: pd.Series
) -> str:
    """Into which of the traps 1 to 7 does this call of transformers' tokenizer fall?"""
    given = answers.names(answer, NOT_HERE)
    expected = encode(nli, pair.premise, pair.hypothesis, pair.language).input_ids[0]
    ids = fed["input_ids"][0]
    fallen = {
        "1": bool(ids[0] != expected[0]),
        "2": ids[ids > EOS].tolist() != expected[expected > EOS].tolist(),
        "4": "langs" not in fed,
        "5": "token_type_ids" in fed,
        "6": "attention_mask" not in fed,
    }
    truth = {trap for trap, is_fallen in fallen.items() if is_fallen}
    right = f"The call falls into {len(truth)} traps ({', '.join(sorted(truth))}) without any warning."
    missing = "Look at the first token, at the pieces, at what the call returns and at what it leaves out."
    return compare_sets(given, truth, right=right, wrong=NOT_HERE, missing=missing)


@exercise("01.1", answers.whole_number, wants="a whole number of items")
def one_label(given: int, *, preds: pd.DataFrame) -> str:
    """How many items get the same label in all languages?"""
    items = preds.groupby("item")
    same, correct = items["prediction"].nunique() == 1, int(items["correct"].all().sum())
    truth = int(same.sum())
    wrong = {
        "So many items get different labels.": len(same) - truth,
        "That counts items that are right in all languages; one label may also be wrong in all.": correct,
        "That counts pairs; the question is about items.": preds["item"].map(same).sum(),
    }
    right = f"{truth} of {len(same)} items have one label in all languages; on {correct} it is the right one."
    side = "more" if given < truth else "fewer"
    otherwise = f"There are {side}: count the labels of each item, then the items that have only one."
    return compare(given, truth, right=right, wrong=wrong, otherwise=otherwise)


@exercise("01.2", answers.whole_number, wants="a whole number of items")
def enough_items(given: int, *, width: float) -> str:
    """How many items must a language have for the 95 % interval at 50 % accuracy to be this
    narrow?"""
    if given < 1:
        raise NotYet(f"Expected at least 1 item; got {given}.")
    (low, high), few, many = (wilson(0.5, n) for n in (given, 120, 5010))
    text = f"With {given:,} items the interval is from {low:.1%} to {high:.1%}, {_points(low, high)} points"
    if high - low > 1.015 * width:  # 1.5 % more: Wilson's interval and the usual formula differ by that
        raise NotYet(f"{text}: more than {100 * width:g}. Half the width is about 1.96 · √(0.25 / n).")
    if high - low < 0.97 * width:
        raise NotYet(f"{text}: enough, but fewer items would do. Look for the smallest number.")
    return f"{text}. For 120 items it is {_points(*few)} points, for the 5,010 of XNLI's test set {_points(*many)}."


def _points(low: float, high: float) -> str:
    return f"{100 * (high - low):.1f}"


@exercise(
    "01.3", wants="a hypothesis for each label: {'entailment': '…', 'neutral': '…', 'contradiction': '…'}"
)
def three_labels(answer: object, *, nli: NLIModel, premise: str, language: str) -> str:
    """Find three hypotheses for one premise, one for each label that the model can predict."""
    if not isinstance(answer, dict):
        raise NotYet(f"Expected a hypothesis for each label, in braces; got {quote(answer)}.")
    texts = {answers.name(label, nli.labels): text for label, text in answer.items()}
    missing = [label for label in nli.labels if label not in texts]
    if missing:
        raise NotYet(f"There is no hypothesis yet for {' and '.join(missing)}.")
    for label, text in texts.items():
        if not isinstance(text, str) or text.strip() in ("", premise.strip()):
            raise NotYet(f"Write a sentence of your own for {label}; got {quote(text)}.")
    pairs = pd.DataFrame({"premise": premise, "hypothesis": list(texts.values()), "language": language})
    rows = predict(nli, pairs, progress=False).assign(wanted=list(texts)).to_dict("records")
    wrong = [
        f"for {quote(row['hypothesis'])} the model predicts {row['prediction']} with "
        f"{row['p_' + row['prediction']]:.2f}, not {row['wanted']}"
        for row in rows
        if row["prediction"] != row["wanted"]
    ]
    if wrong:
        raise NotYet(f"The model does not agree: {'; '.join(wrong)}.")
    lowest = min(row["p_" + row["wanted"]] for row in rows)
    return f"The model predicts all three labels, each with {lowest:.2f} or more. Do you agree with it?"
