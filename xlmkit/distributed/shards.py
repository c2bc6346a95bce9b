"""Shards: runs of rows of a source; a worker reads one at a time, and sorts out its faulty rows.

`read_pairs` refuses a source that has a faulty row. Among millions of rows one is always faulty,
and it must not cost hours; here it is named and left out. A .jsonl file is identified by the hash
of its bytes, a .parquet file by its size and footer, so that a source that changed is noticed."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xlmkit.checks import check_int
from xlmkit.pairs import LABELS, SPELLINGS
from xlmkit.pairs.columns import TEXT_SPELLINGS, in_order, rename_columns
from xlmkit.pairs.tables import json_row
from xlmkit.pairs.validate import Faults, check_rows, infer_types

SUFFIXES = (".jsonl", ".parquet")
HEAD = 1000  # rows of a file that tell which columns it has
DECODED = 4096  # rows of a .parquet file that are decoded at once
ROLES = {name for roles in (SPELLINGS, TEXT_SPELLINGS) for spelled in roles.values() for name in spelled}
Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class File:
    """One file of the source: its rows, a digest of its content, and the columns of its first rows.
    Rows without ids are named by `prefix` and their number; the prefix is the file's name if there
    are several files."""

    path: str
    rows: int
    digest: str
    columns: tuple[str, ...]
    prefix: str

    @property
    def name(self) -> str:
        """Without its folder."""
        return os.path.basename(self.path)


@dataclass(frozen=True)
class Shard:
    """Rows `first` to `first + rows` of a file, counted from 0; of .jsonl the bytes `start` to
    `stop`."""

    number: int
    file: File
    first: int
    rows: int
    start: int = 0
    stop: int = 0

    @property
    def name(self) -> str:
        """Of the file with its results, without suffix."""
        return f"part-{self.number:06d}"


@dataclass(frozen=True)
class Refused:
    """A row without a result: its file, its number there from 1 (the line of a .jsonl file), its id
    if it has one, and why."""

    file: str
    row: int
    pair_id: str | None
    what: str


def list_shards(source: Source, rows: int) -> list[Shard]:
    """List the shards of all files of a source, of at most `rows` rows each.

    Parameters
    ----------
    source : a .jsonl or .parquet file, a folder of such files, a pattern such as "pairs/*.parquet",
        or several of these.

    Raises
    ------
    ValueError : if there is no row, a file is of another kind or cannot be read, or two files have
        the same name.
    FileNotFoundError : if there is no such file."""
    check_int("shard_rows", rows, 1)
    paths = _paths(source)
    repeated = [name for name, n in Counter(map(os.path.basename, paths)).items() if n > 1]
    if repeated:
        raise ValueError(
            f"files must have different names; got {', '.join(sorted(repeated))} more than once. Rename one."
        )
    shards: list[Shard] = []
    for path in paths:
        prefix = f"{Path(path).stem}-" if len(paths) > 1 else ""
        scan = _scan_parquet if path.lower().endswith(".parquet") else _scan_json_lines
        file, starts = scan(path, prefix, rows)
        if file.rows:  # a missing column is not the fault of a row: it is refused before anything is computed
            rename_columns(pd.DataFrame(columns=[*file.columns]), file.name, None, single=True)
        for first, (start, stop) in zip(range(0, file.rows, rows), pairwise(starts), strict=True):
            shards.append(Shard(len(shards), file, first, min(rows, file.rows - first), start, stop))
    if not shards:
        raise ValueError(f"{source} must have at least one pair; got none.")
    return shards


def describe_files(shards: Sequence[Shard]) -> list[dict[str, Any]]:
    """The properties of the files that results depend on, as JSON values; not their location."""
    files = dict.fromkeys(shard.file for shard in shards)
    return [{**asdict(file), "path": file.name, "columns": list(file.columns)} for file in files]


def read_shard(shard: Shard, labels: Sequence[str]) -> tuple[pd.DataFrame, list[Refused]]:
    """Read the good rows as `read_pairs` gives them, indexed by the row's number in the file, and
    the refused rows.

    Rows without ids get the row's number, after the name of the file if there are several. Ids must
    differ within a shard.

    Raises
    ------
    ValueError : if ids repeat from language to language, which only the file as a whole can tell.
    OSError : if the file cannot be read, or has other rows than when the run began."""
    name = shard.file.name
    faults = Faults(name, lambda row: f"row {row}")
    frame = (
        _read_parquet(shard)
        if shard.file.path.lower().endswith(".parquet")
        else _read_json_lines(shard, faults)
    )
    named = rename_columns(frame, name, None, single=set(labels) != set(LABELS))
    if "pair_id" not in named and "item" not in named:
        numbered = [f"{shard.file.prefix}{row}" for row in frame.index]
        named.insert(0, "pair_id", pd.Series(numbered, index=frame.index, dtype=object))
    pairs = check_rows(named, faults, frame.index.to_list(), labels=labels)
    if "item" in pairs and "item" not in named:
        raise ValueError(
            f"{name}: ids must differ from row to row; from row {shard.first + 1} on they repeat from language to "
            "language. Name that column `item`."
        )
    pairs = in_order(pairs)
    ids = dict(zip(pairs.index, pairs["pair_id"], strict=True))
    refused = [Refused(name, row, ids.get(row), "; ".join(what)) for row, what in sorted(faults.rows.items())]
    return infer_types(pairs[~pairs.index.isin(faults.rows)]), refused


def _paths(source: Source) -> list[str]:
    """The full paths of the files that a source refers to, sorted within each folder."""
    if not isinstance(source, str | os.PathLike):
        return [path for entry in source for path in _paths(entry)]
    name = os.fspath(source)
    if os.path.isdir(name):
        entries = [entry for entry in os.listdir(name) if not entry.startswith((".", "_"))]
        found = [os.path.join(name, entry) for entry in entries if entry.lower().endswith(SUFFIXES)]
    else:
        found = [name] if os.path.exists(name) else glob.glob(name)
    kinds = " or ".join(SUFFIXES)
    if not found:
        raise FileNotFoundError(
            errno.ENOENT,
            f"the source must be a {kinds} file, a folder of such files or a pattern; got {name!r}. Check the path.",
        )
    other = sorted(path for path in found if not path.lower().endswith(SUFFIXES))
    if other:
        raise ValueError(
            f"the source must be a {kinds} file; got {os.path.basename(other[0])}. Read it with `read_pairs`, and pass the frame."
        )
    return sorted(os.path.abspath(path) for path in found)


def _scan_parquet(path: str, prefix: str, rows: int) -> tuple[File, list[int]]:
    try:
        with pq.ParquetFile(path) as opened:
            footer, names = opened.metadata, opened.schema_arrow.names
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{os.path.basename(path)} must be a Parquet file; it cannot be read as one: {error}"
        ) from error
    digest = hashlib.blake2b(repr((os.path.getsize(path), footer.to_dict())).encode()).hexdigest()
    columns = tuple(name for name in names if not name.startswith("__index_level_"))
    return File(path, footer.num_rows, digest, columns, prefix), [0] * (-(-footer.num_rows // rows) + 1)


def _scan_json_lines(path: str, prefix: str, rows: int) -> tuple[File, list[int]]:
    """One pass over the file: its hash, its number of lines, and the bytes between which its shards
    are.

    A file of five lines of 10 bytes and an empty last line, in shards of two rows:

        bytes   0   10   20   30   40   50 51
        rows    | 1 | 2  | 3  | 4  | 5  | (empty: not a row)
        starts  0        20        40   50"""
    digest, head = hashlib.blake2b(), []
    starts, lines, end, position = [0], 0, 0, 0
    with open(path, "rb") as opened:
        for count, line in enumerate(opened, 1):
            digest.update(line)
            position += len(line)
            if line.strip():
                lines, end = count, position
            if count % rows == 0:
                starts.append(position)
            if count <= HEAD:
                head.append(line)
    starts = [*starts[: -(-lines // rows)], end]
    return File(path, lines, digest.hexdigest(), _columns(head), prefix), starts


def _columns(head: list[bytes]) -> tuple[str, ...]:
    """The keys of the first lines of a .jsonl file, in their order; lines that are not rows are
    passed over.

    A key that would become one of the kit's columns must be in half of the rows, a key of gold in
    half as many as the most frequent key of gold: a single faulty row must not decide what the
    others mean."""
    rows = []
    for line in head:
        with suppress(ValueError):
            rows.append(json_row(line.decode("utf-8-sig")))
    counts = Counter(key for row in rows for key in row)
    least = {key: len(rows) / 2 for key in counts if key.lower() in ROLES}
    gold = {key: counts[key] for key in counts if key.lower() in SPELLINGS["gold"]}
    least |= dict.fromkeys(gold, max(gold.values(), default=0) / 2)
    return tuple(key for key in counts if counts[key] >= least.get(key, 0))


def _read_parquet(shard: Shard) -> pd.DataFrame:
    """The shard's rows; only the row groups with these rows are read, a few rows at a time."""
    end = shard.first + shard.rows
    with pq.ParquetFile(shard.file.path) as opened:
        if opened.metadata.num_rows != shard.file.rows:
            raise _changed(shard)
        sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
        ends = list(accumulate(sizes))
        groups = [
            group
            for group, (size, last) in enumerate(zip(sizes, ends, strict=True))
            if last - size < end and last > shard.first
        ]
        position, batches = ends[groups[0]] - sizes[groups[0]], []
        for batch in opened.iter_batches(DECODED, row_groups=groups):
            start, stop = (min(max(row - position, 0), len(batch)) for row in (shard.first, end))
            batches.append(batch.slice(start, stop - start))
            position += len(batch)
        frame = pa.Table.from_batches(batches, opened.schema_arrow).to_pandas()
    frame.index = pd.RangeIndex(shard.first + 1, end + 1)
    return frame


def _read_json_lines(shard: Shard, faults: Faults) -> pd.DataFrame:
    with open(shard.file.path, "rb") as opened:
        opened.seek(shard.start)
        lines = opened.read(shard.stop - shard.start).removesuffix(b"\n").split(b"\n")
    if len(lines) != shard.rows:
        raise _changed(shard)
    rows: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(lines, shard.first + 1):
        try:
            row = json_row(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            # A key that would become one of the kit's columns must be the file's, or
            # one row would change what the others mean.
            other = [key for key in row if key.lower() in ROLES and key not in shard.file.columns]
            if other:
                raise ValueError(f"has {other[0]!r}, which the first rows of the file do not have")
            rows[number] = row
        except ValueError as error:
            faults.add(number, str(error).rsplit("; ", 1)[0])
    columns = dict.fromkeys([*shard.file.columns, *(key for row in rows.values() for key in row)])
    return pd.DataFrame([*rows.values()], index=[*rows], columns=list(columns), dtype=object)


def _changed(shard: Shard) -> OSError:
    return OSError(
        errno.ESTALE,
        f"{shard.file.name} has other rows than when the run began. Run again, into another folder.",
    )
