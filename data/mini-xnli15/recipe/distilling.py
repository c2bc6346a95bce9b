"""Distillation: the model learns to make of every stretch of text what its teacher makes of it, and of every pair the teacher's answer.

States of four layers are compared unit by unit (as in TinyBERT, Jiao et al. 2020, arXiv:1909.10351, but across two tokenisations); answers by the
Kullback-Leibler divergence (Hinton et al. 2015), and against the label where there is one. Tokens are dropped to the zero vector, which is the
padding's: so the baseline of attributions is an input that the model knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from recipe import networks, versions, views
from recipe.beginning import KEPT
from recipe.encoder import Encoder
from recipe.inputs import Inputs
from recipe.states import States
from recipe.versions import Pair
from recipe.views import Views
from xlmkit import forward
from xlmkit.model import NLIModel
from xlmkit.tokenization import EOS, PAD


@dataclass(frozen=True)
class Plan:
    """How long and how fast the model learns; shares lie in [0, 1].

    Attributes
    ----------
    tokens, batch_tokens : of the model's own, real ones: in all, and about so many a step.
    rate, embedding_rate : peaks of AdamW, of the layers, and of word and language embeddings; reached after `warmup` (a share of `tokens`), then
        falling in a line. decay: AdamW's, of the layers.
    dropout : probability, wherever XLM has it. dropped: share of the tokens that become padding's zero vector.
    smoothing : share of each label's weight that is spread over all labels.
    settled : share of `tokens` up to which states weigh fully; then less and less, since in the end the answers count.
    labelled : share of the pairs that have a label. english: how many times as often as in any other language those are in English.
    unrelated : share of the pairs that have nothing to do with each other, which the teacher has not met either."""

    tokens: int = 3_000_000
    batch_tokens: int = 4000
    rate: float = 2e-4
    embedding_rate: float = 1e-3
    decay: float = 0.01
    dropout: float = 0.05
    dropped: float = 0.05
    smoothing: float = 0.05
    warmup: float = 0.02
    settled: float = 0.55
    labelled: float = 0.72
    english: int = 4
    unrelated: float = 0.0


class Scales:
    """Each layer's standard deviation by dimension, a running mean: what a difference in states is measured in."""

    def __init__(self) -> None:
        self.found: dict[int, torch.Tensor] = {}

    def update(self, layer: int, states: torch.Tensor) -> torch.Tensor:
        """(units, H) -> (H,)."""
        new = states.std(0)
        self.found[layer] = new if layer not in self.found else 0.99 * self.found[layer] + 0.01 * new
        return self.found[layer].clamp(min=0.02)


def distil(
    nli: NLIModel,
    teacher: Encoder,
    inputs: Inputs,
    *,
    plan: Plan,
    seed: int,
    states: Path,
    progress: bool = True,
) -> None:
    """Train `nli.network` in place; the file `states` holds the state of the training."""
    network = nli.network.requires_grad_(True)
    teaching = teacher.network.to(networks.precision())
    words = [network.transformer.embeddings.weight, network.transformer.lang_embeddings.weight]
    chosen = {id(weight) for weight in words}
    body = [weight for weight in network.parameters() if id(weight) not in chosen]
    groups = [{"params": body, "weight_decay": plan.decay}, {"params": words, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    scales = Scales()
    kept = States(states, network, optimiser)
    seen, scales.found = kept.resume()
    chance = np.random.default_rng([seed, seen])
    with (
        torch.random.fork_rng(devices=[]),
        tqdm(total=plan.tokens, initial=seen, unit="token", unit_scale=True, disable=not progress) as bar,
    ):
        torch.manual_seed(seed + seen)  # of dropout
        for batch in views.batches(
            _mixed(inputs, plan, chance), nli, teacher.tokenizer, tokens=plan.batch_tokens, chance=chance
        ):
            share = seen / plan.tokens
            if share >= 1:
                break
            for group, peak in zip(optimiser.param_groups, (plan.rate, plan.embedding_rate), strict=True):
                group["lr"] = peak * min(1.0, share / plan.warmup) * max(0.02, 1 - share)
            optimiser.zero_grad(set_to_none=True)
            loss = _loss(nli, teaching, batch, scales, plan, share)
            loss.backward()
            network.transformer.embeddings.weight.grad[PAD] = 0
            for weights in (body, words):
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            seen += int(batch.ours.attention_mask.sum())
            bar.update(seen - bar.n)
            bar.set_postfix(loss=f"{loss.item():.2f}")
            kept.keep(seen, scales.found)
    network.requires_grad_(False)


def _mixed(inputs: Inputs, plan: Plan, chance: np.random.Generator) -> Iterator[Pair]:
    labelled = versions.labelled(inputs, chance, english=plan.english)
    unlabelled, unrelated = versions.unlabelled(inputs, chance), versions.unrelated(inputs, chance)
    while True:
        if chance.random() < plan.unrelated:
            yield next(unrelated)
        else:
            yield next(labelled if chance.random() < plan.labelled else unlabelled)


def _loss(
    nli: NLIModel, teaching: torch.nn.Module, batch: Views, scales: Scales, plan: Plan, share: float
) -> torch.Tensor:
    with torch.no_grad():
        theirs = forward.all_layers(teaching, batch.their_ids, None, batch.their_mask)
        wanted = _answers(teaching, theirs[-1], batch.their_mask)  # (B, labels)
    ours = batch.ours
    dropped = (torch.rand(ours.input_ids.shape) < plan.dropped) & (ours.input_ids != EOS)
    with networks.autocast():
        found = forward.all_layers(
            nli.network,
            ours.input_ids.masked_fill(dropped, PAD),
            ours.langs,
            ours.attention_mask,
            dropout=plan.dropout,
        )
    answers = _answers(nli.network, found[-1], ours.attention_mask)
    labelled = batch.labels >= 0
    told = F.one_hot(batch.labels.clamp(min=0), wanted.size(1)).float()
    told = told * (1 - plan.smoothing) + plan.smoothing / wanted.size(1)
    wanted = torch.where(batch.settled[:, None], told, wanted.softmax(1))
    divergence = F.kl_div(answers.log_softmax(1), wanted, reduction="batchmean")
    loss = 2.0 * divergence
    if labelled.any():
        loss = loss + F.cross_entropy(
            answers[labelled], batch.labels[labelled], label_smoothing=plan.smoothing
        )
    weight = 1.0 if share < plan.settled else max(0.1, 1 - (share - plan.settled) / 0.3)
    return loss + weight * 0.5 * _difference(found, theirs, batch, scales)


def _answers(network: Any, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(R, H) -> (B, labels) float32 logits, from each pair's first token."""
    first = mask.sum(1).cumsum(0) - mask.sum(1)
    return network.sequence_summary.summary(
        states[first].to(network.sequence_summary.summary.weight.dtype)
    ).float()


def _difference(
    found: list[torch.Tensor], theirs: list[torch.Tensor], batch: Views, scales: Scales
) -> torch.Tensor:
    """Mean squared difference of the units' states in four layers, and of the first token's in the last, in standard deviations."""
    most = 1 + int(max(batch.our_units.max(), batch.their_units.max()))
    own, own_counts = _places(batch.our_units, batch.ours.attention_mask, most)
    other, other_counts = _places(batch.their_units, batch.their_mask, most)
    both = (own_counts > 0) & (other_counts > 0)
    total = found[0].new_zeros((), dtype=torch.float32)
    for ours, layer in _compared(len(found) - 1, len(theirs) - 1):
        wanted = _pool(theirs[layer], other, other_counts)[both]  # (units, H)
        scale = scales.update(layer, wanted)
        difference = (_pool(found[ours], own, own_counts)[both] - wanted) / scale
        total = total + (difference**2).mean()
    starts = torch.arange(len(batch.labels)) * most  # unit 0 is the first token
    first = (_pool(found[-1], own, own_counts) - _pool(theirs[-1], other, other_counts))[starts] / scale
    return total + (first**2).mean()


def _compared(ours: int, theirs: int) -> list[tuple[int, int]]:
    """(our layer, the teacher's layer) whose states should be alike; states after layer n are the n-th."""
    kept = [layer + 1 for layer in KEPT if layer < theirs]
    return [
        (place, kept[place - 1] if place < ours else theirs) for place in sorted({*range(2, ours, 2), ours})
    ]


def _places(units: torch.Tensor, mask: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """For every real token the place of its unit in a table of B x `most`, one past its end where it has none; and tokens a unit."""
    rows = torch.arange(len(units))[:, None] * most
    end = len(units) * most
    flat = torch.where(units >= 0, units + rows, end)[mask.bool()]  # (R,)
    return flat, torch.bincount(flat, minlength=end + 1)[:end]


def _pool(states: torch.Tensor, flat: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(R, H) -> (units, H) float32 means."""
    sums = states.new_zeros((len(counts) + 1, states.size(1)), dtype=torch.float32)
    sums = sums.index_add(0, flat, states.float())[:-1]
    return sums / counts.clamp(min=1)[:, None]
