"""States of a run on disk: weights, the optimiser's moments, the best weights so far and where the run stands, so that it can be killed at any time.

A state is a folder whose last file is a marker that lists the others with their sizes; it is written when they are safely on disk. A folder
without it was being written when the run was killed, and is passed over. Dropout, the order of rows and the learning rate follow from the seed
and the number of the step, so that there is no generator and no scheduler to save."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

MARKER = "complete.json"
_WEIGHTS, _BEST, _MOMENTS, _PROGRESS = (
    "weights.safetensors",
    "best.safetensors",
    "optimiser.safetensors",
    "progress.json",
)


@dataclass
class Progress:
    """Where a run stands.

    Attributes
    ----------
    step, rows : of the optimiser, and training rows seen.
    loss, since : summed over the rows since the last line of the log, and their number.
    evaluations : of each evaluation its step, rows, accuracy of selection, and accuracy by language.
    best : which of them has the best weights; None before the first.
    log_bytes : length of the log; a line after that belongs to what was lost.
    energy : what was used up to here, as fields of `Energy`.
    resumed : how often the run went on after it had been stopped."""

    step: int = 0
    rows: int = 0
    loss: float = 0.0
    since: int = 0
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    best: int | None = None
    log_bytes: int = 0
    energy: dict[str, Any] | None = None
    resumed: int = 0


def save(
    root: Path, network: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress, *, is_best: bool
) -> None:
    """Write the state of this step, then remove the states before it.

    Parameters
    ----------
    is_best : whether these weights are the best so far; otherwise the best of the last state stay.

    Raises
    ------
    OSError : if it cannot be written; then the last state is as it was."""
    folder = root / f"step-{progress.step:09d}"
    before = latest(root)
    if folder.exists():
        shutil.rmtree(folder)
    with _said(folder):
        folder.mkdir(parents=True)
        _save_tensors(folder / _WEIGHTS, dict(network.state_dict()))
        _save_tensors(folder / _MOMENTS, _moments(network, optimiser))
        if is_best:
            _link(folder / _WEIGHTS, folder / _BEST)
        elif before is not None and (before / _BEST).exists():
            _link(before / _BEST, folder / _BEST)
        write_safely(folder / _PROGRESS, json.dumps(asdict(progress)))
        sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
        sync(folder)
        sync(root)
        write_safely(folder / MARKER, json.dumps(sizes))
        sync(folder)
    for other in root.iterdir():
        if other != folder:
            shutil.rmtree(other)


def latest(root: Path) -> Path | None:
    """The last state that is complete; None where there is none."""
    found = [folder for folder in sorted(root.glob("step-*")) if _complete(folder)]
    return found[-1] if found else None


def read(folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
    """Give `network` and `optimiser` the state in `folder`."""
    network.load_state_dict(load_file(folder / _WEIGHTS))
    moments = load_file(folder / _MOMENTS)
    for name, weight in network.named_parameters():
        keys = [key for key in moments if key.rpartition("/")[0] == name]
        optimiser.state[weight] = {key.rpartition("/")[2]: moments[key].to(weight.device) for key in keys}
    return Progress(**json.loads((folder / _PROGRESS).read_text(encoding="utf-8")))


def best_weights(folder: Path | None) -> dict[str, torch.Tensor]:
    """The best weights up to the state in `folder`, which must have been evaluated."""
    assert folder is not None, "an evaluation is saved with its state"
    return load_file(folder / _BEST)


def remove(root: Path) -> None:
    """Remove all states, of a run that is finished."""
    shutil.rmtree(root, ignore_errors=True)


def write_safely(path: Path, text: str) -> None:
    """Write a text that is on disk when this returns."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _complete(folder: Path) -> bool:
    marker = folder / MARKER
    try:
        sizes = json.loads(marker.read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}/{key}": value
        for name, weight in network.named_parameters()
        for key, value in optimiser.state[weight].items()
    }


def _save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path)
    sync(path)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync(target)


@contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Turn what goes wrong in writing into one sentence, and remove what was written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        code = getattr(error, "errno", None) or errno.EIO
        raise OSError(
            code,
            f"the state of the run could not be written to {os.fspath(folder)!r} ({getattr(error, 'strerror', None) or error}); the state before "
            "it is kept; remedy: free some space, then the same command again goes on from there",
        ) from error
