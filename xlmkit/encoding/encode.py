"""Texts to tensors in the authors' layout: `</s> premise </s> hypothesis </s>`, or `</s> text </s>`
for single texts.

Source: `concat_batches` (xlm/utils.py), xlm/evaluation/xnli.py and `batch_sentences`
(xlm/data/dataset.py) in facebookresearch/XLM. Positions are consecutive, and there are no token
types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch

from xlmkit.checks import check_int
from xlmkit.languages import LANGUAGES, resolve
from xlmkit.model import NLIModel
from xlmkit.tokenization import BOS, EOS, PAD, UNK, TokenizedTexts, Word, ragged_indices, tokenize

SENTENCES = ("premise", "hypothesis")

WordLanguages = Sequence[str] | None
"""One code per word of `split_words(text, language)`, or None for a sentence that is all in its own
language."""


@dataclass(frozen=True)
class Token:
    """One token of an encoded pair, and where it is in the user's text.

    `word` counts within its sentence; `sentence` is 0 for the premise or a single text, 1 for the
    hypothesis; `[start, end)` are characters of that sentence. All four are None for a special
    token."""

    text: str
    word: int | None
    sentence: int | None
    start: int | None
    end: int | None
    special: bool


@dataclass(frozen=True)
class Encoding:
    """A batch of B pairs, or of single texts, as the model takes it: T tokens, padding included.

    `input_ids`, `langs` (language ids) and `attention_mask` (1 token, 0 padding) are (B, T) int64
    tensors on the CPU. `tokens` and `words` (of premise and hypothesis, before truncation) are None
    without spans. `n_truncated` counts the tokens cut from premise and hypothesis. For single texts
    `words` and `n_truncated` have one entry instead of two."""

    input_ids: torch.Tensor
    langs: torch.Tensor
    attention_mask: torch.Tensor
    n_truncated: tuple[tuple[int, ...], ...]
    tokens: tuple[tuple[Token, ...], ...] | None = None
    words: tuple[tuple[tuple[Word, ...], ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def lengths(self) -> np.ndarray:
        """(B,) tokens of each pair, special tokens included."""
        return self.attention_mask.sum(1).numpy()

    @property
    def truncated(self) -> tuple[bool, ...]:
        """Whether tokens were cut, per pair."""
        return tuple(any(cut) for cut in self.n_truncated)

    def select(self, rows: Sequence[int] | np.ndarray) -> Encoding:
        """These rows in this order, without the columns that are padding in all of them."""
        index = torch.as_tensor(np.asarray(rows, dtype=np.int64))
        width = int(self.attention_mask[index].sum(1).max()) if len(index) else 0
        return Encoding(
            self.input_ids[index, :width],
            self.langs[index, :width],
            self.attention_mask[index, :width],
            tuple(self.n_truncated[i] for i in index.tolist()),
            None if self.tokens is None else tuple(self.tokens[i] for i in index.tolist()),
            None if self.words is None else tuple(self.words[i] for i in index.tolist()),
        )


def require_tokens(encoding: Encoding) -> tuple[tuple[Token, ...], ...]:
    """The tokens of each pair.

    Raises
    ------
    ValueError : if the encoding has no spans."""
    if encoding.tokens is None:
        raise ValueError("expected an encoding with spans. Use encode(..., spans=True).")
    return encoding.tokens


def number_words(tokens: tuple[Token, ...]) -> list[int]:
    """The number of each token's word, counted through both sentences; -1 for special tokens."""
    seen: dict[tuple[int | None, int | None], int] = {}
    return [
        -1 if token.special else seen.setdefault((token.sentence, token.word), len(seen)) for token in tokens
    ]


def word_numbers(encoding: Encoding) -> torch.Tensor:
    """The number of each token's word, counted from 0 through both sentences, as in
    `Explanation.words`.

    Returns
    -------
    (B, T) int64; -1 for special tokens and padding.

    Raises
    ------
    ValueError : if the encoding has no spans."""
    numbers = torch.full(encoding.input_ids.shape, -1)
    for row, tokens in enumerate(require_tokens(encoding)):
        numbers[row, : len(tokens)] = torch.tensor(number_words(tokens))
    return numbers


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
    """Turn pairs of sentences, or single texts, into the tensors that the authors' code would make
    of them.

    Parameters
    ----------
    premises, hypotheses : N texts each (or one text each). With None as hypotheses the premises are
        single texts.
    languages : the language of each pair, or one code for all; of the premises alone if
        `hypothesis_languages` is given.
    max_length : tokens of the longest pair, special tokens included; from 5 (single texts: 3) to
        the model's positions. The longer sentence is cut first, at its end, and both keep at least
        one token; `n_truncated` counts what was cut.
    word_languages : for code-switched text, per pair the codes of the premise's and of the
        hypothesis's words as `split_words` cuts them (None: all in the sentence's language). The
        words are cut by the sentence's language.
    spans : also return `tokens` and `words`; encoding is faster without them.

    Raises
    ------
    ValueError : if the counts differ, a language is unknown (here or to the checkpoint), or a
        sentence has no words.
    TypeError : if a sentence is not a text, or a column neither a text nor a sequence."""
    texts = _text_columns(premises, hypotheses)
    codes = _language_columns(texts, languages, hypothesis_languages)
    return encode_columns(
        nli, texts, codes, max_length=max_length, word_languages=word_languages, spans=spans
    )


def encode_columns(
    nli: NLIModel,
    texts: list[list[str]],
    codes: list[list[str]],
    *,
    max_length: int = 256,
    word_languages: Sequence[tuple[WordLanguages, ...]] | None = None,
    spans: bool = True,
) -> Encoding:
    """`encode` of texts and language codes that were checked before, by column: premises and
    hypotheses, or single texts."""
    flat_texts, flat_codes = list(chain.from_iterable(texts)), list(chain.from_iterable(codes))
    with_words = spans or word_languages is not None
    tokenized = tokenize(nli.tokenizer, flat_texts, flat_codes, lowercase=nli.lowercase, spans=with_words)
    encoding = build_inputs(nli, texts, codes, tokenized, max_length=max_length)
    if tokenized.words is None or tokenized.word_ids is None:
        return encoding
    bounds = [slice(side * len(encoding), (side + 1) * len(encoding)) for side in range(len(texts))]
    words = tuple(zip(*(tokenized.words[side] for side in bounds), strict=True))  # by pair, then by sentence
    ids = tuple(zip(*(tokenized.word_ids[side] for side in bounds), strict=True))
    if word_languages is not None:
        encoding = replace(encoding, langs=_word_language_ids(nli, encoding, words, ids, word_languages))
    if not spans:
        return encoding
    tokens = tuple(
        _tokens(nli, encoding, row, list(zip(*sides, strict=True)))
        for row, sides in enumerate(zip(words, ids, encoding.n_truncated, strict=True))
    )
    return replace(encoding, tokens=tokens, words=words)


def build_inputs(
    nli: NLIModel,
    texts: list[list[str]],
    codes: list[list[str]],
    tokenized: TokenizedTexts,
    *,
    max_length: int,
) -> Encoding:
    """The tensors of tokenized texts, without spans.

    Parameters
    ----------
    texts, codes : by column, as `encode_columns` takes them.
    tokenized : the texts of all columns, one column after the other."""
    columns, count = len(texts), len(texts[0])
    n_special = columns + 1
    check_int("max_length", max_length, n_special + columns, nli.max_positions)
    sizes = tokenized.sizes.reshape(columns, count).T.astype(np.int64)  # (N, columns)
    _refuse_wordless(texts, sizes)
    kept = sizes.copy()
    for row in np.flatnonzero(sizes.sum(1) > max_length - n_special).tolist():
        kept[row] = truncate(tuple(sizes[row].tolist()), max_length - n_special)
    lengths = kept.sum(1) + n_special
    width = int(lengths.max(initial=0))
    # A pair with kept = (3, 2) in a batch of width 9; English premise, French hypothesis:
    #
    #   input_ids   </s>  p1  p2  p3  </s>  h1  h2  </s>  <pad>
    #   langs        en   en  en  en   fr   fr  fr   fr    fr     position <= kept[0]: the premise's
    #   mask          1    1   1   1    1    1   1    1     0
    #
    # A sentence fills the positions after `ends`; then `ends` moves to its </s>: 0 -> 4 -> 7.
    input_ids = np.full((count, width), PAD, dtype=np.int64)
    input_ids[:, :1] = BOS if nli.pair_format == "huggingface" else EOS
    rows, ends = np.arange(count), np.zeros(count, dtype=np.int64)
    starts = (np.cumsum(tokenized.sizes, dtype=np.int64) - tokenized.sizes).reshape(columns, count)
    for side in range(columns):
        ids = tokenized.ids[ragged_indices(starts[side], kept[:, side])]
        input_ids[np.repeat(rows, kept[:, side]), ragged_indices(ends + 1, kept[:, side])] = ids
        ends = ends + 1 + kept[:, side]
        input_ids[rows, ends] = EOS
    ids_of = {code: language_id(nli, code) for column in codes for code in dict.fromkeys(column)}
    own = np.array([[ids_of[code] for code in column] for column in codes], dtype=np.int64)  # (columns, N)
    langs = np.where(np.arange(width) <= kept[:, :1], own[0][:, None], own[-1][:, None])  # (N, T)
    mask = (np.arange(width) < lengths[:, None]).astype(np.int64)  # (N, T)
    n_truncated = tuple(map(tuple, (sizes - kept).tolist()))
    return Encoding(torch.from_numpy(input_ids), torch.from_numpy(langs), torch.from_numpy(mask), n_truncated)


def truncate(sizes: tuple[int, ...], room: int) -> tuple[int, ...]:
    """How many tokens each sentence keeps when only `room` fit: the longer one is cut first, then
    both in turn."""
    if len(sizes) == 1:
        return (min(sizes[0], room),)
    premise, hypothesis = sizes
    if premise + hypothesis <= room:
        return premise, hypothesis
    half = room // 2
    if hypothesis <= half:
        return room - hypothesis, hypothesis
    if premise <= room - half:
        return premise, room - premise
    return room - half, half


def language_id(nli: NLIModel, code: str) -> int:
    """The checkpoint's id of a language; 0 where it uses none.

    Raises
    ------
    ValueError : if it uses language ids and has none for this language."""
    if code in nli.lang2id:
        return nli.lang2id[code]
    if nli.uses_language_ids:
        raise ValueError(
            f"{nli.source!r} has no id for the language {code!r}; it has {', '.join(nli.lang2id)}."
        )
    return 0


def _word_language_ids(
    nli: NLIModel,
    encoding: Encoding,
    words: Sequence[Sequence[Sequence[Word]]],
    ids: Sequence[Sequence[Sequence[tuple[int, ...]]]],
    word_languages: Sequence[tuple[WordLanguages, ...]],
) -> torch.Tensor:
    """(B, T) int64 language ids in which words have ids of their own; `words` and their `ids` are
    those before truncation."""
    if len(word_languages) != len(words):
        raise ValueError(
            f"`word_languages` needs one entry per pair; got {len(word_languages)} for {len(words)} pairs."
        )
    langs = encoding.langs.clone()  # (B, T)
    for row, codes in enumerate(word_languages):
        names = _names(words[row])
        if len(codes) != len(names):
            raise ValueError(
                f"`word_languages` needs an entry for {' and '.join(names)} of row {row}; got {codes!r}."
            )
        start = 1
        for side, (name, own, sentence) in enumerate(zip(names, codes, words[row], strict=True)):
            sizes = [len(word) for word in ids[row][side]]
            kept = sum(sizes) - encoding.n_truncated[row][side]
            if own is not None:
                if isinstance(own, str) or len(own) != len(sentence):
                    raise ValueError(
                        f"`word_languages` needs one code per word: {name} {row} has the {len(sentence)} words "
                        f"{[word.text for word in sentence]!r}; got {own!r}."
                    )
                by_token = np.repeat([language_id(nli, resolve(code)) for code in own], sizes)
                langs[row, start : start + kept] = torch.from_numpy(by_token[:kept])
            start += kept + 1
    return langs


def _tokens(
    nli: NLIModel,
    encoding: Encoding,
    row: int,
    sides: Sequence[tuple[Sequence[Word], Sequence[tuple[int, ...]], int]],
) -> tuple[Token, ...]:
    """The tokens of one pair; for each sentence, `sides` has the words, their ids and how many
    tokens were cut."""

    def special(id: int) -> Token:
        return Token(nli.tokenizer.name(id), None, None, None, None, True)

    tokens = [special(int(encoding.input_ids[row, 0]))]
    for sentence, (words, ids, n_truncated) in enumerate(sides):
        own = [
            Token(nli.tokenizer.name(id), index, sentence, start, end, False)
            for index, (word, word_ids) in enumerate(zip(words, ids, strict=True))
            for id, (start, end) in zip(word_ids, _token_spans(nli, word, word_ids), strict=True)
        ]
        tokens += [*own[: len(own) - n_truncated], special(EOS)]
    return tuple(tokens)


def _token_spans(nli: NLIModel, word: Word, ids: tuple[int, ...]) -> list[tuple[int, int]]:
    """The span of each token of a word; the whole word's where a token is unknown and its length
    therefore lost."""
    sizes = [len(nli.tokenizer.name(id).removesuffix("</w>")) for id in ids]
    if len(ids) == 1 or UNK in ids or sum(sizes) != len(word.text):
        return [(word.start, word.end)] * len(ids)
    spans, at = [], 0
    for size in sizes:
        covered = word.offsets[at : at + size]
        spans.append((min(covered), max(covered) + 1))
        at += size
    return spans


def _names(columns: Sequence[object]) -> tuple[str, ...]:
    """What errors call the sentences of these columns."""
    return SENTENCES if len(columns) == len(SENTENCES) else ("text",)


def _text_columns(premises: str | Sequence[str], hypotheses: str | Sequence[str] | None) -> list[list[str]]:
    given = [premises] if hypotheses is None else [premises, hypotheses]
    texts = [_listed(name, column) for name, column in zip(_names(given), given, strict=True)]
    if len(texts[0]) != len(texts[-1]):
        raise ValueError(
            f"expected as many hypotheses as premises; got {len(texts[0])} premises and {len(texts[1])} hypotheses."
        )
    for name, column in zip(_names(given), texts, strict=True):
        for row, text in enumerate(column):
            if not isinstance(text, str):
                raise TypeError(f"expected text as {name} {row}; got {text!r} of type {type(text).__name__}.")
    return texts


def _language_columns(
    texts: list[list[str]], languages: str | Sequence[str], hypothesis_languages: str | Sequence[str] | None
) -> list[list[str]]:
    if len(texts) == 1 and hypothesis_languages is not None:
        raise ValueError(
            f"single texts have no hypothesis; got hypothesis_languages={hypothesis_languages!r}. Leave it out."
        )
    count = len(texts[0])
    others = languages if hypothesis_languages is None else hypothesis_languages
    codes = []
    for name, given in (("languages", languages), ("hypothesis_languages", others))[: len(texts)]:
        listed = _listed(f"`{name}`", given)
        listed = listed * count if isinstance(given, str) else listed
        if len(listed) != count:
            raise ValueError(
                f"`{name}` needs one code for all pairs or one per pair; got {len(listed)} for {count} pairs."
            )
        codes.append([code if code in LANGUAGES else resolve(code) for code in listed])
    return codes


def _listed(name: str, column: str | Iterable[str] | None) -> list[str]:
    if isinstance(column, str):
        return [column]
    if not isinstance(column, Iterable):
        raise TypeError(f"expected {name} as text or a sequence of texts; got {column!r}.")
    return list(column)


def _refuse_wordless(texts: list[list[str]], sizes: np.ndarray) -> None:
    """Raise a ValueError that names the first ten sentences without tokens, if there are any;
    `sizes` is (N, columns)."""
    bare = [
        f"{_names(texts)[side]} {row} ({texts[side][row]!r})"
        for side, row in zip(*map(np.ndarray.tolist, np.nonzero(sizes.T == 0)), strict=True)
    ]
    if bare:
        more = f" and {len(bare) - 10} more" if len(bare) > 10 else ""
        raise ValueError(
            "expected at least one word in every sentence; the authors' preprocessing leaves none in "
            f"{', '.join(bare[:10])}{more}. Remove or fix these rows."
        )
