"""The course around the notebooks: the teacher's guide agrees with them, the handout is one page of its own, badges go in and out, Colab is set up."""

from __future__ import annotations

import builtins
import importlib.util
import json
import re
import runpy
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from xlmkit import course

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
GUIDE = (FOLDER / "README.md").read_text(encoding="utf-8")
HANDOUT = (FOLDER / "handout.html").read_text(encoding="utf-8")
ADDRESS = "https://github.com/some-one/xlm.kit"
TERMS = {
    "premise",
    "hypothesis",
    "entailment",
    "language embedding",
    "BPE",
    "attribution",
    "baseline",
    "completeness",
}


def first(path: Path) -> str:
    return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])


def section(title: str) -> str:
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE, re.S | re.M)[1]


def test_the_guide_lists_the_lessons_as_they_say_of_themselves():
    rows = re.findall(r"^\| \[(\d\d_\w+)\]\(\1\.ipynb\) \| (\w+) \| (\d+) \| (\d) \|", GUIDE, re.M)
    assert [name for name, *_ in rows] == [f"{number}_{name}" for number, name in course.NOTEBOOKS.items()]
    for name, level, minutes, exercises in rows:
        own = first(FOLDER / f"{name}.ipynb")
        said = re.search(r"\*\*Level:\*\* (\w+) · \*\*Time:\*\* (\d+) minutes.*\*\*Exercises:\*\* (\d)", own)
        assert said is not None, name
        assert (level, minutes, exercises) == said.groups(), name


@pytest.mark.parametrize(("title", "most"), [("Half a day", 240), ("A full day", 480)])
def test_a_timetable_fits_into_its_day(title, most):
    minutes = [int(number) for number in re.findall(r"^\| (\d+) \|", section(title), re.M)]
    assert most - 10 <= sum(minutes) <= most
    assert "break" in section(title)


def test_the_glossary_explains_each_word_in_one_line_in_the_order_of_the_alphabet():
    lines = [line for line in section("Glossary").splitlines() if line]
    words = [re.fullmatch(r"- \*\*([^*]+)\*\*: .+[.?]", line)[1] for line in lines]
    assert words == sorted(words, key=str.casefold)
    assert len(words) == len(set(words))
    assert set(words) >= TERMS
    assert all(len(line) <= 140 for line in lines)


def test_the_guide_names_only_what_is_there():
    for name in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (FOLDER / name).exists(), name
    for name in set(re.findall(r"`(\d\d_[a-z_]+)`", GUIDE)):
        assert (FOLDER / f"{name}.ipynb").exists(), name
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"`make (\w+)|^make (\w+)", GUIDE, re.M)) >= {("badges", "")}
    for name in (one or other for one, other in re.findall(r"`make (\w+)|^make (\w+)", GUIDE, re.M)):
        assert f"make {name} " in listed


def test_the_handout_needs_nothing_but_itself():
    assert not re.search(r"<script|<link|<img|src=|https?://|@import|url\(", HANDOUT)
    assert HANDOUT.count("<h1>") == 1
    assert '<html lang="en">' in HANDOUT


class Calls(HTMLParser):
    """The first block of code that begins with an import."""

    def __init__(self) -> None:
        super().__init__()
        self.code: list[str] = []

    def handle_data(self, data: str) -> None:
        if data.startswith("import "):
            self.code.append(data)


def test_the_calls_on_the_handout_are_names_of_the_kit():
    import xlmkit

    parser = Calls()
    parser.feed(HANDOUT)
    names = set(re.findall(r"\bxk\.(\w+)", parser.code[0]))
    assert names
    assert names <= set(xlmkit.__all__)
    compile(parser.code[0], "handout.html", "exec")


BADGES = runpy.run_path(str(ROOT / ".ci/badges"))["main"]


@pytest.fixture
def copy(tmp_path):
    """The notebooks in a folder of their own; and `badges(...)`, which returns the exit code."""
    shutil.copytree(FOLDER, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))

    def badges(*arguments: str) -> int:
        try:
            return BADGES([*arguments, "--folder", str(tmp_path / "notebooks")])
        except SystemExit as stop:
            return stop.code

    return tmp_path / "notebooks", badges


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.ipynb"))
    }


def setup(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "".join(next(cell for cell in cells if "setup" in cell["metadata"].get("tags", []))["source"])


def test_badges_lead_each_notebook_to_itself_and_change_nothing_but_their_line_and_the_address(copy):
    folder, badges = copy
    before = contents(folder)
    assert badges(ADDRESS) == 0
    for name, old in before.items():
        text = first(folder / name)
        assert (
            f"(https://colab.research.google.com/github/some-one/xlm.kit/blob/main/notebooks/{name})" in text
        )
        assert f"(https://mybinder.org/v2/gh/some-one/xlm.kit/main?labpath=notebooks/{name})" in text
        assert text.startswith("# ")
        assert f'REPOSITORY = "{ADDRESS}"' in setup(folder / name)
        known = set(old.decode().splitlines())
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        changed = [line for line in lines if line not in known]
        assert all("[![Open in" in line or "REPOSITORY" in line for line in changed), changed


def test_badges_are_the_same_the_second_time_and_go_without_a_trace(copy, capsys):
    folder, badges = copy
    before = contents(folder)
    badges(ADDRESS)
    once = contents(folder)
    capsys.readouterr()
    badges(ADDRESS)
    assert "0 of" in capsys.readouterr().out
    assert contents(folder) == once
    badges("https://gitlab.com/a/b/c", "--branch", "x/y")
    assert "https://mybinder.org/v2/gl/a%2Fb%2Fc/x%2Fy?labpath=" in first(folder / "00_start_here.ipynb")
    assert "colab" not in first(folder / "00_start_here.ipynb"), "Colab opens GitHub alone"
    assert badges("none") == 0
    assert contents(folder) == before


@pytest.mark.parametrize(
    "address",
    ["github.com/a/b", "https://github.com/a", 'https://x.org/a/b"; rm -r', "https://x.org/a/b c", ""],
)
def test_what_is_no_address_is_refused(copy, address, capsys):
    folder, badges = copy
    before = contents(folder)
    assert badges(address) == 2
    assert "expected an address such as" in capsys.readouterr().err
    assert contents(folder) == before


def run_setup(path: Path, monkeypatch, *, installed: bool) -> list[str]:
    """Run a set-up cell as IPython would; the lines that it gives to pip."""
    asked: list[str] = []
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: real(name) if installed else None)

    class Shell:
        def run_line_magic(self, name: str, line: str, *_: object) -> None:
            asked.append(f"{name} {line}")

    monkeypatch.setattr(builtins, "get_ipython", Shell, raising=False)
    exec(TransformerManager().transform_cell(setup(path)), {})
    return asked


def test_the_set_up_cell_does_nothing_where_the_kit_is_installed(monkeypatch):
    assert run_setup(FOLDER / "00_start_here.ipynb", monkeypatch, installed=True) == []


def test_without_an_address_the_set_up_cell_says_what_to_do(monkeypatch, copy):
    folder, badges = copy
    badges("none")
    with pytest.raises(ModuleNotFoundError, match=r"README\.md"):
        run_setup(folder / "00_start_here.ipynb", monkeypatch, installed=False)


def test_on_colab_the_set_up_cell_installs_from_the_address(monkeypatch, copy):
    folder, badges = copy
    badges(ADDRESS)
    (line,) = run_setup(folder / "00_start_here.ipynb", monkeypatch, installed=False)
    assert line == 'pip install --quiet "xlmkit[lab,train] @ git+{REPOSITORY}"'  # IPython fills in the name


def test_make_badges_asks_for_the_address():
    run = subprocess.run(["make", "badges"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert "REPOSITORY=https://" in run.stdout + run.stderr
