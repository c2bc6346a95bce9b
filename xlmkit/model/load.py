"""A checkpoint becomes an `NLIModel`: network, pieces, labels by name, language ids, pair format and provenance.

Nothing is guessed: a head that was never trained, labels without names, tensors that are missing or do not fit are refused.
What XLM's checkpoints hold follows facebookresearch/XLM (Lample and Conneau 2019); that the published ones have no NLI head,
and that the usual path fills it with random numbers, is transformers #14558 and #2053, XLM #110, #199, #235 and #281."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from xlmkit import __version__
from xlmkit.model import config as settings
from xlmkit.model import device as hardware
from xlmkit.model import weights
from xlmkit.model.nli_model import CLASSIFIERS, NLIModel
from xlmkit.model.source import Place, locate
from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS
from xlmkit.tokenization import VERSION, BPETokenizer

TASKS = (*CLASSIFIERS, "mlm")


def load(
    source: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    task: str | None = None,
    allow_untrained: bool = False,
) -> NLIModel:
    """Load a checkpoint of XLM, ready for `predict` and `explain`.

    Parameters
    ----------
    source : None for the embedded model, a folder (config.json, model.safetensors, vocab.json, merges.txt,
        tokenizer_config.json and, from this kit, xlmkit.json), or a Hub name such as "FacebookAI/xlm-mlm-xnli15-1024".
    device : "auto" takes CUDA, then MPS, then the CPU; or "cpu", "mps", "cuda", "cuda:1".
    dtype : precision of predictions; "auto" takes bfloat16 where the hardware computes it natively, float32 elsewhere.
        Attributions are always computed in float32.
    task : "nli" for a classifier of pairs by NLI's three labels, "classification" for one by any other labels, "mlm" for the language
        model (fill-mask). None: what xlmkit.json records, and NLI where it records none.
    allow_untrained : load a checkpoint without a trained head all the same, with a random one (always the same); every
        prediction is then marked as untrained.

    Raises
    ------
    ValueError : if the checkpoint has no trained head, or is damaged, foreign, or contradicts itself; or an option is unknown.
    FileNotFoundError, NotADirectoryError : if there is no such folder or Hub name, or files are missing.
    ConnectionError : if the Hub cannot be reached and its cache does not have the checkpoint."""
    if task not in (None, *TASKS):
        raise ValueError(f"`task` must be None or one of {', '.join(map(repr, TASKS))}; got {task!r}")
    chosen_device, chosen_dtype = hardware.choose(device, dtype)
    place = locate(source)
    settings.check_files(place.folder, place.name)
    kit_file = settings.read_kit_file(place.folder)
    task = settings.choose_task(task, kit_file, place.name)
    classifier = task in CLASSIFIERS
    config = settings.read_config(place.folder, classifier=classifier)
    tokenizer = _read_tokenizer(place, config.vocab_size)
    files = weights.weight_files(place.folder, place.name)
    tensors = weights.read_tensors(files)
    trained = _check_head(tensors, place.name, task, allow_untrained)
    labels: tuple[str, ...] = ()
    if classifier:
        labels = settings.read_labels(config, kit_file, weights.head_rows(tensors), place.name, task)
        settings.name_labels(config, labels)
    if not trained:
        tensors |= weights.random_head(config)
    network = weights.build(config, tensors, task, place.name)
    languages = settings.read_languages(config, place.folder, place.name)
    return NLIModel(
        network=network.to(chosen_device),
        tokenizer=tokenizer,
        labels=labels,
        lang2id=languages,
        pair_format=settings.pair_format(kit_file, place.name) if classifier else "xlm",
        lowercase=settings.read_lowercase(place.folder, place.name),
        task=task,
        device=chosen_device,
        dtype=chosen_dtype,
        trained=trained,
        source=place.name,
        provenance=_provenance(place, files, kit_file, task, labels, trained),
        sentences=2 if task == "nli" else (kit_file or {}).get("sentences"),
    )


def start(
    source: str | os.PathLike[str] | None,
    labels: Sequence[str],
    *,
    sentences: int,
    device: torch.device,
    seed: int,
) -> NLIModel:
    """A checkpoint as training starts from it: its body, and its head where that tells these labels apart, else a new one.

    Parameters
    ----------
    source : as `load` takes it; a checkpoint without a head is as good as one with it.
    labels : names; a trained head for the same names, in any order, is kept with its order.
    sentences : 2 for pairs, 1 for single texts.
    seed : of a new head, which is drawn as transformers draws it.

    Returns
    -------
    A model in float32 on `device`; `trained` says whether the head is the checkpoint's own.

    Raises
    ------
    ValueError, FileNotFoundError, NotADirectoryError, ConnectionError : as `load`, but for a head that is not there."""
    place = locate(source)
    settings.check_files(place.folder, place.name)
    kit_file = settings.read_kit_file(place.folder)
    config = settings.read_config(place.folder, classifier=True)
    tokenizer = _read_tokenizer(place, config.vocab_size)
    files = weights.weight_files(place.folder, place.name)
    tensors = weights.read_tensors(files)
    task = "nli" if sentences == 2 and sorted(labels) == sorted(LABELS) else "classification"
    own: tuple[str, ...] = ()
    if weights.has_head(tensors, task) and settings.choose_task(None, kit_file, place.name) == task:
        own = settings.read_labels(config, kit_file, weights.head_rows(tensors), place.name, task)
    trained = sorted(own) == sorted(labels)
    names = own if trained else tuple(labels)
    settings.name_labels(config, names)
    if not trained:
        tensors |= weights.random_head(config, seed=seed)
    network = weights.build(config, tensors, task, place.name)
    return NLIModel(
        network=network.to(device),
        tokenizer=tokenizer,
        labels=names,
        lang2id=settings.read_languages(config, place.folder, place.name),
        pair_format=settings.pair_format(kit_file, place.name)
        if trained
        else (kit_file or {}).get("pair_format", "xlm"),
        lowercase=settings.read_lowercase(place.folder, place.name),
        task=task,
        device=device,
        dtype=torch.float32,
        trained=trained,
        source=place.name,
        provenance=_provenance(place, files, kit_file, task, names, trained),
        sentences=sentences,
    )


def _read_tokenizer(place: Place, expected: int) -> BPETokenizer:
    tokenizer = BPETokenizer.read(place.folder)
    if len(tokenizer) != expected:
        raise ValueError(
            f"the vocabulary of {place.name!r} does not fit its network: expected {expected} tokens (`vocab_size` in config.json), got "
            f"{len(tokenizer)} in vocab.json; remedy: take vocab.json, merges.txt and config.json from the same checkpoint"
        )
    return tokenizer


def _check_head(tensors: dict[str, torch.Tensor], name: str, task: str, allow_untrained: bool) -> bool:
    """Whether the head of `task` was trained; a missing one is refused, or for a classifier said where it is allowed."""
    if weights.has_head(tensors, task):
        return True
    missing = " and ".join(map(repr, weights.HEADS[task]))
    if task == "mlm":
        raise ValueError(
            f"{name!r} is no language model: expected the tensors {missing}, got none of them (fine-tuning drops them); remedy: load "
            "the checkpoint from before fine-tuning, or `task='nli'`"
        )
    kind = "NLI" if task == "nli" else "classification"
    if not allow_untrained:
        raise ValueError(
            f"{name!r} has no trained {kind} head: expected the tensors {missing}, got none of them, so every label would be chance; remedy: "
            f"train one with `xlmkit finetune --model {shlex.quote(name)} --train FILE --dev FILE --out FOLDER` and load FOLDER, or pass "
            "`allow_untrained=True` to see what a random head does, or `task='mlm'` for the language model"
        )
    warn_once(
        f"{name!r} has no trained {kind} head; it was given a random one as asked, so its labels mean nothing"
    )
    return False


def _provenance(
    place: Place,
    files: list[Path],
    kit_file: dict[str, Any] | None,
    task: str,
    labels: tuple[str, ...],
    trained: bool,
) -> dict[str, Any]:
    """What a result must carry so that it can be computed again; plain values that JSON can hold."""
    return {
        "source": place.name,
        "revision": place.revision,
        "weights": [file.name for file in files],
        "weights_sha256": weights.sha256(files),
        "task": task,
        "labels": list(labels),
        "trained": trained,
        "xlmkit": __version__,
        "preprocessing": VERSION,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "xlmkit_json": kit_file,
    }
