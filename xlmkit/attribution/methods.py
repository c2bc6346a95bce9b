"""Methods: all nine by name, what a caller may ask of each, and how one runs over many pairs.

The two that are neither gradients (`path`) nor erasure (`perturbation`) are defined here:
attention rollout, and random scores as a control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from xlmkit import forward
from xlmkit.attribution.batch import Attributed, Batch, spread_over_tokens
from xlmkit.attribution.path import STEPS, gradient_shap, input_x_gradient, integrated_gradients, saliency
from xlmkit.attribution.perturbation import kernel_shap, lime, occlusion
from xlmkit.attribution.targets import Targets
from xlmkit.checks import check_choice, check_int
from xlmkit.encoding import Encoding
from xlmkit.explanation import passes_gate
from xlmkit.model import NLIModel

BATCH_TOKENS = {"cpu": 2048, "mps": 4096, "cuda": 16384}  # padded tokens in a forward and backward pass
PASSES = 4  # passes that the pairs of one batch fill; few, so that out-of-memory errors waste little
AUTO = "auto"
BASELINE = "pad, special tokens kept"
SUM_OR_L2, SUM, L2, SHARE = ("sum", "l2"), ("sum",), ("l2",), ("share",)


@dataclass(frozen=True)
class Method:
    """How one method runs on a batch with a number of steps, and which options it supports."""

    run: Callable[[Batch, Request, int], Attributed]
    aggregations: tuple[str, ...] = SUM_OR_L2  # the default first
    unit: str = "logits"
    baseline: str | None = BASELINE
    gated: bool = False  # scores must add up to the change in logit, and more steps help
    sampled: bool = False  # draws `n_samples` sets of words, for one pair at a time
    streamed: bool = False  # fills its passes itself, from however many pairs
    labelled: bool = True  # depends on the target


def attention_rollout(batch: Batch) -> Attributed:
    """Attention rollout (Abnar and Zuidema 2020, arXiv:2005.00928): where attention flows to.

    Each layer's probabilities are averaged over heads, mixed half and half with the identity for
    the residual connection, and multiplied from the pooled position down. The result, (B, T, 1),
    sums to 1 over a pair's tokens, special ones included. It is here as a warning: it is the same
    for every label, has no sign, and ignores values and feed-forward blocks (Jain and Wallace
    2019, arXiv:1902.10186)."""
    layers = forward.attentions(batch.nli, batch.encoding)  # each (B, heads, T, T)
    flow = torch.zeros_like(layers[0][:, 0, :1])  # (B, 1, T)
    flow[..., 0] = 1.0
    for attention in reversed(layers):
        flow = (flow + flow @ attention.mean(1)) / 2
    return Attributed(flow.transpose(1, 2))


def random_scores(batch: Batch, seed: int) -> Attributed:
    """A standard normal number per word, which depends on the pair and the seed only: the
    control."""
    words = batch.words.cpu().numpy()  # (B, T)
    values = np.zeros(words.shape, dtype=np.float32)
    for row, generator in enumerate(batch.generators(seed)):
        numbers = np.append(0.0, generator.standard_normal(words[row].max()))  # 0 for special tokens
        values[row] = numbers[words[row]]
    return Attributed(spread_over_tokens(batch.words, torch.from_numpy(values).to(batch.words.device)))


METHOD: dict[str, Method] = {
    "integrated_gradients": Method(
        lambda batch, asked, n_steps: integrated_gradients(batch, n_steps, asked.baseline_language),
        gated=True,
        streamed=True,
    ),
    "gradient_shap": Method(
        lambda batch, asked, n_steps: gradient_shap(batch, n_steps, asked.seed),
        baseline="pad and mask, special tokens kept",
        gated=True,
    ),
    "saliency": Method(lambda batch, *_: saliency(batch), L2, "logits per unit of embedding", None),
    "input_x_gradient": Method(lambda batch, *_: input_x_gradient(batch), baseline=None),
    "occlusion": Method(lambda batch, *_: occlusion(batch), SUM),
    "kernel_shap": Method(
        lambda batch, asked, _: kernel_shap(batch, asked.n_samples, asked.seed), SUM, sampled=True
    ),
    "lime": Method(lambda batch, asked, _: lime(batch, asked.n_samples, asked.seed), SUM, sampled=True),
    "attention_rollout": Method(
        lambda batch, *_: attention_rollout(batch), SHARE, "share of attention", None, labelled=False
    ),
    "random": Method(
        lambda batch, asked, _: random_scores(batch, asked.seed), SUM, "none (random)", baseline=None
    ),
}
METHODS = tuple(METHOD)
AGGREGATIONS: dict[str, tuple[str, ...]] = {name: method.aggregations for name, method in METHOD.items()}
"""The aggregations over the width of the embeddings that each method offers, the default first.

"sum" keeps sign and completeness; "l2", the norm, has neither but agrees better across languages;
"share" is a share of attention, in [0, 1]."""


@dataclass(frozen=True)
class Request:
    """What a caller of `explain` asked for, checked as far as that needs no model.

    Raises
    ------
    ValueError : if an option is invalid, or does not apply to the method."""

    method: str = "integrated_gradients"
    target: str = "predicted"
    contrast: str | None = None
    n_steps: int | str = AUTO
    n_samples: int | None = None
    seed: int = 0
    aggregation: str | None = None  # None becomes the method's default
    max_length: int = 256
    baseline_language: str | None = None  # None leaves the language ids as they are

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        method = METHOD[self.method]
        if self.n_steps != AUTO:
            if not method.gated:
                raise ValueError(
                    "`n_steps` applies only to path methods such as integrated_gradients; "
                    f"got method={self.method!r}."
                )
            check_int("n_steps", self.n_steps, 1, STEPS[-1])
        if self.n_samples is not None:
            if not method.sampled:
                raise ValueError(
                    f"`n_samples` applies only to kernel_shap and lime; got method={self.method!r}."
                )
            check_int("n_samples", self.n_samples, 1)
        check_int("seed", self.seed, 0)
        if self.contrast is not None and not method.labelled:
            raise ValueError(
                f"{self.method} gives the same scores for every label, so it cannot contrast two; "
                f"got contrast={self.contrast!r}. Leave `contrast` out, or use another method."
            )
        if self.aggregation is None:
            object.__setattr__(self, "aggregation", method.aggregations[0])
        if self.aggregation == "sum" and self.method == "saliency":
            raise ValueError(
                "the signed sum of a gradient is zero for every token of an XLM, because its first layer "
                "norm subtracts the mean. Use aggregation='l2', or method='input_x_gradient' for signs."
            )
        check_choice("aggregation", self.aggregation, method.aggregations)

    def settings(self, nli: NLIModel) -> dict[str, Any]:
        """What the provenance of an explanation says."""
        computed = {"baseline": METHOD[self.method].baseline, "dtype": "float32", "device": nli.device.type}
        return {**vars(self), **computed}


@dataclass(frozen=True)
class Attribution:
    """What a method found for one pair; the names are those of the fields of `Explanation`."""

    scores: np.ndarray  # (T,) float64, without padding
    prediction: str
    probability: float
    target: str
    output: float
    baseline_output: float | None
    language_share: float | None
    delta: float | None
    n_steps: int | None
    converged: bool | None


def attribute(
    nli: NLIModel, request: Request, encoding: Encoding, targets: Targets, budget: forward.Budget
) -> Iterator[tuple[int, Attribution]]:
    """Row and attribution of each pair, in the order in which they are finished.

    With `n_steps` = "auto", path methods repeat the pairs that fail the gate with the next number
    of steps; what still fails with the last one is returned too."""
    method = METHOD[request.method]
    schedule: tuple[int, ...] = (1,)
    if method.gated:
        schedule = STEPS if request.n_steps == AUTO else (int(request.n_steps),)
    numbers = np.arange(len(encoding))
    for n_steps in schedule:
        copies = float("inf") if method.sampled else max(1, n_steps / PASSES) if method.streamed else n_steps
        compute = partial(_attribute_rows, request, (nli, encoding, targets, budget), n_steps)
        failed = []
        for rows, found in forward.length_batches(encoding.lengths, budget, compute, copies=copies):
            for row, attribution in zip(rows.tolist(), found, strict=True):
                if attribution.converged is False and n_steps != schedule[-1]:
                    failed.append(row)
                else:
                    yield int(numbers[row]), attribution
        if not failed:
            return
        numbers, encoding, targets = numbers[failed], encoding.select(failed), targets.select(failed)


def _attribute_rows(
    request: Request,
    inputs: tuple[NLIModel, Encoding, Targets, forward.Budget],
    n_steps: int,
    rows: np.ndarray,
) -> list[Attribution]:
    nli, encoding, targets, budget = inputs
    some = encoding.select(rows)
    batch = Batch.of(nli, some, targets.select(rows.tolist()), budget.rows(int(some.lengths.max())))
    return _summarize(batch, METHOD[request.method].run(batch, request, n_steps), request)


def _summarize(batch: Batch, attributed: Attributed, request: Request) -> list[Attribution]:
    """One attribution per pair: sums or norms over the width, and the verdict of the gate."""
    method, labels = METHOD[request.method], batch.nli.labels
    real = batch.encoding.attention_mask.numpy()[..., None]  # (B, T, 1)
    values = to_float64(attributed.values) * real  # (B, T, H), zero on padding
    sums = values.sum(-1)  # (B, T)
    scores = np.linalg.norm(values, axis=-1) if request.aggregation == "l2" else sums
    probabilities, outputs = softmax(to_float64(batch.logits), axis=1), to_float64(batch.outputs)
    before = None if attributed.baseline_outputs is None else to_float64(attributed.baseline_outputs)
    shares = None if attributed.languages is None else (to_float64(attributed.languages) * real).sum((1, 2))
    found = []
    for row, length in enumerate(batch.encoding.lengths):
        baseline = None if before is None else float(before[row])
        share = None if shares is None else float(shares[row])
        delta = converged = None
        if method.gated and baseline is not None:
            change = float(outputs[row]) - baseline
            delta = float(sums[row].sum()) + (share or 0.0) - change
            converged = passes_gate(delta, change)
        found.append(
            Attribution(
                scores=scores[row, :length],
                prediction=labels[int(probabilities[row].argmax())],
                probability=float(probabilities[row].max()),
                target=labels[int(batch.targets[row])],
                output=float(outputs[row]),
                baseline_output=baseline,
                language_share=share,
                delta=delta,
                n_steps=attributed.n_steps,
                converged=converged,
            )
        )
    return found


def to_float64(values: torch.Tensor) -> np.ndarray:
    """float64 on the CPU: sums over the width add no error of their own (and MPS has no
    float64)."""
    return values.detach().cpu().numpy().astype(np.float64)
