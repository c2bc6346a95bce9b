"""Render: an Explanation becomes a string of HTML without script or network, readable without
colour.

Every character of the user's text is kept in its place and escaped. Invisible characters that could
mislead (control characters, bidirectional overrides, lone surrogates) are shown as code points. The
sign of a score is told by colour, by the kind of underline, and by a number under the strongest
words.

`card` draws one explanation and `side_by_side` one item in many languages; `page` and
`side_by_side_page` are whole documents, and `save_html` writes one. `escaped` and `quoted` are the
only functions of the kit that escape text. In a notebook an explanation is shown by `card`:
`xlmkit` registers it with IPython."""

from xlmkit.render.cards import card
from xlmkit.render.pages import document, page, save_html, settings, side_by_side_page
from xlmkit.render.side_by_side import count_of, side_by_side
from xlmkit.render.style import read_css
from xlmkit.render.text import BIDI_CONTROLS, escaped, is_hidden, plain, quoted

__all__ = [
    "BIDI_CONTROLS",
    "card",
    "count_of",
    "document",
    "escaped",
    "is_hidden",
    "page",
    "plain",
    "quoted",
    "read_css",
    "save_html",
    "settings",
    "side_by_side",
    "side_by_side_page",
]
