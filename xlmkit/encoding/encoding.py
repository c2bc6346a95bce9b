"""Texts to their encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np

from xlmkit.encoding.language_ids import WordLanguages, with_words_own
from xlmkit.encoding.layout import lay_out
from xlmkit.encoding.sentences import columns
from xlmkit.encoding.spans import tokens_of
from xlmkit.encoding.truncation import check_length
from xlmkit.encoding.value import Encoding, WordPieces
from xlmkit.model import NLIModel
from xlmkit.tokenization import Prepared, Word, prepare, split_words
from xlmkit.tokenization.processes import usual


def encode(
    nli: NLIModel,
    premises: str | Sequence[str],
    hypotheses: str | Sequence[str] | None,
    languages: str | Sequence[str],
    *,
    hypothesis_languages: str | Sequence[str] | None = None,
    max_length: int = 256,
    word_languages: Sequence[tuple[WordLanguages, ...]] | None = None,
    spans: bool = True,
) -> Encoding:
    """Turn pairs of sentences, or single texts, into the tensors that the authors' code would make of them.

    Parameters
    ----------
    premises, hypotheses : N texts each (or one text each). With None as hypotheses the premises are single texts.
    languages : the language of every pair, or one code for all; of the premises alone where `hypothesis_languages` is given.
    max_length : the longest pair, special tokens included; 5 (of single texts 3) to the model's positions. The longer sentence is cut
        first, at its end, and both keep at least one piece; `Encoding.n_truncated` counts what was cut.
    word_languages : for code-switched text, per pair the codes of the premise's and of the hypothesis's words, as
        `split_words` cuts them (None: all in the sentence's own language). The words themselves are cut by the sentence's language.
    spans : also compute `tokens` and `words`; without them encoding is several times as fast, and what was encoded once is kept on disk
        (`preparation.cache`).

    Raises
    ------
    ValueError : if the counts differ, a language is unknown (here or to the checkpoint), or a sentence has no words.
    TypeError : if a sentence is no text, or a column neither a text nor a sequence."""
    asked = columns(premises, hypotheses, languages, hypothesis_languages=hypothesis_languages)
    check_length(nli, max_length, len(asked.texts))
    if not spans and word_languages is None:
        blocks = usual(nli.tokenizer, lowercase=nli.lowercase)
        return lay_out(nli, asked, prepare(blocks, *asked.flat), max_length=max_length)
    cut = [
        [tuple(split_words(*sentence, lowercase=nli.lowercase)) for sentence in zip(*column, strict=True)]
        for column in zip(asked.texts, asked.codes, strict=True)
    ]
    pieces = [_pieces(nli, column) for column in cut]  # premises, hypotheses; each N x words x pieces
    found = lay_out(nli, asked, _prepared(pieces), max_length=max_length)
    words, ids = list(zip(*cut, strict=True)), list(zip(*pieces, strict=True))  # by pair, then by sentence
    if word_languages is not None:
        found = replace(found, langs=with_words_own(nli, found, words, ids, word_languages))
    return replace(found, tokens=tokens_of(nli, found, words, ids), words=tuple(words)) if spans else found


def _pieces(nli: NLIModel, sentences: list[tuple[Word, ...]]) -> list[WordPieces]:
    """Ids of every word of every sentence, looked up in one call."""
    found = iter(nli.tokenizer.ids([word.text for sentence in sentences for word in sentence]))
    return [list(islice(found, len(sentence))) for sentence in sentences]


def _prepared(pieces: list[list[WordPieces]]) -> Prepared:
    """Column after column, as `lay_out` takes them."""
    flat = [list(chain.from_iterable(words)) for words in chain.from_iterable(pieces)]
    ids = np.fromiter(chain.from_iterable(flat), np.int32)
    return Prepared(ids, np.array([len(sentence) for sentence in flat], dtype=np.int32))
