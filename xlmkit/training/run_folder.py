"""The folder of a run: what it consists of, its log, the state to resume from, and its result.

run.json                    settings, data and starting weights; another run is refused
log.jsonl                   one JSON object per line
states/state.pt             weights, optimizer and progress, replaced as a whole
states/best-000000008.pt    the best weights so far, those of step 8
config.json, vocab.json ... the result, which `load` and transformers read; weights come last

A run may be killed at any moment: every file is written under another name and renamed when it is
on disk. Dropout, the order of rows and the learning rate follow from the seed and the number of the
step, so there is no generator and no scheduler to save."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save
from torch import nn

import xlmkit
from xlmkit.model import NLIModel
from xlmkit.pairs.tables import json_row
from xlmkit.results import atomic_write
from xlmkit.tokenization import VERSION
from xlmkit.training import TrainingConfig
from xlmkit.training.cost import format_bytes
from xlmkit.training.data import fingerprints

RUN, LOG, STATES, STATE = "run.json", "log.jsonl", "states", "state.pt"
KIT, WEIGHTS, CURVE = "xlmkit.json", "model.safetensors", "curve.svg"
TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
SELECTION = {
    "en": "accuracy on English dev only: the protocol of zero-shot transfer",
    "all": "accuracy on all rows of dev, in all its languages: uses labelled data of the target languages",
}
COLUMNS = ("event", "step", "rows", "loss", "learning_rate", "seconds", "accuracy")


@dataclass(frozen=True)
class Finetuned:
    """A finished run.

    Attributes
    ----------
    folder : what `load` takes.
    history : the log as a frame, as `history` gives it.
    by_language : dev accuracy by language, and that of the oracle: one row per language, then
        "all", with `n`, `accuracy`, its 95 % Wilson interval `low` and `high`, `oracle` (the best
        accuracy of any evaluation in that language) and `oracle_step`, its optimizer step.
    provenance : the content of `xlmkit.json`."""

    folder: Path
    history: pd.DataFrame
    by_language: pd.DataFrame
    provenance: Mapping[str, Any]


@dataclass
class Progress:
    """Where a run is.

    Attributes
    ----------
    step, rows : optimizer steps made, and training rows seen.
    loss, since : loss summed over the rows since the last line of the log, and the number of these
        rows.
    evaluations : of each evaluation its step, rows, accuracy of selection, and correct answers by
        language.
    best : which of them has the best weights; None before the first.
    log_bytes : length of the log; what follows belongs to steps that were lost.
    energy : what was used so far, as fields of `Energy`.
    resumed : how often the run was resumed."""

    step: int = 0
    rows: int = 0
    loss: float = 0.0
    since: int = 0
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    best: int | None = None
    log_bytes: int = 0
    energy: dict[str, Any] | None = None
    resumed: int = 0

    @property
    def best_step(self) -> int:
        """The step with the best weights; before the first evaluation, the last step."""
        return self.step if self.best is None else int(self.evaluations[self.best]["step"])


def history(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Read what happened in a run so far, also while it is running.

    Returns
    -------
    One row per line of the log: `event` ("step" or "evaluation"), `step`, `rows` of training seen,
    `loss` in nats, `learning_rate`, `seconds` of training so far, `accuracy` on dev in [0, 1] by
    which weights are chosen, and `accuracy_<code>` for each language of dev; missing where an event
    has none.

    Raises
    ------
    FileNotFoundError : if there is no log.
    ValueError : if a line is not a JSON object; only the last may be incomplete, as a killed run
        leaves it."""
    path = Path(folder) / LOG
    if not path.is_file():
        raise FileNotFoundError(
            errno.ENOENT, f"there is no {LOG} in {os.fspath(folder)!r}. Name the folder of a run."
        )
    *lines, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json_row(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}. Remove that line.") from None
        by_language = event.pop("accuracy_by_language", None) or {}
        events.append(event | {f"accuracy_{code}": value for code, value in by_language.items()})
    return pd.DataFrame(
        events, columns=list(dict.fromkeys([*COLUMNS, *(name for event in events for name in event)]))
    )


def identity(nli: NLIModel, config: TrainingConfig, *, processes: int) -> dict[str, Any]:
    """What the weights of a run depend on; plain values that JSON has."""
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
    return all((folder / name).exists() for name in (RUN, KIT, WEIGHTS))


def check_disk(folder: Path, nli: NLIModel) -> None:
    """Refuse to start if the disk has no room for two states (weights and two moments each), the
    best weights, and the result."""
    needed = 8 * sum(4 * weight.numel() for weight in nli.network.parameters()) + 50_000_000
    written = sum(file.stat().st_size for file in (folder / STATES).glob("*"))
    free = shutil.disk_usage(folder).free + written
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"the disk of {os.fspath(folder)!r} must have {format_bytes(needed)} free for the states and the result; got "
            f"{format_bytes(free)}. Free some space, or name another `out`.",
        )


def save_state(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, *, is_best: bool
) -> None:
    """Replace the state of a run. If `is_best`, these weights are the best so far.

    Killed between the two files, a run resumes from the state before, and computes and writes the
    best weights again.

    Raises
    ------
    OSError : if it cannot be written; then the last state is as it was."""
    states, weights = folder / STATES, network.state_dict()
    states.mkdir(exist_ok=True)
    best = states / f"best-{progress.best_step:09d}.pt"
    if is_best:
        _save(best, weights)
    state = {"weights": weights, "optimizer": optimizer.state_dict(), "progress": asdict(progress)}
    _save(states / STATE, state)
    for outdated in {*states.iterdir()} - {best, states / STATE}:
        outdated.unlink()


def _save(path: Path, value: Mapping[str, Any]) -> None:
    with atomic_write(path, binary=True) as file:
        try:
            torch.save(value, file)
        except RuntimeError as error:  # torch hides an OSError behind one of its own
            raise error.__context__ or error from None


def load_state(folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Give `network` and `optimizer` their state in the folder, if there is one."""
    path = folder / STATES / STATE
    if not path.exists():
        return Progress()
    state = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state["weights"])
    optimizer.load_state_dict(state["optimizer"])
    progress = Progress(**state["progress"])
    progress.resumed += 1
    return progress


def best_weights(folder: Path, progress: Progress) -> dict[str, torch.Tensor]:
    """The best weights of a run that was evaluated."""
    path = folder / STATES / f"best-{progress.best_step:09d}.pt"
    return torch.load(path, map_location="cpu", weights_only=True)


def remove_states(folder: Path) -> None:
    """Remove the states of a finished run."""
    shutil.rmtree(folder / STATES, ignore_errors=True)


def write_result(
    folder: Path,
    nli: NLIModel,
    source: Path,
    content: Mapping[str, Any],
    *,
    dtype: torch.dtype,
    curve: str | None = None,
) -> None:
    """Write the folder that `load` reads: tokenizer, config.json, xlmkit.json, and last the
    weights.

    Parameters
    ----------
    source : the folder of the model that training started from, whose tokenizer this is.
    curve : the learning curve as an SVG document."""
    folder.mkdir(exist_ok=True)
    config = nli.network.config
    config.architectures, config.dtype = [type(nli.network).__name__], dtype
    state = nli.network.state_dict()
    tensors = {name: value.to("cpu", dtype).contiguous() for name, value in state.items()}
    files = {name: (source / name).read_bytes() for name in TOKENIZER if (source / name).exists()}
    files["config.json"] = config.to_json_string(use_diff=True).encode()
    if curve is not None:
        files[CURVE] = curve.encode()
    files[KIT] = f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()
    files[WEIGHTS] = save(tensors, {"format": "pt"})
    for name, value in files.items():
        with atomic_write(folder / name, binary=True) as file:
            file.write(value)


def read_result(folder: Path) -> Finetuned:
    """The result of a finished run."""
    content = json.loads((folder / KIT).read_text(encoding="utf-8"))
    rows = pd.DataFrame(content["accuracy_by_language"]).astype({"oracle_step": "Int64"})
    return Finetuned(folder, history(folder), rows, content)


def provenance(
    nli: NLIModel,
    config: TrainingConfig,
    made_of: Mapping[str, Any],
    progress: Progress,
    by_language: pd.DataFrame | None,
) -> dict[str, Any]:
    """The content of `xlmkit.json`: what `load` needs, what the run was made of, and its
    figures."""
    energy = progress.energy or {}
    selected = f"accuracy on the dev rows in {config.select_on!r} only"
    return {
        "format": 1,
        "pair_format": nli.pair_format,
        "preprocessing": VERSION,
        "task": nli.task,
        "sentences": nli.sentences,
        "labels": list(nli.labels),
        "model": dict(nli.provenance),
        "data": {name: made_of[name] for name in ("train", "dev")},
        "settings": {**config.settings(), "processes": made_of["processes"]},
        "seed": config.seed,
        "selection": SELECTION.get(config.select_on, selected),
        "selected_step": progress.best_step,
        "steps": progress.step,
        "accuracy_by_language": None
        if by_language is None
        else json.loads(by_language.to_json(orient="records", double_precision=15)),
        "oracle": "the best accuracy of any evaluation, chosen for each language by its own labelled data, so it "
        "is no zero-shot figure",
        "energy": energy,
        "hours": energy.get("seconds", 0.0) / 3600,
        "hardware": energy.get("hardware"),
        "resumed": progress.resumed,
        "versions": {
            "xlmkit": xlmkit.__version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("torch", "transformers", "accelerate")},
        },
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the kit's clone, with "+" if files were changed; None if it is not a clone."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    home = Path(xlmkit.__file__).resolve().parent.parent
    if not (home / ".git").exists():
        return None
    try:
        return subprocess.run(command, cwd=home, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
