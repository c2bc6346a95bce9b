"""`xlmkit predict`: labels with their probabilities."""

from __future__ import annotations

import argparse

import xlmkit
from xlmkit.cli.command import Command
from xlmkit.cli.options import add_model, add_output, add_pairs, add_ray
from xlmkit.cli.reading import load, read
from xlmkit.cli.sharding import run_in_shards, say_refused
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import check_out, write


def _options(command: argparse.ArgumentParser) -> None:
    add_pairs(command)
    add_model(command)
    add_output(command, "csv")
    add_ray(command)


def _run(chosen: argparse.Namespace) -> int:
    if chosen.ray is not None:
        return say_refused(run_in_shards(chosen, "predict"), chosen)
    check_out(chosen)
    nli = load(chosen)
    result = xlmkit.predict(nli, read(chosen, nli.labels), progress=progress(chosen))
    write(result, chosen)
    return 0


PREDICT = Command(
    "predict",
    "label pairs as entailment, neutral or contradiction",
    """
  xlmkit predict --premise "A dog sleeps." --hypothesis "An animal sleeps." --language en
  xlmkit predict workshop --languages fr,sw --out predictions.parquet
  xlmkit predict - --format tsv < pairs.tsv > predictions.csv
  xlmkit predict xnli/test --model my-model --limit 100 --to jsonl | head -1
  xlmkit predict shards/ --out predictions/ --ray
  xlmkit predict "shards/*.jsonl" --out /shared/predictions --model /shared/my-model --ray auto""",
    _options,
    _run,
)
