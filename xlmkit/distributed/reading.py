"""Reading: the rows of one part, the good ones as a checked frame, the poisoned ones by name with what is wrong with them.

`read_pairs` refuses a source that has a faulty row. Among millions of rows one is always faulty, and hours must not hang on it."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from xlmkit.distributed.parts import ROLES, Part
from xlmkit.pairs import LABELS
from xlmkit.pairs.columns import own_columns, rename_columns
from xlmkit.pairs.tables import json_row
from xlmkit.pairs.validate import Faults, check_rows, infer_types

GROUP = 4096  # rows of a .parquet file that are decoded at once


@dataclass(frozen=True)
class Refused:
    """A row that gave no result: its file, its number there from 1 (the line of a .jsonl file), its id where it has one, and why."""

    file: str
    row: int
    pair_id: str | None
    what: str


def read_part(part: Part, labels: Sequence[str]) -> tuple[pd.DataFrame, list[Refused]]:
    """The good rows as `read_pairs` gives them, whose index is the row's number in the file, and the others.

    Rows without ids have the row's number, after the name of the file where there are several. Ids must differ within a part.

    Raises
    ------
    ValueError : if ids repeat from language to language, which the file as a whole would have to say.
    OSError : if the file cannot be read, or has other rows than when the run began."""
    name = part.file.name
    faults = Faults(name, lambda row: f"row {row}")
    frame = (_parquet if part.file.path.lower().endswith(".parquet") else _json_lines)(part, faults)
    single = set(labels) != set(LABELS)
    named = rename_columns(frame, name, None, single=single)
    if "pair_id" not in named and "item" not in named:
        numbered = [f"{part.file.prefix}{row}" for row in frame.index]
        named.insert(0, "pair_id", pd.Series(numbered, index=frame.index, dtype=object))
    found = check_rows(named, faults, frame.index.to_list(), labels=labels)
    if "item" in found and "item" not in named:
        raise ValueError(
            f"{name}: ids repeat from language to language from row {part.first + 1} on; remedy: call that column `item`"
        )
    if "gold" not in found:
        found["gold"] = pd.Series(None, index=found.index, dtype=object)
    leading = [column for column in own_columns(found) if column in found and column != "item"]
    found = found[leading + [column for column in found if column not in leading]]
    ids = dict(zip(found.index, found["pair_id"], strict=True))
    refused = [Refused(name, row, ids.get(row), "; ".join(what)) for row, what in sorted(faults.rows.items())]
    return infer_types(found[~found.index.isin(faults.rows)]), refused


def _parquet(part: Part, faults: Faults) -> pd.DataFrame:
    """The part's rows, of which only those row groups are read that hold them."""
    tables: list[pa.RecordBatch] = []
    groups: list[int] = []
    end = part.first + part.rows
    before = position = 0  # rows before this group, and before the first that is read
    with pq.ParquetFile(part.file.path) as opened:
        for group in range(opened.num_row_groups):
            rows = opened.metadata.row_group(group).num_rows
            if before < end and before + rows > part.first:
                position = position if groups else before
                groups.append(group)
            before += rows
        if before != part.file.rows:
            raise _changed(part)
        for batch in opened.iter_batches(GROUP, row_groups=groups):
            low, high = max(part.first - position, 0), min(end - position, len(batch))
            if low < high:
                tables.append(batch.slice(low, high - low))
            position += len(batch)
        frame = pa.Table.from_batches(tables, opened.schema_arrow).to_pandas()
    frame.index = pd.RangeIndex(part.first + 1, end + 1)
    return frame


def _json_lines(part: Part, faults: Faults) -> pd.DataFrame:
    with open(part.file.path, "rb") as opened:
        opened.seek(part.start)
        lines = opened.read(part.stop - part.start).removesuffix(b"\n").split(b"\n")
    if len(lines) != part.rows:
        raise _changed(part)
    rows, numbers = [], []
    for number, line in enumerate(lines, part.first + 1):
        try:
            row = json_row(_text(line, first=number == 1))
            _check_keys(row, part)
        except ValueError as error:
            faults.add(number, str(error).rsplit("; ", 1)[0])
            continue
        rows.append(row)
        numbers.append(number)
    columns = dict.fromkeys([*part.file.columns, *(key for row in rows for key in row)])
    return pd.DataFrame(rows, index=numbers, columns=list(columns), dtype=object)


def _text(line: bytes, *, first: bool) -> str:
    try:
        return line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected UTF-8, got byte 0x{line[error.start]:02x} at offset {error.start} of the line; save it as UTF-8"
        ) from None


def _check_keys(row: dict[str, object], part: Part) -> None:
    """A key that would become one of the kit's columns must be the file's, or one row would change what the others mean."""
    odd = [key for key in row if key.lower() in ROLES and key not in part.file.columns]
    if odd:
        raise ValueError(f"has {odd[0]!r}, which the first rows of the file have not; name columns alike")


def _changed(part: Part) -> OSError:
    return OSError(
        errno.ESTALE,
        f"{part.file.name} has other rows than when the run began; remedy: run again, into another folder",
    )
