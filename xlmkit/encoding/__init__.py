"""Encoding: sentence pairs to ids, language ids and mask, exactly the tensors that XLM's authors
fed their model.

`encode` turns texts into an `Encoding`; `erasure` removes words from one."""

from xlmkit.encoding.encode import (
    SENTENCES,
    Encoding,
    Token,
    WordLanguages,
    build_inputs,
    encode,
    encode_columns,
    word_numbers,
)
from xlmkit.encoding.erasure import WAYS, drop_tokens, erase, word_counts

__all__ = [
    "SENTENCES",
    "WAYS",
    "Encoding",
    "Token",
    "WordLanguages",
    "build_inputs",
    "drop_tokens",
    "encode",
    "encode_columns",
    "erase",
    "word_counts",
    "word_numbers",
]
