"""Parts: a source of pairs cut into runs of rows, each of which one worker takes at a time and one shard holds in the end.

A .jsonl file is known by the hash of its bytes, a .parquet file by its size and its footer, so that a source that changed is noticed before results
of two sources stand side by side."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from xlmkit.checks import check_int
from xlmkit.pairs import SPELLINGS
from xlmkit.pairs.columns import TEXT_SPELLINGS
from xlmkit.pairs.tables import json_row

SUFFIXES = (".jsonl", ".parquet")
HEAD = 1000  # rows of a file that say which columns it has
ROLES = {name for roles in (SPELLINGS, TEXT_SPELLINGS) for spelled in roles.values() for name in spelled}
Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class File:
    """One file of the source; `columns` are those of its first rows, `digest` says what is in it."""

    path: str
    rows: int
    digest: str
    columns: tuple[str, ...]
    prefix: str  # of the ids of rows that have none: "" or the file's name, where there are several

    @property
    def name(self) -> str:
        """Without its folder."""
        return os.path.basename(self.path)


@dataclass(frozen=True)
class Part:
    """Rows `first` to `first + rows` of a file, counted from 0; of .jsonl the bytes `start` to `stop`."""

    number: int
    file: File
    first: int
    rows: int
    start: int = 0
    stop: int = 0

    @property
    def name(self) -> str:
        """Of the shard, without its suffix."""
        return f"part-{self.number:06d}"


def parts_of(source: Source, rows: int) -> list[Part]:
    """The parts of all files of a source, at most `rows` rows each.

    Parameters
    ----------
    source : a .jsonl or .parquet file, a folder of such files, a pattern such as "pairs/*.parquet", or several of these.

    Raises
    ------
    ValueError : if there is no row, a file is of another kind or cannot be read, or two files have one name.
    FileNotFoundError : if there is no such file."""
    check_int("shard_rows", rows, 1)
    paths = files_of(source)
    names = [os.path.basename(path) for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"expected files of different names, got {', '.join(twice)} more than once; remedy: rename one"
        )
    parts: list[Part] = []
    for path in paths:
        prefix = f"{Path(path).stem}-" if len(paths) > 1 else ""
        cut = _of_parquet if path.lower().endswith(".parquet") else _of_json_lines
        parts += cut(path, prefix, rows, len(parts))
    if not parts:
        raise ValueError(f"{source}: expected at least one pair, got none")
    return parts


def files_of(source: Source) -> list[str]:
    """The files that a source means, by name within each folder, with their full paths.

    Raises
    ------
    ValueError, FileNotFoundError : as `parts_of`."""
    if not isinstance(source, str | os.PathLike):
        return [path for one in source for path in files_of(one)]
    name = os.fspath(source)
    if os.path.isdir(name):
        found = [os.path.join(name, entry) for entry in os.listdir(name) if not entry.startswith((".", "_"))]
        found = [path for path in found if path.lower().endswith(SUFFIXES)]
    else:
        found = [name] if os.path.exists(name) else glob.glob(name)
    if not found:
        raise FileNotFoundError(
            f"expected a {' or '.join(SUFFIXES)} file, a folder of such files or a pattern; there is none at {name!r}; remedy: check the path"
        )
    odd = sorted(path for path in found if not path.lower().endswith(SUFFIXES))
    if odd:
        raise ValueError(
            f"{os.path.basename(odd[0])}: expected a {' or '.join(SUFFIXES)} file; remedy: give what `read_pairs` reads of it, a frame"
        )
    return sorted(os.path.abspath(path) for path in found)


def described(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """What of the files decides the results, as JSON holds it; not where they lie."""
    files = dict.fromkeys(part.file for part in parts)
    return [{**asdict(file), "path": file.name, "columns": list(file.columns)} for file in files]


def _of_parquet(path: str, prefix: str, rows: int, number: int) -> list[Part]:
    try:
        with pq.ParquetFile(path) as opened:
            footer = opened.metadata
            known = hashlib.blake2b(repr((os.path.getsize(path), footer.to_dict())).encode()).hexdigest()
            columns = tuple(
                name for name in opened.schema_arrow.names if not name.startswith("__index_level_")
            )
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{os.path.basename(path)}: expected a Parquet file; it cannot be read as one: {error}"
        ) from error
    file = File(path, footer.num_rows, known, columns, prefix)
    _check_columns(file)
    starts = range(0, file.rows, rows)
    return [
        Part(number + place, file, first, min(rows, file.rows - first)) for place, first in enumerate(starts)
    ]


def _of_json_lines(path: str, prefix: str, rows: int, number: int) -> list[Part]:
    """One pass over the file: its hash, its number of lines, and the byte where each part begins; empty lines at the end are none."""
    known = hashlib.blake2b()
    starts, lines, end, position = [0], 0, 0, 0
    with open(path, "rb") as opened:
        for count, line in enumerate(opened, 1):
            known.update(line)
            position += len(line)
            if line.strip():
                lines, end = count, position
            if count % rows == 0:
                starts.append(position)
    columns = _columns(path)
    file = File(path, lines, known.hexdigest(), columns, prefix)
    _check_columns(file)
    firsts = range(0, lines, rows)
    return [
        Part(
            number + place,
            file,
            first,
            min(rows, lines - first),
            start,
            end if first + rows >= lines else starts[place + 1],
        )
        for place, (first, start) in enumerate(zip(firsts, starts, strict=False))
    ]


def _columns(path: str) -> tuple[str, ...]:
    """The keys of the first rows of a .jsonl file, in their order; lines that are no rows are left to whoever reads them.

    A key that would become one of the kit's columns must stand in half of them, that of gold in half as many as any other of gold: one poisoned row
    must not say what the others mean."""
    found: Counter[str] = Counter()
    rows = 0
    with open(path, "rb") as opened:
        for _, line in zip(range(HEAD), opened, strict=False):
            with suppress(ValueError):
                found.update(json_row(line.decode("utf-8-sig")).keys())
                rows += 1
    labelled = max((found[key] for key in found if key.lower() in SPELLINGS["gold"]), default=0)
    least = {
        key: (labelled if key.lower() in SPELLINGS["gold"] else rows) / 2 if key.lower() in ROLES else 0
        for key in found
    }
    return tuple(key for key in found if found[key] >= least[key])


def _check_columns(file: File) -> None:
    """A missing column is no fault of a row: it is said before anything is computed."""
    if not file.rows:
        return
    spelled = {name.lower() for name in file.columns}
    single = spelled & {"text", "sentence"} and not spelled & {*SPELLINGS["hypothesis"]}
    roles = () if single else ("premise", "hypothesis")
    missing = [role for role in roles if not spelled & {*SPELLINGS[role]}]
    sides = [{*SPELLINGS["language"]}, {*SPELLINGS["premise_language"]}]
    if not any(spelled & side for side in sides):
        missing.append("language")
    if missing:
        raise ValueError(
            f"{file.name}: expected the columns {', '.join(missing)}; got {', '.join(file.columns) or 'none'}; remedy: add them"
        )
