"""Events: the course of a run as its log tells it, read while it goes on or when it is over."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

NAME = "log.jsonl"
COLUMNS = ("event", "step", "rows", "loss", "learning_rate", "seconds", "accuracy")
BY_LANGUAGE = "accuracy_by_language"


def history(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """What happened in a run so far.

    Parameters
    ----------
    folder : the run's; it holds `log.jsonl`.

    Returns
    -------
    One row a line: `event` ("step", "evaluation"), `step`, `rows` of training seen, `loss` in nats, `learning_rate`, `seconds` of training so far,
    `accuracy` on dev in [0, 1] by which weights are chosen, and `accuracy_<code>` for each language of dev; missing where an event has none.

    Raises
    ------
    FileNotFoundError : if there is no log.
    ValueError : if a line is no JSON object; but the last may be cut short, as a run that writes or was killed leaves it."""
    path = Path(folder) / NAME
    if not path.is_file():
        raise FileNotFoundError(
            errno.ENOENT, f"there is no {NAME} in {os.fspath(folder)!r}; remedy: name the folder of a run"
        )
    events = [_flat(event) for event in _read(path)]
    names = dict.fromkeys([*COLUMNS, *(name for event in events for name in event)])
    return pd.DataFrame(events, columns=list(names))


def _read(path: Path) -> list[dict[str, Any]]:
    *lines, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise ValueError(
                f"{path}, line {number}: expected a JSON object, got {line[:60]!r}; remedy: mend or remove that line"
            )
        found.append(event)
    return found


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    """An event with a column for the accuracy of each language."""
    rest = {name: value for name, value in event.items() if name != BY_LANGUAGE}
    return rest | {f"accuracy_{code}": share for code, share in (event.get(BY_LANGUAGE) or {}).items()}
