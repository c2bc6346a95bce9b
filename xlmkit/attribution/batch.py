"""Batch: pairs as the methods take them, and F, the number that is explained.

F is the logit of a target, minus that of a contrast where there is one: "why contradiction rather than entailment" (Jacovi et al. 2021,
arXiv:2103.01378; Yin and Neubig 2022, arXiv:2202.10419)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from xlmkit import forward
from xlmkit.encoding import Encoding, word_numbers
from xlmkit.model import NLIModel
from xlmkit.tokenization import PAD

NO_LANGUAGE = "none"  # as a baseline: no language embedding is added
Score = Callable[..., torch.Tensor]
_watcher: ContextVar[Callable[[int], None] | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(before_pass: Callable[[int], None]) -> Iterator[None]:
    """In this block, and in this thread alone, be told before each pass of a method how many rows it has; what is raised then ends the work."""
    token = _watcher.set(before_pass)
    try:
        yield
    finally:
        _watcher.reset(token)


@dataclass(frozen=True)
class Names:
    """What is explained in each pair: target and contrast by name; None as a target is what will be predicted, as a contrast none."""

    targets: tuple[str | None, ...]
    contrasts: tuple[str | None, ...]

    def select(self, rows: Sequence[int]) -> Names:
        """These rows in this order."""
        return Names(tuple(self.targets[row] for row in rows), tuple(self.contrasts[row] for row in rows))


@dataclass(frozen=True)
class Batch:
    """B pairs on the model's device, as captum takes them; `room` is how many rows one pass may have."""

    nli: NLIModel
    encoding: Encoding
    inputs: torch.Tensor  # (B, T, H) word embeddings
    words: torch.Tensor  # (B, T) number of each token's word from 1; 0 for special tokens and padding
    targets: torch.Tensor  # (B,) index of the explained label
    contrasts: torch.Tensor  # (B,) index of the label whose logit is subtracted, -1 for none
    logits: torch.Tensor  # (B, labels)
    room: int

    @classmethod
    def of(cls, nli: NLIModel, encoding: Encoding, names: Names, room: int) -> Batch:
        """The pairs of an encoding with spans."""
        with torch.no_grad():
            inputs = forward.embed(nli, encoding.input_ids).float()
            logits = forward.logits_from_embeddings(nli, inputs, encoding.langs, encoding.attention_mask)
        targets = [
            int(predicted) if name is None else nli.labels.index(name)
            for name, predicted in zip(names.targets, logits.argmax(1).tolist(), strict=True)
        ]
        contrasts = [-1 if name is None else nli.labels.index(name) for name in names.contrasts]
        words = (word_numbers(encoding) + 1).to(nli.device)
        return cls(
            nli,
            encoding,
            inputs,
            words,
            torch.tensor(targets, device=nli.device),
            torch.tensor(contrasts, device=nli.device),
            logits,
            room,
        )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def arguments(self) -> tuple[torch.Tensor, ...]:
        """What F needs besides the embeddings: attention mask and language ids (B, T), targets and contrasts (B,)."""
        mask, langs = (
            tensor.to(self.nli.device) for tensor in (self.encoding.attention_mask, self.encoding.langs)
        )
        return mask, langs, self.targets, self.contrasts

    @property
    def score(self) -> Score:
        """F: embeddings (B, T, H) and `arguments` -> (B,) logits; the order of the arguments is captum's."""
        return partial(_score, self.nli)

    @property
    def outputs(self) -> torch.Tensor:
        """(B,) F(x) in logits."""
        return _chosen(self.logits, self.targets, self.contrasts)

    def baseline(self, piece: int = PAD) -> torch.Tensor:
        """(B, T, H): the embedding of `piece` in place of every ordinary token; special tokens stay."""
        with torch.no_grad():
            absent = forward.embed(self.nli, torch.tensor([[piece]])).float()  # (1, 1, H)
        return torch.where(self.words.unsqueeze(-1) > 0, absent, self.inputs)

    def score_at(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(B,) F at other embeddings (B, T, H), without a gradient."""
        with torch.no_grad():
            return self.score(embeddings, *self.arguments)

    def generators(self, seed: int) -> list[np.random.Generator]:
        """A source of chance for each pair that depends on `seed` and on the pair's own ids, and on no neighbour."""
        ids, langs = self.encoding.input_ids.numpy(), self.encoding.langs.numpy()
        keys = [
            zlib.crc32(np.stack([ids[row, :length], langs[row, :length]]).tobytes())
            for row, length in enumerate(self.encoding.lengths)
        ]
        return [np.random.default_rng([seed, key]) for key in keys]


@dataclass(frozen=True)
class Attributed:
    """What a method found for a batch. `baseline_outputs` is F(baseline); `languages` what belongs to the language ids."""

    values: torch.Tensor  # (B, T, H), or (B, T, 1)
    baseline_outputs: torch.Tensor | None = None  # (B,)
    languages: torch.Tensor | None = None  # (B, T, H)
    n_steps: int | None = None


def exact(values: torch.Tensor) -> np.ndarray:
    """float64 on the CPU: sums over the width add no error of their own (and MPS has no float64)."""
    return values.detach().cpu().numpy().astype(np.float64)


def shared_out(words: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(B, T, 1): the value of each token's word, (B, T), in equal shares to the word's tokens; zero for what is no word."""
    sizes = (words.unsqueeze(2) == words.unsqueeze(1)).sum(2)  # (B, T) tokens of the same word
    return (values / sizes * (words > 0)).unsqueeze(-1)


def _score(
    nli: NLIModel,
    embeddings: torch.Tensor,
    attention_mask: torch.Tensor,
    langs: torch.Tensor | None,
    targets: torch.Tensor,
    contrasts: torch.Tensor,
) -> torch.Tensor:
    before_pass = _watcher.get()
    if before_pass is not None:
        before_pass(len(embeddings))
    return _chosen(forward.logits_from_embeddings(nli, embeddings, langs, attention_mask), targets, contrasts)


def _chosen(logits: torch.Tensor, targets: torch.Tensor, contrasts: torch.Tensor) -> torch.Tensor:
    own = logits.gather(1, targets[:, None])[:, 0]
    other = logits.gather(1, contrasts.clamp(min=0)[:, None])[:, 0]
    return torch.where(contrasts >= 0, own - other, own)
