"""Running: a source in, a folder of shards out, computed by as many machines as there are; cut off anywhere, the same call goes on.

Results are those of `predict` and `explain` on one machine, row by row. What is not: a faulty row is left out and named, where `read_pairs` refuses
the whole source; and of ids that repeat from part to part there is a notice, and no refusal."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from xlmkit import __version__, metrics
from xlmkit.distributed.cluster import Workers, connected, outcomes
from xlmkit.distributed.folder import Folder, opened
from xlmkit.distributed.parts import Part, Source, described, parts_of
from xlmkit.distributed.reading import Refused
from xlmkit.distributed.work import Outcome, Task
from xlmkit.model.source import locate
from xlmkit.model.weights import sha256, weight_files
from xlmkit.notices import warn_once

SHARD_ROWS = {"predict": 16384, "explain": 512, "explain_errors": 2048}
SUFFIX = {"predict": ".parquet", "explain": ".jsonl", "explain_errors": ".jsonl"}
COUNTED = 20_000_000  # rows whose ids are compared over all parts
UNDECIDING = ("batch_tokens", "device")  # options that change how results are computed and not what they are


@dataclass(frozen=True)
class Run:
    """What a run did, and where its results are.

    Attributes
    ----------
    folder : of the shards.
    rows : in the source; `refused` those of them that gave no result, one row each: `file`, `row` (from 1; the line of a .jsonl file), `pair_id`, `what`.
    shards : in all; `kept` those that were finished before.
    deaths : how often a part had to be begun again because its worker was gone.
    dtypes : precision of the workers, and the parts computed in it.
    seconds : of this run, Ray's start included."""

    folder: Folder
    rows: int
    refused: pd.DataFrame
    shards: int
    kept: int
    deaths: int
    dtypes: dict[str, int]
    seconds: float

    def results(self) -> Any:
        """All results in the order of the source: a frame as `predict` gives it, or the Explanations as `explain` does."""
        return self.folder.results()

    def __str__(self) -> str:
        kept = f" ({self.kept} of them kept from before)" if self.kept else ""
        lost = f", {self.deaths} parts begun again after a worker was lost" if self.deaths else ""
        return f"{self.rows} rows in {self.shards} shards{kept}, {len(self.refused)} rows refused{lost}, {self.seconds:.1f} s"


def predict(
    source: Source | pd.DataFrame,
    out: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    on: Workers | None = None,
    shard_rows: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Predict the label of every pair of a source, on every processor or GPU of a cluster.

    Parameters
    ----------
    source : a .jsonl or .parquet file, a folder or a pattern of such files, several of these, or a frame of pairs. On a cluster every
        machine must see it, the model and `out` under the same path.
    out : the folder of the shards, new or of the same call before, whose finished shards are kept.
    model : as in `load`; `device`, `dtype` and `allow_untrained` of `load` stand among the options.
    on : the workers; None: this machine alone, a worker each GPU or processor.
    shard_rows : rows of a shard, which is what is lost at most when a worker dies.
    options : `max_length` and `batch_tokens` of `xlmkit.predict`.

    Raises
    ------
    ValueError : if the source has no rows or lacks a column, an option is unknown, `out` holds something else, or so many rows of a part cannot
        be computed that it is no matter of rows. A faulty row is no error, see `Run.refused`.
    OSError : if a shard cannot be written; those that are finished stay, and the same call goes on."""
    return _run(
        "predict", source, out, {"model": model, **options}, on=on, shard_rows=shard_rows, progress=progress
    )


def explain(
    source: Source | pd.DataFrame,
    out: str | os.PathLike[str],
    *,
    errors: bool = False,
    model: str | os.PathLike[str] | None = None,
    on: Workers | None = None,
    shard_rows: int | None = None,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Explain every pair of a source, or only what the model gets wrong, on every processor or GPU of a cluster.

    Parameters
    ----------
    errors : as `xlmkit.explain_errors`.
    options : those of `xlmkit.explain`, but `keep`, for which the shards stand.
    source, out, model, on, shard_rows : as in `predict`; shards are .jsonl files that `read_results` reads.

    Raises
    ------
    ValueError, OSError : as `predict`."""
    kind = "explain_errors" if errors else "explain"
    return _run(
        kind, source, out, {"model": model, **options}, on=on, shard_rows=shard_rows, progress=progress
    )


def evaluate(
    source: Source | pd.DataFrame,
    out: str | os.PathLike[str],
    *,
    by: str = "language",
    **options: Any,
) -> pd.DataFrame:
    """Predict as `predict` does, and judge: the table of `xlmkit.evaluate`, by `by`.

    Parameters
    ----------
    options : all others of `predict`. Only the columns that are judged are read from the shards.

    Raises
    ------
    ValueError, OSError : as `predict` and `xlmkit.evaluate`."""
    return judged(predict(source, out, **options), by)


def judged(run: Run, by: str = "language") -> pd.DataFrame:
    """The table of `xlmkit.evaluate` for the predictions of a run."""
    wanted = {
        by,
        "language",
        "premise_language",
        "hypothesis_language",
        "prediction",
        "gold",
        "item",
        "promptID",
        "pairID",
        "untrained",
    }
    return metrics.evaluate(run.folder.results(lambda name: name in wanted or name.startswith("p_")), by=by)


def _run(
    kind: str,
    source: Source | pd.DataFrame,
    out: str | os.PathLike[str],
    options: dict[str, Any],
    *,
    on: Workers | None,
    shard_rows: int | None,
    progress: bool,
) -> Run:
    began = time.monotonic()
    model, loading, own = _split(kind, options)
    place = locate(model)
    known = sha256(weight_files(place.folder, place.name))
    rows = SHARD_ROWS[kind] if shard_rows is None else shard_rows
    with opened(out, SUFFIX[kind]) as folder:
        parts = parts_of(folder.stage(source) if isinstance(source, pd.DataFrame) else source, rows)
        settings = {name: value for name, value in {**loading, **own}.items() if name not in UNDECIDING}
        asked = {"task": kind, "files": described(parts), "shard_rows": rows, "weights_sha256": known}
        folder.agree({**asked, "settings": settings, "xlmkit": __version__})
        # An absolute path, since workers run elsewhere; a name on the Hub stays one.
        where = str(place.folder.absolute()) if model is not None and os.path.isdir(model) else model
        kept = [part for part in parts if folder.finished(part)]
        task = Task(kind, folder, where, loading, own, known)
        found = _follow(task, parts, kept, on or Workers(), progress)
        run = _judge(folder, parts, len(kept), found, time.monotonic() - began)
        folder.report(_as_report(run))
    return run


def _split(kind: str, options: dict[str, Any]) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
    """The model, the options of `load`, and those of the task, all with what is usual where they are left out, once they make sense."""
    loading: dict[str, Any] = {"device": "auto", "dtype": "auto", "allow_untrained": False}
    own: dict[str, Any] = {"max_length": 256, "batch_tokens": None}
    if kind != "predict":
        own |= {"method": "integrated_gradients", "target": "predicted", "seed": 0}
        own |= {"n_steps": "auto", **dict.fromkeys(("contrast", "aggregation", "n_samples"))}
    if kind == "explain_errors":
        own["contrast"] = "gold"
    known = {**loading, **own}
    odd = sorted(set(options) - set(known) - {"model"})
    if odd:
        raise ValueError(f"{kind} takes the options {', '.join(known)}; got {', '.join(odd)}")
    loading = {name: options.get(name, value) for name, value in loading.items()}
    own = {name: options.get(name, value) for name, value in own.items()}
    if kind != "predict":
        from xlmkit.attribution.methods import Request  # with captum, which predicting does not need

        Request(**{name: own[name] for name in ("method", "aggregation", "n_steps", "n_samples", "seed")})
    model = options.get("model")
    return None if model is None else os.fspath(model), loading, own


def _follow(
    task: Task, parts: Sequence[Part], kept: Sequence[Part], on: Workers, progress: bool
) -> list[Outcome]:
    """Have the parts that are not kept done, and see that they are."""
    known = {part.number for part in kept}
    waiting = {part.number: part for part in parts if part.number not in known}
    found = []
    rows = sum(part.rows for part in parts)
    with tqdm(total=rows, desc=task.kind, unit="pair", disable=not progress) as bar:
        bar.update(sum(part.rows for part in kept))
        if waiting:
            with connected(on):
                for outcome in outcomes(task, list(waiting.values()), on):
                    part = waiting.pop(outcome.part)
                    _check(task.folder, part, outcome)
                    bar.update(part.rows)
                    found.append(outcome)
    if waiting:
        raise RuntimeError(
            f"expected all {len(parts)} shards, {len(waiting)} are missing; remedy: the same call again"
        )
    return found


def _check(folder: Folder, part: Part, outcome: Outcome) -> None:
    for notice in outcome.notices:
        warn_once(notice)
    if outcome.fault is not None:
        kept = f"{outcome.fault} (the shards that are finished stay, and the same call goes on)"
        raise ValueError(kept) if outcome.errno is None else OSError(outcome.errno, kept)
    if not folder.finished(part):
        raise FileNotFoundError(
            f"a worker wrote {folder.shard(part).name}, and it is not in {os.fspath(folder.path)!r} here; "
            "remedy: a folder that all machines share, under the same path"
        )


def _judge(folder: Folder, parts: Sequence[Part], kept: int, found: list[Outcome], seconds: float) -> Run:
    refused = [asdict(row) for part in parts for row in folder.refused(part)]
    columns = list(Refused.__dataclass_fields__)
    _check_ids(folder, parts)
    dtypes = Counter(outcome.dtype for outcome in found if outcome.dtype)
    if len(dtypes) > 1:
        warn_once(
            f"the workers computed in different precision ({', '.join(sorted(dtypes))}); `dtype` makes them alike"
        )
    return Run(
        folder,
        sum(part.rows for part in parts),
        pd.DataFrame(refused, columns=columns, dtype=object).astype({"row": "int64"}),
        len(parts),
        kept,
        sum(outcome.deaths for outcome in found),
        dict(dtypes),
        seconds,
    )


def _check_ids(folder: Folder, parts: Sequence[Part]) -> None:
    """Say it where an id stands in two parts, which no worker could see; of more rows than memory should hold, nothing is said."""
    if folder.suffix != ".parquet" or len(parts) == 1 or sum(part.rows for part in parts) > COUNTED:
        return
    ids = folder.results(lambda name: name == "pair_id")["pair_id"]
    twice = ids[ids.duplicated()]
    if len(twice):
        warn_once(
            f"{len(twice)} rows have the id of a row in another part, the first {twice.iloc[0]!r}: results cannot be told apart by `pair_id`"
        )


def _as_report(run: Run) -> dict[str, Any]:
    values = {name: value for name, value in vars(run).items() if name not in ("folder", "refused")}
    return {**values, "refused": run.refused.to_dict("records")}
