"""Profiles: what an explanation puts its weight on, feature by feature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from xlmkit.checks import check_int
from xlmkit.explanation import Explanation
from xlmkit.faithfulness.frames import described, with_items
from xlmkit.faithfulness.inputs import check_explanations
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.tokenization import split_batch

FREQUENT = 25
FunctionWords = Mapping[str, Collection[str]]


def frequent_words(pairs: pd.DataFrame, count: int = FREQUENT) -> dict[str, frozenset[str]]:
    """The most frequent words of each language of `pairs`, a stand-in for function words that needs no list in 15 languages.

    Parameters
    ----------
    pairs : the more the better; of a few sentences the most frequent words are also their topics. Each distinct sentence counts once.
    count : words a language; of equally frequent ones the first by the alphabet.

    Returns
    -------
    Words as prepared for the model, with at least one letter, by language.

    Raises
    ------
    ValueError : if `count` is not as said, or rows are faulty."""
    check_int("count", count, 1)
    frame = check_pairs(pairs, labels=None)
    sentences, languages = sentence_columns(frame), language_columns(frame)
    texts: dict[str, dict[str, None]] = {}
    for sentence, language in zip(sentences, languages * (len(sentences) // len(languages)), strict=True):
        for text, code in zip(frame[sentence], frame[language], strict=True):
            texts.setdefault(code, {})[text] = None
    found = {}
    for code, own in texts.items():
        counts = Counter(word for words in split_batch(list(own), code) for word in words if _lettered(word))
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        found[code] = frozenset(ordered[:count])
    return found


def profile(
    explanations: Explanation | Sequence[Explanation],
    *,
    function_words: FunctionWords | None = None,
    judged: pd.DataFrame | None = None,
    pairs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What each explanation puts its weight on.

    Parameters
    ----------
    function_words : by language, words as prepared for the model, as `frequent_words` finds them; None leaves their features out.
    judged : what `judge` or `plausibility` gave for these explanations; their percentiles come along as features ("comprehensiveness_percentile").
        Percentiles, since the values are bounded by the model's confidence, which is lower in errors anyway.
    pairs : the frame that was explained, as in `judge`.

    Returns
    -------
    One row an explanation and feature: `pair_id`, the items of `pairs`, `language`, `method`, `aggregation`, `target`, `contrast`, `prediction`, `gold`, `correct`
    (missing without gold), `feature`, `value`. Weight is the absolute score. Features, each a share in [0, 1] unless said:

    ======================  ===========================================================================
    premise, hypothesis     of the weight of all tokens (of single texts: text)
    special                 of the weight of all tokens, on `</s>`
    language_id             |its share| beside the weight of all tokens; only where it was computed
    function_words          of the weight of all words
    function_words_excess   that minus the share of the words that are function words, in [-1, 1]; 0 is even
    punctuation             of the weight of all words, on words without letter or digit
    entropy                 of the words' weights, by that of even weights: 0 one word, 1 all alike
    <metric>_percentile     of `judged`
    ======================  ===========================================================================

    A share of nothing (all scores 0) is missing.

    Raises
    ------
    ValueError : if `judged` lacks a column, or `pairs` a pair.
    TypeError : if what is given are no explanations."""
    found = check_explanations(None, explanations)
    rows = [
        {
            **described(one),
            "correct": None if one.gold is None else one.prediction == one.gold,
            "feature": name,
            "value": value,
        }
        for one in found
        for name, value in _features(one, function_words).items()
    ]
    columns = ["pair_id", "language", "method", "aggregation", "target", "contrast", "prediction", "gold"]
    frame = pd.DataFrame(rows, columns=[*columns, "correct", "feature", "value"])
    if judged is not None:
        frame = pd.concat([frame, _percentiles(judged, frame)], ignore_index=True)
    frame["correct"] = frame["correct"].astype("boolean")
    return frame if pairs is None else with_items(frame, pairs)


def _lettered(word: str) -> bool:
    return any(character.isalpha() for character in word)


def _features(one: Explanation, function_words: FunctionWords | None) -> dict[str, float]:
    tokens, words = np.abs(one.scores), np.abs(one.word_scores)
    found = {
        side: _share(tokens, [token.sentence == number for token in one.tokens])
        for number, side in enumerate(one.sides)
    }
    found["special"] = _share(tokens, [token.special for token in one.tokens])
    if one.language_share is not None:
        own = abs(one.language_share)
        found["language_id"] = _share(np.append(tokens, own), [*[False] * len(tokens), True])
    if function_words is not None:
        languages = (one.premise_language, one.hypothesis_language)
        listed = [word.text in function_words.get(languages[word.sentence] or "", ()) for word in one.words]
        found["function_words"] = _share(words, listed)
        found["function_words_excess"] = found["function_words"] - float(np.mean(listed))
    bare = [not any(character.isalnum() for character in word.text) for word in one.words]
    found["punctuation"] = _share(words, bare)
    found["entropy"] = _entropy(words)
    return found


def _share(weights: np.ndarray, which: Sequence[bool]) -> float:
    total = weights.sum()
    return float(weights[np.asarray(which, dtype=bool)].sum() / total) if total > 0 else float("nan")


def _entropy(weights: np.ndarray) -> float:
    """In [0, 1]; missing for one word, or where nothing has weight."""
    if weights.sum() == 0 or len(weights) < 2:
        return float("nan")
    shares = weights[weights > 0] / weights.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(weights)))


def _percentiles(judged: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The percentiles of `judged` as features, for the explanations of `frame`."""
    keys = ["pair_id", "method", "aggregation", "target"]
    missing = [name for name in (*keys, "metric", "percentile") if name not in judged]
    if missing:
        raise ValueError(f"expected the columns that `judge` gives in `judged`; got no {', '.join(missing)}")
    own = judged[[*keys, "metric", "percentile"]].rename(columns={"percentile": "value"})
    own = own.assign(feature=own.pop("metric") + "_percentile")
    return frame.drop(columns=["feature", "value"]).drop_duplicates(keys).merge(own, on=keys)
