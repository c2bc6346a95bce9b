"""Rivals: an environment of its own for each tool that wants other versions than the kit, made when it is first needed.

Each lies in build/rivals/ (ignored by git) with the torch of this environment. Where pip cannot make one, the sentence of its error stands in the table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import torch
from measure import rounds
from sizes import MADE, ROOT, folder, pairs

FOLDER = ROOT / "build/rivals"
MINUTES = 20  # for pip, at most
STEPS = 50
SCRIPTS = {"transformers-interpret": "rival_interpret.py", "ferret": "rival_ferret.py"}

# The newest release of each. ferret's own pins bring transformers 4 and numpy 1, which the newest pyarrow refuses; sacremoses is what XLMTokenizer asks for.
REQUIREMENTS = {
    "transformers-interpret": ["transformers-interpret==0.10.0", "sacremoses==0.2.0"],
    "ferret": ["ferret-xai==0.4.2", "sacremoses==0.2.0", "setuptools<81", "pyarrow<22"],
}


def python(name: str) -> Path:
    """The interpreter of a rival's environment, which is made where it is not there.

    Raises
    ------
    RuntimeError : if pip could not make it; the message is pip's own sentence."""
    folder = FOLDER / name
    ready = folder / ".ready"
    wanted = "\n".join([*REQUIREMENTS[name], torch.__version__, sys.version.split()[0]])
    interpreter = folder / "bin/python"
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    print(f"  making {folder.relative_to(ROOT)} (a minute or two, about 1.5 GB)", file=sys.stderr, flush=True)
    start = time.monotonic()
    venv.create(folder, with_pip=True)
    # A build of torch for CPUs has a version of its own (2.13.0+cpu), which the public index does not hold.
    failed = _install(interpreter, name, torch.__version__)
    if failed and "+" in torch.__version__:
        failed = _install(interpreter, name, torch.__version__.partition("+")[0])
    if failed:
        raise RuntimeError(failed)
    ready.write_text(wanted, encoding="utf-8")
    print(f"  made in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return interpreter


def explain(name: str, size: str, count: int) -> dict[str, Any]:
    """Explained pairs a second of a rival at 50 steps, on the pairs that `attribution` explains.

    Raises
    ------
    RuntimeError : with the rival's last words, if it cannot."""
    frame = pairs(count + 1, skip=count - 1)  # the first is the warm-up
    texts = MADE / f"texts-{size}.json"
    texts.parent.mkdir(parents=True, exist_ok=True)
    texts.write_text(json.dumps(frame[["premise", "hypothesis"]].to_numpy().tolist()), encoding="utf-8")
    script = Path(__file__).with_name(SCRIPTS[name])
    command = [python(name), script, folder(size), texts, str(STEPS)]
    found = []
    for _ in range(rounds(size)):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    best: dict[str, Any] = max(found, key=lambda one: one["pairs_per_second"])
    return {**best, "versions": versions(name)}


def versions(name: str) -> dict[str, str]:
    """What pip put into a rival's environment, as far as it affects the figures."""
    listed = subprocess.run(
        [python(name), "-m", "pip", "freeze"], capture_output=True, text=True, check=True
    ).stdout
    named = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    kept = ("torch", "transformers", "tokenizers", "captum", "numpy", "transformers-interpret", "ferret-xai")
    return {package: named[package] for package in kept if package in named}


def _install(interpreter: Path, name: str, torch_version: str) -> str:
    """'' where it went well, else what pip said."""
    command = [interpreter, "-m", "pip", "install", "--quiet", "--no-input", f"torch=={torch_version}"]
    try:
        done = subprocess.run(
            [*command, *REQUIREMENTS[name]], capture_output=True, text=True, timeout=60 * MINUTES
        )
    except subprocess.TimeoutExpired:
        return f"pip took more than {MINUTES} minutes"
    if done.returncode == 0:
        return ""
    errors = re.findall(r"^\s*(?:ERROR|error): (.+)$", done.stderr, re.M)
    return errors[0].strip() if errors else done.stderr.strip().splitlines()[-1]
