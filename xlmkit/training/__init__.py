"""Training: fine-tune a checkpoint on sentence pairs or single texts, and measure what that costs.

This file has the settings of a run. Read on in `data` (checked and encoded rows), `cost` (energy),
`run_folder` (what is on disk), `loop` (the steps) and `finetuning` (a run from start to end). They
load with the first name that needs them, so that the command line can list the settings without
torch. The defaults suit the published checkpoints: AdamW at a constant 5e-6, batches of 16, no
warm-up, dropout 0.1, 256 tokens (Lample and Conneau 2019; XLM issues 56 and 110). Three passes are
the middle of what Devlin et al. (2019), appendix A.3, recommend."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmkit.checks import check_choice, check_int

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Finetuned", "TrainingConfig", "finetune", "finetune_seeds", "history"]
_HOME = {
    "Finetuned": "run_folder",
    "finetune": "finetuning",
    "finetune_seeds": "finetuning",
    "history": "run_folder",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"xlmkit.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'xlmkit.training' has no attribute {name!r}")


Check = Callable[[str, Any], None]
"""Raises a ValueError where a setting of that name must not have that value."""


def _within(bounds: str) -> Check:
    """Accept the numbers in an interval, written as in mathematics: "[0, 1)" contains 0 and not
    1."""
    low, high = (float(bound) for bound in bounds[1:-1].split(","))

    def check(name: str, value: Any) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        above = number and (low < value if bounds[0] == "(" else low <= value)
        if not (above and (value < high if bounds[-1] == ")" else value <= high)):
            raise ValueError(f"`{name}` must be a number in {bounds}; got {value!r}.")

    return check


def _choice(*options: Any) -> Check:
    return partial(check_choice, options=options)


def _no_check(name: str, value: Any) -> None:
    """Accept anything here: only the data tells what is right."""


def _setting(default: Any, check: Check, about: str) -> Any:
    return field(default=default, metadata={"check": check, "help": about})


_POSITIVE, _NOT_NEGATIVE, _FRACTION = _within("(0, inf)"), _within("[0, inf)"), _within("[0, 1)")
_DTYPES = ("float32", "float16", "bfloat16")
_COUNT, _TRUTH = partial(check_int, minimum=1), _choice(True, False)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of one run, with the names of transformers' TrainingArguments where they mean
    the same.

    Attributes
    ----------
    model : a folder or a Hub name, as `load` takes it, with or without a head.
    train, dev : labelled rows, as one or several files, the name of a bundled source, or a frame.
        Pairs have the columns `premise` and `hypothesis`, single texts `text`; both need `language`
        (or `premise_language` and `hypothesis_language`) and `gold`. Accuracy on dev chooses the
        weights.
    out : the folder of the result: new, empty, or that of the same run, which then resumes.
    languages : keep only these training rows; None keeps all. A single code is also the language of
        files without such a column."""

    model: str | Path | None
    train: pd.DataFrame | str | Path | Sequence[str | Path]
    dev: pd.DataFrame | str | Path | Sequence[str | Path]
    out: str | Path
    languages: Sequence[str] | None = None
    learning_rate: float = _setting(5e-6, _POSITIVE, "learning rate of AdamW")
    per_device_train_batch_size: int = _setting(16, _COUNT, "rows computed at once by each process")
    gradient_accumulation_steps: int = _setting(1, _COUNT, "batches of each process in one optimizer step")
    num_train_epochs: float = _setting(3.0, _POSITIVE, "passes over the training rows; need not be whole")
    lr_scheduler_type: str = _setting(
        "constant", _choice("constant", "linear"), "constant, or linear down to zero, after the warm-up"
    )
    warmup_steps: float = _setting(0.0, _NOT_NEGATIVE, "steps of linear warm-up; below 1, a fraction of all")
    dropout: float = _setting(0.1, _FRACTION, "dropout probability, wherever XLM has dropout")
    max_length: int = _setting(256, _COUNT, "tokens of the longest input; longer ones are truncated")
    weight_decay: float = _setting(0.0, _NOT_NEGATIVE, "weight decay of AdamW, for matrices only")
    label_smoothing_factor: float = _setting(0.0, _FRACTION, "label smoothing (Szegedy et al. 2016)")
    soft_targets: float = _setting(
        0.0,
        _within("[0, 1]"),
        "weight of the probabilities in the training columns p_<label> against the label (Hinton et al. 2015)",
    )
    max_grad_norm: float | None = _setting(
        None, _POSITIVE, "clip gradients to this norm; not set, they are not clipped"
    )
    precision: str = _setting(
        "auto", _choice("auto", "fp32", "bf16"), "auto (bf16 on CUDA devices that have it), fp32 or bf16"
    )
    gradient_checkpointing: bool = _setting(False, _TRUTH, "less memory, one more forward pass")
    evaluate_every: int | None = _setting(
        None, _COUNT, "training rows between evaluations on dev; not set, one evaluation per epoch"
    )
    checkpoint_minutes: float = _setting(10.0, _NOT_NEGATIVE, "minutes between saved states")
    select_on: str = _setting(
        "en", _no_check, "dev rows whose accuracy chooses the weights: a language, or all"
    )
    seed: int = _setting(0, partial(check_int, minimum=0), "seed of the new head, order of rows and dropout")
    save_dtype: str = _setting("float32", _choice(*_DTYPES), "precision of the saved weights")
    progress: bool = _setting(True, _TRUTH, "show a progress bar")

    def __post_init__(self) -> None:
        for name, setting in described_settings().items():
            value = getattr(self, name)
            if value is not None or setting.default is not None:
                setting.metadata["check"](name, value)

    def settings(self) -> dict[str, Any]:
        """The settings that the weights depend on, apart from model and data, as values
        that JSON has."""
        codes = [self.languages] if isinstance(self.languages, str) else self.languages
        names = [name for name in described_settings() if name not in ("checkpoint_minutes", "progress")]
        values = {name: getattr(self, name) for name in names}
        return {"languages": None if codes is None else list(codes), **values}


def described_settings() -> dict[str, Any]:
    """The fields of TrainingConfig that have a default and a `help` text, by name."""
    return {setting.name: setting for setting in fields(TrainingConfig) if "help" in setting.metadata}


TrainingConfig.__doc__ = f"{TrainingConfig.__doc__}\n" + "\n".join(
    f"    {name} : {setting.metadata['help']}." for name, setting in described_settings().items()
)
