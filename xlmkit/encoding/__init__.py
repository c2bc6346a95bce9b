"""Encoding: sentence pairs -> ids, language ids, mask: exactly the tensors that XLM's authors fed their model.

The layout is that of `concat_batches` (xlm/utils.py) and xlm/evaluation/xnli.py in facebookresearch/XLM: `</s> premise </s> hypothesis </s>`,
the first `</s>` with the premise's language id, the middle `</s>` and all that follows it, padding included, with the hypothesis's; positions
run on, no token types. A single text is `</s> text </s>`, all in its language (`batch_sentences` in xlm/data/dataset.py).

`sentences` checks what goes in and `value` is what comes out; between them `layout` puts pieces and language ids in their places, `truncation` says what
stays, `language_ids` gives words of code-switched text their own, `spans` says where each token stands in the text, and `encoding` does all of it."""

from xlmkit.encoding.encoding import encode
from xlmkit.encoding.language_ids import WordLanguages
from xlmkit.encoding.layout import lay_out
from xlmkit.encoding.sentences import SENTENCES, Columns, columns
from xlmkit.encoding.value import Encoding, Token

__all__ = [
    "SENTENCES",
    "Columns",
    "Encoding",
    "Token",
    "WordLanguages",
    "columns",
    "encode",
    "lay_out",
]
