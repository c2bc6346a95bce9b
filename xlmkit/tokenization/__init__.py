"""Text to words, as the authors' scripts cut them, and words to the ids of their BPE tokens."""

from xlmkit.tokenization.bpe import BOS, EOS, MASK, PAD, UNK, BPETokenizer
from xlmkit.tokenization.tokenize import TokenizedTexts, ragged_indices, tokenize, tokenize_chunks
from xlmkit.tokenization.words import VERSION, Word, is_ignorable, split_batch, split_words

__all__ = [
    "BOS",
    "EOS",
    "MASK",
    "PAD",
    "UNK",
    "VERSION",
    "BPETokenizer",
    "TokenizedTexts",
    "Word",
    "is_ignorable",
    "ragged_indices",
    "split_batch",
    "split_words",
    "tokenize",
    "tokenize_chunks",
]
