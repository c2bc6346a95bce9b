"""Cluster: parts spread over workers by Ray Data, one model a worker, on this machine or on many.

Ray Data (https://docs.ray.io/en/latest/data/data.html) restarts a worker that dies, on whatever node is left, and gives it the part again. Parts
are idempotent, so nothing is lost by that and nothing doubled. Ray's dashboard and its usage reports are off in what is started here, and of what
it says only warnings and errors are passed on."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import pickle
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from xlmkit.checks import is_int
from xlmkit.distributed.parts import Part
from xlmkit.distributed.work import Outcome, Task, Worker

BLOCKS = 10_000  # pieces that Ray Data keeps account of; above, several parts make one
LOCAL = "local"
SHORT = "/tmp"  # a socket's path may have no more than 103 characters, which the usual folder of macOS would use up
PATIENCE = 10  # seconds for a cluster to answer
ATTEMPTS = 3  # Ray gives what it starts half a minute, which a machine with much else to do may not keep
STORE = 100 * 2**20  # bytes of Ray's object store on this machine alone; what passes through it is small
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# On every system: Ray then listens on 127.0.0.1 and not for the network. Its workers are what computes, and give way to nobody (Ray says 15).
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0"}
# Lines that Ray is not to print: what is left of a run that was stopped is ended so.
SKIPPED = {"RAY_DEDUP_LOGS_SKIP_REGEX": "killed by `ray.kill`"}
NO_BARS = "Progress bars disabled"  # a warning of Ray Data's that we did as we meant to
_held = ExitStack()  # Ray, between `start` and `stop`


@dataclass(frozen=True)
class Workers:
    """Who computes.

    Attributes
    ----------
    address : None for this machine alone, "auto" for the cluster that it belongs to, or "host:port" of a cluster's head. A process that has
        joined Ray already stays where it is.
    count : how many workers at most, also more than a cluster that grows has room for now; None: one a GPU of the cluster, or where there is
        none one for each `cpus` of its processors.
    cpus : processors of one worker, which are its threads too.
    make : what a worker is made of."""

    address: str | None = None
    count: int | None = None
    cpus: int = 1
    make: Callable[[Task], Any] = Worker

    def __post_init__(self) -> None:
        for name in ("count", "cpus"):
            value = getattr(self, name)
            if value is not None and not (is_int(value) and value >= 1):
                raise ValueError(f"`{name}` must be a positive whole number; got {value!r}")

    @property
    def alone(self) -> bool:
        """Whether that is this machine alone."""
        return self.address in (None, LOCAL)


def outcomes(task: Task, parts: Sequence[Part], on: Workers) -> Iterator[Outcome]:
    """What becomes of each part, in the order in which they end; call it within `connected`."""
    ray = _ray()
    gpus, first, most = _sizes(task.loading.get("device", "auto"), on)
    rows = [{"part": pickle.dumps(part)} for part in parts]
    # At least 1 and not all of them: workers without work are given up, or one that died with its node would wait for their place for ever (ray #26991).
    pool = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=min(most, len(rows)),
        initial_size=min(first, len(rows)),
        max_tasks_in_flight_per_actor=2,  # with 1 Ray Data never adds a worker
    )
    with _silent(ray.data.DataContext.get_current()):
        dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), BLOCKS)).map_batches(
            _Pickled,
            fn_constructor_args=(task, on.make),
            batch_size=1,
            batch_format="numpy",
            compute=pool,
            num_cpus=on.cpus,
            num_gpus=gpus,
        )
    if on.alone:
        _forewarned()
    with _hushed():
        for row in dataset.iter_rows():
            yield pickle.loads(row["outcome"])


@contextmanager
def _hushed() -> Iterator[None]:
    """What Ray Data tells of its progress stays in its file; warnings and errors are heard."""
    consoles = [one for one in logging.getLogger("ray.data").handlers if one.name == "console"]
    for console in consoles:
        console.addFilter(_is_news)
    try:
        yield
    finally:
        for console in consoles:
            console.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING and not record.getMessage().startswith(NO_BARS)


@contextmanager
def _silent(context: Any) -> Iterator[None]:
    """Ray Data's settings for what is made within: no bars of its own, nothing printed."""
    before = {name: getattr(context, name) for name in ("enable_progress_bars", "print_on_execution_start")}
    for name in before:
        setattr(context, name, False)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


class _Pickled:
    """A worker for Ray Data, whose tables hold bytes rather than our classes."""

    def __init__(self, task: Task, make: Callable[[Task], Any]) -> None:
        self.worker = make(task)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        return {"outcome": [pickle.dumps(self.worker.do(pickle.loads(part))) for part in batch["part"]]}


def start(on: Workers | None = None) -> None:
    """Start Ray on this machine alone, or join it at an address, for all calls until `stop` or the end of the process; else each call does so for itself.

    Parameters
    ----------
    on : as in `predict`, whose workers may later be fewer.

    Raises
    ------
    ImportError, ConnectionError, TimeoutError : as `connected`."""
    stop()
    _held.enter_context(connected(on or Workers()))


@atexit.register
def stop() -> None:
    """End what `start` began; without it, nothing."""
    _held.close()


@contextmanager
def connected(on: Workers) -> Iterator[None]:
    """Ray, started on this machine alone or joined at an address, and left again; where the process has joined one already, that.

    Raises
    ------
    ImportError : if Ray is not installed.
    ConnectionError : if there is no cluster at the address.
    TimeoutError : if Ray does not start on this machine."""
    with _environment({**SKIPPED, **(ALONE if on.alone else {})}):  # which Ray reads as it is imported
        ray = _ray()
    if ray.is_initialized():
        yield
        return
    quietly = {"log_to_driver": False, "logging_level": "error"}
    with (
        _environment(QUIET),  # until the end: Ray Data asks again at each run
        tempfile.TemporaryDirectory(prefix="xlmkit-ray-", dir=SHORT, ignore_cleanup_errors=True) as logs,
    ):
        if on.alone:
            _start(ray, on, logs, quietly)
        else:
            _join(ray, str(on.address), quietly)
        try:
            yield
        finally:
            ray.shutdown()


def _start(ray: Any, on: Workers, logs: str, quietly: Mapping[str, Any]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _environment(ALONE):
                ray.init(
                    address=LOCAL,
                    num_cpus=None if on.count is None else on.count * on.cpus,
                    include_dashboard=False,
                    object_store_memory=STORE,
                    _temp_dir=logs,
                    **quietly,
                )
            return
        except Exception as error:
            if "timed out during startup" not in str(error):  # a bare Exception, in Ray's words
                raise
            ray.shutdown()
            if attempt == ATTEMPTS:
                raise TimeoutError(
                    f"Ray did not start on this machine in {ATTEMPTS} attempts of half a minute; remedy: end what else keeps it busy and call again, "
                    "or predict without Ray"
                ) from error


def _join(ray: Any, address: str, quietly: Mapping[str, Any]) -> None:
    try:
        host, colon, port = address.rpartition(":")
        if colon and port.isdigit() and "/" not in host:
            socket.create_connection((host, int(port)), timeout=PATIENCE).close()  # Ray would try for minutes
        ray.init(address=address, **quietly)
    except OSError as error:  # ConnectionError is one
        raise ConnectionError(
            f"there is no Ray cluster at {address!r} ({str(error).splitlines()[0]}); remedy: `ray start --head` there, or leave the address out"
        ) from error


@functools.cache
def _forewarned() -> None:
    """Have Ray say now, unheard, what it says once a process as if it were an error: that a worker cannot be started again once what it was made
    with is lost (ray #53727). That lies with whoever calls, and without the caller there is no run. The worker that this asks for has no place, so
    that no process is started for it; it is asked for on this machine alone, since somebody else's cluster would keep a record of it."""
    ray = _ray()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nowhere = NodeAffinitySchedulingStrategy(ray.NodeID.from_random().hex(), soft=False)
    nobody = ray.remote(_Nobody).options(num_cpus=0, max_restarts=1, scheduling_strategy=nowhere)
    with _unheard():
        nobody.remote(ray.put(None))


class _Nobody:
    def __init__(self, _: object) -> None: ...


@contextmanager
def _unheard() -> Iterator[None]:
    """What this process writes to its standard error within is lost; Ray's core writes there past Python."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError:
        raise ImportError(
            "runs beyond one process need the package `ray`, which is not installed; remedy: pip install 'xlmkit[scale]'"
        ) from None
    return ray


def _sizes(device: object, on: Workers) -> tuple[int, int, int]:
    """GPUs a worker takes, and how many workers there are at first and at most."""
    there = _ray().cluster_resources()
    gpus = int(there.get("GPU", 0)) if device in ("auto", "cuda") else 0
    room = gpus or int(there.get("CPU", 0)) // on.cpus
    if room < 1 and on.count is None:
        raise ValueError(
            f"expected a cluster with room for a worker of {on.cpus} processors; got {there.get('CPU', 0):g} in all; remedy: fewer `cpus`"
        )
    most = on.count or room
    return (1 if gpus else 0), max(1, min(most, room)), most


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
