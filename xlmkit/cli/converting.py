"""`xlmkit convert`."""

from __future__ import annotations

import argparse
import sys


def run_convert(chosen: argparse.Namespace) -> int:
    from xlmkit.checkpoint.authors import convert

    folder = convert(chosen.source, chosen.folder, codes=chosen.codes)
    if not chosen.quiet:
        print(f"wrote {folder}", file=sys.stderr)
    return 0
