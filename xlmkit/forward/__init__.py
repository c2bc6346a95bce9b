"""Forward: the network of a checkpoint, computed without waste.

The same weights and the same numbers as transformers' `XLMForSequenceClassification` (post-norm blocks of XLM, Lample and Conneau 2019),
with fused attention, no caches, no arithmetic on padding (`layout`), the last layer computed only at the first position, which alone is pooled
(`layers`), and on x86 processors products by oneDNN (`products`). A model with `fused` = False is computed by transformers' own forward."""

from __future__ import annotations

from typing import Any

import torch

from xlmkit.encoding import Encoding
from xlmkit.forward.layers import classify, enter, layer
from xlmkit.forward.layout import Layout
from xlmkit.model import NLIModel


def embed(nli: NLIModel, input_ids: torch.Tensor) -> torch.Tensor:
    """(B, T) ids -> (B, T, H) word embeddings in fp32, on the model's device."""
    return nli.network.transformer.embeddings(input_ids.to(nli.device))


def logits(nli: NLIModel, encoding: Encoding) -> torch.Tensor:
    """Logits of a batch in the model's prediction precision.

    Returns
    -------
    (B, labels) float32 on the CPU, in the order of `nli.labels`; no gradient."""
    network = nli.prediction_network
    tensors = (encoding.input_ids, encoding.langs, encoding.attention_mask)
    ids, langs, mask = (tensor.to(nli.device) for tensor in tensors)
    with torch.inference_mode():
        if nli.fused:
            found = classify(network, network.transformer.embeddings(ids), langs, mask)
        else:
            found = network(input_ids=ids, langs=langs, attention_mask=mask).logits
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
    mask = attention_mask.to(nli.device)
    if not nli.fused:
        found: torch.Tensor = nli.network(inputs_embeds=embeddings, langs=langs, attention_mask=mask).logits
        return found
    return classify(nli.network, embeddings, langs, mask)


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
    found = classify(network, embeddings, langs, attention_mask, dropout=dropout, recompute=recompute)
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
    layout = Layout.of(attention_mask)
    found = [enter(network, embeddings, langs, layout, dropout)]
    for number in range(network.config.n_layers):
        found.append(layer(network, number, layout, dropout, found[-1], pooled=False))
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
