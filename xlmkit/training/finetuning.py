"""Fine-tuning from beginning to end: everything that can be refused is refused first, then it is trained, judged and written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator

from xlmkit.model import NLIModel, init_for_training
from xlmkit.model.source import locate
from xlmkit.notices import warn_once
from xlmkit.pairs import sentence_columns
from xlmkit.training import data, judging, result, states
from xlmkit.training.config import COLLAPSES, FULL_SIZE, TrainingConfig
from xlmkit.training.energy import check_country
from xlmkit.training.estimate import estimate
from xlmkit.training.events import history
from xlmkit.training.loop import STATES, Diverged, Training
from xlmkit.training.result import Finetuned


def finetune(config: TrainingConfig) -> Finetuned:
    """Train a classifier of pairs or single texts, or go on with a run that was stopped.

    Killed at any moment, the same call goes on from the last state in `config.out`, and on a CPU (with as many threads) ends with the
    very weights of an undisturbed run. A run that is finished is not repeated. Under `torchrun` or `accelerate launch` the rows of every step are
    shared among the processes (`accelerate launch --cpu` starts but one, whatever it is asked for, where there is no MPI).

    Returns
    -------
    The folder of the result (with `log.jsonl` and the learning curve, `curve.svg`), the history, accuracy by language, and the provenance.

    Raises
    ------
    ValueError : if settings, data and model do not go together, before anything is trained; or if the loss is no longer a number.
    OSError : if `config.out` cannot be written, or is too small.
    MemoryError : if a batch does not fit; it names the settings to change."""
    folder = Path(config.out)
    check_country(config.country)
    accelerator = _accelerator()
    if accelerator.is_main_process:
        result.check_folder(folder)
    train, dev, labels = data.read(config)
    sentences = len(sentence_columns(train))
    nli = init_for_training(config.model, labels, sentences=sentences, device=accelerator.device, seed=config.seed)
    made_of = result.identity(nli, config, processes=accelerator.num_processes)
    result.compare(folder, made_of)
    if result.is_finished(folder):
        states.remove(folder / STATES)
        warn_once(
            f"{os.fspath(folder)!r} is finished, so nothing was trained; remedy: another `out` to train again"
        )
        return result.read(folder)
    _warn(nli, config)
    data.check_languages(nli, train, "train")
    data.check_languages(nli, dev, "dev")
    data.check_selection(dev, config.select_on)
    result.check_disk(folder, nli, config.stored)
    learnt = data.encoded(nli, train, config, name="train")
    judged = data.encoded(nli, dev, config, name="dev")
    del train, dev
    if accelerator.is_main_process:
        warn_once(_estimate(nli, config, learnt, judged, accelerator.num_processes))
    with result.claim(folder, made_of) if accelerator.is_main_process else nullcontext():
        training = Training(nli, learnt, judged, config, accelerator=accelerator)
        try:
            training.run()
        except Diverged as error:
            raise ValueError(_kept(folder, training, made_of, error)) from error
        _finish(folder, training, made_of)
        accelerator.wait_for_everyone()
    return result.read(folder)


def finetune_seeds(config: TrainingConfig, seeds: Sequence[int]) -> pd.DataFrame:
    """Repeat a run with several seeds, each in its folder `seed-N` under `config.out`.

    Returns
    -------
    One row a language, then "all": `language`, `n`, `seeds`, `mean` and `sd` (over seeds, with n - 1) of dev accuracy in [0, 1], and
    `oracle_mean`, `oracle_sd` of the oracle's."""
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"`seeds` must be one or more different numbers; got {list(seeds)!r}")
    runs = [finetune(replace(config, seed=seed, out=Path(config.out) / f"seed-{seed}")) for seed in seeds]
    frame = pd.concat([run.by_language for run in runs], ignore_index=True)
    groups = frame.groupby("language", sort=False)
    return pd.DataFrame(
        {
            "n": groups["n"].first(),
            "seeds": groups.size(),
            "mean": groups["accuracy"].mean(),
            "sd": groups["accuracy"].std(),
            "oracle_mean": groups["oracle"].mean(),
            "oracle_sd": groups["oracle"].std(),
        }
    ).reset_index()


def _accelerator() -> Accelerator:
    """CUDA or MPS where there is one, else the CPU; precision is the loop's own affair."""
    elsewhere = torch.cuda.is_available() or torch.backends.mps.is_available()
    return Accelerator(cpu=not elsewhere, mixed_precision="no")


def _warn(nli: NLIModel, config: TrainingConfig) -> None:
    """Say what is allowed and seldom meant."""
    if not nli.trained:
        warn_once(f"{nli.source!r} gets a new head for the labels {', '.join(map(repr, nli.labels))}")
    if nli.network.config.emb_dim >= FULL_SIZE and config.learning_rate >= COLLAPSES:
        warn_once(
            f"`learning_rate` {config.learning_rate!r} on a full-size checkpoint: 2.5e-5, which the authors' README names, ends at 33.3 % "
            "(XLM #199); 5e-6 is known to work"
        )


def _estimate(
    nli: NLIModel, config: TrainingConfig, train: data.Examples, dev: data.Examples, processes: int
) -> str:
    """What the run will take, and how many rows are cut."""
    found = estimate(
        nli,
        config,
        tokens_per_row=float(train.lengths.mean()),
        rows=math.ceil(len(train) / processes),
        longest=train.longest,
        dev_rows=math.ceil(len(dev) / processes),
    )
    cut = f" {train.truncated} of {len(train)} training rows are longer than {config.max_length} tokens and are cut."
    return found.text + (cut if train.truncated else "")


def _finish(folder: Path, training: Training, made_of: Mapping[str, Any]) -> None:
    """Write the best weights as the result, then remove the states."""
    config, counts = training.config, training.take_best()
    training.accelerator.wait_for_everyone()  # all have read the state that is removed
    content = _content(training, made_of, judging.by_language(training.progress, counts))
    if training.accelerator.is_main_process:
        source = locate(config.model).folder
        result.write(folder, training.nli, source, content, stored=config.stored, curve=_curve(folder))
        states.remove(training.root)


def _curve(folder: Path) -> str:
    """The learning curve of the run in this folder, as an SVG document."""
    from xlmkit import plots  # slow to load, and wanted once

    return plots.svg(plots.learning_curve(history(folder)))


def _kept(folder: Path, training: Training, made_of: Mapping[str, Any], error: Diverged) -> str:
    """Write the last good weights into a folder of their own, and say so."""
    progress, kept = training.progress, folder / "last-good"
    found = None
    what = f"the weights after step {progress.step}"
    if progress.best is not None:
        found = judging.by_language(progress, training.take_best())
        best = progress.evaluations[progress.best]
        what = f"the best weights so far (step {best['step']}, dev {training.config.select_on} {100 * best['accuracy']:.1f} %)"
    if training.accelerator.is_main_process:
        content = _content(training, made_of, found) | {"stopped": str(error)}
        source = locate(training.config.model).folder
        result.write(kept, training.nli, source, content, stored=training.config.stored)
    return f"{error}; {what} are kept in {os.fspath(kept)!r}"


def _content(training: Training, made_of: Mapping[str, Any], found: pd.DataFrame | None) -> dict[str, Any]:
    """The content of `xlmkit.json`."""
    progress = training.progress
    figures = {
        "selected_step": progress.step
        if progress.best is None
        else progress.evaluations[progress.best]["step"],
        "steps": progress.step,
        "rows": {
            "train": len(training.train),
            "dev": len(training.dev),
            "truncated": training.train.truncated,
        },
        "accuracy_by_language": None
        if found is None
        else json.loads(found.to_json(orient="records", double_precision=15)),
        "oracle": "the best accuracy of any evaluation in each language apart: it looks at labelled data of that language, so it is no "
        "zero-shot figure",
        "energy": progress.energy,
        "hours": (progress.energy or {}).get("seconds", 0.0) / 3600,
        "hardware": (progress.energy or {}).get("hardware"),
        "resumed": progress.resumed,
    }
    return result.kit_file(training.nli, training.config, made_of, figures)
