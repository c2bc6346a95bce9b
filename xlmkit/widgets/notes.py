"""Notes: a tag and a comment for each item that a reader looked at, in a file that is complete at
any moment.

The file has one JSON object per line, so any tool can read it. Each names the texts that it is
about, so that equal ids of another data set do not inherit a note."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from xlmkit.pairs import is_missing
from xlmkit.results import atomic_write, check_writable

FILE = "notes.jsonl"
KEY = ("pair_id", "premise", "hypothesis", "text")  # what identifies the item of a note
COPIED = (*KEY, "item", "language", "premise_language", "hypothesis_language", "gold", "prediction")
WRITTEN = ("tag", "comment")
SAVED = "saved"  # when, in UTC

_Key = tuple[str | None, ...]


class Notes:
    """The tags and comments of one file.

    Parameters
    ----------
    path : a .jsonl file, which may exist already; it is created with the first note.

    Raises
    ------
    ValueError : if the file exists and is not a file of notes. Its first unreadable line is named;
        nothing is changed."""

    def __init__(self, path: str | os.PathLike[str] = FILE) -> None:
        self.path = Path(path)
        self._entries = _read(self.path)

    def of(self, row: Mapping[Any, Any]) -> tuple[str, str]:
        """Tag and comment of an item, given as a row of the frame; two empty texts where there are
        none."""
        entry = self._entries.get(_key(row), {})
        return entry.get("tag", ""), entry.get("comment", "")

    def write(self, row: Mapping[Any, Any], tag: str, comment: str) -> None:
        """Save the note of an item before this returns; two empty texts remove it.

        What others wrote to the file in the meantime is kept; of one item the last note counts.

        Raises
        ------
        OSError : if the file cannot be written; it is then as it was, and the note is not taken.
        ValueError : if the file has become something else than a file of notes."""
        entry = {name: _json_value(row[name]) for name in COPIED if name in row and not is_missing(row[name])}
        entry |= {"tag": _utf8(tag).strip(), "comment": _utf8(comment)}
        entry[SAVED] = datetime.now(UTC).isoformat(timespec="seconds")
        with _locked(check_writable(self.path).parent):
            entries = _read(self.path)
            entries[_key(row)] = entry
            if not (entry["tag"] or entry["comment"].strip()):
                del entries[_key(row)]
            with atomic_write(self.path) as file:
                file.writelines(f"{json.dumps(entry, ensure_ascii=False)}\n" for entry in entries.values())
        self._entries = entries

    def reload(self) -> None:
        """Read the file again, which others may have changed."""
        self._entries = _read(self.path)

    @property
    def tags(self) -> list[str]:
        """The tags in use, the most frequent first."""
        used = pd.Series([entry["tag"] for entry in self._entries.values() if entry["tag"]], dtype=object)
        return used.value_counts().index.to_list()

    def to_frame(self) -> pd.DataFrame:
        """One row per note: the item's id, texts, languages and labels as far as known, `tag`,
        `comment`, `saved` (UTC)."""
        frame = pd.DataFrame(list(self._entries.values()))
        columns = [name for name in COPIED if name in frame] or ["pair_id"]
        return frame.reindex(columns=[*columns, *WRITTEN, SAVED])

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Notes({str(self.path)!r}, {len(self)} notes)"


def _key(row: Mapping[Any, Any]) -> _Key:
    values = [row.get(name) for name in KEY]
    return tuple(None if is_missing(value) else _utf8(str(value)) for value in values)


def _json_value(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, int | float) else _utf8(str(value))


def _utf8(text: str) -> str:
    """Half of a surrogate pair, which a field may give while it is typed in, becomes a question
    mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _read(path: Path) -> dict[_Key, dict[str, Any]]:
    """The notes of a file by their item, in the order of the file; none if there is no file."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    entries = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line.decode())
            if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in WRITTEN):
                raise ValueError("no `tag` and `comment`")
        except ValueError as error:  # of JSON and UTF-8 too
            raise ValueError(
                f"expected a file of notes, one JSON object per line with `tag` and `comment`; got {path.name!r}, "
                f"whose line {number} is different ({error}). Fix the line, or give another file as `notes`."
            ) from error
        entries[_key(entry)] = entry
    return entries


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Reading, changing and writing are one step, across threads and notebooks of this kit."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # excludes threads too, since each opens the folder itself
        yield
    finally:
        os.close(descriptor)
