"""The settings of one fine-tuning run, refused at once where they make no sense.

Defaults are those that work for the real checkpoint: Adam with a constant 5e-6, batches of 16, no warm-up, all layers, dropout 0.1, 256 tokens
(Lample and Conneau 2019, and XLM #56 and #110); three passes are the middle of Devlin et al. 2019, appendix A.3."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

COLLAPSES = 2.5e-5
"""The learning rate of the authors' README, at which the full-size checkpoint ends at 33.3 % (XLM #199)."""
FULL_SIZE = 1024  # the width of the published checkpoints
SCHEDULES = ("constant", "linear")
PRECISIONS = ("auto", "fp32", "bf16")
STORED = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What `finetune` is to do; every field but the first four has a default.

    Attributes
    ----------
    model : what `load` takes: a folder or a Hub name, with a head or without one.
    train, dev : labelled rows: one or several files, or a frame. Pairs have `premise` and `hypothesis`, single texts `text`; and `language`
        (or `premise_language` and `hypothesis_language`) and `gold`. Dev chooses the weights.
    out : the folder of the result, which must be new, empty, or of this same run: then it goes on where it stopped.
    languages : of the training rows; None takes all there are. One code also says the language of files without that column.
    learning_rate : of Adam. weight_decay: of AdamW, for matrices only; 0 is Adam.
    batch_size : rows computed at once. A step of the optimiser sees batch_size x accumulation x processes rows.
    epochs : passes over the training rows; need not be whole.
    schedule : "constant", or "linear" down to zero; both after `warmup`, a share of all steps in which the rate rises in a line.
    dropout : probability, wherever XLM has it.
    max_length : the longest input; longer ones are cut as `encode` says.
    label_smoothing : share of each label's weight that is spread over all labels (Szegedy et al. 2016).
    soft_targets : weight in [0, 1] of the probabilities in the training rows' columns `p_<label>` against the label (Hinton et al. 2015).
    max_gradient_norm : longer gradients are shortened to it; None leaves them, as the authors do.
    precision : "fp32", "bf16" (weights stay float32), or "auto": bf16 on CUDA that has it.
    gradient_checkpointing : keep less in memory and compute it again: slower by about a third.
    evaluate_every : training rows between evaluations on dev (the authors: 20,000); None is once an epoch.
    checkpoint_minutes : between saved states, beside the one at each evaluation; a run that was killed loses at most that.
    select_on : the dev rows by whose accuracy weights are chosen: a language, by the zero-shot protocol English, or "all".
    seed : of the head, the order and dropout.
    stored : precision of the weights in the result.
    country : whose electricity is counted, ISO 3166-1 alpha-3; "WLD" is the world's average.
    progress : show a bar."""

    model: str | Path
    train: pd.DataFrame | str | Path | Sequence[str | Path]
    dev: pd.DataFrame | str | Path | Sequence[str | Path]
    out: str | Path
    languages: Sequence[str] | None = None
    learning_rate: float = 5e-6
    batch_size: int = 16
    accumulation: int = 1
    epochs: float = 3.0
    schedule: str = "constant"
    warmup: float = 0.0
    dropout: float = 0.1
    max_length: int = 256
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    soft_targets: float = 0.0
    max_gradient_norm: float | None = None
    precision: str = "auto"
    gradient_checkpointing: bool = False
    evaluate_every: int | None = None
    checkpoint_minutes: float = 10.0
    select_on: str = "en"
    seed: int = 0
    stored: str = "float32"
    country: str = "WLD"
    progress: bool = True

    def __post_init__(self) -> None:
        faults = [
            f"`{name}` must be {wanted}, got {getattr(self, name)!r}"
            for name, (wanted, fits) in _RULES.items()
            if not fits(getattr(self, name))
        ]
        if faults:
            raise ValueError("; ".join(faults))

    def settings(self) -> dict[str, Any]:
        """Name -> value of everything that the weights depend on beside model and data; JSON can hold it."""
        apart = {"model", "train", "dev", "out", "country", "progress", "checkpoint_minutes"}
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in apart}
        codes = self.languages
        found["languages"] = None if codes is None else [codes] if isinstance(codes, str) else list(codes)
        return found


def _number(
    low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (low < value if open_low else low <= value) and (value < high if open_high else value <= high)

    return fits


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= low


def _one_of(names: Sequence[str]) -> tuple[str, Callable[[Any], bool]]:
    return f"one of {', '.join(map(repr, names))}", lambda value: value in names


_POSITIVE = ("a number above 0", _number(0, math.inf, open_low=True, open_high=True))
_SHARE = ("a number from 0 to 1", _number(0, 1))
_BELOW_1 = ("a number from 0 to below 1", _number(0, 1, open_high=True))
_NOT_NEGATIVE = ("a number of at least 0", _number(0, math.inf, open_high=True))
_COUNT = ("a whole number of at least 1", _whole(1))
_TRUTH = ("True or False", lambda value: isinstance(value, bool))
_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "learning_rate": _POSITIVE,
    "batch_size": _COUNT,
    "accumulation": _COUNT,
    "epochs": _POSITIVE,
    "schedule": _one_of(SCHEDULES),
    "warmup": _SHARE,
    "dropout": _BELOW_1,
    "max_length": _COUNT,  # `encode` knows the model's bounds
    "weight_decay": _NOT_NEGATIVE,
    "label_smoothing": _BELOW_1,
    "soft_targets": _SHARE,
    "max_gradient_norm": (
        f"None or {_POSITIVE[0]}",
        lambda value: value is None or _POSITIVE[1](value),
    ),
    "precision": _one_of(PRECISIONS),
    "gradient_checkpointing": _TRUTH,
    "evaluate_every": (f"None or {_COUNT[0]}", lambda value: value is None or _COUNT[1](value)),
    "checkpoint_minutes": _NOT_NEGATIVE,
    "select_on": ("a language's code or 'all'", lambda value: isinstance(value, str) and bool(value)),
    "seed": ("a whole number of at least 0", _whole(0)),
    "stored": _one_of(STORED),
    "progress": _TRUTH,
}
