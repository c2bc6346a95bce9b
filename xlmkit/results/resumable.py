"""Keeping: what a long run has found so far, in a file, so that the same call goes on where it was cut off."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, TypeVar

import pandas as pd

from xlmkit.notices import warn_once
from xlmkit.results.files import check_place, plain, unwritten

FORMAT = 1

Part = TypeVar("Part")
Found = TypeVar("Found")


def fingerprint(frame: pd.DataFrame, columns: Iterable[str]) -> str:
    """SHA-256 of the frame's columns, row by row: changes with any value, and with their order."""
    return digest(list(frame[list(columns)].astype(object).itertuples(index=False, name=None)))


def digest(value: Any) -> str:
    """SHA-256 of what JSON makes of a value."""
    return hashlib.sha256(json.dumps(value, default=plain).encode("utf-8")).hexdigest()


def in_parts(
    path: str | os.PathLike[str] | None,
    asked: Mapping[str, Any],
    parts: Sequence[Part],
    find: Callable[[Part], list[Found]],
    *,
    pack: Callable[[Found], Any],
    unpack: Callable[[Any], Found],
) -> Iterator[list[Found]]:
    """What `find` gives for each part, in order; what the file holds already is read from it, and what is found is added to it at once.

    Parameters
    ----------
    path : of the file; None keeps nothing.
    asked : all that decides the results (model, settings, fingerprint of the input). A file of another question is refused.
    pack, unpack : one result to what JSON holds, and back, equal.

    Raises
    ------
    ValueError : if the file is of another question, or no such file.
    OSError : if it cannot be written, or another run is writing it."""
    if path is None:
        yield from map(find, parts)
        return
    with open(check_place(path), "a+b") as file:
        _lock(file, path)
        kept = _kept(file, path, json.loads(json.dumps(asked, default=plain)))
        if kept:
            warn_once(f"going on after {len(kept)} of {len(parts)} parts that {os.fspath(path)!r} holds")
        for number, part in enumerate(parts):
            if number < len(kept):
                yield [unpack(one) for one in kept[number]]
                continue
            found = find(part)
            _add(file, path, [pack(one) for one in found])
            yield found


def _kept(file: IO[bytes], path: str | os.PathLike[str], asked: Any) -> list[list[Any]]:
    """The parts in the file, which then ends after the last whole one; a new file gets its first line, which says what was asked."""
    file.seek(0)
    data = file.read()
    whole = data[: data.rfind(b"\n") + 1]  # a line that was being written when the run ended is found again
    file.truncate(len(whole))
    if not whole:
        _add(file, path, {"format": FORMAT, "asked": asked})
        return []
    try:
        first, *kept = [json.loads(line) for line in whole.splitlines()]
        known = first["format"] == FORMAT and all(isinstance(part, list) for part in kept)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(
            f"expected a file that a run keeps its results in, got {os.fspath(path)!r}; remedy: name another file"
        )
    odd = [name for name in {**first["asked"], **asked} if first["asked"].get(name) != asked.get(name)]
    if odd:
        raise ValueError(
            f"{os.fspath(path)!r} holds results of another run: {', '.join(sorted(odd))} differ; expected the same model, pairs and settings; "
            "remedy: name another file, or delete this one"
        )
    return kept


def _add(file: IO[bytes], path: str | os.PathLike[str], value: Any) -> None:
    """One line at the end of the file, on the disk when this returns."""
    line = json.dumps(value, default=plain).encode("ascii") + b"\n"
    try:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, unwritten(path, error)) from error


def _lock(file: IO[bytes], path: str | os.PathLike[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(
            errno.EAGAIN,
            f"another run is writing to {os.fspath(path)!r}; remedy: wait for it, or name another file",
        ) from error
