"""What is known about a pair before a model predicts: what an error analysis slices by.

`surface` counts words, `negation` knows which of them negate in 15 languages."""

from xlmkit.features.negation import negations
from xlmkit.features.surface import FEATURES, PIECE_FEATURES, features

__all__ = ["FEATURES", "PIECE_FEATURES", "features", "negations"]
