"""Preparation: texts -> the ids of their pieces, kept on disk (`cache`) and computed beside the model (`processes`).

It knows the words and pieces of a checkpoint and nothing of its network, so that a process can do it without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from xlmkit.tokenization.bpe import BPETokenizer
from xlmkit.tokenization.words import split_batch


@dataclass(frozen=True)
class Prepared:
    """The pieces of N texts: of all of them one after another, and how many each has (0 where no word is left)."""

    ids: np.ndarray  # (sum of sizes,) int32
    sizes: np.ndarray  # (N,) int32

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, rows: np.ndarray) -> Prepared:
        """These texts in this order; one may come more than once."""
        starts = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        sizes = self.sizes[rows]
        return Prepared(self.ids[places(starts[rows], sizes)], sizes)


Blocks = Callable[[str, list[str]], Prepared]
"""The distinct texts of one language, given its code, to their pieces."""


def prepare(blocks: Blocks, texts: Sequence[str], codes: Sequence[str]) -> Prepared:
    """The pieces of texts in any languages; each distinct text of a language is worked on once (XNLI repeats its premises threefold).

    Parameters
    ----------
    blocks : `computed`, or `cache.kept` around it.
    texts, codes : N texts and the code of each one's language."""
    parts: list[Prepared] = []
    place: dict[str, dict[str, int]] = {}
    before = 0
    for code in dict.fromkeys(codes):
        distinct = list(dict.fromkeys(text for text, own in zip(texts, codes, strict=True) if own == code))
        parts.append(blocks(code, distinct))
        place[code] = {text: number for number, text in enumerate(distinct, before)}
        before += len(distinct)
    rows = np.array([place[code][text] for text, code in zip(texts, codes, strict=True)], dtype=np.int64)
    whole = Prepared(_joined(part.ids for part in parts), _joined(part.sizes for part in parts))
    return whole.take(rows)


def computed(tokenizer: BPETokenizer, *, lowercase: bool) -> Blocks:
    """Blocks as `preprocessing` and `tokenizer` make them."""

    def block(code: str, texts: list[str]) -> Prepared:
        sentences = split_batch(texts, code, lowercase=lowercase)
        words = tokenizer.ids(list(chain.from_iterable(sentences)))
        found = iter(words)
        sizes = [sum(len(next(found)) for _ in sentence) for sentence in sentences]
        return Prepared(np.fromiter(chain.from_iterable(words), np.int32), np.array(sizes, dtype=np.int32))

    return block


def places(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(sum of sizes,) int64: from each start as many places in a row as its size says."""
    before = np.cumsum(sizes, dtype=np.int64) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def _joined(arrays: object) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int32), *arrays])  # type: ignore[misc]
