"""Methods: the nine of them by name, with what each can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xlmkit.attribution.batch import Attributed, Batch
from xlmkit.attribution.control import random
from xlmkit.attribution.gradients import input_x_gradient, saliency
from xlmkit.attribution.path import (
    STEPS,
    gradient_shap,
    integrated_gradients,
    joint_integrated_gradients,
)
from xlmkit.attribution.perturbation import kernel_shap, lime, occlusion
from xlmkit.attribution.rollout import attention_rollout
from xlmkit.checks import check_int, is_int

PADDED = "pad, special tokens kept"
BOTH, SUM, NORM, SHARE = ("sum", "l2"), ("sum",), ("l2",), ("share",)


@dataclass(frozen=True)
class Options:
    """What a caller chose; `n_steps` and `n_samples` are None for the usual, `language` is the baseline's, None to leave the language ids alone."""

    method: str
    aggregation: str
    n_steps: int | None = None
    n_samples: int | None = None
    seed: int = 0
    language: str | None = None


@dataclass(frozen=True)
class Method:
    """One method: how it is run for a batch at a number of steps, and what can be asked of it.

    `aggregations` has the usual one first. `gated`: its scores must add up, and more steps help. `sampled`: it draws `n_samples` sets of words, and takes
    one pair at a time. `streamed`: it fills its passes itself, from however many pairs. `labelled`: it depends on the target."""

    run: Callable[[Batch, Options, int], Attributed]
    aggregations: tuple[str, ...] = BOTH
    unit: str = "logits"
    baseline: str | None = PADDED
    gated: bool = False
    sampled: bool = False
    streamed: bool = False
    seeded: bool = False
    labelled: bool = True


def _integrated(batch: Batch, options: Options, n_steps: int) -> Attributed:
    if options.language is None:
        return integrated_gradients(batch, n_steps)
    return joint_integrated_gradients(batch, n_steps, options.language)


METHOD: dict[str, Method] = {
    "integrated_gradients": Method(_integrated, gated=True, streamed=True),
    "gradient_shap": Method(
        lambda batch, options, n_steps: gradient_shap(batch, n_steps, options.seed),
        baseline="pad and mask, special tokens kept",
        gated=True,
        seeded=True,
    ),
    "saliency": Method(
        lambda batch, *_: saliency(batch), NORM, "logits per unit of embedding", baseline=None
    ),
    "input_x_gradient": Method(lambda batch, *_: input_x_gradient(batch), baseline=None),
    "occlusion": Method(lambda batch, *_: occlusion(batch), SUM),
    "kernel_shap": Method(
        lambda batch, options, _: kernel_shap(batch, options.n_samples, options.seed),
        SUM,
        sampled=True,
        seeded=True,
    ),
    "lime": Method(
        lambda batch, options, _: lime(batch, options.n_samples, options.seed), SUM, sampled=True, seeded=True
    ),
    "attention_rollout": Method(
        lambda batch, *_: attention_rollout(batch), SHARE, "share of attention", baseline=None, labelled=False
    ),
    "random": Method(
        lambda batch, options, _: random(batch, options.seed),
        SUM,
        "none (random)",
        baseline=None,
        seeded=True,
    ),
}
METHODS = tuple(METHOD)
AGGREGATIONS: dict[str, tuple[str, ...]] = {name: method.aggregations for name, method in METHOD.items()}
"""What each method's scores can be over the width of the embeddings, the usual one first: "sum" keeps sign and completeness; "l2", the norm, has
neither but agrees better across languages; "share" is attention's, in [0, 1]."""


def check_options(
    method: str, aggregation: str | None, n_steps: int | None, n_samples: int | None, seed: int
) -> Options:
    """The options of one call, once they make sense; a ValueError names what does not."""
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}; got {method!r}")
    own = METHOD[method]
    if n_steps is not None and not own.gated:
        raise ValueError(f"`n_steps` belongs to path methods; {method} takes none; remedy: leave it out")
    if n_steps is not None and not (is_int(n_steps) and 1 <= n_steps <= STEPS[-1]):
        raise ValueError(f"`n_steps` must be a whole number from 1 to {STEPS[-1]}; got {n_steps!r}")
    if n_samples is not None and not own.sampled:
        raise ValueError(
            f"`n_samples` belongs to kernel_shap and lime; {method} takes none; remedy: leave it out"
        )
    if n_samples is not None and not (is_int(n_samples) and n_samples >= 1):
        raise ValueError(f"`n_samples` must be a positive whole number; got {n_samples!r}")
    check_int("seed", seed, 0)
    return Options(method, _aggregation(method, aggregation), n_steps, n_samples, seed)


def _aggregation(method: str, aggregation: str | None) -> str:
    offered = METHOD[method].aggregations
    if aggregation is None:
        return offered[0]
    if aggregation in offered:
        return aggregation
    if aggregation == "sum" and method == "saliency":
        raise ValueError(
            "a gradient's signed sum is zero for every token of an XLM (its first layer norm takes the mean away); "
            "remedy: aggregation='l2', or method='input_x_gradient' for signed scores"
        )
    if aggregation == "l2" and offered == SUM:
        raise ValueError(
            f"{method} gives a word one number, of which there is no norm; remedy: aggregation='sum'"
        )
    raise ValueError(f"`aggregation` of {method} must be one of {', '.join(offered)}; got {aggregation!r}")
