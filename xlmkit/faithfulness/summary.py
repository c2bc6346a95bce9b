"""Summary: methods by metrics, with intervals and chance marked; and errors against the rest.

`summarize` averages what `erasure_metrics`, `sensitivity` and `plausibility` return. `profile`
says what each explanation puts its weight on, and `compare_errors` whether that differs for
errors.

Explanations are expensive, so samples are often small, and a percentile interval is then too narrow
(Hesterberg 2015, section 5.3, doi:10.1080/00031305.2015.1089789): it calls random explanations
better or worse than chance too often. The intervals here are expanded as Student's are
(`stats.estimate` with few="student")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import entropy, t
from statsmodels.stats.multitest import multipletests

from xlmkit.checks import check_choice, check_int
from xlmkit.explanation import Explanation
from xlmkit.faithfulness.controls import COLUMNS, HIGHER_IS_BETTER, add_items, check_explanations, describe
from xlmkit.notices import warn_once
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.stats import estimate, grouped, premise_groups
from xlmkit.stats.bootstrap import Resampling, ratio
from xlmkit.tokenization import split_batch

CHANCE = 0.5  # the mean percentile of a random explanation
MIN_GROUPS = 5  # with fewer premise groups, an interval says too little to judge chance
FunctionWords = Mapping[str, Collection[str]]


def summarize(
    scored: pd.DataFrame,
    *,
    by: str | Sequence[str] = ("method", "aggregation"),
    confidence_level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Methods by metrics: means with intervals, and whether a method does better than random.

    Parameters
    ----------
    scored : what `erasure_metrics`, `sensitivity` or `plausibility` returned, or several of them
        concatenated.
    by : columns to group by, in addition to `metric` and `perturbation`; add "language" for one
        row per language.
    confidence_level : of the intervals, in (0, 1).
    seed : of the bootstrap.

    Returns
    -------
    One row per group, metric and perturbation, in order of appearance: `by`, `metric`,
    `perturbation`; `better` ("higher" or "lower" values); `n` explanations with a value,
    `missing` without; `n_premise_groups` (with a value); `mean`, `low`, `high` of the
    value; `control`, the mean of the random controls; `percentile` (0.5 is chance, 1 best,
    whichever direction of the value is better), `percentile_low`, `percentile_high`; `at_chance`:
    whether the interval of the mean percentile contains 0.5, missing below 5 premise groups. A
    method whose interval is below 0.5 is worse than random. Intervals are bootstraps over premise
    groups, with the same resamples for all rows, missing for a single group;
    `attrs["interval_over"]` is the column of the premise groups.

    Raises
    ------
    ValueError : if columns are missing, a metric is unknown, there are no rows, or
        `confidence_level` is not in (0, 1)."""
    keys = [*([by] if isinstance(by, str) else by), "metric", "perturbation"]
    _check_columns(scored, [*keys, "pair_id", "value", "control", "percentile"], "erasure_metrics")
    for metric in dict.fromkeys(scored["metric"]):
        check_choice("metric", metric, HIGHER_IS_BETTER)
    clusters, over = _clusters(scored)
    frame = scored.assign(cluster=clusters, missing=scored["value"].isna())
    frame["known_cluster"] = frame["cluster"].mask(frame["missing"])  # of explanations with a value
    means = {"mean": "value", "control": "control", "percentile": "percentile"}
    options: Resampling = {"confidence_level": confidence_level, "seed": seed}
    result = grouped(frame, means, keys, "cluster", few="student", **options)
    counts = frame.groupby(keys, sort=False, dropna=False).agg(
        n=("value", "count"), missing=("missing", "sum"), n_premise_groups=("known_cluster", "nunique")
    )
    result[counts.columns] = counts.to_numpy()
    result["better"] = ["higher" if HIGHER_IS_BETTER[metric] else "lower" for metric in result["metric"]]
    low, high = result["percentile_low"], result["percentile_high"]
    at_chance = ((low <= CHANCE) & (high >= CHANCE)).astype("boolean")
    result["at_chance"] = at_chance.mask((counts["n_premise_groups"].to_numpy() < MIN_GROUPS) | low.isna())
    columns = ["better", "n", "missing", "n_premise_groups", "mean", "low", "high", "control", "percentile"]
    columns += ["percentile_low", "percentile_high", "at_chance"]
    result = result.rename(columns={"mean_low": "low", "mean_high": "high"})[[*keys, *columns]]
    if "untrained" in scored:
        result["untrained"] = True
    result.attrs["interval_over"] = over
    return result


def frequent_words(pairs: pd.DataFrame, count: int = 25) -> dict[str, frozenset[str]]:
    """The most frequent words of each language: an approximation of function words without word
    lists.

    Parameters
    ----------
    pairs : the more the better; the most frequent words of a few sentences are also their topics.
        Each distinct sentence counts once.
    count : words per language; ties in alphabetical order.

    Returns
    -------
    Language -> words as prepared for the model, with at least one letter.

    Raises
    ------
    ValueError : if `count` or a row is invalid."""
    check_int("count", count, 1)
    frame = check_pairs(pairs, labels=None)
    sentences, languages = sentence_columns(frame), language_columns(frame)
    columns = zip(languages * (len(sentences) // len(languages)), sentences, strict=True)
    parts = [frame[[*pair]].set_axis(["language", "text"], axis=1) for pair in columns]
    frequent = {}
    for name, texts in pd.concat(parts).drop_duplicates().groupby("language", sort=False)["text"]:
        code = str(name)
        words = (word for sentence in split_batch(texts.to_list(), code) for word in sentence)
        counts = Counter(word for word in words if any(map(str.isalpha, word)))
        frequent[code] = frozenset(sorted(counts, key=lambda word: (-counts[word], word))[:count])
    return frequent


def profile(
    explanations: Explanation | Sequence[Explanation],
    *,
    function_words: FunctionWords | None = None,
    scored: pd.DataFrame | None = None,
    pairs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What does each explanation put its weight on?

    Parameters
    ----------
    function_words : language -> words as prepared for the model, as from `frequent_words`; None
        skips the features about them.
    scored : what `erasure_metrics` or `plausibility` returned for these explanations. Their
        percentiles become features ("comprehensiveness_percentile"), and not their values, which
        are bounded by the model's confidence, lower in errors anyway.
    pairs : the explained frame, as for `erasure_metrics`.

    Returns
    -------
    One row per explanation and feature: `pair_id`, `language`, `method`, `aggregation`, `target`,
    `contrast`, `prediction`, `gold`, `correct` (missing without gold), `feature`, `value`, and
    the items of `pairs`. Weights are absolute scores. Features are fractions in [0, 1], unless
    noted, and missing where all weights are 0:

    ======================  ===================================================================
    premise, hypothesis     of the weight of all tokens (for single texts: text)
    special                 of the weight of all tokens, on `</s>`
    language_id             |language share|, of that and the weight of all tokens; if attributed
    function_words          of the weight of all words
    function_words_excess   that minus the fraction of words that are function words, in [-1, 1]
    punctuation             of the weight of all words, on words without letter or digit
    entropy                 of the weights of words, relative to even weights: 0 one word, 1 even
    <metric>_percentile     from `scored`
    ======================  ===================================================================

    Raises
    ------
    ValueError : if `scored` lacks a column, or `pairs` a pair.
    TypeError : if `explanations` has something else."""
    rows = [
        {
            **describe(one),
            "correct": None if one.gold is None else one.prediction == one.gold,
            "feature": name,
            "value": value,
        }
        for one in check_explanations(None, explanations)
        for name, value in _features(one, function_words).items()
    ]
    frame = pd.DataFrame(rows, columns=[*COLUMNS[:8], "correct", "feature", "value"])
    if scored is not None:
        keys = ["pair_id", "method", "aggregation", "target"]
        _check_columns(scored, [*keys, "metric", "percentile"], "erasure_metrics")
        percentiles = scored[keys].assign(
            feature=scored["metric"] + "_percentile", value=scored["percentile"]
        )
        each = frame.drop(columns=["feature", "value"]).drop_duplicates(keys)
        frame = pd.concat([frame, each.merge(percentiles, on=keys)], ignore_index=True)
    return add_items(frame.astype({"correct": "boolean"}), pairs)


def compare_errors(
    profiles: pd.DataFrame,
    *,
    by: str | Sequence[str] = ("method", "aggregation"),
    within: str | None = "language",
    confidence_level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Do explanations of errors differ from those of correct predictions, feature by feature?

    Parameters
    ----------
    profiles : what `profile` returned for errors and correct predictions together.
    by : columns to group by, in addition to `feature`.
    within : compare inside the groups of this column, and average their differences, weighted by
        their numbers of errors: errors are more frequent in some languages, whose sentences
        differ anyway. "prediction" does the same by predicted label; None compares all with all.
    confidence_level : of the intervals, in (0, 1).
    seed : of the bootstrap.

    Returns
    -------
    One row per group and feature: `by`, `feature`, `n_errors`, `n_correct`, `errors` and
    `correct` (means), `difference` (errors minus correct, as `within` says), `low`, `high`, `p`
    (two-sided; Student's t with the standard error of the bootstrap) and `p_holm` (over the
    features of a group). These are missing where there are no errors or no correct predictions,
    or only one premise group of either. Intervals are as for `summarize`, for as many premise
    groups as have errors, or correct predictions if these are fewer.

    Raises
    ------
    ValueError : if columns are missing, or no row has gold."""
    keys = [*([by] if isinstance(by, str) else by), "feature"]
    _check_columns(profiles, [*keys, *filter(None, [within]), "pair_id", "correct", "value"], "profile")
    known = profiles[profiles["correct"].notna()].reset_index(drop=True)
    if known.empty:
        raise ValueError("expected gold labels, to tell errors from correct predictions; got none.")
    if len(known) < len(profiles):
        total = profiles["pair_id"].nunique()
        warn_once(f"skipped {total - known['pair_id'].nunique()} of {total} pairs without a gold label")
    groups = known.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    result = known[keys].drop_duplicates(ignore_index=True)
    clusters, over = _clusters(known)
    strata = np.zeros(len(known), dtype=int) if within is None else pd.factorize(known[within])[0]
    values = known["value"].to_numpy(dtype=float)
    wrong = ~known["correct"].to_numpy(dtype=bool)
    counted = np.stack([np.nan_to_num(values), ~np.isnan(values)], axis=1)  # (N, 2) sum and number
    shape = (clusters.max() + 1, len(result), strata.max() + 1, 2, 2)
    sums = np.zeros(shape)  # (P, G, S, correct or wrong, 2)
    np.add.at(sums, (clusters, groups, strata, wrong.astype(int)), counted)
    n_clusters = (sums[..., 1].sum(2) > 0).sum(0).min(1)  # (G,) with errors, or with correct predictions
    found = estimate(
        sums.reshape(*sums.shape[:2], -1),
        lambda sums: _difference(sums.reshape(*sums.shape[:-1], -1, 2, 2)),
        few="student",
        n_clusters=n_clusters,
        confidence_level=confidence_level,
        seed=seed,
    )  # (G,)
    total = sums.sum((0, 2))  # (G, 2, 2)
    with np.errstate(invalid="ignore"):
        result["correct"], result["errors"] = ratio(total).T
    result["n_correct"], result["n_errors"] = total[..., 1].astype(int).T
    result = result.assign(**found.columns("difference", "low", "high"))
    result["p"] = student_p(found.value, found.standard_error, n_clusters)
    result["p_holm"] = result.groupby(keys[:-1], sort=False, dropna=False)["p"].transform(_holm)
    result.attrs["interval_over"] = over
    return result


def student_p(difference: np.ndarray, standard_error: np.ndarray, n_clusters: np.ndarray) -> np.ndarray:
    """(G,) two-sided p of differences by Student's t; NaN for one cluster, or without variation.

    The resamples of n clusters vary (n - 1) / n too little, for which `standard_error` is
    corrected."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = standard_error * np.sqrt(n_clusters / (n_clusters - 1))
        p = 2 * t.sf(np.abs(difference) / error, n_clusters - 1)
    return np.where((n_clusters > 1) & (error > 0), p, np.nan)


def _difference(sums: np.ndarray) -> np.ndarray:
    """(..., S, 2, 2) -> (...): wrong minus correct in each stratum with both, weighted by its
    errors."""
    means = ratio(sums)  # (..., S, 2)
    differences = means[..., 1] - means[..., 0]  # (..., S)
    weights = np.where(np.isnan(differences), 0.0, sums[..., 1, 1])
    return (np.nan_to_num(differences) * weights).sum(-1) / weights.sum(-1)


def _holm(p: pd.Series) -> pd.Series:
    """p corrected for all that are known (Holm 1979)."""
    known = p.dropna()
    corrected = multipletests(known, method="holm")[1] if len(known) else known
    return pd.Series(corrected, index=known.index, dtype=float).reindex(p.index)


def _check_columns(frame: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"expected a frame from `{source}`; got {type(frame).__name__}.")
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ValueError(f"expected the columns that `{source}` returns; got no {', '.join(missing)}.")
    if frame.empty:
        raise ValueError("expected at least one explanation; got a frame without rows.")


def _clusters(frame: pd.DataFrame) -> tuple[np.ndarray, str]:
    """(N,) premise groups, and their column; without one, a pair is a group."""
    clusters, over = premise_groups(frame)
    return (clusters, over) if over != "rows" else (pd.factorize(frame["pair_id"])[0], "pair_id")


def _features(one: Explanation, function_words: FunctionWords | None) -> dict[str, float]:
    tokens, words = np.abs(one.scores), np.abs(one.word_scores)
    features = {
        side: _fraction(tokens, [token.sentence == number for token in one.tokens])
        for number, side in enumerate(one.sides)
    }
    features["special"] = _fraction(tokens, [token.special for token in one.tokens])
    if one.language_share is not None:
        weights = np.append(tokens, abs(one.language_share))
        features["language_id"] = _fraction(weights, [*[False] * len(tokens), True])
    if function_words is not None:
        languages = (one.premise_language, one.hypothesis_language)
        listed = [word.text in function_words.get(languages[word.sentence] or "", ()) for word in one.words]
        features["function_words"] = _fraction(words, listed)
        features["function_words_excess"] = features["function_words"] - float(np.mean(listed))
    marks = [not any(map(str.isalnum, word.text)) for word in one.words]
    features["punctuation"] = _fraction(words, marks)
    features["entropy"] = _entropy(words)
    return features


def _fraction(weights: np.ndarray, which: Sequence[bool]) -> float:
    total = weights.sum()
    return float(weights[np.asarray(which, dtype=bool)].sum() / total) if total > 0 else float("nan")


def _entropy(weights: np.ndarray) -> float:
    """In [0, 1]; NaN for one word, or where nothing has weight."""
    if weights.sum() == 0 or len(weights) < 2:
        return float("nan")
    return float(entropy(weights) / np.log(len(weights)))
