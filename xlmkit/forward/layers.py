"""Layers: the blocks of an XLM (post-norm, Lample and Conneau 2019) over packed tokens, each a differentiable function of its input."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from xlmkit.forward.layout import Layout
from xlmkit.forward.products import linear, linear_gelu


def classify(
    network: Any,
    embeddings: torch.Tensor,
    langs: torch.Tensor | None,
    attention_mask: torch.Tensor,
    *,
    dropout: float = 0.0,
    recompute: bool = False,
) -> torch.Tensor:
    """(B, T, H) word embeddings -> (B, labels) logits."""
    layout = Layout.of(attention_mask)
    rows = enter(network, embeddings, langs, layout, dropout)  # (R, H)
    last = network.config.n_layers - 1
    for number in range(last + 1):
        step = partial(layer, network, number, layout, dropout, pooled=number == last)
        rows = checkpoint(step, rows, use_reentrant=False) if recompute else step(rows)
    return network.sequence_summary(F.dropout(rows, dropout)[:, None])


def enter(
    network: Any, embeddings: torch.Tensor, langs: torch.Tensor | None, layout: Layout, dropout: float
) -> torch.Tensor:
    """(B, T, H) word embeddings -> (R, H), with positions and languages."""
    body, config = network.transformer, network.config
    total = embeddings + body.position_embeddings.weight[: embeddings.size(1)]  # (B, T, H)
    if langs is not None and config.use_lang_emb and config.n_langs > 1:
        total = total + body.lang_embeddings(langs)
    return F.dropout(body.layer_norm_emb(layout.pack(total)), dropout)


def layer(
    network: Any, number: int, layout: Layout, dropout: float, rows: torch.Tensor, *, pooled: bool
) -> torch.Tensor:
    """(R, H) -> (R, H), or (B, H) where only the first position is wanted."""
    body = network.transformer
    queries = rows[layout.first] if pooled else rows
    attended = _attend(body.attentions[number], queries, rows, layout, pooled=pooled, dropout=dropout)
    rows = body.layer_norm1[number](queries + F.dropout(attended, dropout))
    fed = _feed_forward(body.ffns[number], rows, network.config.gelu_activation)
    return body.layer_norm2[number](rows + F.dropout(fed, dropout))


def _attend(
    attention: Any,
    queries: torch.Tensor,
    rows: torch.Tensor,
    layout: Layout,
    *,
    pooled: bool,
    dropout: float,
) -> torch.Tensor:
    """Multi-head attention over each pair's own tokens: (R, H) queries, or (B, H) where only the first position asks."""
    asked = linear(attention.q_lin, queries)
    q, k, v = (
        states.unflatten(-1, (attention.n_heads, attention.head_dim)).transpose(
            1, 2
        )  # (B, heads, Q or T, width)
        for states in (
            asked[:, None] if pooled else layout.spread(asked),
            layout.spread(linear(attention.k_lin, rows)),
            layout.spread(linear(attention.v_lin, rows)),
        )
    )
    context = _mix(q, k, v, layout.mask, dropout).transpose(1, 2).flatten(2)  # (B, Q or T, H)
    return linear(attention.out_lin, context[:, 0] if pooled else layout.pack(context))


def _mix(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, dropout: float
) -> torch.Tensor:
    """Scaled dot-product attention, (B, heads, Q, width)."""
    if not (q.requires_grad and q.dtype == torch.bfloat16 and q.device.type == "cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    # torch 2.13's fused kernel takes five times as long on its way back in bf16 on a CPU (98 against 20 ms, 64 pairs of 48 tokens).
    scores = q @ k.transpose(-1, -2) * q.size(-1) ** -0.5  # (B, heads, Q, T)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return F.dropout(scores.softmax(-1, dtype=scores.dtype), dropout) @ v


def _feed_forward(block: Any, rows: torch.Tensor, gelu: bool) -> torch.Tensor:
    hidden = linear_gelu(block.lin1, rows) if gelu else F.relu(linear(block.lin1, rows))
    return linear(block.lin2, hidden)
