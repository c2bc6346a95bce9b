"""Cluster: parts spread over workers by Ray Data, one model a worker, on this machine or on many.

Ray Data (https://docs.ray.io/en/latest/data/data.html) restarts a worker that dies, on whatever node is left, and gives it the part again. Parts
are idempotent, so nothing is lost by that and nothing doubled. Ray's dashboard and its usage reports are off in what is started here."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from xlmkit.distributed.parts import Part
from xlmkit.distributed.work import Outcome, Task, Worker
from xlmkit.encoding import is_whole

BLOCKS = 10_000  # pieces that Ray Data keeps account of; above, several parts make one
LOCAL = "local"
SHORT = "/tmp"  # a socket's path may have no more than 103 characters, which the usual folder of macOS would use up
STORE = 100 * 2**20  # bytes of Ray's object store on this machine alone; what passes through it is small
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class Workers:
    """Who computes.

    Attributes
    ----------
    address : None for this machine alone, "auto" for the cluster that it belongs to, or "host:port" of a cluster's head. A process that has
        joined Ray already stays where it is.
    count : how many workers at most; None: one a GPU of the cluster, or where there is none one for each `cpus` of its processors.
    cpus : processors of one worker, which are its threads too.
    make : what a worker is made of."""

    address: str | None = None
    count: int | None = None
    cpus: int = 1
    make: Callable[[Task], Any] = Worker

    def __post_init__(self) -> None:
        for name in ("count", "cpus"):
            value = getattr(self, name)
            if value is not None and not (is_whole(value) and value >= 1):
                raise ValueError(f"`{name}` must be a positive whole number; got {value!r}")


def outcomes(task: Task, parts: Sequence[Part], on: Workers) -> Iterator[Outcome]:
    """What becomes of each part, in the order in which they end; call it within `connected`."""
    ray = _ray()
    gpus, size = _sizes(task.loading.get("device", "auto"), on)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    rows = [{"part": pickle.dumps(part)} for part in parts]
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS)).map_batches(
        _Pickled,
        fn_constructor_args=(task, on.make),
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=1
        ),
        num_cpus=on.cpus,
        num_gpus=gpus,
    )
    for row in dataset.iter_rows():
        yield pickle.loads(row["outcome"])


class _Pickled:
    """A worker for Ray Data, whose tables hold bytes rather than our classes."""

    def __init__(self, task: Task, make: Callable[[Task], Any]) -> None:
        self.worker = make(task)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        return {"outcome": [pickle.dumps(self.worker.do(pickle.loads(part))) for part in batch["part"]]}


@contextmanager
def connected(on: Workers) -> Iterator[None]:
    """Ray, started on this machine alone or joined at an address, and left again; where the process has joined one already, that.

    Raises
    ------
    ImportError : if Ray is not installed.
    ConnectionError : if there is no cluster at the address."""
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="xlmkit-ray-", dir=SHORT) as logs:
        quietly = {"log_to_driver": False, "logging_level": "error"}
        with _environment(QUIET):
            if on.address in (None, LOCAL):
                ray.init(
                    address="local",
                    num_cpus=None if on.count is None else on.count * on.cpus,
                    include_dashboard=False,
                    object_store_memory=STORE,
                    _node_ip_address="127.0.0.1",
                    _temp_dir=logs,
                    **quietly,
                )
            else:
                _join(ray, on.address, quietly)
        try:
            yield
        finally:
            ray.shutdown()


def _join(ray: Any, address: str | None, quietly: Mapping[str, Any]) -> None:
    try:
        ray.init(address=address, **quietly)
    except ConnectionError as error:
        raise ConnectionError(
            f"there is no Ray cluster at {address!r} ({str(error).splitlines()[0]}); remedy: `ray start --head` there, or leave the address out"
        ) from error


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError:
        raise ImportError(
            "runs beyond one process need the package `ray`, which is not installed; remedy: pip install 'xlmkit[scale]'"
        ) from None
    return ray


def _sizes(device: object, on: Workers) -> tuple[int, int]:
    """GPUs a worker takes, and how many workers there are."""
    there = _ray().cluster_resources()
    gpus = int(there.get("GPU", 0)) if device in ("auto", "cuda") else 0
    room = gpus or int(there.get("CPU", 0)) // on.cpus
    if room < 1:
        raise ValueError(
            f"expected a cluster with room for a worker of {on.cpus} processors; got {there.get('CPU', 0):g} in all; remedy: fewer `cpus`"
        )
    return (1 if gpus else 0), min(on.count or room, room)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for what is started within."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
