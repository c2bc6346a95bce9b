"""Folder: what a run leaves on the disk. Shards lie in the folder itself, and all that is about them in `_run`, which readers of tables pass over.

part-000000.parquet         a finished shard: it gets its name when it is whole, so one that is there is done (.jsonl for explanations)
_run/asked.json             what decides the results: files, model, settings; a folder of another question is refused
_run/refused/part-000000.json   the rows of that part that gave no result, written before the shard
_run/tries/part-000000.json     what is being computed now; left behind by a worker that died over it
_run/report.json            what the last run did"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from xlmkit.distributed.parts import Part
from xlmkit.distributed.reading import Refused
from xlmkit.explanation import Explanation
from xlmkit.results import atomic_write, check_same_run, read_results, save_results, to_json

FORMAT = 1


@dataclass(frozen=True)
class Folder:
    """The folder of a run; `suffix` is that of its shards."""

    path: Path
    suffix: str

    def shard(self, part: Part) -> Path:
        """Where the part's results stand once they are whole."""
        return self.path / f"{part.name}{self.suffix}"

    def finished(self, part: Part) -> bool:
        """Whether they do."""
        return self.shard(part).exists()

    def write(self, part: Part, found: pd.DataFrame | list[Explanation], refused: Sequence[Refused]) -> None:
        """The refused rows, then the shard: what is finished is finished with its report.

        Raises
        ------
        OSError : if it cannot be written; the shard is then not there."""
        about = self._about("refused", part)
        if refused:
            _write_json(about, [asdict(row) for row in refused])
        else:
            about.unlink(missing_ok=True)
        if isinstance(found, pd.DataFrame):
            save_results(_with_types(found), self.shard(part))
        elif found:
            save_results(found, self.shard(part))
        else:
            with atomic_write(self.shard(part)):
                pass

    def refused(self, part: Part) -> list[Refused]:
        """The rows of a finished part that gave no result."""
        return [Refused(**row) for row in _read_json(self._about("refused", part), [])]

    def tries(self, part: Part) -> dict[str, int]:
        """How often each span of the part was begun and not ended, by name."""
        return dict(_read_json(self._about("tries", part), {}))

    def note_tries(self, part: Part, tries: dict[str, int]) -> None:
        """Keep that, or forget it where it is empty."""
        if tries:
            _write_json(self._about("tries", part), tries)
        else:
            self._about("tries", part).unlink(missing_ok=True)

    def report(self, values: dict[str, Any]) -> None:
        """Write the report."""
        _write_json(self.path / "_run" / "report.json", {"format": FORMAT, **values})

    def _about(self, what: str, part: Part) -> Path:
        return self.path / "_run" / what / f"{part.name}.json"

    def stage(self, frame: pd.DataFrame) -> Path:
        """A frame of pairs written where workers can read it; the same frame gives the same file."""
        plain_frame = frame.reset_index(drop=True)
        plain_frame.attrs = {}
        buffer = io.BytesIO()
        plain_frame.to_parquet(buffer, index=False)
        path = self.path / "_run" / f"pairs-{hashlib.sha256(buffer.getvalue()).hexdigest()[:12]}.parquet"
        if not path.exists():
            with atomic_write(path, binary=True) as file:
                file.write(buffer.getvalue())
        return path

    def agree(self, asked: dict[str, Any]) -> None:
        """Keep what is asked in a new folder.

        Raises
        ------
        ValueError : if the folder holds results of another question."""
        file = self.path / "_run" / "asked.json"
        known = _read_json(file, None)
        if known is None:
            _write_json(file, to_json(asked))
        else:
            check_same_run(self.path, known, asked)

    def clean(self) -> None:
        """Remove what killed workers left half done."""
        for left in [*self.path.rglob(".xlmkit-*.tmp"), *(self.path / "_run" / "tries").glob("*.json")]:
            left.unlink(missing_ok=True)

    def results(self, columns: Callable[[str], bool] | None = None) -> Any:
        """All finished shards in their order: one frame with its provenance, or the list of Explanations; of a frame the `columns` asked for."""
        files = sorted(self.path.glob(f"part-*{self.suffix}"))
        if self.suffix == ".jsonl":
            return [one for file in files if file.stat().st_size for one in read_results(file)]
        frames = [_read_frame(file, columns) for file in files]
        kept = [frame for frame in frames if len(frame)] or frames[:1]
        if not kept:
            raise ValueError(f"expected finished shards in {os.fspath(self.path)!r}, got none")
        result = pd.concat(kept, ignore_index=True)
        result.attrs = kept[0].attrs
        return result


@contextmanager
def opened(path: str | os.PathLike[str], suffix: str) -> Iterator[Folder]:
    """The folder for one run at a time, made or gone on with.

    Raises
    ------
    ValueError : if it holds something else than a run.
    OSError : if it cannot be made or written to, or another run is writing to it."""
    folder = Folder(Path(path).absolute(), suffix)
    about = folder.path / "_run"
    if folder.path.is_dir() and not about.is_dir() and any(folder.path.iterdir()):
        raise ValueError(
            f"expected a new folder, or one of a run to go on with; {os.fspath(path)!r} holds other things; remedy: name another"
        )
    for name in ("refused", "tries"):
        (about / name).mkdir(parents=True, exist_ok=True)
    with open(about / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = (
                f"another run is writing to {os.fspath(path)!r}; remedy: wait for it, or name another folder"
            )
            raise OSError(errno.EAGAIN, what) from error
        folder.clean()
        yield folder


def _read_frame(file: Path, columns: Callable[[str], bool] | None) -> pd.DataFrame:
    names = None if columns is None else [name for name in pq.read_schema(file).names if columns(name)]
    return pd.read_parquet(file, columns=names)


def _with_types(frame: pd.DataFrame) -> pd.DataFrame:
    """With text for columns in which nothing stands: every shard must have the same types, whatever its rows happen to hold."""
    bare = [name for name in frame if frame[name].dtype == object and frame[name].isna().all()]
    return frame.astype(dict.fromkeys(bare, "str"))


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=1)


def _read_json(path: Path, otherwise: Any) -> Any:
    with suppress(FileNotFoundError):
        return json.loads(path.read_text(encoding="utf-8"))
    return otherwise
