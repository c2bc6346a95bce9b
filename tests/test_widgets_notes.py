"""Notes are in the file as soon as they are taken, and nothing that somebody wrote is lost."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from xlmkit.widgets.notes import Notes


def row(number: int, text: str = "Ein Hund schläft.") -> dict:
    return {
        "pair_id": f"p{number}",
        "language": "de",
        "premise": text,
        "hypothesis": "Er ist wach.",
        "prediction": "neutral",
    }


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_note_is_in_the_file_when_write_returns(tmp_path):
    path = tmp_path / "notes.jsonl"
    notes = Notes(path)
    assert not path.exists(), "looking at items writes nothing"
    notes.write(row(1), "negation", "کیا؟\nzweite Zeile")
    [saved] = lines(path)
    assert (saved["pair_id"], saved["tag"], saved["comment"]) == ("p1", "negation", "کیا؟\nzweite Zeile")
    assert saved["premise"] == "Ein Hund schläft."


def test_a_process_that_dies_right_after_a_note_has_saved_it(tmp_path):
    path = tmp_path / "notes.jsonl"

    def write_and_die():
        Notes(path).write(row(1), "kept", "")
        os._exit(9)

    # A fork, because a new process would import torch first.
    process = multiprocessing.get_context("fork").Process(target=write_and_die)
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert Notes(path).of(row(1)) == ("kept", "")


def test_who_comes_back_finds_the_notes(tmp_path):
    path = tmp_path / "notes.jsonl"
    first = Notes(path)
    first.write(row(1), "negation", "so")
    first.write(row(2), "number", "")
    first.write(row(1), "scope", "anders")
    again = Notes(path)
    assert again.of(row(1)) == ("scope", "anders")
    assert again.of(row(2)) == ("number", "")
    assert again.of(row(3)) == ("", "")
    assert len(again) == 2
    assert set(again.tags) == {"scope", "number"}
    frame = again.to_frame()
    assert frame["pair_id"].to_list() == ["p1", "p2"]
    assert {"language", "tag", "comment", "saved"} <= set(frame)


def test_equal_ids_of_another_data_set_inherit_no_note(tmp_path):
    notes = Notes(tmp_path / "notes.jsonl")
    notes.write(row(1), "mine", "")
    assert notes.of(row(1, "Eine Katze schläft.")) == ("", "")
    notes.write(row(1, "Eine Katze schläft."), "other", "")
    assert Notes(notes.path).of(row(1)) == ("mine", "")


def test_two_empty_texts_take_a_note_away(tmp_path):
    notes = Notes(tmp_path / "notes.jsonl")
    notes.write(row(1), "a", "")
    notes.write(row(2), "b", "")
    notes.write(row(1), " ", "\n")
    assert [note["pair_id"] for note in lines(notes.path)] == ["p2"]
    assert notes.to_frame()["tag"].to_list() == ["b"]


def test_notes_of_two_notebooks_are_both_kept(tmp_path):
    path = tmp_path / "notes.jsonl"
    one, other = Notes(path), Notes(path)
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(notes.write, row(number), "tag", str(number))
            for number, notes in enumerate([one, other] * 20)
        ]
        for job in jobs:
            job.result()
    assert sorted(int(note["comment"]) for note in lines(path)) == list(range(40))
    one.reload()
    assert len(one) == 40


def test_what_cannot_be_saved_leaves_the_file_and_the_notes_as_they_were(tmp_path, monkeypatch):
    notes = Notes(tmp_path / "notes.jsonl")
    notes.write(row(1), "before", "")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"notes\.jsonl"):
        notes.write(row(2), "after", "")
    assert notes.of(row(2)) == ("", "")
    assert [note["tag"] for note in lines(notes.path)] == ["before"]
    assert [file.name for file in tmp_path.iterdir()] == ["notes.jsonl"]


def test_a_missing_folder_is_said_when_something_is_to_be_saved(tmp_path):
    notes = Notes(tmp_path / "none" / "notes.jsonl")
    with pytest.raises(FileNotFoundError, match="folder"):
        notes.write(row(1), "a", "")


@pytest.mark.parametrize("text", ["no json\n", '{"pair_id": "1"}\n', "[1]\n", '{"tag": 1, "comment": ""}'])
def test_a_file_that_holds_something_else_is_refused_by_its_line_and_kept(tmp_path, text):
    path = tmp_path / "notes.jsonl"
    Notes(path).write(row(1), "a", "")
    content = path.read_text() + text
    path.write_text(content)
    with pytest.raises(ValueError, match=r"notes\.jsonl.* line 2 "):
        Notes(path)
    assert path.read_text() == content


def test_a_file_that_became_something_else_is_not_written_over(tmp_path):
    notes = Notes(tmp_path / "notes.jsonl")
    notes.write(row(1), "a", "")
    notes.path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="notes"):
        notes.write(row(2), "b", "")
    assert notes.path.read_bytes() == b"\xff\xfe"


def test_half_a_character_can_be_saved_while_it_is_typed(tmp_path):
    notes = Notes(tmp_path / "notes.jsonl")
    notes.write(row(1), "a", "so \ud83d")
    assert Notes(notes.path).of(row(1)) == ("a", "so ?")


def test_a_row_of_a_frame_and_its_dict_are_one_item(tmp_path):
    notes = Notes(tmp_path / "notes.jsonl")
    frame = pd.DataFrame([row(1)]).assign(gold=None, number=3, share=0.5)
    notes.write(dict(frame.iloc[0]), "a", "")
    assert notes.of(frame.to_dict("records")[0]) == ("a", "")
    assert "gold" not in lines(notes.path)[0]
