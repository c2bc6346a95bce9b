"""Fine-tuning from start to end: refuse what can be refused, train, select, and write the
result."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator

from xlmkit.model import NLIModel, init_for_training
from xlmkit.model.source import locate
from xlmkit.notices import warn_once
from xlmkit.pairs import sentence_columns
from xlmkit.results import check_run_folder, claim_run_folder
from xlmkit.training import TrainingConfig, data, run_folder
from xlmkit.training.cost import WORLD, check_country, format_bytes
from xlmkit.training.loop import Diverged, Training, accuracy_table
from xlmkit.training.run_folder import Finetuned, history

COLLAPSES = 2.5e-5  # the learning rate of the authors' README, at which full-size checkpoints end at 33.3 % (XLM issue 199)
FULL_SIZE = 1024  # the width of the published checkpoints


def finetune(config: TrainingConfig, *, country: str = WORLD) -> Finetuned:
    """Train a classifier of pairs or single texts, or resume a run that was stopped.

    Killed at any moment, the same call resumes from the last state in `config.out` and, on a CPU
    with as many threads, ends with the same weights as an undisturbed run. A finished run is not
    repeated. Under `torchrun` or `accelerate launch` the processes share the rows of every step.
    (Without MPI `accelerate launch --cpu` starts only one process.)

    Parameters
    ----------
    country : ISO 3166-1 alpha-3 code of the country whose electricity is used; "WLD" for the
        world's average.

    Returns
    -------
    The folder of the result (also with `log.jsonl` and the learning curve `curve.svg`), the
    history, accuracy by language, and the provenance.

    Raises
    ------
    ValueError : if settings, data and model do not fit together, before anything is trained; or if
        the loss is no longer a finite number.
    OSError : if `config.out` cannot be written, or its disk is too full.
    MemoryError : if a batch does not fit; the message names the settings to change."""
    folder = Path(config.out)
    check_country(country)
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    accelerator = Accelerator(cpu=not gpu, mixed_precision="no")  # the loop sets the precision
    if accelerator.is_main_process:
        check_run_folder(folder, run_folder.RUN)
    train, dev, labels = data.read_rows(config)
    sentences = len(sentence_columns(train))
    nli = init_for_training(
        config.model, labels, sentences=sentences, device=accelerator.device, seed=config.seed
    )
    data.check_languages(nli, train, dev, config.select_on)
    made_of = run_folder.identity(nli, config, processes=accelerator.num_processes)
    claim = claim_run_folder(folder, run_folder.RUN, made_of)
    with claim if accelerator.is_main_process else nullcontext():
        if run_folder.is_finished(folder):
            run_folder.remove_states(folder)
            warn_once(
                f"the run in {os.fspath(folder)!r} is finished, so nothing was trained. Name another `out` to train again."
            )
            return run_folder.read_result(folder)
        warn_about(nli, config)
        run_folder.check_disk(folder, nli)
        learned = data.encode_rows(nli, train, config, name="train")
        evaluated = data.encode_rows(nli, dev, config, name="dev")
        del train, dev
        training = Training(nli, learned, evaluated, config, accelerator)
        if training.progress.step == 0:
            warn_once(estimate(training))
        try:
            training.run(country=country)
        except Diverged as error:
            last_good, step = folder / "last-good", training.progress.best_step
            _write(training, made_of, last_good, stopped=str(error))
            kept = f"The best weights, after step {step}, are kept in {os.fspath(last_good)!r}."
            raise ValueError(f"{error}. {kept}") from error
        _write(training, made_of, folder)
        accelerator.wait_for_everyone()  # until it is written
        run_folder.remove_states(folder)
    return run_folder.read_result(folder)


def finetune_seeds(config: TrainingConfig, seeds: Sequence[int], *, country: str = WORLD) -> pd.DataFrame:
    """Repeat a run with several seeds, each in its folder `seed-N` under `config.out`.

    Returns
    -------
    One row per language, then "all": `language`, `n`, `seeds`, `mean` and `sd` (over seeds, with n
    - 1) of dev accuracy in [0, 1], and `oracle_mean`, `oracle_sd` of the oracle's.

    Raises
    ------
    ValueError : if a seed is given twice, or none; and as `finetune`."""
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"`seeds` must be one or more different integers; got {list(seeds)!r}.")
    configs = [replace(config, seed=seed, out=Path(config.out) / f"seed-{seed}") for seed in seeds]
    frame = pd.concat([finetune(each, country=country).by_language for each in configs], ignore_index=True)
    return (
        frame.groupby("language", sort=False)
        .agg(
            n=("n", "first"),
            seeds=("n", "size"),
            mean=("accuracy", "mean"),
            sd=("accuracy", "std"),
            oracle_mean=("oracle", "mean"),
            oracle_sd=("oracle", "std"),
        )
        .reset_index()
    )


def warn_about(nli: NLIModel, config: TrainingConfig) -> None:
    """Warn about what is allowed but rarely meant."""
    if not nli.trained:
        warn_once(f"{nli.source!r} gets a new head for the labels {', '.join(map(repr, nli.labels))}")
    if nli.network.config.emb_dim >= FULL_SIZE and config.learning_rate >= COLLAPSES:
        warn_once(
            f"`learning_rate` {config.learning_rate!r} on a full-size checkpoint: 2.5e-5, which the authors' README "
            "names, ends at 33.3 % (XLM issue 199). 5e-6 is known to work."
        )


def estimate(training: Training) -> str:
    """What a run will take, from a few batches that are tried, and how many rows are truncated."""
    memory, seconds = training.try_batches()
    train, dev, config = training.train, training.dev, training.config
    evaluations = max(1, round(len(train) * config.num_train_epochs / (config.evaluate_every or len(train))))
    # An evaluation computes no gradients: a third of the work.
    dev_rows = evaluations * len(dev) / training.accelerator.num_processes
    batches = (
        training.steps * config.gradient_accumulation_steps
        + dev_rows / config.per_device_train_batch_size / 3
    )
    duration = timedelta(seconds=max(1, round(seconds * batches)))
    text = (
        f"training takes about {format_bytes(memory)} of memory and {duration} (hours:minutes:seconds) for "
        f"{training.steps:,} steps, measured with a few batches on this machine."
    )
    if train.n_truncated:
        text += f" {train.n_truncated} of {len(train)} training rows are longer than {config.max_length} tokens and are truncated."
    return text


def learning_curve(folder: Path) -> str:
    """The learning curve of the run in this folder, as an SVG document."""
    from xlmkit import plots  # with matplotlib and seaborn, which take a second to load

    return plots.svg(plots.learning_curve(history(folder)))


def _write(training: Training, made_of: Mapping[str, Any], folder: Path, **more: str) -> None:
    """Write the best weights so far, or the last before the first evaluation, into a folder."""
    config, progress, table = training.config, training.progress, None
    if progress.best is not None:
        table = accuracy_table(progress, training.take_best())
    training.accelerator.wait_for_everyone()  # all have read the states, which may be removed now
    if not training.accelerator.is_main_process:
        return
    rows = {"train": len(training.train), "dev": len(training.dev), "truncated": training.train.n_truncated}
    provenance = run_folder.provenance(training.nli, config, made_of, progress, table)
    run_folder.write_result(
        folder,
        training.nli,
        locate(config.model).folder,
        provenance | {"rows": rows} | more,
        dtype=getattr(torch, config.save_dtype),
        curve=learning_curve(folder) if folder == training.folder else None,
    )
