"""Render: Explanation -> HTML as a string: self-contained, without script or network, readable without colour.

Every character of the user's text is kept in its place and escaped; what is invisible and could mislead (control characters, bidirectional
overrides, lone surrogates) is shown by its number. The sign of a score is told by colour, by the kind of underline, and by a number under the
strongest words. `card` draws one explanation, `side_by_side` one item in many languages; `page` and `side_by_side_page` are whole documents."""

from xlmkit.explanation import Explanation
from xlmkit.render.cards import card
from xlmkit.render.pages import page, save_html, side_by_side_page
from xlmkit.render.side_by_side import side_by_side
from xlmkit.render.style import SANS
from xlmkit.render.text import BIDI_CONTROLS, escaped, flattened, plain, quoted

__all__ = [
    "BIDI_CONTROLS",
    "SANS",
    "card",
    "escaped",
    "flattened",
    "page",
    "plain",
    "quoted",
    "save_html",
    "side_by_side",
    "side_by_side_page",
]

# A notebook shows an explanation as its card. The value itself knows nothing of HTML.
Explanation._repr_html_ = card  # type: ignore[attr-defined]
