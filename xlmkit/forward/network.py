"""The blocks of an XLM (post-norm, Lample and Conneau 2019) over packed tokens, and what is
computed with them: logits, hidden states, attention. All of it is differentiable unless it says
otherwise.

B = batch, T = tokens, H = width, R = packed rows (`Packing`): the real tokens without the
padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from xlmkit.encoding import Encoding
from xlmkit.forward.products import linear, linear_gelu
from xlmkit.model import NLIModel

SMALL_STEP, STEP = 8, 32
"""Packed tokens come in multiples of `STEP`: padding fills up where there is some, zeros elsewhere.
For each new number of rows oneDNN compiles its products again and keeps them in memory. Up to
`SMALL_STEP * STEP` tokens, where that much padding would cost noticeable time, they come in
multiples of `SMALL_STEP`."""


@dataclass(frozen=True)
class Packing:
    """Which of the B x T positions of a batch are the R packed rows, and back.

    Two pairs of 3 and 2 tokens (`-` is padding; here without filling up to a multiple):

        batch      a b c | d e -          (B, T) = (2, 3)
        packed     a b c d e              (R, H); kept = [0 1 2 3 4], first = [0 3]
        unpacked   a b c | d e e          row_of = [0 1 2 3 4 4]

    Padding repeats the last token before it: finite, and masked in attention. A batch without
    padding needs neither `kept` nor `mask` nor `row_of`, which are None then."""

    shape: tuple[int, int]  # B, T
    kept: torch.Tensor | None  # (R,) positions in the flattened batch, filled up with padding
    first: torch.Tensor  # (B,) the packed row of each pair's first token
    mask: torch.Tensor | None  # (B, 1, 1, T) true where a key is real
    row_of: torch.Tensor | None  # (B * T,) each position's packed row

    @classmethod
    def of(cls, attention_mask: torch.Tensor) -> Packing:
        """The packing of a (B, T) mask."""
        pairs, width = attention_mask.shape
        lengths = attention_mask.sum(1)
        first = lengths.cumsum(0) - lengths
        if bool(attention_mask.all()):
            return cls((pairs, width), None, first, None, None)
        flat = attention_mask.flatten()
        kept = flat.nonzero().squeeze(1)
        padding = (flat == 0).nonzero().squeeze(1)
        kept = torch.cat([kept, padding[: _missing(len(kept))]])
        return cls((pairs, width), kept, first, attention_mask.bool()[:, None, None, :], flat.cumsum(0) - 1)

    def pack(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, H) -> (R, H)."""
        rows = states.flatten(0, 1)
        return F.pad(rows, (0, 0, 0, _missing(len(rows)))) if self.kept is None else rows[self.kept]

    def unpack(self, rows: torch.Tensor) -> torch.Tensor:
        """(R, H) -> (B, T, H); what is at padding is finite, and for `mask` to hide."""
        pairs, width = self.shape
        if self.kept is None or self.row_of is None:
            return rows[: pairs * width].unflatten(0, self.shape)
        if not rows.requires_grad:
            return rows.index_select(0, self.row_of).unflatten(0, self.shape)
        # The gradient of this is a plain selection, that of `index_select` a sum over repeated
        # rows.
        empty = rows.new_zeros(pairs * width, rows.size(1))
        return empty.index_copy(0, self.kept, rows).unflatten(0, self.shape)


def embed(nli: NLIModel, input_ids: torch.Tensor) -> torch.Tensor:
    """(B, T) ids -> (B, T, H) word embeddings in fp32, on the model's device."""
    return nli.network.transformer.embeddings(input_ids.to(nli.device))


def embed_languages(nli: NLIModel, langs: torch.Tensor) -> torch.Tensor:
    """(B, T) language ids -> (B, T, H) language embeddings in fp32, on the model's device; the
    network must have them."""
    return nli.network.transformer.lang_embeddings(langs.to(nli.device))


def logits(nli: NLIModel, encoding: Encoding) -> torch.Tensor:
    """Logits of a batch in the model's prediction precision.

    Returns
    -------
    (B, labels) float32 on the CPU, in the order of `nli.labels`; no gradient."""
    network = nli.prediction_network
    ids, langs, mask = _on_device(nli, encoding)
    with torch.inference_mode():
        if nli.fused:
            result = _classifier_logits(network, network.transformer.embeddings(ids), langs, mask)
        else:
            result = network(input_ids=ids, langs=langs, attention_mask=mask).logits
    return result.float().cpu()


def logits_from_embeddings(
    nli: NLIModel, embeddings: torch.Tensor, langs: torch.Tensor | None, attention_mask: torch.Tensor
) -> torch.Tensor:
    """Logits in fp32 as a differentiable function of the word embeddings.

    Parameters
    ----------
    embeddings : (B, T, H) float32, before positions and language embeddings are added.
    langs, attention_mask : (B, T) int64. None as `langs` adds no language embeddings: `embeddings`
        contain them already, or they should be left out.

    Returns
    -------
    (B, labels) float32 on the model's device.

    Raises
    ------
    ValueError : if `attention_mask` or `langs` has another shape; they are not repeated for the
        rows of `embeddings`."""
    for name, tensor in (("attention_mask", attention_mask), ("langs", langs)):
        if tensor is not None and tensor.shape != embeddings.shape[:2]:
            raise ValueError(
                f"`{name}` must have one row per row of the embeddings: expected shape {tuple(embeddings.shape[:2])}, "
                f"got {tuple(tensor.shape)}. Use {name}.expand({len(embeddings)}, -1)."
            )
    langs = None if langs is None else langs.to(nli.device)
    mask = attention_mask.to(nli.device)
    if nli.fused:
        return _classifier_logits(nli.network, embeddings, langs, mask)
    return nli.network(inputs_embeds=embeddings, langs=langs, attention_mask=mask).logits


def training_logits(
    network: Any,
    input_ids: torch.Tensor,
    langs: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    dropout: float,
    recompute: bool = False,
) -> torch.Tensor:
    """Logits to learn from: a differentiable function of the weights, with dropout wherever XLM has
    it.

    Parameters
    ----------
    network : an `XLMForSequenceClassification` whose weights require gradients.
    input_ids, langs, attention_mask : (B, T) int64, on the network's device.
    dropout : probability in [0, 1), after the embeddings, in attention, after attention and
        feed-forward, and before the head.
    recompute : keep only each layer's input and compute the rest again in the backward pass: less
        memory, one more forward pass.

    Returns
    -------
    (B, labels) float32."""
    embeddings = network.transformer.embeddings(input_ids)  # (B, T, H)
    return _classifier_logits(
        network, embeddings, langs, attention_mask, dropout=dropout, recompute=recompute
    ).float()


def all_layers(
    network: Any,
    input_ids: torch.Tensor,
    langs: torch.Tensor | None,
    attention_mask: torch.Tensor,
    *,
    dropout: float = 0.0,
) -> list[torch.Tensor]:
    """Hidden states of the real tokens of one batch at every layer; `hidden_states` is for whole
    encodings.

    Parameters
    ----------
    network : an XLM, whatever its head.
    input_ids, langs, attention_mask : (B, T) int64, on the network's device; None as `langs` leaves
        the language embeddings out.
    dropout : probability in [0, 1).

    Returns
    -------
    One (R, H) tensor after the embeddings and one after each layer, where R counts the ones of
    `attention_mask`, row by row."""
    packing = Packing.of(attention_mask)
    embeddings = network.transformer.embeddings(input_ids)  # (B, T, H)
    states = [_embed_inputs(network, embeddings, langs, packing, dropout)]
    for number in range(network.config.n_layers):
        states.append(_layer(network, number, packing, dropout, states[-1], pooled=False))
    real = int(attention_mask.sum())  # the packed rows after that are padding
    return [rows[:real] for rows in states]


def attentions(nli: NLIModel, encoding: Encoding) -> tuple[torch.Tensor, ...]:
    """Attention probabilities of every layer in fp32, first layer first; no gradient.

    Returns
    -------
    One (B, heads, T, T) tensor per layer, on the model's device: row `q` says how much position `q`
    takes from each position, and sums to 1; rows and columns of padding are zero."""
    ids, langs, mask = _on_device(nli, encoding)
    real, packing = mask.bool(), Packing.of(mask)
    result = []
    with torch.no_grad():
        states = all_layers(nli.network, ids, langs, mask)
        for block, rows in zip(nli.network.transformer.attentions, states[:-1], strict=True):
            q, k = (_heads(block, packing.unpack(linear(side, rows))) for side in (block.q_lin, block.k_lin))
            scores = q @ k.transpose(-1, -2) * q.size(-1) ** -0.5  # (B, heads, T, T)
            shares = scores.masked_fill(~real[:, None, None, :], -torch.inf).softmax(-1)
            result.append(shares * real[:, None, :, None])
    return tuple(result)


def _on_device(nli: NLIModel, encoding: Encoding) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, language ids and mask, (B, T) each."""
    tensors = (encoding.input_ids, encoding.langs, encoding.attention_mask)
    ids, langs, mask = (tensor.to(nli.device) for tensor in tensors)
    return ids, langs, mask


def _classifier_logits(
    network: Any,
    embeddings: torch.Tensor,
    langs: torch.Tensor | None,
    attention_mask: torch.Tensor,
    *,
    dropout: float = 0.0,
    recompute: bool = False,
) -> torch.Tensor:
    """(B, T, H) word embeddings -> (B, labels) logits."""
    packing = Packing.of(attention_mask)
    rows = _embed_inputs(network, embeddings, langs, packing, dropout)  # (R, H)
    last = network.config.n_layers - 1
    for number in range(last + 1):
        block = partial(_layer, network, number, packing, dropout, pooled=number == last)
        rows = checkpoint(block, rows, use_reentrant=False) if recompute else block(rows)
    return network.sequence_summary(F.dropout(rows, dropout)[:, None])


def _embed_inputs(
    network: Any, embeddings: torch.Tensor, langs: torch.Tensor | None, packing: Packing, dropout: float
) -> torch.Tensor:
    """(B, T, H) word embeddings -> (R, H), with positions and languages."""
    body, config = network.transformer, network.config
    total = embeddings + body.position_embeddings.weight[: embeddings.size(1)]  # (B, T, H)
    if langs is not None and config.use_lang_emb and config.n_langs > 1:
        total = total + body.lang_embeddings(langs)
    return F.dropout(body.layer_norm_emb(packing.pack(total)), dropout)


def _layer(
    network: Any, number: int, packing: Packing, dropout: float, rows: torch.Tensor, *, pooled: bool
) -> torch.Tensor:
    """(R, H) -> (R, H), or (B, H) where only the first position is wanted."""
    body = network.transformer
    queries = rows[packing.first] if pooled else rows
    attended = _attend(body.attentions[number], queries, rows, packing, pooled=pooled, dropout=dropout)
    rows = body.layer_norm1[number](queries + F.dropout(attended, dropout))
    block = body.ffns[number]
    hidden = (
        linear_gelu(block.lin1, rows) if network.config.gelu_activation else F.relu(linear(block.lin1, rows))
    )
    return body.layer_norm2[number](rows + F.dropout(linear(block.lin2, hidden), dropout))


def _attend(
    block: Any, queries: torch.Tensor, rows: torch.Tensor, packing: Packing, *, pooled: bool, dropout: float
) -> torch.Tensor:
    """Multi-head attention over each pair's own tokens: (R, H) queries, or (B, H) where only the
    first position asks."""
    asked = linear(block.q_lin, queries)
    q = _heads(block, asked[:, None] if pooled else packing.unpack(asked))
    k = _heads(block, packing.unpack(linear(block.k_lin, rows)))
    v = _heads(block, packing.unpack(linear(block.v_lin, rows)))
    context = _attention(q, k, v, packing.mask, dropout).transpose(1, 2).flatten(2)  # (B, 1 or T, H)
    return linear(block.out_lin, context[:, 0] if pooled else packing.pack(context))


def _heads(block: Any, states: torch.Tensor) -> torch.Tensor:
    """(B, T, H) -> (B, heads, T, width)."""
    return states.unflatten(-1, (block.n_heads, block.head_dim)).transpose(1, 2)


def _attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, dropout: float
) -> torch.Tensor:
    """Scaled dot-product attention, (B, heads, Q, width)."""
    if not (q.requires_grad and q.dtype == torch.bfloat16 and q.device.type == "cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    # In bf16 on a CPU, the backward pass of torch 2.13's fused kernel is slower than this.
    scores = q @ k.transpose(-1, -2) * q.size(-1) ** -0.5  # (B, heads, Q, T)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return F.dropout(scores.softmax(-1, dtype=scores.dtype), dropout) @ v


def _missing(rows: int) -> int:
    """How many rows are missing to the next multiple."""
    return -rows % (STEP if rows > SMALL_STEP * STEP else SMALL_STEP)
