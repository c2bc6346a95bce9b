"""Batches: a method over many pairs, longest first, with more steps where the gate asks for them and less at once where memory ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.attribution.batch import Batch, Names, exact
from xlmkit.attribution.methods import METHOD, Method, Options
from xlmkit.attribution.path import STEPS, schedule
from xlmkit.encoding import Encoding
from xlmkit.explanation import passes_gate
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once

PASSES = 4  # that the pairs of one batch fill, where a method streams them: few enough to lose little when memory ends


@dataclass
class Task:
    """What stays the same over all pairs of one call; `budget` (padded tokens a pass) shrinks when memory runs out."""

    nli: NLIModel
    options: Options
    budget: int


@dataclass(frozen=True)
class Result:
    """What a method found for one pair."""

    scores: np.ndarray  # (T,) without padding
    logits: np.ndarray  # (labels,)
    target: int
    output: float
    baseline_output: float | None
    language_share: float | None
    delta: float | None
    n_steps: int | None

    @property
    def converged(self) -> bool | None:
        """The gate's verdict; None where no gate applies."""
        if self.delta is None or self.baseline_output is None:
            return None
        return passes_gate(self.delta, self.output - self.baseline_output)


def results(task: Task, encoding: Encoding, names: Names, bar: tqdm) -> list[Result]:
    """One result a pair, in their order. Of a path method: each number of steps in turn, for the pairs that have not passed."""
    gated = METHOD[task.options.method].gated
    found: dict[int, Result] = {}
    waiting = np.arange(len(encoding))
    for n_steps in schedule(task.options.n_steps) if gated else (1,):
        for rows, some in _in_batches(task, encoding, names, waiting, n_steps):
            found |= dict(zip(rows.tolist(), some, strict=True))
            bar.update(sum(result.converged is not False or n_steps == STEPS[-1] for result in some))
        waiting = np.array([row for row in waiting.tolist() if found[row].converged is False], dtype=np.int64)
    return [found[row] for row in range(len(encoding))]


def _in_batches(
    task: Task, encoding: Encoding, names: Names, waiting: np.ndarray, n_steps: int
) -> Iterator[tuple[np.ndarray, list[Result]]]:
    """Attribute the waiting rows, longest first, in batches of equal lengths; out of memory halves the budget and goes on."""
    waiting = waiting[np.argsort(-encoding.lengths[waiting], kind="stable")]
    while len(waiting):
        width = int(encoding.lengths[waiting[0]])
        room = max(1, task.budget // width)  # rows of one pass
        rows = waiting[: _together(METHOD[task.options.method], n_steps, room)]
        try:
            batch = Batch.of(task.nli, encoding.select(rows), names.select(rows.tolist()), room)
            some = _attribute(task, batch, n_steps)
        except RuntimeError as error:
            _shrink(task, room * width, width, error)
            continue
        yield rows, some
        waiting = waiting[len(rows) :]


def _together(method: Method, n_steps: int, room: int) -> int:
    """How many pairs make a batch, where one pass has room for so many rows."""
    if method.sampled:
        return 1
    return max(1, min(room, PASSES * room // n_steps) if method.streamed else room // n_steps)


def _shrink(task: Task, used: int, width: int, error: RuntimeError) -> None:
    """Halve the budget after an out-of-memory error; raise any other error, and this one where nothing is left to halve."""
    if not forward.is_out_of_memory(error):
        raise error
    if used <= width:
        raise MemoryError(
            f"one row of {width} tokens does not fit into memory; remedy: a lower `max_length`, or device='cpu'"
        ) from error
    task.budget = used // 2
    warn_once("out of memory: the batch was halved; a smaller `batch_tokens` avoids the retries")


def _attribute(task: Task, batch: Batch, n_steps: int) -> list[Result]:
    """Results of one batch; no pass has more than `room` rows, or than there are pairs."""
    method = METHOD[task.options.method]
    attributed = method.run(batch, task.options, n_steps)
    real = batch.encoding.attention_mask.numpy()[..., None]  # (B, T, 1)
    values = exact(attributed.values) * real  # padding is exactly zero
    signed = values.sum(-1)  # (B, T)
    scores = np.linalg.norm(values, axis=-1) if task.options.aggregation == "l2" else signed
    logits, outputs = exact(batch.logits), exact(batch.outputs)
    before = None if attributed.baseline_outputs is None else exact(attributed.baseline_outputs)
    shares = None if attributed.languages is None else (exact(attributed.languages) * real).sum((1, 2))
    found = []
    for row, length in enumerate(batch.encoding.lengths):
        baseline = None if before is None else float(before[row])
        share = None if shares is None else float(shares[row])
        delta = None
        if method.gated and baseline is not None:
            delta = float(signed[row].sum() + (share or 0.0) - (outputs[row] - baseline))
        found.append(
            Result(
                scores[row, :length],
                logits[row],
                int(batch.targets[row]),
                float(outputs[row]),
                baseline,
                share,
                delta,
                attributed.n_steps,
            )
        )
    return found
