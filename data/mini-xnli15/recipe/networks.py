"""Networks of the recipe: XLM's architecture for the model that is made, and for the encoder that it learns from."""

from __future__ import annotations

import torch
from transformers import XLMConfig, XLMForSequenceClassification

from xlmkit.languages import LANGUAGES
from xlmkit.model.device import choose_dtype

LABELS = ("contradiction", "neutral", "entailment")  # the authors' order


def build(
    *,
    layers: int,
    width: int,
    heads: int,
    pieces: int,
    languages: int,
    positions: int,
    epsilon: float = 1e-12,
) -> XLMForSequenceClassification:
    """An untrained XLM with a head for three labels; weights from torch's generator. With one language it has no language embeddings."""
    codes = LANGUAGES if languages > 1 else {}
    config = XLMConfig(
        vocab_size=pieces,
        emb_dim=width,
        n_layers=layers,
        n_heads=heads,
        n_langs=languages,
        use_lang_emb=languages > 1,
        max_position_embeddings=positions,
        layer_norm_eps=epsilon,
        summary_first_dropout=0.1,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
        lang2id={code: language.id for code, language in codes.items()},
        id2lang={language.id: code for code, language in codes.items()},
    )
    return XLMForSequenceClassification(config)


def precision() -> torch.dtype:
    """What the stages multiply in: bfloat16 where the processor has instructions for it, else float32, since emulating it costs time."""
    return choose_dtype("auto", torch.device("cpu"))[0]


def autocast() -> torch.autocast:
    """A block that multiplies in `precision`."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision() == torch.bfloat16)
