"""The usual path: pairs as transformers' own `XLMTokenizer` gives them, so that its mistakes can be measured and not described.

Nothing here is right for XLM: `<s>` comes first, all texts are cut as English, no language id is given. The tokeniser is transformers', from the
model's own vocab.json and merges.txt, as a user has it from `AutoTokenizer.from_pretrained(folder)`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd
import torch
from transformers import XLMTokenizer

from xlmkit.encoding import Encoding
from xlmkit.model import NLIModel
from xlmkit.model.source import EMBEDDED, locate
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.tokenization import PAD


def user_tokenizer(nli: NLIModel) -> XLMTokenizer:
    """transformers' tokeniser of the model's folder.

    Raises
    ------
    FileNotFoundError, ConnectionError : if the folder is not there any more (a model made in memory has none)."""
    return XLMTokenizer.from_pretrained(locate(None if nli.source == EMBEDDED else nli.source).folder)


@dataclass(frozen=True)
class Given:
    """Pairs as the tokeniser gives them; language ids are all 0 and to be given. `second` (B, T) is true from the second sentence on."""

    encoding: Encoding
    second: torch.Tensor


def called(tokenizer: XLMTokenizer, frame: pd.DataFrame, max_length: int) -> Given:
    """Each row as `tokenizer(premise, hypothesis)` gives it: `<s> P </s> H </s>`, all cut as English."""
    once = lru_cache(maxsize=None)(
        lambda text: tuple(tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)))
    )
    return _given(tokenizer, [[once(text) for text in row] for row in _texts(frame)], max_length)


def cut_by_language(tokenizer: XLMTokenizer, frame: pd.DataFrame, max_length: int) -> Given:
    """The same layout with each text cut by `_tokenize(text, lang=...)`: sacremoses in place of the Perl scripts."""
    once = lru_cache(maxsize=None)(
        lambda text, code: tuple(tokenizer.convert_tokens_to_ids(tokenizer._tokenize(text, lang=code)))
    )
    languages = [*frame[language_columns(frame)].to_numpy().T]
    sides = [
        [once(text, code) for text, code in zip(frame[name], codes, strict=True)]
        for name, codes in zip(sentence_columns(frame), (languages[0], languages[-1]), strict=False)
    ]
    return _given(tokenizer, [list(row) for row in zip(*sides, strict=True)], max_length)


def _texts(frame: pd.DataFrame) -> list[list[str]]:
    return frame[sentence_columns(frame)].to_numpy().tolist()


def _given(tokenizer: XLMTokenizer, rows: list[list[tuple[int, ...]]], max_length: int) -> Given:
    """The tokeniser's own layout, padded."""
    kept = [_kept(row, max_length) for row in rows]
    joined = [tokenizer.build_inputs_with_special_tokens(*row) for row in kept]
    width = max(map(len, joined), default=0)
    ids = torch.full((len(rows), width), PAD)
    mask, second = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for number, (row, sides) in enumerate(zip(joined, kept, strict=True)):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
        second[number, len(sides[0]) + 2 :] = True
    return Given(Encoding(ids, torch.zeros_like(ids), mask, ((0, 0),) * len(rows)), second)


def _kept(sides: list[tuple[int, ...]], max_length: int) -> list[list[int]]:
    """What fits: the longer sentence gives first, at its end, as in `encode`."""
    kept = [list(side) for side in sides]
    while sum(map(len, kept)) > max_length - len(kept) - 1:
        max(reversed(kept), key=len).pop()
    return kept
