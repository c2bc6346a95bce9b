"""Premise/hypothesis pairs as a tidy frame: readers, label names, parallel sampling.

Labels travel by name, because their numbers differ by source (XLM's authors: contradiction 0; the Hub's XNLI: entailment 0). `tables` reads
text files row by row, `checks` names what is wrong with a row, `sources` joins them."""

from xlmkit.pairs.checks import (
    LABELS,
    SPELLINGS,
    is_missing,
    label_name,
    label_reader,
    language_columns,
    sentence_columns,
)
from xlmkit.pairs.items import ITEM_COLUMNS, row_language, shared_items, with_english
from xlmkit.pairs.sources import check_pairs, read_pairs

__all__ = [
    "ITEM_COLUMNS",
    "LABELS",
    "SPELLINGS",
    "check_pairs",
    "is_missing",
    "label_name",
    "label_reader",
    "language_columns",
    "read_pairs",
    "row_language",
    "sentence_columns",
    "shared_items",
    "with_english",
]
