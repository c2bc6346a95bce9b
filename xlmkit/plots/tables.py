"""Tables: a frame drawn for reading, in a notebook and in a terminal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pandas as pd
from pandas.io.formats.style_render import CSSDict

TEXT = "unicode-bidi: plaintext; text-align: start; white-space: pre-wrap"


@dataclass(frozen=True)
class Table:
    """A frame drawn for reading: `html` is what a notebook shows, `text` what a terminal does."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def table(frame: pd.DataFrame, *, index: bool = False, precision: int = 2) -> Table:
    """Draw a frame for reading: each text in its own direction, as it was written, and nothing in it taken as HTML.

    Parameters
    ----------
    index : show the index too.
    precision : decimals of numbers.

    Returns
    -------
    The same for the same frame; without script or network."""
    content = frame.to_csv(errors="backslashreplace").encode()
    styler = frame.style.set_uuid(hashlib.sha256(content).hexdigest()[:8])
    styler = styler.format(precision=precision, escape="html", na_rep="")
    styler = styler.format_index(escape="html").format_index(escape="html", axis=1)
    texts = frame.columns.get_indexer(frame.select_dtypes(exclude=["number", "bool", "boolean"]).columns)
    styles = [CSSDict(selector=f"td.col{place}", props=TEXT) for place in texts]
    styles += [
        CSSDict(selector=f"th.col{place}, th.row_heading", props="text-align: start") for place in texts
    ]
    styler = styler.set_table_styles(styles)
    text = frame.to_string(index=index, float_format=f"{{:.{precision}f}}".format, na_rep="")
    return Table((styler if index else styler.hide()).to_html(), text)
