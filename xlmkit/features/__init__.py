"""What can be said of a pair before a model answers: what an error analysis slices by.

`surface` counts words, `negation` knows which of them negate in 15 languages, `taxixnli` reads what people said about the reasoning."""

from xlmkit.features.negation import negations
from xlmkit.features.surface import FEATURES, PIECE_FEATURES, features
from xlmkit.features.taxixnli import PREFIX, reasoning

__all__ = ["FEATURES", "PIECE_FEATURES", "PREFIX", "features", "negations", "reasoning"]
