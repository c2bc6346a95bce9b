"""Batch: pairs as the methods take them, and F, the number that is explained.

F is the logit of a target label, minus that of a contrast label where there is one: "why
contradiction rather than entailment" (Jacovi et al. 2021, arXiv:2103.01378; Yin and Neubig 2022,
arXiv:2202.10419)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from xlmkit import forward
from xlmkit.attribution.targets import Targets
from xlmkit.encoding import Encoding, word_numbers
from xlmkit.explanation import ExplainedToken, ExplainedWord
from xlmkit.model import NLIModel
from xlmkit.tokenization import PAD

NO_LANGUAGE = "none"  # as a baseline language: no language embedding is added
Score = Callable[..., torch.Tensor]
_before_pass: ContextVar[Callable[[int], None] | None] = ContextVar("before_pass", default=None)


@contextmanager
def watch_passes(before_pass: Callable[[int], None]) -> Iterator[None]:
    """Call `before_pass(rows)` before each forward pass of a method, in this block and thread only.

    An exception from `before_pass` ends the computation: so an explorer cancels work."""
    token = _before_pass.set(before_pass)
    try:
        yield
    finally:
        _before_pass.reset(token)


@dataclass(frozen=True)
class Batch:
    """B pairs on the model's device, as captum takes them."""

    nli: NLIModel
    encoding: Encoding
    inputs: torch.Tensor  # (B, T, H) word embeddings
    words: torch.Tensor  # (B, T) number of each token's word from 1; 0 for special tokens and padding
    targets: torch.Tensor  # (B,) index of the explained label
    contrasts: torch.Tensor  # (B,) index of the label whose logit is subtracted, -1 for none
    logits: torch.Tensor  # (B, labels)
    rows_per_pass: int  # how many rows one forward pass may have

    @classmethod
    def of(cls, nli: NLIModel, encoding: Encoding, targets: Targets, rows_per_pass: int) -> Batch:
        """The pairs of an encoding with spans."""
        with torch.no_grad():
            inputs = forward.embed(nli, encoding.input_ids).float()  # (B, T, H)
            logits = forward.logits_from_embeddings(nli, inputs, encoding.langs, encoding.attention_mask)
        named = [-1 if name is None else nli.labels.index(name) for name in targets.labels]
        contrasts = [-1 if name is None else nli.labels.index(name) for name in targets.contrasts]
        labels = torch.tensor(named, device=nli.device)
        return cls(
            nli,
            encoding,
            inputs,
            words=(word_numbers(encoding) + 1).to(nli.device),
            targets=torch.where(labels < 0, logits.argmax(1), labels),
            contrasts=torch.tensor(contrasts, device=nli.device),
            logits=logits,
            rows_per_pass=rows_per_pass,
        )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def arguments(self) -> tuple[torch.Tensor, ...]:
        """What F needs besides the embeddings: mask and language ids (B, T), targets, contrasts
        (B,)."""
        device = self.nli.device
        mask, langs = self.encoding.attention_mask.to(device), self.encoding.langs.to(device)
        return mask, langs, self.targets, self.contrasts

    @property
    def score(self) -> Score:
        """F: embeddings (B, T, H) and `arguments` -> (B,) logits, with arguments in captum's
        order."""
        return partial(_score, self.nli)

    @property
    def outputs(self) -> torch.Tensor:
        """(B,) F(x) in logits."""
        return _difference(self.logits, self.targets, self.contrasts)

    def baseline(self, token_id: int = PAD) -> torch.Tensor:
        """(B, T, H): the embedding of `token_id` replaces every ordinary token; special tokens
        stay."""
        with torch.no_grad():
            absent = forward.embed(self.nli, torch.tensor([[token_id]])).float()  # (1, 1, H)
        return torch.where(self.words.unsqueeze(-1) > 0, absent, self.inputs)

    def score_at(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(B,) F at other embeddings (B, T, H), without a gradient."""
        with torch.no_grad():
            return self.score(embeddings, *self.arguments)

    def generators(self, seed: int) -> list[np.random.Generator]:
        """One random generator per pair, from `seed` and the pair's own ids, whatever its
        neighbours."""
        ids, langs = self.encoding.input_ids.numpy(), self.encoding.langs.numpy()
        keys = [
            zlib.crc32(np.stack([ids[row, :length], langs[row, :length]]).tobytes())
            for row, length in enumerate(self.encoding.lengths)
        ]
        return [np.random.default_rng([seed, key]) for key in keys]


@dataclass(frozen=True)
class Attributed:
    """What a method computed for a batch."""

    values: torch.Tensor  # (B, T, H), or (B, T, 1)
    baseline_outputs: torch.Tensor | None = None  # (B,) F(baseline)
    languages: torch.Tensor | None = None  # (B, T, H) attributed to the language ids
    n_steps: int | None = None


def spread_over_tokens(words: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Split the value of each token's word equally among the word's tokens.

    words : (B, T) as in `Batch`. values : (B, T) the value of each token's word.
    Returns (B, T, 1), zero for special tokens and padding."""
    sizes = (words.unsqueeze(2) == words.unsqueeze(1)).sum(2)  # (B, T) tokens of the same word
    return (values / sizes * (words > 0)).unsqueeze(-1)


def explained_tokens(
    encoding: Encoding,
) -> list[tuple[tuple[ExplainedToken, ...], tuple[ExplainedWord, ...]]]:
    """Tokens and words of each pair of an encoding with spans.

    Words are numbered through both sentences; those that truncation cut off are left out."""
    found = []
    numbers = word_numbers(encoding).tolist()
    for row, (tokens, sentences) in enumerate(zip(encoding.tokens or (), encoding.words or (), strict=True)):
        explained: list[ExplainedToken] = []
        words: dict[int, ExplainedWord] = {}
        for token, number in zip(tokens, numbers[row], strict=False):
            if token.sentence is None or token.word is None:
                explained.append(ExplainedToken(token.text))
                continue
            explained.append(ExplainedToken(token.text, number, token.sentence, token.start, token.end))
            word = sentences[token.sentence][token.word]
            words[number] = ExplainedWord(word.text, token.sentence, word.start, word.end)
        found.append((tuple(explained), tuple(words.values())))
    return found


def _score(
    nli: NLIModel,
    embeddings: torch.Tensor,
    attention_mask: torch.Tensor,
    langs: torch.Tensor | None,
    targets: torch.Tensor,
    contrasts: torch.Tensor,
) -> torch.Tensor:
    before_pass = _before_pass.get()
    if before_pass is not None:
        before_pass(len(embeddings))
    return _difference(
        forward.logits_from_embeddings(nli, embeddings, langs, attention_mask), targets, contrasts
    )


def _difference(logits: torch.Tensor, targets: torch.Tensor, contrasts: torch.Tensor) -> torch.Tensor:
    target = logits.gather(1, targets[:, None])[:, 0]
    contrast = logits.gather(1, contrasts.clamp(min=0)[:, None])[:, 0]
    return torch.where(contrasts >= 0, target - contrast, target)
