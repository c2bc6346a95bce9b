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
PURE = 0.6  # of a colour, in letters; the rest is the colour of the text
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
    points: pd.DataFrame,
    *,
    axes: Sequence[str],
    name: str,
    ringed: Sequence[int] = (),
    values: bool = False,
) -> str:
    """Draw points in a plane.

    Parameters
    ----------
    points : N rows: `x`, `y` (missing ones are left out), `group` (what colour a point gets, as text), `text` (what it says when pointed at), and
        where each point is to be written instead of drawn, a short `mark`. Without marks each of up to six groups has a shape, more are numbered.
    axes : what to write at the two axes.
    name : what the picture shows, for who does not see it.
    ringed : places of rows to ring, and to join by lines to their middle.
    values : whether a point can be chosen; its `data-xk` is then its place among the rows.

    Returns
    -------
    An SVG element as text, of a fixed ratio, that fits the width it is given."""
    places = _places(points)
    marks = [_mark(*style) for style in _styles(points)]
    there = np.flatnonzero(np.isfinite(places).all(1))
    rings = [row for row in ringed if row in there]
    texts = points["text"].to_list()
    drawn = "".join(
        _point(places[row], marks[row], texts[row], str(row) if values else None) for row in there
    )
    return (
        f'<svg class="xk-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" '
        f'role="{"group" if values else "img"}" aria-label="{quoted(name)}"><rect class="xk-frame" x="{MARGIN}" y="{MARGIN / 2}" '
        f'width="{WIDTH - 1.5 * MARGIN}" height="{HEIGHT - 1.5 * MARGIN}"/>{_links(places, rings)}{drawn}'
        f"{''.join(map(_ring, places[rings]))}"
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escaped(axes[0])}</text>'
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escaped(axes[1])}</text></svg>'
    )


def key(points: pd.DataFrame) -> str:
    """What the marks stand for, with how many points there are of each, as HTML; the marks are those of `scatter`."""
    styles = pd.Series(_styles(points), index=points.index)
    entries = ""
    for group, own in styles.groupby(points["group"].astype(str)):
        kinds = list(dict.fromkeys(own))
        drawn = "".join(
            f'<svg viewBox="-15 -9 30 18" width="30" height="18" aria-hidden="true">{_mark(*kind)}</svg>'
            for kind in kinds
        )
        entries += f"<span>{drawn} {escaped(group)} ({len(own)})</span>"
    return f'<div class="xk-key">{entries}</div>'


def _styles(points: pd.DataFrame) -> list[tuple[str, str]]:
    """(colour, what to write) of each point; nothing to write where its group has a shape, which goes with the colour."""
    groups = points["group"].astype(str)
    order = {group: place for place, group in enumerate(sorted(groups.unique()))}
    colours = [PALETTE[order[group] % len(PALETTE)] for group in groups]
    if "mark" in points:
        written = points["mark"].astype(str).to_list()
    else:
        written = ["" if len(order) <= len(SHAPES) else str(order[group] + 1) for group in groups]
    return list(zip(colours, written, strict=True))


def _mark(colour: str, written: str) -> str:
    if written:
        return f'<text class="xk-mark" style="fill:{colour};fill:{inked(colour)}" dy="4">{escaped(written)}</text>'
    return f'<path class="xk-mark" fill="{colour}" d="{SHAPES[PALETTE.index(colour)]}"/>'


def inked(colour: str) -> str:
    """A colour to write with: nearer to that of the text, dark on a light page and light on a dark one, so that small letters can be read."""
    return f"color-mix(in srgb,{colour} {100 * PURE:.0f}%,currentColor)"


def _places(points: pd.DataFrame) -> np.ndarray:
    """(N, 2) places on the picture; the points fill it as far as one scale for both axes lets them."""
    values = points[["x", "y"]].to_numpy(dtype=float)
    known = values[np.isfinite(values).all(1)]
    if not len(known):
        return values
    low, high = known.min(0), known.max(0)
    pad = 14.0
    left, top = MARGIN + pad, MARGIN / 2 + pad
    room = np.array([WIDTH - 1.5 * MARGIN - 2 * pad, HEIGHT - 1.5 * MARGIN - 2 * pad])
    # One scale for both axes: a distance means the same in every direction.
    scale = min(room / np.where(high > low, high - low, 1e-12))
    spare = (room - scale * (high - low)) / 2
    across, up = (spare + scale * (values - low)).T
    return np.stack([left + across, top + room[1] - up], axis=1)


def _point(place: np.ndarray, mark: str, text: str, value: str | None) -> str:
    button = "" if value is None else f' role="button" data-xk="{value}"'
    at = f"translate({place[0]:.1f} {place[1]:.1f})"
    # A title can hold no elements, so `quoted`, which replaces hidden characters, and not `escaped`, which marks them up.
    return f'<g class="xk-point" transform="{at}"{button}><title>{quoted(text)}</title>{mark}</g>'


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
