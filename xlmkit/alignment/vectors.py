"""A vector for each word of a pair: the mean of its tokens' hidden states, at given layers, read in the pair and with its language ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from xlmkit import forward
from xlmkit.checks import is_int
from xlmkit.encoding import Encoding, word_numbers
from xlmkit.explanation import ExplainedWord
from xlmkit.forward import Budget
from xlmkit.inference import encode_frame
from xlmkit.model import NLIModel

BATCH_TOKENS = {"cpu": 1024, "mps": 4096, "cuda": 16384}  # padded tokens in one pass that keeps all layers


@dataclass(frozen=True)
class WordVectors:
    """The words of one pair that reached the model, numbered as in `Explanation.words`.

    `vectors` is (layers, W, H) float32: the mean of each word's hidden states."""

    words: tuple[ExplainedWord, ...]
    vectors: np.ndarray

    def side(self, sentence: int) -> np.ndarray:
        """The numbers of the words of one sentence: 0 for the premise or a single text, 1 for the hypothesis."""
        return np.array(
            [place for place, word in enumerate(self.words) if word.sentence == sentence], dtype=np.int64
        )


def layers_of(nli: NLIModel) -> int:
    """How many layers the model has. Layer 0 is what comes after the embeddings, layer k what the k-th layer gives."""
    return int(nli.network.config.n_layers)


def default_layer(nli: NLIModel) -> int:
    """Two thirds of the way up: layer 5 of 8, 8 of 12. See the module for the measurement."""
    return round(2 * layers_of(nli) / 3)


def check_layers(nli: NLIModel, layers: Sequence[int]) -> list[int]:
    """The layers as a list.

    Raises
    ------
    ValueError : if there are none, or one is no layer of this model."""
    odd = [layer for layer in layers if not is_int(layer) or not 0 <= layer <= layers_of(nli)]
    if odd or not len(layers):
        raise ValueError(
            f"a layer must be a whole number from 0 (after the embeddings) to {layers_of(nli)}, the model's last; got {odd[0] if odd else 'none'!r}"
        )
    return [int(layer) for layer in layers]


def word_vectors(
    nli: NLIModel,
    frame: pd.DataFrame,
    layers: Sequence[int],
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
) -> list[WordVectors]:
    """The words of each row of a checked frame, with their vectors at `layers`, in fp32."""
    budget = Budget.of(nli, batch_tokens, BATCH_TOKENS).tokens
    encoding = encode_frame(nli, frame, max_length=max_length, spans=True)
    found: dict[int, WordVectors] = {}
    order = np.argsort(-encoding.lengths, kind="stable")
    while len(order):
        size = max(1, budget // int(encoding.lengths[order[0]]))
        rows, order = order[:size], order[size:]
        batch = encoding.select(rows)
        states = _states(nli, batch, layers)  # (layers, R, H)
        found |= dict(zip(rows.tolist(), _by_pair(batch, states), strict=True))
    return [found[row] for row in range(len(encoding))]


def _states(nli: NLIModel, batch: Encoding, layers: Sequence[int]) -> np.ndarray:
    """(layers, R, H) float32, R counting the real tokens row by row."""
    tensors = (batch.input_ids, batch.langs, batch.attention_mask)
    with torch.inference_mode():
        states = forward.all_layers(nli.network, *(tensor.to(nli.device) for tensor in tensors))
    return np.stack([states[layer].float().cpu().numpy() for layer in layers])


def _by_pair(batch: Encoding, states: np.ndarray) -> Iterator[WordVectors]:
    numbers = word_numbers(batch)  # (B, T)
    ends = batch.lengths.cumsum()
    for row, (length, end) in enumerate(zip(batch.lengths, ends, strict=True)):
        own = numbers[row, :length].numpy()
        shares = (own == np.arange(own.max() + 1)[:, None]).astype(np.float32)  # (W, T)
        shares /= shares.sum(1, keepdims=True)
        yield WordVectors(words_of(batch, row), shares @ states[:, end - length : end])


def words_of(encoding: Encoding, row: int) -> tuple[ExplainedWord, ...]:
    """The words of one pair that reached the model, numbered as in `Explanation.words`.

    Raises
    ------
    ValueError : if the encoding has no spans."""
    if encoding.tokens is None or encoding.words is None:
        raise ValueError("expected an encoding with spans; remedy: encode(..., spans=True)")
    places = dict.fromkeys(
        (token.sentence, token.word)
        for token in encoding.tokens[row]
        if token.sentence is not None and token.word is not None
    )
    words = [(sentence, encoding.words[row][sentence][word]) for sentence, word in places]
    return tuple(ExplainedWord(word.text, sentence, word.start, word.end) for sentence, word in words)
