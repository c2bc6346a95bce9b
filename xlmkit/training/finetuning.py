"""Fine-tuning from beginning to end: everything that can be refused is refused first, then it is trained, judged and written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator

from xlmkit.checkpoint import NLIModel
from xlmkit.checkpoint.source import locate
from xlmkit.checkpoint.starting import start
from xlmkit.notices import say
from xlmkit.pairs import sentence_columns
from xlmkit.training import data, judging, result, states
from xlmkit.training.config import COLLAPSES, FULL_SIZE, TrainingConfig
from xlmkit.training.energy import check_country
from xlmkit.training.estimate import estimate, is_half
from xlmkit.training.loop import Training
from xlmkit.training.result import Finetuned


def finetune(config: TrainingConfig) -> Finetuned:
    """Train a classifier of pairs or single texts, or go on with a run that was stopped.

    Killed at any moment, the same call goes on from the last state in `config.out`, and on a CPU (with as many threads) ends with the
    very weights of an undisturbed run. A run that is finished is not repeated. Under `torchrun` or `accelerate launch` the rows of every step are
    shared among the processes.

    Returns
    -------
    The folder of the result, the history, accuracy by language, and the provenance.

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
    nli = start(config.model, labels, sentences=sentences, device=accelerator.device, seed=config.seed)
    made_of = result.identity(nli, config, processes=accelerator.num_processes)
    if accelerator.is_main_process:
        result.claim(folder, made_of)
    if result.is_finished(folder):
        states.remove(folder / "states")
        say(f"{str(folder)!r} is finished: nothing was trained; remedy: another `out` to train again")
        return result.read(folder)
    _warn(nli, config)
    for name, frame in (("train", train), ("dev", dev)):
        data.check_languages(nli, frame, name)
    result.check_disk(folder, nli, config.stored)
    learnt = data.encoded(nli, train, config, name="train", soft=True)
    judged = data.encoded(nli, dev, config, name="dev", soft=False)
    del train, dev
    judging.check_selection(judged, config.select_on)
    half = is_half(config, cuda=accelerator.device.type == "cuda")
    if accelerator.is_main_process:
        say(_estimate(nli, config, learnt, judged))
    training = Training(nli, learnt, judged, config, half=half, accelerator=accelerator)
    training.run()
    if accelerator.is_main_process:
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
        say(f"{nli.source!r} gets a new head for the labels {', '.join(nli.labels)}")
    if nli.network.config.emb_dim >= FULL_SIZE and config.learning_rate >= COLLAPSES:
        say(
            f"`learning_rate` {config.learning_rate!r} on a full-size checkpoint: 2.5e-5, which the authors' README names, ends at 33.3 % "
            "(XLM #199); 5e-6 is known to work"
        )


def _estimate(nli: NLIModel, config: TrainingConfig, train: data.Examples, dev: data.Examples) -> str:
    found = estimate(
        nli,
        config,
        tokens_per_row=float(train.lengths.mean()),
        rows=len(train),
        longest=int(train.lengths.max()),
        dev_rows=len(dev),
    )
    return found.text


def _finish(folder: Path, training: Training, made_of: dict[str, object]) -> None:
    """Write the best weights as the result, then remove the states."""
    nli, config, progress = training.nli, training.config, training.progress
    state = states.latest(training.root)
    best = None if state is None else states.best_weights(state)
    assert best is not None, "a run ends with an evaluation"
    nli.network.load_state_dict(best)
    found = judging.by_language(progress)
    figures = {
        "selected_step": progress.evaluations[progress.best or 0]["step"],
        "steps": progress.step,
        "rows": {
            "train": len(training.train),
            "dev": len(training.dev),
            "truncated": training.train.truncated,
        },
        "accuracy_by_language": json.loads(found.to_json(orient="records", double_precision=15)),
        "oracle": "the best accuracy of any evaluation in each language apart: looks at labelled data of that language, so no zero-shot figure",
        "energy": progress.energy,
        "hours": (progress.energy or {}).get("seconds", 0.0) / 3600,
        "resumed": progress.resumed,
    }
    content = result.kit_file(nli, config, made_of, figures)
    result.write(folder, nli, locate(config.model).folder, content, stored=config.stored)
    states.remove(training.root)
