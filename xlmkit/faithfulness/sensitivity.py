"""Max-sensitivity: how far an explanation moves when the input's embeddings are shaken a little (Yeh et al. 2019, arXiv:1901.09392).

It asks for steadiness, not for truth: an explanation that is always the same has the best value there is, 0. So it stands beside the measures of
`judge` and never in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from captum.metrics import sensitivity_max
from tqdm.auto import tqdm

from xlmkit.attribution.batch import Batch, Names
from xlmkit.attribution.explaining import BATCH_TOKENS
from xlmkit.attribution.methods import METHOD, Options
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding
from xlmkit.explanation import Explanation
from xlmkit.faithfulness.frames import HIGHER_IS_BETTER, described, finished
from xlmkit.faithfulness.inputs import (
    check_explanations,
    check_same_model,
    encode_explained,
    generator,
    random_orders,
)
from xlmkit.faithfulness.measures import percentile
from xlmkit.forward import Budget
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once

GRADIENTS = ("integrated_gradients", "gradient_shap", "saliency", "input_x_gradient")
RADIUS = 0.1  # of the size of the embeddings
NOISE = 2  # the stream of randomness that shakes the input; `judge` has 0 and 1


def sensitivity(
    nli: NLIModel,
    explanations: Explanation | Sequence[Explanation],
    *,
    radius: float = RADIUS,
    samples: int = 10,
    controls: int = 20,
    pairs: pd.DataFrame | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """How much does each explanation change when the word embeddings change a little? For the gradient methods; each is explained `samples` times anew.

    Parameters
    ----------
    explanations : of this model; those by other methods than `GRADIENTS` are left out, with a notice.
    radius : the most that a coordinate of an embedding is moved, as a share of the root mean square of the pair's own embeddings. Special
        tokens are not moved.
    samples : shaken inputs, uniform within the radius (captum's `sensitivity_max`).
    controls : each is the largest distance of the explanation from `samples` random orders of its own scores: what an explanation would show
        that had nothing to do with the one before.
    pairs, seed : as in `judge`. batch_tokens : as in `explain`.

    Returns
    -------
    The columns of `judge`, with `metric` "max_sensitivity" and `erasure` missing. `value` is the largest distance between the words' scores before and
    after, over the norm of those before: 0 or more, lower is better; 0 is an explanation that does not move.

    Raises
    ------
    ValueError : if an option is not as said, or an explanation is of another model."""
    found = check_explanations(nli, explanations)
    _check_options(radius, samples)
    chosen = [one for one in found if one.method in GRADIENTS]
    if len(chosen) < len(found):
        other = sorted({one.method for one in found} - set(GRADIENTS))
        warn_once(
            f"max-sensitivity is for {', '.join(GRADIENTS)}; explanations by {', '.join(other)} are left out"
        )
    budget = Budget.of(nli, batch_tokens, BATCH_TOKENS).tokens
    rows = []
    for one in tqdm(chosen, desc="sensitivity", unit="explanation", disable=not progress or not chosen):
        encoding = encode_explained(nli, [one])
        room = max(1, budget // int(encoding.lengths[0]))
        value = _largest_change(nli, one, encoding, (radius, samples, seed), room)
        beside = _by_chance(one, samples, controls, seed)
        rows.append(
            {
                **described(one),
                "metric": "max_sensitivity",
                "erasure": None,
                "value": value,
                "control": float(beside.mean()),
                "percentile": percentile(value, beside, higher_is_better=HIGHER_IS_BETTER["max_sensitivity"]),
            }
        )
    return finished(rows, chosen, pairs)


def _check_options(radius: float, samples: int) -> None:
    if isinstance(radius, bool) or not isinstance(radius, int | float) or not 0 < radius < float("inf"):
        raise ValueError(f"`radius` must be a positive share of the embeddings' size; got {radius!r}")
    check_int("samples", samples, 1)


Embeddings = tuple[torch.Tensor] | torch.Tensor  # (n, T, H); captum gives now the one, now the other


def _largest_change(
    nli: NLIModel, one: Explanation, encoding: Encoding, amounts: tuple[float, int, int], room: int
) -> float:
    radius, samples, seed = amounts
    batch = Batch.of(nli, encoding, Names((one.target,), (one.contrast,)), room)
    check_same_model(one, float(batch.outputs[0]))
    ordinary = batch.words > 0  # (1, T)
    size = float(batch.inputs[ordinary].square().mean().sqrt())
    scores = word_scorer(nli, one, encoding, room)
    found = sensitivity_max(
        # what was given as a tuple must come back as one
        lambda given: (scores(given[0]),) if isinstance(given, tuple) else scores(given),
        batch.inputs,
        perturb_func=shaker(ordinary, generator(one, seed, NOISE)),
        perturb_radius=radius * size,
        n_perturb_samples=samples,
    )
    return float(found[0])


def shaker(
    ordinary: torch.Tensor, source: np.random.Generator
) -> Callable[[Embeddings, float], torch.Tensor]:
    """A function that moves the embeddings of ordinary tokens (1, T), each coordinate uniformly within a radius."""

    def shake(inputs: Embeddings, radius: float) -> torch.Tensor:
        given = inputs[0] if isinstance(inputs, tuple) else inputs
        noise = source.uniform(-radius, radius, size=tuple(given.shape)).astype(np.float32)
        return given + torch.from_numpy(noise).to(given.device) * ordinary[..., None]

    return shake


def word_scorer(
    nli: NLIModel, one: Explanation, encoding: Encoding, room: int
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function of embeddings (n, T, H) of one pair that gives (n, W) its words' scores, by the explanation's own method and settings."""
    settings = one.provenance.get("settings") or {}
    options = Options(
        one.method,
        one.aggregation,
        seed=int(settings.get("seed") or 0),
        language=settings.get("baseline_language"),
    )

    def scores(inputs: torch.Tensor) -> torch.Tensor:
        rows = len(inputs)
        names = Names((one.target,) * rows, (one.contrast,) * rows)
        batch = replace(Batch.of(nli, encoding.select([0] * rows), names, room), inputs=inputs)
        values = METHOD[one.method].run(batch, options, one.n_steps or 1).values  # (n, T, H)
        own = values.norm(dim=-1) if one.aggregation == "l2" else values.sum(-1)  # (n, T)
        words = torch.zeros(rows, len(one.words) + 1, device=own.device)
        return words.scatter_add(1, batch.words, own.detach().float())[:, 1:]  # place 0 is no word

    return scores


def _by_chance(one: Explanation, samples: int, controls: int, seed: int) -> np.ndarray:
    """(controls,) the largest of `samples` distances between the scores and random orders of them, over their norm."""
    orders = random_orders(one, controls * samples, seed)
    scores = one.word_scores
    norm = np.linalg.norm(scores) or 1.0  # as captum: nothing is far from nothing
    distances = np.linalg.norm(scores[orders] - scores, axis=1) / norm
    return distances.reshape(controls, samples).max(1)
