"""Training of the stand-in: a linear head first, then everything by AdamW on the kit's own forward pass. An epoch shows every row once, in a
language picked by chance.

AdamW: Loshchilov and Hutter 2019; label smoothing: Szegedy et al. 2016. Whole words are dropped to the zero vector, which is the padding's: so
the baseline of attributions is an input that the model knows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.checkpoint import NLIModel
from xlmkit.encoding import Encoding
from xlmkit.pieces import EOS

ROUNDING = 3 * 2.0**-8  # bf16 rounds a number by at most 2**-9 of itself


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn; rates are peaks, reached after `warmup` and then falling in a line to zero.

    `steadiness` weighs the squared change in logits under noise of the size of a few roundings in bf16; it costs a second pass."""

    epochs: int = 5
    batch_tokens: int = 2048
    rate: float = 5e-4
    embedding_rate: float = 3e-4
    decay: float = 0.05
    smoothing: float = 0.1
    dropout: float = 0.1
    word_dropout: float = 0.05
    steadiness: float = 0.0
    warmup: float = 0.05


def fit(
    nli: NLIModel,
    versions: Encoding,
    gold: np.ndarray,
    *,
    plan: Plan,
    seed: int,
    judge: Callable[[], float],
    progress: bool = True,
) -> list[float]:
    """Train `nli.network` in place; the weights with the best judgement stay.

    Parameters
    ----------
    versions : the rows in several languages one after another: version v of row i is at v * len(gold) + i.
    gold : (rows,) indices of labels.
    judge : accuracy on English dev, in [0, 1], higher is better; called after every epoch.

    Returns
    -------
    The judgement of every epoch."""
    network = nli.network.requires_grad_(True)
    optimiser, rates = _optimiser(network, plan)
    chance = np.random.default_rng(seed)
    total = plan.epochs * (int(versions.attention_mask.sum()) * len(gold) // len(versions))
    scores: list[float] = []
    best: dict[str, torch.Tensor] = {}
    seen = 0
    with (
        torch.random.fork_rng(devices=[]),
        tqdm(total=total, unit="tokens", unit_scale=True, disable=not progress) as bar,
    ):
        torch.manual_seed(seed)  # of dropout
        for _ in range(plan.epochs):
            for rows in _batches(versions, len(gold), plan.batch_tokens, chance):
                share = seen / total
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * min(1.0, share / plan.warmup) * max(0.01, 1.0 - share)
                batch = versions.select(rows)
                _step(optimiser, _loss(nli, batch, torch.from_numpy(gold[rows % len(gold)]), plan))
                seen += int(batch.attention_mask.sum())
                bar.update(seen - bar.n)
            network.eval()
            scores.append(judge())
            bar.set_postfix(dev=f"{100 * scores[-1]:.1f}")
            if scores[-1] == max(scores):
                best = copy.deepcopy(network.state_dict())
    network.load_state_dict(best)
    network.requires_grad_(False)
    return scores


def probe(nli: NLIModel, versions: Encoding, gold: np.ndarray, *, rows: np.ndarray) -> float:
    """Set the head, in place, to the logistic regression on what the network pools for `rows` of `versions`.

    Training then starts from a head that reads what is there, and bends the rest less (linear probing before fine-tuning, Kumar et al. 2022,
    arXiv:2202.10054).

    Returns
    -------
    Accuracy on those rows, in [0, 1]."""
    network = nli.network.eval()
    summary = network.sequence_summary
    head, summary.summary = summary.summary, nn.Identity()
    order = rows[np.argsort(versions.lengths[rows])]
    pooled = np.concatenate(
        [
            forward.logits(nli, versions.select(part)).numpy()
            for part in np.array_split(order, len(order) // 64 + 1)
        ]
    )  # (rows, H)
    summary.summary = head
    centre, spread = pooled.mean(0), pooled.std(0) + 1e-6
    labels = gold[order % len(gold)]
    found = LogisticRegression(C=0.05, max_iter=200).fit((pooled - centre) / spread, labels)
    weight = found.coef_ / spread  # (labels, H)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(found.intercept_ - weight @ centre))
    return float(found.score((pooled - centre) / spread, labels))


def _step(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(
        [weight for group in optimiser.param_groups for weight in group["params"]], 1.0
    )
    optimiser.step()


def _optimiser(network: torch.nn.Module, plan: Plan) -> tuple[torch.optim.Optimizer, list[float]]:
    embeddings = [weight for name, weight in network.named_parameters() if "embeddings" in name]
    rest = [weight for name, weight in network.named_parameters() if "embeddings" not in name]
    groups = [{"params": rest, "weight_decay": plan.decay}, {"params": embeddings, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98)), [plan.rate, plan.embedding_rate]


def _batches(
    versions: Encoding, count: int, budget: int, chance: np.random.Generator
) -> Iterator[np.ndarray]:
    """Every row once, its version by chance, in batches of similar length and at most `budget` tokens, in any order."""
    picked = chance.integers(len(versions) // count, size=count) * count + np.arange(count)
    lengths = versions.lengths[picked]
    order = np.argsort(lengths + chance.uniform(0, 6, count))
    batches, start = [], 0
    while start < count:
        size = max(1, budget // int(lengths[order[start]] + 6))
        batches.append(picked[order[start : start + size]])
        start += size
    for number in chance.permutation(len(batches)):
        yield batches[number]


def _loss(nli: NLIModel, batch: Encoding, gold: torch.Tensor, plan: Plan) -> torch.Tensor:
    embeddings = forward.embed(nli, batch.input_ids)  # (B, T, H)
    kept = (torch.rand(batch.input_ids.shape) >= plan.word_dropout) | (batch.input_ids == EOS)
    embeddings = F.dropout(embeddings * kept[..., None], plan.dropout)
    nli.network.train(not plan.steadiness)  # both passes alike but for the noise: no dropout in the head
    rest = (batch.langs, batch.attention_mask)
    logits = forward.logits_from_embeddings(nli, embeddings, *rest)  # (B, labels)
    loss = F.cross_entropy(logits, gold, label_smoothing=plan.smoothing)
    if plan.steadiness:
        with _noise(nli.network):
            noisy = forward.logits_from_embeddings(nli, embeddings, *rest)
        loss = loss + plan.steadiness * F.mse_loss(noisy, logits)
    return loss


@contextmanager
def _noise(network: nn.Module) -> Iterator[None]:
    """Every layer's output off by up to `ROUNDING` of itself."""

    def disturb(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output * (1 + ROUNDING * (2 * torch.rand_like(output) - 1))

    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.LayerNorm)]
    hooks = [module.register_forward_hook(disturb) for module in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
