"""What a command writes."""

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
    from xlmkit.results import check_place

    if kind(chosen) not in chosen.extensions:
        raise ValueError(
            f"expected `--out` to end in {', '.join(chosen.extensions)}; got {chosen.out!r}; remedy: one of these extensions"
        )
    check_place(chosen.out)


def kind(chosen: argparse.Namespace) -> str:
    """The extension of what is written, in small letters."""
    return f".{chosen.to}" if chosen.out is None else Path(chosen.out).suffix.lower()


def write(result: Any, chosen: argparse.Namespace) -> None:
    """To the file that `--out` names, else to standard output, in the same form."""
    frame = hasattr(result, "columns")
    if chosen.out is None and chosen.to == "text":
        print(result.to_string(index=False, float_format="{:.3f}".format))
    elif chosen.out is None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"result.{chosen.to}")
            xlmkit.save(result, file)
            sys.stdout.write(file.read_text(encoding="utf-8"))
    else:
        if kind(chosen) == ".html":
            from xlmkit.render import page
            from xlmkit.results import atomic_write

            with atomic_write(chosen.out) as stream:
                stream.write(page(result))
        else:
            xlmkit.save(result, chosen.out)
        if not chosen.quiet:
            print(
                f"wrote {len(result)} {'rows' if frame else 'explanations'} to {chosen.out}", file=sys.stderr
            )
