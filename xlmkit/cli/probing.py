"""`xlmkit probe`."""

from __future__ import annotations

import argparse

from xlmkit.cli.reading import load, read
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import check_out, write

PROBES = {
    "swap": "every language under every id",
    "grid": "premise and hypothesis in all mixtures of languages",
    "ablation": "the seven traps, one at a time",
    "retrieval": "translations found by layer",
    "geometry": "cosines between the language embeddings (takes no pairs)",
}


def run_probe(chosen: argparse.Namespace) -> int:
    check_out(chosen)
    from xlmkit import probes

    nli = load(chosen)
    if chosen.probe == "geometry":
        found = probes.geometry(nli).reset_index()
    else:
        found = getattr(probes, chosen.probe)(nli, read(chosen, nli.labels), progress=progress(chosen))
    write(found, chosen)
    return 0
