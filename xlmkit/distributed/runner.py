"""Runner: a source in, a folder of shards out, computed by all workers of a Ray cluster.

Stopped anywhere, the same call resumes. Results are those of `xlmkit.predict` and `xlmkit.explain`,
row by row. Two things differ: a faulty row is left out and named, where `read_pairs` refuses the
whole source; and ids that repeat from shard to shard are reported and not refused.

Ray Data (https://docs.ray.io/en/latest/data/data.html) restarts a worker that dies, on whatever
node is left, and gives it the shard again. Shards are idempotent, so nothing is lost or doubled by
that. Its own writers and checkpoints (`CheckpointConfig`, ray 2.60) are not used: their files are
not in the order of the source, and a row that kills its worker would do so for ever."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from xlmkit import __version__, inference, metrics
from xlmkit.checks import check_choice, check_int
from xlmkit.distributed.folder import Folder
from xlmkit.distributed.shards import Refused, Shard, Source, describe_files, list_shards
from xlmkit.distributed.worker import Outcome, Task, Worker
from xlmkit.model import load
from xlmkit.model.source import locate
from xlmkit.model.weights import sha256, weight_files
from xlmkit.notices import warn_once

SHARD_ROWS = {"predict": 16384, "explain": 512, "explain_errors": 2048}
NO_OPTIONS = ("progress", "checkpoint", "task")  # of the functions, but not of a run
COUNTED = 20_000_000  # rows whose ids are compared over all shards
BLOCKS = 10_000  # blocks that Ray Data keeps account of; above, several shards make one
ATTEMPTS = 3  # Ray allows half a minute for its start, which a busy machine may exceed
OBJECT_STORE = 100 * 2**20  # bytes of Ray's object store on this machine; what passes through it is small
# Ray reads its settings from the environment, some on import: no usage reports, no listening
# beyond the loopback when it is started here, and workers that give way to nobody.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_worker_niceness": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
QUIET = {"log_to_driver": False, "logging_level": "error"}
_session = ExitStack()  # Ray, between `start_ray` and `stop_ray`


@dataclass(frozen=True)
class Workers:
    """Who computes.

    Attributes
    ----------
    address : None for this machine alone, "auto" for the cluster that it belongs to, or "host:port"
        of a cluster's head. A process that has joined Ray already stays there.
    count : how many workers at most, also more than a growing cluster has room for now; None: one
        per GPU of the cluster or, without GPUs, one per `cpus` of its processors.
    cpus : processors of one worker, which are also its threads.
    worker : the class of the workers."""

    address: str | None = None
    count: int | None = None
    cpus: int = 1
    worker: type[Worker] = Worker

    def __post_init__(self) -> None:
        check_int("cpus", self.cpus, 1)
        if self.count is not None:
            check_int("count", self.count, 1)


@dataclass(frozen=True)
class Run:
    """What a run did, and where its results are.

    Attributes
    ----------
    folder : of the shards.
    rows : in the source.
    refused : the rows without a result, one row each: `file`, `row` (from 1; the line of a .jsonl
        file), `pair_id`, `what`.
    shards : in all; `kept` of them were finished before.
    deaths : how often a shard had to be begun again because its worker died.
    dtypes : precision of the workers, and the number of shards computed in it.
    seconds : of this run, including Ray's start."""

    folder: Folder
    rows: int
    refused: pd.DataFrame
    shards: int
    kept: int
    deaths: int
    dtypes: dict[str, int]
    seconds: float

    def results(self) -> Any:
        """All results in the order of the source: a frame as `predict` gives it, or the
        Explanations as `explain` does."""
        return self.folder.results()

    def evaluate(self, by: str = "language") -> pd.DataFrame:
        """The table of `xlmkit.evaluate` for predictions; the texts are not read."""
        texts = ("premise", "hypothesis", "text")
        return metrics.evaluate(self.folder.results(lambda name: name == by or name not in texts), by=by)

    def __str__(self) -> str:
        kept = f" ({self.kept} finished before)" if self.kept else ""
        lost = f", {self.deaths} shards begun again because a worker died" if self.deaths else ""
        return f"{self.rows} rows in {self.shards} shard{'' if self.shards == 1 else 's'}{kept}, {len(self.refused)} refused{lost}, {self.seconds:.1f} s"


def run(
    task: str,
    source: Source | pd.DataFrame,
    out: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    workers: Workers | None = None,
    shard_rows: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Predict or explain every pair of a source, on every processor or GPU of a cluster.

    Parameters
    ----------
    task : "predict", "explain" or "explain_errors".
    source : a .jsonl or .parquet file, a folder or a pattern of such files, several of these, or a
        frame of pairs. On a cluster every machine must see it, the model and `out` under the same
        path.
    out : the folder of the shards: new, or that of the same call before, whose finished shards are
        kept. Shards are .parquet files for predictions and .jsonl files for explanations.
    model : as in `load`.
    workers : None: this machine alone, one worker per GPU or processor.
    shard_rows : rows of a shard, which are lost at most when a worker dies.
    options : those of the function of xlmkit, and `device`, `dtype` and `allow_untrained` of
        `load`.

    Raises
    ------
    ValueError : if the source has no rows or lacks a column, an option is unknown, `out` has the
        results of another run, or so many rows of a shard fail that the cause is not in the rows. A
        faulty row is no error, see `Run.refused`.
    FileExistsError : if `out` contains something else.
    OSError : if a shard cannot be written; finished shards stay, and the same call resumes."""
    began = time.monotonic()
    check_choice("task", task, SHARD_ROWS)
    loading, options = _split_options(task, options)
    place = locate(model)
    weights = sha256(weight_files(place.folder, place.name))
    rows = SHARD_ROWS[task] if shard_rows is None else shard_rows
    folder = Folder(Path(out).absolute(), ".parquet" if task == "predict" else ".jsonl")
    shards = list_shards(folder.stage(source) if isinstance(source, pd.DataFrame) else source, rows)
    settings = {**loading, **options}
    for name in ("batch_tokens", "device"):  # they do not decide the results
        settings.pop(name, None)
    asked = {"task": task, "files": describe_files(shards), "shard_rows": rows, "weights_sha256": weights}
    with folder.claim({**asked, "settings": settings, "xlmkit": __version__}):
        # A folder gets its absolute path, because workers run elsewhere; a name on the
        # Hub stays one.
        where = None if model is None else str(place.folder.absolute() if os.path.isdir(model) else model)
        what = Task(task, folder, where, loading, options, weights)
        waiting = [shard for shard in shards if not folder.file(shard).exists()]
        outcomes = _compute(what, shards, waiting, workers or Workers(), progress=progress)
        dtypes = Counter(outcome.dtype for outcome in outcomes if outcome.dtype)
        if len(dtypes) > 1:
            warn_once(
                f"the workers computed in different precisions ({', '.join(sorted(dtypes))}). Set `dtype` to make them equal."
            )
        refused = [asdict(row) for shard in shards for row in folder.refused(shard)]
        result = Run(
            folder,
            rows=sum(shard.rows for shard in shards),
            refused=pd.DataFrame(refused, columns=[*Refused.__dataclass_fields__], dtype=object),
            shards=len(shards),
            kept=len(shards) - len(waiting),
            deaths=sum(int(outcome.deaths) for outcome in outcomes),
            dtypes=dict(dtypes),
            seconds=time.monotonic() - began,
        )
        _warn_about_repeated_ids(result)
        report = vars(result) | {"refused": refused}
        folder.note("report", {name: value for name, value in report.items() if name != "folder"})
    return result


def start_ray(workers: Workers | None = None) -> None:
    """Start Ray on this machine, or join it at an address, for all runs until `stop_ray`; otherwise
    each run does so for itself.

    Parameters
    ----------
    workers : as in `run`, whose workers may later be fewer.

    Raises
    ------
    ImportError : if Ray is not installed.
    ConnectionError : if there is no cluster at the address.
    TimeoutError : if Ray does not start on this machine."""
    stop_ray()
    _session.enter_context(connected(workers or Workers()))


@atexit.register
def stop_ray() -> None:
    """End what `start_ray` began, if anything."""
    _session.close()


@contextmanager
def connected(workers: Workers) -> Iterator[None]:
    """Ray, started on this machine or joined at an address; if the process has joined one already,
    that one."""
    ray = import_ray()
    if ray.is_initialized():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="xlmkit-ray-", dir="/tmp", ignore_cleanup_errors=True) as logs:
        # A socket's path has at most 103 characters, so the long temporary folder of
        # macOS would not do.
        if workers.address in (None, "local"):
            _start(ray, num_cpus=workers.count and workers.count * workers.cpus, _temp_dir=logs)
        else:
            _join(ray, str(workers.address))
        try:
            yield
        finally:
            ray.shutdown()


def compute_shards(task: Task, shards: Sequence[Shard], workers: Workers) -> Iterator[Outcome]:
    """The outcome of each shard, in the order in which they end; call it within `connected`."""
    ray = import_ray()
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if task.loading.get("device", "auto") in ("auto", "cuda") else 0
    room = gpus or int(resources.get("CPU", 0)) // workers.cpus
    if room < 1 and workers.count is None:
        raise ValueError(
            f"the cluster must have room for a worker of {workers.cpus} processors; it has {resources.get('CPU', 0):g}. Lower `cpus`."
        )
    most = min(workers.count or room, len(shards))
    # At least 1 and not all of them: workers without work are released, or one that died with
    # its node would be waited for for ever (ray issue 26991).
    pool = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=most,
        initial_size=max(1, min(most, room)),
        max_tasks_in_flight_per_actor=2,  # with 1 Ray Data never adds a worker
    )
    numbers = [{"shard": shard.number} for shard in shards]
    dataset = ray.data.from_items(numbers, override_num_blocks=min(len(shards), BLOCKS)).map_batches(
        workers.worker,
        fn_constructor_args=(task, shards),
        batch_size=1,
        compute=pool,
        num_cpus=workers.cpus,
        num_gpus=1 if gpus else 0,
    )
    dataset.context.enable_progress_bars = dataset.context.print_on_execution_start = False
    for row in dataset.iter_rows():
        yield Outcome(**row)


def import_ray() -> Any:
    """Ray, with the settings of this module for what it does not find in the environment.

    Raises
    ------
    ImportError : if it is not installed."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError:
        raise ImportError(
            "runs beyond one process need the package `ray`, which is not installed. Install it with pip install 'xlmkit[scale]'."
        ) from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # `logging_level` of ray.init does not reach it
    return ray


def _start(ray: Any, **options: Any) -> None:
    """Start Ray on this machine alone."""
    options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
    for _ in range(ATTEMPTS):
        try:
            ray.init(address="local", **options, **QUIET)
            return
        except Exception as error:
            if "timed out during startup" not in str(error):  # Ray raises a bare Exception
                raise
            ray.shutdown()
    raise TimeoutError(
        f"Ray did not start on this machine in {ATTEMPTS} attempts of half a minute. End what else keeps it busy, or predict without Ray."
    )


def _join(ray: Any, address: str) -> None:
    """Join the cluster at an address."""
    host, _, port = address.rpartition(":")
    try:
        if port.isdigit() and "/" not in host:
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray would try for minutes
        ray.init(address=address, **QUIET)
    except OSError as error:  # also ConnectionError
        raise ConnectionError(
            f"there is no Ray cluster at {address!r} ({str(error).splitlines()[0]}). Run `ray start --head` there, or leave the address out."
        ) from error


def _split_options(task: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of `load` and those of the function, with the defaults of what is left out."""
    function: Any = inference.predict
    if task != "predict":
        from xlmkit import attribution  # with captum, which predicting does not need

        function = attribution.explain
    loading, asked = (
        {each.name: each.default for each in signature(target).parameters.values() if _is_option(each)}
        for target in (load, function)
    )
    if task == "explain_errors":
        asked["contrast"] = "gold"
    unknown = sorted(set(options) - {*loading, *asked})
    if unknown:
        raise ValueError(
            f"{task} takes the options {', '.join([*loading, *asked])}; got {', '.join(unknown)}."
        )
    for known in (loading, asked):
        known.update((name, value) for name, value in options.items() if name in known)
    if task != "predict":
        checked = ("method", "aggregation", "n_steps", "n_samples", "seed")
        attribution.methods.Request(**{name: asked[name] for name in checked})
    return loading, asked


def _is_option(parameter: Parameter) -> bool:
    return parameter.kind is Parameter.KEYWORD_ONLY and parameter.name not in NO_OPTIONS


def _compute(
    task: Task, shards: Sequence[Shard], waiting: Sequence[Shard], workers: Workers, *, progress: bool
) -> list[Outcome]:
    """Let the cluster compute the waiting shards, and check that each was written."""
    outcomes: list[Outcome] = []
    by_number = {shard.number: shard for shard in waiting}
    rows, left = (sum(shard.rows for shard in some) for some in (shards, waiting))
    with tqdm(total=rows, initial=rows - left, desc=task.kind, unit="pair", disable=not progress) as bar:
        if waiting:
            with connected(workers):
                for outcome in compute_shards(task, waiting, workers):
                    shard = by_number.pop(outcome.shard)
                    check_outcome(task.folder, shard, outcome)
                    outcomes.append(outcome)
                    bar.update(shard.rows)
    if by_number:
        raise RuntimeError(
            f"all {len(shards)} shards must be finished; {len(by_number)} are missing. Repeat the same call."
        )
    return outcomes


def check_outcome(folder: Folder, shard: Shard, outcome: Outcome) -> None:
    """Repeat a worker's notices here, and raise its fault."""
    for notice in outcome.notices:
        warn_once(notice)
    if outcome.fault is not None:
        message = f"{outcome.fault} (Finished shards stay, and the same call resumes.)"
        raise ValueError(message) if outcome.errno is None else OSError(int(outcome.errno), message)
    if not folder.file(shard).exists():
        raise FileNotFoundError(
            f"a worker wrote {folder.file(shard).name}, but it is not in {os.fspath(folder.path)!r} on this machine. "
            "Use a folder that all machines share, under the same path."
        )


def _warn_about_repeated_ids(run: Run) -> None:
    """Say that rows of different shards have the same id, unless they are too many to compare."""
    if run.folder.suffix == ".parquet" and run.shards > 1 and run.rows <= COUNTED:
        ids = run.folder.results(lambda name: name == "pair_id")["pair_id"]
        repeated = ids[ids.duplicated()]
        if len(repeated):
            warn_once(
                f"{len(repeated)} of the rows have the id of a row in another shard, the first {repeated.iloc[0]!r}: "
                "results cannot be told apart by `pair_id`"
            )
