"""`NLIModel`: one checkpoint, with everything that its numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers import XLMForSequenceClassification, XLMWithLMHeadModel

from xlmkit.model import weights
from xlmkit.pairs import LABELS
from xlmkit.tokenization import BPETokenizer

PAIR_FORMATS = ("xlm", "huggingface")
CLASSIFIERS = ("nli", "classification")  # tasks whose network has one logit per label


@dataclass(frozen=True, eq=False)
class NLIModel:
    """One checkpoint, ready for `predict` and `explain`.

    Attributes
    ----------
    network : in float32, in evaluation mode, without gradients for its weights, on `device`.
    tokenizer : the vocabulary and its merges.
    labels : names in the order of the logits; () where `task` is "mlm".
    lang2id : code -> language id of this checkpoint; empty where it knows none.
    pair_format : "xlm" for `</s> P </s> H </s>` (the authors'), "huggingface" for `<s> P </s> H
        </s>`.
    lowercase : whether texts are lower-cased and stripped of marks
        (`do_lowercase_and_remove_accent`).
    task : "nli", "classification" for other labels, or "mlm".
    device, dtype : where predictions are computed, and in which precision; attributions are always
        float32.
    trained : False where the head is random, so that every prediction can say so.
    source : the folder or Hub name that was asked for.
    provenance : source, sha256 of the weights, versions, the content of `xlmkit.json`.
    sentences : 2 if the model was trained on pairs, 1 if on single texts; None if its folder does
        not say.
    fused : False to compute logits by transformers' own forward instead of `forward`: the same
        numbers, slower. Set it with `dataclasses.replace`."""

    network: XLMForSequenceClassification | XLMWithLMHeadModel
    tokenizer: BPETokenizer
    labels: tuple[str, ...]
    lang2id: Mapping[str, int]
    pair_format: str
    lowercase: bool
    task: str
    device: torch.device
    dtype: torch.dtype
    trained: bool
    source: str
    provenance: Mapping[str, Any]
    sentences: int | None = 2
    fused: bool = True

    @classmethod
    def in_memory(
        cls, network: Any, tokenizer: BPETokenizer, labels: Sequence[str], *, source: str
    ) -> NLIModel:
        """Make a model of a network in memory, which counts as trained: the authors' pair format,
        lower-casing, float32.

        Parameters
        ----------
        network : its `config.lang2id` gives the language ids, its weights the device.
        labels : names in the order of the logits; if they are not NLI's three, the task is
            "classification".
        source : its name in messages and provenance. For other settings, use `dataclasses.replace`
            on the result."""
        nli = sorted(labels) == sorted(LABELS)
        return cls(
            network=network,
            tokenizer=tokenizer,
            labels=tuple(labels),
            lang2id=dict(network.config.lang2id),
            pair_format="xlm",
            lowercase=True,
            task="nli" if nli else "classification",
            device=next(network.parameters()).device,
            dtype=torch.float32,
            trained=True,
            source=source,
            provenance={"source": source, "labels": list(labels), "trained": True},
            sentences=2 if nli else None,
        )

    @property
    def uses_language_ids(self) -> bool:
        """Whether the network has language embeddings at all (xlm-mlm-17 and -100 have none)."""
        config = self.network.config
        return bool(config.use_lang_emb and config.n_langs > 1)

    @property
    def max_positions(self) -> int:
        """The most tokens that one input may have, special tokens included."""
        return int(self.network.config.max_position_embeddings)

    @cached_property
    def prediction_network(self) -> XLMForSequenceClassification | XLMWithLMHeadModel:
        """The network in `dtype`: itself if that is float32, else a second one with the same
        weights, made once."""
        if self.dtype == torch.float32:
            return self.network
        return weights.cast(self.network, self.dtype)
