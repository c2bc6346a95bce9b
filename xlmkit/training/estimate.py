"""Estimate: what a training run will take in memory, time and energy, said before it starts.

Memory is arithmetic: weights, gradients, Adam's two moments, and what a forward pass keeps for the way back, counted tensor by tensor in
`xlmkit.forward`. Time is a trial of a few steps on this machine, or for a machine that is not here a calculation from its data sheet."""

from __future__ import annotations

import copy
import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from xlmkit import forward
from xlmkit.model import NLIModel
from xlmkit.training.config import TrainingConfig

STEPS = 3  # of a trial, after one that warms up
PATIENCE = 20.0  # seconds after which a trial ends early
# For CUDA's context and the working space of cuBLAS: a usual figure, not measured here.
CUDA_ITSELF = 600_000_000  # bytes
# What a layer keeps for the way back, in bytes for each token and unit of width. In float32: its input, q, k, v, the context, both inputs of
# layer norms, the feed-forward's input, 4 widths before and 4 after its activation, and 4 copies where a batch has padding: 20 numbers. In
# bf16 the layer norms' inputs stay float32, and each of q, k and v keeps its own copy of the input.
LAYER = {False: 20 * 4, True: 2 * 4 + (16 + 4) * 2}  # by whether it is bf16
# The embeddings, and the last layer, of which only keys and values see all tokens.
ENDS = {False: 7 * 4, True: 6 * 4}
# Dropout's two masks in a layer: numbers on a processor, truth values on CUDA.
MASKS = {("cpu", False): 8, ("cpu", True): 4, ("cuda", False): 2, ("cuda", True): 2}
# Bytes for each head and pair of tokens where attention is not fused, by whether it is bf16 and has dropout, either of which keeps a processor
# from that: the weights, dropout's mask, and both multiplied.
ATTENTION = {(False, False): 0, (False, True): 3 * 4, (True, False): 2, (True, True): 3 * 2}
WORK = 5 * 4  # bytes for each token and unit of width that are alive only while a layer is walked back


@dataclass(frozen=True)
class Shape:
    """The size of an XLM, which is all that an estimate needs to know of a model whose weights are not here."""

    layers: int
    width: int
    heads: int
    vocabulary: int
    positions: int = 512
    languages: int = 15  # language embeddings; 0 where the model has none
    labels: int = 3

    @classmethod
    def of(cls, nli: NLIModel) -> Shape:
        """The size of a model that is here, with a head for its labels."""
        config = nli.network.config
        return cls(
            layers=config.n_layers,
            width=config.emb_dim,
            heads=config.n_heads,
            vocabulary=config.n_words,
            positions=config.max_position_embeddings,
            languages=config.n_langs if nli.uses_language_ids else 0,
            labels=config.num_labels,
        )

    @property
    def matrices(self) -> int:
        """Weights and biases of the linear layers in the body."""
        return self.layers * (12 * self.width**2 + 9 * self.width)

    @property
    def parameters(self) -> int:
        """All numbers that are learnt."""
        vectors = self.vocabulary + self.positions + self.languages + 2 + 4 * self.layers
        return self.matrices + (vectors + self.labels) * self.width + self.labels

    def operations(self, tokens: float) -> float:
        """Floating-point operations of learning from one row of so many tokens: forward, and twice that back."""
        full = self.layers - 1  # of the last layer only keys and values see all tokens
        return 3 * tokens * (2 * (12 * full + 2) * self.width**2 + 4 * full * tokens * self.width)


XLM15 = Shape(layers=12, width=1024, heads=8, vocabulary=95_000)
"""The published checkpoints `FacebookAI/xlm-mlm-xnli15-1024` and `FacebookAI/xlm-mlm-tlm-xnli15-1024`."""


@dataclass(frozen=True)
class Device:
    """A machine that is not here: operations a second that it sustains in `bf16` and in `fp32`, `overhead` in seconds of a batch however small, `watts`,
    and `memory` in bytes."""

    name: str
    bf16: float
    fp32: float
    overhead: float
    watts: float
    memory: int


# Memory and power are NVIDIA's data sheet; a third of its 989 and 67 TFLOP/s (dense bf16, and float32) and 50 ms are assumptions, no measurements.
H200 = Device("NVIDIA H200", bf16=3.3e14, fp32=2.2e13, overhead=0.05, watts=700, memory=141_000_000_000)


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes
    ----------
    memory_bytes : the peak, for a batch that consists of the longest rows; its parts are `weights`, `gradients`, `moments` and `activations`, which
        are not all there at once.
    steps : of the optimiser.
    seconds : of training and evaluation; None where the run does not fit, or there was nothing to try it on.
    kwh : at the device's full power; None where that is unknown.
    fits : whether the peak is less than the memory that is free; None where that is unknown.
    text : all of this in sentences, with the remedy where it does not fit."""

    memory_bytes: int
    weights: int
    gradients: int
    moments: int
    activations: int
    steps: int
    seconds: float | None
    kwh: float | None
    fits: bool | None
    text: str


def estimate(
    model: NLIModel | Shape,
    config: TrainingConfig,
    *,
    tokens_per_row: float,
    rows: int,
    longest: int | None = None,
    dev_rows: int = 0,
    device: Device | None = None,
) -> Estimate:
    """Say what training will take before it starts.

    Parameters
    ----------
    model : a model, which is tried for a few steps (on a copy); or the size of one, such as `XLM15`.
    tokens_per_row : mean tokens of a training row, special tokens included.
    rows, dev_rows : of training, and of each evaluation.
    longest : tokens of the longest training row; at most, and by default, `config.max_length`.
    device : the machine to calculate for, such as `H200`; None for this one.

    Raises
    ------
    ValueError : if a count is not positive."""
    if not tokens_per_row > 0 or rows < 1:
        raise ValueError(
            f"expected at least one row with tokens; got rows={rows!r}, tokens_per_row={tokens_per_row!r}"
        )
    nli = model if isinstance(model, NLIModel) else None
    shape = model if isinstance(model, Shape) else Shape.of(model)
    cuda = device is not None or (nli is not None and nli.device.type == "cuda")
    half = is_half(config, cuda=cuda, here=device is None)
    longest = min(longest or config.max_length, config.max_length)
    parts = _parts(shape, config, tokens=longest, cuda=cuda, half=half)
    peak = _peak(shape, config, parts, tokens=longest, cuda=cuda)
    free = device.memory if device else free_memory(nli.device) if nli else None
    fits = None if free is None else peak < free
    steps = math.ceil(rows * config.epochs / (config.batch_size * config.accumulation))
    step: float | None = None  # seconds of one batch
    if device is not None:
        again = 4 / 3 if config.gradient_checkpointing else 1  # forward twice
        work = config.batch_size * shape.operations(tokens_per_row) * again
        step = device.overhead + work / (device.bf16 if half else device.fp32)
    elif nli is not None and fits is not False:
        step = _trial(nli, config, tokens=round(tokens_per_row), half=half)
    # An evaluation goes forward only: a third of the work.
    evaluated = dev_rows * max(1, round(rows * config.epochs / (config.evaluate_every or rows)))
    batches = steps * config.accumulation + evaluated / config.batch_size / 3
    seconds = None if step is None else step * batches
    kwh = seconds * device.watts / 3.6e6 if device and seconds is not None else None
    found = Estimate(peak, *parts, steps=steps, seconds=seconds, kwh=kwh, fits=fits, text="")
    return _said(found, config, longest=longest, free=free, device=device)


def is_half(config: TrainingConfig, *, cuda: bool, here: bool = True) -> bool:
    """Whether training multiplies in bf16; `here` is False for a GPU that is elsewhere and is taken to have it."""
    if config.precision != "auto":
        return config.precision == "bf16"
    return cuda and (not here or torch.cuda.is_bf16_supported(including_emulation=False))


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    listed = Path("/proc/meminfo")
    if device.type == "cpu" and listed.exists():
        for line in listed.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


def _parts(
    shape: Shape, config: TrainingConfig, *, tokens: int, cuda: bool, half: bool
) -> tuple[int, int, int, int]:
    """Bytes of weights, gradients, moments and activations."""
    place = "cuda" if cuda else "cpu"
    rows, numbers = config.batch_size, config.batch_size * tokens * shape.width
    masks = MASKS[place, half] if config.dropout else 0
    layer = numbers * (LAYER[half] + masks)
    if not cuda:
        layer += ATTENTION[half, config.dropout > 0] * rows * shape.heads * tokens**2
    kept = numbers * (ENDS[half] + masks)
    if config.gradient_checkpointing:
        kept += numbers * 4 * (shape.layers - 1) + layer  # each layer's input, and one layer whole
    else:
        kept += layer * (shape.layers - 1)
    kept += 2 * shape.matrices if half else 0  # the matrices in bf16
    numbers_learnt = 4 * shape.parameters
    return numbers_learnt, numbers_learnt, 2 * numbers_learnt, kept


def _peak(
    shape: Shape, config: TrainingConfig, parts: tuple[int, int, int, int], *, tokens: int, cuda: bool
) -> int:
    """The most that is there at once. As the way back frees activations it makes gradients, so that the peak is at one of its ends: all activations
    and, within a step of several batches, the gradients so far; or all gradients. (Fused Adam needs no room of its own.)"""
    weights, gradients, moments, activations = parts
    back = activations + WORK * config.batch_size * tokens * shape.width
    if config.accumulation > 1:
        back += gradients
    return weights + moments + max(back, gradients) + (CUDA_ITSELF if cuda else 0)


def _trial(nli: NLIModel, config: TrainingConfig, *, tokens: int, half: bool) -> float:
    """Seconds of one batch, by doing a few on a copy of the network with random ids; the state of random numbers stays as it was."""
    network = copy.deepcopy(nli.network).requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, fused=True)
    tokens = min(max(tokens, 1), nli.max_positions)
    size = (config.batch_size, tokens)
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(network.config.n_words, size, generator=draw).to(nli.device)
    gold = torch.randint(network.config.num_labels, size[:1], generator=draw).to(nli.device)
    langs, mask = torch.zeros_like(ids), torch.ones_like(ids)
    seconds: list[float] = []
    cuda = [nli.device] if nli.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.enable_grad():
        while len(seconds) <= STEPS and sum(seconds) < PATIENCE:
            start = time.perf_counter()
            with torch.autocast(nli.device.type, dtype=torch.bfloat16, enabled=half):
                logits = forward.training_logits(
                    network, ids, langs, mask, dropout=config.dropout, recompute=config.gradient_checkpointing
                )  # (B, labels)
            F.cross_entropy(logits, gold).backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            if cuda:
                torch.cuda.synchronize(nli.device)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:] or seconds)


def _said(
    found: Estimate, config: TrainingConfig, *, longest: int, free: int | None, device: Device | None
) -> Estimate:
    """The estimate with its text."""
    memory = (
        f"At most {said_bytes(found.memory_bytes)} of memory: weights {said_bytes(found.weights)}, gradients {said_bytes(found.gradients)}, Adam's "
        f"moments {said_bytes(found.moments)}, activations {said_bytes(found.activations)} for {config.batch_size} rows of {longest} tokens."
    )
    if found.fits is False and free is not None:
        smaller = "" if config.gradient_checkpointing else "gradient_checkpointing=True, or "
        memory += (
            f" That is more than the {said_bytes(free)} that are free; remedy: {smaller}a smaller `max_length`, or a smaller `batch_size` with "
            "`accumulation` raised in the same measure (same steps, less memory)."
        )
    if found.seconds is None:
        how = "" if found.fits is False else " Its time is unknown: there are no weights here to try."
        text = f"{memory}{how}"
    elif device is None:
        text = f"{memory} About {span(found.seconds)} for {found.steps:,} steps, by a trial of a few steps on this machine."
    else:
        text = (
            f"{memory} About {span(found.seconds)} for {found.steps:,} steps, and {found.kwh:.2g} kWh at its full {device.watts:.0f} W: calculated "
            f"from what is assumed of {device.name}, not measured."
        )
    return Estimate(**{**vars(found), "text": text})


def span(seconds: float) -> str:
    """A time for people: "40 s", "12 min", "3 h 20 min", "2 d 5 h"."""
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def said_bytes(count: float) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
