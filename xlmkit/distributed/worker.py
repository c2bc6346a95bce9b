"""Worker: computes one shard, as a callable for Ray Data. It does not know Ray, so that it can be
called anywhere.

A failing row must not take its neighbours with it. If computing a shard fails, or has killed its
worker before, it is computed in smaller and smaller spans, and the row that fails alone is refused
by name:

    rows of the shard   ........X.......      X kills its worker
    1st, 2nd worker     ################      both die: DEATHS["shard"] is reached
    3rd worker          ####|####             dies in a span of BLOCK rows: DEATHS["block"]
    4th, 5th worker     ####|#|#              die in the row X: DEATHS["row"], the 6th refuses it"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from xlmkit import inference
from xlmkit.distributed.folder import Folder
from xlmkit.distributed.shards import Refused, Shard, read_shard
from xlmkit.explanation import Explanation
from xlmkit.model import NLIModel, load
from xlmkit.notices import XlmkitWarning

BLOCK = 64  # rows that are tried together once a whole shard failed
MOST_REFUSED = 16  # rows of one shard that may fail when they are computed; more is not the fault of rows
DEATHS = {"shard": 2, "block": 1, "row": 2}  # workers that a span may kill before it is cut, or a row refused


@dataclass(frozen=True)
class Task:
    """What is asked for each shard: `kind` is "predict", "explain" or "explain_errors", `options`
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
        notices = tuple(
            str(warning.message) for warning in caught if issubclass(warning.category, XlmkitWarning)
        )
        if outcome.fault is not None:
            self.fault = outcome
        return replace(outcome, notices=notices)

    def _do(self, shard: Shard) -> Outcome:
        folder = self.task.folder
        if folder.finished(shard):
            return Outcome(shard.number)
        nli = self._model()
        frame, refused = read_shard(shard, nli.labels)
        frame = inference.check_input(nli, frame) if len(frame) else frame
        tries = folder.tries(shard)
        deaths = sum(tries.values())
        spans = _Spans(self, shard, frame, tries)
        results = spans.results()
        folder.write(shard, results, sorted([*refused, *spans.refused], key=lambda row: row.row))
        folder.note_tries(shard, {})
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

    def compute(self, frame: pd.DataFrame) -> pd.DataFrame | list[Explanation]:
        """The results of some rows."""
        if self.task.kind == "predict":
            return inference.predict(self._model(), frame, progress=False, **self.task.options)
        from xlmkit import attribution  # with captum, which predicting does not need

        return getattr(attribution, self.task.kind)(self._model(), frame, progress=False, **self.task.options)


class _Spans:
    """A shard computed as a whole, or in spans if that fails; `tries` is what earlier workers began
    and did not end."""

    def __init__(self, worker: Worker, shard: Shard, frame: pd.DataFrame, tries: dict[str, int]) -> None:
        self.worker, self.shard, self.frame, self.tries = worker, shard, frame, tries
        self.refused: list[Refused] = []

    def results(self) -> pd.DataFrame | list[Explanation]:
        """Of all good rows, in their order."""
        pieces = list(self._compute(0, len(self.frame), "shard"))
        if not pieces:  # every row was refused: a shard without rows, but with the columns of the others
            return self.worker.compute(self.frame.iloc[:0])
        if isinstance(pieces[0], list):
            return [explanation for piece in pieces for explanation in piece]
        result = pd.concat(pieces, ignore_index=True)
        result.attrs = pieces[0].attrs
        return result

    def _compute(self, start: int, stop: int, kind: str) -> Iterator[Any]:
        """The results of a span, in one piece or in several."""
        if start == stop:
            return
        results, why = self._try(f"{start}-{stop}", start, stop, DEATHS[kind])
        if why is None:
            yield results
        elif kind == "row":
            self._refuse(start, why)
        else:
            size, smaller = (BLOCK, "block") if kind == "shard" else (1, "row")
            for first in range(start, stop, size):
                yield from self._compute(first, min(first + size, stop), smaller)

    def _try(self, name: str, start: int, stop: int, allowed: int) -> tuple[Any, str | None]:
        """The results of the span, or why it has none."""
        if self.tries.get(name, 0) >= allowed:
            return None, f"it killed {self.tries[name]} workers that computed it"
        self.tries[name] = self.tries.get(name, 0) + 1
        self.worker.task.folder.note_tries(self.shard, self.tries)
        try:
            return self.worker.compute(self.frame.iloc[start:stop]), None
        except OSError:
            raise  # a disk or a file, not the fault of a row
        except Exception as error:  # noqa: BLE001 - whatever a row does, its neighbours are to be computed
            return None, f"{type(error).__name__}: {error}"
        finally:
            self.tries.pop(name)  # it ended, well or not; only what ends the process stays noted

    def _refuse(self, position: int, why: str) -> None:
        row = self.frame.iloc[position]
        if len(self.refused) == MOST_REFUSED:
            raise ValueError(
                f"{self.shard.file.name}: more than {MOST_REFUSED} rows of {self.shard.name} failed, so the cause is not in "
                f"the rows; the last was {row['pair_id']!r}: {why}"
            )
        number = int(self.frame.index[position])
        self.refused.append(Refused(self.shard.file.name, number, str(row["pair_id"]), why))
