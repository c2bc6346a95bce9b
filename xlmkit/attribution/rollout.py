"""Attention rollout (Abnar and Zuidema 2020, arXiv:2005.00928): where the pooled position's attention comes from, through all layers.

Each layer's probabilities are averaged over its heads, mixed half and half with the identity for the residual connection, and multiplied up. What
comes out is a distribution over the tokens. It is here as a warning: it is the same for every label, has no sign, and leaves out values and
feed-forward blocks; attention is no explanation by itself (Jain and Wallace 2019, arXiv:1902.10186)."""

from __future__ import annotations

import torch

from xlmkit import forward
from xlmkit.attribution.batch import Attributed, Batch


def attention_rollout(batch: Batch) -> Attributed:
    """Shares in [0, 1] that sum to 1 over a pair's tokens, special ones included."""
    layers = forward.attentions(batch.nli, batch.encoding)
    flow = torch.zeros_like(layers[0][:, 0, :1])  # (B, 1, T)
    flow[..., 0] = 1.0
    for attention in reversed(layers):
        flow = (flow + flow @ attention.mean(1)) / 2
    return Attributed(flow.transpose(1, 2))
