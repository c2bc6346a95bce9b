"""What the tests of training share: rows that a tiny model can learn, settings that take a second, and runs in processes that can be killed."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import multiprocessing
import os
from pathlib import Path

import pandas as pd

PROCESSES = multiprocessing.get_context(
    "forkserver"
)  # forks a process that has imported torch and computed nothing
PROCESSES.set_forkserver_preload(["xlmkit.training.finetuning"])

WORDS = {
    "en": (
        ("dog", "cat", "man", "book"),
        ("sleeps", "eats", "is red", "rains"),
        "the {} {}",
        "the {} {} not",
    ),
    "fr": (
        ("chien", "chat", "homme", "livre"),
        ("dort", "est rouge", "pleut", "mange"),
        "le {} {}",
        "le {} {} pas",
    ),
}


def pairs(language: str, count: int, *, skip: int = 0) -> pd.DataFrame:
    """Rows whose label stands on their face: the same sentence, its negation, or one about something else."""
    nouns, verbs, plain, negated = WORDS[language]
    rows = []
    for noun, verb, other in itertools.product(nouns, verbs, nouns):
        premise = plain.format(noun, verb) + " and " + other
        rows.append((premise, plain.format(noun, verb), "entailment"))
        rows.append((premise, negated.format(noun, verb), "contradiction"))
        rows.append((premise, plain.format(other, "no one"), "neutral"))
    chosen = rows[skip : skip + count]
    frame = pd.DataFrame(chosen, columns=["premise", "hypothesis", "gold"])
    frame.insert(0, "language", language)
    return frame


def texts(language: str, count: int, *, skip: int = 0) -> pd.DataFrame:
    """Single texts with a topic that one word tells."""
    nouns, verbs, plain, _ = WORDS[language]
    drawn = itertools.product(verbs, nouns, zip(nouns, WORDS["en"][0], strict=True))
    rows = [
        (f"{plain.format(noun, verb)} and {other}", f"topic of {topic}")
        for verb, other, (noun, topic) in drawn
    ]
    frame = pd.DataFrame(rows[skip : skip + count], columns=["text", "gold"])
    frame.insert(0, "language", language)
    return frame


def settings(model: Path, out: Path, /, **options: object) -> dict[str, object]:
    """Of a run of 12 steps, with an evaluation every 4."""
    dev = pd.concat([pairs("en", 12, skip=48), pairs("fr", 9, skip=48)], ignore_index=True)
    usual = {
        "model": model,
        "train": pairs("en", 48),
        "dev": dev,
        "out": out,
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 8,
        "num_train_epochs": 2.0,
        "evaluate_every": 32,
        "max_length": 64,
        "progress": False,
    }
    return usual | options


def unmetered():
    """`finetune` without codecarbon, without an estimate and without a picture, which take most of a second each."""
    from unittest import mock

    from xlmkit.training import finetuning, loop
    from xlmkit.training.cost import Meter

    stack = contextlib.ExitStack()
    stack.enter_context(
        mock.patch.object(loop, "Meter", lambda country, enabled: Meter(country=country, enabled=False))
    )
    stack.enter_context(mock.patch.object(finetuning, "estimate", return_value="no estimate"))
    stack.enter_context(mock.patch.object(finetuning, "learning_curve", return_value="no curve"))
    return stack


def in_process(options: dict[str, object], *, environment: dict[str, str] | None = None):
    """A started process that runs `finetune(TrainingConfig(**options))`."""
    process = PROCESSES.Process(target=_run, args=(options, environment or {}))
    process.start()
    return process


def _run(options: dict[str, object], environment: dict[str, str]) -> None:
    import torch

    from xlmkit.training import TrainingConfig, finetune

    os.environ.update(environment)
    torch.set_num_threads(1)
    with unmetered():
        finetune(TrainingConfig(**options))


def weights(out: Path) -> str:
    """The sha256 of a result's weights."""
    return hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()


def log(out: Path) -> list[dict[str, object]]:
    """The lines of the log but for the clock."""
    lines = (out / "log.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]
