"""`xlmkit evaluate`: accuracy, and a report of it all."""

from __future__ import annotations

import argparse

import xlmkit
from xlmkit.cli.command import Command
from xlmkit.cli.options import add_model, add_output, add_pairs, add_ray
from xlmkit.cli.reading import load, read, read_predictions
from xlmkit.cli.reporting import check_report, report
from xlmkit.cli.sharding import run_in_shards, say_refused
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import check_out, show, write


def _options(command: argparse.ArgumentParser) -> None:
    add_pairs(command)
    command.add_argument(
        "--predictions", metavar="FILE", help="a file that `predict` wrote, instead of pairs"
    )
    command.add_argument(
        "--by", default="language", metavar="COLUMN", help="as `phenomenon` (default: language)"
    )
    add_model(command)
    add_output(command, "text")
    add_ray(command)
    command.add_argument(
        "--report",
        metavar="FILE",
        help="an .html page of its own: every number by language, figures, findings",
    )
    command.add_argument(
        "--dev",
        metavar="FILE",
        help="for the report: predictions that temperatures are fitted on (same model)",
    )
    command.add_argument(
        "--beside",
        nargs="+",
        default=(),
        metavar="FILE",
        help="for the report: predictions of the same pairs by other models",
    )


def _run(chosen: argparse.Namespace) -> int:
    check_report(chosen)
    if chosen.ray is not None and chosen.predictions is not None:
        raise ValueError(
            "`--ray` predicts, and `--predictions` names what is predicted; remedy: leave one out"
        )
    if chosen.ray is not None:
        return _evaluate_in_shards(chosen)
    check_out(chosen)
    if chosen.predictions is None:
        nli = load(chosen)
        predictions = xlmkit.predict(nli, read(chosen, nli.labels), progress=progress(chosen))
    elif chosen.pairs or chosen.premise or chosen.hypothesis or chosen.text:
        raise ValueError("expected pairs or `--predictions`, got both; remedy: leave one out")
    else:
        predictions = read_predictions(chosen.predictions)
    write(xlmkit.evaluate(predictions, by=chosen.by), chosen)
    report(predictions, chosen)
    return 0


def _evaluate_in_shards(chosen: argparse.Namespace) -> int:
    """`--out` names the folder of the shards, so the table goes to standard output."""
    run = run_in_shards(chosen, "predict")
    from xlmkit.distributed import judged

    show(judged(run, chosen.by), chosen.to)
    if chosen.report is not None:
        report(run.results(), chosen)
    return say_refused(run, chosen)


EVALUATE = Command(
    "evaluate",
    "accuracy by language or another column, with 95 %% intervals",
    """
  xlmkit evaluate workshop --languages en,fr,sw
  xlmkit evaluate workshop --by phenomenon
  xlmkit evaluate xnli/test --model my-model --out accuracy.csv --report errors.html
  xlmkit evaluate --predictions after.parquet --report errors.html --dev dev.parquet --beside before.parquet""",
    _options,
    _run,
)
