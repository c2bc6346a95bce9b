"""Variants of a pair: some words taken out, or replaced by other pieces, in the space of ids; and what a language model would put there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from xlmkit import forward
from xlmkit.encoding import Encoding, erase, word_numbers
from xlmkit.model import NLIModel
from xlmkit.tokenization import MASK, PAD

BATCH_TOKENS = {
    "cpu": 1024,
    "mps": 8192,
    "cuda": 16384,
}  # padded tokens that are given to the language model at once


@dataclass(frozen=True)
class Edit:
    """One word of a pair taken out, or replaced by one piece.

    `word` is its number as in `Explanation.words`; `piece` is the id of what stands in its place, None where nothing does."""

    word: int
    piece: int | None = None


def edited(encoding: Encoding, rows: Sequence[int], edits: Sequence[Sequence[Edit]]) -> Encoding:
    """One pair for each entry: row `rows[i]` of the encoding with `edits[i]` made.

    Words are taken out by `erase(..., "delete")`; a word that is replaced keeps one token, with its language id. All edits are of one kind."""
    chosen = encoding.select(rows)
    if all(edit.piece is None for own in edits for edit in own):
        return erase(chosen, [[edit.word for edit in own] for own in edits], "delete")
    return _replaced(chosen, edits)


def guesses(
    mlm: NLIModel, encoding: Encoding, row: int, words: Sequence[int], top: int
) -> list[tuple[Edit, ...]]:
    """For each word the `top` whole words that the language model finds most likely in its place, in the pair, most likely first.

    A guess is one piece that is a word of letters or digits by itself, and not the word that is there."""
    masked = edited(encoding, [row] * len(words), [[Edit(word, _mask(mlm))] for word in words])
    own = word_numbers(encoding)[row]
    whole = _whole_words(mlm)
    found: list[tuple[Edit, ...]] = []
    for word, chances in zip(words, _at_mask(mlm, masked), strict=True):
        there = encoding.input_ids[row][own == word]
        allowed = whole.clone()
        if len(there) == 1:
            allowed[there] = False
        ranked = chances.masked_fill(~allowed, -torch.inf).topk(min(top, int(allowed.sum()))).indices
        found.append(tuple(Edit(word, int(piece)) for piece in ranked))
    return found


def check_same_pieces(nli: NLIModel, mlm: NLIModel) -> None:
    """Refuse with a ValueError what is no language model, or has other pieces than the classifier."""
    if not isinstance(mlm, NLIModel) or mlm.task != "mlm":
        got = f"task {mlm.task!r}" if isinstance(mlm, NLIModel) else type(mlm).__name__
        raise ValueError(f"`mlm` must be a language model; got {got}; remedy: load(source, task='mlm')")
    sizes = len(nli.tokenizer), len(mlm.tokenizer)
    if sizes[0] != sizes[1] or any(
        nli.tokenizer.name(id) != mlm.tokenizer.name(id) for id in range(sizes[0])
    ):
        raise ValueError(
            f"`mlm` must have the classifier's pieces ({sizes[0]}); got {sizes[1]}, or others; remedy: the checkpoint from which it was fine-tuned"
        )


def _replaced(encoding: Encoding, edits: Sequence[Sequence[Edit]]) -> Encoding:
    """The pairs with one piece for each edited word; without spans, which only the words' old tokens have."""
    numbers = word_numbers(encoding).numpy()
    ids, langs = encoding.input_ids.numpy().copy(), encoding.langs.numpy()
    kept = encoding.attention_mask.numpy().astype(bool)
    for row, own in enumerate(edits):
        for edit in own:
            places = np.flatnonzero(numbers[row] == edit.word)
            kept[row, places[1:]] = False
            ids[row, places[0]] = edit.piece
    lengths = kept.sum(1)
    order = np.argsort(~kept, axis=1, kind="stable")[:, : lengths.max(initial=0)]
    real = np.arange(order.shape[1]) < lengths[:, None]
    return replace(
        encoding,
        input_ids=torch.from_numpy(np.where(real, np.take_along_axis(ids, order, 1), PAD)),
        langs=torch.from_numpy(np.where(real, np.take_along_axis(langs, order, 1), langs[:, -1:])),
        attention_mask=torch.from_numpy(real.astype(np.int64)),
        tokens=None,
        words=None,
    )


def _mask(mlm: NLIModel) -> int:
    return int(getattr(mlm.network.config, "mask_index", MASK))


def _whole_words(mlm: NLIModel) -> torch.Tensor:
    """(pieces,) true where a piece is a whole word with a letter or digit."""
    names = [mlm.tokenizer.name(id) for id in range(len(mlm.tokenizer))]
    return torch.tensor(
        [name.endswith("</w>") and any(map(str.isalnum, name.removesuffix("</w>"))) for name in names]
    )


def _at_mask(mlm: NLIModel, masked: Encoding) -> list[torch.Tensor]:
    """For each pair, (pieces,) logits of the language model at its one mask."""
    found: list[torch.Tensor] = []
    step = max(1, BATCH_TOKENS[mlm.device.type] // max(1, masked.input_ids.shape[1]))
    for start in range(0, len(masked), step):
        batch = masked.select(range(start, min(start + step, len(masked))))
        tensors = [values.to(mlm.device) for values in (batch.input_ids, batch.langs, batch.attention_mask)]
        with torch.inference_mode():
            states = forward.all_layers(mlm.network, *tensors)[-1]  # (R, H)
            places = batch.input_ids[batch.attention_mask.bool()] == _mask(mlm)  # (R,)
            logits = mlm.network.pred_layer(states[places.to(mlm.device)])[0]  # (B, pieces)
        found += logits.float().cpu().unbind()
    return found
