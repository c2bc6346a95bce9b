"""What a command reads, writes and says: pairs, models and predictions; results; standard error."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlmkit
from xlmkit.cli.options import PAIRS
from xlmkit.notices import XlmkitWarning

if TYPE_CHECKING:
    import pandas as pd

    from xlmkit.model import NLIModel

FILTERS = ("languages", "phenomena", "items", "limit")  # among the pairs of a source
# A pair or text in the command itself
SINGLE = ("premise", "hypothesis", "text", "language", "hypothesis_language")


def read(args: argparse.Namespace, labels: Sequence[str] | None) -> pd.DataFrame:
    """The pairs, or texts, that the command names; `labels` are the model's, None for any."""
    source = _source(args)
    filters = {name: getattr(args, name) for name in FILTERS}
    single = {name: getattr(args, name) for name in SINGLE if getattr(args, name) is not None}
    if {"premise", "hypothesis", "text"} & set(single):
        others = [f"`--{name}`" for name, value in filters.items() if value is not None]
        if source is not None or others:
            got = ", ".join([*([repr(source)] if source is not None else []), *others])
            raise ValueError(
                f"a single pair or text takes no other source and no filters; got both it and {got}."
            )
        return _single(single)
    if single:
        raise ValueError(
            "`--language` is that of `--premise` and `--hypothesis`, or of `--text`. Use `--languages` to filter pairs."
        )
    if source is None:
        raise ValueError(
            f"the command needs pairs; got none. Name {PAIRS}, or give `--premise` and `--hypothesis`."
        )
    if source != "-":
        return xlmkit.read_pairs(source, labels=labels, **filters)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"standard-input.{args.format}")
        file.write_bytes(sys.stdin.buffer.read())
        try:
            return xlmkit.read_pairs(file, labels=labels, **filters)
        except ValueError as error:
            text = str(error).replace(str(file), "standard input").replace(file.name, "standard input")
            raise ValueError(text) from error


def read_in_shards(args: argparse.Namespace) -> Any:
    """A source that workers read in shards, by its name; any other is read here."""
    from xlmkit.distributed.shards import SUFFIXES

    source = _source(args) or ""
    plain = all(getattr(args, name) is None for name in (*FILTERS, *SINGLE))
    folder = Path(source).is_dir() and any(path.suffix.lower() in SUFFIXES for path in Path(source).iterdir())
    if source and plain and (folder or source.lower().endswith(SUFFIXES)):
        return source
    return read(args, None)


def _source(args: argparse.Namespace) -> str | None:
    if args.pairs is not None and args.data is not None:
        raise ValueError(
            f"pairs must have one source; got both {args.pairs!r} and `--data {args.data}`. Leave one out."
        )
    return args.data or args.pairs


def _single(values: dict[str, str]) -> pd.DataFrame:
    """One row of the pair or text in the command."""
    import pandas as pd

    language = values.pop("language", "en")
    if "text" in values:
        if len(values) > 1:
            raise ValueError(
                "`--text` takes no `--premise`, `--hypothesis` or `--hypothesis-language`. Leave one out."
            )
        values["language"] = language
    else:
        for name in ("premise", "hypothesis"):
            if name not in values:
                raise ValueError(f"a pair needs `--premise` and `--hypothesis`; `--{name}` is missing.")
        values["premise_language" if "hypothesis_language" in values else "language"] = language
    # pandas' type for text refuses what `predict` then names
    return pd.DataFrame([{"pair_id": "1", **values}], dtype=object)


def load(args: argparse.Namespace) -> NLIModel:
    """The model that the command names."""
    model: NLIModel = xlmkit.load(
        args.model, device=args.device, dtype=args.dtype, allow_untrained=args.allow_untrained
    )
    return model


def read_predictions(file: str) -> pd.DataFrame:
    """What `predict` wrote to a file.

    Raises
    ------
    ValueError : if it has no predictions."""
    predictions = xlmkit.read_results(file)
    if "prediction" not in predictions:
        raise ValueError(
            f"{file!r} must contain predictions; got none. Write them with `xlmkit predict ... --out {file}`."
        )
    return predictions


def check_out(args: argparse.Namespace) -> None:
    """Refuse a file that could not be written before hours are spent on its content."""
    if args.out is None:
        return
    from xlmkit.results import check_writable

    if extension(args) not in args.extensions:
        raise ValueError(f"`--out` must end in {', '.join(args.extensions)}; got {args.out!r}.")
    check_writable(args.out)


def extension(args: argparse.Namespace) -> str:
    """The extension of what is written, in lower case."""
    return f".{args.to}" if args.out is None else Path(args.out).suffix.lower()


def write(result: Any, args: argparse.Namespace) -> None:
    """Write a frame, or a list of explanations, in the form that the command asks for."""
    if args.out is None:
        show(result, args.to)
        return
    if extension(args) == ".html":
        from xlmkit.render import save_html

        save_html(result, args.out)
    else:
        xlmkit.save_results(result, args.out)
    what = "row" if hasattr(result, "columns") else "explanation"
    say(args, f"wrote {len(result)} {what}{'' if len(result) == 1 else 's'} to {args.out}")


def show(result: Any, form: str) -> None:
    """Print it: as a table to read for "text", else as a file would have it."""
    if form == "text":
        print(result.to_string(index=False, float_format="{:.3f}".format))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"result.{form}")
        xlmkit.save_results(result, file)
        sys.stdout.write(file.read_text(encoding="utf-8"))


def say(args: argparse.Namespace, text: str) -> None:
    """Print a line on standard error, unless `--quiet`."""
    if not args.quiet:
        print(text, file=sys.stderr)


def is_first_process() -> bool:
    """Whether this process is the first, or the only one, that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


def progress(args: argparse.Namespace) -> bool:
    """Whether to show a progress bar: in a terminal, without `--quiet`."""
    return not args.quiet and sys.stderr.isatty()


@contextmanager
def notices_on_stderr(*, silent: bool) -> Iterator[None]:
    """Show the kit's notices as one line each on standard error, or not at all."""
    with warnings.catch_warnings():
        default = warnings.showwarning

        def show(message: Any, category: Any, *rest: Any, **more: Any) -> None:
            if issubclass(category, XlmkitWarning):
                print(f"note: {message}", file=sys.stderr)
            else:
                default(message, category, *rest, **more)

        warnings.simplefilter("ignore" if silent else "always", XlmkitWarning)
        warnings.showwarning = show
        yield
