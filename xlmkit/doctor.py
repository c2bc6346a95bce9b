"""Check this machine and name the fix: Python, packages, PyTorch and its hardware, memory, the
model, one prediction.

It imports nothing heavy itself and runs PyTorch in another process, so that it works even where
PyTorch does not import or crashes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

OLDEST_PYTHON = (3, 11)
# Free memory in GB below which `doctor` warns, for a small model and for one of the published size
# (peaks: tests/benchmarks/README.md).
BUNDLED_GB = 1.0
FULL_GB = 3.5
DISK_GB = 2.0  # the full checkpoint's files, and room for results
FONTS = {"ar": "Arabic", "hi": "Devanagari", "th": "Thai", "zh": "Chinese"}
Finding = tuple[bool, str] | tuple[bool, str, str]  # ok, found, advice
REINSTALL = "Run `make lab` in the clone, or `pip install --upgrade xlmkit`."
PROBE = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "version": torch.__version__,
    "cuda_build": torch.version.cuda,
    "hip_build": torch.version.hip,
    "cuda": cuda,
    "device": torch.cuda.get_device_name() if cuda else None,
    "capability": torch.cuda.get_device_capability() if cuda else None,
    "architectures": torch.cuda.get_arch_list() if cuda else [],
    "mps": torch.backends.mps.is_available(),
    "sum": float(torch.ones(3).sum()),
}))
"""


@dataclass(frozen=True)
class Check:
    """One check.

    `found` is the finding. `advice` says what to do if `ok` is False; if `ok` is True it is a
    recommendation, or empty."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def checking(function: Callable[..., Finding]) -> Callable[..., Check]:
    """Make a `Check` of what `function` finds, with the name after its "check_"; an error becomes a
    failure."""

    @wraps(function)
    def named(*args: Any, **options: Any) -> Check:
        try:
            finding = function(*args, **options)
        except Exception as error:
            finding = False, f"{type(error).__name__}: {error}", REINSTALL
        return Check(function.__name__.removeprefix("check_"), *finding)

    return named


def diagnose(source: str | os.PathLike[str] | None = None, *, device: str = "auto") -> list[Check]:
    """Check this machine, from Python up to one prediction. Needs no network unless `source` is a
    Hub name.

    Parameters
    ----------
    source, device : the model to load, as in `load`.

    Returns
    -------
    One `Check` per topic, in the order in which failures should be fixed. Nothing is raised: an
    error in a check becomes its failure."""
    torch = probe_torch()
    checks = [check_python(), check_packages(), check_torch(torch)]
    if "error" not in torch:
        checks.append(check_hardware(torch, nvidia=has_nvidia()))
    checks += [check_memory(), check_disk()]
    if shutil.which("fc-list") is not None:  # it is on Linux
        checks.append(check_fonts())
    if "error" in torch:
        return [
            *checks,
            Check("model", False, "not tried, because PyTorch does not work", "Fix `torch` first."),
        ]
    return checks + _check_model(source, device)


def report(checks: list[Check]) -> str:
    """The checks as lines of text, each with its advice below it, and a verdict."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<{width}}  {check.found}")
        if check.advice:
            lines.append(f"{'':<{width + 8}}{'note' if check.ok else 'fix'}: {check.advice}")
    failed = sum(not check.ok for check in checks)
    lines.append("All is well." if not failed else f"{failed} of {len(checks)} checks failed.")
    return "\n".join(lines)


@checking
def check_python() -> Finding:
    """The version of Python, and whether packages are installed into a separate environment."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, in {sys.prefix}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return False, found, "Install Python 3.12, then run `make lab PYTHON=python3.12`."
    if sys.prefix == sys.base_prefix and "CONDA_PREFIX" not in os.environ:
        return True, found, "`make lab` creates a separate environment, which other projects cannot disturb."
    return True, found


@checking
def check_packages() -> Finding:
    """Whether every required package is installed in a supported version."""
    from packaging.requirements import Requirement

    faults, needed = [], [Requirement(text) for text in requirements()]
    for requirement in needed:
        installed = next(iter(importlib.metadata.distributions(name=requirement.name)), None)
        if installed is None:
            faults.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(installed.version, prereleases=True):
            faults.append(f"{requirement.name} {installed.version} is not {requirement.specifier}")
    if faults:
        return False, "; ".join(faults), REINSTALL
    return True, f"all {len(needed)} required packages in supported versions"


@checking
def check_torch(torch: dict[str, Any]) -> Finding:
    """Whether PyTorch imports and computes; `torch` is the result of the probe."""
    if "error" in torch:
        return False, torch["error"], f"{REINSTALL} If that does not help, delete .venv first."
    build = f"CUDA {torch['cuda_build']}" if torch["cuda_build"] else "ROCm" if torch["hip_build"] else "CPU"
    return True, f"{torch['version']} ({build} build)"


@checking
def check_hardware(torch: dict[str, Any], *, nvidia: bool) -> Finding:
    """Whether PyTorch's build fits the hardware; `nvidia` says whether there is an NVIDIA
    driver."""
    build = torch["cuda_build"]
    if torch["cuda"]:
        found = f"{torch['device']}, compute capability {'.'.join(map(str, torch['capability']))}"
        if torch["hip_build"] or runs_on(torch["capability"], torch["architectures"]):
            return True, found
        advice = "Install a PyTorch build for this GPU, or use `--device cpu`."
        return False, f"{found}; this build supports {', '.join(torch['architectures'])}", advice
    if nvidia and build:
        advice = f"Update the NVIDIA driver for CUDA {build} (see `nvidia-smi`), or use `--device cpu`."
        return False, "an NVIDIA GPU that PyTorch cannot use", advice
    if nvidia:
        advice = "Install PyTorch's CUDA build (see pytorch.org), or use `--device cpu`."
        return False, f"an NVIDIA GPU, and PyTorch {torch['version']} without CUDA", advice
    if torch["mps"]:
        return True, "Apple GPU (MPS)"
    advice = "PyTorch's CPU build is enough here, and much smaller." if build else ""
    return True, "no GPU that PyTorch supports; the CPU computes", advice


@checking
def check_memory() -> Finding:
    """Whether free memory is enough for the bundled model and for the full one."""
    free = free_memory_gb()
    if free is None:
        return True, "unknown on this system"
    found = f"{free:.1f} GB free"
    if free < BUNDLED_GB:
        return False, found, f"Close other programs; about {BUNDLED_GB:g} GB are needed."
    if free < FULL_GB:
        return True, found, f"Enough for the bundled model; the full XLM needs {FULL_GB:g} GB."
    return True, f"{found}, enough for the full XLM"


@checking
def check_disk() -> Finding:
    """Free disk space in the working folder and in the Hub's cache."""
    places = [Path.cwd(), Path(os.environ.get("HF_HOME", Path.home()))]
    free, place = min((shutil.disk_usage(place).free / 1e9, place) for place in places if place.exists())
    found = f"{free:.1f} GB free at {place}"
    if free < 0.1:
        return False, found, "Free some space; results cannot be saved."
    return True, found, "" if free >= DISK_GB else f"A checkpoint of full size takes {DISK_GB:g} GB."


@checking
def check_fonts() -> Finding:
    """Whether fonts for all scripts are installed."""
    listed = {name: _run(["fc-list", f":lang={code}"], seconds=20).stdout for code, name in FONTS.items()}
    missing = [name for name, fonts in listed.items() if not fonts.strip()]
    if not missing:
        return True, "for every script"
    advice = "If words show as boxes, install Noto fonts (Debian: fonts-noto-core, fonts-noto-cjk)."
    return True, f"none for {', '.join(missing)}", advice


def has_nvidia() -> bool:
    """Whether this machine has an NVIDIA driver, and so probably a GPU."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _check_model(source: str | os.PathLike[str] | None, device: str) -> list[Check]:
    """Load the model and predict one pair."""
    import xlmkit

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about decisions are of no interest here
        try:
            nli = xlmkit.load(source, device=device)
        except Exception as error:
            advice = REINSTALL if source is None else "See the message, or check without `--model`."
            return [Check("model", False, f"{type(error).__name__}: {error}", advice)]
        size = sum(weights.numel() for weights in nli.network.parameters()) / 1e6
        precision = str(nli.dtype).removeprefix("torch.")
        found = f"{nli.source}: {size:.1f} M parameters on {nli.device} in {precision}"
        return [Check("model", True, found), check_prediction(nli)]


@checking
def check_prediction(nli: Any) -> Finding:
    """Whether the probabilities of one prediction sum to 1."""
    import pandas as pd

    import xlmkit

    pair = {"premise": "A dog sleeps.", "hypothesis": "An animal sleeps."}
    given = {"text": pair["premise"]} if nli.sentences == 1 else pair
    row = xlmkit.predict(nli, pd.DataFrame([{**given, "language": "en"}]), progress=False).iloc[0]
    total = sum(row[f"p_{label}"] for label in nli.labels)
    if abs(total - 1) >= 1e-3:
        return False, f"probabilities that sum to {total}", "Use `--device cpu`."
    label = row["prediction"]
    return True, f"{label} ({row[f'p_{label}']:.2f}) for {' and '.join(map(repr, given.values()))}"


def requirements() -> list[str]:
    """The packages required at run time, from the installed package or, in a clone that was not
    installed, from pyproject.toml."""
    try:
        listed = importlib.metadata.requires("xlmkit") or []
    except importlib.metadata.PackageNotFoundError:
        file = Path(__file__).resolve().parent.parent / "pyproject.toml"
        listed = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
    return [text for text in listed if "extra ==" not in text]


def _run(command: list[str], *, seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def probe_torch() -> dict[str, Any]:
    """What PyTorch reports in a separate process, or {"error": ...}."""
    try:
        run = _run([sys.executable, "-W", "ignore", "-c", PROBE], seconds=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": f"PyTorch does not answer: {error}"}
    if run.returncode == 0:
        return dict(json.loads(run.stdout.splitlines()[-1]))
    if run.returncode < 0:
        return {"error": f"importing PyTorch crashes Python (signal {-run.returncode})"}
    last = (run.stderr.strip().splitlines() or ["no message"])[-1]
    return {"error": f"PyTorch does not import: {last}"}


def runs_on(capability: list[int], architectures: list[str]) -> bool:
    """Whether a build supports a GPU: binaries run on the same major version from their minor
    version on, PTX on anything newer.

    CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility"."""
    for architecture in architectures:
        kind, major, minor = re.match(r"(\w+)_(\d+)(\d)", architecture).groups()  # type: ignore[union-attr]
        built = [int(major), int(minor)]
        if built <= capability and (kind == "compute" or built[0] == capability[0]):
            return True
    return False


def free_memory_gb() -> float | None:
    """Free memory in GB, at most a container's limit; the total memory where the system does not
    report more (macOS)."""
    amounts = []
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        amounts += [int(kb) * 1024 for kb in re.findall(r"MemAvailable:\s*(\d+)", meminfo.read_text())]
    elif "SC_PHYS_PAGES" in os.sysconf_names:
        amounts.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and limit.read_text().strip().isdigit():
        amounts.append(int(limit.read_text()))
    return min(amounts) / 1e9 if amounts else None
