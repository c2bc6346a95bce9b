"""A checkpoint becomes an `NLIModel`: network, tokenizer, labels by name, language ids, pair format
and provenance.

Nothing is guessed: a head that was never trained, labels without names, tensors that are missing or
do not fit are refused. What XLM's checkpoints contain follows facebookresearch/XLM (Lample and
Conneau 2019); that the published ones have no NLI head, and that the default transformers pipeline
fills it with random numbers, is transformers #14558 and #2053, XLM #110, #199, #235 and #281."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import XLMConfig

from xlmkit import __version__
from xlmkit.checks import check_choice
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
    source : None for the bundled model, a folder (config.json, model.safetensors, vocab.json,
        merges.txt, tokenizer_config.json and, from this kit, xlmkit.json), or a Hub name such as
        "FacebookAI/xlm-mlm-xnli15-1024".
    device : "auto" takes CUDA, then MPS, then the CPU; or "cpu", "mps", "cuda", "cuda:1".
    dtype : precision of predictions; "auto" takes bfloat16 where the hardware computes it natively,
        float32 elsewhere. Attributions are always computed in float32.
    task : "nli" for a classifier of pairs by NLI's three labels, "classification" for one by any
        other labels, "mlm" for the language model (fill-mask). None: what xlmkit.json records, and
        NLI where it records none.
    allow_untrained : load a checkpoint without a trained head anyway, with a random one (always the
        same); every prediction is then marked as untrained.

    Returns
    -------
    The model, in evaluation mode.

    Raises
    ------
    ValueError : if the checkpoint has no trained head, or is damaged, of another kind, or
        contradicts itself; or an option is unknown.
    FileNotFoundError, NotADirectoryError : if there is no such folder or Hub name, or files are
        missing.
    ConnectionError : if the Hub cannot be reached and its cache does not have the checkpoint."""
    check_choice("task", task, (None, *TASKS))
    chosen_device, chosen_dtype = hardware.choose(device, dtype)
    place = locate(source)
    kit_file = settings.read_folder(place)
    task = settings.choose_task(task, kit_file, place.name)
    classifier = task in CLASSIFIERS
    parts = _Parts.read(place, kit_file, classifier=classifier)
    trained = _check_head(parts.tensors, place.name, task, allow_untrained)
    return parts.model(
        task,
        parts.labels(task) if classifier else (),
        trained=trained,
        device=chosen_device,
        dtype=chosen_dtype,
        pair_format=settings.pair_format(kit_file, place.name) if classifier else "xlm",
        sentences=2 if task == "nli" else (kit_file or {}).get("sentences"),
    )


def init_for_training(
    source: str | os.PathLike[str] | None,
    labels: Sequence[str],
    *,
    sentences: int,
    device: torch.device,
    seed: int,
) -> NLIModel:
    """Initialise a model for training: a checkpoint's body, and its head if that is for these
    labels, else a new one.

    Parameters
    ----------
    source : as in `load`; a checkpoint without a head will do.
    labels : names; a trained head for the same names, in any order, is kept with its order.
    sentences : 2 for pairs, 1 for single texts.
    seed : of a new head, which is drawn as transformers draws it.

    Returns
    -------
    A model in float32 on `device`; `trained` says whether the head is the checkpoint's own.

    Raises
    ------
    ValueError, FileNotFoundError, NotADirectoryError, ConnectionError : as in `load`, except for a
        missing head."""
    place = locate(source)
    kit_file = settings.read_folder(place)
    parts = _Parts.read(place, kit_file, classifier=True)
    task = "nli" if sentences == 2 and sorted(labels) == sorted(LABELS) else "classification"
    names: tuple[str, ...] = ()
    if weights.has_head(parts.tensors, task) and settings.choose_task(None, kit_file, place.name) == task:
        names = parts.labels(task)
    trained = sorted(names) == sorted(labels)
    recorded = (kit_file or {}).get("pair_format", "xlm")
    return parts.model(
        task,
        names if trained else tuple(labels),
        trained=trained,
        device=device,
        dtype=torch.float32,
        pair_format=settings.pair_format(kit_file, place.name) if trained else recorded,
        sentences=sentences,
        seed=seed,
    )


@dataclass(frozen=True)
class _Parts:
    """What a checkpoint's folder contains; `model` uses up the tensors."""

    place: Place
    kit_file: dict[str, Any] | None
    config: XLMConfig
    tokenizer: BPETokenizer
    files: list[Path]
    tensors: dict[str, torch.Tensor]

    @classmethod
    def read(cls, place: Place, kit_file: dict[str, Any] | None, *, classifier: bool) -> _Parts:
        config = settings.read_config(place.folder, classifier=classifier)
        tokenizer = BPETokenizer.read(place.folder)
        if len(tokenizer) != config.vocab_size:
            raise ValueError(
                f"the vocabulary of {place.name!r} does not fit its network: expected {config.vocab_size} tokens (`vocab_size` in "
                f"config.json), got {len(tokenizer)} in vocab.json. Take vocab.json, merges.txt and config.json from the same checkpoint."
            )
        files = weights.weight_files(place.folder, place.name)
        return cls(place, kit_file, config, tokenizer, files, weights.read_tensors(files))

    def labels(self, task: str) -> tuple[str, ...]:
        """The names of the logits, as the folder records them."""
        rows = weights.head_rows(self.tensors)
        return settings.read_labels(self.config, self.kit_file, rows, self.place.name, task)

    def model(
        self,
        task: str,
        labels: tuple[str, ...],
        *,
        trained: bool,
        device: torch.device,
        dtype: torch.dtype,
        pair_format: str,
        sentences: int | None,
        seed: int = 0,
    ) -> NLIModel:
        """The model with these labels, and with a random head where none was trained."""
        place, config = self.place, self.config
        if labels:
            settings.name_labels(config, labels)
        if not trained:
            self.tensors.update(weights.random_head(config, seed=seed))
        network = weights.build(config, self.tensors, task, place.name)
        return NLIModel(
            network=network.to(device),
            tokenizer=self.tokenizer,
            labels=labels,
            lang2id=settings.read_languages(config, place.folder, place.name),
            pair_format=pair_format,
            lowercase=settings.read_lowercase(place.folder, place.name),
            task=task,
            device=device,
            dtype=dtype,
            trained=trained,
            source=place.name,
            provenance={
                "source": place.name,
                "revision": place.revision,
                "weights": [file.name for file in self.files],
                "weights_sha256": weights.sha256(self.files),
                "task": task,
                "labels": list(labels),
                "trained": trained,
                "xlmkit": __version__,
                "preprocessing": VERSION,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "xlmkit_json": self.kit_file,
            },
            sentences=sentences,
        )


def _check_head(tensors: dict[str, torch.Tensor], name: str, task: str, allow_untrained: bool) -> bool:
    """Whether the head of `task` was trained; a missing one is refused, or for a classifier allowed
    with a warning."""
    if weights.has_head(tensors, task):
        return True
    missing = " and ".join(map(repr, weights.HEADS[task]))
    if task == "mlm":
        raise ValueError(
            f"{name!r} is no language model: expected the tensors {missing}, got neither (fine-tuning drops them). "
            "Load the checkpoint from before fine-tuning, or use task='nli'."
        )
    kind = "NLI" if task == "nli" else "classification"
    if not allow_untrained:
        raise ValueError(
            f"{name!r} has no trained {kind} head: expected the tensors {missing}, got neither, so every label would be chance. Train one "
            f"with `xlmkit finetune --model {shlex.quote(name)} --train FILE --dev FILE --out FOLDER` and load FOLDER, or pass "
            "`allow_untrained=True` to see what a random head does, or `task='mlm'` for the language model."
        )
    warn_once(
        f"{name!r} has no trained {kind} head. As requested it got a random one, so its labels mean nothing."
    )
    return False
