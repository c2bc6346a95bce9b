"""Parts, reading, work and folder of a run in many parts, without a cluster: one worker in this process does what many would do."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import resource
from types import SimpleNamespace

import pandas as pd
import pytest

import xlmkit
from xlmkit import cli, distributed, notices
from xlmkit.distributed import list_shards, runner, worker
from xlmkit.distributed.folder import Folder
from xlmkit.distributed.shards import Refused, read_shard

LABELS = ("contradiction", "neutral", "entailment")
COLUMNS = ["pair_id", "item", "language", "premise", "hypothesis", "gold"]


@pytest.fixture
def pairs():
    """30 pairs in three languages."""
    return xlmkit.read_pairs("workshop", languages=["en", "fr", "th"], limit=10)[COLUMNS]


def write(path, rows):
    """Rows as lines of JSON; text stays as it is, so that a line may be broken."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path, pairs):
    return write(tmp_path / "pairs.jsonl", pairs.to_dict("records"))


@pytest.fixture
def here(monkeypatch, tiny_folder):
    """`here(kind, source, out, ...)`: a run whose only worker is this process, with the tiny model."""

    def compute_shards(task, shards, workers):
        here = workers.worker(task)
        for shard in shards:
            yield here.do(shard)

    monkeypatch.setattr(runner, "compute_shards", compute_shards)
    monkeypatch.setattr(runner, "connected", lambda workers: contextlib.nullcontext())
    notices.forget()

    def call(task, source, out, *, make=worker.Worker, **options):
        usual = {"device": "cpu", "dtype": "float32", "model": tiny_folder, "progress": False}
        return distributed.run(
            task, source, out, workers=distributed.Workers(worker=make), **(usual | options)
        )

    return call


@pytest.fixture
def tiny(tiny_folder):
    return xlmkit.load(tiny_folder, device="cpu", dtype="float32")


def mutable(cls, compute):
    """A worker whose `compute` is another."""
    return type("Other", (cls,), {"compute": compute})


# Parts and reading


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("rows", [1, 7, 30, 31])
def test_the_parts_of_a_file_are_its_rows_each_once_and_in_order(tmp_path, file, pairs, suffix, rows):
    if suffix == "parquet":
        file = tmp_path / "pairs.parquet"
        pairs.to_parquet(file, row_group_size=4)
    parts = list_shards(file, rows)
    read = [read_shard(part, LABELS) for part in parts]
    assert [part.number for part in parts] == list(range(-(-30 // rows)))
    assert not [row for _, refused in read for row in refused]
    found = pd.concat([frame for frame, _ in read])
    assert found.index.to_list() == list(range(1, 31))
    wanted = xlmkit.read_pairs(file)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), wanted[found.columns.to_list()])
    assert list(found) == list(wanted)


def test_rows_without_ids_are_numbered_through_the_file_as_read_pairs_does(tmp_path, pairs):
    file = write(tmp_path / "pairs.jsonl", pairs.drop(columns=["pair_id", "item"]).to_dict("records"))
    ids = [id for part in list_shards(file, 7) for id in read_shard(part, LABELS)[0]["pair_id"]]
    assert ids == xlmkit.read_pairs(file)["pair_id"].to_list()


def test_rows_of_several_files_without_ids_are_named_after_their_file(tmp_path, pairs):
    rows = pairs.drop(columns=["pair_id", "item"]).to_dict("records")
    for name in ("b", "a"):
        write(tmp_path / f"{name}.jsonl", rows[:2])
    ids = [id for part in list_shards(tmp_path, 7) for id in read_shard(part, LABELS)[0]["pair_id"]]
    assert ids == ["a-1", "a-2", "b-1", "b-2"]


def test_a_byte_order_mark_and_empty_lines_at_the_end_are_no_rows(tmp_path, pairs):
    file = write(tmp_path / "pairs.jsonl", pairs.head(3).to_dict("records"))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes() + b"\n  \n")
    (part,) = list_shards(file, 10)
    frame, refused = read_shard(part, LABELS)
    assert (len(frame), refused) == (3, [])


POISON = {
    "{": "not valid JSON",
    "[1]": "expected a JSON object, got list",
    "": "an empty line",
    '{"premise": "a", "premise": "b"}': "appears twice",
    '{"pair_id": "x", "language": "en", "premise": "a"}': "`hypothesis` is missing",
    '{"pair_id": "x", "language": "xx", "premise": "a", "hypothesis": "b"}': "unknown language 'xx'",
    '{"pair_id": "x", "language": "en", "premise": " ", "hypothesis": "b"}': "no visible character",
    '{"pair_id": "x", "language": "en", "premise": "a", "hypothesis": "b", "gold": 1}': "is a number",
    '{"pair_id": "x", "language": "en", "premise": "a", "hypothesis": "b", "sentence1": "c"}': "has 'sentence1'",
    '{"pair_id": "x", "language": "en", "premise": "\\ud800", "hypothesis": "b"}': "lone surrogate",
    '{"pair_id": "negation-01-en", "item": "q", "language": "en", "premise": "a", "hypothesis": "b"}': "already used",
}


@pytest.mark.parametrize("line", POISON)
def test_a_failing_line_is_named_by_its_number_and_the_others_are_read(tmp_path, pairs, line):
    rows = pairs.to_dict("records")
    if "pair_id" in line and "item" not in line:
        line = line.replace('"pair_id": "x"', '"pair_id": "x", "item": "x"')
    file = write(tmp_path / "pairs.jsonl", [*rows[:9], line, *rows[9:]])
    (part,) = list_shards(file, 100)
    frame, (row,) = read_shard(part, LABELS)
    key = line.replace(', "item": "x"', "")
    assert (row.file, row.row) == ("pairs.jsonl", 10)
    assert POISON[key] in row.what
    assert frame["pair_id"].to_list() == pairs["pair_id"].to_list()


def test_bytes_that_are_no_text_poison_their_line_alone(tmp_path, file):
    lines = file.read_bytes().split(b"\n")
    lines.insert(4, b'{"premise": "\xff"}')
    file.write_bytes(b"\n".join(lines))
    (part,) = list_shards(file, 100)
    frame, (row,) = read_shard(part, LABELS)
    assert (len(frame), row.row) == (30, 5)
    assert "byte 0xff" in row.what


def test_a_file_without_a_needed_column_is_refused_before_anything_is_computed(tmp_path, pairs):
    file = write(tmp_path / "pairs.jsonl", pairs.drop(columns="language").to_dict("records"))
    with pytest.raises(ValueError, match=r"`language`.*got 'pair_id'"):
        list_shards(file, 10)


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("none.jsonl", FileNotFoundError, "none.jsonl"),
        ("pairs.tsv", ValueError, "pairs.tsv"),
        ("no.parquet", ValueError, "Parquet"),
        ("empty.jsonl", ValueError, "at least one pair"),
    ],
)
def test_a_source_that_is_none_is_refused(tmp_path, name, error, sentence):
    (tmp_path / "pairs.tsv").write_text("a\n")
    (tmp_path / "no.parquet").write_text("a\n")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(error, match=sentence):
        list_shards(tmp_path / name, 10)


# Results


def test_results_in_parts_are_those_of_one_machine_row_by_row(here, tiny, file, tmp_path):
    run = here("predict", file, tmp_path / "out", shard_rows=7)
    wanted = xlmkit.predict(tiny, xlmkit.read_pairs(file), progress=False)
    found = run.results()
    pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=1e-5)
    assert found.attrs["provenance"]["model"] == wanted.attrs["provenance"]["model"]
    assert (run.rows, run.shards, run.kept, len(run.refused)) == (30, 5, 0, 0)


def test_explanations_in_parts_are_those_of_one_machine(here, tiny, file, tmp_path):
    run = here("explain", file, tmp_path / "out", shard_rows=7, method="input_x_gradient")
    wanted = xlmkit.explain(tiny, xlmkit.read_pairs(file), method="input_x_gradient", progress=False)
    found = run.results()
    assert [one.pair_id for one in found] == [one.pair_id for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.target == other.target
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_only_errors_are_explained_if_that_is_asked(here, tiny, file, tmp_path):
    run = here("explain_errors", file, tmp_path / "out", shard_rows=4, method="saliency")
    wanted = xlmkit.explain_errors(tiny, xlmkit.read_pairs(file), method="saliency", progress=False)
    assert [(one.pair_id, one.contrast) for one in run.results()] == [
        (one.pair_id, one.contrast) for one in wanted
    ]


def test_evaluation_of_shards_is_that_of_one_machine(here, tiny, file, tmp_path):
    found = here("predict", file, tmp_path / "out", shard_rows=7).evaluate()
    wanted = xlmkit.evaluate(xlmkit.predict(tiny, xlmkit.read_pairs(file), progress=False))
    pd.testing.assert_frame_equal(found, wanted)


def test_a_frame_is_as_good_as_a_file(here, file, tmp_path):
    frame = xlmkit.read_pairs(file)
    found = here("predict", frame, tmp_path / "frame", shard_rows=7).results()
    pd.testing.assert_frame_equal(found, here("predict", file, tmp_path / "file").results())


def test_any_reader_of_parquet_takes_the_folder_as_one_table(here, pairs, tmp_path):
    pairs = pairs.assign(gold=None)
    pairs.loc[pairs.index[20:], "gold"] = "neutral"
    file = write(tmp_path / "pairs.jsonl", pairs.to_dict("records"))
    run = here("predict", file, tmp_path / "out", shard_rows=7)
    found = pd.read_parquet(tmp_path / "out")
    assert found["pair_id"].to_list() == pairs["pair_id"].to_list()
    assert found["gold"].notna().sum() == 10
    assert found["p_neutral"].to_list() == run.results()["p_neutral"].to_list()


# Poisoned rows


def test_failing_rows_are_named_in_the_report_and_the_rest_goes_on(here, pairs, tmp_path):
    rows = pairs.to_dict("records")
    rows[3:3] = ["{"]
    rows[20:20] = [{**rows[0], "pair_id": "odd", "item": "odd", "language": "xx"}]
    file = write(tmp_path / "pairs.jsonl", rows)
    run = here("predict", file, tmp_path / "out", shard_rows=7)
    assert run.results()["pair_id"].to_list() == pairs["pair_id"].to_list()
    assert run.refused[["file", "row", "pair_id"]].to_numpy().tolist() == [
        ["pairs.jsonl", 4, None],
        ["pairs.jsonl", 21, "odd"],
    ]
    report = json.loads((tmp_path / "out/_run/report.json").read_text())
    assert [row["row"] for row in report["refused"]] == [4, 21]


def test_a_part_of_nothing_but_poison_is_an_empty_shard_with_the_columns_of_the_others(here, pairs, tmp_path):
    file = write(tmp_path / "pairs.jsonl", [*pairs.head(4).to_dict("records"), "{", "[", "}"])
    run = here("predict", file, tmp_path / "out", shard_rows=4)
    shards = [pd.read_parquet(path) for path in sorted((tmp_path / "out").glob("*.parquet"))]
    assert [len(shard) for shard in shards] == [4, 0]
    assert set(shards[1]) == set(shards[0])
    assert len(run.results()) == 4


def poisonous(self, frame):
    """As a worker computes, but for one pair that no model can stand."""
    if "negation-04-fr" in set(frame["pair_id"]):
        raise RuntimeError("this text is too much")
    return worker.Worker.compute(self, frame)


def test_a_row_that_fails_when_it_is_computed_is_refused_alone(here, file, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "BLOCK", 4)
    run = here("predict", file, tmp_path / "out", shard_rows=15, make=mutable(worker.Worker, poisonous))
    assert run.refused["pair_id"].to_list() == ["negation-04-fr"]
    assert run.refused["what"].to_list() == ["RuntimeError: this text is too much"]
    left = [id for id in pairs["pair_id"] if id != "negation-04-fr"]
    found = run.results()
    assert found["pair_id"].to_list() == left
    clean = here("predict", file, tmp_path / "clean").results().query("pair_id != 'negation-04-fr'")
    assert found["p_neutral"].to_list() == pytest.approx(clean["p_neutral"].to_list(), abs=1e-5)


def test_what_fails_for_every_row_ends_the_run_and_blames_no_row(here, file, tmp_path):
    def fails(self, frame):
        raise RuntimeError("the device is gone")

    with pytest.raises(ValueError, match=r"more than 16 rows .*the device is gone"):
        here("predict", file, tmp_path / "out", make=mutable(worker.Worker, fails))
    assert not list((tmp_path / "out").glob("*.parquet"))


class Gone(BaseException):
    """Stands for the end of a process, which no worker can catch."""


def deadly(self, frame):
    if "negation-04-fr" in set(frame["pair_id"]):
        raise Gone
    return worker.Worker.compute(self, frame)


def test_a_row_that_ends_the_process_is_refused_after_it_ended_some(
    file, pairs, tmp_path, tiny_folder, monkeypatch
):
    monkeypatch.setattr(worker, "BLOCK", 4)
    folder = Folder(tmp_path / "out", ".parquet")
    task = worker.Task("predict", folder, str(tiny_folder), {"device": "cpu", "dtype": "float32"})
    (part,) = list_shards(file, 30)
    deaths, outcome = 0, None
    while outcome is None:
        try:
            outcome = mutable(worker.Worker, deadly)(task).do(part)  # each time another process
        except Gone:
            deaths += 1
    assert deaths == 5  # two of the part, one of a block, two of the row
    assert outcome.deaths == 5
    (row,) = folder.refused(part)
    assert (row.pair_id, row.what) == ("negation-04-fr", "it killed 2 workers that computed it")
    assert folder.noted(f"tries/{part.name}") is None
    assert len(folder.results()) == 29


# Cut off and gone on with


def test_finished_shards_are_kept_and_only_the_others_computed(here, file, tmp_path, pairs):
    out = tmp_path / "out"
    before = here("predict", file, out, shard_rows=7).results()
    for number in (1, 3):
        (out / f"part-00000{number}.parquet").unlink()
    seen = []

    def watched(self, frame):
        seen.extend(frame["pair_id"])
        return worker.Worker.compute(self, frame)

    run = here("predict", file, out, shard_rows=7, make=mutable(worker.Worker, watched))
    assert (run.shards, run.kept) == (5, 3)
    assert seen == pairs["pair_id"].iloc[[*range(7, 14), *range(21, 28)]].to_list()
    pd.testing.assert_frame_equal(run.results(), before)


def test_refused_rows_of_kept_shards_stay_in_the_report(here, pairs, tmp_path):
    file = write(tmp_path / "pairs.jsonl", ["{", *pairs.to_dict("records")])
    here("predict", file, tmp_path / "out", shard_rows=7)
    run = here("predict", file, tmp_path / "out", shard_rows=7)
    assert (run.kept, run.refused["row"].to_list()) == (5, [1])


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"max_length": 40}, "settings"),
        ({"shard_rows": 8}, "shard_rows"),
        ({"dtype": "bfloat16"}, "settings"),
    ],
)
def test_a_folder_of_another_question_is_refused(here, file, tmp_path, change, differs):
    here("predict", file, tmp_path / "out", shard_rows=7)
    with pytest.raises(ValueError, match=differs):
        here("predict", file, tmp_path / "out", **({"shard_rows": 7} | change))


def test_a_source_that_changed_is_noticed(here, file, tmp_path):
    here("predict", file, tmp_path / "out")
    file.write_text(
        file.read_text(encoding="utf-8").replace("negation-01-en", "negation-01-EN"), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="files"):
        here("predict", file, tmp_path / "out")


def test_a_folder_with_other_things_is_not_written_to(here, file, tmp_path):
    with pytest.raises(FileExistsError, match="other files"):
        here("predict", file, tmp_path)


def test_two_runs_do_not_write_to_one_folder(here, file, tmp_path):
    claimed = Folder(tmp_path / "out", ".parquet").claim({"model": "a"})
    with claimed, pytest.raises(BlockingIOError, match="another run is writing"):
        here("predict", file, tmp_path / "out")


def test_other_weights_under_the_same_path_end_the_run(here, file, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "sha256", lambda files: "0" * 64)
    with pytest.raises(ValueError, match="weights must be 000000000000"):
        here("predict", file, tmp_path / "out")


def test_an_option_that_nobody_knows_is_refused_before_anything_is_made(here, file, tmp_path):
    with pytest.raises(ValueError, match=r"predict takes the options device.*got n_steps"):
        here("predict", file, tmp_path / "out", n_steps=20)
    with pytest.raises(ValueError, match="`method` must be one of"):
        here("explain", file, tmp_path / "out", method="tea leaves")
    assert not (tmp_path / "out").exists()


def test_an_id_that_stands_in_two_parts_is_said(here, pairs, tmp_path):
    rows = pairs.to_dict("records")
    rows[25]["pair_id"] = rows[2]["pair_id"]
    file = write(tmp_path / "pairs.jsonl", rows)
    with pytest.warns(notices.XlmkitWarning, match="negation-01-th"):
        here("predict", file, tmp_path / "out", shard_rows=7)


# A full disk


def test_a_full_disk_ends_the_run_in_one_sentence_and_leaves_whole_shards_alone(here, file, tmp_path):
    def narrow(self, frame):
        found = worker.Worker.compute(self, frame)
        if "negation-10-th" in set(
            found["pair_id"]
        ):  # the last part; a limit on the size of files is this process's own full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        return found

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OSError, match=r"part-000004\.parquet"):
            here("predict", file, tmp_path / "out", shard_rows=7, make=mutable(worker.Worker, narrow))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["_run", *(f"part-00000{number}.parquet" for number in range(4))]
    run = here("predict", file, tmp_path / "out", shard_rows=7)
    assert (run.kept, len(run.results())) == (4, 30)


def test_a_worker_that_met_a_fault_begins_nothing_more(tiny_folder, file, tmp_path):
    """The driver ends it at any moment from then on, and a file that is half written stays behind."""

    def failing(self, frame):
        raise OSError(errno.EIO, "Input/output error")

    first, second, *_ = list_shards(file, 7)
    folder = Folder(tmp_path / "out", ".parquet")
    loading = {"device": "cpu", "dtype": "float32"}
    faulty = mutable(worker.Worker, failing)(worker.Task("predict", folder, tiny_folder, loading))
    fault = faulty.do(first)
    tries = {path: path.read_bytes() for path in (folder.path / "_run" / "tries").iterdir()}
    faulty.compute = lambda frame: pytest.fail("computed after a fault")
    again = faulty.do(second)
    assert {path: path.read_bytes() for path in (folder.path / "_run" / "tries").iterdir()} == tries
    assert (fault.fault, fault.errno) == ("Input/output error", errno.EIO)
    assert again == dataclasses.replace(fault, shard=second.number)


def test_workers_are_positive_whole_numbers():
    for wrong in ({"count": 0}, {"cpus": 1.5}):
        with pytest.raises(ValueError, match="of at least 1"):
            distributed.Workers(**wrong)
    assert dataclasses.replace(distributed.Workers(), count=2).cpus == 1


# What is left behind, what changes meanwhile, and the borders


def test_what_killed_workers_left_half_done_goes_with_the_next_run(here, file, tmp_path):
    out = tmp_path / "out"
    here("predict", file, out, shard_rows=7)
    left = [out / ".xlmkit-half.tmp", out / "_run" / "refused" / ".xlmkit-half.tmp"]
    left.append(out / "_run" / "tries" / "part-000001.json")
    for path in left:
        path.write_text("{}")
    here("predict", file, out, shard_rows=7)
    assert not any(path.exists() for path in left)


def test_a_part_that_is_written_again_without_refused_rows_has_none(file, tmp_path):
    (part,) = list_shards(file, 30)
    folder = Folder(tmp_path / "out", ".parquet")
    folder.write(part, pd.DataFrame({"a": [1]}), [Refused("pairs.jsonl", 3, None, "odd")])
    assert [row.row for row in folder.refused(part)] == [3]
    folder.write(part, pd.DataFrame({"a": [1]}), [])
    assert folder.refused(part) == []


def test_a_run_of_nothing_but_poison_has_no_rows_and_the_usual_columns(here, file, pairs, tmp_path):
    poison = [{**row, "language": "xx"} for row in pairs.head(3).to_dict("records")]
    run = here("predict", write(tmp_path / "odd.jsonl", poison), tmp_path / "odd", shard_rows=2)
    usual = here("predict", file, tmp_path / "out").results()
    assert (len(run.results()), len(run.refused)) == (0, 3)
    assert set(usual) == set(run.results())
    some = write(tmp_path / "some.jsonl", [*poison[:2], *pairs.to_dict("records")])
    mixed = here("predict", some, tmp_path / "mixed", shard_rows=2)  # whose first shard is empty
    pd.testing.assert_frame_equal(mixed.results(), usual, rtol=0, atol=1e-5)


def test_a_question_that_said_more_is_another_question(tmp_path):
    for asked, refusal in [
        ({"model": "a", "more": 1}, contextlib.nullcontext()),
        ({"more": 1, "model": "a"}, contextlib.nullcontext()),
        ({"model": "a"}, pytest.raises(ValueError, match="more")),
    ]:
        with refusal, Folder(tmp_path / "out", ".parquet").claim(asked):
            pass


def test_a_folder_whose_process_was_killed_before_it_said_what_it_is_is_new(tmp_path):
    for left in ("", '{"model": "b'):
        folder = Folder(tmp_path / "out", ".parquet")
        folder.path.joinpath("_run/asked.json").write_text(left)
        with folder.claim({"model": "a"}):
            assert json.loads(folder.path.joinpath("_run/asked.json").read_text()) == {"model": "a"}


def test_hidden_files_of_a_folder_are_passed_over(tmp_path, pairs):
    for name in ("b.jsonl", "_a.jsonl", ".c.jsonl"):
        write(tmp_path / name, pairs.head(2).to_dict("records"))
    assert [part.file.name for part in list_shards(tmp_path, 7)] == ["b.jsonl"]


def test_parts_are_numbered_through_all_files(tmp_path, pairs):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jsonl", pairs.to_dict("records"))
    assert [part.number for part in list_shards(tmp_path, 20)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("of", "columns"), [(4, True), (5, False)])
def test_a_column_of_the_kits_is_the_files_from_half_of_its_rows_on(tmp_path, pairs, of, columns):
    rows = pairs.drop(columns="gold").to_dict("records")[:of]
    labelled = [{**row, "sentence1": "x"} for row in rows[:2]] + rows[2:]
    (part,) = list_shards(write(tmp_path / "pairs.jsonl", labelled), 10)
    assert ("sentence1" in part.file.columns) == columns


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_file_that_has_other_rows_than_when_the_run_began_is_refused(tmp_path, pairs, suffix):
    path = tmp_path / f"pairs.{suffix}"

    def put(rows):
        write(path, rows.to_dict("records")) if suffix == "jsonl" else rows.to_parquet(path)

    put(pairs)
    (part,) = list_shards(path, 30)
    put(pairs.head(20))
    with pytest.raises(OSError, match="other rows"):
        read_shard(part, LABELS)


@pytest.mark.parametrize("failing", [16, 17])
def test_sixteen_rows_of_a_part_may_fail_and_no_more(here, file, pairs, tmp_path, failing):
    odd = set(pairs["pair_id"].iloc[-failing:])

    def fails(self, frame):
        if odd & set(frame["pair_id"]):
            raise RuntimeError("too much")
        return worker.Worker.compute(self, frame)

    make = mutable(worker.Worker, fails)
    if failing > worker.MOST_REFUSED:
        with pytest.raises(ValueError, match="more than 16 rows"):
            here("predict", file, tmp_path / "out", make=make)
        return
    run = here("predict", file, tmp_path / "out", make=make)
    assert set(run.refused["pair_id"]) == odd
    assert (run.rows, len(run.results())) == (30, 30 - failing)


def test_a_disk_that_fails_while_a_part_is_computed_ends_the_run_and_blames_no_row(here, file, tmp_path):
    def fails(self, frame):
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        here("predict", file, tmp_path / "out", make=mutable(worker.Worker, fails))
    assert not list((tmp_path / "out" / "_run" / "refused").iterdir())


# On the command line


def test_commands_with_ray_write_shards_and_say_what_was_refused(here, tiny_folder, pairs, tmp_path, capsys):
    """`here` is asked for its worker in this process; the cluster itself is for the tests of Ray."""
    file = write(tmp_path / "pairs.jsonl", ["{", *pairs.to_dict("records")])
    model = ["--model", str(tiny_folder), "--device", "cpu", "--dtype", "float32"]
    said = {}
    for command, more in (("predict", []), ("explain", ["--method", "saliency"]), ("evaluate", [])):
        out = tmp_path / command
        line = [command, str(file), "--out", str(out), *model, *more, "--ray"]
        assert cli.main(line) == 1  # a row was refused
        said[command] = capsys.readouterr()
        assert "refused: pairs.jsonl, row 1" in said[command].err
        assert (out / "_run" / "report.json").exists()
    assert (said["predict"].out, said["explain"].out) == ("", "")
    assert [line.split()[0] for line in said["evaluate"].out.splitlines()] == [
        *("language", "en", "fr", "th", "all"),
    ]
    assert len(list((tmp_path / "explain").glob("*.jsonl"))) == 1
    assert cli.main(["predict", str(file), *model, "--ray"]) == 2
    assert "`--out`" in capsys.readouterr().err


@pytest.mark.parametrize("slow", [0, 2, 3])
def test_ray_that_starts_late_is_started_again_and_given_up_in_one_sentence(monkeypatch, slow):
    """`slow` attempts take longer than Ray allows."""
    calls = []

    def init(**_):
        calls.append("init")
        if len(calls) <= slow:
            raise Exception("The current node timed out during startup. This could happen because ...")

    ray = SimpleNamespace(init=init, is_initialized=lambda: False, shutdown=lambda: None)
    monkeypatch.setattr(runner, "import_ray", lambda: ray)
    if slow < runner.ATTEMPTS:
        with runner.connected(distributed.Workers()):
            pass
        assert len(calls) == slow + 1
    else:
        with (
            pytest.raises(TimeoutError, match="did not start"),
            runner.connected(distributed.Workers()),
        ):
            pass
        assert len(calls) == runner.ATTEMPTS


def test_another_error_of_ray_is_not_taken_for_a_late_start(monkeypatch):
    def init(**_):
        raise RuntimeError("no room for the object store")

    ray = SimpleNamespace(init=init, is_initialized=lambda: False, shutdown=lambda: None)
    monkeypatch.setattr(runner, "import_ray", lambda: ray)
    with pytest.raises(RuntimeError, match="object store"), runner.connected(distributed.Workers()):
        pass
