"""Texts to their encoding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice

from xlmkit.checkpoint import NLIModel
from xlmkit.encoding.language_ids import WordLanguages, word_language_ids
from xlmkit.encoding.layout import assemble, lay_out
from xlmkit.encoding.sentences import columns, refuse_wordless
from xlmkit.encoding.truncation import check_length
from xlmkit.encoding.value import Encoding
from xlmkit.preparation import prepare
from xlmkit.preparation.processes import usual
from xlmkit.preprocessing import split_batch, split_words


def encode(
    nli: NLIModel,
    premises: str | Sequence[str],
    hypotheses: str | Sequence[str] | None,
    languages: str | Sequence[str],
    *,
    hypothesis_languages: str | Sequence[str] | None = None,
    max_tokens: int = 256,
    word_languages: Sequence[tuple[WordLanguages, ...]] | None = None,
    spans: bool = True,
) -> Encoding:
    """Turn pairs of sentences, or single texts, into the tensors that the authors' code would make of them.

    Parameters
    ----------
    premises, hypotheses : N texts each (or one text each). With None as hypotheses the premises are single texts.
    languages : the language of every pair, or one code for all; of the premises alone where `hypothesis_languages` is given.
    max_tokens : the longest pair, special tokens included; 5 (of single texts 3) to the model's positions. The longer sentence is cut
        first, at its end, and both keep at least one piece; `Encoding.dropped` counts what was cut.
    word_languages : for code-switched text, per pair the codes of the premise's and of the hypothesis's words, as
        `split_words` cuts them (None: all in the sentence's own language). The words themselves are cut by the sentence's language.
    spans : also compute `tokens` and `words`; without them encoding is several times as fast, and what was encoded once is kept on disk
        (`preparation.cache`).

    Raises
    ------
    ValueError : if the counts differ, a language is unknown (here or to the checkpoint), or a sentence has no words.
    TypeError : if a sentence is no text, or a column neither a text nor a sequence."""
    asked = columns(premises, hypotheses, languages, hypothesis_languages=hypothesis_languages)
    texts, codes = asked.texts, asked.codes
    check_length(nli, max_tokens, len(texts))
    if not spans and word_languages is None:
        blocks = usual(nli.pieces, lowercase=nli.lowercase)
        return lay_out(nli, asked, prepare(blocks, *asked.flat), max_tokens=max_tokens)
    if spans:
        cut = [
            [
                tuple(split_words(text, code, lowercase=nli.lowercase))
                for text, code in zip(*column, strict=True)
            ]
            for column in zip(texts, codes, strict=True)
        ]
        words = [[[word.text for word in sentence] for sentence in column] for column in cut]
    else:
        cut, words = (
            None,
            [_split(*column, lowercase=nli.lowercase) for column in zip(texts, codes, strict=True)],
        )
    refuse_wordless(texts, words)
    pieces = [_pieces(nli, column) for column in words]  # premise, hypothesis; each N x words x pieces
    word_ids = word_language_ids(nli, words, codes, word_languages)
    return assemble(nli, pieces, word_ids, codes, max_tokens, cut)


def _split(texts: list[str], codes: list[str], *, lowercase: bool) -> list[list[str]]:
    """Words of every text; each distinct text of a language is cut once (XNLI repeats its premises threefold)."""
    done: dict[str, dict[str, list[str]]] = {}
    for code in dict.fromkeys(codes):
        distinct = list(dict.fromkeys(text for text, own in zip(texts, codes, strict=True) if own == code))
        done[code] = dict(zip(distinct, split_batch(distinct, code, lowercase=lowercase), strict=True))
    return [done[code][text] for text, code in zip(texts, codes, strict=True)]


def _pieces(nli: NLIModel, sentences: list[list[str]]) -> list[list[tuple[int, ...]]]:
    """Ids of every word of every sentence, looked up in one call."""
    found = iter(nli.pieces.ids(list(chain.from_iterable(sentences))))
    return [list(islice(found, len(sentence))) for sentence in sentences]
