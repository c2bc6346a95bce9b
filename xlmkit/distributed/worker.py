"""Worker: computes one shard, as a callable for Ray Data. It does not know Ray, so that it can be
called anywhere.

A failing row must not take its neighbours with it. If computing a shard fails, or has killed its
worker before, it is computed in smaller and smaller spans, and the row that fails alone is refused
by name:

    rows of the shard   ........X.......      X kills its worker
    1st, 2nd worker     ################      both die: a shard may kill two
    3rd worker          ####|####             dies in a block of BLOCK rows, which may kill one
    4th, 5th worker     ####|#|#              die in row X, which may kill two: the 6th refuses X"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from xlmkit import inference
from xlmkit.distributed.folder import Folder, join
from xlmkit.distributed.shards import Refused, Shard, read_shard
from xlmkit.explanation import Explanation
from xlmkit.model import NLIModel, load
from xlmkit.notices import XlmkitWarning

BLOCK = 64  # rows that are tried together once a whole shard failed
MOST_REFUSED = 16  # rows of one shard that may fail when they are computed; more is not the fault of rows
DEATHS = (
    2,
    1,
    2,
)  # workers that a shard and a block may kill before they are cut, and a row before it is refused


@dataclass(frozen=True)
class Task:
    """What to do with each shard: `kind` is "predict", "explain" or "explain_errors", `options`
    are those of that function, `loading` those of `load`; `weights` is the SHA-256 that the model
    must have."""

    kind: str
    folder: Folder
    model: str | None
    loading: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a shard; if the whole run must end, `fault` says why, and `errno` which
    OSError it was."""

    shard: int
    deaths: int = 0
    dtype: str = ""
    notices: tuple[str, ...] = ()
    fault: str | None = None
    errno: int | None = None


class Worker:
    """One model, and the shards that come to it. Errors become an Outcome, because Ray would try
    the same again and again."""

    def __init__(self, task: Task, shards: Sequence[Shard] = ()) -> None:
        self.task, self.shards = task, {shard.number: shard for shard in shards}
        self.nli: NLIModel | None = None
        self.fault: Outcome | None = None  # the first after which the run must end

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Compute a batch of Ray Data: numbers of shards, to columns of outcomes."""
        outcomes = [asdict(self.do(self.shards[int(number)])) for number in batch["shard"]]
        return {name: [outcome[name] for outcome in outcomes] for name in outcomes[0]}

    def do(self, shard: Shard) -> Outcome:
        """Read, compute and write one shard, unless it is finished. After a fault nothing is begun,
        because the run may end at any moment."""
        if self.fault is not None:
            return replace(self.fault, shard=shard.number)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = self._do(shard)
            except OSError as error:
                outcome = Outcome(shard.number, fault=error.strerror or str(error), errno=error.errno)
            except (ValueError, TypeError, MemoryError, ImportError, NotImplementedError) as error:
                outcome = Outcome(shard.number, fault=str(error) or type(error).__name__)
        if outcome.fault is not None:
            self.fault = outcome
        notices = (str(each.message) for each in caught if issubclass(each.category, XlmkitWarning))
        return replace(outcome, notices=tuple(notices))

    def compute(self, frame: pd.DataFrame) -> pd.DataFrame | list[Explanation]:
        """The results of some rows."""
        function: Any = inference.predict
        if self.task.kind != "predict":
            from xlmkit import attribution  # with captum, which predicting does not need

            function = getattr(attribution, self.task.kind)
        return function(self._model(), frame, progress=False, **self.task.options)

    def _do(self, shard: Shard) -> Outcome:
        folder = self.task.folder
        if folder.file(shard).exists():
            return Outcome(shard.number)
        nli = self._model()
        frame, refused = read_shard(shard, nli.labels)
        if len(frame):
            frame = inference.check_input(nli, frame)
        tries = folder.noted(f"tries/{shard.name}") or {}  # rows -> how often they were begun and not ended
        deaths = sum(tries.values())
        failed: list[Refused] = []
        # Without a good row, a shard without rows, but with the columns of the others.
        pieces = self._pieces(shard, frame, tries, failed) or [self.compute(frame.iloc[:0])]
        folder.write(shard, join(pieces), sorted([*refused, *failed], key=lambda row: row.row))
        folder.note(f"tries/{shard.name}", {})
        return Outcome(shard.number, deaths, str(nli.dtype).removeprefix("torch."))

    def _model(self) -> NLIModel:
        if self.nli is None:
            nli = load(self.task.model, **self.task.loading)
            weights = nli.provenance["weights_sha256"]
            if self.task.weights not in (None, weights):
                raise ValueError(
                    f"the model's weights must be {str(self.task.weights)[:12]} on every machine; got {weights[:12]} "
                    f"on {os.uname().nodename}. Use the same folder on all machines."
                )
            self.nli = nli
        return self.nli

    def _pieces(
        self, shard: Shard, span: pd.DataFrame, tries: dict[str, int], failed: list[Refused], level: int = 0
    ) -> list[Any]:
        """The results of a span of rows: of a shard (`level` 0) or a block (1) in one piece or,
        where that fails, in several; of a row (2), which is added to `failed` if it has none."""
        if span.empty:
            return []
        rows = f"{span.index[0]}-{span.index[-1]}"
        why = f"it killed {DEATHS[level]} workers that computed it"
        if tries.get(rows, 0) < DEATHS[level]:
            tries[rows] = tries.get(rows, 0) + 1
            self.task.folder.note(f"tries/{shard.name}", tries)
            try:
                return [self.compute(span)]
            except OSError:
                raise  # a disk or a file, not the fault of a row
            except Exception as error:  # noqa: BLE001 - whatever a row does, its neighbours are to be computed
                why = f"{type(error).__name__}: {error}"
            finally:
                tries.pop(rows)  # it ended, well or not; only what ends the process stays noted
        if level < 2:
            size = (BLOCK, 1)[level]
            spans = [span.iloc[start : start + size] for start in range(0, len(span), size)]
            return [piece for each in spans for piece in self._pieces(shard, each, tries, failed, level + 1)]
        row = span.iloc[0]
        if len(failed) == MOST_REFUSED:
            raise ValueError(
                f"{shard.file.name}: more than {MOST_REFUSED} rows of {shard.name} failed, so the cause is not in "
                f"the rows; the last was {row['pair_id']!r}: {why}"
            )
        failed.append(Refused(shard.file.name, int(span.index[0]), str(row["pair_id"]), why))
        return []
