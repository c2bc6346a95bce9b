"""Path methods: the gradient of F along the way from a baseline to the input. Their scores add up to F(x) - F(baseline), and are gated on it.

Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) follow the straight path from the padding baseline. Gradient SHAP is its expectation over
baselines and places on the path (Lundberg and Lee 2017, arXiv:1705.07874; "expected gradients", Erion et al. 2021, arXiv:1906.10670). Here the baselines
are two ways of absence, the padding and the mask piece, and the places are drawn one from each of equal stretches of the path, which leaves the
expectation as it is and makes the delta far smaller than captum's independent draws do.

DeepLift is not offered. Captum's rules hang on the modules of activations and softmaxes; XLM's GELU and attention are plain functions, in transformers as
here, so that no rule would ever be applied: what came out would be the gradient at the input times (input - baseline) under another name."""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import IntegratedGradients

from xlmkit import forward
from xlmkit.attribution.batch import NO_LANGUAGE, Attributed, Batch
from xlmkit.pieces import MASK, PAD

STEPS = (20, 50, 100, 200, 300)  # 77 / 93 / 97 % of pairs pass at 20 / 50 / 100 (a trained 20 M model, fp32)


def schedule(steps: int | None) -> tuple[int, ...]:
    """The numbers of steps to try in turn, from `steps` (None: the lowest) to the highest."""
    start = steps or STEPS[0]
    return (start, *(higher for higher in STEPS if higher > start))


def integrated_gradients(batch: Batch, steps: int) -> Attributed:
    """Gauss-Legendre sum of `steps` gradients between the padding baseline and the input."""
    baseline = batch.baseline()
    values = IntegratedGradients(batch.score).attribute(
        batch.inputs,
        baselines=baseline,
        additional_forward_args=batch.arguments,
        n_steps=steps,
        internal_batch_size=max(batch.room, len(batch)),
    )
    return Attributed(values, batch.score_at(baseline), steps=steps)


def joint_integrated_gradients(batch: Batch, steps: int, language: str) -> Attributed:
    """The same over word and language embeddings together, from (padding, `language`): a language's code, or "none" for no language embedding."""
    mask, langs, targets, contrasts = batch.arguments
    words, spoken = batch.baseline(), forward.embed_languages(batch.nli, langs)  # (B, T, H)
    if language == NO_LANGUAGE:
        other = torch.zeros_like(spoken)
    else:
        other = forward.embed_languages(batch.nli, torch.full_like(langs, batch.nli.languages[language]))

    def score(
        words: torch.Tensor, languages: torch.Tensor, mask: torch.Tensor, *others: torch.Tensor
    ) -> torch.Tensor:
        return batch.score(words + languages, mask, None, *others)

    values, shares = IntegratedGradients(score).attribute(
        (batch.inputs, spoken),
        baselines=(words, other),
        additional_forward_args=(mask, targets, contrasts),
        n_steps=steps,
        internal_batch_size=max(batch.room, len(batch)),
    )
    with torch.no_grad():
        before = score(words, other, mask, targets, contrasts)
    return Attributed(values, before, shares, steps)


def gradient_shap(batch: Batch, steps: int, seed: int) -> Attributed:
    """The mean of gradient x (input - baseline) over `steps` random places (one more if that is odd), half of them from each baseline."""
    baselines = torch.stack([batch.baseline(piece) for piece in (PAD, MASK)])  # (2, B, T, H)
    half = (steps + 1) // 2
    places = torch.stack(
        [torch.from_numpy(draws(source, half)) for source in batch.generators(seed)], dim=2
    )  # (2, half, B)
    total = torch.zeros_like(batch.inputs)
    together = max(1, batch.room // len(batch))  # places in one pass
    for baseline, own in zip(baselines, places.to(batch.inputs), strict=True):
        change = batch.inputs - baseline
        for some in own.split(together):
            points = (
                (baseline + some[..., None, None] * change).flatten(0, 1).requires_grad_()
            )  # (n * B, T, H)
            arguments = (
                argument.repeat(len(some), *[1] * (argument.dim() - 1)) for argument in batch.arguments
            )
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(batch.score(points, *arguments).sum(), points)
            total += gradient.unflatten(0, (len(some), -1)).sum(0) * change
    before = torch.stack([batch.score_at(baseline) for baseline in baselines]).mean(0)
    return Attributed(total / (2 * half), before, steps=2 * half)


def draws(source: np.random.Generator, count: int) -> np.ndarray:
    """(2, count) places in [0, 1] for two baselines, one in each of `count` equal stretches."""
    return (np.arange(count) + source.random((2, count))) / count
