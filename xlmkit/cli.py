"""The command line: `xlmkit predict`, `explain`, `evaluate`, `doctor`.

Results go to standard output or to the file named by `--out`; progress, notices and errors go to standard error, so that pipes stay clean.
Exit codes: 0 all is well; 1 `doctor` found a fault; 2 the input or the command is at fault (one sentence says how); 130 interrupted."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlmkit
from xlmkit.notices import Notice

if TYPE_CHECKING:
    import pandas as pd

    from xlmkit.checkpoint import NLIModel

EXIT = "exit codes: 0 all is well, 1 doctor found a fault, 2 the input or the command is at fault, 130 interrupted"
FAULTS = (
    ValueError,
    OSError,
    MemoryError,
    ImportError,
    NotImplementedError,
)  # met with one sentence; a bug keeps its traceback
PAIRS = "a .tsv, .csv, .jsonl or .parquet file, `sample`, `xnli/dev`, `xnli/test`, or `-` for standard input"

EXAMPLES = {
    "predict": """
  xlmkit predict --premise "A dog sleeps." --hypothesis "An animal sleeps." --language en
  xlmkit predict sample --languages fr,sw --out predictions.parquet
  xlmkit predict - --format tsv < pairs.tsv > predictions.csv
  xlmkit predict xnli/test --model my-model --limit 100 --to jsonl | head -1""",
    "explain": """
  xlmkit explain --premise "Il dort." --hypothesis "Il est éveillé." --language fr --out explanation.html
  xlmkit explain predictions.csv --method occlusion --target gold --out explanations.jsonl
  xlmkit explain sample --languages ar --to csv > tokens.csv""",
    "evaluate": """
  xlmkit evaluate sample
  xlmkit evaluate xnli/test --model my-model --out accuracy.csv
  xlmkit evaluate --predictions predictions.parquet""",
    "doctor": """
  xlmkit doctor
  xlmkit doctor --model my-model --device cpu""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process where None.

    Returns
    -------
    The exit code. Wrong usage raises SystemExit(2), as argparse does."""
    chosen = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        with _notices_on_stderr(silent=chosen.quiet):
            code: int = chosen.run(chosen)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, `head` say, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("xlmkit: interrupted", file=sys.stderr)
        return 130
    except FAULTS as error:
        if chosen.debug:
            raise
        print(f"xlmkit: {_sentence(error)}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str:
    """What an error says; of the kit's own OSErrors without "[Errno 2]"."""
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    return str(error) or type(error).__name__


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each one's help ends with examples."""
    top = argparse.ArgumentParser(
        prog="xlmkit",
        description="Cross-lingual natural language inference with XLM in 15 languages.",
        epilog=EXIT,
    )
    top.add_argument("--version", action="version", version=f"xlmkit {xlmkit.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="command")

    predict = _command(commands, "predict", "label pairs as entailment, neutral or contradiction", _predict)
    _add_pairs(predict)
    _add_model(predict)
    _add_output(predict, "csv")

    explain = _command(commands, "explain", "say what each word adds to a label", _explain)
    _add_pairs(explain)
    explain.add_argument(
        "--method",
        default="integrated_gradients",
        help="integrated_gradients (default), saliency, input_x_gradient or occlusion",
    )
    explain.add_argument("--target", default="predicted", help="predicted (default), gold, or a label's name")
    explain.add_argument("--aggregation", help="sum (signed) or l2; left out, what suits the method")
    explain.add_argument(
        "--steps", type=int, help="of integrated gradients; chosen by the error where left out"
    )
    _add_model(explain)
    _add_output(explain, "jsonl", "html")

    evaluate = _command(commands, "evaluate", "accuracy by language, with 95 %% intervals", _evaluate)
    _add_pairs(evaluate)
    evaluate.add_argument(
        "--predictions", metavar="FILE", help="a file that `predict` wrote, instead of pairs"
    )
    _add_model(evaluate)
    _add_output(evaluate, "text")

    doctor = _command(commands, "doctor", "say what is wrong with this machine, and the fix", _doctor)
    _add_model(doctor)
    return top


def _command(commands: Any, name: str, about: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.".replace("%%", "%"),
        epilog=f"examples:{EXAMPLES[name]}\n\n{EXIT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--quiet", action="store_true", help="no progress bar and no notices")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def _add_pairs(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what is read")
    group.add_argument("pairs", nargs="?", help=PAIRS)
    group.add_argument(
        "--format",
        choices=("jsonl", "tsv", "csv"),
        default="jsonl",
        help="of standard input (default: jsonl)",
    )
    group.add_argument("--languages", type=_codes, metavar="CODES", help="keep only these, as in `en,fr`")
    group.add_argument("--limit", type=_positive, metavar="N", help="read at most N pairs of each language")
    group.add_argument("--premise", help="one pair, given here: its premise")
    group.add_argument("--hypothesis", help="its hypothesis")
    group.add_argument("--text", help="or one text, for a model that classifies single texts")
    group.add_argument("--language", metavar="CODE", help="its language (default: en)")
    group.add_argument("--hypothesis-language", metavar="CODE", help="where the hypothesis has another one")


def _add_model(command: argparse.ArgumentParser) -> None:
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


def _add_output(command: argparse.ArgumentParser, default: str, *further: str) -> None:
    group = command.add_argument_group("what is written")
    extensions = tuple(f".{name}" for name in ("csv", "tsv", "jsonl", "parquet", *further))
    command.set_defaults(extensions=extensions)
    group.add_argument("--out", metavar="FILE", help=f"{', '.join(extensions)}: the extension decides")
    forms = ("csv", "tsv", "jsonl", "text") if default == "text" else ("csv", "tsv", "jsonl")
    group.add_argument(
        "--to", choices=forms, default=default, help=f"on standard output (default: {default})"
    )


def _predict(chosen: argparse.Namespace) -> int:
    _check_out(chosen)
    nli = _load(chosen)
    result = xlmkit.predict(nli, _read(chosen, nli.labels), progress=_progress(chosen))
    _write(result, chosen)
    return 0


def _explain(chosen: argparse.Namespace) -> int:
    _check_out(chosen)
    nli = _load(chosen)
    pairs = _read(chosen, nli.labels)
    options = {
        "method": chosen.method,
        "target": chosen.target,
        "steps": chosen.steps,
        "aggregation": chosen.aggregation,
    }
    found = xlmkit.explain(nli, pairs, progress=_progress(chosen), **options)
    if _kind(chosen) in (".jsonl", ".html"):
        _write(found, chosen)
        return 0
    import pandas as pd

    _write(pd.concat([explanation.to_frame() for explanation in found], ignore_index=True), chosen)
    return 0


def _evaluate(chosen: argparse.Namespace) -> int:
    _check_out(chosen)
    if chosen.predictions is None:
        nli = _load(chosen)
        predictions = xlmkit.predict(nli, _read(chosen, nli.labels), progress=_progress(chosen))
    elif chosen.pairs or chosen.premise or chosen.hypothesis or chosen.text:
        raise ValueError("expected pairs or `--predictions`, got both; remedy: leave one out")
    else:
        predictions = xlmkit.read_results(chosen.predictions)
    _write(xlmkit.evaluate(predictions), chosen)
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    from xlmkit import doctor

    checks = doctor.diagnose(chosen.model, device=chosen.device)
    print(doctor.report(checks))
    return 0 if all(check.ok for check in checks) else 1


def _check_out(chosen: argparse.Namespace) -> None:
    """Refuse a file that could not be written before anything is computed for it, which may take hours."""
    if chosen.out is None:
        return
    from xlmkit.results import check_place

    if _kind(chosen) not in chosen.extensions:
        raise ValueError(
            f"expected `--out` to end in {', '.join(chosen.extensions)}; got {chosen.out!r}; remedy: one of these extensions"
        )
    check_place(chosen.out)


def _kind(chosen: argparse.Namespace) -> str:
    """The extension of what is written, in small letters."""
    return f".{chosen.to}" if chosen.out is None else Path(chosen.out).suffix.lower()


def _read(chosen: argparse.Namespace, labels: Sequence[str]) -> pd.DataFrame:
    """The pairs, or texts, that the command names: a source, standard input, or one in the command itself; `labels` are the model's."""
    if any(given is not None for given in (chosen.premise, chosen.hypothesis, chosen.text)):
        return _single(chosen)
    if chosen.language or chosen.hypothesis_language:
        raise ValueError(
            "`--language` goes with `--premise` and `--hypothesis`, or `--text`; remedy: `--languages` chooses among pairs read"
        )
    if chosen.pairs is None:
        raise ValueError(
            f"expected pairs, got none; remedy: name {PAIRS}, or give `--premise` and `--hypothesis`"
        )
    if chosen.pairs != "-":
        return xlmkit.read_pairs(chosen.pairs, languages=chosen.languages, limit=chosen.limit, labels=labels)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"standard-input.{chosen.format}")
        file.write_bytes(sys.stdin.buffer.read())
        try:
            return xlmkit.read_pairs(file, languages=chosen.languages, limit=chosen.limit, labels=labels)
        except ValueError as error:
            raise ValueError(
                str(error).replace(str(file), "standard input").replace(file.name, "standard input")
            ) from error


def _single(chosen: argparse.Namespace) -> pd.DataFrame:
    import pandas as pd

    given = "--premise" if chosen.text is None else "--text"
    if chosen.pairs is not None:
        raise ValueError(
            f"expected one pair or a source of pairs, got both (`{given}` and {chosen.pairs!r}); remedy: leave one out"
        )
    if chosen.text is not None:
        return _single_text(chosen)
    if chosen.premise is None or chosen.hypothesis is None:
        missing = "--premise" if chosen.premise is None else "--hypothesis"
        raise ValueError(f"`--premise` and `--hypothesis` go together; `{missing}` is missing")
    language = chosen.language or "en"
    row = {"pair_id": "1", "premise": chosen.premise, "hypothesis": chosen.hypothesis}
    if chosen.hypothesis_language is None:
        row["language"] = language
    else:
        row |= {"premise_language": language, "hypothesis_language": chosen.hypothesis_language}
    return pd.DataFrame([row], dtype=object)  # pandas' type for text refuses what `predict` then names


def _single_text(chosen: argparse.Namespace) -> pd.DataFrame:
    import pandas as pd

    if chosen.premise is not None or chosen.hypothesis is not None or chosen.hypothesis_language is not None:
        raise ValueError(
            "`--text` is a text alone, without `--premise`, `--hypothesis` or `--hypothesis-language`; remedy: leave one out"
        )
    row = {"pair_id": "1", "text": chosen.text, "language": chosen.language or "en"}
    return pd.DataFrame([row], dtype=object)


def _load(chosen: argparse.Namespace) -> NLIModel:
    model: NLIModel = xlmkit.load(
        chosen.model, device=chosen.device, dtype=chosen.dtype, allow_untrained=chosen.allow_untrained
    )
    return model


def _progress(chosen: argparse.Namespace) -> bool:
    return not chosen.quiet and sys.stderr.isatty()


def _write(result: Any, chosen: argparse.Namespace) -> None:
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
        if _kind(chosen) == ".html":
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


@contextlib.contextmanager
def _notices_on_stderr(*, silent: bool) -> Iterator[None]:
    """Show the kit's notices as one line each on standard error, or not at all."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Any, category: Any, *rest: Any, **more: Any) -> None:
            if issubclass(category, Notice):
                print(f"note: {message}", file=sys.stderr)
            else:
                usual(message, category, *rest, **more)

        warnings.simplefilter("ignore" if silent else "always", Notice)
        warnings.showwarning = show
        yield


def _codes(text: str) -> list[str]:
    return [code.strip() for code in text.split(",") if code.strip()]


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)
