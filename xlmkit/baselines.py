"""Baselines: what a model of sentence pairs must beat before it understands any.

"ngram" sees the words of the hypothesis and how much of them the premise has (Bowman et al. 2015,
arXiv:1508.05326, section 3.3, without its pairs of words); "hypothesis_only" sees the hypothesis
alone and shows what annotators' habits give away (Poliak et al. 2018, arXiv:1805.01042; Gururangan
et al. 2018, arXiv:1803.02324). Both are logistic regressions, one for each language of the pairs
that they are trained on; nothing crosses from one language to another."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from xlmkit import __version__
from xlmkit.checks import check_choice, check_int
from xlmkit.features import features
from xlmkit.features.surface import NEGATION, split_column
from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS, check_pairs, language_columns
from xlmkit.stats.frames import group_names, premise_groups

KINDS = ("ngram", "hypothesis_only")
STRENGTH = 1.0  # scikit-learn's C, the inverse of the penalty

Model = tuple[TfidfVectorizer, LogisticRegression]


@dataclass(frozen=True)
class Baseline:
    """A trained baseline; `predict` takes it.

    kind : one of `KINDS`.
    labels : the names that it gives, in the order of its probabilities.
    trained_on : pairs by language ("en", or "en>de" where the two sentences differ in language).
    models : by language, what turns words into columns, and the regression.
    seen : premise and hypothesis of every pair trained on, as hashes."""

    kind: str
    labels: tuple[str, ...]
    trained_on: Mapping[str, int]
    models: Mapping[str, Model]
    seen: frozenset[int]


def train(pairs: pd.DataFrame, kind: str = "ngram", *, progress: bool = True) -> Baseline:
    """Train a baseline on pairs with gold labels, in each of their languages.

    Parameters
    ----------
    pairs : as `read_pairs` gives them; rows without gold are left out, with a warning.
    kind : "ngram" or "hypothesis_only".

    Raises
    ------
    TypeError : if `pairs` is not a DataFrame.
    ValueError : if `kind` is unknown, rows are faulty, or a language has fewer than two labels to
        tell apart."""
    frame = _pairs(pairs)
    known = _with_gold(frame)
    inputs = _inputs(known, kind)
    models, counts = {}, {}
    for name, rows in tqdm(_by_language(known).items(), desc="train", unit="language", disable=not progress):
        models[name] = _fit(name, inputs, known["gold"].to_numpy(), rows)
        counts[name] = len(rows)
    return Baseline(kind, _labels(known["gold"]), counts, models, frozenset(_hashes(known)))


def predict(baseline: Baseline, pairs: pd.DataFrame) -> pd.DataFrame:
    """Predict pairs with a baseline.

    Returns
    -------
    A frame like that of `xlmkit.predict`: the given rows, index and columns, `prediction`,
    `p_<label>` in [0, 1] that sum to 1, and `correct` where there is gold. A warning is issued if
    pairs were trained on.

    Raises
    ------
    TypeError : if `baseline` is not a Baseline, or `pairs` not a DataFrame.
    ValueError : if rows are faulty, or in a language that the baseline was not trained on."""
    if not isinstance(baseline, Baseline):
        raise TypeError(
            f"expected a baseline; got {type(baseline).__name__}. Train one with baselines.train(...)."
        )
    frame = _pairs(pairs)
    places = _by_language(frame)
    new = sorted(set(places) - set(baseline.models))
    if new:
        raise ValueError(
            f"expected pairs in languages that the baseline was trained on ({', '.join(baseline.models)}); got {', '.join(new)}. "
            "Train on pairs in these languages, too: words of one language say nothing about another."
        )
    seen = sum(value in baseline.seen for value in _hashes(frame))
    if seen:
        warn_once(f"{seen} of {len(frame)} pairs were trained on: their accuracy says little")
    inputs, found = _inputs(frame, baseline.kind), np.zeros((len(frame), len(baseline.labels)))
    for name, rows in places.items():
        found[rows] = _probabilities(baseline.models[name], inputs, rows, baseline.labels)
    settings = {"trained_on": dict(baseline.trained_on)}
    return _with_predictions(frame, baseline.labels, found, baseline.kind, settings)


def cross_predict(
    pairs: pd.DataFrame, kind: str = "ngram", *, folds: int = 10, seed: int = 0, progress: bool = True
) -> pd.DataFrame:
    """Predict each pair with a baseline trained on the others: for sets that have no training part,
    such as the workshop's.

    Premise groups are drawn into `folds` parts by `seed`; items with the same premise, and
    translations of one item, are in the same part, so that nothing of a pair is learnt from its own
    premise. Rows without gold are predicted too.

    Returns
    -------
    As `predict`, in the order of `pairs`.

    Raises
    ------
    ValueError : as `train`, or if there are fewer premise groups than `folds`, or fewer than two
        folds."""
    frame = _pairs(pairs)
    numbers, _ = premise_groups(frame)
    n_groups = int(numbers.max(initial=-1)) + 1
    check_int("folds", folds, 2, n_groups)
    part = np.random.default_rng(seed).permutation(np.arange(n_groups) % folds)[numbers]
    known = _with_gold(frame)
    gold, labels, inputs = frame["gold"].to_numpy(), _labels(known["gold"]), _inputs(frame, kind)
    found = np.zeros((len(frame), len(labels)))
    for name, rows in tqdm(_by_language(frame).items(), desc="train", unit="language", disable=not progress):
        learnt = rows[frame["gold"].notna().to_numpy()[rows]]
        for fold in range(folds):
            asked = rows[part[rows] == fold]
            if len(asked):
                model = _fit(name, inputs, gold, learnt[part[learnt] != fold])
                found[asked] = _probabilities(model, inputs, asked, labels)
    return _with_predictions(frame, labels, found, kind, {"folds": folds, "seed": seed})


@dataclass(frozen=True)
class _Inputs:
    """What is seen of N pairs: the words of each hypothesis, and (N, 6) numbers about the pair ((N,
    0) for "hypothesis_only")."""

    words: list[list[str]]
    numbers: np.ndarray


def _pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    frame = check_pairs(pairs, labels=None)
    if "hypothesis" not in frame:
        raise ValueError("expected pairs of `premise` and `hypothesis`; got single texts")
    return frame


def _with_gold(frame: pd.DataFrame) -> pd.DataFrame:
    known = frame[frame["gold"].notna()] if "gold" in frame else frame.iloc[:0]
    if known.empty:
        raise ValueError(f"expected pairs with gold labels to learn from; got none in {len(frame)} rows")
    if len(known) < len(frame):
        warn_once(f"{len(frame) - len(known)} of {len(frame)} rows have no gold label and are left out")
    return known


def _labels(gold: pd.Series) -> tuple[str, ...]:
    occur = set(gold)
    return (*(label for label in LABELS if label in occur), *sorted(occur - set(LABELS)))


def _by_language(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The positions of each language's rows, by language name."""
    names = group_names(frame, "language")
    return {name: np.flatnonzero(names == name) for name in sorted(set(names))}


def _inputs(frame: pd.DataFrame, kind: str) -> _Inputs:
    check_choice("kind", kind, KINDS)
    words = split_column(frame, "hypothesis", language_columns(frame)[-1])
    if kind == "hypothesis_only":
        return _Inputs(words, np.zeros((len(frame), 0)))
    counted = features(frame[["premise", "hypothesis", *language_columns(frame)]])
    overlap, negated = np.nan_to_num(counted["overlap"].to_numpy(dtype=float)), counted["negation"]
    ratio = np.nan_to_num(counted["length_ratio"].to_numpy(dtype=float))
    sides = (negated == side for side in NEGATION[1:])
    return _Inputs(words, np.column_stack([overlap, overlap == 1, np.log(np.maximum(ratio, 0.01)), *sides]))


def _fit(name: str, inputs: _Inputs, gold: np.ndarray, rows: np.ndarray) -> Model:
    labels = set(gold[rows])
    if len(labels) < 2:
        got = f"{labels.pop()!r} only" if labels else "none"
        raise ValueError(f"expected two or more gold labels in {name!r} to tell apart; got {got}")
    vectorizer = TfidfVectorizer(analyzer=_grams, binary=True)
    columns = vectorizer.fit_transform([inputs.words[row] for row in rows])
    regression = LogisticRegression(C=STRENGTH, max_iter=1000)
    return vectorizer, regression.fit(_joined(columns, inputs.numbers[rows]), gold[rows].astype(str))


def _probabilities(model: Model, inputs: _Inputs, rows: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """(rows, labels) probabilities; a label that the model never saw has 0."""
    vectorizer, regression = model
    found = np.zeros((len(rows), len(labels)))
    columns = _joined(vectorizer.transform([inputs.words[row] for row in rows]), inputs.numbers[rows])
    found[:, [labels.index(label) for label in regression.classes_]] = regression.predict_proba(columns)
    return found


def _grams(words: list[str]) -> list[str]:
    """One and two words; a sentence's bounds are words of their own."""
    bounded = ["<", *words, ">"]
    return words + [f"{first} {second}" for first, second in itertools.pairwise(bounded)]


def _joined(words: csr_matrix, numbers: np.ndarray) -> csr_matrix:
    return hstack([words, csr_matrix(numbers.astype(float))], format="csr")


def _hashes(frame: pd.DataFrame) -> list[int]:
    """A number for each pair's two texts, the same in every process (Python's `hash` is not)."""
    texts = (
        f"{first}\0{second}" for first, second in zip(frame["premise"], frame["hypothesis"], strict=True)
    )
    return [int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) for text in texts]


def _with_predictions(
    frame: pd.DataFrame, labels: Sequence[str], found: np.ndarray, kind: str, settings: dict[str, Any]
) -> pd.DataFrame:
    result = frame.assign(prediction=np.array(labels, dtype=object)[found.argmax(1)])
    result[[f"p_{label}" for label in labels]] = found
    if "gold" in result:
        correct = (result["prediction"] == result["gold"]).astype("boolean")
        result["correct"] = correct.mask(result["gold"].isna())
    source = {"xlmkit": __version__, "task": "baseline", "settings": settings, "model": {"kind": kind}}
    result.attrs["provenance"] = source
    return result
