"""The usual path: pairs as transformers' own `XLMTokenizer` gives them, so that its mistakes can be measured and not described.

Nothing here is right for XLM: `<s>` comes first, all texts are cut as English, no language id is given. The tokeniser is transformers', from the
model's own vocab.json and merges.txt, as a user has it from `AutoTokenizer.from_pretrained(folder)`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import pandas as pd
import torch
from transformers import XLMTokenizer

from xlmkit.checkpoint import NLIModel
from xlmkit.checkpoint.source import EMBEDDED, locate
from xlmkit.encoding import Encoding
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.pieces import EOS, PAD


def user_tokenizer(nli: NLIModel) -> XLMTokenizer:
    """transformers' tokeniser of the model's folder.

    Raises
    ------
    FileNotFoundError, ConnectionError : if the folder is not there any more (a model made in memory has none)."""
    return XLMTokenizer.from_pretrained(locate(None if nli.source == EMBEDDED else nli.source).folder)


def called(tokenizer: XLMTokenizer, frame: pd.DataFrame, max_tokens: int) -> list[list[int]]:
    """Ids of each row as `tokenizer(premise, hypothesis)` gives them: `<s> P </s> H </s>`, all cut as English."""
    once = lru_cache(maxsize=None)(
        lambda text: tuple(tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)))
    )
    return [_joined(tokenizer, [once(text) for text in row], max_tokens) for row in _rows(frame)]


def cut_by_language(tokenizer: XLMTokenizer, frame: pd.DataFrame, max_tokens: int) -> list[list[int]]:
    """Ids of each row in the authors' layout, its texts cut by `_tokenize(text, lang=...)`: sacremoses in place of the Perl scripts."""
    once = lru_cache(maxsize=None)(
        lambda text, code: tuple(tokenizer.convert_tokens_to_ids(tokenizer._tokenize(text, lang=code)))
    )
    languages = frame[language_columns(frame)].to_numpy().tolist()
    rows = zip(_rows(frame), languages, strict=True)
    found = [
        _joined(
            tokenizer,
            [once(text, codes[min(side, len(codes) - 1)]) for side, text in enumerate(texts)],
            max_tokens,
        )
        for texts, codes in rows
    ]
    return [[EOS, *ids[1:]] for ids in found]


def batch(rows: Sequence[Sequence[int]]) -> Encoding:
    """Ids by row as an encoding, padded; language ids are 0 and to be given."""
    width = max(map(len, rows), default=0)
    ids = torch.full((len(rows), width), PAD)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return Encoding(ids, torch.zeros_like(ids), mask, ((0, 0),) * len(rows))


def second_sentence(ids: torch.Tensor) -> torch.Tensor:
    """(B, T) ids -> (B, T) bool: what follows the middle `</s>`; in both layouts that is the second special token."""
    special = ids.le(EOS).long()  # `<s>` is 0, `</s>` 1
    return special.cumsum(1) - special >= 2


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    return frame[sentence_columns(frame)].to_numpy().tolist()


def _joined(tokenizer: XLMTokenizer, sides: Sequence[tuple[int, ...]], max_tokens: int) -> list[int]:
    """The tokeniser's own layout; of what is too long the longer sentence gives first, as in `encode`."""
    kept = [list(side) for side in sides]
    while sum(map(len, kept)) > max_tokens - len(kept) - 1:
        max(reversed(kept), key=len).pop()
    return list(tokenizer.build_inputs_with_special_tokens(*kept))
