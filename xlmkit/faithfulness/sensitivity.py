"""Max-sensitivity: how far an explanation moves when the input's embeddings are shaken a little.

(Yeh et al. 2019, arXiv:1901.09392.) It measures stability, not truth: an explanation that is always
the same has the best value, 0. Read it with `erasure_metrics`, never instead of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.attribution.batch import Batch
from xlmkit.attribution.methods import BATCH_TOKENS, METHOD, Request
from xlmkit.attribution.targets import Targets
from xlmkit.checks import check_int
from xlmkit.explanation import Explanation
from xlmkit.faithfulness.controls import (
    NOISE,
    check_explanations,
    check_same_model,
    encode_explained,
    generator,
    metric_frame,
    metric_row,
    random_orders,
)
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once

GRADIENTS = ("integrated_gradients", "gradient_shap", "saliency", "input_x_gradient")
RADIUS = 0.1  # of the size of the embeddings


def sensitivity(
    nli: NLIModel,
    explanations: Explanation | Sequence[Explanation],
    *,
    radius: float = RADIUS,
    n_samples: int = 10,
    n_controls: int = 20,
    pairs: pd.DataFrame | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """How much does each explanation change when the word embeddings change a little?

    Parameters
    ----------
    explanations : of this model, by gradient methods; others are skipped, with a warning. Each is
        computed `n_samples` times again.
    radius : how far each coordinate of an embedding may move, as a fraction of the root mean
        square of the pair's own embeddings. Special tokens do not move.
    n_samples : number of shaken inputs, uniform within the radius.
    n_controls : each control is the largest distance of the explanation from `n_samples` random
        orders of its own scores: what an unrelated explanation would show.
    pairs, seed : as for `erasure_metrics`.
    batch_tokens : as for `explain`.

    Returns
    -------
    The columns of `erasure_metrics`, with `metric` "max_sensitivity" and `perturbation` missing.
    `value` is the largest distance between the words' scores before and after, divided by the
    norm of those before: 0 or more, lower is better; 0 is an explanation that does not move.

    Raises
    ------
    ValueError : if an option is invalid, or an explanation is of another model."""
    listed = check_explanations(nli, explanations)
    if isinstance(radius, bool) or not isinstance(radius, int | float) or not 0 < radius < float("inf"):
        raise ValueError(f"`radius` must be a positive number; got {radius!r}.")
    check_int("n_samples", n_samples, 1)
    check_int("n_controls", n_controls, 1)
    chosen = [one for one in listed if one.method in GRADIENTS]
    if len(chosen) < len(listed):
        others = sorted({one.method for one in listed} - set(GRADIENTS))
        warn_once(f"max-sensitivity is for {', '.join(GRADIENTS)}; skipped those by {', '.join(others)}")
    budget = forward.Budget.of(nli, batch_tokens, BATCH_TOKENS)
    rows = []
    for one in tqdm(chosen, desc="sensitivity", unit="explanation", disable=not progress or not chosen):
        before, *after = shaken_scores(nli, one, radius, n_samples, seed, budget)
        orders = random_orders(one, n_controls * n_samples, seed)
        controls = _relative_distances(one.word_scores, one.word_scores[orders])
        values = [_relative_distances(before, np.array(after)).max()]
        values += controls.reshape(n_controls, n_samples).max(1).tolist()
        rows.append(metric_row(one, "max_sensitivity", None, values))
    return metric_frame(rows, chosen, pairs)


def shaken_scores(
    nli: NLIModel, one: Explanation, radius: float, n_samples: int, seed: int, budget: forward.Budget
) -> np.ndarray:
    """Scores of the words by the explanation's own method and settings, for shaken embeddings.

    Returns
    -------
    (1 + n_samples, W), first the scores without shaking."""
    rows = 1 + n_samples
    encoding = encode_explained(nli, one).select([0] * rows)
    targets = Targets((one.target,) * rows, (one.contrast,) * rows)
    batch = Batch.of(nli, encoding, targets, budget.rows(int(encoding.lengths[0])))
    check_same_model(one, float(batch.outputs[0]))
    ordinary = batch.words[:1] > 0  # (1, T)
    size = radius * float(batch.inputs[:1][ordinary].square().mean().sqrt())
    shaken = shake(batch.inputs[1:], ordinary, size, generator(one, seed, NOISE))
    settings = one.provenance.get("settings") or {}
    request = Request(
        one.method,
        aggregation=one.aggregation,
        seed=int(settings.get("seed") or 0),
        baseline_language=settings.get("baseline_language"),
    )
    batch = replace(batch, inputs=torch.cat([batch.inputs[:1], shaken]))
    values = METHOD[one.method].run(batch, request, one.n_steps or 1).values  # (rows, T, H)
    scores = values.norm(dim=-1) if one.aggregation == "l2" else values.sum(-1)  # (rows, T)
    sums = torch.zeros(rows, len(one.words) + 1, device=scores.device)  # column 0 is for special tokens
    return sums.scatter_add(1, batch.words, scores.detach().float())[:, 1:].cpu().numpy()


def shake(
    inputs: torch.Tensor, ordinary: torch.Tensor, radius: float, rng: np.random.Generator
) -> torch.Tensor:
    """Move the embeddings (n, T, H) of ordinary tokens (1, T), each coordinate uniformly in a
    radius."""
    noise = rng.uniform(-radius, radius, size=tuple(inputs.shape)).astype(np.float32)
    return inputs + torch.from_numpy(noise).to(inputs.device) * ordinary[..., None]


def _relative_distances(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(K,) distances of (K, W) `others` from (W,) `scores`, divided by the norm of `scores`."""
    norm = np.linalg.norm(scores) or 1.0  # as captum: nothing is far from nothing
    return np.linalg.norm(others - scores, axis=1) / norm
