"""Style: the CSS of cards and pages in light and dark, from the .css files of this room.

Blue and vermilion are those of Okabe and Ito (2008), which any colour vision can tell apart; the
kind of underline repeats the sign."""

from __future__ import annotations

import re
from pathlib import Path

from xlmkit.render.words import LEVELS

FOLDER = Path(__file__).parent
SANS = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif'


def read_css(path: Path) -> str:
    """A CSS file without comments and line ends, with a stack of fonts in place of `SANS`."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/|\n", "", text, flags=re.DOTALL).replace("SANS", SANS)


def _shades() -> str:
    """Background and underline of each level; translucent, since the text keeps the theme's
    colour."""
    rules = []
    for sign, colour, line in (("p", "0,114,178", "solid"), ("n", "213,94,0", "dashed")):
        for level in range(1, LEVELS + 1):
            background = f"rgba({colour},{0.1 + 0.46 * level / LEVELS:.2f})"
            border = f"{1 + round(2 * level / LEVELS)}px {line} rgb({colour})"
            rules.append(f".xk .xk-{sign}{level}{{background:{background};border-bottom:{border}}}")
    return "".join(rules)


STYLE = read_css(FOLDER / "card.css") + _shades()
GRID_STYLE = read_css(FOLDER / "side_by_side.css")
PAGE_STYLE = read_css(FOLDER / "page.css")
