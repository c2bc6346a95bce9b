"""The loop: cross-entropy, AdamW, evaluation, selection, and a state on disk from which it goes on as if it had never stopped.

It stands on accelerate rather than on transformers' Trainer, for three reasons. A step here is the mean over its rows, whatever their split over passes and
processes (Trainer averages averages, and logs a sum over processes unless `average_tokens_across_devices`). XLM in transformers has no gradient checkpointing
and computes on padding; `forward` has the one and not the other. And every random number follows from the seed and the step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.model import NLIModel
from xlmkit.training import judging, states
from xlmkit.training.config import TrainingConfig
from xlmkit.training.data import Examples
from xlmkit.training.energy import Energy, Meter
from xlmkit.training.estimate import is_half
from xlmkit.training.events import NAME
from xlmkit.training.log import Log
from xlmkit.training.order import shares, steps_in_epoch, steps_of_epoch
from xlmkit.training.states import Progress

STATES = "states"  # the folder of states in that of the run
LOGGED = 10  # steps between two lines of the log


class Diverged(ValueError):
    """The loss or a gradient is no longer a number; the weights are those before that step."""


class Learner(nn.Module):
    """The network as it is trained, in a form that processes can share."""

    def __init__(self, network: nn.Module, *, dropout: float, recompute: bool) -> None:
        super().__init__()
        self.network, self.dropout, self.recompute = network, dropout, recompute

    def forward(self, input_ids: torch.Tensor, langs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) ids, language ids and mask -> (B, labels) float32 logits, with dropout."""
        return forward.training_logits(
            self.network, input_ids, langs, mask, dropout=self.dropout, recompute=self.recompute
        )


class Training:
    """One run: what it learns from, and where it stands."""

    def __init__(
        self,
        nli: NLIModel,
        train: Examples,
        dev: Examples,
        config: TrainingConfig,
        *,
        accelerator: Accelerator,
    ) -> None:
        self.nli, self.train, self.dev, self.config = nli, train, dev, config
        self.accelerator = accelerator
        self.half = is_half(config, cuda=accelerator.device.type == "cuda")
        self.root = Path(config.out) / STATES
        network = nli.network.requires_grad_(True)
        for attention in network.transformer.attentions:
            # It adds the same to all scores of a query, which softmax does not see: its gradient is rounding, of which Adam would make full steps.
            attention.k_lin.bias.requires_grad_(False)
        learner = Learner(network, dropout=config.dropout, recompute=config.gradient_checkpointing)
        self.learner: Any = accelerator.prepare_model(learner)
        self.optimiser = _optimiser(network, config)
        self.rows_a_step = config.batch_size * config.accumulation * accelerator.num_processes
        self.steps = total_steps(len(train), self.rows_a_step, config.epochs)
        found = states.latest(self.root)
        self.progress = Progress() if found is None else states.read(found, network, self.optimiser)
        self.progress.resumed += found is not None
        self.before = None if self.progress.energy is None else Energy(**self.progress.energy)

    def run(self) -> None:
        """Train to the end; the best weights are then in the last state.

        Raises
        ------
        Diverged : if the loss, or a gradient, is no longer a number.
        MemoryError : if a batch does not fit.
        OSError : if a state cannot be written."""
        progress, config, main = self.progress, self.config, self.accelerator.is_main_process
        self.accelerator.wait_for_everyone()  # all have read the state that the first process will replace
        with (
            Meter(country=config.country, enabled=main) as meter,
            Log(Path(config.out) / NAME, keep=progress.log_bytes, enabled=main) as log,
            torch.random.fork_rng(devices=self._cuda()),
            self._bar(silent=not (config.progress and main)) as bar,
        ):
            saved = started = time.perf_counter()
            for rows in self._steps_left():
                self._step(rows)
                bar.update(len(rows))
                now = time.perf_counter()
                seconds = now - started + (self.before.seconds if self.before else 0.0)
                last = progress.step == self.steps
                if last or progress.step % LOGGED == 0:
                    bar.set_postfix(loss=f"{self._note(log, seconds):.3f}", **self._shown())
                evaluated = last or self._is_due(len(rows))
                better = evaluated and self._evaluate(log, seconds)
                if main and (evaluated or now - saved >= 60 * config.checkpoint_minutes):
                    self._save(meter, log, is_best=better)
                    saved = time.perf_counter()
        self.accelerator.wait_for_everyone()

    def take_best(self) -> judging.Counts:
        """Give the network the best weights, rounded as they will be stored; their right answers by language."""
        best = states.best_weights(states.latest(self.root))
        stored = getattr(torch, self.config.stored)
        self.nli.network.load_state_dict({name: value.to(stored).float() for name, value in best.items()})
        if stored != torch.float32:
            return self._judge()
        assert self.progress.best is not None
        return self.progress.evaluations[self.progress.best]["correct"]

    def _steps_left(self) -> Iterator[np.ndarray]:
        """The rows of every step from where the run stands."""
        an_epoch = steps_in_epoch(len(self.train), self.rows_a_step)
        first = self.progress.step
        for epoch in range(first // an_epoch, -(-self.steps // an_epoch)):
            order = steps_of_epoch(self.train.lengths, self.rows_a_step, seed=self.config.seed, epoch=epoch)
            begin = max(0, first - epoch * an_epoch)
            yield from order[begin : self.steps - epoch * an_epoch]

    def _step(self, rows: np.ndarray) -> None:
        """One step of the optimiser."""
        config, accelerator, progress = self.config, self.accelerator, self.progress
        rate = learning_rate(progress.step, self.steps, config)
        torch.manual_seed(_seed(config.seed, progress.step, accelerator.process_index))
        parts = shares(
            rows,
            accumulation=config.accumulation,
            process=accelerator.process_index,
            processes=accelerator.num_processes,
        )
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=accelerator.device)
        for number, part in enumerate(parts):
            unfinished = number < len(parts) - 1
            with accelerator.no_sync(self.learner) if unfinished else nullcontext():
                total += self._backward(part if len(part) else rows[:1], len(rows), weigh=bool(len(part)))
        loss = float(accelerator.reduce(total, "sum"))
        norm = self._gradient_norm()
        if not np.isfinite(norm) or not np.isfinite(loss):
            raise _diverged(loss / len(rows), norm, progress, rate, config)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        progress.step, progress.rows = progress.step + 1, progress.rows + len(rows)
        progress.loss, progress.since = progress.loss + loss, progress.since + len(rows)

    def _backward(self, part: np.ndarray, rows: int, *, weigh: bool) -> torch.Tensor:
        """Add the gradients of some rows of a step of `rows`; gives their summed loss. What a process computes only to keep step weighs nothing."""
        device = self.accelerator.device
        batch = self.train.batch(part)
        targets = torch.from_numpy(self.train.targets[part]).to(device)
        tensors = (tensor.to(device) for tensor in (batch.input_ids, batch.langs, batch.attention_mask))
        try:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.half):
                logits = self.learner(*tensors)  # (B, labels)
            loss = F.cross_entropy(logits, targets, reduction="sum") * float(weigh)
            # Processes average their gradients: times their number, the mean over the rows of the step is left.
            (loss * (self.accelerator.num_processes / rows)).backward()
        except RuntimeError as error:
            if not forward.is_out_of_memory(error):
                raise
            raise _out_of_memory(self.config) from error
        return loss.detach()

    def _gradient_norm(self) -> float:
        gradients = [weight.grad for weight in self.nli.network.parameters() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.config.max_gradient_norm is not None:
            weights = self.nli.network.parameters()
            torch.nn.utils.clip_grads_with_norm_(weights, self.config.max_gradient_norm, norm)
        return float(norm)

    def _is_due(self, rows: int) -> bool:
        """Whether the step that has just been made completes a part of the rows after which dev is asked."""
        if self.config.evaluate_every is None:
            return self.progress.step % steps_in_epoch(len(self.train), self.rows_a_step) == 0
        every = self.config.evaluate_every
        return self.progress.rows // every > (self.progress.rows - rows) // every

    def _evaluate(self, log: Log, seconds: float) -> bool:
        """Judge the weights on dev; whether they are the best so far."""
        progress, counts = self.progress, self._judge()
        score = judging.accuracy(counts, self.config.select_on)
        found = {"step": progress.step, "rows": progress.rows, "accuracy": score, "correct": counts}
        better = progress.best is None or score > progress.evaluations[progress.best]["accuracy"]
        progress.evaluations.append(found)
        if better:
            progress.best = len(progress.evaluations) - 1
        log.write(
            "evaluation",
            step=progress.step,
            rows=progress.rows,
            accuracy=score,
            accuracy_by_language={code: judging.accuracy(counts, code) for code in counts},
            seconds=seconds,
        )
        return better

    def _note(self, log: Log, seconds: float) -> float:
        """Write the mean loss since the last such line; gives it, in nats."""
        progress = self.progress
        mean = progress.loss / progress.since
        rate = learning_rate(progress.step - 1, self.steps, self.config)
        log.write(
            "step", step=progress.step, rows=progress.rows, loss=mean, learning_rate=rate, seconds=seconds
        )
        progress.loss, progress.since = 0.0, 0
        return mean

    def _save(self, meter: Meter, log: Log, *, is_best: bool) -> None:
        """Bring the state to disk, and with it what the log and the meter say at this moment."""
        used = meter.reading()
        self.progress.energy = asdict(self.before + used if self.before else used)
        self.progress.log_bytes = log.sync()
        states.save(self.root, self.nli.network, self.optimiser, self.progress, is_best=is_best)

    def _bar(self, *, silent: bool) -> tqdm:
        total = round(len(self.train) * self.config.epochs)
        return tqdm(total=total, initial=self.progress.rows, desc="train", unit="row", disable=silent)

    def _judge(self) -> judging.Counts:
        dtype = torch.bfloat16 if self.half else torch.float32
        return judging.correct(self.nli, self.dev, dtype=dtype, accelerator=self.accelerator)

    def _shown(self) -> dict[str, str]:
        """What the bar says of dev."""
        evaluations = self.progress.evaluations
        return (
            {f"dev_{self.config.select_on}": f"{100 * evaluations[-1]['accuracy']:.1f}"}
            if evaluations
            else {}
        )

    def _cuda(self) -> list[torch.device]:
        return [self.accelerator.device] if self.accelerator.device.type == "cuda" else []


def total_steps(rows: int, rows_a_step: int, epochs: float) -> int:
    """Steps of the optimiser in so many passes; at least one."""
    return max(1, round(epochs * steps_in_epoch(rows, rows_a_step)))


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """The rate of a step, counted from 0."""
    warm = config.warmup * steps
    if step < warm:
        return config.learning_rate * (step + 1) / (warm + 1)
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * (steps - step) / max(1.0, steps - warm)


def _optimiser(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [weight for weight in weights if weight.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, fused=True
    )  # a sixth of the usual time on a CPU


def _seed(seed: int, step: int, process: int) -> int:
    return int(np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)[0] >> 1)


def _diverged(loss: float, norm: float, progress: Progress, rate: float, config: TrainingConfig) -> Diverged:
    what = f"the loss became {loss!r}" if not np.isfinite(loss) else f"the gradients became {norm!r}"
    other = " or precision='fp32'" if config.precision != "fp32" else ""
    return Diverged(
        f"{what} in step {progress.step + 1} (after {progress.rows} rows, at a learning rate of {rate!r}), so the run was stopped before the "
        f"weights were touched; remedy: lower `learning_rate` (to {config.learning_rate / 5:.1g}, say), or try `max_gradient_norm=1.0`{other}, "
        "with another `out`"
    )


def _out_of_memory(config: TrainingConfig) -> MemoryError:
    ways = []
    if config.batch_size > 1:
        ways.append(
            f"`batch_size={config.batch_size // 2}` with `accumulation={config.accumulation * 2}` (the same steps in less memory)"
        )
    if not config.gradient_checkpointing:
        ways.append("`gradient_checkpointing=True`")
    ways.append(f"a `max_length` below {config.max_length}")
    return MemoryError(
        f"a batch of {config.batch_size} rows does not fit into memory; remedy: {', or '.join(ways)}"
    )
