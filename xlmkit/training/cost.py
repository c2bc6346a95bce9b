"""Cost: what a block of work used, in kilowatt-hours and kilograms of CO2 equivalent, and memory.

Energy is measured by codecarbon's offline tracker, without network and without files. Carbon is
energy times the mean carbon intensity of a country's electricity."""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
import resource
import tempfile
import time
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch

WORLD = "WLD"  # in place of a country: the world's average electricity
MEASURED = "codecarbon: the power meters of processor and GPUs, or an estimate from their ratings if none can be read"
NO_CODECARBON = "not measured: codecarbon is not installed. Install it with pip install 'xlmkit[train]'"
NO_READING = "not measured: codecarbon could not read this machine"


@dataclass(frozen=True)
class Energy:
    """What a block of work used; `dataclasses.asdict` of it is plain JSON.

    Attributes
    ----------
    kwh : energy of processor, memory and GPUs; None if it was not measured.
    kg_co2e : kilograms of CO2 equivalent; None if it was not measured.
    seconds : duration of the block.
    measured : how it was measured, or why there is no figure.
    hardware : processor, cores, memory and GPUs in words.
    country : ISO 3166-1 alpha-3 code of the country whose electricity it was, or "WLD"."""

    kwh: float | None
    kg_co2e: float | None
    seconds: float
    measured: str
    hardware: str
    country: str

    def __add__(self, other: Energy) -> Energy:
        """Both blocks together, as for a run that was interrupted; without a figure if one of them
        has none."""

        def both(first: Any, second: Any) -> Any:
            if isinstance(first, str):
                return first if first == second else f"{first}; then {second}"
            return None if first is None or second is None else first + second

        return Energy(*map(both, astuple(self), astuple(other)))

    def __str__(self) -> str:
        if self.kwh is None or self.kg_co2e is None:
            return f"energy {self.measured}"
        return (
            f"{1000 * self.kwh:,.3g} Wh, {1000 * self.kg_co2e:,.3g} g CO2e ({self.country}; {self.measured})"
        )


class Meter:
    """Measure the machine while a block runs: `with Meter(country="DEU") as meter: ...;
    meter.reading()`.

    Everything that the machine does in the meantime is counted, so only one process of a machine
    should measure. Without codecarbon the block runs all the same, and the reading says that
    nothing was measured.

    Parameters
    ----------
    country : ISO 3166-1 alpha-3 code of the country whose electricity is used; "WLD" for the
        world's average.
    enabled : False to measure seconds alone.

    Raises
    ------
    ValueError : if no figures are known for the country."""

    def __init__(self, *, country: str = WORLD, enabled: bool = True) -> None:
        check_country(country)
        self._country, self._enabled = country, enabled
        self._latest = _Latest()
        self._tracker: Any = None
        self._seconds: float | None = None

    def __enter__(self) -> Meter:
        self._stack = ExitStack()
        if self._enabled and importlib.util.find_spec("codecarbon") is not None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory())  # some meters write a log
            self._tracker = self._stack.enter_context(_tracker(self._country, self._latest, folder))
        self._started = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self._seconds = time.perf_counter() - self._started
        self._stack.close()

    def reading(self) -> Energy:
        """What was used since the block began or, after the block, what it used."""
        if self._tracker is not None and self._seconds is None:
            self._tracker.flush()
        total = self._latest.total
        measured = MEASURED if total else NO_READING if self._tracker else NO_CODECARBON
        return Energy(
            kwh=float(total.energy_consumed) if total else None,
            kg_co2e=float(total.emissions) if total else None,
            seconds=time.perf_counter() - self._started if self._seconds is None else self._seconds,
            measured=measured if self._enabled else "not measured: switched off",
            hardware=hardware(),
            country=self._country,
        )


class _Latest:
    """An output handler of codecarbon that keeps the latest totals, which is its public way to read
    them."""

    total: Any = None

    def out(self, total: Any, delta: Any) -> None:
        self.total = total

    live_out = out

    def task_out(self, data: Any, name: str) -> None: ...

    def exit(self) -> None: ...


def _tracker(country: str, latest: _Latest, folder: str) -> Any:
    """A tracker that neither asks the network nor writes anything, whatever the user's settings of
    codecarbon say."""
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)  # `log_level` counts after its first lines
    return OfflineEmissionsTracker(
        country_iso_code=None if country == WORLD else country,  # None: codecarbon takes the world's average
        region=None,
        cloud_provider=None,
        cloud_region=None,
        output_methods=[],
        output_handlers=[latest],
        output_dir=folder,
        emissions_endpoint=None,
        electricitymaps_api_token="",  # with None, codecarbon looks for an older setting
        force_carbon_intensity_g_co2e_kwh=None,
        tracking_mode="machine",
        allow_multiple_runs=True,  # otherwise codecarbon writes a lock file
        log_level="critical",
    )


def check_country(country: str) -> None:
    """Refuse a country without known electricity figures.

    Raises
    ------
    ValueError : if `country` is neither "WLD" nor a code that codecarbon knows or, without
        codecarbon, if it does not look like a code."""
    known = isinstance(country, str) and len(country) == 3 and country.isascii() and country.isupper()
    if known and country != WORLD and importlib.util.find_spec("codecarbon") is not None:
        from codecarbon.input import DataSource

        known = country in DataSource().get_global_energy_mix_data()
    if not known:
        raise ValueError(
            "`country` must be an ISO 3166-1 alpha-3 code with known electricity, such as 'DEU', 'IND' or "
            f"'USA'; got {country!r}. Use {WORLD!r} for the world's average."
        )


def hardware() -> str:
    """Processor, cores, memory and GPUs that this process may use, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = [f"{cores} core{'s' if cores > 1 else ''} of {_processor()}"]
    if "SC_PHYS_PAGES" in os.sysconf_names:
        parts.append(f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB of memory")
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        parts.append(f"{device.name} ({device.total_memory / 1e9:.0f} GB)")
    return ", ".join(parts)


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory(device: torch.device) -> int:
    """Bytes that this process has used at most so far: on a GPU those of its tensors, else all it
    had in memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else 1024 * peak  # kilobytes on Linux


def format_bytes(count: float) -> str:
    """A number of bytes for people: "1.2 GB", "57 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
