"""Words to the ids of their tokens: the authors' byte-pair encoding, computed by Rust `tokenizers`.

Two things keep the ids equal to those of fastBPE and the authors' vocabulary
(facebookresearch/XLM). The vocabulary lacks tokens that occur between two merges, so it is extended
by every result of a merge, and what is not the model's own becomes unknown again. And merges.txt
has tokens with no-break spaces, so its lines are split at the ASCII space alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import regex
from tokenizers import Tokenizer
from tokenizers.models import BPE

BOS, EOS, PAD, UNK, MASK = 0, 1, 2, 3, 5
_SPECIAL = {"<s>": BOS, "</s>": EOS, "<pad>": PAD, "<unk>": UNK}
_SURROGATE = regex.compile(r"\p{Cs}")
CACHED_WORDS = 500_000  # bounds the memory of the cache


class BPETokenizer:
    """The tokenizer of one checkpoint: words to token ids. Words that it has met are cached in
    memory.

    Parameters
    ----------
    vocabulary : id of each token; `<s> </s> <pad> <unk>` are 0 to 3; a word's last token ends in
        `</w>`.
    merges : pairs of tokens, first merge first. Their results need not be in the vocabulary.
    cached_words : how many words are cached at most; when they are more, the cache is emptied.

    Raises
    ------
    ValueError : if a special token has another id, or an id occurs twice or is negative."""

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        *,
        cached_words: int = CACHED_WORDS,
    ) -> None:
        _check(vocabulary)
        self._names = {id: name for name, id in vocabulary.items()}
        self._size = max(self._names) + 1
        extended = _extended(vocabulary, merges)
        self._model = Tokenizer(BPE(extended, list(merges), unk_token="<unk>", end_of_word_suffix="</w>"))
        self._cache: dict[str, tuple[int, ...]] = {}
        self._cached_words = cached_words

    @classmethod
    def read(cls, folder: str | Path) -> BPETokenizer:
        """The tokenizer of a model folder in Hugging Face form: its `vocab.json` and `merges.txt`.

        Raises
        ------
        FileNotFoundError : if one of the two is missing.
        ValueError : if the content of one is not as expected."""
        return cls(_read_vocabulary(Path(folder) / "vocab.json"), _read_merges(Path(folder) / "merges.txt"))

    def __getstate__(self) -> dict[str, Any]:
        """The state for another process, without the cache."""
        return self.__dict__ | {"_cache": {}}

    def __len__(self) -> int:
        """The number of ids: rows of the model's embedding."""
        return self._size

    def name(self, id: int) -> str:
        """The token with this id. `</w>` at its end marks the end of a word.

        Raises
        ------
        ValueError : if no token has this id."""
        if id not in self._names:
            raise ValueError(f"a token id must be from 0 to {self._size - 1}; got {id!r}.")
        return self._names[id]

    def ids(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """The ids of each word's tokens. One call with many words is faster than many calls.

        Parameters
        ----------
        words : as `split_batch` returns them. An empty word has no tokens.

        Returns
        -------
        One tuple per word, in order; what the vocabulary lacks is `UNK`.

        Raises
        ------
        TypeError : if `words` is one str, or a word is not a str."""
        if isinstance(words, str):
            raise TypeError(f"`words` must be a sequence of str; got one str, {words!r}. Pass [word].")
        distinct = dict.fromkeys(words)
        new = [word for word in distinct if word not in self._cache]
        if len(self._cache) + len(new) > self._cached_words:
            self._cache, new = {}, list(distinct)
        if new:
            self._cache.update(self._encode(new))
        return [self._cache[word] for word in words]

    def _encode(self, words: list[str]) -> dict[str, tuple[int, ...]]:
        ids: list[list[int]] = [[] for _ in words]
        encoding = self._model.encode(_encodable(words), is_pretokenized=True, add_special_tokens=False)
        owners = cast("list[int]", encoding.word_ids)  # without special tokens every token has a word
        for word, id in zip(owners, encoding.ids, strict=True):
            ids[word].append(id if id < self._size else UNK)
        return {word: tuple(each) for word, each in zip(words, ids, strict=True)}


def _encodable(words: list[str]) -> list[str]:
    """The words for Rust, which takes no lone surrogates; U+FFFE is not a character
    either, and also unknown."""
    wrong = [word for word in words if not isinstance(word, str)]
    if wrong:
        raise TypeError(
            f"`words` must be a sequence of str; got {wrong[0]!r} in it. Pass what `split_batch` returns."
        )
    return [word if word.isascii() else _SURROGATE.sub("\ufffe", word) for word in words]


def _check(vocabulary: Mapping[str, int]) -> None:
    wrong = {name: vocabulary.get(name) for name, id in _SPECIAL.items() if vocabulary.get(name) != id}
    if wrong:
        raise ValueError(
            f"expected a vocabulary with the ids {_SPECIAL}; got {wrong}. Use the vocab.json of an XLM checkpoint."
        )
    ids = set(vocabulary.values())
    if len(ids) < len(vocabulary) or min(ids) < 0:
        raise ValueError(
            "expected a vocabulary whose ids are different and at least 0; got one twice or below 0. "
            "Use the vocab.json of an XLM checkpoint."
        )


def _extended(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The vocabulary and every token that the merges name; those that the model lacks get ids above
    its own."""
    extended = dict(vocabulary)
    following = max(vocabulary.values()) + 1
    for left, right in merges:
        for token in (left, right, left + right):
            if token not in extended:
                extended[token] = following
                following += 1
    return extended


def _read_vocabulary(file: Path) -> dict[str, int]:
    try:
        vocabulary = json.loads(_bytes(file))
    except ValueError as error:
        raise ValueError(
            f"expected a JSON object in {str(file)!r}; got {error}. Download it again."
        ) from error
    if not isinstance(vocabulary, dict) or any(type(id) is not int for id in vocabulary.values()):
        raise ValueError(
            f"expected a JSON object of tokens and their ids in {str(file)!r}; got something else. "
            "Use the vocab.json of an XLM checkpoint."
        )
    return vocabulary


def _read_merges(file: Path) -> list[tuple[str, str]]:
    try:
        text = _bytes(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8 text in {str(file)!r}; got {error}. Download it again.") from error
    merges = []
    for number, line in enumerate(text.split("\n"), start=1):
        tokens = line.split(" ")  # and perhaps a third column, the merge's frequency
        if line and (len(tokens) < 2 or not (tokens[0] and tokens[1])):
            raise ValueError(
                f"expected two tokens, separated by a space, in line {number} of {str(file)!r}; got {line!r}. "
                "Use the merges.txt of an XLM checkpoint."
            )
        if line:
            merges.append((tokens[0], tokens[1]))
    return merges


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"expected the file {file.name!r} in {str(file.parent)!r}; got a folder without it. "
            "Pass a model folder in Hugging Face form."
        ) from None
