"""The project's files agree with one another: versions, layout, what make and the installer say."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = ("lab", "train", "scale", "test")  # what .ci/constraints.txt and environment.yml cover
PYTHONS = ("3.11.0", "3.11.2", "3.12.0", "3.13.0", "3.13.99")  # 3.11.2 is Debian 12's
CUDA = ("nvidia-", "cuda-", "triton")  # exact versions of these are torch's own affair


def pins() -> dict[str, str]:
    lines = (ROOT / ".ci/constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def direct() -> dict[str, Requirement]:
    project = PROJECT["project"]
    extras = [project["optional-dependencies"][extra] for extra in EXTRAS]
    requirements = [Requirement(text) for text in itertools.chain(project["dependencies"], *extras)]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def environment() -> tuple[dict[str, str], list[str]]:
    """Conda's own pins, and the lines of its pip section."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = dict(entry.split("=") for entry in listed if isinstance(entry, str))
    return conda, next(entry["pip"] for entry in listed if isinstance(entry, dict))


def test_constraints_are_exact_and_name_no_place():
    for line in (ROOT / ".ci/constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line), line


def test_every_direct_dependency_is_pinned_within_its_range():
    for name, requirement in direct().items():
        assert name in pins(), f"{name} stands in pyproject.toml, not in .ci/constraints.txt"
        assert pins()[name] in requirement.specifier, f"{requirement} does not allow {pins()[name]}"


def test_conda_gets_the_same_versions_as_pip():
    conda, lines = environment()
    listed = dict(line.split("==") for line in lines if "==" in line)
    listed = {canonicalize_name(name): version for name, version in listed.items()}
    assert listed == {name: pins()[name] for name in direct()}
    assert conda["pip"] == pins()["pip"]
    assert conda["python"] in SpecifierSet(PROJECT["project"]["requires-python"])
    assert [line for line in lines if "==" not in line] == ["-c .ci/constraints.txt", "-e ."]


def platforms() -> list[dict[str, str]]:
    systems = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
    return [
        {
            "python_version": version,
            "python_full_version": f"{version}.0",
            "sys_platform": system,
            "platform_system": name,
            "platform_machine": machine,
            "extra": "",
        }
        for version, (system, name, machine) in itertools.product(("3.11", "3.12", "3.13"), systems)
    ]


def installed() -> list[importlib.metadata.Distribution]:
    """The distributions that the constraints speak of, where this environment has them."""
    found = importlib.metadata.distributions()
    return [entry for entry in found if canonicalize_name(entry.metadata["Name"]) in pins()]


def test_everything_that_a_pinned_package_needs_is_pinned_on_linux_and_on_macos():
    missing = set()
    for distribution in installed():
        for requirement in map(Requirement, distribution.requires or []):
            name = canonicalize_name(requirement.name)
            needed = requirement.marker is None or any(map(requirement.marker.evaluate, platforms()))
            if needed and name not in pins() and not name.startswith(CUDA):
                missing.add((distribution.metadata["Name"], str(requirement)))
    assert not missing


def test_every_pin_installs_on_every_supported_python():
    for distribution in installed():
        wanted = SpecifierSet(distribution.metadata.get("Requires-Python", ""))
        if distribution.version.split("+")[0] == pins()[canonicalize_name(distribution.metadata["Name"])]:
            assert all(version in wanted for version in PYTHONS), (distribution.metadata["Name"], str(wanted))


def test_the_top_level_holds_what_the_card_and_python_need():
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git clone, so nothing says which files belong to the project")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    allowed = {"notebooks", "xlmkit", "environment.yml", "tests", "data", "README.md", "pyproject.toml"}
    allowed |= {
        "LICENSE",
        "CITATION.cff",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        ".gitignore",
        ".gitattributes",
        ".ci",
        "findings",
    }
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} <= allowed


def test_citation_and_package_have_the_same_version_and_licence():
    import xlmkit

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == xlmkit.__version__
    assert citation["license"] == PROJECT["project"]["license"] == "Apache-2.0"


def test_a_wheel_carries_the_model_and_the_workshop(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    shutil.unpack_archive(next(tmp_path.glob("*.whl")), tmp_path / "site", "zip")
    code = "import xlmkit.bundled as b; print(b.path('mini-xnli15', 'model.safetensors'), b.path('workshop', 'en.jsonl'))"
    clean = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True
    )
    assert run.stdout.count(str(tmp_path / "site" / "xlmkit" / "data")) == 2, run.stderr
    assert not list(
        (tmp_path / "site" / "xlmkit" / "data").rglob("*.py")
    )  # the recipe and the linters stay in the clone


def test_make_lists_its_commands_and_ci_runs_the_linters_and_the_tests():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("help", "lab", "test", "unit", "report", "lint", "bench", "clean"):
        assert re.search(rf"^{name}:.*## .+", makefile, re.M), name
    steps = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "make lint" in steps
    assert "make test" in steps


# The installer, with a stand-in for Python: it answers as told and installs nothing.
STAND_IN = """#!/bin/sh
case "$*" in
    *"print("*) echo "{version}" ;;
    *"sys.exit(not"*) exit {too_old} ;;
    *ensurepip*) exit {no_venv} ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip install"*) echo "{pip_says}"; exit {pip_fails} ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """A folder with the installer in it, and `install(**answers)` to run it there."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/install", tmp_path / ".ci/install")

    def install(target="lab", **answers):
        said = {"version": "3.12.1", "too_old": 0, "no_venv": 0, "pip_says": "fine", "pip_fails": 0} | answers
        python = tmp_path / "python"
        python.write_text(STAND_IN.format(**said))
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        command = ["sh", ".ci/install", target]
        settings = {**os.environ, "PYTHON": str(python)}
        return subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True)

    return tmp_path, install


def test_the_installer_says_the_cost_first_and_leaves_a_stamp(clone):
    folder, install = clone
    run = install("test")
    assert run.returncode == 0, run.stderr
    assert re.search(r"minutes.*GB", run.stdout, re.S)
    assert (folder / ".venv/.ready-test").exists()
    assert (folder / ".venv/.ready-lab").exists()


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (
            {"too_old": 1, "version": "3.9.2"},
            r"needs Python 3\.11 or newer; .* is 3\.9\.2\. Install .*PYTHON=",
        ),
        ({"no_venv": 1}, r"venv module is missing .*sudo apt install python3-venv"),
        (
            {"pip_fails": 1, "pip_says": "ERROR: No matching distribution found for torch"},
            "A download failed",
        ),
        ({"pip_fails": 1, "pip_says": "ERROR: [Errno 28] No space left on device"}, "The disk is full"),
        ({"pip_fails": 1, "pip_says": "ERROR: something else"}, r"Read \.venv/install\.log"),
    ],
)
def test_what_goes_wrong_in_the_installer_is_named_with_a_fix(clone, answers, sentence):
    folder, install = clone
    run = install(**answers)
    assert run.returncode == 1
    assert re.search(sentence, run.stderr)
    assert not (folder / ".venv/.ready-lab").exists()


def test_a_setup_that_did_not_finish_starts_over(clone):
    folder, install = clone
    install(pip_fails=1, pip_says="ERROR: No matching distribution found")
    (folder / ".venv/half").touch()
    run = install()
    assert "Starting over" in run.stdout
    assert run.returncode == 0
    assert not (folder / ".venv/half").exists()


def test_an_environment_that_came_from_elsewhere_starts_over(clone):
    folder, install = clone
    install()
    (folder / ".venv/.home").write_text("/somewhere/else\n")
    assert "moved or copied" in install().stdout
    assert "up to date" in install().stdout
