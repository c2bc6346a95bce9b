"""Pages: whole HTML documents, with model, kit version and settings in the footer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from xlmkit.explanation import Explanation
from xlmkit.render.cards import section
from xlmkit.render.side_by_side import grid
from xlmkit.render.style import GRID_STYLE, PAGE_STYLE, STYLE
from xlmkit.render.text import escaped, flattened
from xlmkit.results import atomic_write

if TYPE_CHECKING:
    import pandas as pd


def page(explanations: Iterable[Explanation]) -> str:
    """A whole HTML document with one card an explanation, and model, kit version and settings in its footer."""
    listed = list(explanations)
    cards = "\n".join(section(entry) for entry in listed) or "<p>No explanations.</p>"
    return _document(f"{len(listed)} explanation{'' if len(listed) == 1 else 's'}", cards, listed)


def save_html(explanations: Explanation | Iterable[Explanation], path: str | os.PathLike[str]) -> None:
    """Save explanations as one HTML page that needs no script and no network.

    Parameters
    ----------
    explanations : one explanation or several; the page has one card per explanation.
    path : the file to write. An existing file is replaced as a whole or, on an error, left as it was."""
    listed = [explanations] if isinstance(explanations, Explanation) else explanations
    text = page(listed)
    with atomic_write(path) as file:
        file.write(text)


def side_by_side_page(explanations: Sequence[Explanation], *, pairs: pd.DataFrame | None = None) -> str:
    """`side_by_side` as a whole HTML document, with model, kit version and settings in its footer."""
    body = grid(explanations, pairs)
    listed = list(explanations)
    return _document(f"one item in {len(listed)} language{'' if len(listed) == 1 else 's'}", body, listed)


def _document(title: str, body: str, explanations: Sequence[Explanation]) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>xlmkit: {title}</title><style>{PAGE_STYLE}{STYLE}{GRID_STYLE}</style></head>\n"
        f"<body><main><h1>{title}</h1>\n{body}\n</main>\n{_footer(explanations)}</body></html>\n"
    )


def _footer(explanations: Sequence[Explanation]) -> str:
    """Provenance, once for all explanations that share it."""
    shared: dict[tuple[tuple[str, str], ...], int] = {}
    for explanation in explanations:
        entries = tuple(flattened(explanation.provenance))
        shared[entries] = shared.get(entries, 0) + 1
    numbers = count(1)
    parts = []
    for entries, many in shared.items():
        heading = f"Provenance {next(numbers)}: {many} explanations" if len(shared) > 1 else "Provenance"
        items = "".join(f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>" for key, value in entries)
        parts.append(f"<h2>{heading}</h2><dl>{items or '<dt>not recorded</dt>'}</dl>")
    return f"<footer>{''.join(parts)}</footer>"
