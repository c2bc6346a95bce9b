"""Results on disk: predictions and explanations, which load again with the provenance they were
computed with.

A .parquet or .jsonl file knows its types and its missing values; those of a .csv or .tsv are in
`<file>.provenance.json` next to it, with the provenance. Text in .csv and .tsv is always quoted
(RFC 4180), so that "NA", "007" or "" stay text and are not missing.

Files saved by version 0.1 are read too: what was called `label` there is `prediction` now
(`Explanation.from_dict` renames fields)."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv as pa_csv

from xlmkit.explanation import Explanation
from xlmkit.notices import warn_once
from xlmkit.pairs import is_missing
from xlmkit.results.writing import atomic_write, plain, to_json

FORMAT = 1
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_BOOLEANS = ("correct", "truncated", "untrained")  # columns of predictions that are true or false
_JSON = "json"  # the type of a column of lists, such as a rationale's spans, in .csv and .tsv


def save_results(result: Any, path: str | os.PathLike[str]) -> None:
    """Save what `predict` or `explain` returned; `read_results` gives it back equal.

    Parameters
    ----------
    result : a frame (its index is not saved, `pair_id` names the rows), an Explanation or a list of
        them.
    path : a .csv, .tsv, .jsonl or .parquet file for a frame, .jsonl for explanations. Next to a
        frame, except in .parquet, `<path>.provenance.json` is written. Existing files are replaced,
        or on any error left as they were.

    Raises
    ------
    ValueError : if the kind of file does not fit, there is nothing to save, or a value cannot be
        written.
    OSError : if the folder is missing, the disk is full or the file is forbidden; nothing is left
        behind."""
    path = Path(path)
    if isinstance(result, pd.DataFrame):
        _save_frame(result.reset_index(drop=True), path)
        return
    explanations = [result] if isinstance(result, Explanation) else result
    if not isinstance(explanations, Sequence) or not all(
        isinstance(each, Explanation) for each in explanations
    ):
        raise TypeError(f"expected a DataFrame or Explanations; got {type(result).__name__}.")
    if not explanations:
        raise ValueError("expected at least one Explanation to save; got none.")
    if path.suffix.lower() != ".jsonl":
        raise ValueError(
            f"explanations are saved as .jsonl; got {path.name!r}. Use that suffix, or `render.save_html` for a web page."
        )
    with atomic_write(path) as file:
        for explanation in explanations:
            line = {"explanation": explanation.to_dict()}
            file.write(json.dumps(line, ensure_ascii=False, default=plain) + "\n")
    _note_path(path).unlink(missing_ok=True)  # of a frame that was saved there before


def read_results(path: str | os.PathLike[str]) -> Any:
    """Read what `save_results` saved: a frame with its `attrs["provenance"]`, or the list of
    Explanations.

    Without the `.provenance.json` of a .csv or .tsv, `p_<label>` columns are numbers, `correct`,
    `truncated` and `untrained` are booleans and everything else is text. If the file was changed
    after it was saved, it is read without provenance, with a warning.

    Raises
    ------
    ValueError : if the file is not what `save_results` writes.
    FileNotFoundError : if there is no such file."""
    path = Path(path)
    suffix = _suffix(path)
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, f"there is no file {str(path)!r}. Check the path.")
    data = path.read_bytes()
    try:
        if suffix == ".parquet":
            return _renamed(pd.read_parquet(io.BytesIO(data)))
        note = _read_note(path, data)
        if suffix == ".jsonl":
            return _from_json_lines(data, note)
        return _from_csv(data, _DELIMITERS[suffix], note)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path.name}: expected a file that `save_results` wrote; it cannot be read as {suffix} ({error}). "
            "Use `read_pairs` to read pairs."
        ) from error


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"expected a {', '.join(SUFFIXES)} file; got {path.name!r}. Use one of these suffixes."
        )
    return suffix


def _save_frame(frame: pd.DataFrame, path: Path) -> None:
    suffix = _suffix(path)
    frame.attrs = to_json(dict(frame.attrs))
    try:
        data, stored = _encoded(frame, suffix)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise ValueError(
            f"{path.name}: a column contains what cannot be saved as {suffix} ({error})."
        ) from error
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
    with atomic_write(path, binary=True) as file, atomic_write(_note_path(path)) as note_file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # a full disk must show before the note takes its place
        json.dump(note, note_file, ensure_ascii=False, indent=1)


def _encoded(frame: pd.DataFrame, suffix: str) -> tuple[bytes, dict[str, str]]:
    """The file's bytes, and for .csv and .tsv Arrow's type of each column."""
    buffer = io.BytesIO()
    if suffix == ".parquet":
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue(), {}
    if suffix == ".jsonl":
        for row in frame.astype(object).to_dict("records"):
            cells = {str(name): None if is_missing(value) else value for name, value in row.items()}
            buffer.write(json.dumps(cells, ensure_ascii=False, default=plain).encode("utf-8") + b"\n")
        return buffer.getvalue(), {}
    lists = [str(name) for name in frame if any(isinstance(cell, list) for cell in frame[name])]
    flat = frame.assign(**{name: [json.dumps(cell) for cell in frame[name]] for name in lists})
    table = pa.Table.from_pandas(flat, preserve_index=False)
    pa_csv.write_csv(table, buffer, pa_csv.WriteOptions(delimiter=_DELIMITERS[suffix]))
    stored = {column.name: str(column.type) for column in table.schema}
    return buffer.getvalue(), stored | dict.fromkeys(lists, _JSON)


def _from_csv(data: bytes, delimiter: str, note: dict[str, Any]) -> pd.DataFrame:
    parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = pa_csv.ReadOptions(block_size=min(len(data) + 1, 2**31 - 1))  # a row must not cross blocks
    names = pa_csv.open_csv(io.BytesIO(data), parse_options=parse, read_options=read).schema.names
    stored = note.get("stored") or {name: _default_type(name) for name in names}
    lists = [name for name in names if stored[name] == _JSON]
    convert = pa_csv.ConvertOptions(
        column_types={name: pa.type_for_alias("string" if name in lists else stored[name]) for name in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    table = pa_csv.read_csv(io.BytesIO(data), parse_options=parse, read_options=read, convert_options=convert)
    frame = table.to_pandas()
    frame = frame.assign(**{name: [json.loads(cell) for cell in frame[name]] for name in lists})
    return _renamed(_typed(frame, note))


def _default_type(column: str) -> str:
    return "double" if column.startswith("p_") else "bool" if column in _BOOLEANS else "string"


def _from_json_lines(data: bytes, note: dict[str, Any]) -> Any:
    rows = [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]
    if not all(isinstance(row, dict) for row in rows) or not (rows or note):
        raise ValueError("every line must contain a JSON object")
    if not note and all(list(row) == ["explanation"] for row in rows):
        return [Explanation.from_dict(row["explanation"]) for row in rows]
    return _renamed(_typed(pd.DataFrame(rows, columns=list(note["dtypes"]) if note else None), note))


def _typed(frame: pd.DataFrame, note: dict[str, Any]) -> pd.DataFrame:
    """The frame with the types and attributes that it had when it was saved."""
    if note:
        before_3 = {"str"} - {str(pd.Series([""]).dtype)}  # there "str" turns missing values into texts
        frame = frame.astype({name: dtype for name, dtype in note["dtypes"].items() if dtype not in before_3})
        frame.attrs = note["attrs"]
    return frame


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the columns that version 0.1 called `label` and `passed` under their names of
    today."""
    names = list(map(str, frame))
    old = {}
    if "label" in names and "prediction" not in names and any(name.startswith("p_") for name in names):
        old["label"] = "prediction"
    if {"passed", "token", "score"} <= set(names):
        old["passed"] = "converged"
    if old:
        changes = ", ".join(f"`{before}` is `{after}` now" for before, after in old.items())
        warn_once(f"these results were saved by version 0.1, and their columns were renamed: {changes}.")
    return frame.rename(columns=old)


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.provenance.json")


def _read_note(path: Path, data: bytes) -> dict[str, Any]:
    """The note next to a file; empty if there is none, or it belongs to other content."""
    note_path = _note_path(path)
    if not note_path.exists():
        return {}
    note = json.loads(note_path.read_text(encoding="utf-8"))
    if note.get("format") != FORMAT:
        raise ValueError(f"{note_path.name}: expected format {FORMAT}; got {note.get('format')!r}")
    if note["sha256"] != hashlib.sha256(data).hexdigest():
        warn_once(f"{path.name} was changed after it was saved; it is read without provenance.")
        return {}
    return note
