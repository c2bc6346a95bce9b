"""Perturbation: what happens to F when words give way to the padding embedding. One word, one number; its tokens have it in equal shares.

Occlusion (Zeiler and Fergus 2013, arXiv:1311.2901) leaves one word out at a time. KernelSHAP (Lundberg and Lee 2017, arXiv:1705.07874) and LIME (Ribeiro et al. 2016,
arXiv:1602.04938) fit a linear model to `n_samples` random sets of words. KernelSHAP weighs the sets so that the coefficients estimate Shapley values, and forces
their sum to F(x) - F(baseline), so that this sum judges nothing and there is no gate. LIME leaves each word in with a chance of one half, weighs a set by its
closeness to the whole (as its authors do for text: cosine distance of the sets, width 0.25) and fits a lasso of strength 0.01, so that weak words are exactly 0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import FeatureAblation, KernelShap, Lime

from xlmkit.attribution.batch import Attributed, Batch, shared_out

LEAST_SAMPLES = 200
SAMPLES_A_WORD = 8
LIME_WIDTH = 0.25


def occlusion(batch: Batch) -> Attributed:
    """F(x) - F(x without the word)."""
    baseline = batch.baseline()
    changes = FeatureAblation(batch.score).attribute(
        batch.inputs,
        baselines=baseline,
        additional_forward_args=batch.arguments,
        feature_mask=batch.words.unsqueeze(-1),  # (B, T, 1)
        perturbations_per_eval=max(1, batch.room // len(batch)),
    )[..., 0]  # (B, T)
    return Attributed(shared_out(batch.words, changes), batch.score_at(baseline))


def usual_samples(words: int) -> int:
    """How many sets of words are drawn for a pair of so many words where nothing is asked for."""
    return max(LEAST_SAMPLES, SAMPLES_A_WORD * words)


def kernel_shap(batch: Batch, n_samples: int | None, seed: int) -> Attributed:
    """Estimated Shapley values of the words, for one pair."""
    return _sampled(batch, KernelShap(batch.score), n_samples, seed)


def lime(batch: Batch, n_samples: int | None, seed: int) -> Attributed:
    """Coefficients of a sparse local linear model over the words, for one pair."""
    return _sampled(batch, Lime(batch.score, similarity_func=closeness), n_samples, seed)


def closeness(_: torch.Tensor, __: torch.Tensor, kept: torch.Tensor, **___: object) -> torch.Tensor:
    """LIME's weight in [0, 1] of a set of words (1, W): exp(-(d / 0.25)^2 / 2) at the cosine distance d from the set of all words; captum's signature."""
    distance = 1 - (kept.float().mean()).sqrt()
    return torch.exp(-((distance / LIME_WIDTH) ** 2) / 2)


def _sampled(batch: Batch, method: KernelShap | Lime, n_samples: int | None, seed: int) -> Attributed:
    baseline = batch.baseline()
    before = batch.score_at(baseline)
    count = int(batch.words.max())
    if count == 1:  # nothing to divide; captum's KernelSHAP cannot draw from sets of one word
        only = (batch.outputs - before)[:, None].expand(batch.words.shape)
        return Attributed(shared_out(batch.words, only), before, n_steps=n_samples)
    n_samples = n_samples or usual_samples(count)
    # A special token goes with the first word: the baseline leaves it as it is, so it adds nothing there, and no set is spent on it.
    places = (batch.words - 1).clamp(min=0)  # (1, T)
    with _seeded(batch.generators(seed)[0]):
        coefficients = method.attribute(
            batch.inputs,
            baselines=baseline,
            additional_forward_args=batch.arguments,
            feature_mask=places.unsqueeze(-1),  # (1, T, 1)
            n_samples=n_samples,
            perturbations_per_eval=max(1, batch.room),
            return_input_shape=False,
        ).flatten()  # (W,)
    return Attributed(
        shared_out(batch.words, coefficients.to(places.device)[places]), before, n_steps=n_samples
    )


@contextmanager
def _seeded(source: np.random.Generator) -> Iterator[None]:
    """torch's global source of chance, from which captum draws, seeded for a while and then as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(source.integers(2**63)))
        yield
