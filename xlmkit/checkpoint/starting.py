"""A checkpoint as the start of training: its body, and its head where that already tells the labels asked for apart, else a new one."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import transformers

from xlmkit import __version__
from xlmkit.checkpoint import settings, weights
from xlmkit.checkpoint.model import NLIModel
from xlmkit.checkpoint.source import locate
from xlmkit.pairs import LABELS
from xlmkit.pieces import Pieces
from xlmkit.preprocessing import VERSION


def start(
    source: str | os.PathLike[str] | None,
    labels: Sequence[str],
    *,
    sentences: int,
    device: torch.device,
    seed: int,
) -> NLIModel:
    """The network of `source`, in float32 on `device`, with a head for `labels`.

    Parameters
    ----------
    source : as `load` takes it; a checkpoint without a head is as good as one with it.
    labels : names; a trained head for the same names, in any order, is kept with its order.
    sentences : 2 for pairs, 1 for single texts.
    seed : of a new head, which is drawn as transformers draws it.

    Returns
    -------
    An `NLIModel` whose `trained` says whether the head is the checkpoint's own.

    Raises
    ------
    ValueError, FileNotFoundError, ConnectionError : as `load`, but for the head."""
    place = locate(source)
    settings.check_files(place.folder, place.name)
    config = settings.read_config(place.folder, classifier=True)
    kit_file = settings.read_kit_file(place.folder)
    files = weights.weight_files(place.folder, place.name)
    tensors = weights.read_tensors(files)
    task = "nli" if sorted(labels) == sorted(LABELS) and sentences == 2 else "classification"
    own: tuple[str, ...] = ()
    trained = weights.has_head(tensors, task) and settings.choose_task(None, kit_file, place.name) == task
    if trained:
        own = settings.read_labels(config, kit_file, weights.head_rows(tensors), place.name, task)
        trained = sorted(own) == sorted(labels)
    names = own if trained else tuple(labels)
    settings.name_labels(config, names)
    if not trained:
        tensors |= weights.random_head(config, seed=seed)
    provenance = {
        "source": place.name,
        "revision": place.revision,
        "weights": [file.name for file in files],
        "weights_sha256": weights.sha256(files),
        "head": "its own" if trained else f"new, drawn with seed {seed}",
        "xlmkit": __version__,
        "preprocessing": VERSION,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return NLIModel(
        network=weights.build(config, tensors, task, place.name).to(device),
        pieces=Pieces.read(place.folder),
        labels=names,
        languages=settings.read_languages(config, place.folder, place.name),
        pair_format="xlm" if kit_file is None else kit_file["pair_format"],
        lowercase=settings.read_lowercase(place.folder, place.name),
        task=task,
        device=device,
        dtype=torch.float32,
        trained=trained,
        source=place.name,
        provenance=provenance,
        sentences=sentences,
    )
