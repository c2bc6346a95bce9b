"""Work: what one worker does with one part, as a callable for Ray Data; it knows no Ray, so that it can be called anywhere.

A row must not take its neighbours with it. Where computing a part fails, or has ended its worker before, it is computed in smaller and smaller
spans, down to single rows, and the row that fails alone is refused by name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from xlmkit import inference
from xlmkit.distributed.folder import Folder
from xlmkit.distributed.parts import Part
from xlmkit.distributed.reading import Refused, read_part
from xlmkit.explanation import Explanation
from xlmkit.model import NLIModel, load
from xlmkit.notices import XlmkitWarning

BLOCK = 64  # rows that are tried together once a whole part failed
POISONED = 16  # rows of one part that may fail when computed; more is no matter of rows
DEATHS = {"part": 2, "block": 1, "row": 2}  # workers that a span may end before it is cut, or a row refused


@dataclass(frozen=True)
class Task:
    """What is asked for each part. `kind` is "predict", "explain" or "explain_errors", `options` those of that function, `loading` those of
    `load`, `weights` the SHA-256 that the model must have."""

    kind: str
    folder: Folder
    model: str | None
    loading: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a part: rows with a result, rows refused; or, where the whole run must end, `fault` (and its `errno`)."""

    part: int
    rows: int = 0
    refused: int = 0
    deaths: int = 0
    dtype: str = ""
    notices: tuple[str, ...] = ()
    fault: str | None = None
    errno: int | None = None


class Worker:
    """One model, and the parts that come to it. What goes wrong is an Outcome and no exception: Ray would try the same again and again."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.nli: NLIModel | None = None
        self.fault: Outcome | None = None  # the first after which the run must end

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """The parts of a batch, as Ray Data passes them, done one after the other."""
        return {"outcome": [self.do(part) for part in batch["part"]]}

    def do(self, part: Part) -> Outcome:
        """Read, compute and write one part, unless its shard is there already. After a fault nothing is begun: the run may end at any moment."""
        if self.fault is not None:
            return replace(self.fault, part=part.number)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = self._do(part)
            except OSError as error:
                outcome = Outcome(part.number, fault=error.strerror or str(error), errno=error.errno)
            except (ValueError, TypeError, MemoryError, ImportError, NotImplementedError) as error:
                outcome = Outcome(part.number, fault=str(error) or type(error).__name__)
        said = tuple(str(one.message) for one in caught if issubclass(one.category, XlmkitWarning))
        if outcome.fault is not None:
            self.fault = outcome
        return replace(outcome, notices=said)

    def _do(self, part: Part) -> Outcome:
        folder = self.task.folder
        if folder.finished(part):
            return Outcome(part.number)
        nli = self._model()
        frame, refused = read_part(part, nli.labels)
        frame = inference.check_input(nli, frame) if len(frame) else frame
        tries = folder.tries(part)
        deaths = sum(tries.values())
        spans = _Spans(self, part, frame, tries)
        found = spans.results()
        folder.write(part, found, sorted([*refused, *spans.refused], key=lambda row: row.row))
        folder.note_tries(part, {})
        return Outcome(
            part.number,
            len(frame) - len(spans.refused),
            len(refused) + len(spans.refused),
            deaths,
            str(nli.dtype).removeprefix("torch."),
        )

    def _model(self) -> NLIModel:
        if self.nli is None:
            nli = load(self.task.model, **self.task.loading)
            own = nli.provenance["weights_sha256"]
            if self.task.weights not in (None, own):
                raise ValueError(
                    f"expected the model's weights {str(self.task.weights)[:12]} on every machine; got {own[:12]} on {os.uname().nodename}; "
                    "remedy: the same folder for all machines"
                )
            self.nli = nli
        return self.nli

    def compute(self, frame: pd.DataFrame) -> pd.DataFrame | list[Explanation]:
        """What the kind of the task gives for some rows."""
        options: dict[str, Any] = {"progress": False, **self.task.options}
        if self.task.kind == "predict":
            return inference.predict(self._model(), frame, **options)
        from xlmkit import attribution  # with captum, which who only predicts need not wait for

        run = attribution.explain if self.task.kind == "explain" else attribution.explain_errors
        return run(self._model(), frame, **options)


class _Spans:
    """A part computed whole, or in spans where that fails; `tries` is what earlier workers began and did not end."""

    def __init__(self, worker: Worker, part: Part, frame: pd.DataFrame, tries: dict[str, int]) -> None:
        self.worker, self.part, self.frame, self.tries = worker, part, frame, tries
        self.refused: list[Refused] = []

    def results(self) -> pd.DataFrame | list[Explanation]:
        """Of all good rows, in their order."""
        found = list(self._of(0, len(self.frame), "part"))
        if not found:  # every row was refused: a shard without rows, but with the columns of the others
            return self.worker.compute(self.frame.iloc[:0])
        if isinstance(found[0], list):
            return [one for some in found for one in some]
        result = pd.concat(found, ignore_index=True)
        result.attrs = found[0].attrs
        return result

    def _of(self, start: int, stop: int, kind: str) -> Iterator[Any]:
        """The results of a span, in one piece or in several."""
        if start == stop:
            return
        found, why = self._tried(f"{start}-{stop}", start, stop, DEATHS[kind])
        if why is None:
            yield found
        elif kind == "row":
            self._refuse(start, why)
        else:
            size, smaller = (BLOCK, "block") if kind == "part" else (1, "row")
            for first in range(start, stop, size):
                yield from self._of(first, min(first + size, stop), smaller)

    def _tried(self, name: str, start: int, stop: int, allowed: int) -> tuple[Any, str | None]:
        """What computing the span gives, or why it gives nothing."""
        if self.tries.get(name, 0) >= allowed:
            return None, f"it ended {self.tries[name]} workers that computed it"
        self.tries[name] = self.tries.get(name, 0) + 1
        self.worker.task.folder.note_tries(self.part, self.tries)
        try:
            return self.worker.compute(self.frame.iloc[start:stop]), None
        except OSError:
            raise  # a disk or a file, and no matter of rows
        except Exception as error:  # noqa: BLE001 - whatever a row does, its neighbours are to be computed
            return None, f"{type(error).__name__}: {error}"
        finally:
            self.tries.pop(name)  # it ended, well or not; only what ends the process stays noted

    def _refuse(self, place: int, why: str) -> None:
        row = self.frame.iloc[place]
        if len(self.refused) == POISONED:
            raise ValueError(
                f"{self.part.file.name}: more than {POISONED} rows of {self.part.name} cannot be computed, so it is no matter of rows; "
                f"the last, {row['pair_id']!r}: {why}"
            )
        number = int(self.frame.index[place])
        self.refused.append(Refused(self.part.file.name, number, str(row["pair_id"]), why))
