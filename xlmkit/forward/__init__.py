"""Forward: the network of a checkpoint, computed without waste.

The same weights and the same numbers as transformers' `XLMForSequenceClassification` (post-norm
blocks of XLM, Lample and Conneau 2019), with fused attention, no caches, no arithmetic on padding
(`Packing`), the last layer computed only at the first position, which alone is pooled (`network`),
and on x86 processors products by oneDNN (`products`). A model with `fused=False` is computed by
transformers' own forward. `batches` and `pooling` run a whole encoding: length-sorted batches, and
hidden states of it."""

from xlmkit.forward.batches import BATCH_TOKENS, Budget, is_out_of_memory, length_batches
from xlmkit.forward.network import (
    all_layers,
    attentions,
    embed,
    embed_languages,
    logits,
    logits_from_embeddings,
    training_logits,
)
from xlmkit.forward.pooling import hidden_states

__all__ = [
    "BATCH_TOKENS",
    "Budget",
    "all_layers",
    "attentions",
    "embed",
    "embed_languages",
    "hidden_states",
    "is_out_of_memory",
    "length_batches",
    "logits",
    "logits_from_embeddings",
    "training_logits",
]
