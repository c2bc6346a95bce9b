"""The parser of all commands, in the order in which `xlmkit --help` lists them."""

from __future__ import annotations

import argparse

import xlmkit
from xlmkit.cli.checking import DOCTOR
from xlmkit.cli.command import EXIT
from xlmkit.cli.converting import CONVERT
from xlmkit.cli.evaluating import EVALUATE
from xlmkit.cli.explaining import EXPLAIN
from xlmkit.cli.finetuning import FINETUNE
from xlmkit.cli.predicting import PREDICT
from xlmkit.cli.probing import PROBE

COMMANDS = (PREDICT, EXPLAIN, EVALUATE, PROBE, FINETUNE, CONVERT, DOCTOR)
EXAMPLES = {command.name: command.examples for command in COMMANDS}


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each one's help ends with examples."""
    top = argparse.ArgumentParser(
        prog="xlmkit",
        description="Cross-lingual natural language inference with XLM in 15 languages.",
        epilog=EXIT,
    )
    top.add_argument("--version", action="version", version=f"xlmkit {xlmkit.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="command")
    for command in COMMANDS:
        command.add(commands)
    return top
