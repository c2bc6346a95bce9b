"""The page that `xlmkit evaluate --report` writes."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from xlmkit.cli.reading import read_predictions
from xlmkit.cli.speaking import progress

if TYPE_CHECKING:
    import pandas as pd


def report(predictions: pd.DataFrame, chosen: argparse.Namespace) -> None:
    """Write the page, where the command asks for one."""
    if chosen.report is None:
        return
    os.environ.setdefault("MPLBACKEND", "agg")  # figures go into the page; no window is wanted
    from xlmkit.report import analyse, page
    from xlmkit.results import atomic_write

    found = page(
        analyse(
            predictions,
            dev=None if chosen.dev is None else read_predictions(chosen.dev),
            others={Path(name).stem: read_predictions(name) for name in chosen.beside},
            progress=progress(chosen),
        )
    )
    with atomic_write(chosen.report) as file:
        file.write(found)
    if not chosen.quiet:
        print(f"wrote {chosen.report}", file=sys.stderr)


def check_report(chosen: argparse.Namespace) -> None:
    """Refuse a page that could not be written, or options that are for a page where there is none."""
    if chosen.report is None:
        if chosen.dev or chosen.beside:
            raise ValueError("`--dev` and `--beside` are for the report; remedy: add `--report FILE.html`")
        return
    from xlmkit.results import check_writable

    names = [Path(name).stem for name in chosen.beside]
    if len(set(names)) < len(names):
        raise ValueError(f"expected `--beside` files with different names, got {names!r}; remedy: rename one")

    if Path(chosen.report).suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"expected `--report` to end in .html; got {chosen.report!r}; remedy: that extension"
        )
    check_writable(chosen.report)
