"""Words are the authors', in every language, and every character of the text is accounted for."""

from __future__ import annotations

import gzip
import json
import os
import string
import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xlmkit.languages import LANGUAGES
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.tokenization import Word, is_ignorable, split_batch, split_words
from xlmkit.tokenization.rules import prefixes, table

COMPARED = sorted(set(LANGUAGES) - {"zh"})  # the authors' Chinese segmenter is a Java program
EXCERPT = [
    json.loads(line)
    for line in (Path(__file__).parent / "golden_preprocessing/words.jsonl").read_text("utf-8").splitlines()
]
# What the rules are about, and what breaks them.
FRAGMENTS = [
    *".,;:!?'\"`´‘’‚“”„«»()[]<>-–—…。、，．：％１５·̣",
    *" \u00a0\t\r\n\u3000\u2028\x85\x1c\x00\u200b\u200d\ufeff\ud800\udfff\ue000",
    *"aZsßİΣςéñ日本ไก่ก์กูहि्न्दी़اُہ한½Ⅳ②０9٣१😀",
    *(
        '."',
        '",',
        ",'",
        "...",
        ". ",
        '."<',
        "5\u00a0000",
        " %",
        "Mr.",
        "No. 5",
        "z.B.",
        "it's",
        "พ.ศ.",
        "e\u0301",
    ),
]
TEXTS = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.characters(exclude_categories=())), max_size=30
).map("".join)


def plain(text: str) -> str:
    """Lower case without marks, as lowercase_and_remove_accent.py has it."""
    decomposed = unicodedata.normalize("NFD", text.lower())
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").lower()


def texts(words: list[Word]) -> list[str]:
    return [word.text for word in words]


# --- fidelity ---


@pytest.mark.parametrize("language", COMPARED)
def test_every_golden_sentence_has_the_authors_words(language, shared):
    with gzip.open(shared / f"golden/preprocessing/{language}.jsonl.gz", "rt", encoding="utf-8") as file:
        golden = [json.loads(line) for line in file]
    found = split_batch([row["text"] for row in golden], language)
    assert len(golden) == 4980
    assert [row["text"] for row, words in zip(golden, found, strict=True) if row["words"] != words] == []


@pytest.mark.parametrize("language", COMPARED)
def test_the_excerpt_has_the_authors_words_one_by_one_and_in_a_batch(language):
    rows = [row for row in EXCERPT if row["language"] == language]
    expected = [row["words"] for row in rows]
    assert split_batch([row["text"] for row in rows], language) == expected
    assert [texts(split_words(row["text"], language)) for row in rows] == expected


def test_a_hindi_word_is_split_at_the_virama_and_loses_its_marks():
    assert texts(split_words("चार्ल्स की डॉ. हिन्दी", "hi")) == ["चार", "ल", "स", "की", "डॉ.", "हिन", "दी"]


def test_a_language_without_a_list_of_abbreviations_uses_the_english_one():
    assert prefixes("tr") == prefixes("en")
    assert prefixes("en")[1] == {"No", "Art", "pp"}  # only before a digit
    assert texts(split_words("No. 5 No. five No. Ten", "sw")) == ["no.", "5", "no.", "five", "no", ".", "ten"]


def test_chinese_is_cut_by_rjieba_and_punctuated_by_the_authors_scripts():
    # Spaces that rjieba's cuts leave before a colon, a per cent sign or a closing bracket are taken out by the scripts.
    words = texts(split_words("他说，“我们今天去北京。”（5％）：", "zh"))
    assert words == ["他", "说", ",", '"', "我们", "今天", "去", "北京", ".", '"', "(5%):"]


def test_chinese_words_are_those_of_transformers():
    rjieba = pytest.importorskip("rjieba")
    for text in ("我不知道你为什么要去那里", "这本书是红色的", "孩子们昨晚睡得很好"):
        assert split_batch([text], "zh") == [rjieba.cut(text)]


def test_without_lowercase_case_and_marks_stay():
    assert texts(split_words("Élan ÉTÉ!", "fr", lowercase=False)) == ["Élan", "ÉTÉ", "!"]
    assert texts(split_words("चार्ल्स", "hi", lowercase=False)) == ["चार", "्", "ल", "्", "स"]


# --- spans ---


def test_spans_and_offsets_of_a_sentence_worked_out_by_hand():
    assert split_words("L'été\u00a0– 5 %… cafe\u0301!", "fr") == [
        Word("l'", 0, 2, offsets=(0, 1)),
        Word("ete", 2, 5, offsets=(2, 3, 4)),
        Word("-", 6, 7, offsets=(6,)),
        Word("5", 8, 9, offsets=(8,)),
        Word("%", 10, 11, offsets=(10,)),
        Word("...", 11, 12, offsets=(11, 11, 11)),
        Word("cafe", 13, 18, offsets=(13, 14, 15, 16)),
        Word("!", 18, 19, offsets=(18,)),
    ]


def test_a_character_made_of_two_stands_for_both_and_a_joined_number_for_its_parts():
    assert split_words("''a'' 5\u00a0000", "de") == [
        Word('"', 0, 2, offsets=(0,)),
        Word("a", 2, 3, offsets=(2,)),
        Word('"', 3, 5, offsets=(3,)),
        Word("5,000", 6, 11, offsets=(6, 7, 8, 9, 10)),
    ]


def test_a_mark_that_is_cut_off_belongs_to_the_letter_that_bears_it():
    assert split_words("चार्ल्स", "hi") == [
        Word("चार", 0, 4, offsets=(0, 1, 2)),
        Word("ल", 4, 6, offsets=(4,)),
        Word("स", 6, 7, offsets=(6,)),
    ]
    assert split_words(" \u0301", "en") == []  # nothing bears it


def test_characters_that_change_places_are_marked():
    assert split_words("„Ja.“ Gut", "de") == [
        Word('"', 0, 1, offsets=(0,)),
        Word("ja", 1, 3, offsets=(1, 2)),
        Word('"', 4, 5, moved=True, offsets=(4,)),
        Word(".", 3, 4, moved=True, offsets=(3,)),
        Word("gut", 6, 9, offsets=(6, 7, 8)),
    ]
    assert [(word.text, word.moved) for word in split_words('a", "b".', "en")] == [
        ("a", False),
        (",", True),
        ('"', True),
        ('"', False),
        ("b", False),
        (".", True),
        ('"', True),
    ]


@pytest.mark.parametrize("row", EXCERPT, ids=lambda row: row["language"])
def test_a_word_of_letters_is_its_span_in_lower_case_without_marks(row):
    for word in split_words(row["text"], row["language"]):
        if word.text.isalpha() and not word.moved:
            assert plain(row["text"][word.start : word.end]).replace("\u00ad", "") == word.text


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=100, deadline=None)
@given(text=TEXTS, lowercase=st.booleans())
@example(text="พ.ศ…", lowercase=True)
@example(text='."."..."<,"', lowercase=True)
@example(text="\u0301\u302e\U0001d165a", lowercase=True)
def test_every_character_is_in_one_word_or_of_a_dropped_class(language, text, lowercase):
    words = split_words(text, language, lowercase=lowercase)
    assert [texts(words)] == split_batch([text], language, lowercase=lowercase)
    for word in words:
        assert 0 <= word.start < word.end <= len(text)
        assert len(word.offsets) == len(word.text)
        assert all(word.start <= offset < word.end for offset in word.offsets)
        assert word.text
        assert not any(character.isspace() for character in word.text)
    fixed = [word for word in words if not word.moved]
    assert all(one.end <= other.start for one, other in pairwise(fixed))
    owners: list[Word] = []
    for index, character in enumerate(text):
        before, owners = owners, [word for word in words if word.start <= index < word.end]
        assert owners or is_ignorable(character)
        assert len(owners) <= 1 or all(word.moved for word in owners)
        if before and unicodedata.category(character) == "Mn" and fixed == words:
            assert owners  # a mark stays with the letter that bears it


@pytest.mark.parametrize("language", ["ar", "de", "en", "th", "zh"])
@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_nothing_moves_without_a_quotation_mark_or_an_ellipsis(language, text):
    for mark in "\"'`´‘’‚“”„«»《》「」１…":
        text = text.replace(mark, "x")
    assert not any(word.moved for word in split_words(text, language))


def test_what_may_be_dropped_is_white_space_controls_and_marks():
    assert all(
        is_ignorable(c) for c in " \n\t\u00a0\u3000\x00\x85\u200b\u200d\ufeff\ud800\ue000\u0301\u094d\ufe0f"
    )
    assert not any(
        is_ignorable(c) for c in string.punctuation + string.digits + string.ascii_letters + "日ก😀ाৗ。"
    )


# --- many texts, long texts, odd texts ---


@settings(max_examples=60, deadline=None)
@given(many=st.lists(TEXTS, max_size=5), language=st.sampled_from(list(LANGUAGES)))
def test_a_text_has_the_same_words_whatever_stands_beside_it(many, language):
    assert split_batch(many, language) == [split_batch([text], language)[0] for text in many]


def test_batches_that_exceed_one_pass_keep_every_text_in_its_place():
    assert split_batch([f"word {i}." for i in range(3000)], "en") == [
        ["word", str(i), "."] for i in range(3000)
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_no_words(language):
    assert split_batch([], language) == []
    for text in ("", " ", "\n", "\u00a0\t\r\n\u3000", "\u200b\u200d\ufeff\x00", "\ud800"):
        assert split_words(text, language) == []
        assert split_batch([text, text], language) == [[], []]


def test_a_newline_counts_as_a_space():
    assert texts(split_words("one.\ntwo", "en")) == texts(split_words("one. two", "en"))
    assert split_words("a\nb", "en") == [Word("a", 0, 1, offsets=(0,)), Word("b", 2, 3, offsets=(2,))]


def test_surrogates_and_zero_width_characters_separate_words():
    for language in LANGUAGES:
        assert texts(split_words("a\ud800b\u200bc\ufeffd", language)) == ["a", "b", "c", "d"]


def test_emoji_and_mixed_scripts_are_words_of_their_own_or_of_one_alphabet():
    assert texts(split_words("😀👍🏽 aбγ한!", "en"))[:3] == ["😀", "👍", "🏽"]
    assert texts(split_words("aбγ中!", "en")) == ["aбγ中", "!"]
    assert texts(split_words("?!;:", "ru")) == ["?", "!", ";", ":"]


@pytest.mark.parametrize("language", ["de", "en", "th", "zh"])
def test_long_texts_are_cut_in_time_that_grows_with_their_length(language):
    # Each of these took minutes while some rule was quadratic.
    assert len(split_words("word " * 10_000, language)) == 10_000
    for unit in ("a", ".", "1", "。"):
        assert sum(map(len, split_batch([unit * 100_000], language)[0])) == 100_000
        assert sum(len(word.text) for word in split_words(unit * 20_000, language)) == 20_000


# --- refusals ---


@pytest.mark.parametrize("value", [None, float("nan"), 5, b"bytes", ["list"]])
def test_what_is_no_text_is_refused_with_what_was_expected_got_and_the_remedy(value):
    with pytest.raises(TypeError, match="`text` must be a str"):
        split_words(value, "en")
    with pytest.raises(TypeError, match=r"`texts\[1\]` must be a str"):
        split_batch(["fine", value], "en")


def test_one_text_in_place_of_many_is_refused():
    for wrong in ("a text", None, 5):
        with pytest.raises(TypeError, match=rf"sequence of str; got {wrong!r}.*\[text\]"):
            split_batch(wrong, "en")


def test_an_unknown_language_is_refused_by_name():
    for split in (lambda: split_words("a", "xx"), lambda: split_batch(["a"], "xx")):
        with pytest.raises(ValueError, match="'xx'"):
            split()


def test_a_region_is_taken_as_its_language_and_that_is_said():
    forget()
    with pytest.warns(XlmkitWarning, match="zh-CN"):
        assert split_words("你好", "zh-CN") == split_words("你好", "zh")


# --- what it rests on ---


def test_the_excerpt_shows_what_each_rule_is_for(monkeypatch):
    unseen = {rule for language in COMPARED for rule in table(language) if rule.unless is None}
    for language in COMPARED:
        rows = [row for row in EXCERPT if row["language"] == language]
        for rule in unseen & set(table(language)):
            rest = tuple(other for other in table(language) if other != rule)
            monkeypatch.setattr("xlmkit.tokenization.words.table", lambda _, rest=rest: rest)
            if split_batch([row["text"] for row in rows], language) != [row["words"] for row in rows]:
                unseen.remove(rule)
    assert unseen == set()


def test_no_rule_matches_across_lines():
    for language in LANGUAGES:
        for rule in table(language):
            found = rule.compiled.search('a" \n."\n,"\n \n\'\n.')
            assert found is None or "\n" not in found[0]


def test_thai_leaves_no_folder_in_the_users_home(tmp_path):
    code = "from xlmkit.tokenization import split_batch; print(split_batch(['กินข้าว'], 'th'))"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHAINLP")}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment
        | {"HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        encoding="utf-8",
    )
    assert run.stdout.strip() == "[['กนขาว']]", run.stderr
    assert list(tmp_path.iterdir()) == []
