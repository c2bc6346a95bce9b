"""The notebooks run from start to end, offline, and keep to the laws of their layout; what is committed is what they give."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import xlmkit

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
LINES = 12  # of code in a cell
MACHINE = re.compile(
    r"/(home|root|Users|tmp|work|var|private|opt|usr)/|[A-Z]:\\\\|ipykernel_\d|site-packages"
)

notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def texts(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]


def snapshot() -> dict[str, tuple[int, int]]:
    """Size and time of every file that a notebook could come to write beside itself, to the data or to the top."""
    folders = [ROOT.glob("*"), FOLDER.rglob("*"), (ROOT / "data").rglob("*")]
    files = [file for folder in folders for file in folder if file.is_file() and file.suffix != ".pyc"]
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def test_there_are_notebooks():
    expected = {
        "00_start_here",
        "01_explore_predictions",
        "02_language_ids",
        "03_errors_by_language",
        "04_explain_tokens",
        "05_why_it_errs",
        "06_can_we_trust_it",
        "07_fine_tuning",
    }
    assert expected <= {path.stem for path in NOTEBOOKS}


@notebook
def test_a_notebook_runs_offline_without_error_and_writes_nothing_here(path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    before = snapshot()
    client = NotebookClient(
        read(path), timeout=170, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()  # raises CellExecutionError with the cell's traceback
    assert snapshot() == before


@notebook
def test_title_and_parameters_come_first(path):
    first, second = read(path).cells[:2]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "You will see" in first.source
    assert "parameters" in second.metadata.get("tags", [])
    assert re.search(r"^MODEL = None\b", second.source, re.M)


@notebook
def test_notebooks_define_nothing_and_their_cells_are_short(path):
    for cell in code(path):
        assert not re.search(r"^\s*(async )?(def|class) ", cell.source, re.M), cell.source
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= LINES, f"{len(lines)} lines:\n{cell.source}"


@notebook
def test_every_figure_and_table_is_followed_by_a_sentence_on_it(path):
    cells = read(path).cells
    for cell, following in itertools.pairwise(cells):
        shown = [
            output
            for output in cell.get("outputs", [])
            if {"text/html", "image/png"} & set(output.get("data", {}))
        ]
        assert not shown or following.cell_type == "markdown", cell.source


@notebook
def test_findings_come_last(path):
    headings = re.findall(r"^## .*", "\n".join(texts(path)), re.M)
    assert headings[-1] == "## Findings"
    assert sum(heading == "## Findings" for heading in headings) == 1
    assert read(path).cells[-1].cell_type == "markdown"


@notebook
def test_a_notebook_is_committed_executed_from_top_to_bottom(path):
    cells = code(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs
    assert not [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ]


@notebook
def test_what_is_committed_was_made_by_the_embedded_model(path):
    model = xlmkit.load(device="cpu", dtype="float32").provenance["weights_sha256"]
    said = "".join(output.get("text", "") for cell in code(path) for output in cell.outputs)
    assert f"weights {model[:12]}" in said, "run `make notebooks` and look at the result"


@notebook
def test_nothing_of_the_machine_is_committed(path):
    found = read(path)
    for cell in found.cells:
        assert set(cell.metadata) <= {"tags"}
        assert not MACHINE.search(str(cell.get("outputs", ""))), cell.source
    assert set(found.metadata) == {"kernelspec", "language_info"}
    assert found.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < 1_500_000


@notebook
def test_a_notebook_names_only_notebooks_that_exist(path):
    named = set(re.findall(r"`(\d\d_[a-z_]+)`", "\n".join(texts(path))))
    assert named <= {other.stem for other in NOTEBOOKS}
