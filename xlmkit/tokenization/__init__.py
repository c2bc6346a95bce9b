"""Text to words, as the authors' scripts cut them, and words to the ids of their BPE tokens."""

from xlmkit.tokenization.bpe import BOS, EOS, MASK, PAD, UNK, BPETokenizer
from xlmkit.tokenization.texts import Prepared, computed, places, prepare
from xlmkit.tokenization.words import VERSION, Word, dropped, split_batch, split_words

__all__ = [
    "BOS",
    "EOS",
    "MASK",
    "PAD",
    "UNK",
    "VERSION",
    "BPETokenizer",
    "Prepared",
    "Word",
    "computed",
    "dropped",
    "places",
    "prepare",
    "split_batch",
    "split_words",
]
