"""`xlmkit finetune`: every field of TrainingConfig as an option."""

from __future__ import annotations

import argparse
from typing import Any

from xlmkit.cli.command import Command
from xlmkit.cli.options import codes, positive
from xlmkit.cli.speaking import progress, speaks

# The options of `finetune`, by the fields of TrainingConfig: type, and what the help says. What is left out keeps the default of the field.
TRAINING: dict[str, tuple[Any, str]] = {
    "learning_rate": (float, "of Adam (default: 5e-6, which suits the published checkpoints)"),
    "batch_size": (int, "rows computed at once (default: 16)"),
    "accumulation": (int, "batches in a step (default: 1)"),
    "epochs": (float, "passes over the training rows (default: 3)"),
    "schedule": (str, "constant (default) or linear, down to zero"),
    "warmup": (float, "share of the steps in which the rate rises (default: 0)"),
    "dropout": (float, "probability (default: 0.1)"),
    "max_length": (int, "of the longest input; longer ones are cut (default: 256)"),
    "weight_decay": (float, "of AdamW (default: 0)"),
    "label_smoothing": (float, "share of weight spread over all labels (default: 0)"),
    "soft_targets": (
        float,
        "weight of the columns p_<label> of the training rows against the label (default: 0)",
    ),
    "max_gradient_norm": (float, "shorten longer gradients to this (default: never)"),
    "precision": (str, "auto (default: bf16 on CUDA that has it), fp32 or bf16"),
    "evaluate_every": (int, "training rows between evaluations (default: once an epoch)"),
    "checkpoint_minutes": (float, "between saved states (default: 10)"),
    "select_on": (str, "dev rows that choose the weights: a language (default: en) or all"),
    "seed": (int, "of head, order and dropout (default: 0)"),
    "stored": (str, "precision of the weights in the result: float32 (default), float16, bfloat16"),
    "country": (str, "whose electricity is counted, ISO 3166-1 alpha-3 (default: WLD, the world)"),
}


def _options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("model and data")
    group.add_argument("--model", required=True, metavar="FOLDER|NAME", help="with a head or without one")
    for name in ("train", "dev"):
        group.add_argument(
            f"--{name}",
            required=True,
            nargs="+",
            metavar="FILE",
            help="labelled: .tsv, .csv, .jsonl or .parquet files, or `xnli/dev`",
        )
    group.add_argument(
        "--out", required=True, metavar="FOLDER", help="of the result; new, or of a run to go on with"
    )
    group.add_argument(
        "--languages", type=codes, metavar="CODES", help="keep only these training rows, as in `en,fr`"
    )
    group.add_argument(
        "--seeds", type=positive, metavar="N", help="N runs, in OUT/seed-0 ...: mean and deviation"
    )
    group = command.add_argument_group("training")
    for name, (kind, about) in TRAINING.items():
        flag = f"--{name.replace('_', '-')}"
        group.add_argument(flag, type=kind, metavar="X", default=argparse.SUPPRESS, help=about)
    group.add_argument("--gradient-checkpointing", action="store_true", help="less memory, a third more time")


def _run(chosen: argparse.Namespace) -> int:
    from xlmkit import training

    config = training.TrainingConfig(
        model=chosen.model,
        train=chosen.train,
        dev=chosen.dev,
        out=chosen.out,
        languages=chosen.languages,
        gradient_checkpointing=chosen.gradient_checkpointing,
        progress=progress(chosen),
        **{name: getattr(chosen, name) for name in TRAINING if name in chosen},
    )
    if chosen.seeds is None:
        found = training.finetune(config).by_language
    else:
        found = training.finetune_seeds(config, range(chosen.seeds))
    if speaks():
        print(found.to_string(index=False, float_format="{:.3f}".format))
    return 0


FINETUNE = Command(
    "finetune",
    "train a head and the network under it; the same command goes on after a stop",
    """
  xlmkit finetune --model FacebookAI/xlm-mlm-tlm-xnli15-1024 --train multinli.train.en.tsv --languages en --dev xnli/dev --out my-model
  xlmkit finetune --model my-model --train topics.train.jsonl --dev topics.dev.jsonl --out topics --learning-rate 1e-5 --seeds 3
  torchrun --nproc-per-node 4 -m xlmkit finetune --model my-model --train pairs.tsv --dev xnli/dev --out more --batch-size 4""",
    _options,
    _run,
)
