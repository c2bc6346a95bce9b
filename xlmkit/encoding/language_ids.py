"""The language ids of sentences, and of words in code-switched text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from xlmkit.encoding.sentences import names_of
from xlmkit.encoding.value import Encoding, WordPieces
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.tokenization import Word

WordLanguages = Sequence[str] | None
"""One code a word of `split_words(text, language)`, or None for a sentence that is all in its own language."""


def language_id(nli: NLIModel, code: str) -> int:
    """The checkpoint's id of a language; 0 where it uses none.

    Raises
    ------
    ValueError : if it uses language ids and has none for this language."""
    if code in nli.lang2id:
        return nli.lang2id[code]
    if nli.uses_language_ids:
        raise ValueError(
            f"language {code!r} has no language embedding in {nli.source!r}, which knows {', '.join(nli.lang2id)}"
        )
    return 0


def with_words_own(
    nli: NLIModel,
    encoding: Encoding,
    words: Sequence[Sequence[Sequence[Word]]],
    pieces: Sequence[Sequence[WordPieces]],
    given: Sequence[tuple[WordLanguages, ...]],
) -> torch.Tensor:
    """The language ids of an encoding in which words bear ids of their own.

    Parameters
    ----------
    words, pieces : of each pair's sentences, before truncation.
    given : `word_languages` of `encode`.

    Returns
    -------
    (B, T) int64.

    Raises
    ------
    ValueError : if there is not one entry a pair, one for each of its sentences, and in it one code a word."""
    if len(given) != len(words):
        raise ValueError(f"`word_languages` needs one entry a pair; got {len(given)} for {len(words)} pairs")
    langs = encoding.langs.clone()  # (B, T)
    for row, (pair, sentences, ids) in enumerate(zip(given, words, pieces, strict=True)):
        names = names_of(sentences)
        if len(pair) != len(names):
            raise ValueError(
                f"`word_languages` needs an entry for {' and '.join(names)} of row {row}; got {pair!r}"
            )
        start = 1
        for name, own, sentence, sizes, n_truncated in zip(
            names,
            pair,
            sentences,
            [[len(word) for word in side] for side in ids],
            encoding.n_truncated[row],
            strict=True,
        ):
            kept = sum(sizes) - n_truncated
            if own is not None:
                if isinstance(own, str) or len(own) != len(sentence):
                    raise ValueError(
                        f"`word_languages` needs one code a word: {name} {row} has the {len(sentence)} words "
                        f"{[word.text for word in sentence]!r}; got {own!r}"
                    )
                each = np.repeat([language_id(nli, resolve(code)) for code in own], sizes)  # one a piece
                langs[row, start : start + kept] = torch.from_numpy(each[:kept])
            start += kept + 1
    return langs
