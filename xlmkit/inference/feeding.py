"""Feeding: a frame that is checked against the model, and its encodings, chunk by chunk, prepared beside the model where that pays."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import Any

import pandas as pd

from xlmkit.checks import check_int
from xlmkit.encoding import Columns, Encoding, columns, encode, lay_out
from xlmkit.model import CLASSIFIERS, NLIModel
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.tokenization.processes import Preparers

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
    given, others = _given(frame)
    return encode(nli, *given, hypothesis_languages=others, max_length=max_length, spans=spans)


def encodings(
    nli: NLIModel, frame: pd.DataFrame, max_length: int, workers: int | None
) -> Iterator[tuple[slice, Encoding]]:
    """The rows of a checked frame in chunks, encoded without spans, in their order; with workers some chunks ahead of the one that was given out."""
    workers = _workers(nli, workers, len(frame))
    chunks = [slice(start, start + CHUNK) for start in range(0, len(frame), CHUNK)]
    if not workers:
        for rows in chunks:
            yield rows, encode_frame(nli, frame.iloc[rows], max_length=max_length, spans=False)
        return
    waiting: deque[tuple[slice, Columns, Any]] = deque()
    with Preparers(
        nli.tokenizer, lowercase=nli.lowercase, count=min(workers, max(1, len(chunks)))
    ) as preparers:
        while chunks or waiting:
            while chunks and len(waiting) <= workers:
                rows = chunks.pop(0)
                asked = _columns(frame.iloc[rows])
                waiting.append((rows, asked, preparers.submit(*asked.flat)))
            rows, asked, prepared = waiting.popleft()
            yield rows, lay_out(nli, asked, prepared.result(), max_length=max_length)


def _workers(nli: NLIModel, workers: int | None, rows: int) -> int:
    """How many processes prepare; a ValueError where the option is no whole number from 0."""
    if workers is None:
        return 0 if nli.device.type == "cpu" or rows <= CHUNK else max(0, min(4, (os.cpu_count() or 1) - 1))
    check_int("workers", workers, 0)
    return workers


def _columns(frame: pd.DataFrame) -> Columns:
    given, others = _given(frame)
    return columns(*given, hypothesis_languages=others)


def _given(frame: pd.DataFrame) -> tuple[tuple[list[str], list[str] | None, list[str]], list[str] | None]:
    """Of a checked frame: premises, hypotheses and languages, and where the hypotheses have their own, those."""
    first, *second = (frame[name].to_list() for name in sentence_columns(frame))
    languages, *others = (frame[name].to_list() for name in language_columns(frame))
    return (first, second[0] if second else None, languages), others[0] if others else None
