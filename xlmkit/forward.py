"""Forward: the network of a checkpoint, computed without waste.

The same weights and the same numbers as transformers' `XLMForSequenceClassification` (post-norm blocks of XLM, Lample and Conneau 2019),
with fused attention, no caches, no arithmetic on padding, and the last layer computed only at the first position, which alone is pooled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

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


def embed_languages(nli: NLIModel, langs: torch.Tensor) -> torch.Tensor:
    """(B, T) language ids -> (B, T, H) language embeddings in fp32, on the model's device; the network must have such embeddings."""
    return nli.network.transformer.lang_embeddings(langs.to(nli.device))


def logits_from_embeddings(
    nli: NLIModel, embeddings: torch.Tensor, langs: torch.Tensor | None, attention_mask: torch.Tensor
) -> torch.Tensor:
    """Logits in fp32 as a differentiable function of the word embeddings.

    Parameters
    ----------
    embeddings : (B, T, H) float32, before positions and language embeddings are added.
    langs, attention_mask : (B, T) int64. None as `langs` adds no language embeddings: they are in `embeddings` already, or wanted nowhere.

    Returns
    -------
    (B, labels) float32 on the model's device.

    Raises
    ------
    ValueError : if `attention_mask` or `langs` is of another shape; it is not repeated for the rows of `embeddings`."""
    for name, given in (("attention_mask", attention_mask), ("langs", langs)):
        if given is not None and given.shape != embeddings.shape[:2]:
            raise ValueError(
                f"`{name}` must have a row for each of the embeddings: expected shape {tuple(embeddings.shape[:2])}, "
                f"got {tuple(given.shape)}; remedy: {name}.expand({len(embeddings)}, -1)"
            )
    langs = None if langs is None else langs.to(nli.device)
    return _classify(nli.network, embeddings, langs, attention_mask.to(nli.device))


def attentions(nli: NLIModel, encoding: Encoding) -> tuple[torch.Tensor, ...]:
    """Attention probabilities of every layer in fp32, first layer first; no gradient.

    Returns
    -------
    A tensor (B, heads, T, T) a layer, on the model's device: row `q` says what position `q` takes from each position, and sums to 1; rows and
    columns of padding are zero."""
    mask = encoding.attention_mask.to(nli.device)
    real = mask.bool()
    found = []
    with torch.no_grad():
        inputs = states(nli.network, encoding.input_ids.to(nli.device), encoding.langs.to(nli.device), mask)
        for attention, rows in zip(nli.network.transformer.attentions, inputs[:-1], strict=True):
            spread = rows.new_zeros(*mask.shape, rows.size(1)).masked_scatter(real[..., None], rows)
            q, k = (
                lin(spread).unflatten(-1, (attention.n_heads, attention.head_dim)).transpose(1, 2)
                for lin in (attention.q_lin, attention.k_lin)
            )
            scores = q @ k.transpose(-1, -2) * q.size(-1) ** -0.5  # (B, heads, T, T)
            shares = scores.masked_fill(~real[:, None, None, :], -torch.inf).softmax(-1)
            found.append(shares * real[:, None, :, None])
    return tuple(found)


def training_logits(
    network: Any,
    input_ids: torch.Tensor,
    langs: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    dropout: float,
    recompute: bool = False,
) -> torch.Tensor:
    """Logits to learn from: a differentiable function of the weights, with dropout wherever XLM has it.

    Parameters
    ----------
    network : an `XLMForSequenceClassification` whose weights take gradients.
    input_ids, langs, attention_mask : (B, T) int64, on the network's device.
    dropout : probability in [0, 1), after the embeddings, in attention, after attention and feed-forward, and before the head.
    recompute : keep only each layer's input and compute the rest again on the way back: less memory, about a third more time.

    Returns
    -------
    (B, labels) float32."""
    embeddings = network.transformer.embeddings(input_ids)  # (B, T, H)
    found = _classify(network, embeddings, langs, attention_mask, dropout=dropout, recompute=recompute)
    return found.float()


def states(
    network: Any,
    input_ids: torch.Tensor,
    langs: torch.Tensor | None,
    attention_mask: torch.Tensor,
    *,
    dropout: float = 0.0,
) -> list[torch.Tensor]:
    """What every layer makes of the real tokens of a batch; differentiable.

    Parameters
    ----------
    network : an XLM, whatever its head.
    input_ids, langs, attention_mask : (B, T) int64, on the network's device; None as `langs` leaves the language embeddings out.
    dropout : probability in [0, 1).

    Returns
    -------
    After the embeddings and after each layer (R, H), where R counts the ones of `attention_mask`, row by row."""
    embeddings = network.transformer.embeddings(input_ids)  # (B, T, H)
    layout = _Layout.of(attention_mask)
    found = [_enter(network, embeddings, langs, layout, dropout)]
    for number in range(network.config.n_layers):
        found.append(_layer(network, number, layout, dropout, found[-1], pooled=False))
    real = int(attention_mask.sum())  # what was packed behind that is padding
    return [rows[:real] for rows in found]


def out_of_memory(error: RuntimeError) -> bool:
    """Whether `error` says that memory ran out, in the words of CUDA, MPS or the CPU's allocator; then the device's cache is emptied."""
    said = ("out of memory", "not enough memory", "can't allocate memory")
    if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in said):
        return False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True


ALIKE = 32
"""Packed tokens come in multiples of this where there is padding to fill up with. For each new number of rows oneDNN compiles its bf16 products anew
and keeps them: measured on a processor, a linear layer took twice the time and 2 MB more at each step without it."""


@dataclass(frozen=True)
class _Layout:
    """Where the R real tokens of a batch stand among its B x T positions: padding takes part in attention's shapes and in next to nothing else."""

    pairs: int  # B
    real: torch.Tensor | None  # (R,) places in the flattened batch, padding last; None without padding
    first: torch.Tensor  # (B,) each pair's first token among the real ones
    mask: torch.Tensor | None  # (B, 1, 1, T) true where a key is real

    @classmethod
    def of(cls, attention_mask: torch.Tensor) -> _Layout:
        lengths = attention_mask.sum(1)
        first = lengths.cumsum(0) - lengths
        if bool(attention_mask.all()):
            return cls(len(attention_mask), None, first, None)
        flat = attention_mask.flatten()
        real = flat.nonzero().squeeze(1)
        padding = (flat == 0).nonzero().squeeze(1)
        real = torch.cat([real, padding[: -len(real) % ALIKE]])
        return cls(len(attention_mask), real, first, attention_mask.bool()[:, None, None, :])

    def pack(self, states: torch.Tensor) -> torch.Tensor:
        """(B, T, H) -> (R, H)."""
        rows = states.flatten(0, 1)
        return rows if self.real is None else rows[self.real]

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """(R, H) -> (B, T, H), zero at padding that was not packed."""
        if self.real is None or self.mask is None:
            return rows.unflatten(0, (self.pairs, -1))
        empty = rows.new_zeros(self.mask.numel(), rows.size(1))
        return empty.index_copy(0, self.real, rows).unflatten(0, (self.pairs, -1))


def _classify(
    network: Any,
    embeddings: torch.Tensor,
    langs: torch.Tensor | None,
    attention_mask: torch.Tensor,
    *,
    dropout: float = 0.0,
    recompute: bool = False,
) -> torch.Tensor:
    """(B, T, H) word embeddings -> (B, labels) logits."""
    layout = _Layout.of(attention_mask)
    rows = _enter(network, embeddings, langs, layout, dropout)  # (R, H)
    last = network.config.n_layers - 1
    for number in range(last + 1):
        layer = partial(_layer, network, number, layout, dropout, pooled=number == last)
        rows = checkpoint(layer, rows, use_reentrant=False) if recompute else layer(rows)
    return network.sequence_summary(F.dropout(rows, dropout)[:, None])


def _enter(
    network: Any, embeddings: torch.Tensor, langs: torch.Tensor | None, layout: _Layout, dropout: float
) -> torch.Tensor:
    """(B, T, H) word embeddings -> (R, H), with positions and languages."""
    body, config = network.transformer, network.config
    total = embeddings + body.position_embeddings.weight[: embeddings.size(1)]  # (B, T, H)
    if langs is not None and config.use_lang_emb and config.n_langs > 1:
        total = total + body.lang_embeddings(langs)
    return F.dropout(body.layer_norm_emb(layout.pack(total)), dropout)


def _layer(
    network: Any, number: int, layout: _Layout, dropout: float, rows: torch.Tensor, *, pooled: bool
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
    layout: _Layout,
    *,
    pooled: bool,
    dropout: float,
) -> torch.Tensor:
    """Multi-head attention over each pair's own tokens: (R, H) queries, or (B, H) where only the first position asks."""
    asked = attention.q_lin(queries)
    q, k, v = (
        states.unflatten(-1, (attention.n_heads, attention.head_dim)).transpose(
            1, 2
        )  # (B, heads, Q or T, width)
        for states in (
            asked[:, None] if pooled else layout.spread(asked),
            layout.spread(attention.k_lin(rows)),
            layout.spread(attention.v_lin(rows)),
        )
    )
    context = _mix(q, k, v, layout.mask, dropout).transpose(1, 2).flatten(2)  # (B, Q or T, H)
    return attention.out_lin(context[:, 0] if pooled else layout.pack(context))


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


def _feed_forward(block: Any, states: torch.Tensor, gelu: bool) -> torch.Tensor:
    hidden = block.lin1(states)
    return block.lin2(F.gelu(hidden) if gelu else F.relu(hidden))
