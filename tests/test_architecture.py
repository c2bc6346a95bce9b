"""Rooms import upwards only, heavy packages stay in the one room that is about them, and importing the kit costs nothing."""

from __future__ import annotations

import ast
import graphlib
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "xlmkit"

# In import order: a room imports only rooms above it, and a module only modules of its room that do not import it.
ROOMS = (
    "checks",
    "notices",
    "languages",
    "bundled",
    "pairs",
    "tokenization",
    "explanation",
    "results",
    "model",
    "encoding",
    "forward",
    "inference",
    "attribution",
    "stats",
    "metrics",
    "features",
    "baselines",
    "probes",
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
    "doctor",
    "cli",
)
# A room whose packages come with an extra.
EXTRA = {"plots": "lab", "widgets": "lab", "training": "train", "distributed": "scale"}
ENTRANCES = {"__init__", "__main__"}  # `__init__` names rooms and imports none of them; `__main__` is `cli`
MAX_LINES, MAX_FILES = 15_600, 142  # of code, and of files, in the whole package; the goal is 15,000 in 140
# Heavy packages, each in the rooms that are about it. A package that is not listed is light or used everywhere (torch, numpy, pandas).
HOMES = {
    "captum": {"attribution", "faithfulness"},
    "pythainlp": {"tokenization"},
    "rjieba": {"tokenization"},
    "sacremoses": {"tokenization"},
    "scipy": {
        "inference",
        "attribution",
        "baselines",
        "alignment",
        "stats",
        "metrics",
        "probes",
        "faithfulness",
        "errors",
        "widgets",
    },
    "sklearn": {"metrics", "baselines", "probes", "faithfulness"},
    "statsmodels": {"stats", "metrics", "faithfulness", "course"},
    "pyarrow": {"pairs", "results", "distributed"},
    "datasets": {"pairs"},
    "huggingface_hub": {"model"},
    "safetensors": {"model", "training"},
    "tokenizers": {"tokenization"},
    "transformers": {"model", "probes", "training"},
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


def rooms_imported(file: Path) -> set[str]:
    names = {name.split(".")[1] for name, _ in imports(file) if name.startswith("xlmkit.")}
    return names & set(sources())


def code_lines(text: str) -> int:
    """Lines that are neither blank, nor comments, nor docstrings."""
    tree = ast.parse(text)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                docstrings.update(range(first.lineno, first.end_lineno + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in BLANK:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


BLANK = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def test_code_lines_leaves_out_blank_lines_comments_and_docstrings():
    text = '"""What it is.\n\nMore."""\n\n# a comment\nx = 1  # counts\n\n\ndef f():\n    """Doc."""\n    return """not\n    a docstring"""\n'
    assert code_lines(text) == 4


def test_the_package_stays_within_its_budget():
    """`pytest -s -k budget tests/test_architecture.py` shows the table."""
    counted = {
        room: [code_lines(file.read_text(encoding="utf-8")) for file in files]
        for room, files in sources().items()
    }
    rows = [(room, len(lines), sum(lines)) for room, lines in counted.items()]
    rows.append(("in all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    print(f"\n{'room':14}{'files':>6}{'lines':>8}")
    for room, files, lines in sorted(rows, key=lambda row: row[2]):
        print(f"{room:14}{files:6}{lines:8,}")
    assert files <= MAX_FILES
    assert lines <= MAX_LINES


def test_every_room_has_its_place_in_the_order():
    assert set(sources()) - ENTRANCES == set(ROOMS)


def test_a_room_imports_only_rooms_above_it():
    for room, files in sources().items():
        if room in ENTRANCES:
            continue
        for file in files:
            for other in rooms_imported(file) - {room}:
                assert ROOMS.index(other) < ROOMS.index(room), (
                    f"{file.relative_to(ROOT)} imports {other}, which is below {room}"
                )


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_graph() -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, at its top or inside a function."""
    known = {module_name(file): file for files in sources().values() for file in files}
    graph: dict[str, set[str]] = {}
    for module, file in known.items():
        graph[module] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in known:
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[module] |= (names & set(known)) or {node.module}
            elif isinstance(node, ast.Import):
                graph[module] |= {alias.name for alias in node.names} & set(known)
    # `xlmkit` itself names the rooms lazily (PEP 562); the command line uses it as users do.
    return {module: found - {"xlmkit", module} for module, found in graph.items() if module != "xlmkit"}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a circle, if there are any."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_modules_do_not_import_one_another_in_a_circle():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle(module_graph())


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


def test_the_map_shows_the_same_rooms_in_the_same_order():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.search(r"```text rooms\n(.*?)```", text, re.S)
    assert shown is not None, "CONTRIBUTING.md has no block ```text rooms"
    listed = [line.split()[0] for line in shown[1].splitlines() if line[:1].strip()]
    assert tuple(listed) == ROOMS
