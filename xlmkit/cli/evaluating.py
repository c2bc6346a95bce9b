"""`xlmkit evaluate`."""

from __future__ import annotations

import argparse

import xlmkit
from xlmkit.cli.reading import load, read, read_predictions
from xlmkit.cli.reporting import check_report, report
from xlmkit.cli.sharding import in_shards
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import check_out, write


def run_evaluate(chosen: argparse.Namespace) -> int:
    check_report(chosen)
    if chosen.ray is not None and chosen.predictions is not None:
        raise ValueError(
            "`--ray` predicts, and `--predictions` names what is predicted; remedy: leave one out"
        )
    if chosen.ray is not None:
        return in_shards(chosen, "evaluate")
    check_out(chosen)
    if chosen.predictions is None:
        nli = load(chosen)
        predictions = xlmkit.predict(nli, read(chosen, nli.labels), progress=progress(chosen))
    elif chosen.pairs or chosen.premise or chosen.hypothesis or chosen.text:
        raise ValueError("expected pairs or `--predictions`, got both; remedy: leave one out")
    else:
        predictions = read_predictions(chosen.predictions)
    write(xlmkit.evaluate(predictions, by=chosen.by), chosen)
    if chosen.report is not None:
        report(predictions, chosen)
    return 0
