"""The teacher: the published encoder, fine-tuned on the training rows in mixed languages. It is used to make the model, and not kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from recipe import encoder, networks, versions, views
from recipe.encoder import Encoder
from recipe.inputs import Inputs
from recipe.states import States
from recipe.versions import Pair
from xlmkit import forward

CHUNK = 40  # batches whose pairs are sorted by length together


@dataclass(frozen=True)
class Plan:
    """How long and how fast the teacher learns.

    Attributes
    ----------
    rows, batch : pairs in all, and in a step.
    rate, head_rate : peaks of AdamW, of the layers and of the head; reached after `warmup` (a share of the steps), then falling in a line.
    decay : AdamW's. dropout: probability, wherever XLM has it. smoothing: share of each label's weight that is spread over all labels."""

    rows: int = 30_000
    batch: int = 64
    rate: float = 6e-5
    head_rate: float = 6e-4
    decay: float = 0.01
    smoothing: float = 0.05
    dropout: float = 0.1
    warmup: float = 0.06


def teach(
    found: Encoder, inputs: Inputs, *, plan: Plan, seed: int, states: Path, progress: bool = True
) -> None:
    """Fine-tune the encoder's network and head, in place; its word embeddings stay, since most pieces are never met.

    The file `states` holds the state of the training."""
    network = found.network
    network.requires_grad_(True)
    network.transformer.embeddings.weight.requires_grad_(False)
    head = list(network.sequence_summary.parameters())
    body = [weight for weight in network.transformer.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": plan.rate}, {"params": head, "lr": plan.head_rate}], weight_decay=plan.decay
    )
    steps = -(-plan.rows // plan.batch)
    kept = States(states, network, optimiser)
    first, _ = kept.resume()
    chance = np.random.default_rng([seed, first])
    batches = _batches(versions.labelled(inputs, chance), plan.batch, chance)
    with (
        torch.random.fork_rng(devices=[]),
        tqdm(range(first, steps), initial=first, total=steps, desc="teacher", disable=not progress) as bar,
    ):
        torch.manual_seed(seed + first)  # of dropout
        for step in bar:
            for group, peak in zip(optimiser.param_groups, (plan.rate, plan.head_rate), strict=True):
                group["lr"] = peak * _share(step, steps, plan.warmup)
            loss = _loss(found, next(batches), plan)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(body, 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            bar.set_postfix(loss=f"{loss.item():.3f}")
            kept.keep(step + 1)
    network.requires_grad_(False)


def _share(step: int, steps: int, warmup: float) -> float:
    """Of the peak rate at a step: up in a line over the first `warmup` of the steps, then down to 2 %."""
    return min(1.0, (step + 1) / (warmup * steps)) * max(0.02, 1 - step / steps)


def _batches(pairs: Iterator[Pair], size: int, chance: np.random.Generator) -> Iterator[list[Pair]]:
    """The pairs for ever, `size` of similar length at a time."""
    while True:
        chunk = sorted(islice(pairs, CHUNK * size), key=lambda pair: len(pair.premise) + len(pair.hypothesis))
        for number in chance.permutation(CHUNK):
            yield chunk[number * size : (number + 1) * size]


def _loss(found: Encoder, batch: list[Pair], plan: Plan) -> torch.Tensor:
    ids = [
        views.teacher_ids(*(found.tokenizer.encode(text).ids for text in (pair.premise, pair.hypothesis)))
        for pair in batch
    ]
    input_ids = views.padded(ids, encoder.PAD)  # (B, S)
    mask = views.padded([[1] * len(row) for row in ids], 0)
    labels = torch.tensor([pair.label for pair in batch])
    with networks.autocast():
        logits = forward.training_logits(
            found.network, input_ids, torch.zeros_like(input_ids), mask, dropout=plan.dropout
        )
    return F.cross_entropy(logits, labels, label_smoothing=plan.smoothing)
