"""Text tables: the rows of a TSV, CSV or JSONL file, each with its line number; no row is
swallowed, none dropped.

XNLI's TSV is written without quoting, and a reader that honours quotes (pandas and csv do by
default) joins rows at a lone `"`. So a TSV has one row per line and its quotes are text, unless its
header is quoted or every field that begins with a quote can only be a quoted one. A CSV is read by
RFC 4180; a quote that is not closed, or hides whole rows, is refused."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from xlmkit.notices import warn_once

EMPTY_LINE = "an empty line; delete empty lines or fill them"
_ONE_OBJECT = "write one JSON object per line, each key once"
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


@dataclass
class Table:
    """A file before its columns are interpreted.

    `rows` are dicts by column, `lines` their line numbers (from 1); `broken` maps a line that is no
    row to "what is wrong; what to do"."""

    columns: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """The rows, each value as it was read."""
        return pd.DataFrame(self.rows, columns=self.columns, dtype=object)


def read_table(path: Path) -> Table:
    """Read a `.tsv`, `.csv` or `.jsonl` file.

    A byte-order mark and CRLF are accepted. Every value of a TSV or CSV is text, as written.

    Raises
    ------
    ValueError : if the file is empty, binary, not UTF-8, its header repeats a column, or a quote is
        not closed."""
    text = _decode(path)
    if path.suffix.lower() == ".jsonl":
        return _json_lines(text)
    text = text.rstrip("\r\n")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if path.suffix.lower() == ".csv":
        table = _fill(_quoted_rows(text, max(",;\t", key=lines[0].count), path.name))
    elif _is_quoted(lines):
        warn_once(f"{path.name} is read as a quoted TSV: its quotes can only be quoting")
        table = _fill(_quoted_rows(text, "\t", path.name))
    else:
        table = _fill((number, line.split("\t")) for number, line in enumerate(lines, 1))
    repeated = sorted({name for name in table.columns if table.columns.count(name) > 1})
    if repeated:
        raise ValueError(
            f"{path.name}: column names must differ; got {repeated} more than once in line 1. Rename one of them."
        )
    return table


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path.name}: expected UTF-8, got UTF-16. Save it as UTF-8.")
    if b"\0" in data:
        raise ValueError(
            f"{path.name}: expected text in UTF-8, got a binary file (a null at byte {data.index(0)}). "
            "Export it as .tsv, .csv or .jsonl."
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path.name}: expected UTF-8, got byte 0x{data[error.start]:02x} at offset {error.start} (line {line}). "
            "Save it as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`."
        ) from None
    if not text.strip():
        raise ValueError(f"{path.name}: expected at least one pair, got an empty file.")
    return text


def _json_lines(text: str) -> Table:
    table = Table([])
    # Not splitlines, which also breaks at U+2028 and other characters of the text.
    for number, line in enumerate(text.rstrip().split("\n"), 1):
        try:
            table.rows.append(json_row(line))
        except ValueError as error:
            table.broken[number] = str(error)
            continue
        table.lines.append(number)
    table.columns = list(dict.fromkeys(key for row in table.rows for key in row))
    return table


def json_row(line: str) -> dict[str, Any]:
    """The row in a line of JSONL.

    Raises
    ------
    ValueError : "what is wrong; what to do", if it is empty or no JSON object, or has a key
        twice."""
    if not line.strip():
        raise ValueError(EMPTY_LINE)
    try:
        row = json.loads(line, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON ({error.msg}, column {error.colno}); {_ONE_OBJECT}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid JSON ({error}); {_ONE_OBJECT}") from error
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object, got {type(row).__name__}; {_ONE_OBJECT}")
    return row


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} appears twice")
    return row


def _is_quoted(lines: list[str]) -> bool:
    """Whether the quotes of a TSV are quoting: its header is quoted, or every field that begins
    with a quote ends in one and contains what a writer quotes for: a doubled quote, a carriage
    return or, as Excel does, a comma (not only commas)."""
    if lines[0].startswith('"'):
        return True
    opened = [text for line in lines if '"' in line for text in line.split("\t") if text.startswith('"')]
    inside = [match[1] if (match := _QUOTED.fullmatch(text)) else "" for text in opened]
    return all(re.search(r'["\r,]', text) for text in inside) and any(
        re.search(r'["\r]', text) for text in inside
    )


def _quoted_rows(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The line number and the fields of each row of a delimited text with quoting (RFC 4180)."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    width, line = 0, 1
    limit = csv.field_size_limit(max(len(text), 1))  # the default refuses long texts; restored below
    try:
        for fields in reader:
            width = width or len(fields)
            spans_lines = any("\n" in value for value in fields)
            # A line inside a field with all delimiters of a row is a row hidden by a lone quote.
            hidden = [
                row
                for value in fields
                for row in value.split("\n")[1:-1]
                if row.count(delimiter) == width - 1
            ]
            if spans_lines and (hidden or len(fields) != width):
                raise csv.Error("whole rows in quotes")
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f'{name}: line {line}: a quote (") opens a field here and does not close it, or hides whole rows ({error}). '
            'Put a field that has quotes in quotes and double those (""), or save the file as .jsonl.'
        ) from error
    finally:
        csv.field_size_limit(limit)


def _fill(rows: Iterable[tuple[int, list[str]]]) -> Table:
    """The table of rows that have as many fields as the header, which is the first; the others are
    broken."""
    numbered = iter(rows)
    _, header = next(numbered)
    table = Table([name.strip() for name in header])
    names = ", ".join(table.columns[:8]) + (", ..." if len(table.columns) > 8 else "")
    for line, fields in numbered:
        if fields in ([], [""]):
            table.broken[line] = EMPTY_LINE
        elif len(fields) != len(table.columns):
            table.broken[line] = (
                f"expected {len(table.columns)} fields ({names}), got {len(fields)}; "
                "put a text that contains the delimiter in quotes (.csv), or save the file as .jsonl"
            )
        else:
            table.rows.append(dict(zip(table.columns, fields, strict=True)))
            table.lines.append(line)
    return table
