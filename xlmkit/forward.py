"""Forward: the network of a checkpoint, computed without waste.

The same weights and the same numbers as transformers' `XLMForSequenceClassification` (post-norm blocks of XLM, Lample and Conneau 2019),
with fused attention, no caches, and the last layer computed only at the first position, which alone is pooled."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from xlmkit.checkpoint import NLIModel
from xlmkit.encoding import Encoding


def embed(nli: NLIModel, input_ids: torch.Tensor) -> torch.Tensor:
    """(B, T) ids -> (B, T, H) word embeddings in fp32, on the model's device."""
    return nli.network.transformer.embeddings(input_ids.to(nli.device))


def logits(nli: NLIModel, encoding: Encoding) -> torch.Tensor:
    """Logits of a batch in the model's prediction precision.

    Returns
    -------
    (B, labels) float32 on the CPU, in the order of `nli.labels`; no gradient."""
    network = nli.prediction_network
    with torch.inference_mode():
        embeddings = network.transformer.embeddings(encoding.input_ids.to(nli.device))  # (B, T, H)
        found = _classify(
            network, embeddings, encoding.langs.to(nli.device), encoding.attention_mask.to(nli.device)
        )
    return found.float().cpu()


def logits_from_embeddings(
    nli: NLIModel, embeddings: torch.Tensor, langs: torch.Tensor, attention_mask: torch.Tensor
) -> torch.Tensor:
    """Logits in fp32 as a differentiable function of the word embeddings.

    Parameters
    ----------
    embeddings : (B, T, H) float32, before positions and language embeddings are added.
    langs, attention_mask : (B, T) int64.

    Returns
    -------
    (B, labels) float32 on the model's device."""
    return _classify(nli.network, embeddings, langs.to(nli.device), attention_mask.to(nli.device))


def out_of_memory(error: RuntimeError) -> bool:
    """Whether `error` says that memory ran out, in the words of CUDA, MPS or the CPU's allocator; then the device's cache is emptied."""
    said = ("out of memory", "not enough memory", "can't allocate memory")
    if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in said):
        return False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True


def _classify(
    network: Any, embeddings: torch.Tensor, langs: torch.Tensor, attention_mask: torch.Tensor
) -> torch.Tensor:
    """(B, T, H) word embeddings -> (B, labels) logits."""
    body, config = network.transformer, network.config
    size = embeddings.size(1)
    states = embeddings + body.position_embeddings.weight[:size]  # (B, T, H)
    if config.use_lang_emb and config.n_langs > 1:
        states = states + body.lang_embeddings(langs)
    states = body.layer_norm_emb(states)
    padded = not bool(attention_mask.all())
    mask = attention_mask.bool()[:, None, None, :] if padded else None  # (B, 1, 1, T)
    for layer in range(config.n_layers):
        last = layer == config.n_layers - 1
        queries = states[:, :1] if last else states  # (B, 1 or T, H); the first position alone is pooled
        attended = _attend(body.attentions[layer], queries, states, mask)
        states = body.layer_norm1[layer](queries + attended)
        states = body.layer_norm2[layer](
            states + _feed_forward(body.ffns[layer], states, config.gelu_activation)
        )
    return network.sequence_summary(states)


def _attend(
    attention: Any, queries: torch.Tensor, states: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Multi-head attention of (B, Q, H) queries over (B, T, H) states; padded keys are masked out, so their values never matter."""
    heads, width = attention.n_heads, attention.head_dim
    q, k, v = (
        linear(x).unflatten(-1, (heads, width)).transpose(1, 2)  # (B, heads, Q or T, width)
        for linear, x in ((attention.q_lin, queries), (attention.k_lin, states), (attention.v_lin, states))
    )
    context = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return attention.out_lin(context.transpose(1, 2).flatten(2))


def _feed_forward(block: Any, states: torch.Tensor, gelu: bool) -> torch.Tensor:
    hidden = block.lin1(states)
    return block.lin2(F.gelu(hidden) if gelu else F.relu(hidden))
