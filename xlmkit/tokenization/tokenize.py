"""Texts to the ids of their tokens: words by the authors' rules, then BPE; in this process or in
worker processes.

This needs a checkpoint's vocabulary and merges but not its network, so worker processes do not
import torch."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from xlmkit.tokenization.bpe import BPETokenizer
from xlmkit.tokenization.words import Word, split_lines

Chunk = tuple[Sequence[str], Sequence[str]]
"""Texts, and the language code of each."""


@dataclass(frozen=True)
class TokenizedTexts:
    """The token ids of N texts, one text after the other.

    With spans, `words` has the words of each text and `word_ids` the ids of each word; otherwise
    both are None."""

    ids: np.ndarray  # (sum of sizes,) int32
    sizes: np.ndarray  # (N,) int32; 0 for a text without words
    words: tuple[tuple[Word, ...], ...] | None = None
    word_ids: tuple[tuple[tuple[int, ...], ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, rows: np.ndarray) -> TokenizedTexts:
        """These texts in this order; a text may occur more than once."""
        starts = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        sizes = self.sizes[rows]
        ids = self.ids[ragged_indices(starts[rows], sizes)]
        if self.words is None or self.word_ids is None:
            return TokenizedTexts(ids, sizes)
        words = tuple(self.words[row] for row in rows)
        return TokenizedTexts(ids, sizes, words, tuple(self.word_ids[row] for row in rows))


def tokenize(
    tokenizer: BPETokenizer,
    texts: Sequence[str],
    languages: Sequence[str],
    *,
    lowercase: bool,
    spans: bool = False,
) -> TokenizedTexts:
    """Tokenize texts in any of the languages. Each distinct text is processed once (XNLI repeats
    its premises threefold).

    Parameters
    ----------
    texts, languages : N texts and the code of each.
    lowercase : as for `split_words`.
    spans : also keep the words with their spans."""
    rows: dict[tuple[str, str], int] = {}
    tokenized: list[list[tuple[int, ...]]] = []  # of each distinct text, the ids of each word
    words: list[Sequence[Word]] = []
    for code in dict.fromkeys(languages):
        distinct = dict.fromkeys(text for text, own in zip(texts, languages, strict=True) if own == code)
        rows.update(((code, text), number) for number, text in enumerate(distinct, len(rows)))
        sentences = list(split_lines(list(distinct), code, lowercase=lowercase, spans=spans))
        flat = list(chain.from_iterable(sentences))
        ids = iter(tokenizer.ids([word.text for word in flat] if spans else flat))
        tokenized += [list(islice(ids, len(sentence))) for sentence in sentences]
        words += sentences if spans else []
    flat_ids = [list(chain.from_iterable(sentence)) for sentence in tokenized]
    whole = TokenizedTexts(
        np.fromiter(chain.from_iterable(flat_ids), np.int32),
        np.array([len(sentence) for sentence in flat_ids], dtype=np.int32),
        tuple(map(tuple, words)) if spans else None,
        tuple(map(tuple, tokenized)) if spans else None,
    )
    order = [rows[code, text] for code, text in zip(languages, texts, strict=True)]
    return whole.take(np.array(order, dtype=np.int64))


def ragged_indices(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Indices of rows of different lengths that lie one after the other in a flat array.

    For example, rows that start at 0, 5 and 9, with sizes 2, 3 and 1:

        starts - before   0   5-2  9-5     each repeated by its size    0  0  3  3  3  4
        + arange(6)                                                     0  1  2  3  4  5
        indices                                                         0  1  5  6  7  9

    Returns
    -------
    (sum of sizes,) int64: from each start, as many consecutive indices as its size says."""
    before = np.cumsum(sizes, dtype=np.int64) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def tokenize_chunks(
    tokenizer: BPETokenizer, chunks: Iterable[Chunk], *, lowercase: bool, workers: int = 0
) -> Iterator[TokenizedTexts]:
    """Tokenize chunks of texts, in their order.

    Parameters
    ----------
    workers : processes that tokenize ahead of the caller, at most `workers` chunks; 0 tokenizes
        here. They are started afresh (spawn), so a script that asks for them needs `if __name__ ==
        "__main__":`.

    Raises
    ------
    RuntimeError : if a worker process dies."""
    if not workers:
        for texts, languages in chunks:
            yield tokenize(tokenizer, texts, languages, lowercase=lowercase)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(tokenizer, lowercase))
    waiting: deque[Future[TokenizedTexts]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_tokenize_in_worker, *chunk))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            'a worker process died. Put the calls of your script under `if __name__ == "__main__":`, or pass workers=0.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_settings: dict[str, tuple[BPETokenizer, bool]] = {}  # filled in worker processes only


def _start(tokenizer: BPETokenizer, lowercase: bool) -> None:
    _settings["own"] = tokenizer, lowercase


def _tokenize_in_worker(texts: Sequence[str], languages: Sequence[str]) -> TokenizedTexts:
    tokenizer, lowercase = _settings["own"]
    return tokenize(tokenizer, texts, languages, lowercase=lowercase)
