"""`xlmkit explain`."""

from __future__ import annotations

import argparse

import xlmkit
from xlmkit.cli.reading import load, read
from xlmkit.cli.sharding import in_shards
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import check_out, kind, write


def run_explain(chosen: argparse.Namespace) -> int:
    options = {
        "method": chosen.method,
        "target": chosen.target,
        "contrast": chosen.contrast,
        "steps": chosen.steps,
        "aggregation": chosen.aggregation,
        "keep": chosen.keep,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if chosen.ray is not None:
        return in_shards(chosen, "explain", errors=chosen.errors, **given)
    check_out(chosen)
    nli = load(chosen)
    pairs = read(chosen, nli.labels)
    run = xlmkit.explain_errors if chosen.errors else xlmkit.explain
    found = run(nli, pairs, progress=progress(chosen), **given)
    if chosen.errors and not found:
        raise ValueError(
            f"expected pairs that the model gets wrong; got {len(pairs)}, all predicted right; remedy: leave `--errors` out"
        )
    if kind(chosen) in (".jsonl", ".html"):
        write(found, chosen)
        return 0
    import pandas as pd

    write(pd.concat([explanation.to_frame() for explanation in found], ignore_index=True), chosen)
    return 0
