"""Laws of tokenizing: the same ids however often and wherever they are computed."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from attribution_toys import frame

from xlmkit.inference import predict
from xlmkit.tokenization import ragged_indices, split_batch, split_words, tokenize, tokenize_chunks

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


class Asked:
    """A tokenizer that gives each letter an id, and remembers the words that it was asked for."""

    def __init__(self):
        self.words = []

    def ids(self, words):
        self.words.append(words)
        return [tuple(map(ord, word)) for word in words]


def listed(tokenized):
    return [part.tolist() for part in np.split(tokenized.ids, np.cumsum(tokenized.sizes)[:-1])]


@pytest.mark.parametrize("spans", [False, True])
def test_each_text_has_the_ids_of_its_words(nli, spans):
    found = tokenize(nli.tokenizer, TEXTS, CODES, lowercase=True, spans=spans)
    words = [split_words(text, code) for text, code in zip(TEXTS, CODES, strict=True)]
    ids = [nli.tokenizer.ids([word.text for word in each]) for each in words]
    assert listed(found) == [[id for word in each for id in word] for each in ids]
    assert found.ids.dtype == found.sizes.dtype == np.int32
    assert found.words == (tuple(map(tuple, words)) if spans else None)
    assert found.word_ids == (tuple(map(tuple, ids)) if spans else None)
    again = found.take(np.array([5, 0, 0]))
    assert listed(again) == [listed(found)[row] for row in (5, 0, 0)]
    assert again.words is None or again.words[0] == tuple(words[5])


def test_a_repeated_text_is_processed_once_per_language():
    asked = Asked()
    found = tokenize(asked, ["ab", "c", "ab", "ab"], ["en", "fr", "en", "fr"], lowercase=True)
    assert asked.words == [["ab"], ["c", "ab"]]
    assert listed(found) == [[97, 98], [99], [97, 98], [97, 98]]
    assert len(tokenize(asked, [], [], lowercase=True)) == 0


def test_ragged_indices_are_runs_from_each_start():
    found = ragged_indices(np.array([0, 5, 9, 7]), np.array([2, 3, 1, 0]))
    assert found.tolist() == [0, 1, 5, 6, 7, 9]


@pytest.mark.parametrize("workers", [0, 2])
def test_chunks_come_in_their_order_with_and_without_workers(nli, workers):
    chunks = [(TEXTS[start : start + 2], CODES[start : start + 2]) for start in (0, 2, 4, 6)]
    found = tokenize_chunks(nli.tokenizer, chunks, lowercase=True, workers=workers)
    expected = tokenize(nli.tokenizer, TEXTS, CODES, lowercase=True)
    assert [ids for each in found for ids in listed(each)] == listed(expected)


def test_few_chunks_are_tokenized_ahead_so_that_memory_stays_flat(nli):
    taken = []
    chunks = ((taken.append(number) or TEXTS, CODES) for number in range(9))
    found = tokenize_chunks(nli.tokenizer, chunks, lowercase=True, workers=1)
    for number, _ in enumerate(found):
        assert len(taken) <= min(number + 2, 9)
    assert len(taken) == 9


def test_a_worker_that_dies_is_named_with_what_to_do(tmp_path):
    """A script without the guard starts workers within a worker, which Python refuses: the worker dies."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from xlmkit.tokenization import BPETokenizer, tokenize_chunks\n"
        "special = {'<s>': 0, '</s>': 1, '<pad>': 2, '<unk>': 3}\n"
        "list(tokenize_chunks(BPETokenizer(special, []), [(['a'], ['en'])], lowercase=True, workers=1))\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert run.returncode == 1
    assert "RuntimeError: a worker process died" in run.stderr.splitlines()[-1]
    assert "__main__" in run.stderr.splitlines()[-1]


def test_a_worker_loads_neither_torch_nor_pandas():
    code = "import sys; import xlmkit.tokenization.tokenize; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "pandas"} & set(run.stdout.split())


def test_a_tokenizer_travels_without_its_cache(nli):
    nli.tokenizer.ids([f"word{number}" for number in range(500)])
    content = pickle.dumps(nli.tokenizer)
    assert b"word499" not in content
    assert pickle.loads(content).ids(["dog", "schlaft"]) == nli.tokenizer.ids(["dog", "schlaft"])


def test_the_thai_dictionary_is_loaded_once_in_a_process(monkeypatch):
    import pythainlp.util

    split_batch(["วันนี้ฝนตก"], "th")
    real = pythainlp.util.Trie.__init__

    def built(self, words):
        assert not words, "the dictionary was built a second time"
        real(self, words)

    monkeypatch.setattr(pythainlp.util.Trie, "__init__", built)
    assert split_batch(["แมวไม่นอน"], "th") == [[word.text for word in split_words("แมวไม่นอน", "th")]]


def test_predictions_do_not_depend_on_the_workers(nli):
    alone = predict(nli, frame(), progress=False)
    pd.testing.assert_frame_equal(predict(nli, frame(), workers=1, progress=False), alone, rtol=1e-5)


@pytest.mark.parametrize("wrong", [-1, 1.5, "2", True])
def test_a_number_of_workers_that_is_none_is_refused(nli, wrong):
    with pytest.raises(ValueError, match="workers"):
        predict(nli, frame(), workers=wrong, progress=False)


def test_the_threads_of_torch_are_left_to_the_user(nli):
    before = torch.get_num_threads(), torch.get_num_interop_threads()
    predict(nli, frame(), progress=False)
    assert (torch.get_num_threads(), torch.get_num_interop_threads()) == before
