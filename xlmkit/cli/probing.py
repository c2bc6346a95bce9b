"""`xlmkit probe`: the probes, by name."""

from __future__ import annotations

import argparse

from xlmkit.cli.command import Command
from xlmkit.cli.options import add_model, add_output, add_pairs
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


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "probe", choices=PROBES, help="; ".join(f"{name}: {about}" for name, about in PROBES.items())
    )
    add_pairs(command)
    add_model(command)
    add_output(command, "text")


def _run(chosen: argparse.Namespace) -> int:
    check_out(chosen)
    from xlmkit import probes

    nli = load(chosen)
    if chosen.probe == "geometry":
        found = probes.language_cosines(nli).reset_index()
    else:
        name = {"swap": "language_id_matrix", "grid": "mixed_language_grid"}.get(chosen.probe, chosen.probe)
        found = getattr(probes, name)(nli, read(chosen, nli.labels), progress=progress(chosen))
    write(found, chosen)
    return 0


PROBE = Command(
    "probe",
    "what the language id does, and what feeding the model wrongly costs",
    """
  xlmkit probe swap workshop --languages en,sw,ur --limit 20
  xlmkit probe ablation xnli/test --model my-model --limit 500 --out traps.csv
  xlmkit probe geometry""",
    _options,
    _run,
)
