"""Rooms import upwards only, heavy packages stay in the one room that is about them, and importing the kit costs nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "xlmkit"

ROOMS = (  # in import order: a room imports only rooms above it
    "checks",
    "notices",
    "languages",
    "bundled",
    "pairs",
    "results",
    "keeping",
    "preprocessing",
    "pieces",
    "preparation",
    "checkpoint",
    "encoding",
    "forward",
    "inference",
    "erasure",
    "explanation",
    "metrics",
    "features",
    "baselines",
    "probes",
    "attribution",
    "alignment",
    "faithfulness",
    "errors",
    "render",
    "plots",
    "report",
    "widgets",
    "course",
    "training",
    "distributed",
    "recipe",
    "doctor",
    "cli",
)
EXTRA = {
    "plots": "lab",
    "widgets": "lab",
    "training": "train",
    "distributed": "scale",
}  # a room whose packages come with an extra
ENTRANCES = {"__init__", "__main__"}  # `__init__` names rooms and imports none of them; `__main__` is `cli`
# What a room may import from below, inside a function: who shows or reads a value is below the value.
DOWNWARDS = {("results", "explanation")}
# Heavy packages, each in the rooms that are about it. What does not stand here is light, or everybody's (torch, numpy, pandas).
HOMES = {
    "captum": {"attribution", "faithfulness"},
    "pythainlp": {"preprocessing"},
    "rjieba": {"preprocessing"},
    "sacremoses": {"preprocessing"},
    "scipy": {"baselines", "alignment", "metrics", "recipe", "probes", "faithfulness", "errors"},
    "sklearn": {"metrics", "baselines", "recipe", "pairs", "probes"},
    "statsmodels": {"metrics", "faithfulness"},
    "pyarrow": {"results", "distributed"},
    "datasets": {"pairs"},
    "huggingface_hub": {"checkpoint"},
    "safetensors": {"checkpoint", "training", "recipe"},
    "tokenizers": {"pieces", "recipe"},
    "transformers": {"checkpoint", "recipe", "probes"},
    "seaborn": {"plots"},
    "matplotlib": {"plots"},
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "traitlets": {"widgets"},
    "IPython": {"widgets"},
    "accelerate": {"training"},
    "codecarbon": {"training"},
    "ray": {"distributed"},
}


@cache
def sources() -> dict[str, list[Path]]:
    """The files of each room: a module, or a package of the same name."""
    rooms: dict[str, list[Path]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        rooms.setdefault(file.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(file)
    return rooms


@cache
def imports(file: Path) -> list[tuple[str, bool]]:
    """Every module that a file imports, with its full name, and whether that happens as the file is imported."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively; write the full name"
            names = [
                f"{node.module}.{alias.name}" if node.module == "xlmkit" else node.module
                for alias in node.names
            ]
            found += [(name, id(node) not in inside) for name in names]
    return found


def rooms_imported(file: Path) -> list[tuple[str, bool]]:
    named = [(name.split(".")[1], at_top) for name, at_top in imports(file) if name.startswith("xlmkit.")]
    return [(name, at_top) for name, at_top in named if name in sources()]


def test_every_room_has_its_place_in_the_order():
    assert set(sources()) - ENTRANCES == set(ROOMS)


def test_a_room_imports_only_rooms_above_it():
    for room, files in sources().items():
        if room in ENTRANCES:
            continue
        for file in files:
            for other, at_top in rooms_imported(file):
                upwards = ROOMS.index(other) < ROOMS.index(room) or other == room
                allowed = upwards or (not at_top and (room, other) in DOWNWARDS)
                assert allowed, f"{file.relative_to(ROOT)} imports {other}, which stands below {room}"


def test_every_exception_to_the_order_is_in_use():
    used = {
        (room, other)
        for room, files in sources().items()
        for file in files
        for other, _ in rooms_imported(file)
    }
    assert used >= DOWNWARDS


def test_heavy_packages_stay_in_their_room():
    for room, files in sources().items():
        for file in files:
            for name, _ in imports(file):
                homes = HOMES.get(name.split(".")[0])
                assert homes is None or room in homes, (
                    f"{file.relative_to(ROOT)} imports {name}, whose home is {homes}"
                )


IMPORT_NAMES = {"sklearn": "scikit-learn"}  # where it differs from the distribution's


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def distribution(module: str) -> str:
    top = module.split(".")[0]
    return canonicalize_name(IMPORT_NAMES.get(top, top))


def test_the_package_needs_exactly_what_it_imports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed, extras = names(project["dependencies"]), project["optional-dependencies"]
    ours = {canonicalize_name(name) for name in sys.stdlib_module_names} | {"xlmkit"}
    everything = set()
    for room, files in sources().items():
        found = [(distribution(name), at_top) for file in files for name, at_top in imports(file)]
        allowed = needed | ours | (names(extras[EXTRA[room]]) if room in EXTRA else set())
        assert {name for name, at_top in found if at_top} <= allowed, (
            f"{room} imports what the package does not ask for"
        )
        everything |= {name for name, _ in found}
    assert everything <= ours | needed | names([text for extra in extras.values() for text in extra])
    assert needed <= everything, "in `dependencies`, never imported"


def test_every_module_says_what_it_is():
    for files in sources().values():
        for file in files:
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


def test_importing_the_kit_loads_nothing_heavy():
    code = "import sys, xlmkit; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"torch", "transformers", "pandas", "numpy", "captum", "scipy", "tqdm", "regex", "tokenizers"}
    assert not heavy & set(run.stdout.split())


def test_the_command_line_answers_for_help_without_anything_heavy():
    code = "import sys, xlmkit.cli; xlmkit.cli.parser(); print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torch", "transformers", "pandas", "numpy"} & set(run.stdout.split())


def test_every_public_name_is_there():
    import xlmkit

    for name in xlmkit.__all__:
        assert getattr(xlmkit, name) is not None
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = xlmkit.nothing


def test_the_readme_shows_the_same_rooms_in_the_same_order():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```text rooms\n(.*?)```", text, re.S)
    assert shown is not None, "README.md has no block ```text rooms"
    listed = [line.split()[0] for line in shown[1].splitlines() if line[:1].strip()]
    assert tuple(listed) == ROOMS
