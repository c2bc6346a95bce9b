"""The state of a stage's training in a file: a killed stage resumes from it, with other randomly drawn pairs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

SAVED = 300  # seconds between two states that are kept


class States:
    """The state of one stage in `file`, kept every few minutes: whole, or as it was before."""

    def __init__(self, file: Path, network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        self._file, self._network, self._optimiser = file, network, optimiser
        self._saved = time.monotonic()

    def resume(self) -> tuple[int, dict[Any, Any]]:
        """Put back what was kept, in place; gives how far training is, and what else was kept: 0 and nothing where there is no file."""
        if not self._file.is_file():
            return 0, {}
        found = torch.load(self._file, weights_only=True)
        for name, weight in self._learning().items():
            weight.data.copy_(found["network"][name])
        self._optimiser.load_state_dict(found["optimiser"])
        return found["done"], found["other"]

    def keep(self, done: int, other: Mapping[Any, Any] | None = None, *, now: bool = False) -> None:
        """Keep the state where `SAVED` seconds have passed since the last time, or `now`; `done` counts as the stage does."""
        if not now and time.monotonic() - self._saved < SAVED:
            return
        found = {
            "network": {name: weight.detach() for name, weight in self._learning().items()},
            "optimiser": self._optimiser.state_dict(),
            "done": done,
            "other": dict(other or {}),
        }
        torch.save(found, f"{self._file}.new")
        Path(f"{self._file}.new").replace(self._file)
        self._saved = time.monotonic()

    def _learning(self) -> dict[str, torch.nn.Parameter]:
        """The weights that training changes."""
        return {name: weight for name, weight in self._network.named_parameters() if weight.requires_grad}
