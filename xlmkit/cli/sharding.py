"""A command with `--ray`: many workers, shards in a folder, and what was refused on standard error."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmkit.cli.reading import CHOOSING, read
from xlmkit.cli.speaking import progress

if TYPE_CHECKING:
    from xlmkit.distributed import Run


def run_in_shards(chosen: argparse.Namespace, what: str, **options: Any) -> Run:
    """`predict` or `explain` of `xlmkit.distributed`, as the command asks for it.

    Raises
    ------
    ValueError : if no folder is named, or a file stands where the cluster's address belongs."""
    if chosen.out is None:
        raise ValueError("`--ray` writes a folder of shards; remedy: name it with `--out`")
    if chosen.ray != "local" and Path(chosen.ray).exists():
        raise ValueError(
            f"expected an address after `--ray`, got the file {chosen.ray!r}; remedy: pairs first, then the options"
        )
    from xlmkit import distributed

    return getattr(distributed, what)(
        _shards(chosen),
        chosen.out,
        model=chosen.model,
        on=distributed.Workers(chosen.ray, chosen.workers),
        shard_rows=chosen.shard_rows,
        progress=progress(chosen),
        device=chosen.device,
        dtype=chosen.dtype,
        allow_untrained=chosen.allow_untrained,
        **options,
    )


def say_refused(run: Run, chosen: argparse.Namespace) -> int:
    """The first rows that were refused, and the run in a sentence; 1 where there are any, else 0."""
    if not chosen.quiet:
        for row in run.refused.head(20).itertuples():
            print(f"refused: {row.file}, row {row.row}: {row.what}", file=sys.stderr)
        print(f"{run}; {chosen.out}", file=sys.stderr)
    return 1 if len(run.refused) else 0


def _shards(chosen: argparse.Namespace) -> Any:
    """What is read part by part, as it stands; all else is read here, as without `--ray`."""
    from xlmkit.distributed.parts import SUFFIXES

    choosing = any(getattr(chosen, name) is not None for name in CHOOSING)
    given = chosen.premise or chosen.hypothesis or chosen.text
    source = chosen.pairs or ""
    folder = Path(source).is_dir() and any(path.suffix.lower() in SUFFIXES for path in Path(source).iterdir())
    if source and not given and not choosing and (folder or source.lower().endswith(SUFFIXES)):
        return source
    return read(chosen, None)
