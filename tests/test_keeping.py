"""Laws of keeping: wherever a long run is cut off, the same call goes on there and ends with the same results; another call is refused."""

from __future__ import annotations

import errno
import json
import os

import pandas as pd
import pytest
from attribution_toys import assert_same, frame
from pandas.testing import assert_frame_equal

from xlmkit import results_checkpoint as keeping
from xlmkit.attribution import explain, explain_errors, explaining
from xlmkit.errors import edits, minimal_edits
from xlmkit.faithfulness import judge, judging
from xlmkit.inference import predict

PARTS = [[1, 2], [3], [4, 5, 6]]


def run(path, asked=None, parts=PARTS, log=None):
    """All parts as text, and in `log` those that had to be found."""

    def find(part):
        if log is not None:
            log.append(part)
        return [str(number) for number in part]

    asked = asked or {"seed": 0}
    return list(
        keeping.in_parts(path, asked, parts, find, pack=lambda one: {"v": one}, unpack=lambda one: one["v"])
    )


WHOLE = run(None)


def test_a_run_cut_off_at_any_byte_ends_the_same_and_finds_again_only_what_was_not_whole(tmp_path):
    file = tmp_path / "kept.jsonl"
    assert run(file) == WHOLE
    content = file.read_bytes()
    for size in range(len(content) + 1):
        file.write_bytes(content[:size])
        log = []
        assert run(file, log=log) == WHOLE
        assert file.read_bytes() == content
        whole_parts = max(0, content[:size].count(b"\n") - 1)
        assert log == PARTS[whole_parts:]


@pytest.mark.parametrize("asked", [{"seed": 1}, {"seed": 0, "more": True}, {"model": "x"}])
def test_results_of_another_question_are_refused_and_left_alone(tmp_path, asked):
    file = tmp_path / "kept.jsonl"
    run(file)
    before = file.read_bytes()
    odd = ", ".join(sorted({"seed", *asked} - ({"seed"} if asked.get("seed") == 0 else set())))
    with pytest.raises(ValueError, match=f"holds results of another run: {odd} differ; .*remedy"):
        run(file, asked)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"premise\thypothesis\n", b"{}\n", b"[]\n", b"\xff\n", b'{"format": 2, "asked": {}}\n']
)
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path, content):
    file = tmp_path / "mine.tsv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"expected a file that a run keeps its results in, got .*mine\.tsv"):
        run(file)
    assert file.read_bytes() == content


def test_two_runs_do_not_write_to_one_file(tmp_path):
    parts = keeping.in_parts(tmp_path / "kept.jsonl", {}, PARTS, list, pack=int, unpack=int)
    next(parts)
    with pytest.raises(OSError, match="another run is writing"):
        run(tmp_path / "kept.jsonl", {})
    parts.close()
    assert list(keeping.in_parts(tmp_path / "kept.jsonl", {}, PARTS, list, pack=int, unpack=int)) == PARTS


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_after_it(tmp_path, monkeypatch):
    file, real = tmp_path / "kept.jsonl", os.fsync
    calls = []

    def full(number):
        calls.append(number)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"kept\.jsonl.* could not be written .*remedy: free some space"):
        run(file)
    assert run(file) == WHOLE


def test_an_explanation_that_was_kept_equals_one_that_is_made(nli, tmp_path, monkeypatch):
    monkeypatch.setattr(explaining, "KEPT", 2)
    pairs, file = frame(), tmp_path / "kept.jsonl"
    first = explain(nli, pairs, keep=file, progress=False)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + -(-len(pairs) // 2)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    again = explain(nli, pairs, keep=file, progress=False)
    assert [one.to_dict() for one in again] == [one.to_dict() for one in first]
    assert_same(again, explain(nli, pairs, progress=False))
    for other in (pairs.iloc[::-1], pairs.assign(premise=pairs["hypothesis"])):
        with pytest.raises(ValueError, match="pairs differ"):
            explain(nli, other, keep=file, progress=False)
    with pytest.raises(ValueError, match="settings differ"):
        explain(nli, pairs, method="saliency", keep=file, progress=False)


def test_judgements_that_were_kept_equal_those_that_are_made(nli, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "KEPT", 1)
    # The same batches on both sides: what a batch may change has a law of its own.
    monkeypatch.setattr(judging, "CHUNK", 1)
    explained = [
        one
        for method in ("saliency", "occlusion")
        for one in explain(nli, frame(), method=method, progress=False)
    ]
    options = {"controls": 3, "masks": 5, "progress": False}
    file = tmp_path / "kept.jsonl"
    whole = judge(nli, explained, **options)
    assert_frame_equal(judge(nli, explained, keep=file, **options), whole, rtol=1e-5)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3]))
    assert_frame_equal(judge(nli, explained, keep=file, **options), whole, rtol=1e-5)
    assert len(file.read_bytes().splitlines()) == len(lines)
    with pytest.raises(ValueError, match="controls differ"):
        judge(nli, explained, keep=file, **{**options, "controls": 4})


def test_edits_that_were_kept_equal_those_that_are_made(nli, tmp_path, monkeypatch):
    monkeypatch.setattr(edits, "AT_ONCE", 2)
    labels = predict(nli, frame(), progress=False)["prediction"]
    golds = [nli.labels[(nli.labels.index(label) + 1) % 3] for label in labels]
    wrong = frame().assign(gold=[labels.iloc[0], *golds[1:]])  # the first is no error
    options = {"budget": 12, "progress": False}
    file = tmp_path / "kept.jsonl"
    whole = minimal_edits(nli, wrong, **options)
    assert len(whole) == len(wrong) - 1
    assert whole["size"].notna().any()
    assert whole["size"].isna().any()
    assert_frame_equal(minimal_edits(nli, wrong, keep=file, **options), whole)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + -(-len(wrong) // 2)
    for cut in (b"".join(lines[:2]), b"".join(lines[:2]) + lines[2][:40], b"".join(lines)):
        file.write_bytes(cut)
        assert_frame_equal(minimal_edits(nli, wrong, keep=file, **options), whole)
        assert file.read_bytes() == b"".join(lines)
    explained = explain_errors(nli, wrong, method="saliency", progress=False)
    others = [
        ("settings", wrong, {"budget": 13}),
        ("pairs", wrong.assign(gold=golds), {}),
        ("pairs", wrong.iloc[::-1], {}),
        ("explanations", wrong, {"explanations": explained}),
    ]
    for odd, pairs, more in others:
        with pytest.raises(ValueError, match=f"holds results of another run: {odd} differ"):
            minimal_edits(nli, pairs, keep=file, **{**options, **more})


def test_a_fingerprint_changes_with_every_value_and_their_order():
    rows = pd.DataFrame({"a": ["x", None, "y"], "b": [1, 2, 3]})
    others = [
        rows.iloc[::-1],
        rows.assign(a=["x", "", "y"]),
        rows.assign(b=[1, 2, 4]),
        rows.assign(b=["1", "2", "3"]),
    ]
    found = {keeping.fingerprint(each, ["a", "b"]) for each in (rows, *others)}
    assert len(found) == 5
    assert json.loads(json.dumps(keeping.digest([1]))) == keeping.digest([1])
