"""Premise/hypothesis pairs as a tidy frame: `read_pairs`, names of columns and labels, items that
languages share."""

from xlmkit.pairs.columns import (
    LABELS,
    SPELLINGS,
    TEXT_SPELLINGS,
    is_missing,
    label_name,
    label_reader,
    language_columns,
    sentence_columns,
)
from xlmkit.pairs.items import ITEM_COLUMNS, row_language, shared_items, with_english
from xlmkit.pairs.sources import read_pairs
from xlmkit.pairs.validate import check_pairs
from xlmkit.pairs.workshop import PHENOMENA

__all__ = [
    "ITEM_COLUMNS",
    "LABELS",
    "PHENOMENA",
    "SPELLINGS",
    "TEXT_SPELLINGS",
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
