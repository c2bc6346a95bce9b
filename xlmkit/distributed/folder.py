"""Folder: what a run leaves on disk. Results are in the folder, information about them in `_run`.

part-000000.parquet              a finished shard (.jsonl for explanations); named when it is whole
_run/asked.json                  what decides the results: files, model, settings
_run/refused/part-000000.json    the shard's rows without a result, written before the shard
_run/tries/part-000000.json      what is being computed now; left by a worker that died over it
_run/report.json                 what the last run did"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from xlmkit.distributed.shards import Refused, Shard
from xlmkit.explanation import Explanation
from xlmkit.results import (
    atomic_write,
    check_run_folder,
    claim_run_folder,
    fingerprint,
    read_results,
    save_results,
)

ASKED = "_run/asked.json"


@dataclass(frozen=True)
class Folder:
    """The folder of a run, made if it is new; `suffix` is that of its shards.

    Raises
    ------
    OSError : if it contains other files than those of a run, or cannot be written to."""

    path: Path
    suffix: str

    def __post_init__(self) -> None:
        check_run_folder(self.path, ASKED)
        for name in ("refused", "tries"):
            (self.path / "_run" / name).mkdir(exist_ok=True)

    @contextmanager
    def claim(self, asked: dict[str, Any]) -> Iterator[None]:
        """Reserve the folder for the run that is asked for, and remove what killed workers left
        half done.

        Raises
        ------
        ValueError : if the folder has the results of another run.
        BlockingIOError : if another run is writing to it."""
        with claim_run_folder(self.path, ASKED, asked):
            for left in [*self.path.rglob(".xlmkit-*.tmp"), *(self.path / "_run" / "tries").glob("*.json")]:
                left.unlink(missing_ok=True)
            yield

    def file(self, shard: Shard) -> Path:
        """Where the shard's results are once they are whole."""
        return self.path / f"{shard.name}{self.suffix}"

    def write(
        self, shard: Shard, results: pd.DataFrame | list[Explanation], refused: Sequence[Refused]
    ) -> None:
        """Write the refused rows, then the results: a finished shard always has its report.

        Raises
        ------
        OSError : if it cannot be written; the shard is then missing."""
        self.note(f"refused/{shard.name}", [asdict(row) for row in refused])
        if isinstance(results, pd.DataFrame):
            # Every shard must have the same types, whatever its rows happen to have:
            # empty columns are text.
            empty = [name for name in results if results[name].dtype == object and results[name].isna().all()]
            save_results(results.astype(dict.fromkeys(empty, "str")), self.file(shard))
        elif results:
            save_results(results, self.file(shard))
        else:
            with atomic_write(self.file(shard)):
                pass

    def refused(self, shard: Shard) -> list[Refused]:
        """The rows of a finished shard without a result."""
        return [Refused(**row) for row in self.noted(f"refused/{shard.name}") or []]

    def note(self, name: str, value: Any) -> None:
        """Write a value into `_run/<name>.json`; nothing is kept if it is empty."""
        path = self.path / "_run" / f"{name}.json"
        if not value:
            path.unlink(missing_ok=True)
            return
        with atomic_write(path) as file:
            json.dump(value, file, ensure_ascii=False, indent=1)

    def noted(self, name: str) -> Any:
        """The value that was noted under a name; None without one."""
        path = self.path / "_run" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def stage(self, frame: pd.DataFrame) -> Path:
        """Write a frame of pairs where workers can read it; the same frame gives the same file."""
        path = self.path / "_run" / f"pairs-{fingerprint(frame, frame.columns)[:12]}.parquet"
        bare = frame.copy()
        bare.attrs = {}
        save_results(bare, path)
        return path

    def results(self, columns: Callable[[str], bool] = lambda name: True) -> Any:
        """All finished shards in their order: one frame with its provenance (of the `columns` asked
        for), or the list of Explanations."""
        files = sorted(self.path.glob(f"part-*{self.suffix}"))
        if not files:
            raise ValueError(f"{os.fspath(self.path)!r} must contain finished shards; got none.")
        if self.suffix == ".jsonl":
            return join([read_results(file) if file.stat().st_size else [] for file in files])
        names = [list(filter(columns, pq.read_schema(file).names)) for file in files]
        return join([pd.read_parquet(file, columns=each) for file, each in zip(files, names, strict=True)])


def join(pieces: Sequence[Any]) -> Any:
    """The results of several spans of rows as those of one: a frame with its provenance, or a list
    of Explanations."""
    if isinstance(pieces[0], list):
        return [explanation for piece in pieces for explanation in piece]
    kept = [frame for frame in pieces if len(frame)] or pieces[:1]
    result = pd.concat(kept, ignore_index=True)
    result.attrs = kept[0].attrs
    return result
