"""The notebooks run from start to end, offline, and keep to the laws of their layout; what is committed is what they give.

Unsolved exercises stay open, and every solution passes its check. The course around them: tests/test_course_material.py."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import xlmkit
from xlmkit import course

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
COURSE = [path for path in NOTEBOOKS if path.name[:2] in course.NOTEBOOKS]
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.ipynb"))
LINES = 12  # of code in a cell
MACHINE = re.compile(
    r"/(home|root|Users|tmp|work|var|private|opt|usr)/|[A-Z]:\\\\|ipykernel_\d|site-packages"
)

notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
lesson = pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
solution = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: f"solution-{path.stem}")
everything = pytest.mark.parametrize("path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda path: stem(path))


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
        "08_scale_out",
    }
    assert expected <= {path.stem for path in NOTEBOOKS}


def tagged(cells: list[nbformat.NotebookNode], tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in cells if tag in cell.metadata.get("tags", [])]


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """What the checks said, by exercise: "open", "not yet" or "right"."""
    said = [
        output.data["text/plain"]
        for cell in tagged(notebook.cells, "exercise")
        for output in cell.outputs
        if "data" in output
    ]
    return dict(re.match(r"(\d\d\.\d): (open|not yet|right)\.", text).groups() for text in said)


def exercises(path: Path) -> set[str]:
    """Numbers of the exercises that this notebook should have."""
    return {one.number for one in course.exercises() if one.number[:2] == path.name[:2]}


# Fewer items, languages and resamples than a reader gets: what the tests assert does not depend on their number.
SMALL = {
    "01_explore_predictions": "LIMIT = 24",
    "02_language_ids": 'SOURCE, ITEMS, SENTENCES, TRAPPED = "few.tsv", 1, 6, ["hi"]',
    "03_errors_by_language": 'SOURCE, COUNT = "few.tsv", 300',
    "04_explain_tokens": 'LANGUAGES, ITEMS = ["en", "hi"], ["negation-03", "place-01"]',
    "05_why_it_errs": "EACH, EXPLAINED, EDITED = 1, 5, 3",
    "06_can_we_trust_it": 'LANGUAGES, ITEMS, JUDGED, CONTROLS = ["en", "de"], 3, 2, 4',
    "07_fine_tuning": "STORIES, EPOCHS = 4, 8",
    "08_scale_out": "ITEMS = 4",
    "solutions/06_can_we_trust_it": 'LANGUAGES, ITEMS = ["en", "de"], 3',
}


@pytest.fixture(scope="session")
def kernel():
    """One kernel for all notebooks of a test process; each begins with an empty namespace in its own folder."""
    environment = {
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    manager = AsyncKernelManager(kernel_name="python3")
    run_sync(manager.start_kernel)(env={**os.environ, **environment}, cwd=str(FOLDER))
    yield manager
    run_sync(manager.shutdown_kernel)(now=True)


def stem(path: Path) -> str:
    """A notebook's name, with its folder if it is a solution."""
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def execute(ran: nbformat.NotebookNode, folder: Path, kernel: AsyncKernelManager) -> nbformat.NotebookNode:
    """`ran` after a run in `folder` with an empty namespace; raises CellExecutionError with a cell's traceback."""
    ran.cells.insert(0, nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {str(folder)!r}"))
    NotebookClient(ran, km=kernel, timeout=170, startup_timeout=120).execute()
    return ran


def shorten(notebook: nbformat.NotebookNode, parameters: str, few: Path) -> None:
    """Give a notebook's parameters other values."""
    names = parameters.partition(" = ")[0].split(", ")
    (cell,) = tagged(notebook.cells, "parameters")
    assert all(re.search(rf"^{name} = ", cell.source, re.M) for name in names)
    source = parameters.replace('"few.tsv"', repr(str(few)))
    notebook.cells.insert(notebook.cells.index(cell) + 1, nbformat.v4.new_code_cell(source))


@everything
def test_a_notebook_runs_offline_without_error_and_writes_nothing_here(path, kernel, few):
    if "distributed.start" in "".join(cell.source for cell in code(path)):
        pytest.importorskip("ray", reason="Ray is not installed (extra `scale`)")
    notebook = read(path)
    if stem(path) in SMALL:
        shorten(notebook, SMALL[stem(path)], few)
    before = snapshot()
    ran = execute(notebook, path.parent, kernel)
    assert snapshot() == before
    verdict = "right" if path in SOLUTIONS else "open"
    assert verdicts(ran) == dict.fromkeys(exercises(path), verdict)


def test_a_name_of_one_notebook_is_unknown_to_the_next(kernel, tmp_path):
    first, second = (
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]) for source in ("left = 1", "left")
    )
    execute(first, tmp_path, kernel)
    with pytest.raises(CellExecutionError, match="NameError"):
        execute(second, tmp_path, kernel)


@everything
def test_title_set_up_and_parameters_come_first(path):
    first, setup, parameters = read(path).cells[:3]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert setup.metadata.get("tags") == ["setup"]
    assert parameters.metadata.get("tags") == ["parameters"]
    assert re.search(r"^MODEL = None\b", parameters.source, re.M)


@notebook
def test_a_notebook_says_what_you_will_see(path):
    assert "You will see" in texts(path)[0]


@pytest.mark.parametrize(
    "path", sorted({*NOTEBOOKS, *SOLUTIONS, *FOLDER.glob("*.ipynb")}), ids=lambda path: path.stem
)
def test_the_set_up_cell_is_the_same_everywhere(path):
    assert code(path)[0].source == code(NOTEBOOKS[0])[0].source


@lesson
def test_a_lesson_says_goal_level_minutes_and_exercises(path):
    first = texts(path)[0]
    assert "**After this notebook you can** " in first
    found = re.search(
        r"\*\*Level:\*\* (beginner|intermediate|advanced) · \*\*Time:\*\* (\d+) minutes.*\*\*Exercises:\*\* (\d)",
        first,
    )
    assert found is not None, first
    assert int(found[3]) == len(exercises(path))
    assert 20 <= int(found[2]) <= 90
    assert f"`solutions/{path.name}`" in first


@lesson
def test_an_exercise_has_a_heading_with_minutes_a_hint_and_an_answer_to_fill_in(path):
    cells, text = read(path).cells, "\n".join(texts(path))
    assert set(verdicts(read(path))) == exercises(path)
    for number in exercises(path):
        assert re.search(rf"^### Exercise {re.escape(number)}: .+ \(\d+ minutes\)$", text, re.M), number
    for place, cell in enumerate(cells):
        if cell in tagged(cells, "exercise"):
            assert re.search(r"^answer = .*\.\.\.", cell.source, re.M), cell.source
            before = next(other for other in reversed(cells[:place]) if "### Exercise" in other.source)
            told = "\n".join(other.source for other in cells[cells.index(before) : place])
            assert re.search(r"<details><summary>Hint</summary>\n\n.+\n\n</details>", told, re.S), cell.source


@lesson
def test_unsolved_exercises_are_committed_open(path):
    assert set(verdicts(read(path)).values()) == {"open"}


@solution
def test_solutions_are_committed_right_and_answer_what_the_notebook_asks(path):
    assert (FOLDER / path.name).exists()
    assert verdicts(read(path)) == dict.fromkeys(exercises(path), "right")
    assert "..." not in "".join(cell.source for cell in tagged(code(path), "exercise"))


def test_every_lesson_has_solutions():
    assert [path.name for path in SOLUTIONS] == [path.name for path in COURSE]


@everything
def test_one_title_and_no_heading_skips_a_level(path):
    prose = re.sub(r"^```.*?^```", "", "\n\n".join(texts(path)), flags=re.S | re.M)
    levels = [len(mark) for mark in re.findall(r"^(#+) ", prose, re.M)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), levels


@everything
def test_every_figure_has_words_for_those_who_do_not_see_it(path):
    outputs = [output for cell in code(path) for output in cell.outputs]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert "image/png" not in shown, "end the cell with plots.described(axes, '...')"
    pages = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    for image in re.findall(r"<img [^>]*>", pages):
        alt = re.search(r' alt="([^"]*)"', image)
        assert alt is not None, "an image without alt"
        assert len(alt[1]) >= 30, alt[1]
        assert not re.search(r"\d[.,]\d", alt[1]), (
            f"a figure's words say what is drawn, no findings: {alt[1]}"
        )


@everything
def test_a_widget_is_followed_by_a_picture_for_the_web_where_it_would_be_an_empty_box(path):
    for cell in code(path):
        for output, following in itertools.pairwise([*cell.outputs, {}]):
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                assert "xk-picture-" in following.get("data", {}).get("text/html", ""), cell.source


@everything
def test_notebooks_define_nothing_and_their_cells_are_short(path):
    for cell in code(path):
        assert not re.search(r"^\s*(async )?(def|class) ", cell.source, re.M), cell.source
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= LINES, f"{len(lines)} lines:\n{cell.source}"


@everything
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


@everything
def test_a_notebook_is_committed_executed_from_top_to_bottom(path):
    cells = code(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs
    assert not [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ]


@everything
def test_what_is_committed_was_made_by_the_embedded_model(path):
    model = xlmkit.load(device="cpu", dtype="float32").provenance["weights_sha256"]
    said = "".join(output.get("text", "") for cell in code(path) for output in cell.outputs)
    assert f"weights {model[:12]}" in said, "run `make notebooks` and look at the result"


@everything
def test_nothing_of_the_machine_is_committed(path):
    found = read(path)
    for cell in found.cells:
        assert set(cell.metadata) <= {"tags"}
        assert not MACHINE.search(str(cell.get("outputs", ""))), cell.source
    assert set(found.metadata) == {"kernelspec", "language_info"}
    assert found.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < 1_500_000


@everything
def test_a_notebook_names_only_notebooks_that_exist(path):
    named = set(re.findall(r"`(\d\d_[a-z_]+)`", "\n".join(texts(path))))
    assert named <= {other.stem for other in NOTEBOOKS}
