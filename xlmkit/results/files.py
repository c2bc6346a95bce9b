"""Results on disk: predictions and explanations, written whole or not at all, that load again with the provenance they were made with.

A .parquet or .jsonl file knows its types and its missing values; for .csv and .tsv they stand in `<file>.provenance.json` beside it, with the
provenance. There text is always in quotes (RFC 4180), so that "NA", "007" or "" stay text and nothing is missing that was not."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv as pa_csv

from xlmkit.notices import warn_once
from xlmkit.pairs import is_missing

FORMAT = 1
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_TRUTHS = ("correct", "truncated", "untrained")  # columns of predictions that are true or false


def save_results(result: Any, path: str | os.PathLike[str]) -> None:
    """Save what `predict` or `explain` gave; `read_results` gives it back equal.

    Parameters
    ----------
    result : a frame (its index is not kept, `pair_id` names the rows), an Explanation or a list of them.
    path : a frame takes .csv, .tsv, .jsonl or .parquet, explanations .jsonl. Beside all but .parquet and explanations, which hold
        their own, `<path>.provenance.json` is written. Existing files are replaced at once or, on any error, left as they were.

    Raises
    ------
    ValueError : if the kind of file does not fit, there is nothing to save, or a value cannot be written.
    OSError : if the folder is missing, the disk full, the file forbidden; nothing is left behind."""
    path = Path(path)
    if isinstance(result, pd.DataFrame):
        _save_frame(result.reset_index(drop=True), path)
        return
    explanations = [result] if hasattr(result, "to_dict") else result
    if not isinstance(explanations, Sequence) or not all(hasattr(one, "to_dict") for one in explanations):
        raise TypeError(f"expected a DataFrame or Explanations, got {type(result).__name__}")
    if not explanations:
        raise ValueError("expected at least one Explanation to save, got none")
    if path.suffix.lower() != ".jsonl":
        raise ValueError(
            f"explanations are saved as .jsonl; got {path.name!r}; remedy: that suffix, or `xlmkit.save_html` for a page to look at"
        )
    lines = [
        json.dumps({"explanation": one.to_dict()}, ensure_ascii=False, default=plain) for one in explanations
    ]
    with atomic_write(path) as file:
        file.writelines(f"{line}\n" for line in lines)
    _note_path(path).unlink(missing_ok=True)  # of a frame that was saved there before


def read_results(path: str | os.PathLike[str]) -> Any:
    """What `save_results` saved: a frame with its `attrs["provenance"]`, or the list of Explanations.

    Without the `.provenance.json` of a .csv or .tsv, `p_<label>` columns are numbers, `correct`, `truncated` and `untrained` are truth
    values and all else is text; if the file was changed after it was saved, it loads without provenance, and that is said.

    Raises
    ------
    ValueError : if the file is not what `save_results` writes.
    FileNotFoundError : if there is no such file."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"expected a {', '.join(SUFFIXES)} file; got {path.name!r}")
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, f"there is no file {str(path)!r}; remedy: check the path")
    data = path.read_bytes()
    try:
        if suffix == ".parquet":
            return pd.read_parquet(io.BytesIO(data))
        note = _read_note(path, data)
        if suffix == ".jsonl":
            return _from_json_lines(data, note)
        return _from_csv(data, _DELIMITERS[suffix], note)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path.name}: expected a file that `save_results` wrote; it cannot be read as {suffix} ({error}); remedy: read_pairs reads pairs"
        ) from error


def check_place(path: str | os.PathLike[str]) -> Path:
    """Where a file of this name would be written, links followed.

    Raises
    ------
    OSError : if it is a folder, or its folder is missing or cannot be written to."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, f"{os.fspath(path)!r} is a folder; remedy: name a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT,
            f"there is no folder {os.fspath(target.parent)!r}; remedy: make it, or write elsewhere",
        )
    try:
        # A file is made, and gone again: to ask for the right alone would not see a read-only disk.
        with tempfile.TemporaryFile(dir=target.parent):
            return target
    except OSError as error:
        raise OSError(error.errno, unwritten(path, error)) from error


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, binary: bool = False) -> Iterator[IO[Any]]:
    """A file to write (UTF-8 text, or bytes) that takes the place of `path` when the block ends without an error.

    Until then it is a hidden file in the same folder; on an error it is removed and `path` is as it was.

    Raises
    ------
    OSError : if it cannot be written, in one sentence that names `path`."""
    target = check_place(path)
    hidden = target.parent / f".xlmkit-{secrets.token_hex(6)}.tmp"
    text = {} if binary else {"encoding": "utf-8", "newline": ""}
    try:
        with open(hidden, "xb" if binary else "x", **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, target)
    except OSError as error:
        if isinstance(error.__cause__, OSError):
            raise  # a file that is written within this block has said it
        raise OSError(error.errno, unwritten(path, error)) from error
    finally:
        hidden.unlink(missing_ok=True)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritten(path: str | os.PathLike[str], error: OSError) -> str:
    """What an error of writing means to whoever named `path`."""
    remedy = "free some space, or write elsewhere" if error.errno in _FULL else "write elsewhere"
    return f"{os.fspath(path)!r} could not be written ({error.strerror or error}), nothing was changed; remedy: {remedy}"


def _save_frame(frame: pd.DataFrame, path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"a frame is saved as {', '.join(SUFFIXES)}; got {path.name!r}; remedy: one of these suffixes"
        )
    frame.attrs = json.loads(json.dumps(dict(frame.attrs), default=plain))
    try:
        data, stored = _encoded(frame, suffix)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise ValueError(f"{path.name}: a column holds what cannot be saved as {suffix} ({error})") from error
    if suffix == ".parquet":
        with atomic_write(path, binary=True) as file:
            file.write(data)
        return
    note = {
        "format": FORMAT,
        "sha256": hashlib.sha256(data).hexdigest(),
        "dtypes": {str(column): str(dtype) for column, dtype in frame.dtypes.items()},
        "stored": stored,
        "attrs": frame.attrs,
    }
    with atomic_write(path, binary=True) as file, atomic_write(_note_path(path)) as beside:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # a full disk must show before the note takes its place
        json.dump(note, beside, ensure_ascii=False, indent=1)


def _encoded(frame: pd.DataFrame, suffix: str) -> tuple[bytes, dict[str, str]]:
    """The file's bytes, and for .csv and .tsv Arrow's type of each column."""
    buffer = io.BytesIO()
    if suffix == ".parquet":
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue(), {}
    if suffix == ".jsonl":
        names = [str(column) for column in frame.columns]
        for row in frame.astype(object).itertuples(index=False, name=None):
            cells = {
                name: None if is_missing(value) else value for name, value in zip(names, row, strict=True)
            }
            buffer.write(json.dumps(cells, ensure_ascii=False, default=plain).encode("utf-8") + b"\n")
        return buffer.getvalue(), {}
    lists = [str(name) for name in frame if any(isinstance(cell, list) for cell in frame[name])]
    flat = frame.assign(**{name: [json.dumps(cell) for cell in frame[name]] for name in lists})
    table = pa.Table.from_pandas(flat, preserve_index=False)
    pa_csv.write_csv(table, buffer, pa_csv.WriteOptions(delimiter=_DELIMITERS[suffix]))
    stored = {column.name: str(column.type) for column in table.schema}
    return buffer.getvalue(), stored | dict.fromkeys(lists, _JSON)


_JSON = "json"  # how a list, such as a rationale's spans, stands in a cell of .csv and .tsv


def _from_csv(data: bytes, delimiter: str, note: dict[str, Any]) -> pd.DataFrame:
    parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = pa_csv.ReadOptions(block_size=min(len(data) + 1, 2**31 - 1))  # a row must not cross blocks
    names = pa_csv.open_csv(io.BytesIO(data), parse_options=parse, read_options=read).schema.names
    stored = note.get("stored") or {name: _usual_type(name) for name in names}
    convert = pa_csv.ConvertOptions(
        column_types={
            name: pa.string() if stored[name] == _JSON else pa.type_for_alias(stored[name]) for name in names
        },
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    table = pa_csv.read_csv(io.BytesIO(data), parse_options=parse, read_options=read, convert_options=convert)
    frame = table.to_pandas()
    lists = {name: [json.loads(cell) for cell in frame[name]] for name in names if stored[name] == _JSON}
    return _typed(frame.assign(**lists), note)


def _usual_type(column: str) -> str:
    return "double" if column.startswith("p_") else "bool" if column in _TRUTHS else "string"


def _from_json_lines(data: bytes, note: dict[str, Any]) -> Any:
    rows = [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]
    if not note and rows and all(isinstance(row, dict) and list(row) == ["explanation"] for row in rows):
        from xlmkit.explanation import Explanation

        return [Explanation.from_dict(row["explanation"]) for row in rows]
    if not all(isinstance(row, dict) for row in rows) or not (rows or note):
        raise ValueError("every line must hold a JSON object")
    return _typed(pd.DataFrame(rows, columns=list(note["dtypes"]) if note else None), note)


def _typed(frame: pd.DataFrame, note: dict[str, Any]) -> pd.DataFrame:
    """The frame with the types and attributes that it had when it was saved."""
    if note:
        before_3 = {"str"} - {str(pd.Series([""]).dtype)}  # there "str" makes texts of missing values
        frame = frame.astype({name: dtype for name, dtype in note["dtypes"].items() if dtype not in before_3})
        frame.attrs = note["attrs"]
    return frame


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.provenance.json")


def _read_note(path: Path, data: bytes) -> dict[str, Any]:
    """What stands beside a file about it; nothing if there is no note, or it is about another content."""
    if not _note_path(path).exists():
        return {}
    note = json.loads(_note_path(path).read_text(encoding="utf-8"))
    if note.get("format") != FORMAT:
        raise ValueError(f"{_note_path(path).name}: expected format {FORMAT}, got {note.get('format')!r}")
    if note["sha256"] != hashlib.sha256(data).hexdigest():
        warn_once(f"{path.name} was changed after it was saved; it is read without provenance")
        return {}
    return note


def plain(value: Any) -> Any:
    """What json cannot hold: mappings as dicts, numpy's values as Python's, all else by its name."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)
