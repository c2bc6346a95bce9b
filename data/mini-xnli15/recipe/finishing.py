"""The last stage: the kit's own fine-tuning, on training rows in mixed languages, with the teacher's probabilities next to the labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from recipe import encoder, networks, versions, views
from recipe.encoder import Encoder
from recipe.inputs import DEV, Inputs
from recipe.networks import LABELS
from recipe.versions import Pair
from xlmkit import forward
from xlmkit.pairs import read_pairs
from xlmkit.training import Finetuned, TrainingConfig, finetune

BATCH = 64  # pairs that the teacher answers at once
NEUTRAL = np.eye(len(LABELS))[LABELS.index("neutral")]


@dataclass(frozen=True)
class Plan:
    """Settings of `finetune`, named as in `TrainingConfig`, and what it sees, each once.

    Attributes
    ----------
    rows, unrelated : training pairs, and pairs of `versions.unrelated`. More of these make the model call unrelated sentences neutral in every
        language, and others too: 2,000 next to 6,000 at twice the rate cost 2 points of accuracy.
    seeds : the first makes the model, the others say how much chance matters."""

    rows: int = 8_000
    unrelated: int = 1_000
    batch: int = 64
    rate: float = 1e-5
    warmup: float = 0.05
    smoothing: float = 0.05
    soft_targets: float = 0.5
    seeds: tuple[int, ...] = (0, 1)


def finish(
    folder: Path,
    teacher: Encoder,
    inputs: Inputs,
    data: Path,
    work: Path,
    *,
    plan: Plan,
    seed: int,
    progress: bool,
) -> list[Finetuned]:
    """Fine-tune the model in `folder` once a seed, into work/finished-N; English dev chooses the weights."""
    rows = list(islice(versions.labelled(inputs, np.random.default_rng(seed + 1)), plan.rows))
    answers = np.concatenate(
        [_answers(teacher, rows, progress=progress), np.tile(NEUTRAL, (plan.unrelated, 1))]
    )
    rows += islice(versions.unrelated(inputs, np.random.default_rng(seed + 2)), plan.unrelated)
    frame = pd.DataFrame(
        {
            "premise": [row.premise for row in rows],
            "hypothesis": [row.hypothesis for row in rows],
            "premise_language": [row.premise_language for row in rows],
            "hypothesis_language": [row.hypothesis_language for row in rows],
            "gold": [LABELS[row.label] for row in rows],
        }
    )
    frame[[f"p_{label}" for label in LABELS]] = answers
    return [
        finetune(
            TrainingConfig(
                model=folder,
                train=frame,
                dev=read_pairs(data / DEV, languages="en"),
                out=work / f"finished-{number}",
                learning_rate=plan.rate,
                per_device_train_batch_size=plan.batch,
                num_train_epochs=1.0,
                lr_scheduler_type="linear",
                warmup_steps=plan.warmup,
                label_smoothing_factor=plan.smoothing,
                soft_targets=plan.soft_targets,
                max_grad_norm=1.0,
                max_length=views.MAX_TOKENS,
                precision="bf16" if networks.precision() == torch.bfloat16 else "fp32",
                weight_decay=0.01,
                seed=number,
                progress=progress,
            )
        )
        for number in plan.seeds
    ]


@torch.no_grad()
def _answers(teacher: Encoder, rows: list[Pair], *, progress: bool) -> np.ndarray:
    """(N, labels) probabilities."""
    order = np.argsort([len(row.premise) + len(row.hypothesis) for row in rows])
    network = teacher.network.to(networks.precision())
    found = np.zeros((len(rows), len(LABELS)))
    parts = np.array_split(order, -(-len(order) // BATCH))
    for part in tqdm(parts, desc="teacher's answers", unit="batch", disable=not progress):
        ids = [
            views.teacher_ids(
                *(teacher.tokenizer.encode(text).ids for text in (rows[row].premise, rows[row].hypothesis))
            )
            for row in part
        ]
        input_ids = views.padded(ids, encoder.PAD)  # (B, S)
        mask = views.padded([[1] * len(row) for row in ids], 0)
        logits = forward.training_logits(network, input_ids, torch.zeros_like(input_ids), mask, dropout=0.0)
        found[part] = logits.softmax(1).numpy()
    return found
