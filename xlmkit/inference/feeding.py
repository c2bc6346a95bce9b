"""Feeding: a frame that is checked against the model, and its encodings, chunk by chunk, prepared beside the model where that pays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pandas as pd

from xlmkit.checks import check_int
from xlmkit.encoding import Encoding, build_inputs, encode_columns
from xlmkit.model import CLASSIFIERS, NLIModel
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.tokenization import tokenize_chunks

CHUNK = 4096  # pairs that are encoded and sorted by length together


def need_head(nli: NLIModel) -> None:
    """Refuse with a ValueError what has no head that gives labels, and with a TypeError what is no model."""
    if not isinstance(nli, NLIModel):
        raise TypeError(f"expected a model first, got {type(nli).__name__}; remedy: nli = load(...)")
    if nli.task not in CLASSIFIERS:
        raise ValueError(
            f"expected a model with an NLI head or another that classifies; got task {nli.task!r}; remedy: load(source, task='nli')"
        )


def check_input(nli: NLIModel, frame: pd.DataFrame) -> pd.DataFrame:
    """`check_pairs` with the model's labels; pairs or single texts, whichever the model was trained on.

    Raises
    ------
    ValueError : if rows are faulty, or it is the other of the two."""
    checked = check_pairs(frame, labels=nli.labels)
    columns = sentence_columns(checked)
    if nli.sentences not in (None, len(columns)):
        forms = {1: "single texts (`text`)", 2: "pairs (`premise` and `hypothesis`)"}
        raise ValueError(
            f"the model {nli.source!r} was trained on {forms[nli.sentences]}; got {forms[len(columns)]}; remedy: give it what it knows"
        )
    return checked


def encode_frame(nli: NLIModel, frame: pd.DataFrame, *, max_length: int, spans: bool) -> Encoding:
    """`encode` of the pairs, or of the single texts, of a checked frame."""
    texts, codes = _columns(frame)
    return encode_columns(nli, texts, codes, max_length=max_length, spans=spans)


def encodings(
    nli: NLIModel, frame: pd.DataFrame, max_length: int, workers: int
) -> Iterator[tuple[slice, Encoding]]:
    """The rows of a checked frame in chunks of `CHUNK`, encoded without spans; `workers` processes tokenize ahead."""
    check_int("workers", workers, 0)
    chunks = [slice(start, start + CHUNK) for start in range(0, len(frame), CHUNK)]
    columns = (_columns(frame.iloc[rows]) for rows in chunks)
    flat = ((list(chain.from_iterable(texts)), list(chain.from_iterable(codes))) for texts, codes in columns)
    tokenized = tokenize_chunks(nli.tokenizer, flat, lowercase=nli.lowercase, workers=workers)
    for rows, each in zip(chunks, tokenized, strict=True):
        yield rows, build_inputs(nli, *_columns(frame.iloc[rows]), each, max_length=max_length)


def _columns(frame: pd.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
    """The texts of a checked frame by column, and the language codes of each column."""
    texts = [frame[name].to_list() for name in sentence_columns(frame)]
    codes = [frame[name].to_list() for name in language_columns(frame)]
    return texts, codes if len(codes) == len(texts) else codes * len(texts)
