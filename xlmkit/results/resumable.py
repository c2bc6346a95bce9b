"""Resuming: a long run appends its results to a file or fills a folder, so that the same call
resumes after a crash."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import pandas as pd

from xlmkit.notices import warn_once
from xlmkit.results.writing import check_writable, plain, to_json, write_error

FORMAT = 2

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


def fingerprint(frame: pd.DataFrame, columns: Iterable[str]) -> str:
    """SHA-256 of some columns of a frame, row by row; it changes with any value and with their
    order."""
    return digest(list(frame[list(columns)].astype(object).itertuples(index=False, name=None)))


def digest(value: Any) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, default=plain).encode("utf-8")).hexdigest()


def resumable_map(
    path: str | os.PathLike[str] | None,
    config: Mapping[str, Any],
    chunks: Sequence[Chunk],
    function: Callable[[Chunk], list[Result]],
    *,
    serialize: Callable[[Result], Any],
    deserialize: Callable[[Any], Result],
) -> Iterator[list[Result]]:
    """Apply a function to each chunk of the input; results that the file contains already are read
    from it.

    The file has one line of JSON for `config`, and one per finished chunk:

        {"format": 2, "config": {"seed": 0}}
        [result, result, result]
        [result, resu               <- the run was killed here: this chunk is computed again

    Parameters
    ----------
    path : of the file; None saves nothing.
    config : everything that decides the results (model, settings, fingerprint of the input).
    chunks : the input in parts.
    function : of one chunk; returns a list of results, each of which is saved.
    serialize, deserialize : one result to what JSON can represent, and back to an equal result.

    Yields
    ------
    The results of each chunk, in order.

    Raises
    ------
    ValueError : if the file belongs to a run with another config, or is no such file.
    OSError : if it cannot be written, or another run is writing it."""
    if path is None:
        yield from map(function, chunks)
        return
    with open(check_writable(path), "a+b") as file:
        lock(file, path)
        saved = _saved_chunks(file, path, to_json(config))
        if saved:
            warn_once(f"Resuming from {os.fspath(path)!r}: {len(saved)} of {len(chunks)} chunks done.")
        yield from ([deserialize(value) for value in values] for values in saved)
        for chunk in chunks[len(saved) :]:
            results = function(chunk)
            _append(file, path, [serialize(result) for result in results])
            yield results


def check_run_folder(folder: Path, config: str) -> None:
    """Make the folder of a run, if it is new; `config` is the file in it that says which run it is.

    Raises
    ------
    FileExistsError : if it contains anything but a run.
    OSError : if it cannot be made or written to."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / Path(config).parts[0]).exists():
        raise FileExistsError(
            errno.EEXIST,
            f"`out` must be a new or empty folder, or that of a run to resume; {os.fspath(folder)!r} contains other "
            "files. Name another folder.",
        )
    try:
        (folder / config).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    check_writable(folder / config)


@contextmanager
def claim_run_folder(folder: Path, config: str, content: Mapping[str, Any]) -> Iterator[None]:
    """Reserve a folder for one run until the block ends, or this process does; `config` is the file
    with its `content`, everything that decides the results.

    Raises
    ------
    ValueError : if the folder has the results of a run with other content.
    BlockingIOError : if another process is writing to it."""
    with open(folder / config, "a+", encoding="utf-8") as file:
        lock(file, folder)
        file.seek(0)
        try:
            saved = json.loads(file.read())
        except ValueError:  # a new file, or whoever wrote it was killed
            file.truncate(0)
            json.dump(to_json(content), file, ensure_ascii=False, indent=1)
            file.flush()
        else:
            check_same_run(folder, saved, content)
        yield


def check_same_run(path: str | os.PathLike[str], saved: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Check that what `path` contains was computed with the same config.

    Parameters
    ----------
    path : a file or folder, to name in the message.
    saved : the config that was saved there, as JSON gives it back.
    config : the config of this run.

    Raises
    ------
    ValueError : if they differ; the message names the settings, and short values of them."""
    here = to_json(config)
    differing = [name for name in {**saved, **here} if saved.get(name) != here.get(name)]
    if differing:
        shown = ", ".join(_difference(name, saved.get(name), here.get(name)) for name in sorted(differing))
        raise ValueError(
            f"{os.fspath(path)!r} belongs to a run with other settings; these differ: {shown}. "
            "Name another file or folder, delete this one, or use its settings to resume."
        )


def lock(file: IO[Any], path: str | os.PathLike[str]) -> None:
    """Lock an open file until it is closed.

    Raises
    ------
    BlockingIOError : if another process has locked it; the message says that another run is writing
        to `path`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(
            errno.EAGAIN, f"another run is writing to {os.fspath(path)!r}. Wait for it, or write elsewhere."
        ) from error


def _difference(name: str, saved: Any, here: Any) -> str:
    pair = f"{saved!r} there, {here!r} here"
    return f"{name} ({pair})" if len(pair) <= 100 else name


def _saved_chunks(file: IO[bytes], path: str | os.PathLike[str], config: Any) -> list[list[Any]]:
    """The chunks in the file, cut off after the last complete one; a new file gets its first
    line."""
    file.seek(0)
    data = file.read()
    complete = data[: data.rfind(b"\n") + 1]
    file.truncate(len(complete))
    if not complete:
        _append(file, path, {"format": FORMAT, "config": config})
        return []
    try:
        first, *chunks = [json.loads(line) for line in complete.splitlines()]
        known = first["format"] == FORMAT and all(isinstance(chunk, list) for chunk in chunks)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(
            f"expected a file to resume from, as this version writes it; got {os.fspath(path)!r}. Name another file."
        )
    check_same_run(path, first["config"], config)
    return chunks


def _append(file: IO[bytes], path: str | os.PathLike[str], value: Any) -> None:
    """Add one line, which is on disk when this returns."""
    try:
        file.write(json.dumps(value, default=plain).encode("ascii") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise write_error(path, error) from error
