"""Text tables: the rows of a TSV, CSV or JSONL file, each with the line on which it stands; no row is swallowed, none dropped.

XNLI's TSV is written without quoting, and a reader that honours quotes joins rows at a lone `"` (pandas and csv do so by default). So a TSV is
read as it is, one row a line, unless its quotes can only be quoting (RFC 4180); a CSV is read by RFC 4180, and a quote that runs over whole
rows is a fault."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlmkit.notices import warn_once


@dataclass
class Table:
    """A file before anyone asks what its columns mean.

    `rows` are dicts by column, `lines` their line numbers (from 1); `broken` maps a line that is no row to what is wrong
    with it and what would mend that."""

    columns: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: dict[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Record:
    """One row of a delimited text; `lines` is how many lines it runs over, `quoted` which fields were in quotes."""

    line: int
    lines: int
    fields: tuple[str, ...]
    quoted: tuple[bool, ...]
    end: int


def read_table(path: Path) -> Table:
    """Read a `.tsv`, `.csv` or `.jsonl` file.

    A byte-order mark and CRLF are accepted. Every value of a TSV or CSV is text, as written.

    Raises
    ------
    ValueError : if the file is empty, binary, not UTF-8, or its header repeats a column."""
    text = _decode(path)
    if path.suffix.lower() == ".jsonl":
        return _json_lines(text)
    table = _tab_separated(text, path.name) if path.suffix.lower() == ".tsv" else _comma_separated(text)
    twice = sorted({name for name in table.columns if table.columns.count(name) > 1})
    if twice:
        raise ValueError(
            f"{path.name}: expected different column names; got {twice} more than once in line 1"
        )
    return table


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path.name}: expected UTF-8, got UTF-16; remedy: save it as UTF-8")
    if b"\0" in data:
        raise ValueError(
            f"{path.name}: expected text in UTF-8, got a binary file (a null at byte {data.index(0)}); remedy: export it as .tsv, .csv or .jsonl"
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path.name}: expected UTF-8, got byte 0x{data[error.start]:02x} at offset {error.start} (line {line}); "
            "remedy: save it as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
        ) from None
    if not text.strip():
        raise ValueError(f"{path.name}: expected at least one pair, got an empty file")
    return text


def _json_lines(text: str) -> Table:
    table = Table([])
    lines = text.rstrip().split(
        "\n"
    )  # not splitlines, which also breaks at U+2028 and other characters of the text
    for number, line in enumerate(lines, 1):
        try:
            table.rows.append(json_row(line))
        except ValueError as error:
            what, remedy = str(error).rsplit("; ", 1)
            table.broken[number] = what, remedy
            continue
        table.lines.append(number)
    table.columns = list(dict.fromkeys(key for row in table.rows for key in row))
    return table


def json_row(line: str) -> dict[str, Any]:
    """The row that a line of JSONL holds.

    Raises
    ------
    ValueError : "what; remedy", if it is empty or no JSON object, or a key stands in it twice."""
    if not line.strip():
        raise ValueError("; ".join(_EMPTY))
    try:
        row = json.loads(line, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_json_fault(error)}; {_ONE_OBJECT}") from error
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object, got {type(row).__name__}; {_ONE_OBJECT}")
    return row


_ONE_OBJECT = "write one JSON object a line, each key once"
_EMPTY = ("an empty line", "delete empty lines, or fill them")
_UNCLOSED = (
    'a quote (") opens a field here and does not close it, or hides whole rows',
    'put a field in quotes if it holds quotes, and double those (""); or save it as .jsonl',
)


def _json_fault(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON ({error.msg}, column {error.colno})"
    return f"not valid JSON ({error})"


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} appears twice")
    return row


def _tab_separated(text: str, name: str) -> Table:
    lines = [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]
    if '"' in text and _tabs_are_quoted(text, lines):
        warn_once(f"{name} is read as a quoted TSV: its quotes can only be quoting")
        return _delimited(text, "\t")
    return _fill((number, line.split("\t")) for number, line in enumerate(lines, 1))


def _tabs_are_quoted(text: str, lines: list[str]) -> bool:
    """Whether the quotes of a TSV are quoting: each is well-formed, and either the header is quoted too, or every quoted field holds
    what a writer quotes for (a doubled quote, a tab, a line end; at least one of these; or a comma, as Excel does) without hiding a whole row."""
    parse = _parser("\t", strict=True)
    text = text.rstrip("\r\n")
    needed, position, line = False, 0, 1
    while position < len(text):
        record = parse(text, position, line)
        if record is None:
            return False
        if line == 1 and any(record.quoted):
            return True
        inside = [value for value, quoted in zip(record.fields, record.quoted, strict=True) if quoted]
        if not all(re.search(r'["\t\r\n,]', value) for value in inside):
            return False
        following = line + record.lines
        if _hides_a_row(record, lines[line - 1 : following - 1], lines[0].count("\t")):
            return False
        needed = needed or any(re.search(r'["\t\r\n]', value) for value in inside)
        position, line = record.end, following
    return needed


def _hides_a_row(record: _Record, lines: list[str], tabs: int) -> bool:
    """Whether one of the lines that a record runs over has all the tabs of a row, though it should hold only some of the record's."""
    if len(lines) == 1:
        return False
    whole = [line.count("\t") == tabs for line in lines]
    broken = [column for column, value in enumerate(record.fields) if "\n" in value]
    return any(whole[1:-1]) or (whole[0] and broken[0] != tabs) or (whole[-1] and broken[-1] != 0)


def _comma_separated(text: str) -> Table:
    header = text.split("\n", 1)[0]
    return _delimited(text, max(",;\t", key=header.count))


def _delimited(text: str, delimiter: str) -> Table:
    return _fill(_records(text.rstrip("\r\n"), delimiter))


def _fill(records: Iterator[tuple[int, list[str]]]) -> Table:
    """Rows whose number of fields is that of the header; a record without fields could not be read."""
    _, header = next(records)
    table = Table([name.strip() for name in header])
    names = ", ".join(table.columns[:8]) + (", ..." if len(table.columns) > 8 else "")
    for line, fields in records:
        if not fields:
            table.broken[line] = _UNCLOSED
        elif fields == [""]:
            table.broken[line] = _EMPTY
        elif len(fields) != len(table.columns):
            what = f"expected {len(table.columns)} fields ({names}), got {len(fields)}"
            table.broken[line] = (
                what,
                "a text that holds the delimiter must be in quotes; .jsonl needs no care",
            )
        else:
            table.rows.append(dict(zip(table.columns, fields, strict=True)))
            table.lines.append(line)
    return table


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each record; no fields where a quote is not closed, and then the next line is tried."""
    lenient, strict = _parser(delimiter, strict=False), _parser(delimiter, strict=True)
    position, line, width = 0, 1, 0
    while position < len(text):
        record = lenient(text, position, line)
        if record is not None and line == 1:
            width = len(record.fields)
        if record is not None and record.lines > 1:
            body = text[position : record.end].rstrip("\r\n").split("\n")[1:]
            alone = (strict(row, 0, 0) for row in body)
            if len(record.fields) != width or any(row and len(row.fields) == width for row in alone):
                record = None
        if record is None:
            yield line, []
            following = text.find("\n", position) + 1
            position, line = following or len(text), line + 1
            continue
        yield line, list(record.fields)
        position, line = record.end, line + record.lines


def _parser(delimiter: str, *, strict: bool) -> Callable[[str, int, int], _Record | None]:
    """A function that reads one record of RFC 4180 at a position, or gives None; strict: no quote inside a field that is not quoted."""
    first = rf'[^"{delimiter}\r\n]'
    rest = first if strict else rf"[^{delimiter}\r\n]"
    piece = re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|((?:{first}{rest}*)?))(?:({delimiter})|\r?\n|\r|\Z)')

    def parse(text: str, position: int, line: int) -> _Record | None:
        fields, quoted, start = [], [], position
        while True:
            match = piece.match(text, position)
            if match is None:
                return None
            inner, bare, more = match.groups()
            fields.append(bare if inner is None else inner.replace('""', '"'))
            quoted.append(inner is not None)
            position = match.end()
            if more is None:
                lines = text.count("\n", start, position) + (text[position - 1 : position] != "\n")
                return _Record(line, lines, tuple(fields), tuple(quoted), position)

    return parse
