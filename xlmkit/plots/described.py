"""Described figures: a figure for a notebook with the words that a screen reader says in its place.

JupyterLab 4 shows a figure's PNG without any `alt`, and so does nbconvert's page: so the figure goes out as HTML that has one."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Protocol

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


class Drawn(Protocol):
    """An Axes or a seaborn grid."""

    @property
    def figure(self) -> Figure:
        """What it is drawn in."""
        ...


@dataclass(frozen=True, repr=False)
class Described:
    """A figure as PNG, and what is drawn in it, in words."""

    png: bytes
    alt: str

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.png).decode()
        return f'<img src="data:image/png;base64,{image}" alt="{escape(self.alt)}" style="max-width:100%">'


def described(drawn: Drawn | Figure, alt: str) -> Described:
    """A figure, finished and closed, with its description.

    Parameters
    ----------
    drawn : what a plot function returned.
    alt : what is drawn, in a sentence: the axes, what a row, a bar or a dot is. No findings: they stand in the text below the figure.

    Raises
    ------
    ValueError : if the description is empty."""
    if not alt.strip():
        raise ValueError("`alt` must say in words what is drawn; got an empty text")
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    file = BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    plt.close(figure)
    return Described(file.getvalue(), " ".join(alt.split()))
