"""Scatter: points in a plane as SVG, whose marks differ by shape or letter as well as by colour, and say their text when pointed at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.render import SANS, escaped, quoted

WIDTH, HEIGHT, MARGIN = 720.0, 460.0, 26.0
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#B07A00",
    "#3E8FC0",
    "#767676",
)  # after Okabe and Ito (2008)
SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",  # disc
    "M-4.6-4.6h9.2v9.2h-9.2z",  # square
    "M0-6L5.6 4.4H-5.6z",  # triangle
    "M0-6.4L6.4 0L0 6.4L-6.4 0z",  # diamond
    "M-1.7-6h3.4v4.3h4.3v3.4h-4.3v4.3h-3.4v-4.3h-4.3v-3.4h4.3z",  # plus
    "M0 6L5.6-4.4H-5.6z",  # triangle on its tip
)
MAP_STYLE = (
    f".xk-map{{font:12px {SANS};color:inherit;max-width:100%;height:auto;display:block}}.xk-map text{{fill:currentColor}}"
    ".xk-map .xk-mark{stroke-width:.8;fill-opacity:.75;stroke:currentColor;stroke-opacity:.35}"
    ".xk-map text.xk-mark{font-weight:600;stroke:none;fill-opacity:1;text-anchor:middle}"
    ".xk-map .xk-point:hover .xk-mark{stroke-opacity:1;stroke-width:2}"
    ".xk-map .xk-ring{fill:none;stroke:currentColor;stroke-width:2}.xk-map .xk-link{stroke:currentColor;stroke-opacity:.45;fill:none}"
    ".xk-map .xk-frame{fill:none;stroke:currentColor;stroke-opacity:.3}"
    ".xk-key{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:.87em;margin:4px 0}.xk-key svg{vertical-align:-3px}"
)


def scatter(
    points: pd.DataFrame, *, axes: Sequence[str], name: str, marked: Sequence[int] = (), linked: bool = False
) -> str:
    """Draw points in a plane.

    Parameters
    ----------
    points : N rows: `x`, `y` (missing ones are left out), `group` (what mark a point gets, as text), `text` (what it says when pointed at).
        Up to six groups get a shape each; more are written by their names, which should then be short.
    axes : what to write at the two axes.
    name : what the picture shows, for who does not see it.
    marked : places of rows to ring.
    linked : join the ringed points by lines to their middle.

    Returns
    -------
    An SVG element as text, of a fixed ratio, that fits the width it is given."""
    shown = points.reset_index(drop=True)
    places = _places(shown)
    marks = _marks(shown)
    rings = [row for row in marked if np.isfinite(places[row]).all()]
    drawn = [
        _point(places[row], marks[group], text)
        for row, (group, text) in enumerate(zip(shown["group"], shown["text"], strict=True))
        if np.isfinite(places[row]).all()
    ]
    return (
        f'<svg class="xk-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" role="img" '
        f'aria-label="{quoted(name)}"><rect class="xk-frame" x="{MARGIN}" y="{MARGIN / 2}" width="{WIDTH - 1.5 * MARGIN}" '
        f'height="{HEIGHT - 1.5 * MARGIN}"/>{_links(places, rings) if linked else ""}{"".join(drawn)}'
        f"{''.join(_ring(places[row]) for row in rings)}"
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escaped(axes[0])}</text>'
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escaped(axes[1])}</text></svg>'
    )


def key(points: pd.DataFrame) -> str:
    """What each mark stands for, with how many points bear it, as HTML; in the order of `scatter`."""
    counts = points["group"].value_counts()
    entries = "".join(
        f'<span><svg viewBox="-12 -9 24 18" width="24" height="18" aria-hidden="true">{mark}</svg>{escaped(group)} ({counts[group]})</span>'
        for group, mark in _marks(points).items()
    )
    return f'<div class="xk-key">{entries}</div>'


def _marks(points: pd.DataFrame) -> dict[str, str]:
    """The mark of each group: a shape, or its own name where there are more groups than shapes."""
    groups = sorted(points["group"].astype(str).unique())
    lettered = len(groups) > len(SHAPES)
    marks = {}
    for place, group in enumerate(groups):
        colour = PALETTE[place % len(PALETTE)]
        marks[group] = (
            f'<text class="xk-mark" style="fill:{colour}" dy="4">{escaped(group)}</text>'
            if lettered
            else f'<path class="xk-mark" fill="{colour}" d="{SHAPES[place]}"/>'
        )
    return marks


def _places(points: pd.DataFrame) -> np.ndarray:
    """(N, 2) places on the picture; the points fill it, each axis with its own scale."""
    values = points[["x", "y"]].to_numpy(dtype=float)
    known = values[np.isfinite(values).all(1)]
    if not len(known):
        return values
    low, high = known.min(0), known.max(0)
    share = (values - low) / np.where(high > low, high - low, 1.0)
    share = np.where(high > low, share, 0.5)
    pad = 14.0
    left, top = MARGIN + pad, MARGIN / 2 + pad
    across, down = WIDTH - 1.5 * MARGIN - 2 * pad, HEIGHT - 1.5 * MARGIN - 2 * pad
    return np.stack([left + across * share[:, 0], top + down * (1 - share[:, 1])], axis=1)


def _point(place: np.ndarray, mark: str, text: str) -> str:
    return f'<g class="xk-point" transform="translate({place[0]:.1f} {place[1]:.1f})"><title>{escaped_title(text)}</title>{mark}</g>'


def escaped_title(text: str) -> str:
    """Text for an SVG title, which can hold no elements: hidden characters are replaced."""
    return quoted(text)


def _ring(place: np.ndarray) -> str:
    return f'<circle class="xk-ring" cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="11"/>'


def _links(places: np.ndarray, rows: Sequence[int]) -> str:
    if len(rows) < 2:
        return ""
    middle = places[list(rows)].mean(0)
    return "".join(
        f'<path class="xk-link" d="M{middle[0]:.1f} {middle[1]:.1f}L{places[row][0]:.1f} {places[row][1]:.1f}"/>'
        for row in rows
    )
