"""Laws of resuming: wherever a long run is killed, the same call resumes and ends with the same results; another call is refused."""

from __future__ import annotations

import errno
import json
import os
import sys

import numpy as np
import pandas as pd
import pytest
from attribution_toys import assert_same, frame
from pandas.testing import assert_frame_equal

from xlmkit.attribution import explain, explain_errors
from xlmkit.errors import minimal_edits
from xlmkit.faithfulness import erasure_metrics
from xlmkit.inference import predict
from xlmkit.results import check_same_run, digest, fingerprint, resumable_map

CHUNKS = [[1, 2], [3], [4, 5, 6]]


def run(path, config=None, log=None):
    """All chunks as text, and in `log` those that had to be computed."""

    def function(chunk):
        if log is not None:
            log.append(chunk)
        return [str(number) for number in chunk]

    config = {"seed": 0} if config is None else config
    results = resumable_map(
        path, config, CHUNKS, function, serialize=lambda x: {"v": x}, deserialize=lambda x: x["v"]
    )
    return list(results)


WHOLE = run(None)


@pytest.mark.filterwarnings("ignore::xlmkit.notices.XlmkitWarning")
def test_a_run_killed_at_any_byte_ends_the_same_and_computes_only_what_was_not_complete(tmp_path):
    file = tmp_path / "results.jsonl"
    assert run(file) == WHOLE
    content = file.read_bytes()
    for size in range(len(content) + 1):
        file.write_bytes(content[:size])
        log = []
        assert run(file, log=log) == WHOLE
        assert file.read_bytes() == content
        complete = max(0, content[:size].count(b"\n") - 1)
        assert log == CHUNKS[complete:]


@pytest.mark.parametrize("config", [{"seed": 1}, {"seed": 0, "more": True}, {"model": "x"}])
def test_results_with_another_config_are_refused_and_left_alone(tmp_path, config):
    file = tmp_path / "results.jsonl"
    run(file)
    before = file.read_bytes()
    differing = {name for name in {"seed", *config} if {"seed": 0}.get(name) != config.get(name)}
    with pytest.raises(ValueError, match=".*".join(sorted(differing))):
        run(file, config)
    assert file.read_bytes() == before


def test_the_same_config_may_have_tuples_and_numpy_values_and_long_ones_are_not_printed():
    check_same_run("x", {"a": [1, 2], "b": 3}, {"b": np.int64(3), "a": (1, 2)})
    with pytest.raises(ValueError, match=r"differ: a, b \(3 there, 4 here\)") as caught:
        check_same_run("x", {"a": "x" * 500, "b": 3}, {"a": "y", "b": 4})
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"premise\thypothesis\n", b"{}\n", b"[]\n", b"\xff\n", b'{"format": 1, "asked": {}}\n']
)
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path, content):
    file = tmp_path / "mine.tsv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.tsv"):
        run(file)
    assert file.read_bytes() == content


def test_two_runs_do_not_write_to_one_file(tmp_path):
    file, options = tmp_path / "results.jsonl", {"serialize": int, "deserialize": int}
    results = resumable_map(file, {}, CHUNKS, list, **options)
    next(results)
    with pytest.raises(BlockingIOError, match="another run"):
        run(file, {})
    results.close()
    assert list(resumable_map(file, {}, CHUNKS, list, **options)) == CHUNKS


def test_a_full_disk_is_one_sentence_and_the_run_resumes_after_it(tmp_path, monkeypatch):
    file, real = tmp_path / "results.jsonl", os.fsync
    calls = []

    def full(number):
        calls.append(number)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"results\.jsonl.* could not be written") as caught:
        run(file)
    assert caught.value.errno == errno.ENOSPC
    assert run(file) == WHOLE


def test_an_explanation_that_was_kept_equals_one_that_is_made(nli, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["xlmkit.attribution.explain"], "CHECKPOINT_CHUNK", 2)
    pairs, file = frame(), tmp_path / "kept.jsonl"
    first = explain(nli, pairs, checkpoint=file, progress=False)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + -(-len(pairs) // 2)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    again = explain(nli, pairs, checkpoint=file, progress=False)
    assert [one.to_dict() for one in again] == [one.to_dict() for one in first]
    assert_same(again, explain(nli, pairs, progress=False))
    for other in (pairs.iloc[::-1], pairs.assign(premise=pairs["hypothesis"])):
        with pytest.raises(ValueError, match="pairs"):
            explain(nli, other, checkpoint=file, progress=False)
    with pytest.raises(ValueError, match="settings"):
        explain(nli, pairs, method="saliency", checkpoint=file, progress=False)


def test_metrics_that_were_kept_equal_those_that_are_made(nli, tmp_path):
    explained = [
        one
        for method in ("saliency", "occlusion")
        for one in explain(nli, frame(), method=method, progress=False)
    ]
    options = {"n_controls": 3, "n_masks": 5, "progress": False}
    file = tmp_path / "kept.jsonl"
    whole = erasure_metrics(nli, explained, **options)
    assert_frame_equal(erasure_metrics(nli, explained, checkpoint=file, **options), whole, rtol=1e-5)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3]))
    assert_frame_equal(erasure_metrics(nli, explained, checkpoint=file, **options), whole, rtol=1e-5)
    assert len(file.read_bytes().splitlines()) == len(lines)
    with pytest.raises(ValueError, match="n_controls"):
        erasure_metrics(nli, explained, checkpoint=file, **{**options, "n_controls": 4})


def test_edits_that_were_kept_equal_those_that_are_made(nli, tmp_path):
    labels = predict(nli, frame(), progress=False)["prediction"]
    golds = [nli.labels[(nli.labels.index(label) + 1) % 3] for label in labels]
    wrong = frame().assign(gold=[labels.iloc[0], *golds[1:]])  # the first is no error
    options = {"budget": 12, "progress": False}
    file = tmp_path / "kept.jsonl"
    whole = minimal_edits(nli, wrong, **options)
    assert len(whole) == len(wrong) - 1
    assert whole["size"].notna().any()
    assert whole["size"].isna().any()
    assert_frame_equal(minimal_edits(nli, wrong, checkpoint=file, **options), whole)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + len(whole)
    for cut in (b"".join(lines[:2]), b"".join(lines[:2]) + lines[2][:40], b"".join(lines)):
        file.write_bytes(cut)
        assert_frame_equal(minimal_edits(nli, wrong, checkpoint=file, **options), whole)
        assert file.read_bytes() == b"".join(lines)
    explained = explain_errors(nli, wrong, method="saliency", progress=False)
    others = [
        ("settings", wrong, {"budget": 13}),
        ("pairs", wrong.assign(gold=golds), {}),
        ("pairs", wrong.iloc[::-1], {}),
        ("explanations", wrong, {"explanations": explained}),
    ]
    for odd, pairs, more in others:
        with pytest.raises(ValueError, match=odd):
            minimal_edits(nli, pairs, checkpoint=file, **{**options, **more})


def test_a_fingerprint_changes_with_every_value_and_their_order():
    rows = pd.DataFrame({"a": ["x", None, "y"], "b": [1, 2, 3]})
    others = [
        rows.iloc[::-1],
        rows.assign(a=["x", "", "y"]),
        rows.assign(b=[1, 2, 4]),
        rows.assign(b=["1", "2", "3"]),
    ]
    found = {fingerprint(each, ["a", "b"]) for each in (rows, *others)}
    assert len(found) == 5
    assert json.loads(json.dumps(digest([1]))) == digest([1])
