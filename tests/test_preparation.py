"""Laws of preparation: the same ids wherever and however often they are computed; a damaged file is no loss, a full disk no end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from attribution_toys import frame
from conftest import tables

from xlmkit import inference, notices
from xlmkit.encoding import columns, encode, lay_out
from xlmkit.inference import predict
from xlmkit.tokenization import BPETokenizer, Prepared, cache, computed, prepare, processes
from xlmkit.tokenization.cache import Cache, kept, key_of

TEXTS = [
    "The dog sleeps.",
    "วันนี้ฝนตก แมวไม่นอน",
    "The dog sleeps.",
    "今天下雨。",
    "",
    "Der Hund schläft.",
    "\ud800 a",
]
CODES = ["en", "th", "de", "zh", "en", "de", "sw"]
BLOCK = Prepared(np.arange(7, dtype=np.int32), np.array([3, 0, 4], dtype=np.int32))


@pytest.fixture(autouse=True)
def _again():
    notices.forget()


def by_hand(nli):
    from xlmkit.tokenization import split_batch

    found = []
    for text, code in zip(TEXTS, CODES, strict=True):
        (words,) = split_batch([text], code)
        found.append([number for word in nli.tokenizer.ids(words) for number in word])
    return found


def listed(prepared):
    return [part.tolist() for part in np.split(prepared.ids, np.cumsum(prepared.sizes)[:-1])]


def test_each_text_gets_the_pieces_of_its_words(nli):
    found = prepare(computed(nli.tokenizer, lowercase=True), TEXTS, CODES)
    assert listed(found) == by_hand(nli)
    assert found.ids.dtype == found.sizes.dtype == np.int32


def test_a_repeated_text_is_worked_on_once_in_each_language():
    asked = []

    def blocks(code, texts):
        asked.append((code, texts))
        sizes = np.array([len(text) for text in texts], dtype=np.int32)
        return Prepared(np.arange(sizes.sum(), dtype=np.int32), sizes)

    found = prepare(blocks, ["ab", "c", "ab", "ab"], ["en", "fr", "en", "fr"])
    assert asked == [("en", ["ab"]), ("fr", ["c", "ab"])]
    assert listed(found) == [[0, 1], [0], [0, 1], [1, 2]]
    assert len(prepare(blocks, [], [])) == 0


# --- laid out -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["xlm", "huggingface"])
@pytest.mark.parametrize("max_length", [5, 9, 14, 256])
def test_prepared_texts_make_the_same_encoding(nli, form, max_length):
    model = dataclasses.replace(nli, pair_format=form)
    pairs = frame()
    given = (pairs["premise"].tolist(), pairs["hypothesis"].tolist(), pairs["premise_language"].tolist())
    others = pairs["hypothesis_language"].tolist()
    slow = encode(model, *given, hypothesis_languages=others, max_length=max_length, spans=True)
    fast = encode(model, *given, hypothesis_languages=others, max_length=max_length, spans=False)
    for name in ("input_ids", "langs", "attention_mask"):
        assert torch.equal(getattr(fast, name), getattr(slow, name))
        assert getattr(fast, name).dtype == torch.int64
    assert fast.n_truncated == slow.n_truncated
    assert any(fast.truncated) == (max_length < 256)


def test_prepared_single_texts_make_the_same_encoding(topics):
    given = ["The dog sleeps today.", "Der Hund."], None, ["en", "de"]
    for room in (4, 256):
        slow, fast = (encode(topics, *given, max_length=room, spans=spans) for spans in (True, False))
        assert torch.equal(fast.input_ids, slow.input_ids)
        assert torch.equal(fast.langs, slow.langs)
        assert fast.n_truncated == slow.n_truncated


def test_a_text_without_words_is_refused_by_its_number(nli):
    asked = columns(["a", " "], ["b", "c"], "en")
    prepared = prepare(computed(nli.tokenizer, lowercase=True), *asked.flat)
    with pytest.raises(ValueError, match=r"premise 1 \(' '\)"):
        lay_out(nli, asked, prepared, max_length=256)


# --- the cache ------------------------------------------------------------------------------------------------------------------------


def same(one, other):
    return np.array_equal(one.ids, other.ids) and np.array_equal(one.sizes, other.sizes)


def test_what_was_put_is_got_and_nothing_else(tmp_path):
    store = Cache(tmp_path / "new" / "folder")
    assert store.get("a" * 64) is None
    store.put("a" * 64, BLOCK)
    assert same(store.get("a" * 64), BLOCK)
    assert store.get("b" * 64) is None
    assert [file.name for file in store.folder.iterdir()] == ["a" * 64]


@pytest.mark.parametrize("harm", ["cut", "bit", "empty", "name"])
def test_a_damaged_file_is_removed_and_prepared_anew(tmp_path, harm):
    store = Cache(tmp_path)
    store.put("key", BLOCK)
    content = bytearray((tmp_path / "key").read_bytes())
    content = {"cut": content[:-3], "bit": content, "empty": b"", "name": content}[harm]
    if harm == "bit":
        content[-1] ^= 1
    key = "other" if harm == "name" else "key"
    (tmp_path / key).write_bytes(content)
    with pytest.warns(notices.XlmkitWarning, match="damaged"):
        assert store.get(key) is None
    assert not (tmp_path / key).exists()


def test_the_longest_unused_give_way_at_the_limit(tmp_path):
    size = len(cache._written("0", BLOCK))
    store = Cache(tmp_path, limit=3 * size)
    for number, key in enumerate("abc"):
        store.put(key, BLOCK)
        os.utime(tmp_path / key, (number, number))
    assert store.get("a") is not None  # and is now the last used
    store.put("d", BLOCK)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "c", "d"]
    Cache(tmp_path, limit=size - 1).put("e", BLOCK)
    assert "e" not in {file.name for file in tmp_path.iterdir()}


def test_a_half_written_file_is_removed_once_its_writer_must_be_gone(tmp_path):
    for name in (".new-old", ".new-young"):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / ".new-old", (0, 0))
    Cache(tmp_path).put("a", BLOCK)
    assert {file.name for file in tmp_path.iterdir()} == {".new-young", "a"}


def test_a_folder_that_takes_no_files_is_told_and_no_end(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(notices.XlmkitWarning, match=r"cannot be kept.*remedy"):
        Cache(tmp_path / "file").put("a", BLOCK)


def test_a_full_disk_leaves_no_half_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    with pytest.warns(notices.XlmkitWarning, match="No space left"):
        Cache(tmp_path).put("a", BLOCK)
    assert not list(tmp_path.iterdir())


def test_everything_that_ids_depend_on_is_in_the_key(monkeypatch):
    keys = [
        key_of("en", ["ab", "c"], "print", True),
        key_of("de", ["ab", "c"], "print", True),
        key_of("en", ["a", "bc"], "print", True),
        key_of("en", ["ab", "c"], "other", True),
        key_of("en", ["ab", "c"], "print", False),
        key_of("en", ["\ud800"], "print", True),
    ]
    monkeypatch.setattr(cache, "VERSION", "2")
    keys.append(key_of("en", ["ab", "c"], "print", True))
    monkeypatch.setattr(cache, "_versions", lambda: ["another pythainlp"])
    keys.append(key_of("en", ["ab", "c"], "print", True))
    assert len(set(keys)) == len(keys)


def test_vocabulary_and_merges_make_the_fingerprint():
    vocabulary, merges = tables()
    swapped = dict(vocabulary) | {"a": vocabulary["b"], "b": vocabulary["a"]}
    prints = [
        BPETokenizer.from_tables(*given).fingerprint
        for given in (
            (vocabulary, merges),
            (swapped, merges),
            (vocabulary, merges[:-1]),
            (vocabulary, merges),
        )
    ]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3


def test_kept_blocks_are_computed_once(nli, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "LEAST", 2)
    asked, real = [], computed(nli.tokenizer, lowercase=True)
    blocks = kept(
        lambda code, texts: asked.append(code) or real(code, texts),
        Cache(tmp_path),
        nli.tokenizer,
        lowercase=True,
    )
    first, again = (prepare(blocks, TEXTS, CODES) for _ in range(2))
    assert same(first, again)
    assert sorted(asked) == [
        "de",
        "en",
        "sw",
        "sw",
        "th",
        "th",
        "zh",
        "zh",
    ]  # those with one text are not kept
    assert len(list(tmp_path.iterdir())) == 2


def test_the_environment_chooses_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XLMKIT_CACHE", "off")
    assert cache.chosen() is None
    monkeypatch.setenv("XLMKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("XLMKIT_CACHE_MB", "3")
    assert cache.chosen() == Cache(tmp_path, 3 * 2**20)
    monkeypatch.setenv("XLMKIT_CACHE_MB", "many")
    with pytest.raises(ValueError, match=r"XLMKIT_CACHE_MB.*'many'"):
        cache.chosen()


def test_encoding_keeps_what_it_prepared(nli, monkeypatch, tmp_path):
    monkeypatch.setenv("XLMKIT_CACHE", str(tmp_path))
    texts = [f"The dog sleeps {number}." for number in range(cache.LEAST)]
    first = encode(nli, texts, texts, "en", spans=False)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr("xlmkit.tokenization.split_batch", None)  # nothing is cut again
    assert torch.equal(encode(nli, texts, texts, "en", spans=False).input_ids, first.input_ids)


# --- processes ------------------------------------------------------------------------------------------------------------------------


def test_processes_prepare_the_same(nli):
    here = prepare(computed(nli.tokenizer, lowercase=True), TEXTS, CODES)
    with processes.Preparers(nli.tokenizer, lowercase=True, count=2) as preparers:
        children = [child.process for child in preparers._children]
        waiting = [preparers.submit(TEXTS, CODES) for _ in range(3)]
        assert all(same(one.result(), here) for one in waiting)
        with pytest.raises(ValueError, match="'xx'"):
            preparers.submit(["a"], ["xx"]).result()
        assert same(preparers.submit(TEXTS, CODES).result(), here)
    assert [child.returncode for child in children] == [0, 0]


def test_a_process_that_dies_loses_nothing(nli):
    here = prepare(computed(nli.tokenizer, lowercase=True), TEXTS, CODES)
    with processes.Preparers(nli.tokenizer, lowercase=True, count=1) as preparers:
        preparers._children[0].process.kill()
        preparers._children[0].process.wait()
        with pytest.warns(notices.XlmkitWarning, match="has died"):
            found = preparers.submit(TEXTS, CODES).result()
        assert same(found, here)
        assert same(preparers.submit(TEXTS, CODES).result(), here)


def test_an_error_of_the_caller_ends_the_processes(nli):
    preparers = processes.Preparers(nli.tokenizer, lowercase=True, count=1)
    with contextlib.suppress(KeyboardInterrupt), preparers:
        raise KeyboardInterrupt
    assert preparers._children[0].process.returncode is not None


def test_a_process_loads_neither_torch_nor_the_callers_script():
    code = "import sys; import xlmkit.tokenization.processes; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "pandas"} & set(run.stdout.split())


def test_pieces_travel_without_the_words_that_they_met(nli):
    nli.tokenizer.ids(["dog"])
    copy = pickle.loads(pickle.dumps(nli.tokenizer))
    assert copy._cache == {}
    assert nli.tokenizer._cache
    assert copy.ids(["dog", "schlaft"]) == nli.tokenizer.ids(["dog", "schlaft"])


def test_the_thai_dictionary_is_loaded_once_in_a_process(monkeypatch):
    import pythainlp.util

    from xlmkit.tokenization import split_batch, split_words

    split_batch(["วันนี้ฝนตก"], "th")
    real = pythainlp.util.Trie.__init__

    def built(self, words):
        assert not words, "the dictionary was built a second time"
        real(self, words)

    monkeypatch.setattr(pythainlp.util.Trie, "__init__", built)
    assert split_batch(["แมวไม่นอน"], "th") == [[word.text for word in split_words("แมวไม่นอน", "th")]]


@pytest.mark.parametrize("workers", [1, 3])
def test_predictions_do_not_depend_on_the_processes(nli, monkeypatch, workers):
    pairs = pd.concat([frame().assign(pair_id=lambda rows, n=n: rows["pair_id"] + str(n)) for n in range(3)])
    alone = predict(nli, pairs, workers=0, progress=False)
    monkeypatch.setattr(inference.feeding, "CHUNK", 4)
    found = predict(nli, pairs, workers=workers, progress=False)
    pd.testing.assert_frame_equal(found, alone, rtol=1e-5)


def test_no_more_chunks_are_prepared_ahead_than_there_are_processes(nli, monkeypatch):
    """So that memory stays flat, however many rows there are."""
    submitted, done = [], []

    class Fake:
        def __init__(self, pieces, *, lowercase, count):
            self.blocks = computed(pieces, lowercase=lowercase)

        def submit(self, texts, codes):
            submitted.append(1)
            assert len(submitted) - len(done) <= 3
            return type("Future", (), {"result": lambda _: prepare(self.blocks, texts, codes)})()

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731

    monkeypatch.setattr(inference.feeding, "Preparers", Fake)
    monkeypatch.setattr(inference.feeding, "CHUNK", 1)
    for _ in inference.feeding.encodings(nli, inference.check_input(nli, frame()), 256, 2):
        done.append(1)
    assert len(done) == len(submitted) == 6


@pytest.mark.parametrize("wrong", [-1, 1.5, "2", True])
def test_a_number_of_processes_that_is_none_is_refused(nli, wrong):
    with pytest.raises(ValueError, match="workers"):
        predict(nli, frame(), workers=wrong, progress=False)


def test_the_threads_of_torch_are_left_to_the_user(nli):
    before = torch.get_num_threads(), torch.get_num_interop_threads()
    predict(nli, frame(), progress=False)
    assert (torch.get_num_threads(), torch.get_num_interop_threads()) == before
