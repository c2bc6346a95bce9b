"""Hidden states of a whole encoding, pooled by pair, by sentence or by word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm.auto import tqdm

from xlmkit.checks import check_choice, is_int
from xlmkit.encoding import Encoding, word_numbers
from xlmkit.forward.batches import Budget, length_batches
from xlmkit.forward.network import all_layers
from xlmkit.model import NLIModel

POOLS = ("first", "sentence", "words")


def hidden_states(
    nli: NLIModel,
    encoding: Encoding,
    layers: Sequence[int] | None = None,
    pool: str = "sentence",
    *,
    budget: Budget | None = None,
    language_ids: bool = True,
    bar: tqdm | None = None,
) -> list[np.ndarray]:
    """Hidden states at some layers, pooled, in fp32 and in length-sorted batches.

    Parameters
    ----------
    encoding : N pairs or single texts.
    layers : L numbers, 0 (after the embeddings) to the network's number of layers; None takes all.
    pool : "first" takes the first position, which the head reads; "sentence" the mean of a single
        text's tokens without the special ones at both ends; "words" the mean of each word's tokens
        (the encoding needs spans).
    budget : padded tokens in one batch; None takes the default of the model's device.
    language_ids : False leaves the language embeddings out.
    bar : a progress bar, which counts rows.

    Returns
    -------
    N arrays of float32 in the order of the encoding: (L, H), or with "words" (L, W, H) with the
    words numbered as in `Explanation.words`.

    Raises
    ------
    ValueError : if `pool` or a layer is unknown, or the encoding has no spans where words are
        wanted."""
    check_choice("pool", pool, POOLS)
    layers = check_layers(nli, layers)

    def compute(rows: np.ndarray) -> list[np.ndarray]:
        return _pooled(nli, encoding.select(rows), layers, pool, language_ids)

    found: dict[int, np.ndarray] = {}
    for rows, states in length_batches(encoding.lengths, budget or Budget.of(nli, None), compute):
        found |= zip(rows.tolist(), states, strict=True)
        if bar is not None:
            bar.update(len(rows))
    return [found[row] for row in range(len(encoding))]


def check_layers(nli: NLIModel, layers: Sequence[int] | None) -> list[int]:
    """The layers as a list; None stands for all.

    Raises
    ------
    ValueError : if `layers` is empty, or one is not a layer of this model."""
    last = int(nli.network.config.n_layers)
    listed = list(range(last + 1)) if layers is None else list(layers)
    odd = [layer for layer in listed if not is_int(layer) or not 0 <= layer <= last]
    if odd or not listed:
        raise ValueError(
            f"a layer must be a whole number from 0 (after the embeddings) to {last}, the model's last; "
            f"got {odd[0] if odd else 'none'!r}"
        )
    return [int(layer) for layer in listed]


def _pooled(
    nli: NLIModel, batch: Encoding, layers: list[int], pool: str, language_ids: bool
) -> list[np.ndarray]:
    mask = batch.attention_mask
    ids, langs, real = (tensor.to(nli.device) for tensor in (batch.input_ids, batch.langs, mask))
    with torch.inference_mode():
        every = all_layers(nli.network, ids, langs if language_ids else None, real)
        states = torch.stack([every[layer].float().cpu() for layer in layers])  # (L, R, H)
    groups, sizes = _groups(batch, pool)  # (R,), (B,)
    grouped = groups >= 0
    counts = torch.bincount(groups[grouped], minlength=sum(sizes))  # (G,) tokens of each group
    sums = states.new_zeros(len(layers), len(counts), states.size(2))
    means = sums.index_add_(1, groups[grouped], states[:, grouped]) / counts[:, None]  # (L, G, H)
    parts = means.split(sizes, dim=1)
    return [(part if pool == "words" else part[:, 0]).numpy() for part in parts]


def _groups(batch: Encoding, pool: str) -> tuple[torch.Tensor, list[int]]:
    """Which mean each real token goes into, counted through the batch (-1: into none), and how many
    means each row has.

    tokens            </s>  the  dog  bar ks  </s>       one row, three words
    "words"             -1    0    1    2  2    -1       3 means
    "sentence"          -1    0    0    0  0    -1       1 mean"""
    mask = batch.attention_mask
    rows, positions = mask.nonzero(as_tuple=True)  # (R,) of each real token
    if pool == "words":
        numbers = word_numbers(batch)[mask.bool()]  # (R,)
        sizes = [int(numbers[rows == row].max()) + 1 for row in range(len(batch))]
        starts = torch.tensor([0, *sizes]).cumsum(0)
        return torch.where(numbers < 0, -1, numbers + starts[rows]), sizes
    last = torch.from_numpy(batch.lengths)[rows] - 1
    inside = positions == 0 if pool == "first" else (positions > 0) & (positions < last)
    return torch.where(inside, rows, -1), [1] * len(batch)
