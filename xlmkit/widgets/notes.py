"""Notes: a tag and a comment for each item that a reader looked at, in a file that is whole at every moment.

The file holds one JSON object a line, so that it can be read with any tool; each says which texts it is about, so that equal ids of another
data set do not inherit a note."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from xlmkit.pairs import is_missing
from xlmkit.results import atomic_write

FILE = "notes.jsonl"
KEY = ("pair_id", "premise", "hypothesis", "text")  # what says which item a note is about
CARRIED = (*KEY, "item", "language", "premise_language", "hypothesis_language", "gold", "prediction")
WRITTEN = ("tag", "comment")
SAVED = "saved"  # when, in UTC

_WRITING = threading.Lock()


class Notes:
    """The tags and comments of one file.

    Parameters
    ----------
    path : a .jsonl file; it is made with the first note, and may be there already.

    Raises
    ------
    ValueError : if the file is there and is no file of notes: the first line that cannot be read is named, and nothing is changed."""

    def __init__(self, path: str | os.PathLike[str] = FILE) -> None:
        self.path = Path(path)
        self._entries = _read(self.path)

    def of(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Tag and comment of an item, given as a row of the frame; two empty texts where there are none."""
        entry = self._entries.get(_key(row), {})
        return entry.get("tag", ""), entry.get("comment", "")

    def write(self, row: Mapping[str, Any], tag: str, comment: str) -> None:
        """Note `tag` and `comment` of an item, and save them before this returns; two empty texts take the note away.

        What others wrote to the file in the meantime is kept; of one item the last note counts.

        Raises
        ------
        OSError : if the file cannot be written; it is then as it was, and the note is not taken.
        ValueError : if the file was changed into something that is no file of notes."""
        entry = {name: _plain(row[name]) for name in CARRIED if name in row and not is_missing(row[name])}
        entry |= {"tag": _whole(tag).strip(), "comment": _whole(comment)}
        entry[SAVED] = datetime.now(UTC).isoformat(timespec="seconds")
        with _alone(self.path):
            entries = _read(self.path)
            if entry["tag"] or entry["comment"].strip():
                entries[_key(row)] = entry
            else:
                entries.pop(_key(row), None)
            with atomic_write(self.path) as file:
                file.writelines(f"{json.dumps(one, ensure_ascii=False)}\n" for one in entries.values())
        self._entries = entries

    def reload(self) -> None:
        """Read the file again: others may have written to it."""
        self._entries = _read(self.path)

    @property
    def tags(self) -> list[str]:
        """The tags in use, the most frequent first."""
        used = pd.Series([entry["tag"] for entry in self._entries.values() if entry["tag"]], dtype=object)
        return [str(tag) for tag in used.value_counts(sort=True).index]

    def to_frame(self) -> pd.DataFrame:
        """One row a note: the item's `pair_id`, texts, languages and labels as far as known, `tag`, `comment`, and `saved` (UTC)."""
        frame = pd.DataFrame(list(self._entries.values()))
        columns = [name for name in CARRIED if name in frame] if len(frame) else ["pair_id"]
        return frame.reindex(columns=[*columns, *WRITTEN, SAVED])

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Notes({str(self.path)!r}, {len(self)} notes)"


def _key(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    values = [row.get(name) for name in KEY]
    return tuple(None if is_missing(value) else _whole(str(value)) for value in values)


def _plain(value: Any) -> Any:
    """A cell as JSON holds it."""
    value = value.item() if hasattr(value, "item") else value
    return (
        _whole(value) if isinstance(value, str) else value if isinstance(value, int | float) else str(value)
    )


def _whole(text: str) -> str:
    """Text that UTF-8 can hold: half of a surrogate pair, as a field may give while it is typed in, becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _read(path: Path) -> dict[tuple[str | None, ...], dict[str, Any]]:
    """The notes of a file by their item, in the order of the file; none where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise ValueError(_refusal(path, 1, str(error))) from error
    entries = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(_refusal(path, number, str(error))) from error
        if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in WRITTEN):
            raise ValueError(_refusal(path, number, "no `tag` and `comment`"))
        entries[_key(entry)] = entry
    return entries


def _refusal(path: Path, number: int, why: str) -> str:
    return (
        f"expected a file of notes, one JSON object a line with `tag` and `comment`; got {path.name!r}, whose line {number} is none ({why}); "
        "remedy: another `notes` file, or mend the line"
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else of this kit writes to the folder: reading, changing and writing are one step, across threads and notebooks."""
    with _WRITING:
        try:
            import fcntl
        except ImportError:  # Windows: two notebooks that write within one millisecond could lose a note
            yield
            return
        try:
            folder = os.open(path.parent, os.O_RDONLY)
        except OSError:
            yield  # there is no such folder: writing says so
            return
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
