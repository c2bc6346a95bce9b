"""Measure: pairs a second, memory, and what machine it was on.

Everything that is compared gets the same pairs in the same order, each in a process of its own, after a warm-up on other pairs. What is faster goes further
along the same pairs in the same seconds, so that nobody is measured on a moment."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd
import torch
from sizes import ROOT, pairs

from xlmkit.model.device import choose_device, choose_dtype
from xlmkit.training import cost

BEHIND = 30_000  # where the pairs of warm-ups stand, far behind those that are measured
PACKAGES = ("torch", "transformers", "tokenizers", "captum", "numpy", "ray")


def rate(work: Callable[[pd.DataFrame], object], *, block: int, seconds: float, warm: int) -> dict[str, Any]:
    """Pairs a second of `work`, over blocks of new pairs until the seconds are over; at least one block."""
    work(pairs(warm, skip=BEHIND))
    done, start = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - start < seconds:
        work(pairs(block, skip=done))
        done += block
    taken = time.perf_counter() - start
    return {"pairs": done, "seconds": taken, "pairs_per_second": done / taken, **memory()}


def rounds(size: str) -> int:
    """How often pairs are explained, to count the fastest time: half a minute's work is at the mercy of whatever else the machine does meanwhile."""
    return 2 if size == "embedded" else 1


def memory() -> dict[str, float]:
    """The most memory that this process has had, in GB: everything in it, model, libraries and results."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"peak_gb": most * (1 if sys.platform == "darwin" else 1024) / 1e9}
    if torch.cuda.is_available():
        found["peak_gpu_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return found


def machine() -> dict[str, Any]:
    """Date, hardware, commit and versions, for the head of every file of results."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": cost.hardware(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in PACKAGES},
        "load": os.getloadavg()[0],
    }


def native_bfloat16() -> bool:
    """Whether this machine computes in bf16 by itself; elsewhere the kit does not choose it either."""
    return choose_dtype("auto", choose_device("auto"))[0] == torch.bfloat16


def commit() -> str:
    """The commit of the tree, with a plus where the code in it was changed since; "unknown" outside a clone."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD")
        changed = _git(
            "status", "--porcelain", "--untracked-files=no", "--", "xlmkit", "tests/benchmarks/*.py"
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
