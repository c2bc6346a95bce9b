"""What a command writes: to the file that `--out` names, else to standard output."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import xlmkit


def check_out(chosen: argparse.Namespace) -> None:
    """Refuse a file that could not be written before anything is computed for it, which may take hours."""
    if chosen.out is None:
        return
    from xlmkit.results import check_writable

    if kind(chosen) not in chosen.extensions:
        raise ValueError(
            f"expected `--out` to end in {', '.join(chosen.extensions)}; got {chosen.out!r}; remedy: one of these extensions"
        )
    check_writable(chosen.out)


def kind(chosen: argparse.Namespace) -> str:
    """The extension of what is written, in small letters."""
    return f".{chosen.to}" if chosen.out is None else Path(chosen.out).suffix.lower()


def write(result: Any, chosen: argparse.Namespace) -> None:
    """A frame, or a list of explanations, in the form that the command asks for."""
    if chosen.out is None:
        show(result, chosen.to)
        return
    if kind(chosen) == ".html":
        from xlmkit.render import page
        from xlmkit.results import atomic_write

        with atomic_write(chosen.out) as stream:
            stream.write(page(result))
    else:
        xlmkit.save_results(result, chosen.out)
    if not chosen.quiet:
        what = "rows" if hasattr(result, "columns") else "explanations"
        print(f"wrote {len(result)} {what} to {chosen.out}", file=sys.stderr)


def show(result: Any, form: str) -> None:
    """The same on standard output: a table to read as `text`, or what the file would hold."""
    if form == "text":
        print(result.to_string(index=False, float_format="{:.3f}".format))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"result.{form}")
        xlmkit.save_results(result, file)
        sys.stdout.write(file.read_text(encoding="utf-8"))
