"""`make bench`: every part of the plan, one row after the other, each in a process of its own; each part's file is written as it goes.

Raw results go to tests/benchmarks/results/PART.json, then `tables.py` writes the tables of README.md and SIZING.md from them and from nothing else.
Measure on an idle machine. `--quick` tries everything on next to nothing, in a minute or two a part, and writes to build/ and no table."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import details
import measure
import rivals
import sizes
import tables
from plan import QUICK, RIVALS, WHOLE, Work, works

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
LATE = "left out, because the time was over"
EMULATED = "left out: this machine has no native bf16"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="next to nothing of everything, for trying")
    parser.add_argument(
        "--parts", nargs="*", help="only parts whose name begins so (predict, explain-full, ...)"
    )
    parser.add_argument("--minutes", type=float, default=60, help="begin nothing after so many (%(default)s)")
    arguments = parser.parse_args()
    chosen = [
        one
        for one in works(QUICK if arguments.quick else WHOLE)
        if arguments.parts is None or one.part.startswith(tuple(arguments.parts))
    ]
    folder = sizes.MADE / "quick" if arguments.quick else RESULTS
    prepare(chosen)
    with alone():
        measured(chosen, folder, time.monotonic() + 60 * arguments.minutes)
    if arguments.quick:
        print(details.page(tables.read(folder)))
    else:
        tables.main()


def prepare(chosen: list[Work]) -> None:
    """The models and the rivals' environments, before the clock starts; a rival that cannot be had says so in its row."""
    for size in sizes.SIZES:
        sizes.folder(size)
    for name in RIVALS:
        if any(one.name == name for one in chosen):
            try:
                rivals.python(name)
            except RuntimeError as error:
                print(f"  {name}: {error}", file=sys.stderr)


@contextmanager
def alone() -> Iterator[None]:
    """Two benchmarks at once would measure each other: the second one ends."""
    sizes.MADE.mkdir(parents=True, exist_ok=True)
    with (sizes.MADE / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another benchmark is running here. Wait for its end.")
        yield


def measured(chosen: list[Work], folder: Path, end: float) -> None:
    """Run all; after each row its part's file is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    run = {**measure.machine(), "pairs": sizes.source(), "vocabulary": sizes.vocabulary()}
    print(f"{run['hardware']}, commit {run['commit']}, load {run['load']:.2f}", flush=True)
    parts: dict[str, list[dict[str, Any]]] = {}
    for one in chosen:
        start = time.monotonic()
        if one.rounded and not measure.native_bfloat16():
            row = {"error": EMULATED}
        else:
            row = {"error": LATE} if start > end else result(one, min(one.seconds, end - start))
        rows = parts.setdefault(one.part, [])
        rows.append({"name": one.name, "arguments": one.arguments, **row})
        write(folder / f"{one.part}.json", {"part": one.part, "run": run, "rows": rows})
        print(f"{one.part:18s} {one.name:30s} {brief(row):40s} {time.monotonic() - start:6.1f} s", flush=True)


def result(one: Work, seconds: float) -> dict[str, Any]:
    """What a row's process gives in so many seconds, or `error` with the last sentence that it said."""
    module, function = one.function.split(".")
    command = [sys.executable, HERE / "work.py", module, function, json.dumps(one.arguments)]
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
        start_new_session=True,  # so that what it started ends with it
    )
    try:
        out, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"error": f"given up after {seconds:.0f} s"}
    if process.returncode == 0:
        return json.loads(out.strip().splitlines()[-1])
    last = (said.strip().splitlines() or [f"it ended with {process.returncode}"])[-1]
    return {"error": last.replace(str(sizes.ROOT), ".")}


def brief(row: dict[str, Any]) -> str:
    """One figure of a row, for whoever watches."""
    if "error" in row:
        return row["error"][:40]
    for name, unit in (("pairs_per_second", "pairs/s"), ("largest_difference", "apart"), ("equal", "equal")):
        if name in row:
            return f"{row[name]:.4g} {unit}"
    return ""


def write(place: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    part = place.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, place)


if __name__ == "__main__":
    main()
