"""The commands: each takes the parsed arguments, writes its result, and returns the exit code.

A heavy room is imported by the command that needs it, so that `xlmkit --help` is quick."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlmkit
from xlmkit import training
from xlmkit.cli import io

if TYPE_CHECKING:
    import pandas as pd

    from xlmkit.distributed import Run


def predict(args: argparse.Namespace) -> int:
    """Labels with their probabilities."""
    if args.ray is not None:
        return _report_refused(_run_in_shards(args, "predict"), args)
    io.check_out(args)
    nli = io.load(args)
    io.write(xlmkit.predict(nli, io.read(args, nli.labels), progress=io.progress(args)), args)
    return 0


def explain(args: argparse.Namespace) -> int:
    """What each word adds to a label."""
    names = ("method", "target", "contrast", "n_steps", "aggregation", "checkpoint")
    options = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    task = "explain_errors" if args.errors else "explain"
    if args.ray is not None:
        return _report_refused(_run_in_shards(args, task, **options), args)
    io.check_out(args)
    nli = io.load(args)
    pairs = io.read(args, nli.labels)
    explanations = getattr(xlmkit, task)(nli, pairs, progress=io.progress(args), **options)
    if args.errors and not explanations:
        raise ValueError(
            f"`--errors` needs pairs that the model predicts wrongly; got {len(pairs)}, all predicted right."
        )
    if io.extension(args) in (".jsonl", ".html"):
        io.write(explanations, args)
        return 0
    import pandas as pd

    io.write(pd.concat([explanation.to_frame() for explanation in explanations], ignore_index=True), args)
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Accuracy, and a report of everything."""
    _check_report(args)
    given = args.pairs or args.data or args.premise or args.hypothesis or args.text
    if args.predictions is not None and (given or args.ray is not None):
        raise ValueError("`--predictions` takes the place of pairs and of `--ray`; got both. Leave one out.")
    if args.ray is not None:  # `--out` is the folder of the shards, so the table goes to standard output
        run = _run_in_shards(args, "predict")
        io.show(run.evaluate(args.by), args.to)
        if args.report is not None:
            _write_report(run.results(), args)
        return _report_refused(run, args)
    io.check_out(args)
    if args.predictions is None:
        nli = io.load(args)
        predictions = xlmkit.predict(nli, io.read(args, nli.labels), progress=io.progress(args))
    else:
        predictions = io.read_predictions(args.predictions)
    io.write(xlmkit.evaluate(predictions, by=args.by), args)
    if args.report is not None:
        _write_report(predictions, args)
    return 0


def probe(args: argparse.Namespace) -> int:
    """One of the probes, by name."""
    io.check_out(args)
    from xlmkit import probes

    nli = io.load(args)
    if args.probe == "language_cosines":
        table = probes.language_cosines(nli).reset_index()
    else:
        table = getattr(probes, args.probe)(nli, io.read(args, nli.labels), progress=io.progress(args))
    io.write(table, args)
    return 0


def finetune(args: argparse.Namespace) -> int:
    """Train, and print accuracy by language."""
    settings = {
        field.name: getattr(args, field.name)
        for field in fields(training.TrainingConfig)
        if field.name in args
    }
    config = training.TrainingConfig(**settings, progress=io.progress(args))
    if args.seeds is None:
        table = training.finetune(config, country=args.country).by_language
    else:
        table = training.finetune_seeds(config, range(args.seeds), country=args.country)
    if io.is_first_process():
        io.show(table, "text")
    return 0


def convert(args: argparse.Namespace) -> int:
    """The authors' file as a folder."""
    from xlmkit.model.convert import convert as convert_file

    io.say(args, f"wrote {convert_file(args.source, args.folder, codes=args.codes)}")
    return 0


def doctor(args: argparse.Namespace) -> int:
    """What is wrong with this machine."""
    from xlmkit import doctor as room

    checks = room.diagnose(args.model, device=args.device)
    print(room.report(checks))
    return 0 if all(check.ok for check in checks) else 1


def _check_report(args: argparse.Namespace) -> None:
    """Refuse a page that could not be written, or its options without it."""
    if args.report is None:
        if args.dev or args.others:
            raise ValueError("`--dev` and `--others` belong to the report. Add `--report FILE.html`.")
        return
    from xlmkit.results import check_writable

    names = [Path(name).stem for name in args.others]
    if len(set(names)) < len(names):
        raise ValueError(
            f"`--others` must name files with different names; got {', '.join(names)}. Rename one."
        )
    if Path(args.report).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"`--report` must end in .html; got {args.report!r}.")
    check_writable(args.report)


def _write_report(predictions: pd.DataFrame, args: argparse.Namespace) -> None:
    os.environ.setdefault("MPLBACKEND", "agg")  # figures go into the page; no window is wanted
    from xlmkit.report import analyse, page
    from xlmkit.results import atomic_write

    dev = None if args.dev is None else io.read_predictions(args.dev)
    others = {Path(name).stem: io.read_predictions(name) for name in args.others}
    text = page(analyse(predictions, dev=dev, others=others, progress=io.progress(args)))
    with atomic_write(args.report) as file:
        file.write(text)
    io.say(args, f"wrote {args.report}")


def _run_in_shards(args: argparse.Namespace, task: str, **options: Any) -> Run:
    if args.out is None:
        raise ValueError("`--ray` writes a folder of shards. Name it with `--out`.")
    if args.ray != "local" and Path(args.ray).exists():
        raise ValueError(
            f"`--ray` takes an address; got the file {args.ray!r}. Name the pairs before the options."
        )
    from xlmkit import distributed

    # Ray prints its notices of lost workers to standard output, `log_to_driver=False` or not.
    with redirect_stdout(sys.stderr):
        return distributed.run(
            task,
            io.read_in_shards(args),
            args.out,
            model=args.model,
            workers=distributed.Workers(args.ray, args.workers),
            shard_rows=args.shard_rows,
            progress=io.progress(args),
            device=args.device,
            dtype=args.dtype,
            allow_untrained=args.allow_untrained,
            **options,
        )


def _report_refused(run: Run, args: argparse.Namespace) -> int:
    """Name the first rows that were refused; 1 if there are any, else 0."""
    for row in run.refused.head(20).itertuples():
        io.say(args, f"refused: {row.file}, row {row.row}: {row.what}")
    io.say(args, f"{run}; {args.out}")
    return 1 if len(run.refused) else 0
