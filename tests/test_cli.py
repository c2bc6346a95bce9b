"""The command line: results on standard output, all else on standard error, one sentence for what is wrong."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys

import pytest

import xlmkit
from xlmkit import cli, notices

HEADER = "premise\thypothesis\tlanguage\tgold\n"
ROWS = (
    "The dog sleeps.\tA dog sleeps.\ten\tentailment\n",
    "Il pleut.\tIl ne pleut pas.\tfr\tcontradiction\n",
)


@pytest.fixture
def run(tiny_folder, capsys, monkeypatch):
    """`run("predict ...")` with the tiny model -> (exit code, standard output, standard error)."""

    def call(line, stdin=""):
        notices.forget()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8"))))
        model = ["--model", str(tiny_folder), "--device", "cpu", "--dtype", "float32"]
        try:
            command, *options = shlex.split(line) or [""]
            code = cli.main([command, *model, *options])
        except SystemExit as stop:
            code = stop.code
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(HEADER + "".join(ROWS), encoding="utf-8")
    return path


def test_a_file_is_predicted_to_standard_output_and_nothing_else_is_there(run, file):
    code, out, _ = run(f"predict {file}")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 3
    assert "p_entailment" in lines[0]


def test_pairs_may_be_given_by_name_too(run, file):
    assert run(f"evaluate --data {file}")[:2] == run(f"evaluate {file}")[:2]
    assert run(f"evaluate --data {file}")[0] == 0


@pytest.mark.parametrize("form", ["tsv", "jsonl"])
def test_standard_input_is_read_as_a_file_of_that_form(run, form, file):
    rows = [dict(zip(HEADER.split(), row.rstrip().split("\t"), strict=True)) for row in ROWS]
    text = file.read_text() if form == "tsv" else "".join(json.dumps(row) + "\n" for row in rows)
    assert run(f"predict - --format {form}", text)[1] == run(f"predict {file}")[1]


def test_the_command_line_gives_the_numbers_of_the_library(run, tiny_folder, file, tmp_path):
    run(f"predict {file} --out {tmp_path / 'found.parquet'}")
    nli = xlmkit.load(tiny_folder, device="cpu", dtype="float32")
    wanted = xlmkit.predict(nli, xlmkit.read_pairs(file), progress=False)
    found = xlmkit.read_results(tmp_path / "found.parquet")
    assert found["p_neutral"].tolist() == wanted["p_neutral"].tolist()
    assert found.attrs["provenance"]["model"]["weights_sha256"] == nli.provenance["weights_sha256"]


@pytest.mark.parametrize("name", ["found.csv", "found.tsv", "found.jsonl", "found.parquet"])
def test_predictions_are_written_by_extension_and_evaluated_again(run, file, tmp_path, name):
    code, out, err = run(f"predict {file} --out {tmp_path / name}")
    assert (code, out) == (0, "")
    assert "wrote 2 rows" in err
    assert run(f"evaluate --predictions {tmp_path / name}")[1] == run(f"evaluate {file}")[1]


def test_what_standard_output_got_can_be_evaluated_too(run, file, tmp_path):
    for form in ("csv", "jsonl"):
        kept = tmp_path / f"kept.{form}"
        kept.write_text(run(f"predict {file} --to {form}")[1], encoding="utf-8")
        assert run(f"evaluate --predictions {kept}")[0] == 0


def test_evaluation_is_a_table_by_language_with_intervals(run, file):
    code, out, _ = run(f"evaluate {file}")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert {"language", "n", "accuracy", "low", "high"} <= set(lines[0])
    assert [line[0] for line in lines[1:]] == ["en", "fr", "all"]


def test_pairs_are_chosen_by_language_phenomenon_and_item(run):
    code, out, _ = run("predict workshop --languages en,sw --phenomena time,place --limit 3 --to jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {(row["item"], row["language"]) for row in rows} == {
        (f"time-0{number}", language) for number in (1, 2, 3) for language in ("en", "sw")
    }
    out = run("predict workshop --languages hi,ur --items time-09,word_order-01 --to jsonl")[1]
    assert [json.loads(line)["pair_id"] for line in out.splitlines()] == [
        f"{item}-{code}" for item in ("time-09", "word_order-01") for code in ("hi", "ur")
    ]


def test_evaluation_is_by_phenomenon_where_that_is_asked(run):
    code, out, _ = run(
        "evaluate workshop --languages en,fr --phenomena time,place --by phenomenon --to jsonl"
    )
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(row["phenomenon"], row["n"]) for row in rows] == [("place", 20), ("time", 20), ("all", 40)]


def test_one_pair_can_be_given_in_the_command(run):
    code, out, _ = run(
        'predict --premise "Un chat dort." --hypothesis "A cat sleeps." --language fr --hypothesis-language en'
    )
    assert code == 0
    assert "Un chat dort." in out.splitlines()[1]


def test_explanations_go_out_as_lines_of_json_as_a_table_and_as_a_page(run, file, tmp_path):
    code, out, _ = run(f"explain {file} --method saliency")
    kept = tmp_path / "kept.jsonl"
    kept.write_text(out, encoding="utf-8")
    assert code == 0
    assert len(xlmkit.read_results(kept)) == 2
    assert "word_text" in run(f"explain {file} --method saliency --to csv")[1].splitlines()[0]
    run(f"explain {file} --method saliency --out {tmp_path / 'page.html'}")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("Il") >= 1
    assert "<script" not in page
    run(f"explain {file} --method saliency --out {tmp_path / 'words.parquet'}")
    assert "score" in xlmkit.read_results(tmp_path / "words.parquet")


def test_predictions_can_be_explained_as_they_were_saved(run, file, tmp_path):
    run(f"predict {file} --out {tmp_path / 'found.csv'}")
    assert run(f"explain {tmp_path / 'found.csv'} --method saliency")[0] == 0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("predict", "the command needs pairs"),
        ("predict no-such-file.tsv", "no-such-file.tsv"),
        ("predict workshop --model no/such/folder", "no/such/folder"),
        ("predict workshop --languages xx", "'xx'"),
        ("predict workshop --phenomena irony", "'irony'"),
        ("predict workshop --items negation-99", "'negation-99'"),
        ("predict sample", "'workshop'"),
        ("predict workshop --premise a --hypothesis b", "got both"),
        ("predict --data workshop --premise a --hypothesis b", "got both"),
        ("predict --text a --premise b", "`--text`"),
        ("predict workshop --data xnli/test", "`--data xnli/test`"),
        ("evaluate --data workshop --predictions found.csv", "got both"),
        ("predict --premise a", "--hypothesis"),
        ("predict workshop --language fr", "--languages"),
        ("predict --premise a --hypothesis b --phenomena time --limit 3", "`--phenomena`, `--limit`"),
        ("predict workshop --limit 1 --out found.docx", "found.docx"),
        ("predict workshop --limit 1 --out no/such/found.csv", "no/such"),
        ("predict workshop --device abacus", "abacus"),
        ("explain workshop --limit 1 --method reading-tea-leaves", "reading-tea-leaves"),
        ("explain workshop --limit 1 --target maybe", "maybe"),
        ("evaluate --premise a --hypothesis b", "gold"),
        ("evaluate workshop --predictions found.csv", "got both"),
        ("evaluate workshop --limit 1 --by mood", "'mood'"),
        ("evaluate --predictions no-such.csv", "no-such.csv"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(run, line, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(line)
    assert code == 2
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("xlmkit: ")


@pytest.mark.parametrize(
    "line", ["", "predict --limit 0", "predict --limit x", "nonsense", "predict --to parquet"]
)
def test_wrong_usage_is_exit_code_2(run, line):
    assert run(line)[0] == 2


def test_a_faulty_row_of_standard_input_is_named_as_such(run):
    code, _, err = run("predict - --format tsv", HEADER + "A dog.\t\ten\tneutral\n")
    assert code == 2
    assert "standard input" in err
    assert "/tmp" not in err


@pytest.mark.parametrize("out", ["found.docx", "found.html", "no/such/found.csv", "."])
def test_a_result_that_could_not_be_written_is_refused_before_it_is_computed(run, file, out, monkeypatch):
    def computed(*_, **__):
        raise AssertionError("computed")

    monkeypatch.chdir(file.parent)
    monkeypatch.setattr(xlmkit, "predict", computed, raising=False)
    for command in ("predict", "evaluate"):
        code, _, err = run(f"{command} {file} --out {out}")
        assert code == 2
        assert "Errno" not in err


def test_an_extension_may_be_in_capitals(run, file, tmp_path):
    run(f"explain {file} --method saliency --out {tmp_path / 'PAGE.HTML'}")
    assert "<section" in (tmp_path / "PAGE.HTML").read_text(encoding="utf-8")
    run(f"explain {file} --method saliency --out {tmp_path / 'ALL.JSONL'}")
    assert len(xlmkit.read_results(tmp_path / "ALL.JSONL")) == 2


def test_bytes_that_are_no_text_are_named_as_a_fault_of_the_row(run):
    code, _, err = run("predict --premise 'a\udcff' --hypothesis b")
    assert code == 2
    assert "`premise` has a lone surrogate U+DCFF" in err


def test_debug_shows_the_traceback(run):
    with pytest.raises(ValueError, match="needs pairs"):
        run("predict --debug")


def test_notices_are_said_on_standard_error_and_silenced_by_quiet(run, file):
    file.write_text((HEADER + "".join(ROWS)).replace("\ten\t", "\tEN\t"), encoding="utf-8")
    code, out, err = run(f"predict {file}")
    assert code == 0
    assert "note: language 'EN'" in err
    assert "note" not in out
    assert run(f"predict {file} --quiet")[2] == ""


@pytest.mark.parametrize("command", cli.EXAMPLES)
def test_every_example_of_the_help_is_a_command_that_parses(command):
    lines = [line.strip() for line in cli.EXAMPLES[command].splitlines() if line.strip()]
    assert lines
    for line in lines:
        words = shlex.split(line.split(" | ")[0].split(" < ")[0].split(" > ")[0])
        if words[0] == "torchrun":  # starts the same command in several processes
            words = words[words.index("-m") + 1 :]
        assert words[:2] == ["xlmkit", command]
        assert cli.parser().parse_args(words[1:]).command == command


def test_help_ends_with_examples_and_exit_codes(capsys):
    for command in cli.EXAMPLES:
        with pytest.raises(SystemExit) as stop:
            cli.main([command, "--help"])
        out = capsys.readouterr().out
        assert stop.value.code == 0
        assert f"xlmkit {command}" in out.split("examples:")[1]
        assert "exit codes:" in out


def test_a_reader_that_stops_early_is_no_error(tiny_folder, monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)  # as if `head` had left before the first line
    pair = ["--premise", "The dog sleeps.", "--hypothesis", "A dog."]
    with os.fdopen(writer, "w") as out:  # what is left over is written when it is closed, as at exit
        monkeypatch.setattr(sys, "stdout", out)
        code = cli.main(["predict", *pair, "--model", str(tiny_folder), "--quiet"])
    assert (code, capsys.readouterr().err) == (0, "")


def test_an_interruption_is_exit_code_130(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(xlmkit, "read_pairs", interrupted, raising=False)
    assert run("predict workshop")[0] == 130


@pytest.mark.parametrize("probe", cli.PROBES)
def test_a_probe_is_a_table_on_standard_output(run, file, probe):
    parallel = "".join(
        f"{text}\tNo dog sleeps.\t{code}\tneutral\t{text[0]}\n"
        for text in ("The man sleeps.", "A red book.", "It is not today.")
        for code in ("en", "fr")
    )
    file.write_text(HEADER.rstrip() + "\titem\n" + parallel, encoding="utf-8")
    code, out, err = run(f"probe {probe} {'' if probe == 'language_cosines' else file} --to csv")
    assert code == 0, err
    columns = {
        "language_id_matrix": "flips",
        "mixed_language_grid": "hypothesis_language",
        "ablation": "trap",
        "retrieval": "layer",
        "language_cosines": "language",
    }
    assert f'"{columns[probe]}"' in out.splitlines()[0].split(",")
    assert len(out.splitlines()) > 2


def test_an_unknown_probe_lists_the_known_ones(run):
    code, _, err = run("probe swap workshop")
    assert code == 2
    assert "choose from" in err
    assert "language_id_matrix" in err
