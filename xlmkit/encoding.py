"""Encoding: sentence pairs -> ids, language ids, mask: exactly the tensors that XLM's authors fed their model.

The layout is that of `concat_batches` (xlm/utils.py) and xlm/evaluation/xnli.py in facebookresearch/XLM: `</s> premise </s> hypothesis </s>`,
the first `</s>` with the premise's language id, the middle `</s>` and all that follows it, padding included, with the hypothesis's; positions
run on, no token types. A single text is `</s> text </s>`, all in its language (`batch_sentences` in xlm/data/dataset.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import torch

from xlmkit.checkpoint import NLIModel
from xlmkit.languages import LANGUAGES, resolve
from xlmkit.pieces import BOS, EOS, PAD, UNK
from xlmkit.preparation import Prepared, places, prepare
from xlmkit.preparation.processes import usual
from xlmkit.preprocessing import Word, split_batch, split_words

SENTENCES = ("premise", "hypothesis")

WordLanguages = Sequence[str] | None
"""One code a word of `split_words(text, language)`, or None for a sentence that is all in its own language."""


@dataclass(frozen=True)
class Token:
    """One token of an encoded pair, and where it stands in the text that the user gave.

    `word` counts within its sentence; `sentence` is 0 for the premise or a single text, 1 for the hypothesis; `start` and `end` are a span of characters of that
    sentence's surface text. All four are None for a special token."""

    text: str
    word: int | None
    sentence: int | None
    start: int | None
    end: int | None
    special: bool


@dataclass(frozen=True)
class Encoding:
    """A batch of pairs, or of single texts, as the model takes it: B pairs, T tokens.

    `input_ids`, `langs` (language ids) and `attention_mask` (1 real, 0 padding) are (B, T) int64 tensors on the CPU. `tokens` and `words` (premise,
    hypothesis; before truncation) are None where spans were not asked for. `dropped` counts the pieces cut from premise and hypothesis. Of a
    single text, `words` and `dropped` have one entry instead of two."""

    input_ids: torch.Tensor
    langs: torch.Tensor
    attention_mask: torch.Tensor
    dropped: tuple[tuple[int, ...], ...]
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
        """Per pair, whether pieces were cut."""
        return tuple(any(cut) for cut in self.dropped)

    def select(self, rows: Sequence[int] | np.ndarray) -> Encoding:
        """These rows in this order, without the columns that would be padding in all of them."""
        index = torch.as_tensor(np.asarray(rows, dtype=np.int64))
        width = int(self.attention_mask[index].sum(1).max()) if len(index) else 0
        return Encoding(
            self.input_ids[index, :width],
            self.langs[index, :width],
            self.attention_mask[index, :width],
            tuple(self.dropped[i] for i in index.tolist()),
            None if self.tokens is None else tuple(self.tokens[i] for i in index.tolist()),
            None if self.words is None else tuple(self.words[i] for i in index.tolist()),
        )


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
    _check_length(nli, max_tokens, len(texts))
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
    _refuse_wordless(texts, words)
    pieces = [_pieces(nli, column) for column in words]  # premise, hypothesis; each N x words x pieces
    word_ids = _word_language_ids(nli, words, codes, word_languages)
    return _assemble(nli, pieces, word_ids, codes, max_tokens, cut)


@dataclass(frozen=True)
class Columns:
    """Checked texts and the codes of their languages, each by column (premises and hypotheses, or single texts alone)."""

    texts: list[list[str]]
    codes: list[list[str]]

    @property
    def flat(self) -> tuple[list[str], list[str]]:
        """Texts and codes, column after column, as `prepare` takes them."""
        return list(chain.from_iterable(self.texts)), list(chain.from_iterable(self.codes))


def columns(
    premises: str | Sequence[str],
    hypotheses: str | Sequence[str] | None,
    languages: str | Sequence[str],
    *,
    hypothesis_languages: str | Sequence[str] | None = None,
) -> Columns:
    """What `encode` takes, checked; it raises as `encode` does."""
    texts = _columns(premises, hypotheses)
    return Columns(texts, _language_columns(texts, languages, hypothesis_languages))


def lay_out(nli: NLIModel, columns: Columns, prepared: Prepared, *, max_tokens: int) -> Encoding:
    """`encode` without spans, of texts whose pieces are there.

    Parameters
    ----------
    prepared : of `columns.flat`.

    Raises
    ------
    ValueError : as `encode`."""
    _check_length(nli, max_tokens, len(columns.texts))
    count = len(columns.texts[0])
    whole = prepared.sizes.reshape(len(columns.texts), count).T.astype(np.int64)  # (N, columns)
    _refuse_wordless(columns.texts, whole.T.tolist())
    specials = _specials(len(columns.texts))
    kept = whole.copy()
    for row in np.flatnonzero(whole.sum(1) > max_tokens - specials).tolist():
        kept[row] = _kept(tuple(whole[row].tolist()), max_tokens - specials)
    lengths = kept.sum(1) + specials
    width = int(lengths.max(initial=0))
    mask = np.arange(width) < lengths[:, None]
    input_ids = np.full((count, width), PAD, dtype=np.int64)
    input_ids[:, :1] = BOS if nli.pair_format == "huggingface" else EOS
    rows, ends = np.arange(count), np.zeros(count, dtype=np.int64)
    starts = np.cumsum(prepared.sizes, dtype=np.int64) - prepared.sizes
    for side, sizes in enumerate(kept.T):
        ids = prepared.ids[places(starts[side * count : (side + 1) * count], sizes)]
        input_ids[np.repeat(rows, sizes), places(ends + 1, sizes)] = ids
        ends = ends + 1 + sizes
        input_ids[rows, ends] = EOS
    ids_of = {code: _language_id(nli, code) for column in columns.codes for code in dict.fromkeys(column)}
    own = np.array([[ids_of[code] for code in column] for column in columns.codes], dtype=np.int64)
    langs = np.where(np.arange(width) <= kept[:, :1], own[0][:, None], own[-1][:, None])
    dropped = tuple(map(tuple, (whole - kept).tolist()))
    real = mask.astype(np.int64)
    return Encoding(torch.from_numpy(input_ids), torch.from_numpy(langs), torch.from_numpy(real), dropped)


def is_whole(value: object) -> bool:
    """Whether an option is a whole number: an int of Python or numpy, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _names(texts: Sequence[object]) -> tuple[str, ...]:
    """What errors call the sentences of these columns."""
    return SENTENCES if len(texts) == len(SENTENCES) else ("text",)


def _columns(premises: str | Sequence[str], hypotheses: str | Sequence[str] | None) -> list[list[str]]:
    """The sentences by column: premises and hypotheses, or single texts alone."""
    given = [premises] if hypotheses is None else [premises, hypotheses]
    names = _names(given)
    texts = [
        [column] if isinstance(column, str) else _listed(name, column)
        for name, column in zip(names, given, strict=True)
    ]
    if len(texts[0]) != len(texts[-1]):
        raise ValueError(
            f"expected as many hypotheses as premises; got {len(texts[0])} premises and {len(texts[1])} hypotheses"
        )
    for name, column in zip(names, texts, strict=True):
        for row, text in enumerate(column):
            if not isinstance(text, str):
                raise TypeError(f"expected text as {name} {row}, got {text!r} of type {type(text).__name__}")
    return texts


def _listed(name: str, column: Iterable[str] | None) -> list[str]:
    if not isinstance(column, Iterable):
        raise TypeError(f"expected {name} as text or a sequence of texts, got {column!r}")
    return list(column)


def _language_columns(
    texts: list[list[str]], languages: str | Sequence[str], hypothesis_languages: str | Sequence[str] | None
) -> list[list[str]]:
    count = len(texts[0])
    columns: list[list[str]] = []
    if len(texts) == 1 and hypothesis_languages is not None:
        raise ValueError(
            f"single texts have no hypothesis; got `hypothesis_languages` {hypothesis_languages!r}; remedy: leave it out"
        )
    named = (("languages", languages), ("hypothesis_languages", hypothesis_languages))
    for name, given in named[: len(texts)]:
        if given is None and name == "hypothesis_languages":
            columns.append(columns[0])
            continue
        listed = [given] * count if isinstance(given, str) else _listed(f"`{name}`", given)
        if len(listed) != count:
            raise ValueError(
                f"`{name}` needs one code for all pairs or one a pair; got {len(listed)} for {count} pairs"
            )
        columns.append([code if code in LANGUAGES else resolve(code) for code in listed])
    return columns


def _specials(sentences: int) -> int:
    """How many tokens of the layout are no piece of a sentence."""
    return sentences + 1


def _check_length(nli: NLIModel, max_tokens: int, sentences: int) -> None:
    least = _specials(sentences) + sentences
    if not is_whole(max_tokens) or not least <= max_tokens <= nli.max_positions:
        raise ValueError(
            f"`max_tokens` must be a whole number from {least} ({_specials(sentences)} special tokens and a piece of each sentence) to "
            f"{nli.max_positions} (the model's positions); got {max_tokens!r}"
        )


def _split(texts: list[str], codes: list[str], *, lowercase: bool) -> list[list[str]]:
    """Words of every text; each distinct text of a language is cut once (XNLI repeats its premises threefold)."""
    done: dict[str, dict[str, list[str]]] = {}
    for code in dict.fromkeys(codes):
        distinct = list(dict.fromkeys(text for text, own in zip(texts, codes, strict=True) if own == code))
        done[code] = dict(zip(distinct, split_batch(distinct, code, lowercase=lowercase), strict=True))
    return [done[code][text] for text, code in zip(texts, codes, strict=True)]


def _refuse_wordless(texts: list[list[str]], words: Sequence[Sequence[list[str] | int]]) -> None:
    """`words` by column: each sentence's words, or their number of pieces."""
    bare = [
        f"{name} {row} ({texts[side][row]!r})"
        for side, name in enumerate(_names(texts))
        for row, sentence in enumerate(words[side])
        if not sentence
    ]
    if bare:
        raise ValueError(
            "expected at least one word in every sentence; none is left by the authors' preprocessing in "
            + ", ".join(bare[:10])
            + (f" and {len(bare) - 10} more" if len(bare) > 10 else "")
            + "; remedy: remove or mend these rows"
        )


def _pieces(nli: NLIModel, sentences: list[list[str]]) -> list[list[tuple[int, ...]]]:
    """Ids of every word of every sentence, looked up in one call."""
    found = iter(nli.pieces.ids(list(chain.from_iterable(sentences))))
    return [list(islice(found, len(sentence))) for sentence in sentences]


def _language_id(nli: NLIModel, code: str) -> int:
    if code in nli.languages:
        return nli.languages[code]
    if nli.uses_language_ids:
        raise ValueError(
            f"language {code!r} has no language embedding in {nli.source!r}, which knows {', '.join(nli.languages)}"
        )
    return 0


def _word_language_ids(
    nli: NLIModel,
    words: list[list[list[str]]],
    codes: list[list[str]],
    given: Sequence[tuple[WordLanguages, ...]] | None,
) -> list[list[list[int] | None]]:
    """Per sentence the language id of each word, or None where the sentence's own serves for all."""
    count = len(words[0])
    if given is None:
        return [[None] * count for _ in words]
    if len(given) != count:
        raise ValueError(f"`word_languages` needs one entry a pair; got {len(given)} for {count} pairs")
    found: list[list[list[int] | None]] = [[] for _ in words]
    for row, pair in enumerate(given):
        if len(pair) != len(words):
            raise ValueError(
                f"`word_languages` needs an entry for {' and '.join(_names(words))} of row {row}; got {pair!r}"
            )
        for side, name in enumerate(_names(words)):
            own = pair[side]
            if own is not None and (isinstance(own, str) or len(own) != len(words[side][row])):
                raise ValueError(
                    f"`word_languages` needs one code a word: {name} {row} has the {len(words[side][row])} words "
                    f"{words[side][row]!r} in {codes[side][row]!r}; got {own!r}"
                )
            found[side].append(None if own is None else [_language_id(nli, resolve(code)) for code in own])
    return found


def _kept(sizes: tuple[int, ...], room: int) -> tuple[int, ...]:
    """How many pieces of each sentence stay when only `room` fit: the longer one gives first, then both in turn."""
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


def _assemble(
    nli: NLIModel,
    pieces: list[list[list[tuple[int, ...]]]],
    word_ids: list[list[list[int] | None]],
    codes: list[list[str]],
    max_tokens: int,
    cut: list[list[tuple[Word, ...]]] | None,
) -> Encoding:
    """Lay the pieces of all sentences out in one padded batch."""
    count = len(pieces[0])
    flat = [[list(chain.from_iterable(sentence)) for sentence in column] for column in pieces]
    specials = _specials(len(pieces))
    kept = [_kept(tuple(map(len, row)), max_tokens - specials) for row in zip(*flat, strict=True)]
    width = max((sum(sizes) for sizes in kept), default=-specials) + specials
    input_ids = np.full((count, width), PAD, dtype=np.int64)
    langs = np.empty((count, width), dtype=np.int64)
    mask = np.zeros((count, width), dtype=np.int64)
    ids_of = {code: _language_id(nli, code) for column in codes for code in dict.fromkeys(column)}
    first = BOS if nli.pair_format == "huggingface" else EOS
    for row, sizes in enumerate(kept):
        input_ids[row, 0] = first
        mask[row, : sum(sizes) + specials] = 1
        langs[row] = ids_of[codes[-1][row]]
        langs[row, : sizes[0] + 1] = ids_of[codes[0][row]]
        start = 1
        for side, size in enumerate(sizes):
            end = start + size
            input_ids[row, start:end] = flat[side][row][:size]
            input_ids[row, end] = EOS
            own = word_ids[side][row]
            if own is not None:
                langs[row, start:end] = np.repeat(own, [len(word) for word in pieces[side][row]])[:size]
            start = end + 1
    dropped = tuple(
        tuple(len(column[row]) - size for column, size in zip(flat, sizes, strict=True))
        for row, sizes in enumerate(kept)
    )
    tensors = (torch.from_numpy(input_ids), torch.from_numpy(langs), torch.from_numpy(mask))
    if cut is None:
        return Encoding(*tensors, dropped)
    tokens = tuple(
        _tokens(nli, first, [(cut[side][row], pieces[side][row], size) for side, size in enumerate(sizes)])
        for row, sizes in enumerate(kept)
    )
    return Encoding(*tensors, dropped, tokens, tuple(zip(*cut, strict=True)))


def _tokens(
    nli: NLIModel, first: int, sides: list[tuple[tuple[Word, ...], list[tuple[int, ...]], int]]
) -> tuple[Token, ...]:
    """The tokens of one row, each with its place in the surface text."""

    def special(id: int) -> Token:
        return Token(nli.pieces.name(id), None, None, None, None, True)

    tokens = [special(first)]
    for sentence, (words, pieces, kept) in enumerate(sides):
        own: list[Token] = []
        for index, (word, ids) in enumerate(zip(words, pieces, strict=True)):
            if len(own) >= kept:
                break
            for id, (start, end) in zip(ids, _piece_spans(nli, word, ids), strict=True):
                own.append(Token(nli.pieces.name(id), index, sentence, start, end, False))
        tokens += [*own[:kept], special(EOS)]
    return tuple(tokens)


def _piece_spans(nli: NLIModel, word: Word, ids: tuple[int, ...]) -> list[tuple[int, int]]:
    """Surface span of each piece of a word; the word's whole span where a piece is unknown and its length therefore lost."""
    sizes = [len(nli.pieces.name(id).removesuffix("</w>")) for id in ids]
    if len(ids) == 1 or UNK in ids or sum(sizes) != len(word.text):
        return [(word.start, word.end)] * len(ids)
    spans, at = [], 0
    for size in sizes:
        covered = word.offsets[at : at + size]
        spans.append((min(covered), max(covered) + 1))
        at += size
    return spans
