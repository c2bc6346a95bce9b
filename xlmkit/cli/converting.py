"""`xlmkit convert`: the authors' file made a folder."""

from __future__ import annotations

import argparse
import sys

from xlmkit.cli.command import Command


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="FILE", help="the .pth file, as published or as their trainer saved it"
    )
    command.add_argument("folder", metavar="FOLDER", help="the new folder, for `--model`")
    command.add_argument("--codes", metavar="FILE", help="its BPE codes (default: `codes_xnli_15` beside it)")


def _run(chosen: argparse.Namespace) -> int:
    from xlmkit.model.convert import convert

    folder = convert(chosen.source, chosen.folder, codes=chosen.codes)
    if not chosen.quiet:
        print(f"wrote {folder}", file=sys.stderr)
    return 0


CONVERT = Command(
    "convert",
    "make a folder of a .pth of XLM's authors",
    """
  xlmkit convert mlm_xnli15_1024.pth my-model
  xlmkit convert mlm_tlm_xnli15_1024.pth my-model --codes codes_xnli_15""",
    _options,
    _run,
)
