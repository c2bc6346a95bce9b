"""Cells: rows of raw results as text for a table; what could not be measured says why in its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

Results = dict[str, dict[str, Any]]
Row = dict[str, Any]
NONE = "not measured"


def row(results: Results, part: str, name: str) -> Row:
    """One row of a part; {"error": ...} where there is none."""
    for one in results.get(part, {}).get("rows", []):
        if one["name"] == name:
            return one
    return {"error": NONE}


def measured(results: Results, part: str, start: str = "") -> dict[str, Row]:
    """The rows of a part that have figures, by name, those whose name begins so."""
    rows = results.get(part, {}).get("rows", [])
    return {one["name"]: one for one in rows if "error" not in one and one["name"].startswith(start)}


def cell(one: Row, show: Callable[[Row], str]) -> str:
    """`show` of a row, or why there is nothing to show."""
    return one["error"].replace("|", "\\|") if "error" in one else show(one)


def number(value: float) -> str:
    """Three significant digits; thousands with a comma."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        digits = len(str(int(abs(value))))
        return f"{round(value, 3 - digits):,.0f}"
    if abs(value) < 1e-3:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:#.3g}".rstrip(".")


def speed(one: Row) -> str:
    """Pairs a second, and the process's peak memory."""
    return f"{number(one['pairs_per_second'])} ({one['peak_gb']:.1f} GB)"


def times(value: float) -> str:
    """A ratio, rounded down, so that none looks like a goal that it missed."""
    return f"{math.floor(10 * value + 1e-9) / 10:.1f} x"


def percent(value: float) -> str:
    """A share."""
    return f"{100 * value:.1f} %" if 0 < value < 0.9995 else f"{100 * value:.0f} %"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def heading(results: Results) -> str:
    """When, on what, and at which commit; parts of another run than most are named with theirs."""
    runs: dict[tuple[str, str], list[str]] = {}
    for name, part in results.items():
        runs.setdefault((part["run"]["started"], part["run"]["commit"]), []).append(name)
    most = max(runs, key=lambda run: len(runs[run]))
    run = results[runs[most][0]]["run"]
    versions = ", ".join(f"{name} {run['versions'][name]}" for name in ("torch", "transformers", "captum"))
    gpu = f" and {run['gpu']}" if run["gpu"] else "; no GPU was at hand, so nothing was measured on one"
    text = (
        f"Measured {_date(most[0])} at commit `{most[1]}` on {run['hardware']}{gpu} ({run['system']}, {versions}; "
        f"load {run['load']:.1f} at the start). Pairs: {run['pairs']}. The full size has random weights and {run['vocabulary']}."
    )
    others = [
        f"{', '.join(names)} {_date(when)} at `{commit}`"
        for (when, commit), names in runs.items()
        if (when, commit) != most
    ]
    return text + (f" Of other runs: {'; '.join(others)}." if others else "")


def _date(text: str) -> str:
    when = datetime.fromisoformat(text)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"
