"""What misled the model: words to blame for wrong labels, and the smallest edits that flip them to
gold.

`classify_words` says what kind of word each word of an explained error is, and `blame` counts which
of them push most towards the wrong label, by language and by confusion. `minimal_edits` finds the
fewest words whose removal or replacement flips the prediction to gold, and `edit_sizes` counts
them."""

from xlmkit.errors.blame import blame, examples
from xlmkit.errors.edits import edit_sizes, minimal_edits
from xlmkit.errors.words import WORD_CLASSES, classify_words

__all__ = ["WORD_CLASSES", "blame", "classify_words", "edit_sizes", "examples", "minimal_edits"]
