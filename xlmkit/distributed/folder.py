"""Folder: what a run leaves on disk. Results are in the folder, information about them in `_run`.

part-000000.parquet              a finished shard (.jsonl for explanations); named when it is whole
_run/asked.json                  what decides the results: files, model, settings
_run/refused/part-000000.json    the shard's rows without a result, written before the shard
_run/tries/part-000000.json      what is being computed now; left by a worker that died over it
_run/report.json                 what the last run did"""

from __future__ import annotations

import hashlib
import io
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
from xlmkit.results import atomic_write, check_same_run, lock, read_results, save_results, to_json


@dataclass(frozen=True)
class Folder:
    """The folder of a run; `suffix` is that of its shards."""

    path: Path
    suffix: str

    def file(self, shard: Shard) -> Path:
        """Where the shard's results are once they are whole."""
        return self.path / f"{shard.name}{self.suffix}"

    def finished(self, shard: Shard) -> bool:
        """Whether they are."""
        return self.file(shard).exists()

    def write(
        self, shard: Shard, results: pd.DataFrame | list[Explanation], refused: Sequence[Refused]
    ) -> None:
        """Write the refused rows, then the results: a finished shard always has its report.

        Raises
        ------
        OSError : if it cannot be written; the shard is then missing."""
        self._set("refused", shard, [asdict(row) for row in refused])
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
        return [Refused(**row) for row in self._get("refused", shard) or []]

    def tries(self, shard: Shard) -> dict[str, int]:
        """How often each span of the shard was begun and not ended, by name."""
        return dict(self._get("tries", shard) or {})

    def note_tries(self, shard: Shard, tries: dict[str, int]) -> None:
        """Keep that; nothing is kept if it is empty."""
        self._set("tries", shard, tries)

    def report(self, values: dict[str, Any]) -> None:
        """Write the report."""
        _write_json(self.path / "_run" / "report.json", values)

    def stage(self, frame: pd.DataFrame) -> Path:
        """Write a frame of pairs where workers can read it; the same frame gives the same file."""
        bare = frame.reset_index(drop=True)
        bare.attrs = {}
        buffer = io.BytesIO()
        bare.to_parquet(buffer, index=False)
        path = self.path / "_run" / f"pairs-{hashlib.sha256(buffer.getvalue()).hexdigest()[:12]}.parquet"
        with atomic_write(path, binary=True) as file:
            file.write(buffer.getvalue())
        return path

    def check_same_run(self, asked: dict[str, Any]) -> None:
        """Keep in a new folder what is asked.

        Raises
        ------
        ValueError : if the folder has the results of another run."""
        file = self.path / "_run" / "asked.json"
        if file.exists():
            check_same_run(self.path, json.loads(file.read_text(encoding="utf-8")), asked)
        else:
            _write_json(file, to_json(asked))

    def results(self, columns: Callable[[str], bool] | None = None) -> Any:
        """All finished shards in their order: one frame with its provenance (of the `columns` asked
        for), or the list of Explanations."""
        files = sorted(self.path.glob(f"part-*{self.suffix}"))
        if self.suffix == ".jsonl":
            return [
                explanation for file in files if file.stat().st_size for explanation in read_results(file)
            ]
        frames = [_read_frame(file, columns) for file in files]
        if not frames:
            raise ValueError(f"{os.fspath(self.path)!r} must contain finished shards; got none.")
        kept = [frame for frame in frames if len(frame)] or frames[:1]
        result = pd.concat(kept, ignore_index=True)
        result.attrs = kept[0].attrs
        return result

    def _get(self, what: str, shard: Shard) -> Any:
        path = self.path / "_run" / what / f"{shard.name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def _set(self, what: str, shard: Shard, value: Any) -> None:
        path = self.path / "_run" / what / f"{shard.name}.json"
        if value:
            _write_json(path, value)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def open_folder(path: str | os.PathLike[str], suffix: str) -> Iterator[Folder]:
    """The folder for one run at a time, new or resumed. What killed workers left half done is
    removed.

    Raises
    ------
    ValueError : if it contains other files than those of a run.
    OSError : if it cannot be made or written to, or another run is writing to it."""
    folder = Folder(Path(path).absolute(), suffix)
    about = folder.path / "_run"
    if folder.path.is_dir() and not about.is_dir() and any(folder.path.iterdir()):
        raise ValueError(
            f"the results need a new folder, or that of a run to resume; {os.fspath(path)!r} contains other files. Name another folder."
        )
    for name in ("refused", "tries"):
        (about / name).mkdir(parents=True, exist_ok=True)
    with open(about / "lock", "w") as file:
        lock(file, path)
        for left in [*folder.path.rglob(".xlmkit-*.tmp"), *(about / "tries").glob("*.json")]:
            left.unlink(missing_ok=True)
        yield folder


def _read_frame(file: Path, columns: Callable[[str], bool] | None) -> pd.DataFrame:
    names = None if columns is None else [name for name in pq.read_schema(file).names if columns(name)]
    return pd.read_parquet(file, columns=names)


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
