"""README.md tells the truth: its code runs, and every file, command, name and notebook that it mentions is there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

import xlmkit
from xlmkit import cli
from xlmkit.pairs import PHENOMENA

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MADE_ON_THE_WAY = {"explanation.html", "explanations.html", "predictions.parquet", "pairs.tsv", "xlmkit.json"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.S | re.M)


def inline() -> list[str]:
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.S | re.M)
    return re.findall(r"`([^`\n]+)`", prose)


@pytest.mark.filterwarnings("ignore::xlmkit.notices.XlmkitWarning")
def test_the_ten_lines_run_are_ten_and_print_what_the_page_shows(tmp_path, monkeypatch, capsys):
    code, printed = blocks("python")[0], blocks("text")[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.split() == printed.split()
    assert (tmp_path / "explanations.html").read_text(encoding="utf-8").startswith("<!")
    assert (tmp_path / "predictions.parquet").exists()


def test_every_file_that_is_mentioned_exists():
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    named = [
        word
        for text in inline()
        for word in text.split()
        if re.fullmatch(r"[\w./-]+\.(yml|txt|md|json|ipynb|cff)", word)
    ]
    named += re.findall(r"[\w./-]+\.(?:yml|txt|ipynb)", "".join(blocks("sh")))
    named += [text for text in inline() if text.startswith(("data/", "notebooks/", "xlmkit/", ".ci/"))]
    for name in {*linked, *named} - MADE_ON_THE_WAY:
        assert (ROOT / name).exists(), name


def test_every_make_command_that_is_mentioned_exists():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^make (\w+)", listed, re.M))
    lines = [*inline(), *"\n".join(blocks("sh")).splitlines()]
    said = {match[1] for match in map(re.compile(r"make ([a-z]+)").match, lines) if match}
    assert {"lab", "test"} <= said <= known


def test_every_xlmkit_command_that_is_mentioned_parses():
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("xlmkit ")]
    lines += [
        text.removeprefix(".venv/bin/") for text in inline() if re.match(r"(\.venv/bin/)?xlmkit \w", text)
    ]
    assert lines
    for line in lines:
        arguments = [word for word in shlex.split(line)[1:] if word != "--help"]
        assert cli.parser().parse_args(arguments).command, line


def test_every_public_name_that_is_mentioned_exists():
    for name in set(re.findall(r"\bxk\.(\w+)", TEXT)):
        assert name in xlmkit.__all__, name


def test_the_table_of_notebooks_is_the_folder():
    listed = re.findall(r"\]\(notebooks/(\S+\.ipynb)\)", TEXT)
    assert listed == sorted(file.name for file in (ROOT / "notebooks").glob("*.ipynb"))


def test_the_mistakes_are_seven():
    rows = re.findall(r"^\| (\d) \|", TEXT, re.M)
    assert rows == list("1234567")


def test_the_page_is_short():
    assert len(TEXT.encode("utf-8")) <= 8192


def test_the_heart_is_ten_files_that_exist():
    heart = re.findall(r"`(xlmkit/[\w/]+\.py)`", TEXT.split("are the heart")[1].split("\n\n")[0])
    assert len(heart) == 10
    assert all((ROOT / name).exists() for name in heart)


@pytest.mark.parametrize(
    "phrase", ["CC BY-NC 4.0", "Apache License 2.0", "hostile or alienating", "issue tracker", "no NLI head"]
)
def test_licence_use_and_help_are_said(phrase):
    assert phrase in TEXT


def test_the_workshop_table_is_the_bundled_models_and_has_a_row_for_each_phenomenon():
    weights = xlmkit.load(device="cpu", dtype="float32").provenance["weights_sha256"]
    page = (ROOT / "data" / "workshop" / "README.md").read_text(encoding="utf-8")
    section = page.split("## The bundled model on these items\n")[1].split("\n## ")[0]
    assert f"weights `{weights[:12]}`" in section, "predict the workshop again and put the figures in"
    rows = [line.split(" | ")[0].strip("| ") for line in section.splitlines() if line.startswith("| ")]
    assert rows == ["phenomenon", *PHENOMENA, "**all**", "95 %"]
