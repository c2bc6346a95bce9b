"""The result of a run: a folder that `load` and transformers read, with everything in `xlmkit.json` that a reader of its figures must know.

The folder is not a model until its weights are there, and they come last: a run that is killed while it writes leaves nothing that loads."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file

import xlmkit
from xlmkit.model import NLIModel
from xlmkit.tokenization import VERSION
from xlmkit.training import states
from xlmkit.training.config import TrainingConfig
from xlmkit.training.data import fingerprints
from xlmkit.training.estimate import said_bytes
from xlmkit.training.events import history

RUN = "run.json"  # what a run is made of; written when it starts
KIT, WEIGHTS, CURVE = "xlmkit.json", "model.safetensors", "curve.svg"
TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
SELECTION = {
    "en": "accuracy on English dev only: the protocol of zero-shot transfer",
    "all": "accuracy on all rows of dev, in all its languages: looks at labelled data of the target languages",
}


@dataclass(frozen=True)
class Finetuned:
    """A finished run.

    Attributes
    ----------
    folder : what `load` takes.
    history : the log as a frame, as `history` gives it.
    by_language : dev accuracy by language and of the oracle, as `judging.by_language` says.
    provenance : the content of `xlmkit.json`."""

    folder: Path
    history: pd.DataFrame
    by_language: pd.DataFrame
    provenance: Mapping[str, Any]


def identity(nli: NLIModel, config: TrainingConfig, *, processes: int) -> dict[str, Any]:
    """What the weights of a run follow from; plain values that JSON can hold."""
    return {
        **config.settings(),
        "processes": processes,
        "model": nli.provenance["weights_sha256"],
        "labels": list(nli.labels),
        "train": fingerprints(config.train),
        "dev": fingerprints(config.dev),
    }


def is_finished(folder: Path) -> bool:
    """Whether a run in this folder came to its end."""
    return (folder / RUN).exists() and (folder / KIT).exists() and (folder / WEIGHTS).exists()


def check_folder(folder: Path) -> None:
    """Refuse a place that is a file, or a folder with other things than a run in it.

    Raises
    ------
    FileExistsError, OSError : with the remedy."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RUN).exists():
        raise FileExistsError(
            f"`out` must be a new or empty folder, or that of a run to go on with; got {os.fspath(folder)!r}, which holds other things; "
            "remedy: another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise type(error)(
            error.errno,
            f"`out` cannot be written: {os.fspath(folder)!r} ({error.strerror}); remedy: a folder that you may write to",
        ) from error


@contextmanager
def claim(folder: Path, found: Mapping[str, Any]) -> Iterator[None]:
    """Make this folder the run's own, and keep other processes from it while the block runs, or until this one is killed.

    Raises
    ------
    BlockingIOError : if another process trains in it."""
    path = folder / RUN
    if not path.exists():
        making = path.with_suffix(".tmp")
        states.write_safely(making, json.dumps(dict(found), indent=1, ensure_ascii=False))
        making.replace(path)
        states.sync(folder)
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                error.errno,
                f"another process trains in {os.fspath(folder)!r} right now; remedy: wait for it, or another `out`",
            ) from error
        yield


def compare(folder: Path, found: Mapping[str, Any]) -> None:
    """Refuse a folder that another run has.

    Raises
    ------
    ValueError : if that run has other settings, data or weights to start from; they are named."""
    path = folder / RUN
    if not path.exists():
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    here = json.loads(json.dumps(dict(found)))
    names = dict.fromkeys([*there, *here])
    other = [name for name in names if there.get(name) != here.get(name)]
    if other:
        raise ValueError(
            f"{os.fspath(folder)!r} is the folder of another run: expected "
            + "; ".join(
                f"{_called(name)} {there.get(name)!r} as there, got {here.get(name)!r}" for name in other
            )
            + "; remedy: another `out`, or the settings of that run to go on with it"
        )


def check_disk(folder: Path, nli: NLIModel, stored: str) -> None:
    """Refuse to start where the disk cannot take what will be written.

    Two states at once, each of weights, two moments and the best weights, and the result."""
    weights = sum(value.numel() * 4 for value in nli.network.parameters())
    needed = 8 * weights + weights * (1 if stored == "float32" else 0.5) + 50_000_000
    written = sum(file.stat().st_size for file in (folder / "states").rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free + written
    if free < needed:
        raise OSError(
            f"the disk of {os.fspath(folder)!r} is too full: expected {said_bytes(needed)} free (two states of weights and moments, and the "
            f"result), got {said_bytes(free)}; remedy: free some space, or another `out`"
        )


def write(
    folder: Path,
    nli: NLIModel,
    source: Path,
    content: Mapping[str, Any],
    *,
    stored: str,
    curve: str | None = None,
) -> None:
    """Write the folder that `load` reads: vocabulary, config.json, xlmkit.json, and last the weights.

    Parameters
    ----------
    source : the folder of the model that training started from, whose vocabulary this is.
    stored : the precision of the weights: "float32", "float16" or "bfloat16".
    curve : the learning curve as an SVG document, to stand beside the log."""
    making = folder / ".making"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for name in TOKENIZER:
        if (source / name).exists():
            shutil.copyfile(source / name, making / name)
    dtype = getattr(torch, stored)
    config = nli.network.config
    config.architectures = [type(nli.network).__name__]
    config.dtype = dtype
    config.save_pretrained(making)
    if curve is not None:
        (making / CURVE).write_text(curve, encoding="utf-8")
    (making / KIT).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    tensors = {name: value.to("cpu", dtype).contiguous() for name, value in nli.network.state_dict().items()}
    save_file(tensors, making / WEIGHTS, metadata={"format": "pt"})
    files = sorted(making.iterdir(), key=lambda file: file.name == WEIGHTS)
    for file in files:
        file.chmod(0o644)  # safetensors writes for its owner alone
        states.sync(file)
    for file in files:
        file.replace(folder / file.name)
    states.sync(folder)
    making.rmdir()


def read(folder: Path) -> Finetuned:
    """The result of a finished run."""
    content = json.loads((folder / KIT).read_text(encoding="utf-8"))
    rows = pd.DataFrame(content["accuracy_by_language"]).astype({"oracle_step": "Int64"})
    return Finetuned(folder, history(folder), rows, content)


def kit_file(
    nli: NLIModel, config: TrainingConfig, found: Mapping[str, Any], figures: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `xlmkit.json`: what `load` needs, what the run was made of, and its figures."""
    return {
        "format": 1,
        "pair_format": nli.pair_format,
        "preprocessing": VERSION,
        "task": nli.task,
        "sentences": nli.sentences,
        "labels": list(nli.labels),
        "model": dict(nli.provenance),
        "data": {name: found[name] for name in ("train", "dev")},
        "settings": {**config.settings(), "processes": found["processes"]},
        "seed": config.seed,
        "selection": SELECTION.get(
            config.select_on, f"accuracy on the dev rows in {config.select_on!r} only"
        ),
        **figures,
        "versions": {
            "xlmkit": xlmkit.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": importlib.metadata.version("transformers"),
            "accelerate": importlib.metadata.version("accelerate"),
        },
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the kit's clone, "+" behind it where files were changed; None where it is no clone."""
    home = Path(xlmkit.__file__).resolve().parent.parent
    if not (home / ".git").exists():
        return None
    try:
        asked = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"])
        head, changed = (
            subprocess.run(command, cwd=home, capture_output=True, text=True, check=True).stdout.strip()
            for command in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def _called(name: str) -> str:
    return {"model": "the weights (sha256)", "train": "the training data", "dev": "the dev data"}.get(
        name, f"`{name}`"
    )
