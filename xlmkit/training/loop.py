"""The loop: cross-entropy, AdamW, evaluation on dev, selection of weights, and a state on disk to
resume from.

It uses accelerate rather than transformers' Trainer for two reasons. A run that is killed at any
moment resumes and, on a CPU, ends with the same weights as an undisturbed run: the state is
replaced as a whole, and the order of rows, dropout and the learning rate follow from the seed and
the number of the step. (Trainer writes its checkpoint folders in place.) And XLM in transformers
has no gradient checkpointing; `xlmkit.forward` recomputes layers, and does not compute on padding.

Weights are selected by English dev alone, the protocol of zero-shot transfer. The figures of Lample
and Conneau (2019) are those of the best run for each language (XLM issue 110), which uses labelled
data of the target language; here they are called an oracle."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from xlmkit import forward, inference
from xlmkit.model import NLIModel
from xlmkit.stats import wilson
from xlmkit.training import TrainingConfig
from xlmkit.training.cost import WORLD, Energy, Meter, peak_memory
from xlmkit.training.data import ALL, EncodedRows
from xlmkit.training.run_folder import LOG, Progress, best_weights, load_state, save_state

LOGGED = 10  # steps between two lines of the log
POOL = 64  # steps whose rows are sorted by length together: little padding, and still any two rows may meet
EVALUATED = 4096  # dev rows padded together; they are sorted by length, so that little of it is padding

Counts = dict[str, tuple[int, int]]
"""Language -> correct answers and rows."""


class Diverged(ValueError):
    """The loss or a gradient is no longer a finite number; the weights are those before that
    step."""


class Learner(nn.Module):
    """The network as it is trained, as a module that processes can share: its gradients are
    averaged."""

    def __init__(self, network: nn.Module, config: TrainingConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, input_ids: torch.Tensor, langs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) ids, language ids and mask -> (B, labels) float32 logits, with dropout."""
        dropout, recompute = self.config.dropout, self.config.gradient_checkpointing
        return forward.training_logits(
            self.network, input_ids, langs, mask, dropout=dropout, recompute=recompute
        )


class Training:
    """One run: what it learns from, and where it is. A state in the folder of the run is
    resumed."""

    def __init__(
        self,
        nli: NLIModel,
        train: EncodedRows,
        dev: EncodedRows,
        config: TrainingConfig,
        accelerator: Accelerator,
    ) -> None:
        self.nli, self.train, self.dev, self.config, self.accelerator = nli, train, dev, config, accelerator
        self.folder = Path(config.out)
        self.dtype = torch.bfloat16 if uses_bf16(config, accelerator.device) else torch.float32
        network = nli.network.requires_grad_(True)
        for attention in network.transformer.attentions:
            # It adds the same number to all scores of a query, which softmax ignores.
            # Its gradient is rounding
            # error, of which Adam would make full steps.
            attention.k_lin.bias.requires_grad_(False)
        self.learner: Any = accelerator.prepare_model(Learner(network, config))
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        matrices: dict[str, Any] = {"params": [weight for weight in weights if weight.dim() >= 2]}
        vectors: dict[str, Any] = {
            "params": [weight for weight in weights if weight.dim() < 2],
            "weight_decay": 0.0,
        }
        self.optimizer = torch.optim.AdamW(
            [matrices, vectors], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        batches = config.gradient_accumulation_steps * accelerator.num_processes
        self.rows_per_step = config.per_device_train_batch_size * batches
        self.steps_per_epoch = math.ceil(len(train) / self.rows_per_step)
        self.steps = max(1, round(config.num_train_epochs * self.steps_per_epoch))
        self.progress = load_state(self.folder, network, self.optimizer)

    def try_batches(self) -> tuple[int, float]:
        """Bytes that a batch of the longest rows takes at most, with Adam's moments, and the
        seconds of an average batch.

        Gradients are computed and thrown away; weights and random numbers stay as they were."""
        order = np.argsort(self.train.lengths, kind="stable")
        size = min(self.config.per_device_train_batch_size, len(order))
        average = int(np.searchsorted(self.train.lengths[order], self.train.lengths.mean())) - size // 2
        average = min(max(average, 0), len(order) - size)
        seconds: list[float] = []
        with torch.random.fork_rng(devices=self._cuda()):
            for begin in (len(order) - size, average, average):
                start = time.perf_counter()
                float(self._backward(order[begin : begin + size], size))
                seconds.append(time.perf_counter() - start)
        learned = sum(each.numel() for each in self.nli.network.parameters() if each.grad is not None)
        self.optimizer.zero_grad(set_to_none=True)
        return peak_memory(self.accelerator.device) + 8 * learned, min(seconds[1:])

    def run(self, *, country: str = WORLD) -> None:
        """Train to the end; the best weights are then in the last state.

        Raises
        ------
        Diverged : if the loss or a gradient is no longer a finite number.
        MemoryError : if a batch does not fit.
        OSError : if a state cannot be written."""
        progress, config, main = self.progress, self.config, self.accelerator.is_main_process
        before = Energy(**progress.energy) if progress.energy else None
        total, shown = round(len(self.train) * config.num_train_epochs), config.progress and main
        self.accelerator.wait_for_everyone()  # all have read the state that the first process will replace
        with (
            Meter(country=country, enabled=main) as meter,
            (self.folder / LOG if main else Path(os.devnull)).open("ab") as log,
            torch.random.fork_rng(devices=self._cuda()),
            tqdm(total=total, initial=progress.rows, desc="train", unit="row", disable=not shown) as bar,
        ):
            if main:
                log.truncate(progress.log_bytes)  # the rest belongs to steps that were lost
            saved = started = time.perf_counter()

            def note(event: str, **values: Any) -> None:
                seconds = time.perf_counter() - started + (before.seconds if before else 0.0)
                line = {"event": event, "step": progress.step, "rows": progress.rows, **values}
                log.write(json.dumps(line | {"seconds": seconds}).encode() + b"\n")
                log.flush()

            for rows in self._remaining_steps():
                self._step(rows)
                bar.update(len(rows))
                last = progress.step == self.steps
                if last or progress.step % LOGGED == 0:
                    bar.set_postfix(loss=f"{self._note_loss(note):.3f}")
                evaluated = last or self._evaluation_is_due(len(rows))
                better = evaluated and self._evaluate(note)
                if main and (evaluated or time.perf_counter() - saved >= 60 * config.checkpoint_minutes):
                    energy = meter.reading()
                    progress.energy = asdict(before + energy if before else energy)
                    os.fsync(log.fileno())
                    progress.log_bytes = log.tell()
                    save_state(self.folder, self.nli.network, self.optimizer, progress, is_best=better)
                    saved = time.perf_counter()
        self.accelerator.wait_for_everyone()

    def take_best(self) -> Counts:
        """Give the network the best weights, rounded as they will be saved; their correct answers
        by language."""
        dtype = getattr(torch, self.config.save_dtype)
        best = best_weights(self.folder, self.progress)
        self.nli.network.load_state_dict({name: value.to(dtype).float() for name, value in best.items()})
        if dtype != torch.float32:
            return count_correct(self.nli, self.dev, self.dtype, self.accelerator)
        assert self.progress.best is not None
        return self.progress.evaluations[self.progress.best]["correct"]

    def _remaining_steps(self) -> Iterator[np.ndarray]:
        """The rows of every step that is left."""
        first, per_epoch = self.progress.step, self.steps_per_epoch
        for epoch in range(first // per_epoch, -(-self.steps // per_epoch)):
            steps = steps_of_epoch(self.train.lengths, self.rows_per_step, seed=self.config.seed, epoch=epoch)
            yield from steps[max(0, first - epoch * per_epoch) : self.steps - epoch * per_epoch]

    def _step(self, rows: np.ndarray) -> None:
        """One step of the optimizer."""
        config, accelerator, progress = self.config, self.accelerator, self.progress
        rate = learning_rate(progress.step, self.steps, config)
        seed = np.random.SeedSequence((config.seed, progress.step, accelerator.process_index))
        torch.manual_seed(int(seed.generate_state(1, np.uint64)[0] >> 1))
        # Batches of all processes in turn, some of which may be empty. A process without
        # rows computes one that
        # counts nothing, so that it takes as many steps as the others.
        batches = np.array_split(rows, config.gradient_accumulation_steps * accelerator.num_processes)
        batches = batches[accelerator.process_index :: accelerator.num_processes]
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=accelerator.device)
        for number, batch in enumerate(batches, start=1):
            with accelerator.no_sync(self.learner) if number < len(batches) else nullcontext():
                counted = batch if len(batch) else rows[:1]
                total += self._backward(counted, len(rows), weight=float(len(batch) > 0))
        loss = float(accelerator.reduce(total, "sum"))
        limit = config.max_grad_norm or math.inf
        norm = float(nn.utils.clip_grad_norm_(self.nli.network.parameters(), limit))  # before it is clipped
        if not math.isfinite(norm) or not math.isfinite(loss):
            raise Diverged(
                f"in step {progress.step + 1} (after {progress.rows} rows, at a learning rate of {rate!r}) the loss became "
                f"{loss / len(rows)!r} and the norm of the gradients {norm!r}, so the run was stopped before the weights "
                f"changed. Lower `learning_rate` (for example to {config.learning_rate / 5:.1g}), or try max_grad_norm=1.0 "
                "or precision='fp32', in another `out`"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        progress.step, progress.rows = progress.step + 1, progress.rows + len(rows)
        progress.loss, progress.since = progress.loss + loss, progress.since + len(rows)

    def _backward(self, batch: np.ndarray, rows: int, *, weight: float = 1.0) -> torch.Tensor:
        """Add the gradients of some rows of a step of `rows`; their summed loss."""
        device = self.accelerator.device
        encoding = self.train.batch(batch)
        targets = torch.from_numpy(self.train.targets[batch]).to(device)  # (B, labels)
        tensors = (encoding.input_ids, encoding.langs, encoding.attention_mask)
        try:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16):
                logits = self.learner(*(tensor.to(device) for tensor in tensors))  # (B, labels)
            loss = F.cross_entropy(logits, targets, reduction="sum") * weight
            # Processes average their gradients; times their number, this is the mean
            # over the rows of the step.
            (loss * (self.accelerator.num_processes / rows)).backward()
        except RuntimeError as error:
            if not forward.is_out_of_memory(error):
                raise
            raise _out_of_memory(self.config) from error
        return loss.detach()

    def _evaluation_is_due(self, rows: int) -> bool:
        """Whether the step that was just made completes the rows after which dev is evaluated."""
        every, seen = self.config.evaluate_every, self.progress.rows
        if every is None:
            return self.progress.step % self.steps_per_epoch == 0
        return seen // every > (seen - rows) // every

    def _evaluate(self, note: Callable[..., None]) -> bool:
        """Evaluate the weights on dev, and return whether they are the best so far."""
        progress, counts = self.progress, count_correct(self.nli, self.dev, self.dtype, self.accelerator)
        score = accuracy(counts, self.config.select_on)
        better = progress.best is None or score > progress.evaluations[progress.best]["accuracy"]
        if better:
            progress.best = len(progress.evaluations)
        progress.evaluations.append({"step": progress.step, "accuracy": score, "correct": counts})
        by_language = {code: accuracy(counts, code) for code in counts}
        note("evaluation", accuracy=score, accuracy_by_language=by_language)
        return better

    def _note_loss(self, note: Callable[..., None]) -> float:
        """Log the mean loss since the last such line, in nats."""
        progress = self.progress
        mean = progress.loss / progress.since
        note("step", loss=mean, learning_rate=learning_rate(progress.step - 1, self.steps, self.config))
        progress.loss, progress.since = 0.0, 0
        return mean

    def _cuda(self) -> list[torch.device]:
        return [self.accelerator.device] if self.accelerator.device.type == "cuda" else []


def uses_bf16(config: TrainingConfig, device: torch.device) -> bool:
    """Whether training multiplies in bf16."""
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return config.precision == "bf16"


def steps_of_epoch(lengths: np.ndarray, rows_per_step: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows of each step of one pass: every row once, and in one of the steps the rows that are
    left over.

    Rows of similar length come together, because a batch costs as much as its longest row. The
    order depends on seed and epoch alone, so that a run can resume from any step, with any number
    of processes. Eight rows in steps of two, in two pools, by their lengths:

        shuffled    5 2 9 1 | 8 3 7 4
        by length   1 2 5 9 | 3 4 7 8
        steps       (3 4) (5 9) (1 2) (7 8)        in random order

    Parameters
    ----------
    lengths : (N,) tokens of each row."""
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    pools = np.array_split(order, math.ceil(len(order) / (POOL * rows_per_step)))
    order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    steps = random.permutation(math.ceil(len(lengths) / rows_per_step))
    return [order[number * rows_per_step : (number + 1) * rows_per_step] for number in steps]


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """The learning rate of a step, counted from 0."""
    warm = config.warmup_steps if config.warmup_steps >= 1 else config.warmup_steps * steps
    if step < warm:
        return config.learning_rate * (step + 1) / (warm + 1)
    if config.lr_scheduler_type == "constant":
        return config.learning_rate
    return config.learning_rate * (steps - step) / max(1.0, steps - warm)


def count_correct(nli: NLIModel, dev: EncodedRows, dtype: torch.dtype, accelerator: Accelerator) -> Counts:
    """Correct answers by language, computed as `predict` does; each process evaluates its part of
    the rows."""
    evaluated = replace(nli, dtype=dtype)  # makes its own network if `dtype` is not that of the weights
    order = np.argsort(dev.lengths, kind="stable")[accelerator.process_index :: accelerator.num_processes]
    correct = np.zeros(len(dev), dtype=np.int64)
    for begin in range(0, len(order), EVALUATED):
        rows = order[begin : begin + EVALUATED]
        correct[rows] = inference.logits(evaluated, dev.batch(rows)).argmax(1) == dev.gold[rows]
    everywhere = accelerator.reduce(torch.from_numpy(correct).to(accelerator.device), "sum").cpu().numpy()
    counts = pd.Series(everywhere).groupby(dev.languages.astype(str)).agg(["sum", "size"])
    return {str(code): (int(right), int(n)) for code, right, n in counts.itertuples()}


def accuracy(counts: Counts, language: str) -> float:
    """Accuracy in [0, 1] in one language, or in "all" rows."""
    chosen = list(counts.values()) if language == ALL else [counts[language]]
    return sum(right for right, _ in chosen) / sum(n for _, n in chosen)


def accuracy_table(progress: Progress, selected: Counts) -> pd.DataFrame:
    """Dev accuracy of the selected weights and of the oracle; the columns are those of
    `Finetuned.by_language`."""
    rows: list[tuple[Any, ...]] = []
    for language, (right, n) in selected.items():
        best = max(
            progress.evaluations, key=lambda evaluation: evaluation["correct"][language][0]
        )  # or a tie
        rows.append((language, n, right, best["correct"][language][0], best["step"]))
    _, *counts, _ = zip(*rows, strict=True)
    rows.append((ALL, *map(sum, counts), None))
    table = pd.DataFrame(rows, columns=["language", "n", "accuracy", "oracle", "oracle_step"])
    table[["accuracy", "oracle"]] = table[["accuracy", "oracle"]].div(table["n"], axis=0)
    low, high = wilson(table["accuracy"].to_numpy(), table["n"].to_numpy())
    table.insert(3, "low", low)
    table.insert(4, "high", high)
    return table.astype({"oracle_step": "Int64"})


def _out_of_memory(config: TrainingConfig) -> MemoryError:
    size, accumulation = config.per_device_train_batch_size, config.gradient_accumulation_steps
    return MemoryError(
        f"a batch of {size} rows does not fit into memory. Halve per_device_train_batch_size and set "
        f"gradient_accumulation_steps={accumulation * 2} (the same steps), or try gradient_checkpointing=True, or a "
        f"`max_length` below {config.max_length}."
    )
