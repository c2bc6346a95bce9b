"""Perturbation: F without one word (occlusion), two words (interaction), random sets of words.

Occlusion (Zeiler and Fergus 2013, arXiv:1311.2901) leaves out one word at a time. KernelSHAP
(Lundberg and Lee 2017, arXiv:1705.07874) and LIME (Ribeiro et al. 2016, arXiv:1602.04938) fit a
linear model to `n_samples` random sets of words. KernelSHAP weights the sets so that coefficients
estimate Shapley values, and forces their sum to F(x) - F(baseline): the sum says nothing about
quality, so there is no gate. LIME keeps each word with probability one half, weights a set by its
similarity to the whole (as its authors do for text: cosine distance, kernel width 0.25), and fits
a lasso of strength 0.01, so that weak words are exactly 0.

These methods give one number per word, which its tokens share equally."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from captum.attr import FeatureAblation, KernelShap, Lime

from xlmkit.attribution.batch import Attributed, Batch, explained_tokens, spread_over_tokens
from xlmkit.attribution.targets import Targets, check_targets, predict_labels, resolve_targets
from xlmkit.checks import check_choice, check_int
from xlmkit.encoding import WAYS, Encoding, erase
from xlmkit.inference import check_input, encode_frame, logits, need_head, provenance
from xlmkit.model import NLIModel
from xlmkit.pairs import sentence_columns

MIN_SAMPLES = 200
SAMPLES_PER_WORD = 8
LIME_WIDTH = 0.25


def occlusion(batch: Batch) -> Attributed:
    """F(x) - F(x without the word)."""
    baseline = batch.baseline()
    changes = FeatureAblation(batch.score).attribute(
        batch.inputs,
        baselines=baseline,
        additional_forward_args=batch.arguments,
        feature_mask=batch.words.unsqueeze(-1),  # (B, T, 1)
        perturbations_per_eval=max(1, batch.rows_per_pass // len(batch)),
    )[..., 0]  # (B, T)
    return Attributed(spread_over_tokens(batch.words, changes), batch.score_at(baseline))


def default_n_samples(n_words: int) -> int:
    """How many sets of words are drawn for a pair of `n_words` words, unless the caller says."""
    return max(MIN_SAMPLES, SAMPLES_PER_WORD * n_words)


def kernel_shap(batch: Batch, n_samples: int | None, seed: int) -> Attributed:
    """Estimated Shapley values of the words, for one pair."""
    return _fit_linear_model(batch, KernelShap(batch.score), n_samples, seed)


def lime(batch: Batch, n_samples: int | None, seed: int) -> Attributed:
    """Coefficients of a sparse local linear model over the words, for one pair."""
    return _fit_linear_model(batch, Lime(batch.score, similarity_func=lime_similarity), n_samples, seed)


def lime_similarity(_: torch.Tensor, __: torch.Tensor, kept: torch.Tensor, **___: object) -> torch.Tensor:
    """LIME's weight in [0, 1] of a set of words (1, W), with captum's signature.

    exp(-(d / 0.25)^2 / 2) for the cosine distance d from the set of all words."""
    distance = 1 - (kept.float().mean()).sqrt()
    return torch.exp(-((distance / LIME_WIDTH) ** 2) / 2)


def _fit_linear_model(
    batch: Batch, method: KernelShap | Lime, n_samples: int | None, seed: int
) -> Attributed:
    baseline = batch.baseline()
    before = batch.score_at(baseline)
    n_words = int(batch.words.max())
    if n_words == 1:  # nothing to divide; captum's KernelSHAP cannot draw sets of one word
        change = (batch.outputs - before)[:, None].expand(batch.words.shape)
        return Attributed(spread_over_tokens(batch.words, change), before, n_steps=n_samples)
    n_samples = n_samples or default_n_samples(n_words)
    # Special tokens join the first word: the baseline leaves them unchanged, so they add nothing
    # there, and no set is spent on them.
    features = (batch.words - 1).clamp(min=0)  # (1, T)
    with torch.random.fork_rng(devices=[]):  # captum draws from torch's global generator
        torch.manual_seed(int(batch.generators(seed)[0].integers(2**63)))
        coefficients = method.attribute(
            batch.inputs,
            baselines=baseline,
            additional_forward_args=batch.arguments,
            feature_mask=features.unsqueeze(-1),  # (1, T, 1)
            n_samples=n_samples,
            perturbations_per_eval=max(1, batch.rows_per_pass),
            return_input_shape=False,
        ).flatten()  # (W,)
    values = coefficients.to(features.device)[features]  # (1, T)
    return Attributed(spread_over_tokens(batch.words, values), before, n_steps=n_samples)


def interaction(
    nli: NLIModel,
    pair: pd.DataFrame,
    *,
    target: str = "predicted",
    contrast: str | None = None,
    top: int = 12,
    perturbation: str = "pad",
    batch_tokens: int | None = None,
    max_length: int = 256,
) -> pd.DataFrame:
    """What does each word of the premise do only together with each word of the hypothesis?

    For words i of the premise and j of the hypothesis, leave-two-out gives F(x) - F(x without i)
    - F(x without j) + F(x without both): zero where the effects of the two words add up. It is
    the second difference behind the Shapley interaction index (Grabisch and Roubens 1999), taken
    at the whole input.

    Parameters
    ----------
    pair : a frame of one row, as for `explain`.
    target, contrast : as for `explain`.
    top : the words taken from a longer sentence: those that change F most when left out alone.
        They keep the order of the text.
    perturbation : how words are left out: "pad", "mask" or "delete", as in `erase`. The default
        is that of occlusion and integrated gradients, so that their scores can be compared.
    batch_tokens, max_length : as for `predict`.

    Returns
    -------
    One row per word of the premise and one column per word of the hypothesis, in logits: positive
    where the two words together support the target more than they do one by one. A repeated word
    is numbered: "the", "the (2)". `attrs` has pair_id, target, contrast, output F(x),
    perturbation, the effects of single words (`premise_effects`, `hypothesis_effects`: F(x) - F(x
    without the word)), their numbers in `Explanation.words` (`premise_numbers`,
    `hypothesis_numbers`), english_premise and english_hypothesis where the pair has them, and
    provenance.

    Raises
    ------
    ValueError : if there is not exactly one pair of two sentences, an option is invalid, or as for
        `explain`."""
    need_head(nli)
    check_targets(nli, target, contrast)
    check_choice("perturbation", perturbation, WAYS)
    check_int("top", top, 1)
    frame = check_input(nli, pair)
    if len(frame) != 1 or len(sentence_columns(frame)) != 2:
        raise ValueError(
            f"expected one pair of premise and hypothesis; got {len(frame)} rows of "
            f"{', '.join(sentence_columns(frame))}. Select one row, such as pairs[:1]."
        )
    targets = resolve_targets(nli, frame, target, contrast, max_length)
    if targets.labels[0] is None:
        targets = Targets(tuple(predict_labels(nli, frame, max_length)), targets.contrasts)
    encoding = encode_frame(nli, frame, max_length=max_length, spans=True)
    ((_, words),) = explained_tokens(encoding)
    score = _scorer(nli, encoding, targets, perturbation, batch_tokens)
    whole, *without = score([[], *([word] for word in range(len(words)))])
    effects = whole - np.array(without)  # (W,)
    sides = [[number for number, word in enumerate(words) if word.sentence == side] for side in (0, 1)]
    rows, columns = (sorted(sorted(side, key=lambda word: -abs(effects[word]))[:top]) for side in sides)
    both = score([[i, j] for i in rows for j in columns]).reshape(len(rows), len(columns))
    result = pd.DataFrame(
        effects[rows][:, None] + effects[columns][None, :] - (whole - both),
        index=pd.Index(_number_repeated([words[i].text for i in rows]), name="premise"),
        columns=pd.Index(_number_repeated([words[j].text for j in columns]), name="hypothesis"),
    )
    asked = {"target": target, "contrast": contrast, "top": top, "perturbation": perturbation}
    attrs: dict[Hashable, Any] = {
        "pair_id": frame["pair_id"].iloc[0],
        "target": targets.labels[0],
        "contrast": targets.contrasts[0],
        "output": float(whole),
        "perturbation": perturbation,
        "premise_numbers": rows,
        "hypothesis_numbers": columns,
        "premise_effects": effects[rows].tolist(),
        "hypothesis_effects": effects[columns].tolist(),
        "provenance": provenance(nli, "interaction", asked | {"max_length": max_length, "dtype": "float32"}),
    }
    english = [name for name in ("english_premise", "english_hypothesis") if name in frame]
    result.attrs = attrs | {name: frame[name].iloc[0] for name in english}
    return result


def _scorer(
    nli: NLIModel, encoding: Encoding, targets: Targets, perturbation: str, batch_tokens: int | None
) -> Callable[[list[list[int]]], np.ndarray]:
    """A function of K sets of words that gives (K,) F in fp32 of the one pair without each set."""
    target, contrast = (
        None if name is None else nli.labels.index(name) for name in (targets.labels[0], targets.contrasts[0])
    )

    def score(sets: list[list[int]]) -> np.ndarray:
        erased = erase(encoding.select([0] * len(sets)), sets, perturbation)
        values = logits(replace(nli, dtype=torch.float32), erased, batch_tokens=batch_tokens).astype(float)
        return values[:, target] - (0.0 if contrast is None else values[:, contrast])

    return score


def _number_repeated(words: list[str]) -> list[str]:
    """Make words unique: the second "the" is "the (2)"."""
    texts = pd.Series(words, dtype=object)
    counts = texts.groupby(texts).cumcount() + 1
    return [word if count == 1 else f"{word} ({count})" for word, count in zip(words, counts, strict=True)]
