"""What leaves this room for a notebook or a page: a figure with alt text, a figure as SVG, a table.

JupyterLab 4 and nbconvert show a figure's PNG without `alt`. So `described` gives HTML that has
one."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pandas.io.formats.style_render import CSSDict

from xlmkit.render import escaped, quoted

TEXT = "unicode-bidi: plaintext; text-align: start; white-space: pre-wrap"


@dataclass(frozen=True, repr=False)
class Described:
    """A figure as PNG with its alt text; a notebook shows both."""

    png: bytes
    alt: str

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.png).decode()
        return f'<img src="data:image/png;base64,{image}" alt="{quoted(self.alt)}" style="max-width:100%">'


@dataclass(frozen=True)
class Table:
    """A frame to be read: a notebook shows `html`, a terminal `text`."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def described(drawing: Any, alt: str) -> Described:
    """Finish and close a figure, and give it an alt text for screen readers.

    Parameters
    ----------
    drawing : what a plot function returned, or a figure.
    alt : one sentence that says what is drawn: the axes, and what a row, a bar or a dot is. Put
        the findings into the text below the figure.

    Raises
    ------
    ValueError : if `alt` is empty."""
    if not alt.strip():
        raise ValueError("`alt` must describe the figure in words; got an empty text.")
    return Described(_saved(drawing, format="png"), " ".join(alt.split()))


def svg(drawing: Any) -> str:
    """What a plot returned as an SVG document, the same for the same drawing; closes its figure."""
    with plt.rc_context({"svg.hashsalt": "xlmkit"}):
        return _saved(drawing, format="svg", metadata={"Date": None}).decode("utf-8")


def _saved(drawing: Any, **options: Any) -> bytes:
    file, figure = BytesIO(), drawing.figure
    figure.savefig(file, bbox_inches="tight", **options)  # "tight", or a wide legend is cut off
    plt.close(figure)
    return file.getvalue()


def table(frame: pd.DataFrame, *, index: bool = False, precision: int = 2) -> Table:
    """Draw a frame to be read: each text in its own direction, and none of it taken as HTML.

    Parameters
    ----------
    frame : any frame; equal frames give equal tables.
    index : show the index too.
    precision : decimals of numbers.

    Returns
    -------
    A Table without script or network."""

    def cell(value: object) -> str:
        return f"{value:.{precision}f}" if isinstance(value, float | np.floating) else escaped(value)

    content = frame.to_csv(errors="backslashreplace").encode()  # equal frames have equal ids
    styler = frame.style.set_uuid(hashlib.sha256(content).hexdigest()[:8]).format(cell, na_rep="")
    styler = styler.format_index(escaped).format_index(escaped, axis=1)
    texts = frame.select_dtypes(exclude=["number", "bool", "boolean"]).columns
    for column in frame.columns.get_indexer(texts):
        head = CSSDict(selector=f"th.col{column}, th.row_heading", props="text-align: start")
        body = CSSDict(selector=f"td.col{column}", props=TEXT)
        styler = styler.set_table_styles([head, body], overwrite=False)
    text = frame.to_string(index=index, float_format=f"{{:.{precision}f}}".format, na_rep="")
    return Table((styler if index else styler.hide()).to_html(), text)
