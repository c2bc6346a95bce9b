"""Energy: what a block of work drew from the socket, in kilowatt-hours and kilograms of CO2 equivalent, without network and without files.

Measured by codecarbon's offline tracker. Where the machine lets nobody read its meters (most virtual machines, laptops without rights), the
figure comes from the processor's rating and its load, and says so. Carbon is energy times the mean intensity of the country's electricity."""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

WORLD = "WLD"  # in place of a country: the world's average electricity
ESTIMATE = "estimate from the processor's rating"
METERS = {"intel_rapl": "rapl", "intel_power_gadget": "power gadget", "windows_emi": "windows emi"}
NO_CODECARBON = "not measured: codecarbon is not installed; remedy: pip install 'xlmkit[train]'"
NO_READING = "not measured: codecarbon could not read this machine"


@dataclass(frozen=True)
class Energy:
    """What a block of work cost; `dataclasses.asdict` of it is plain JSON.

    Attributes
    ----------
    kwh : of processor, memory and GPUs together; None where nothing was measured.
    kg_co2e : kilograms of CO2 equivalent; None where nothing was measured.
    seconds : from the start of the block.
    measured : by what, part by part ("rapl (processor), nvml (GPU), ..."), or "estimate from the processor's rating", or why there is no figure.
    hardware : processor, cores, memory and GPUs in words.
    country : ISO 3166-1 alpha-3 code of the electricity, or "WLD"."""

    kwh: float | None
    kg_co2e: float | None
    seconds: float
    measured: str
    hardware: str
    country: str

    def __add__(self, other: Energy) -> Energy:
        """Both blocks together, as for a run that was interrupted; no figure where one of them has none."""
        known = None not in (self.kwh, other.kwh, self.kg_co2e, other.kg_co2e)
        return Energy(
            kwh=(self.kwh or 0.0) + (other.kwh or 0.0) if known else None,
            kg_co2e=(self.kg_co2e or 0.0) + (other.kg_co2e or 0.0) if known else None,
            seconds=self.seconds + other.seconds,
            measured=_both(self.measured, other.measured),
            hardware=_both(self.hardware, other.hardware),
            country=_both(self.country, other.country),
        )

    def __str__(self) -> str:
        if self.kwh is None or self.kg_co2e is None:
            return f"energy {self.measured}"
        return f"{_amount(self.kwh, 'kWh')}, {_amount(self.kg_co2e, 'kg CO2e')} ({self.country}; {self.measured})"


class Meter:
    """Measures the machine while its block runs: `with Meter(country="DEU") as meter: ...; meter.reading()`.

    All that the machine does in the meantime is counted, so that only one process of a machine should measure. Without codecarbon the block runs
    all the same and the reading says that nothing was measured."""

    def __init__(self, *, country: str = WORLD, enabled: bool = True) -> None:
        """
        Parameters
        ----------
        country : ISO 3166-1 alpha-3 code, whose electricity is counted; "WLD" for the world's average.
        enabled : False for a meter that gives seconds alone.

        Raises
        ------
        ValueError : if no figures are known for the country."""
        check_country(country)
        self._country = country
        self._enabled = enabled
        self._hardware = hardware()
        self._started: float | None = None
        self._seconds: float | None = None
        self._tracker: Any = None
        self._seen = _Seen()
        self._measured = NO_CODECARBON if enabled else "not measured: switched off"

    def __enter__(self) -> Meter:
        if self._enabled and importlib.util.find_spec("codecarbon") is not None:
            self._folder = tempfile.TemporaryDirectory(prefix="xlmkit-energy-")  # some meters write a log
            self._log = logging.getLogger("codecarbon")
            self._before = (self._log.disabled, self._log.level, list(self._log.handlers))
            self._log.disabled = True
            self._tracker = _tracker(self._country, self._seen, self._folder.name, self._log.level)
            self._tracker.start()
            self._measured = _measured(self._tracker)
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seconds = self._elapsed()
        if self._tracker is not None:
            self._tracker.stop()
            self._tracker = None
            self._log.disabled, level, self._log.handlers = self._before
            self._log.setLevel(level)
            self._folder.cleanup()

    def reading(self) -> Energy:
        """What was used since the block began; after the block, what it used.

        Raises
        ------
        RuntimeError : before the block."""
        if self._started is None:
            raise RuntimeError("expected a meter that runs or has run; remedy: `with Meter(...) as meter:`")
        if self._tracker is not None:
            self._tracker.flush()
        last = self._seen.last
        failed = last is None and self._enabled and self._measured != NO_CODECARBON
        return Energy(
            kwh=None if last is None else float(last.energy_consumed),
            kg_co2e=None if last is None else float(last.emissions),
            seconds=self._elapsed() if self._seconds is None else self._seconds,
            measured=NO_READING if failed else self._measured,
            hardware=self._hardware,
            country=self._country,
        )

    def _elapsed(self) -> float:
        return 0.0 if self._started is None else time.perf_counter() - self._started


def check_country(country: str) -> None:
    """Refuse a country for which no figures are known.

    Raises
    ------
    ValueError : if `country` is neither "WLD" nor a code that codecarbon has electricity figures for; without codecarbon, if it is no code."""
    known = {WORLD}
    if importlib.util.find_spec("codecarbon") is not None:
        from codecarbon.input import DataSource

        known |= set(DataSource().get_global_energy_mix_data())
    elif isinstance(country, str) and len(country) == 3 and country.isascii() and country.isupper():
        return
    if country not in known:
        raise ValueError(
            f"`country` must be an ISO 3166-1 alpha-3 code with known electricity, such as 'DEU', 'IND' or 'USA'; got {country!r}; "
            f"remedy: {WORLD!r} for the world's average"
        )


def hardware() -> str:
    """Processor, cores, memory and GPUs of this machine, as far as this process may use them, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = [f"{cores} core{'s' if cores > 1 else ''} of {_processor()}"]
    if "SC_PHYS_PAGES" in os.sysconf_names:
        parts.append(f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB of memory")
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        parts.append(f"{device.name} ({device.total_memory / 1e9:.0f} GB)")
    return ", ".join(parts)


class _Seen:
    """Keeps the last figures that the tracker gives out: the way that codecarbon has for that."""

    last: Any = None

    def out(self, total: Any, delta: Any) -> None:
        self.last = total

    live_out = out

    def task_out(self, data: Any, name: str) -> None:
        """There are no tasks."""

    def exit(self) -> None:
        """Nothing is open."""


def _tracker(country: str, seen: _Seen, folder: str, level: int) -> Any:
    """A tracker that neither asks the network nor writes anything, whatever the user's settings of codecarbon say."""
    from codecarbon import OfflineEmissionsTracker

    return OfflineEmissionsTracker(
        country_iso_code=None if country == WORLD else country,  # None: codecarbon takes the world's average
        region=None,
        cloud_provider=None,
        cloud_region=None,
        output_methods=[],
        output_handlers=[seen],
        output_dir=folder,
        emissions_endpoint=None,
        electricitymaps_api_token="",  # not None, which would look for the older setting of that kind
        force_carbon_intensity_g_co2e_kwh=None,
        tracking_mode="machine",
        allow_multiple_runs=True,  # otherwise a lock file
        log_level=level,
    )


def _measured(tracker: Any) -> str:
    """Which meter serves each part of the machine."""
    said = []
    for part in getattr(tracker, "_hardware", []):
        kind, mode = type(part).__name__, getattr(part, "_mode", None)
        if kind == "CPU":
            rating = getattr(part, "_tdp", None)
            estimated = f"{ESTIMATE} ({rating:.0f} W)" if rating else ESTIMATE
            said.append(METERS[mode] + " (processor)" if mode in METERS else estimated)
        elif kind == "GPU":
            said.append("nvml (GPU)" if torch.version.hip is None else "amdsmi (GPU)")
        elif kind == "AppleSiliconChip":
            said.append("powermetrics")
        elif kind == "RAM":
            said.append("memory by its size")
    return ", ".join(sorted(dict.fromkeys(said), key=lambda text: text == "memory by its size")) or NO_READING


def _processor() -> str:
    """The processor's name."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _both(first: str, second: str) -> str:
    return second if first == second else f"{first}; then {second}"


def _amount(value: float, unit: str) -> str:
    """Three significant digits, in thousandths of the unit where it is small."""
    if value >= 1 or value == 0:
        return f"{value:.3g} {unit}"
    small = {"kWh": "Wh", "kg CO2e": "g CO2e"}[unit]
    return f"{1000 * value:.3g} {small}"
