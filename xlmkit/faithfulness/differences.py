"""Do explanations of errors differ from those of correct predictions? What each puts its weight on, compared with intervals over prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from xlmkit.explanation import Explanation
from xlmkit.faithfulness.frames import described, with_items
from xlmkit.faithfulness.inputs import check_explanations
from xlmkit.faithfulness.summary import prompts_of
from xlmkit.metrics import bootstrap
from xlmkit.notices import say
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.preprocessing import split_batch

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
    Words as prepared for the model, with at least one letter, by language."""
    if count < 1:
        raise ValueError(f"`count` must be a whole number, 1 or more; got {count!r}")
    texts: dict[str, dict[str, None]] = {}
    for sentence, language in zip(sentence_columns(pairs), language_columns(pairs), strict=True):
        for text, code in zip(pairs[sentence], pairs[language], strict=True):
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
    One row an explanation and feature: `pair_id`, the items of `pairs`, `language`, `method`, `aggregation`, `target`, `contrast`, `label`, `gold`, `correct`
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

    A share of nothing (all scores 0) is missing."""
    found = check_explanations(None, explanations)
    rows = [
        {
            **described(one),
            "correct": None if one.gold is None else one.label == one.gold,
            "feature": name,
            "value": value,
        }
        for one in found
        for name, value in _features(one, function_words).items()
    ]
    columns = ["pair_id", "language", "method", "aggregation", "target", "contrast", "label", "gold"]
    frame = pd.DataFrame(rows, columns=[*columns, "correct", "feature", "value"])
    if judged is not None:
        frame = pd.concat([frame, _percentiles(judged, frame)], ignore_index=True)
    frame["correct"] = frame["correct"].astype("boolean")
    return frame if pairs is None else with_items(frame, pairs)


def compare_errors(
    profiled: pd.DataFrame,
    *,
    by: Sequence[str] = ("method", "aggregation"),
    within: str | None = "language",
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Errors against correct predictions, feature by feature.

    Parameters
    ----------
    profiled : what `profile` gave, errors and correct predictions together.
    by : the columns to group by, beside `feature`.
    within : compare inside the groups of this column and weigh their differences by their errors, because errors are more frequent in some
        languages, whose sentences differ anyway; "label" does the same by predicted label. None compares all with all.
    confidence : of the intervals, in (0, 1). seed : of the bootstrap.

    Returns
    -------
    One row a group and feature: `by`, `feature`, `n_errors`, `n_correct`, `errors` and `correct` (means), `difference` (errors minus correct, as `within` says),
    `low`, `high`, `p` (two-sided, from the same resamples) and `p_holm` (over the features of a group), missing where there are no errors or no correct
    predictions to compare. Intervals are percentile bootstraps over prompts; `attrs["interval_over"]` is the column that says what a prompt is.

    Raises
    ------
    ValueError : if columns are missing, or no row has gold."""
    keys = [*([by] if isinstance(by, str) else by), "feature"]
    known = _known(profiled, [*keys, *([within] if within else [])])
    bootstrap.check_confidence(confidence)
    prompts, over = prompts_of(known)
    strata = np.zeros(len(known), dtype=int) if within is None else pd.factorize(known[within])[0]
    rows = []
    for names, group in known.groupby(keys, sort=False, dropna=False).indices.items():
        values = known["value"].to_numpy(dtype=float)[group]
        wrong = ~known["correct"].to_numpy(dtype=bool)[group]
        sums = _sums(values, wrong, strata[group], prompts[group], prompts.max() + 1)  # (P, S, 2, 2)
        rows.append({**dict(zip(keys, names, strict=True)), **_compared(sums, confidence, seed)})
    result = pd.DataFrame(rows)
    result["p_holm"] = result.groupby(keys[:-1], sort=False, dropna=False)["p"].transform(_holm)
    result.attrs["interval_over"] = over
    return result


# --- features --------------------------------------------------------------------------------------------------------------------------


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


# --- comparing -------------------------------------------------------------------------------------------------------------------------


def _known(profiled: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    if not isinstance(profiled, pd.DataFrame):
        raise TypeError(
            f"expected a frame of profile, got {type(profiled).__name__}; remedy: profile(explanations)"
        )
    missing = [name for name in (*columns, "pair_id", "correct", "value") if name not in profiled]
    if missing:
        raise ValueError(f"expected the columns that `profile` gives; got no {', '.join(missing)}")
    known = profiled[profiled["correct"].notna()]
    if known.empty:
        raise ValueError("expected gold labels, to tell errors from correct predictions; got none")
    if len(known) < len(profiled):
        bare = profiled["pair_id"].nunique() - known["pair_id"].nunique()
        say(f"{bare} of {profiled['pair_id'].nunique()} pairs have no gold label and are left out")
    return known.reset_index(drop=True)


def _sums(
    values: np.ndarray, wrong: np.ndarray, strata: np.ndarray, prompts: np.ndarray, size: int
) -> np.ndarray:
    """(P, S, 2, 2): by prompt, stratum, and correct or wrong, the sum of the values and how many there are."""
    found = np.zeros((size, strata.max() + 1, 2, 2))
    there = ~np.isnan(values)
    np.add.at(
        found, (prompts, strata, wrong.astype(int)), np.stack([np.where(there, values, 0.0), there], axis=-1)
    )
    return found


def _compared(sums: np.ndarray, confidence: float, seed: int) -> dict[str, float]:
    """One feature of one group."""
    total = sums.sum((0, 1))  # (2, 2): correct and wrong
    counts = {"n_errors": int(total[1, 1]), "n_correct": int(total[0, 1])}
    with np.errstate(invalid="ignore"):
        means = {"errors": total[1, 0] / total[1, 1], "correct": total[0, 0] / total[0, 1]}
    difference = float(_difference(sums.sum(0)))
    if np.isnan(difference):
        return {**counts, **means, **dict.fromkeys(("difference", "low", "high", "p"), float("nan"))}
    drawn = _difference(bootstrap.totals(sums, seed=seed))  # (count,)
    drawn = drawn[~np.isnan(drawn)]
    low, high = bootstrap.interval(drawn, confidence=confidence)
    tail = (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (1 + len(drawn))
    p = min(1.0, 2 * tail)
    return {
        **counts,
        **means,
        "difference": difference,
        "low": float(low),
        "high": float(high),
        "p": float(p),
    }


def _difference(sums: np.ndarray) -> np.ndarray:
    """(..., S, 2, 2) -> (...): wrong minus correct in each stratum that has both, weighted by its errors."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., 0] / sums[..., 1]  # (..., S, 2)
        own = means[..., 1] - means[..., 0]  # (..., S)
        weights = np.where(np.isnan(own), 0.0, sums[..., 1, 1])
        return (np.nan_to_num(own) * weights).sum(-1) / weights.sum(-1)


def _holm(p: pd.Series) -> pd.Series:
    """Corrected for all that are there (Holm 1979)."""
    found = p.copy()
    there = p.notna()
    if there.any():
        found[there] = multipletests(p[there].to_numpy(), method="holm")[1]
    return found
