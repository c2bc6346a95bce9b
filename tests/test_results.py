"""Results: what is saved loads again as it was, and a file is written whole or not at all."""

from __future__ import annotations

import builtins
import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import read_pairs
from xlmkit.results import atomic_folder, atomic_write, check_writable, read_results, save_results, writing

FORMATS = ["csv", "tsv", "jsonl", "parquet"]
PROVENANCE = {"model": {"name": "tiny", "sizes": [1, 2]}, "xlmkit": "0.1.0"}
TEXTS = [
    'he said "no"',
    "a\tb",
    "line\nbreak",
    "line\r\nbreak\r",
    "NA",
    "None",
    "null",
    "nan",
    "",
    " ",
    "007",
    "1e5",
    "true",
    "=1+1",
    "a,b;c",
    "\ufeff\u200b\u2028\x85\x1d",
    "😀 你好 مرحبا",
    "'",
    '"',
    "long\n" * 600_000,
    "\\n",
]


@pytest.fixture
def predictions():
    """Predictions with everything that a text file could lose: types, missing values, precision, odd texts."""
    n = len(TEXTS)
    frame = pd.DataFrame(
        {
            "pair_id": [f"{i:03d}" for i in range(n)],
            "premise": TEXTS,
            "gold": ["neutral", None] * (n // 2) + ["neutral"],
            "prediction": ["neutral"] * n,
            "p_entailment": np.random.default_rng(0).random(n),
            "p_neutral": np.random.default_rng(1).random(n).astype("float32"),
            "p_contradiction": [1e-300, float("nan")] + [1 / 3] * (n - 2),
            "correct": pd.array([True, None] + [False] * (n - 2), dtype="boolean"),
            "truncated": [True] + [False] * (n - 1),
            "count": range(n),
            "note": [None] * n,
        }
    )
    frame.attrs = {"provenance": PROVENANCE, "source": "workshop"}
    return frame


def left_over(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", FORMATS)
def test_predictions_load_again_as_they_were(tmp_path, predictions, suffix):
    save_results(predictions, tmp_path / f"x.{suffix}")
    found = read_results(tmp_path / f"x.{suffix}")
    pd.testing.assert_frame_equal(found, predictions, check_exact=True)
    assert found["premise"].tolist() == TEXTS
    assert found.attrs == predictions.attrs
    beside = [] if suffix == "parquet" else [f"x.{suffix}.provenance.json"]
    assert left_over(tmp_path) == [f"x.{suffix}", *beside]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_frame_without_rows_keeps_its_columns_and_types(tmp_path, predictions, suffix):
    save_results(predictions.iloc[:0], tmp_path / f"x.{suffix}")
    found = read_results(tmp_path / f"x.{suffix}")
    assert found.dtypes.drop(["note"]).equals(predictions.dtypes.drop(["note"]))
    assert found.attrs == predictions.attrs


@pytest.mark.parametrize("suffix", FORMATS)
def test_rows_are_saved_in_their_order_without_their_index(tmp_path, predictions, suffix):
    shuffled = predictions.sample(frac=1, random_state=0)
    before = shuffled.copy()
    save_results(shuffled, tmp_path / f"x.{suffix}")
    pd.testing.assert_frame_equal(read_results(tmp_path / f"x.{suffix}"), shuffled.reset_index(drop=True))
    pd.testing.assert_frame_equal(shuffled, before)


@pytest.mark.filterwarnings("ignore::xlmkit.notices.XlmkitWarning")
@pytest.mark.parametrize("suffix", FORMATS)
def test_saved_predictions_are_pairs_again(tmp_path, suffix):
    sample = read_pairs("workshop", phenomena="time").assign(prediction="neutral", p_neutral=0.5)
    save_results(sample, tmp_path / f"x.{suffix}")
    found = read_pairs(tmp_path / f"x.{suffix}")
    columns = ["pair_id", "language", "premise", "hypothesis", "gold", "prediction"]
    pd.testing.assert_frame_equal(found[columns], sample[columns])


def test_without_provenance_predictions_still_have_numbers_and_truth_values(tmp_path):
    (tmp_path / "x.csv").write_text(
        "pair_id,prediction,p_neutral,correct,truncated\n007,NA,0.25,,false\n1,neutral,1,true,true\n"
    )
    found = read_results(tmp_path / "x.csv")
    assert found["pair_id"].tolist() == ["007", "1"]
    assert found["prediction"].tolist() == ["NA", "neutral"]
    assert found["p_neutral"].tolist() == [0.25, 1.0]
    assert found["correct"].tolist() == [None, True]
    assert found["truncated"].tolist() == [False, True]
    assert found.attrs == {}


def test_a_file_that_was_changed_loads_without_provenance_and_that_is_said(tmp_path, predictions):
    forget()
    save_results(predictions[["pair_id", "prediction", "p_neutral"]], tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("pair_id,prediction,p_neutral\n1,neutral,0.5\n")
    with pytest.warns(XlmkitWarning, match=r"x\.csv was changed after it was saved"):
        found = read_results(tmp_path / "x.csv")
    assert found.attrs == {}
    assert found["p_neutral"].tolist() == [0.5]


def test_provenance_may_hold_tuples_and_numpy_values(tmp_path, predictions):
    predictions.attrs["provenance"] = {"steps": np.int64(3), "pair": (1, 2), "shape": np.ones(2)}
    for suffix in FORMATS:
        save_results(predictions, tmp_path / f"x.{suffix}")
        found = read_results(tmp_path / f"x.{suffix}").attrs["provenance"]
        assert found == {"steps": 3, "pair": [1, 2], "shape": [1.0, 1.0]}
    assert predictions.attrs["provenance"]["pair"] == (1, 2)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_cannot_be_saved_is_refused_and_leaves_no_file(tmp_path, suffix):
    frame = pd.DataFrame({"premise": ["half \ud800"]}, dtype=object)
    with pytest.raises(
        ValueError, match=rf"x\.{suffix}: a column contains what cannot be saved as \.{suffix}"
    ):
        save_results(frame, tmp_path / f"x.{suffix}")
    assert left_over(tmp_path) == []


def test_other_kinds_of_file_and_value_are_refused(tmp_path, predictions):
    with pytest.raises(ValueError, match=r"\.csv, \.tsv, \.jsonl, \.parquet .*'x\.xlsx'"):
        save_results(predictions, tmp_path / "x.xlsx")
    with pytest.raises(TypeError, match="got int"):
        save_results(5, tmp_path / "x.jsonl")
    with pytest.raises(ValueError, match="at least one Explanation"):
        save_results([], tmp_path / "x.jsonl")
    with pytest.raises(ValueError, match=r"expected a \.csv"):
        read_results(tmp_path / "x.xlsx")
    with pytest.raises(FileNotFoundError):
        read_results(tmp_path / "x.csv")
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"p_neutral\nmuch"])
def test_a_file_that_is_no_result_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.{suffix}: expected a file that `save_results` wrote"):
        read_results(path)


# --- explanations


def explanation():
    """One token, in a text with everything that a line of JSON could lose."""
    return Explanation(
        pair_id="p",
        premise="a\n</script>\u2028",
        hypothesis=None,
        premise_language="en",
        hypothesis_language=None,
        prediction="neutral",
        probability=0.5,
        target="neutral",
        tokens=(ExplainedToken("a</w>", 0, 0, 0, 1),),
        words=(ExplainedWord("a", 0, 0, 1),),
        scores=np.array([0.5]),
        method="occlusion",
        output=1.0,
        provenance={"sizes": np.arange(2)},
    )


def test_explanations_are_saved_one_per_line(tmp_path):
    save_results([explanation(), explanation()], tmp_path / "x.jsonl")
    save_results(explanation(), tmp_path / "one.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert len(rows) == 2
    assert rows[0]["explanation"]["premise"] == "a\n</script>\u2028"
    assert left_over(tmp_path) == ["one.jsonl", "x.jsonl"]
    with pytest.raises(ValueError, match="save_html"):
        save_results([explanation()], tmp_path / "x.csv")


def test_explanations_replace_a_frame_and_its_note(tmp_path, predictions):
    save_results(predictions, tmp_path / "x.jsonl")
    save_results([explanation()], tmp_path / "x.jsonl")
    assert left_over(tmp_path) == ["x.jsonl"]


def test_explanations_load_again_equal(tmp_path):
    save_results([explanation()], tmp_path / "x.jsonl")
    (found,) = read_results(tmp_path / "x.jsonl")
    assert found == dataclasses.replace(explanation(), provenance={"sizes": [0, 1]})


# --- files of version 0.1

OLD = {
    "csv": "pair_id,label,p_neutral,correct\n007,neutral,0.25,true\n",
    "tsv": "pair_id\tlabel\tp_neutral\tcorrect\n007\tneutral\t0.25\ttrue\n",
    "jsonl": '{"pair_id": "007", "label": "neutral", "p_neutral": 0.25, "correct": true}\n',
}
OLD_EXPLANATION = (
    '{"explanation": {"format": 1, "pair_id": "p1", "premise": "Yes", "hypothesis": "No", "premise_language": "en", '
    '"hypothesis_language": "en", "label": "contradiction", "probability": 0.75, "target": "contradiction", '
    '"tokens": [{"text": "</s>", "word": null, "sentence": null, "start": null, "end": null}, '
    '{"text": "yes</w>", "word": 0, "sentence": 0, "start": 0, "end": 3}], '
    '"words": [{"text": "yes", "sentence": 0, "start": 0, "end": 3}], "scores": [0.5, 1.0], '
    '"method": "integrated_gradients", "output": 2.0, "gold": null, "contrast": null, "aggregation": "sum", '
    '"unit": "logits", "baseline_output": 0.5, "delta": 0.0, "steps": 20, "passed": true, "language_share": null, '
    '"truncated": false, "trained": true, "provenance": {"xlmkit": "0.1.0"}}}\n'
)


@pytest.mark.parametrize("suffix", FORMATS)
def test_predictions_saved_by_0_1_load_with_their_column_renamed_and_one_warning(tmp_path, suffix):
    forget()
    path = tmp_path / f"x.{suffix}"
    frame = pd.DataFrame({"pair_id": ["007"], "label": ["neutral"], "p_neutral": [0.25], "correct": [True]})
    path.write_text(OLD[suffix]) if suffix in OLD else frame.to_parquet(path)
    with pytest.warns(XlmkitWarning, match=r"0\.1.*`prediction`") as caught:
        found = [read_results(path), read_results(path)]
    assert len(caught) == 1
    for each in found:
        pd.testing.assert_frame_equal(each, frame.rename(columns={"label": "prediction"}), check_dtype=False)


def test_a_column_label_of_other_frames_is_left_alone(tmp_path):
    for frame in (
        pd.DataFrame({"label": ["x"], "accuracy": [0.5]}),
        pd.DataFrame({"label": ["x"], "prediction": ["y"], "p_x": [0.5]}),
    ):
        save_results(frame, tmp_path / "x.parquet")
        pd.testing.assert_frame_equal(read_results(tmp_path / "x.parquet"), frame)


def test_explanations_saved_by_0_1_load_with_their_fields_renamed_and_one_warning(tmp_path):
    forget()
    (tmp_path / "x.jsonl").write_text(2 * OLD_EXPLANATION)
    with pytest.warns(XlmkitWarning, match=r"0\.1") as caught:
        found, again = read_results(tmp_path / "x.jsonl")
    assert len(caught) == 1
    assert found == again
    assert (found.prediction, found.n_steps, found.converged) == ("contradiction", 20, True)
    assert found.scores.tolist() == [0.5, 1.0]


def test_the_frame_of_an_explanation_saved_by_0_1_is_renamed(tmp_path):
    old = pd.DataFrame({"token": ["a"], "score": [0.5], "passed": [True]})
    old.to_parquet(tmp_path / "x.parquet")
    assert read_results(tmp_path / "x.parquet").columns.tolist() == ["token", "score", "converged"]


# --- whole or not at all


def test_a_file_takes_its_place_only_when_all_is_written(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write("né\n")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == "né\n".encode()
    with atomic_write(path, binary=True) as file:
        file.write(b"\x00")
    assert path.read_bytes() == b"\x00"
    assert left_over(tmp_path) == ["x.txt"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), OSError(errno.EIO, "broken")])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def write_half():
        with atomic_write(path) as file:
            file.write("half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert left_over(tmp_path) == ["x.txt"]
    assert path.read_text() == "old"


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target.txt")
    with atomic_write(tmp_path / "link.txt") as file:
        file.write("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_computed(
    tmp_path, monkeypatch, code
):
    def forbidden(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writing.tempfile, "TemporaryFile", forbidden)
    said = rf"could not be written \({os.strerror(code)}\), nothing was changed"
    with pytest.raises(OSError, match=said) as caught:
        check_writable(tmp_path / "x.csv")
    assert caught.value.errno == code


def test_asking_for_a_place_leaves_nothing_there(tmp_path):
    assert check_writable(tmp_path / "x.csv") == Path(os.path.realpath(tmp_path)) / "x.csv"
    assert left_over(tmp_path) == []


def test_a_missing_folder_and_a_folder_in_its_place_are_refused(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"there is no folder"),
        atomic_write(tmp_path / "no" / "x"),
    ):
        pass
    with pytest.raises(IsADirectoryError, match="is a folder"), atomic_write(tmp_path):
        pass


def test_a_folder_appears_with_all_that_is_in_it_or_not_at_all(tmp_path):
    with atomic_folder(tmp_path / "new") as folder:
        (folder / "x").write_text("x")
        assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x"]

    def write_half(error):
        with atomic_folder(tmp_path / "other") as folder:
            (folder / "x").write_text("half")
            raise error

    for error in (RuntimeError("stop"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            write_half(error)
    with pytest.raises(FileExistsError, match="new"), atomic_folder(tmp_path / "new"):
        pass
    with pytest.raises(FileNotFoundError, match="no"), atomic_folder(tmp_path / "no" / "new"):
        pass
    assert left_over(tmp_path) == ["new"]


class FullDisk:
    """A file that takes a few bytes, then has no room."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        self.file.write(data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *caught):
        self.file.close()


@pytest.mark.parametrize("full", ["write", "fsync", "replace"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_leaves_the_old_result_and_nothing_else(tmp_path, predictions, monkeypatch, suffix, full):
    path = tmp_path / f"x.{suffix}"
    save_results(predictions, path)
    before = {name: (tmp_path / name).read_bytes() for name in left_over(tmp_path)}

    fsync = os.fsync

    def no_room(*args):
        if full == "fsync" and os.fstat(args[0]).st_size < 4_000:
            return fsync(*args)  # the note beside the file finds room, the file does not
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if full == "write":
        monkeypatch.setattr(writing, "open", lambda *a, **k: FullDisk(builtins.open(*a, **k)), raising=False)  # noqa: SIM115
    else:
        monkeypatch.setattr(os, full, no_room)
    with pytest.raises(
        OSError, match=r"could not be written \(No space left on device\), nothing was changed"
    ) as caught:
        save_results(predictions.assign(prediction="other"), path)
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value).count("could not be written") == 1
    assert {name: (tmp_path / name).read_bytes() for name in left_over(tmp_path)} == before
    pd.testing.assert_frame_equal(read_results(path), predictions)


def test_a_real_limit_on_file_size_leaves_nothing(tmp_path):
    code = """
import resource, sys, pandas as pd
from xlmkit.results import save_results
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_results(pd.DataFrame({"premise": ["x" * 1_000] * 1_000}), sys.argv[1])
except OSError as error:
    print(error)
"""
    for suffix in ("csv", "jsonl"):
        path = tmp_path / f"x.{suffix}"
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        assert "could not be written (File too large), nothing was changed" in done.stdout
        assert left_over(tmp_path) == []
