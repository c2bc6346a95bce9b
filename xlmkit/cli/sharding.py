"""A command with `--ray`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from xlmkit.cli.reading import read
from xlmkit.cli.reporting import report
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import write


def in_shards(chosen: argparse.Namespace, command: str, **options: Any) -> int:
    """A command with `--ray`: shards in a folder, what was refused on standard error, and of `evaluate` the table on standard output."""
    if chosen.out is None:
        raise ValueError("`--ray` writes a folder of shards; remedy: name it with `--out`")
    if chosen.ray != "local" and Path(chosen.ray).exists():
        raise ValueError(
            f"expected an address after `--ray`, got the file {chosen.ray!r}; remedy: pairs first, then the options"
        )
    from xlmkit import distributed

    loading = {"device": chosen.device, "dtype": chosen.dtype, "allow_untrained": chosen.allow_untrained}
    run = (distributed.explain if command == "explain" else distributed.predict)(
        _shards(chosen),
        chosen.out,
        model=chosen.model,
        on=distributed.Workers(chosen.ray, chosen.workers),
        shard_rows=chosen.shard_rows,
        progress=progress(chosen),
        **loading,
        **options,
    )
    if command == "evaluate":
        out, chosen.out = (
            chosen.out,
            None,
        )  # which names the folder of the shards; the table goes to standard output
        write(distributed.judged(run, chosen.by), chosen)
        chosen.out = out
        if chosen.report is not None:
            report(run.results(), chosen)
    if not chosen.quiet:
        for row in run.refused.head(20).itertuples():
            print(f"refused: {row.file}, row {row.row}: {row.what}", file=sys.stderr)
        print(f"{run}; {chosen.out}", file=sys.stderr)
    return 1 if len(run.refused) else 0


def _shards(chosen: argparse.Namespace) -> Any:
    """What is read part by part, as it stands; all else is read here, as without `--ray`."""
    from xlmkit.distributed.parts import SUFFIXES

    choosing = [
        name for name in ("languages", "phenomena", "items", "limit") if getattr(chosen, name) is not None
    ]
    given = chosen.premise or chosen.hypothesis or chosen.text
    source = chosen.pairs or ""
    folder = Path(source).is_dir() and any(path.suffix.lower() in SUFFIXES for path in Path(source).iterdir())
    if source and not given and not choosing and (folder or source.lower().endswith(SUFFIXES)):
        return source
    return read(chosen, None)
