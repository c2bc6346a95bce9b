"""Options that several commands take."""

from __future__ import annotations

import argparse

PAIRS = (
    "a .tsv, .csv, .jsonl or .parquet file, `workshop`, `xnli/dev`, `xnli/test`, or `-` for standard input"
)


def add_pairs(command: argparse.ArgumentParser) -> None:
    """What `reading.read` reads."""
    group = command.add_argument_group("what is read")
    group.add_argument("pairs", nargs="?", help=PAIRS)
    group.add_argument("--data", metavar="PAIRS", help="the same, by a name")
    group.add_argument(
        "--format",
        choices=("jsonl", "tsv", "csv"),
        default="jsonl",
        help="of standard input (default: jsonl)",
    )
    group.add_argument("--languages", type=codes, metavar="CODES", help="keep only these, as in `en,fr`")
    group.add_argument(
        "--phenomena", type=codes, metavar="NAMES", help="keep only these, as in `negation,time`"
    )
    group.add_argument("--items", type=codes, metavar="NAMES", help="keep only these, as in `negation-03`")
    group.add_argument("--limit", type=positive, metavar="N", help="read at most N pairs of each language")
    group.add_argument("--premise", help="one pair, given here: its premise")
    group.add_argument("--hypothesis", help="its hypothesis")
    group.add_argument("--text", help="or one text, for a model that classifies single texts")
    group.add_argument("--language", metavar="CODE", help="its language (default: en)")
    group.add_argument("--hypothesis-language", metavar="CODE", help="where the hypothesis has another one")


def add_model(command: argparse.ArgumentParser) -> None:
    """What `reading.load` loads, and how."""
    group = command.add_argument_group("the model")
    group.add_argument(
        "--model", metavar="FOLDER|NAME", help="a folder or a Hub name (default: the embedded model)"
    )
    group.add_argument("--device", default="auto", help="auto (default), cpu, mps, cuda, cuda:1")
    group.add_argument("--dtype", default="auto", help="of predictions: auto (default), float32, bfloat16")
    group.add_argument(
        "--allow-untrained",
        action="store_true",
        help="load a model without an NLI head; its labels mean nothing",
    )


def add_output(command: argparse.ArgumentParser, default: str, *further: str) -> None:
    """Where `writing.write` writes: a file of the usual forms and the `further` ones, or standard output in the `default` form."""
    group = command.add_argument_group("what is written")
    extensions = tuple(f".{name}" for name in ("csv", "tsv", "jsonl", "parquet", *further))
    command.set_defaults(extensions=extensions)
    group.add_argument("--out", metavar="FILE", help=f"{', '.join(extensions)}: the extension decides")
    forms = ("csv", "tsv", "jsonl", "text") if default == "text" else ("csv", "tsv", "jsonl")
    group.add_argument(
        "--to", choices=forms, default=default, help=f"on standard output (default: {default})"
    )


def add_ray(command: argparse.ArgumentParser) -> None:
    """What `sharding.run_in_shards` needs to know."""
    group = command.add_argument_group("beyond one machine")
    group.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="many workers, started on this machine or, with `auto` or host:port, those of a Ray cluster; reads a .jsonl or .parquet file, a folder or "
        "a quoted pattern of them part by part, writes shards to the folder that `--out` names, and goes on where it was cut off",
    )
    group.add_argument(
        "--workers", type=positive, metavar="N", help="at most N (default: one a GPU, or else a processor)"
    )
    group.add_argument(
        "--shard-rows", type=positive, metavar="N", help="rows of a shard (default: by the task)"
    )


def codes(text: str) -> list[str]:
    """What stands between commas."""
    return [code.strip() for code in text.split(",") if code.strip()]


def positive(text: str) -> int:
    """A whole number from 1.

    Raises
    ------
    argparse.ArgumentTypeError : if it is none."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)
