"""Words to the pieces and ids that the model knows: the authors' byte-pair encoding, computed by Rust `tokenizers`.

Two things keep the ids equal to fastBPE's (facebookresearch/XLM): the vocabulary lacks some intermediate merges, so it is
closed under merges first and what is not the model's own becomes unknown again; and merges.txt holds pieces with no-break
spaces, so its lines are cut at the ASCII space alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE

BOS, EOS, PAD, UNK, MASK = 0, 1, 2, 3, 5
_SPECIAL = {"<s>": BOS, "</s>": EOS, "<pad>": PAD, "<unk>": UNK}
_END = "</w>"  # marks a word's last piece

CACHED_WORDS = 500_000  # about 100 MB; when more were met, the cache starts anew


class Pieces:
    """The pieces of one checkpoint. Words met before are answered from a cache of at most `CACHED_WORDS` words."""

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        _check(vocabulary)
        self._size = max(vocabulary.values()) + 1
        self._names = {number: name for name, number in vocabulary.items()}
        self._model = Tokenizer(
            BPE(_closed(vocabulary, merges), list(merges), unk_token="<unk>", end_of_word_suffix=_END)
        )
        self._cache: dict[str, tuple[int, ...]] = {}

    @classmethod
    def from_tables(cls, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> Pieces:
        """The pieces of a vocabulary and its merges, best first. `vocabulary` begins with `<s> </s> <pad> <unk>` as 0 to 3."""
        return cls(vocabulary, merges)

    @classmethod
    def read(cls, folder: str | Path) -> Pieces:
        """The pieces of a model folder in Hugging Face form: its `vocab.json` and `merges.txt`."""
        folder = Path(folder)
        vocabulary = json.loads((folder / "vocab.json").read_bytes())
        lines = (folder / "merges.txt").read_bytes().decode("utf-8").split("\n")
        merges = []
        for line in lines:
            if line:
                left, right, *_ = line.split(" ")
                merges.append((left, right))
        return cls(vocabulary, merges)

    def __len__(self) -> int:
        """How many ids there are: the rows of the model's embedding."""
        return self._size

    def name(self, number: int) -> str:
        """The piece with this id, `</w>` closing a word."""
        return self._names[number]

    def ids(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """The ids of each word. One call with many words is faster than many calls."""
        cache = self._cache
        new = [word for word in dict.fromkeys(words) if word not in cache]
        if new:
            self._learn(new)
        return [cache[word] for word in words]

    def _learn(self, words: list[str]) -> None:
        encoding = self._model.encode(words, is_pretokenized=True, add_special_tokens=False)
        found: list[list[int]] = [[] for _ in words]
        for word, number in zip(encoding.word_ids, encoding.ids, strict=True):
            found[word].append(number if number < self._size else UNK)
        self._cache.update((word, tuple(numbers)) for word, numbers in zip(words, found, strict=True))


def _check(vocabulary: Mapping[str, int]) -> None:
    wrong = {
        name: vocabulary.get(name) for name, number in _SPECIAL.items() if vocabulary.get(name) != number
    }
    if wrong:
        raise ValueError(
            f"expected a vocabulary with {_SPECIAL}; got {wrong}. Remedy: use the vocab.json of an XLM checkpoint"
        )


def _closed(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The vocabulary with every symbol that the merges name; those that the model lacks get ids beyond its own."""
    closed = dict(vocabulary)
    following = max(vocabulary.values()) + 1
    for left, right in merges:
        for symbol in (left, right, left + right):
            if symbol not in closed:
                closed[symbol] = following
                following += 1
    return closed
