"""Words to the pieces and ids that the model knows: the authors' byte-pair encoding, computed by Rust `tokenizers`.

Two things keep the ids equal to those of fastBPE and the authors' vocabulary (facebookresearch/XLM): the vocabulary lacks
pieces that lie between two merges, so it is closed under merges, and what is not the model's own becomes unknown again;
and merges.txt holds pieces with no-break spaces, so its lines are cut at the ASCII space alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import regex
from tokenizers import Tokenizer
from tokenizers.models import BPE

BOS, EOS, PAD, UNK, MASK = 0, 1, 2, 3, 5
_SPECIAL = {"<s>": BOS, "</s>": EOS, "<pad>": PAD, "<unk>": UNK}
_END = "</w>"  # closes the name of a word's last piece
_SURROGATE = regex.compile(r"\p{Cs}")

CACHED_WORDS = 500_000  # about 100 MB; one word more, and the cache starts anew


class BPETokenizer:
    """The pieces of one checkpoint.

    A word that was met before is answered from a cache, which holds at most `CACHED_WORDS` words after each call."""

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        _check(vocabulary)
        self._names = {number: name for name, number in vocabulary.items()}
        self._size = max(self._names) + 1
        closed = _closed(vocabulary, merges)
        self._model = Tokenizer(BPE(closed, list(merges), unk_token="<unk>", end_of_word_suffix=_END))
        self._cache: dict[str, tuple[int, ...]] = {}

    @classmethod
    def from_tables(cls, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> BPETokenizer:
        """The pieces of a vocabulary and of its merges, first merge first.

        Parameters
        ----------
        vocabulary : id of each piece; `<s> </s> <pad> <unk>` are 0 to 3; the name of a word's last piece ends in `</w>`.
        merges : pairs of pieces. Their results need not be in the vocabulary.

        Raises
        ------
        ValueError : if a special piece has another id, or an id is given twice or negative."""
        return cls(vocabulary, merges)

    @classmethod
    def read(cls, folder: str | Path) -> BPETokenizer:
        """The pieces of a model folder in Hugging Face form: its `vocab.json` and `merges.txt`.

        Raises
        ------
        FileNotFoundError : if one of the two is missing.
        ValueError : if one of them is not what it should be."""
        return cls(_read_vocabulary(Path(folder) / "vocab.json"), _read_merges(Path(folder) / "merges.txt"))

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: not the words that were met."""
        return self.__dict__ | {"_cache": {}}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that ids depend on: the vocabulary with its ids, and the merges in their order."""
        return hashlib.sha256(f"{self._size} {self._model.to_str()}".encode()).hexdigest()

    def __len__(self) -> int:
        """How many ids there are: the rows of the model's embedding."""
        return self._size

    def name(self, number: int) -> str:
        """The piece with this id. `</w>` at its end closes a word.

        Raises
        ------
        ValueError : if no piece has this id."""
        if number not in self._names:
            raise ValueError(f"expected the id of a piece, from 0 to {self._size - 1}; got {number!r}")
        return self._names[number]

    def ids(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """The ids of each word's pieces. One call with many words is faster than many calls.

        Parameters
        ----------
        words : as `preprocessing` gives them. An empty word has no pieces.

        Returns
        -------
        One tuple a word, in their order; what the vocabulary lacks is `UNK`.

        Raises
        ------
        TypeError : if `words` is one str, or a word is no str."""
        if isinstance(words, str):
            raise TypeError(f"`words` must be a sequence of str; got one str, {words!r}; remedy: pass [word]")
        distinct = dict.fromkeys(words)
        new = [word for word in distinct if word not in self._cache]
        if len(self._cache) + len(new) > CACHED_WORDS:
            self._cache, new = {}, list(distinct)
        if new:
            self._cache.update(self._encode(new))
        return [self._cache[word] for word in words]

    def _encode(self, words: list[str]) -> dict[str, tuple[int, ...]]:
        found: list[list[int]] = [[] for _ in words]
        encoding = self._model.encode(_encodable(words), is_pretokenized=True, add_special_tokens=False)
        owners = cast("list[int]", encoding.word_ids)  # without special tokens every piece has a word
        for word, number in zip(owners, encoding.ids, strict=True):
            found[word].append(number if number < self._size else UNK)
        return {word: tuple(numbers) for word, numbers in zip(words, found, strict=True)}


def _encodable(words: list[str]) -> list[str]:
    """The words for Rust, which takes no lone surrogates; U+FFFE is no character either, and as unknown as they are."""
    wrong = [word for word in words if not isinstance(word, str)]
    if wrong:
        raise TypeError(
            f"`words` must be a sequence of str; got {wrong[0]!r} in it; remedy: pass what `split_batch` returns"
        )
    return [word if word.isascii() else _SURROGATE.sub("\ufffe", word) for word in words]


def _check(vocabulary: Mapping[str, int]) -> None:
    wrong = {
        name: vocabulary.get(name) for name, number in _SPECIAL.items() if vocabulary.get(name) != number
    }
    if wrong:
        raise ValueError(
            f"expected a vocabulary with the ids {_SPECIAL}; got {wrong}; remedy: take the vocab.json of an XLM checkpoint"
        )
    numbers = set(vocabulary.values())
    if len(numbers) < len(vocabulary) or min(numbers) < 0:
        raise ValueError(
            "expected a vocabulary that gives each piece an id of its own, 0 or more; got an id twice or a negative one; "
            "remedy: take the vocab.json of an XLM checkpoint"
        )


def _closed(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The vocabulary and all pieces that the merges name; those that the model lacks get ids beyond its own."""
    closed = dict(vocabulary)
    following = max(vocabulary.values()) + 1
    for left, right in merges:
        for piece in (left, right, left + right):
            if piece not in closed:
                closed[piece] = following
                following += 1
    return closed


def _read_vocabulary(file: Path) -> dict[str, int]:
    try:
        vocabulary = json.loads(_bytes(file))
    except ValueError as error:
        raise ValueError(
            f"expected a JSON object in {str(file)!r}; got {error}; remedy: download it again"
        ) from error
    if not isinstance(vocabulary, dict) or any(type(number) is not int for number in vocabulary.values()):
        raise ValueError(
            f"expected a JSON object of pieces and their ids in {str(file)!r}; got something else; "
            "remedy: take the vocab.json of an XLM checkpoint"
        )
    return vocabulary


def _read_merges(file: Path) -> list[tuple[str, str]]:
    try:
        text = _bytes(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected text in UTF-8 in {str(file)!r}; got {error}; remedy: download it again"
        ) from error
    merges = []
    for number, line in enumerate(text.split("\n"), start=1):
        pieces = line.split(" ")  # and perhaps a third column, the merge's frequency
        if line and (len(pieces) < 2 or not (pieces[0] and pieces[1])):
            raise ValueError(
                f"expected two pieces, separated by a space, in line {number} of {str(file)!r}; got {line!r}; "
                "remedy: take the merges.txt of an XLM checkpoint"
            )
        if line:
            merges.append((pieces[0], pieces[1]))
    return merges


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"expected the file {file.name!r} in {str(file.parent)!r}; got a folder without it; "
            "remedy: give a model folder in Hugging Face form"
        ) from None
