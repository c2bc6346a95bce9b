"""Scaling: pairs a second of 1, 2 and 4 workers on this machine, and the memory of a worker against the size of its input.

Through `xlmkit.distributed`, with workers that note when they finished each shard and how much memory they have had. The pace is taken from the moment when every
worker has its model and its first shard behind it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from measure import memory
from sizes import MADE, folder, pairs

from xlmkit import distributed
from xlmkit.distributed.shards import Shard
from xlmkit.distributed.worker import Outcome, Worker

LOG = "xlmkit_benchmark_log"  # the environment variable that names the workers' log
PIECE = 20_000  # rows that are written together


class Noted(Worker):
    """A worker that writes down what it did; one line a shard."""

    def __init__(self, *task: Any) -> None:
        super().__init__(*task)
        self.begun = time.time()

    def do(self, shard: Shard) -> Outcome:
        outcome = super().do(shard)
        line = {"pid": os.getpid(), "end": time.time(), "rows": shard.rows, **memory()}
        log = Path(self.task.folder.path).with_suffix(".log")
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return outcome


def workers(size: str, count: int, rows: int, shard_rows: int) -> dict[str, Any]:
    """Pairs a second of `count` workers of one thread each."""
    found = _run(size, rows, shard_rows, count)
    return {"workers": count, "processors": os.cpu_count(), **found}


def flat(size: str, rows: int, shard_rows: int) -> dict[str, Any]:
    """The memory of one worker, and of the process that spreads the work, over an input of so many rows."""
    return _run(size, rows, shard_rows, 1)


def whole_frame(size: str, rows: int) -> dict[str, Any]:
    """The memory of `xlmkit.predict` over one frame of so many rows: what a notebook takes."""
    import xlmkit as xk

    nli = xk.load(folder(size))
    frame = pairs(rows)
    start = time.perf_counter()
    found = xk.predict(nli, frame, progress=False)
    seconds = time.perf_counter() - start
    return {"rows": len(found), "seconds": seconds, "pairs_per_second": rows / seconds, **memory()}


def _run(size: str, rows: int, shard_rows: int, count: int) -> dict[str, Any]:
    place = MADE / f"scaling-{size}-{rows}-{count}"
    for old in (place, place.with_suffix(".log")):
        shutil.rmtree(old, ignore_errors=True)
        old.unlink(missing_ok=True)
    source = _written(rows)
    workers = distributed.Workers(count=count, cpus=1, worker=Noted)
    options = {"model": folder(size), "workers": workers, "shard_rows": shard_rows, "progress": False}
    run = distributed.run("predict", source, place, **options)
    lines = [json.loads(line) for line in place.with_suffix(".log").read_text(encoding="utf-8").splitlines()]
    size_out = sum(file.stat().st_size for file in place.glob("*.parquet"))
    shutil.rmtree(place)
    return {
        "rows": run.rows,
        "seconds_in_all": run.seconds,
        "pairs_per_second": _pace(lines),
        "worker_peak_gb": max(line["peak_gb"] for line in lines),
        "driver_peak_gb": memory()["peak_gb"],
        "bytes_in": source.stat().st_size / rows,
        "bytes_out": size_out / rows,
    }


def _pace(lines: list[dict[str, Any]]) -> float:
    """Rows a second from the moment when every worker has ended its first shard; of what one worker alone did, of its later shards."""
    first: dict[int, float] = {}
    for line in lines:
        first.setdefault(line["pid"], line["end"])
    begun = max(first.values())
    later = [line for line in lines if line["end"] > begun]
    if not later:
        raise ValueError(f"expected shards after every worker's first; got {len(lines)}. Give it more rows.")
    return sum(line["rows"] for line in later) / (max(line["end"] for line in later) - begun)


def _written(rows: int) -> Path:
    """A Parquet file of so many pairs, written piece by piece, so that the writing does not count as memory."""
    place = MADE / f"pairs-{rows}.parquet"
    if not place.exists():
        MADE.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(".part")
        pieces = _pieces(rows)
        head = next(pieces)
        with pq.ParquetWriter(part, head.schema) as writer:
            writer.write_table(head)
            for piece in pieces:
                writer.write_table(piece)
        part.rename(place)
    return place


def _pieces(rows: int) -> Iterator[pa.Table]:
    for start in range(0, rows, PIECE):
        yield pa.Table.from_pandas(pairs(min(PIECE, rows - start), skip=start), preserve_index=False)
