"""Pages: whole HTML documents, with model, kit version and settings in the footer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xlmkit.explanation import Explanation
from xlmkit.render.cards import section
from xlmkit.render.side_by_side import count_of, grid
from xlmkit.render.style import GRID_STYLE, PAGE_STYLE, STYLE
from xlmkit.render.text import escaped, flattened
from xlmkit.results import atomic_write

if TYPE_CHECKING:
    import pandas as pd


def page(explanations: Iterable[Explanation]) -> str:
    """An HTML document with one card per explanation; model, version and settings in its footer."""
    listed = list(explanations)
    cards = "\n".join(map(section, listed)) or "<p>No explanations.</p>"
    return _document(count_of(len(listed), "explanation"), cards, listed)


def side_by_side_page(explanations: Sequence[Explanation], *, pairs: pd.DataFrame | None = None) -> str:
    """`side_by_side` as an HTML document with model, version and settings in its footer."""
    listed = list(explanations)
    title = f"one item in {count_of(len(listed), 'language')}"
    return _document(title, grid(listed, pairs), listed)


def save_html(explanations: Explanation | Iterable[Explanation], path: str | os.PathLike[str]) -> None:
    """Save explanations as one HTML page that needs no script and no network.

    Parameters
    ----------
    explanations : one explanation or several; the page has one card per explanation.
    path : the file to write. An existing file is replaced as a whole or, on an error, left as it
        was."""
    text = page([explanations] if isinstance(explanations, Explanation) else explanations)
    with atomic_write(path) as file:
        file.write(text)


def document(title: str, style: str, body: str) -> str:
    """An HTML document that loads nothing and runs nothing; `title` is plain text."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en" dir="ltr"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>xlmkit: {escaped(title)}</title><style>{style}</style></head>\n"
        f"<body><main><h1>{escaped(title)}</h1>\n{body}</main></body></html>\n"
    )


def settings(values: object) -> str:
    """A nested mapping as an HTML list of names and values."""
    items = "".join(f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>" for key, value in flattened(values))
    return f"<dl>{items or '<dt>not recorded</dt>'}</dl>"


def _document(title: str, body: str, explanations: Sequence[Explanation]) -> str:
    """The document of these explanations, with each provenance once, for all that share it."""
    shared = Counter(settings(explanation.provenance) for explanation in explanations)
    parts = []
    for number, (listed, count) in enumerate(shared.items(), start=1):
        heading = (
            f"Provenance {number}: {count_of(count, 'explanation')}" if len(shared) > 1 else "Provenance"
        )
        parts.append(f"<h2>{heading}</h2>{listed}")
    footer = f"<footer>{''.join(parts)}</footer>\n"
    return document(title, PAGE_STYLE + STYLE + GRID_STYLE, f"{body}\n{footer}")
