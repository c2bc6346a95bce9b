"""The log of a run: one JSON object a line, in step with the states on disk, so that no line is there twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any


class Log:
    """`log.jsonl`, open for writing behind its first `keep` bytes; what stands after them was lost with the steps that it tells of."""

    def __init__(self, path: Path, *, keep: int = 0, enabled: bool = True) -> None:
        self._stream = path.open("a+b") if enabled else None
        if self._stream is not None:
            self._stream.truncate(keep)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def write(self, event: str, **values: Any) -> None:
        """Add a line."""
        if self._stream is not None:
            self._stream.write(json.dumps({"event": event, **values}).encode() + b"\n")
            self._stream.flush()

    def sync(self) -> int:
        """Wait until all lines are on disk; gives the length of the log in bytes."""
        if self._stream is None:
            return 0
        os.fsync(self._stream.fileno())
        return self._stream.seek(0, os.SEEK_END)
