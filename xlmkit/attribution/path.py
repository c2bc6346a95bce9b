"""Gradient methods: the gradient of F along a path from a baseline, or at the input alone.

Scores of path methods add up to F(x) - F(baseline), and are gated on it. Integrated gradients
(Sundararajan et al. 2017, arXiv:1703.01365) follow the straight path from the padding baseline.
Gradient SHAP is the expectation of that over baselines and points of the path (Lundberg and Lee
2017, arXiv:1705.07874; "expected gradients", Erion et al. 2021, arXiv:1906.10670). Here the
baselines are two kinds of absence, padding and mask, and one point is drawn from each of equal
stretches of the path. That leaves the expectation as it is, and makes the delta far smaller than
independent draws do.

Saliency (Simonyan et al. 2013, arXiv:1312.6034) and input x gradient (Shrikumar et al. 2016,
arXiv:1605.01713) use the gradient at the input; their scores add up to nothing in particular. XLM
begins with a layer norm over the width, so adding one number to a whole embedding changes nothing:
the signed sum of a gradient is zero for every token, and saliency is given as a norm only.

DeepLift is not offered. Captum's rules hook modules for activations and softmax, but XLM's GELU
and attention are plain functions, in transformers as here. No rule would ever apply, and the
result would be gradient x (input - baseline) under another name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from captum.attr import InputXGradient, Saliency

from xlmkit import forward
from xlmkit.attribution.batch import NO_LANGUAGE, Attributed, Batch, Score
from xlmkit.tokenization import MASK, PAD

STEPS = (20, 50, 100, 200, 300)  # Sundararajan et al. 2017, section 5, recommend 20 to 300


def saliency(batch: Batch) -> Attributed:
    """The gradient of F at the input."""
    inputs = batch.inputs.clone().requires_grad_()
    method = Saliency(batch.score)
    return Attributed(method.attribute(inputs, abs=False, additional_forward_args=batch.arguments))


def input_x_gradient(batch: Batch) -> Attributed:
    """The gradient of F at the input, times the input."""
    inputs = batch.inputs.clone().requires_grad_()
    return Attributed(InputXGradient(batch.score).attribute(inputs, additional_forward_args=batch.arguments))


def integrated_gradients(batch: Batch, n_steps: int, language: str | None = None) -> Attributed:
    """Gauss-Legendre sum of `n_steps` gradients between the padding baseline and the input.

    With a `language`, over word and language embeddings together: the baseline is padding in that
    language, a code, or "none" for no language embedding."""
    if language is None:
        baseline = batch.baseline()
        (values,) = _integrate(batch, batch.score, (baseline,), (batch.inputs,), batch.arguments, n_steps)
        return Attributed(values, batch.score_at(baseline), n_steps=n_steps)
    mask, langs, targets, contrasts = batch.arguments
    languages = forward.embed_languages(batch.nli, langs).detach()  # (B, T, H)
    other = torch.zeros_like(languages)
    if language != NO_LANGUAGE:
        other_langs = torch.full_like(langs, batch.nli.lang2id[language])
        other = forward.embed_languages(batch.nli, other_langs).detach()

    def score(
        words: torch.Tensor, languages: torch.Tensor, mask: torch.Tensor, *others: torch.Tensor
    ) -> torch.Tensor:
        return batch.score(words + languages, mask, None, *others)

    starts, ends = (batch.baseline(), other), (batch.inputs, languages)
    arguments = (mask, targets, contrasts)
    values, language_values = _integrate(batch, score, starts, ends, arguments, n_steps)
    with torch.no_grad():
        before = score(*starts, *arguments)
    return Attributed(values, before, language_values, n_steps)


def _integrate(
    batch: Batch,
    score: Score,
    starts: tuple[torch.Tensor, ...],
    ends: tuple[torch.Tensor, ...],
    arguments: tuple[torch.Tensor, ...],
    n_steps: int,
) -> list[torch.Tensor]:
    """What each of `ends` (B, T, H) adds to `score(*ends, *arguments)` on the straight path from
    `starts`.

    The same as captum's IntegratedGradients, but the points of all pairs form one stream of
    passes, and no gradient is computed for anything else."""
    nodes, node_weights = np.polynomial.legendre.leggauss(n_steps)
    alphas, weights = (
        torch.from_numpy(values).to(batch.inputs)[:, None, None]
        for values in ((nodes + 1) / 2, node_weights / 2)
    )  # (steps, 1, 1)
    changes = [end - start for start, end in zip(starts, ends, strict=True)]
    totals = [torch.zeros_like(change) for change in changes]
    lengths = batch.encoding.lengths
    for numbers in stream_passes(lengths, n_steps, batch.rows_per_pass):
        width = int(lengths[numbers // n_steps].max())
        row, step = (torch.from_numpy(part).to(batch.inputs.device) for part in np.divmod(numbers, n_steps))
        points = [
            (start[row, :width] + alphas[step] * change[row, :width]).requires_grad_()
            for start, change in zip(starts, changes, strict=True)
        ]  # (n, width, H)
        repeated = [value[row, :width] if value.dim() > 1 else value[row] for value in arguments]
        with torch.enable_grad():
            gradients = torch.autograd.grad(score(*points, *repeated).sum(), points)
        for total, gradient in zip(totals, gradients, strict=True):
            total[:, :width].index_add_(0, row, weights[step] * gradient)
    return [total * change for total, change in zip(totals, changes, strict=True)]


def stream_passes(lengths: np.ndarray, n_steps: int, rows_per_pass: int) -> Iterator[np.ndarray]:
    """The path points of all pairs, in passes.

    `lengths` (B,) must be sorted. Each pair has `n_steps` points; point p of pair b has the number
    b * n_steps + p. Yields the numbers in order, at most `rows_per_pass` at a time."""
    # Equal lengths in one pass need no mask and no packing, so a pass ends where the length changes
    # if that leaves it at least a quarter full. A shorter run of one length does not deserve a pass
    # of its own: the next lengths join it. With 6 points per pair and 20 rows per pass:
    #
    #   lengths of the pairs    9 9         8         6 6 6 6          5
    #   points of each length   12          6         24               6
    #   passes                  [9 x 12]    [8 x 6]   [6 x 20]  [6 x 4, 5 x 6]
    widths = np.repeat(lengths, n_steps)
    run_ends = np.append(np.flatnonzero(np.diff(widths)) + 1, len(widths))  # where the length changes
    start = 0
    while start < len(widths):
        run_end = int(run_ends[np.searchsorted(run_ends, start, side="right")])
        alone = 4 * (run_end - start) >= rows_per_pass
        stop = min(start + rows_per_pass, run_end if alone else len(widths))
        yield np.arange(start, stop)
        start = stop


def gradient_shap(batch: Batch, n_steps: int, seed: int) -> Attributed:
    """The mean of gradient x (input - baseline) over `n_steps` random points of the path.

    Half of them are from each baseline, so an odd number takes one more."""
    baselines = torch.stack([batch.baseline(token_id) for token_id in (PAD, MASK)])  # (2, B, T, H)
    half = (n_steps + 1) // 2
    drawn = [torch.from_numpy(draw_alphas(generator, half)) for generator in batch.generators(seed)]
    alphas = torch.stack(drawn, dim=2).to(batch.inputs)  # (2, half, B)
    total = torch.zeros_like(batch.inputs)
    points_per_pass = max(1, batch.rows_per_pass // len(batch))
    for baseline, own_alphas in zip(baselines, alphas, strict=True):
        change = batch.inputs - baseline
        for some in own_alphas.split(points_per_pass):  # (n, B)
            points = baseline + some[..., None, None] * change  # (n, B, T, H)
            points = points.flatten(0, 1).requires_grad_()  # (n * B, T, H)
            arguments = (value.repeat(len(some), *[1] * (value.dim() - 1)) for value in batch.arguments)
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(batch.score(points, *arguments).sum(), points)
            total += gradient.unflatten(0, (len(some), -1)).sum(0) * change
    before = torch.stack([batch.score_at(baseline) for baseline in baselines]).mean(0)
    return Attributed(total / (2 * half), before, n_steps=2 * half)


def draw_alphas(generator: np.random.Generator, count: int) -> np.ndarray:
    """(2, count) points in [0, 1] for two baselines, one in each of `count` equal stretches."""
    return (np.arange(count) + generator.random((2, count))) / count
