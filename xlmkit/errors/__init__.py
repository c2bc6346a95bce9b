"""What misled the model: words to blame for wrong labels, and the smallest edits that set them right.

`words` says of every word of an explained error what kind of word it is, `blame` counts which of them push to the wrong label most, by language and
by confusion; `edits` looks for the fewest words whose removal or replacement flips the prediction to gold (`variants` makes such pairs, `search` chooses among
them), and `sizes` counts them."""

from xlmkit.errors.blame import blame, examples
from xlmkit.errors.edits import minimal_edits
from xlmkit.errors.sizes import edit_sizes
from xlmkit.errors.words import CLASSES, words

__all__ = ["CLASSES", "blame", "edit_sizes", "examples", "minimal_edits", "words"]
