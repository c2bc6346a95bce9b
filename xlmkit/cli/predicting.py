"""`xlmkit predict`."""

from __future__ import annotations

import argparse

import xlmkit
from xlmkit.cli.reading import load, read
from xlmkit.cli.sharding import in_shards
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import check_out, write


def run_predict(chosen: argparse.Namespace) -> int:
    if chosen.ray is not None:
        return in_shards(chosen, "predict")
    check_out(chosen)
    nli = load(chosen)
    result = xlmkit.predict(nli, read(chosen, nli.labels), progress=progress(chosen))
    write(result, chosen)
    return 0
