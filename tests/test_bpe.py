"""The ids are fastBPE's: by the golden ids, and by the algorithm as the paper states it."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlmkit.languages import LANGUAGES
from xlmkit.tokenization import BOS, EOS, MASK, PAD, UNK, BPETokenizer

SPECIAL = {"<s>": 0, "</s>": 1, "<pad>": 2, "<unk>": 3}
MERGES = [
    ("a", "b"),
    ("b", "c</w>"),
    ("ab", "c</w>"),
    ("c", "c"),
    ("a", "a"),
    ("ab", "ab"),
    ("aa", "b</w>"),
    ("\u00a0", "a"),
]
# "ab", "aa" and "bc</w>" are results of merges that the vocabulary lacks, as in the real one.
VOCABULARY = SPECIAL | {
    piece: number
    for number, piece in enumerate(
        ["a", "b", "c", "a</w>", "b</w>", "c</w>", "abc</w>", "cc", "abab", "aab</w>", "\u00a0a"], 4
    )
}


def names(word: str) -> list[str]:
    """Byte-pair encoding as Sennrich et al. 2016 state it: again and again the best merge, everywhere in the word."""
    ranks = {merge: rank for rank, merge in enumerate(MERGES)}
    parts = [*word[:-1], word[-1] + "</w>"]
    while found := [pair for pair in pairwise(parts) if pair in ranks]:
        best, merged = min(found, key=ranks.__getitem__), []
        while parts:
            both = len(parts) > 1 and (parts[0], parts[1]) == best
            merged.append("".join(parts[: 1 + both]))
            parts = parts[1 + both :]
        parts = merged
    return parts


@pytest.fixture
def small() -> BPETokenizer:
    return BPETokenizer(VOCABULARY, MERGES)


def folder(place, vocabulary, merges):
    (place / "vocab.json").write_text(vocabulary if isinstance(vocabulary, str) else json.dumps(vocabulary))
    (place / "merges.txt").write_text(merges, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def real(shared) -> BPETokenizer:
    return BPETokenizer.read(shared / "data/xlm_xnli15_tokenizer")


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"zh"}))
def test_every_golden_word_has_the_authors_ids(language, shared, real):
    with gzip.open(shared / f"golden/preprocessing/{language}.jsonl.gz", "rt", encoding="utf-8") as file:
        golden = [json.loads(line) for line in file]
    found = iter(real.ids([word for row in golden for word in row["words"]]))
    for row in golden:
        ids = [number for _ in row["words"] for number in next(found)]
        assert ids == row["ids"]
        known = [(number, token) for number, token in zip(ids, row["tokens"], strict=True) if number != UNK]
        assert all(real.name(number) == token for number, token in known)


def test_the_real_vocabulary_has_95000_pieces_and_the_special_ids(real):
    assert len(real) == 95_000
    assert [real.name(number) for number in (BOS, EOS, PAD, UNK, MASK)] == [
        "<s>",
        "</s>",
        "<pad>",
        "<unk>",
        "<special1>",
    ]
    assert real.name(1127) == "ges"


@settings(max_examples=300)
@given(words=st.lists(st.text("abc\u00a0x", min_size=1, max_size=12)))
def test_pieces_are_those_of_the_textbook_algorithm(words):
    expected = [tuple(VOCABULARY.get(name, UNK) for name in names(word)) for word in words]
    assert BPETokenizer(VOCABULARY, MERGES).ids(words) == expected


def test_a_result_that_the_vocabulary_lacks_is_merged_on_and_unknown_only_at_the_end(small):
    assert small.ids(["abc"]) == [(VOCABULARY["abc</w>"],)]  # through "ab", which has no id
    assert small.ids(["abb"]) == [(UNK, VOCABULARY["b</w>"])]  # stops at "ab"


def test_unknown_characters_are_one_unknown_piece_each(small):
    assert small.ids(["xy", "axb", "日本", "😀", "\ud800", "a\udfff"]) == [
        (UNK, UNK),
        (VOCABULARY["a"], UNK, VOCABULARY["b</w>"]),
        (UNK, UNK),
        (UNK,),
        (UNK,),
        (VOCABULARY["a"], UNK),
    ]


def test_special_names_in_a_text_are_text(small):
    assert small.ids(["</s>"]) == [(UNK,) * 4]


def test_a_merge_with_a_no_break_space_is_read_whole(tmp_path, small):
    lines = "".join(f"{left} {right} 17\n" for left, right in MERGES)
    read = BPETokenizer.read(folder(tmp_path, VOCABULARY, lines))
    assert read.ids(["\u00a0ac", "abab"]) == small.ids(["\u00a0ac", "abab"])
    assert read.ids(["\u00a0ac"]) == [(VOCABULARY["\u00a0a"], VOCABULARY["c</w>"])]


def test_words_met_before_have_the_same_ids(small):
    first = small.ids(["abc", "a", "abc", ""])
    assert first == [small.ids([word])[0] for word in ["abc", "a", "abc", ""]]
    assert first[-1] == ()
    assert small.ids([]) == []


def test_ids_survive_a_cache_that_is_full(small):
    bounded = BPETokenizer(VOCABULARY, MERGES, cached_words=10)
    words = ["a" * size for size in range(1, 9)]
    expected = small.ids(words)
    for step in range(1, 9):
        assert bounded.ids([*words[:step], "b" * step, "c" * step])[:step] == expected[:step]


def test_the_cache_is_bounded():
    """The memory of a tokenizer that has met a million words stays that of the ten that it may keep."""
    bounded, free = BPETokenizer(VOCABULARY, MERGES, cached_words=10), BPETokenizer(VOCABULARY, MERGES)
    words = [f"{'ab' * 10}{number}" for number in range(3_000)]
    peaks = []
    for tokenizer in (bounded, free):
        tracemalloc.start()
        for start in range(0, len(words), 5):
            tokenizer.ids(words[start : start + 5])
        peaks.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert peaks[0] < peaks[1] / 20


def test_a_long_word_is_no_burden(small):
    ids = small.ids(["ab" * 100_000])[0]  # 99,999 times "ab", two and two, then "a" and "b</w>"
    assert ids == (VOCABULARY["abab"],) * 49_999 + (UNK, VOCABULARY["a"], VOCABULARY["b</w>"])


def test_the_size_counts_ids_and_not_entries():
    assert len(BPETokenizer(SPECIAL | {"a</w>": 9}, [])) == 10


def test_an_id_without_a_piece_is_refused(small):
    for number in (-1, len(small), 99):
        with pytest.raises(ValueError, match=f"from 0 to {len(small) - 1}; got {number}"):
            small.name(number)


def test_one_word_in_place_of_many_and_what_is_no_word_are_refused(small):
    with pytest.raises(TypeError, match=r"one str.*\[word\]"):
        small.ids("word")
    for wrong in (None, 5, b"a"):
        with pytest.raises(TypeError, match="`words` must be a sequence of str"):
            small.ids(["a", wrong])


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"a": 0}, "expected a vocabulary with the ids"),
        (SPECIAL | {"<pad>": 7}, "got {'<pad>': 7}"),
        (SPECIAL | {"a": 3}, "different"),
        (SPECIAL | {"a": -1}, "different"),
        (SPECIAL | {"a": 1.5}, "tokens and their ids"),
        ([1, 2], "tokens and their ids"),
        ("{broken", "expected a JSON object"),
        ("", "expected a JSON object"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused_with_the_remedy(tmp_path, vocabulary, message):
    with pytest.raises(ValueError, match=message):
        BPETokenizer.read(folder(tmp_path, vocabulary, "a b\n"))


@pytest.mark.parametrize("line", ["ab", "a\u00a0b", " b", "a  b"])
def test_a_merge_that_is_none_is_refused_by_its_line(tmp_path, line):
    with pytest.raises(ValueError, match=r"line 2 of .*merges\.txt"):
        BPETokenizer.read(folder(tmp_path, VOCABULARY, f"a b\n{line}\n"))


def test_merges_that_are_no_text_are_refused_by_the_file(tmp_path):
    folder(tmp_path, VOCABULARY, "")
    (tmp_path / "merges.txt").write_bytes(b"a b\n\xff\xfe")
    with pytest.raises(ValueError, match=r"merges\.txt"):
        BPETokenizer.read(tmp_path)


def test_a_folder_without_pieces_is_refused_by_the_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"vocab\.json"):
        BPETokenizer.read(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps(VOCABULARY))
    with pytest.raises(FileNotFoundError, match=r"merges\.txt"):
        BPETokenizer.read(tmp_path)
