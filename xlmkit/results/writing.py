"""Writing: files and folders that are written completely or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Check that a file of this name can be written.

    Returns
    -------
    Where it would be written, links followed.

    Raises
    ------
    OSError : if it is a folder, or its folder is missing or cannot be written to."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, f"{os.fspath(path)!r} is a folder. Name a file in it.")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"there is no folder {os.fspath(target.parent)!r}. Create it, or write elsewhere."
        )
    try:
        # A file is created and removed: asking for the permission alone would miss a read-only
        # disk.
        with tempfile.TemporaryFile(dir=target.parent):
            return target
    except OSError as error:
        raise write_error(path, error) from error


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a file (UTF-8 text, or bytes) that replaces `path` when the block ends without an error.

    Until then it is a hidden file in the same folder; on an error it is removed and `path` stays as
    it was.

    Raises
    ------
    OSError : if it cannot be written, in one sentence that names `path`."""
    target = check_writable(path)
    hidden = _hidden(target)
    text = {} if binary else {"encoding": "utf-8", "newline": ""}
    try:
        with open(hidden, "xb" if binary else "x", **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(hidden, target)
    except OSError as error:
        if isinstance(error.__cause__, OSError):
            raise  # of another file, written within this block, whose message is complete
        raise write_error(path, error) from error
    finally:
        hidden.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Create a hidden folder to fill, which is renamed to `path` when the block ends without an
    error.

    On an error it is removed with all that is in it.

    Raises
    ------
    FileExistsError : if `path` exists.
    OSError : if the folder that should contain it is missing or cannot be written to."""
    if os.path.exists(path):
        raise FileExistsError(
            errno.EEXIST, f"expected a new folder; {os.fspath(path)!r} exists. Name another, or remove it."
        )
    target = check_writable(path)
    hidden = _hidden(target)
    hidden.mkdir()
    try:
        yield hidden
        hidden.rename(target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def write_error(path: str | os.PathLike[str], error: OSError) -> OSError:
    """The same error, in a sentence for whoever named `path`."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Free some space, or write elsewhere." if full else "Write elsewhere."
    message = (
        f"{os.fspath(path)!r} could not be written ({error.strerror or error}), nothing was changed. {advice}"
    )
    return OSError(error.errno, message)


def to_json(value: Any) -> Any:
    """A value as JSON gives it back: mappings as dicts, sequences as lists, NumPy's values as
    Python's, everything else as text."""
    return json.loads(json.dumps(value, default=plain))


def plain(value: Any) -> Any:
    """One value that the json module does not know, for its `default=`."""
    if isinstance(value, Mapping):
        return dict(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _hidden(target: Path) -> Path:
    return target.parent / f".xlmkit-{secrets.token_hex(6)}.tmp"
