"""Path methods: the gradient of F along the way from a baseline to the input. Their scores add up to F(x) - F(baseline), and are gated on it.

Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) follow the straight path from the padding baseline. Gradient SHAP is its expectation over
baselines and places on the path (Lundberg and Lee 2017, arXiv:1705.07874; "expected gradients", Erion et al. 2021, arXiv:1906.10670). Here the baselines
are two ways of absence, the padding and the mask piece, and the places are drawn one from each of equal stretches of the path, which leaves the
expectation as it is and makes the delta far smaller than captum's independent draws do.

DeepLift is not offered. Captum's rules hang on the modules of activations and softmaxes; XLM's GELU and attention are plain functions, in transformers as
here, so that no rule would ever be applied: what came out would be the gradient at the input times (input - baseline) under another name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from xlmkit import forward
from xlmkit.attribution.batch import NO_LANGUAGE, Attributed, Batch, Score
from xlmkit.tokenization import MASK, PAD

STEPS = (20, 50, 100, 200, 300)  # 77 / 93 / 97 % of pairs pass at 20 / 50 / 100 (a trained 20 M model, fp32)


def schedule(n_steps: int | None) -> tuple[int, ...]:
    """The numbers of steps to try in turn, from `n_steps` (None: the lowest) to the highest."""
    start = n_steps or STEPS[0]
    return (start, *(higher for higher in STEPS if higher > start))


def integrated_gradients(batch: Batch, n_steps: int) -> Attributed:
    """Gauss-Legendre sum of `n_steps` gradients between the padding baseline and the input."""
    baseline = batch.baseline()
    (values,) = _integrated(batch, batch.score, (baseline,), (batch.inputs,), batch.arguments, n_steps)
    return Attributed(values, batch.score_at(baseline), n_steps=n_steps)


def joint_integrated_gradients(batch: Batch, n_steps: int, language: str) -> Attributed:
    """The same over word and language embeddings together, from (padding, `language`): a language's code, or "none" for no language embedding."""
    mask, langs, targets, contrasts = batch.arguments
    words, spoken = batch.baseline(), forward.embed_languages(batch.nli, langs).detach()  # (B, T, H)
    if language == NO_LANGUAGE:
        other = torch.zeros_like(spoken)
    else:
        known = torch.full_like(langs, batch.nli.lang2id[language])
        other = forward.embed_languages(batch.nli, known).detach()

    def score(
        words: torch.Tensor, languages: torch.Tensor, mask: torch.Tensor, *others: torch.Tensor
    ) -> torch.Tensor:
        return batch.score(words + languages, mask, None, *others)

    arguments = (mask, targets, contrasts)
    values, shares = _integrated(batch, score, (words, other), (batch.inputs, spoken), arguments, n_steps)
    with torch.no_grad():
        before = score(words, other, *arguments)
    return Attributed(values, before, shares, n_steps)


def _integrated(
    batch: Batch,
    score: Score,
    starts: tuple[torch.Tensor, ...],
    ends: tuple[torch.Tensor, ...],
    arguments: tuple[torch.Tensor, ...],
    n_steps: int,
) -> list[torch.Tensor]:
    """What each of `ends` (B, T, H) adds to `score(*ends, *arguments)` on the straight way from `starts`, as captum's IntegratedGradients computes it, but with
    the places of all pairs in one stream of passes, and no gradient for anything else."""
    nodes, shares = np.polynomial.legendre.leggauss(n_steps)
    places, weights = (
        torch.from_numpy(half).to(batch.inputs)[:, None, None] for half in ((nodes + 1) / 2, shares / 2)
    )  # (steps, 1, 1)
    changes = [end - start for start, end in zip(starts, ends, strict=True)]
    totals = [torch.zeros_like(change) for change in changes]
    lengths = batch.encoding.lengths
    for some in passes(lengths, n_steps, batch.room):
        width = int(lengths[some // n_steps].max())
        row, place = (torch.from_numpy(part).to(batch.inputs.device) for part in np.divmod(some, n_steps))
        points = [
            (start[row, :width] + places[place] * change[row, :width]).requires_grad_()
            for start, change in zip(starts, changes, strict=True)
        ]  # (n, width, H)
        others = [one[row, :width] if one.dim() > 1 else one[row] for one in arguments]
        with torch.enable_grad():
            gradients = torch.autograd.grad(score(*points, *others).sum(), points)
        for total, gradient in zip(totals, gradients, strict=True):
            total[:, :width].index_add_(0, row, weights[place] * gradient)
    return [total * change for total, change in zip(totals, changes, strict=True)]


def passes(lengths: np.ndarray, n_steps: int, room: int) -> Iterator[np.ndarray]:
    """The numbers 0, 1, ... of `n_steps` places for each pair, pair by pair, in pieces of at most `room`. Where those of one length fill a quarter of a piece,
    no other length joins them: equal lengths need no mask and no packing."""
    widths = np.repeat(lengths, n_steps)
    ends = np.append(np.flatnonzero(np.diff(widths)) + 1, len(widths))  # of each run of one length
    start = 0
    while start < len(widths):
        alike = int(ends[np.searchsorted(ends, start, side="right")])
        stop = min(start + room, alike if 4 * (alike - start) >= room else len(widths))
        yield np.arange(start, stop)
        start = stop


def gradient_shap(batch: Batch, n_steps: int, seed: int) -> Attributed:
    """The mean of gradient x (input - baseline) over `n_steps` random places (one more if that is odd), half of them from each baseline."""
    baselines = torch.stack([batch.baseline(piece) for piece in (PAD, MASK)])  # (2, B, T, H)
    half = (n_steps + 1) // 2
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
    return Attributed(total / (2 * half), before, n_steps=2 * half)


def draws(source: np.random.Generator, count: int) -> np.ndarray:
    """(2, count) places in [0, 1] for two baselines, one in each of `count` equal stretches."""
    return (np.arange(count) + source.random((2, count))) / count
