"""Laws of encoding: the authors' layout, language ids everywhere, fair truncation, and tokens that know their place in the text."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xlmkit.encoding import encode
from xlmkit.encoding.encode import truncate
from xlmkit.languages import LANGUAGES
from xlmkit.tokenization import BOS, EOS, PAD, split_words

EN = ("The dog sleeps.", "No dog eats the red book today.")
DE = ("Der Hund schläft nicht.", "Ein Mann und die Katze.")


class Numbers:
    """BPETokenizer whose words are their own ids, so that the authors' golden ids can be fed as text."""

    def ids(self, words):
        return [(int(word),) for word in words]

    def name(self, id):
        return f"{id}</w>"


def test_the_layout_and_language_ids_equal_the_authors_concat_batches(nli, shared):
    golden = json.loads((shared / "golden/logits/golden.json").read_text())
    numbers = dataclasses.replace(nli, tokenizer=Numbers())
    encoding = encode(
        numbers,
        [" ".join(map(str, pair["premise_ids"])) for pair in golden],
        [" ".join(map(str, pair["hypothesis_ids"])) for pair in golden],
        [pair["premise_lang"] for pair in golden],
        hypothesis_languages=[pair["hypothesis_lang"] for pair in golden],
    )
    for row, pair in enumerate(golden):
        size = len(pair["input_ids"])
        assert encoding.input_ids[row, :size].tolist() == pair["input_ids"]
        assert encoding.langs[row, :size].tolist() == pair["langs"]
        assert encoding.attention_mask[row].tolist() == [1] * size + [0] * (
            encoding.input_ids.shape[1] - size
        )


def test_a_pair_is_eos_premise_eos_hypothesis_eos_and_nothing_else(nli):
    encoding = encode(nli, *EN, "en")
    words = [[word.text for word in split_words(text, "en")] for text in EN]
    ids = [[id for word in nli.tokenizer.ids(side) for id in word] for side in words]
    assert encoding.input_ids.tolist() == [[EOS, *ids[0], EOS, *ids[1], EOS]]
    assert BOS not in encoding.input_ids


def test_the_middle_eos_and_the_padding_bear_the_hypothesis_language(nli):
    encoding = encode(nli, [EN[0], EN[0]], [DE[1], "Ja."], ["en", "en"], hypothesis_languages=["de", "tr"])
    for row, language in enumerate(("de", "tr")):
        middle = int((encoding.input_ids[row] == EOS).nonzero()[1])
        assert set(encoding.langs[row, :middle].tolist()) == {LANGUAGES["en"].id}
        assert set(encoding.langs[row, middle:].tolist()) == {LANGUAGES[language].id}
    assert encoding.input_ids[1, -1] == PAD
    assert encoding.attention_mask[1, -1] == 0


def test_a_huggingface_pair_differs_in_its_first_token_only(nli):
    ours, theirs = (
        encode(dataclasses.replace(nli, pair_format=form), *EN, "en") for form in ("xlm", "huggingface")
    )
    assert theirs.input_ids[0, 0] == BOS
    assert torch.equal(ours.input_ids[:, 1:], theirs.input_ids[:, 1:])
    assert torch.equal(ours.langs, theirs.langs)


def test_a_single_text_is_eos_text_eos_all_in_its_language(nli):
    encoding = encode(nli, [EN[1], DE[0]], None, ["en", "de"])
    for row, (text, code) in enumerate(((EN[1], "en"), (DE[0], "de"))):
        words = [word.text for word in split_words(text, code)]
        ids = [EOS, *(id for word in nli.tokenizer.ids(words) for id in word), EOS]
        size = len(ids)
        assert encoding.input_ids[row].tolist() == ids + [PAD] * (encoding.input_ids.shape[1] - size)
        assert encoding.attention_mask[row].sum() == size
        assert set(encoding.langs[row].tolist()) == {LANGUAGES[code].id}
        assert {token.sentence for token in encoding.tokens[row]} == {None, 0}
        assert [[word.text for word in sentence] for sentence in encoding.words[row]] == [words]
    fast = encode(nli, [EN[1], DE[0]], None, ["en", "de"], spans=False)
    assert torch.equal(fast.input_ids, encoding.input_ids)
    assert torch.equal(fast.langs, encoding.langs)


def test_a_huggingface_text_differs_in_its_first_token_only(nli):
    ours, theirs = (
        encode(dataclasses.replace(nli, pair_format=form), EN[0], None, "en")
        for form in ("xlm", "huggingface")
    )
    assert (ours.input_ids[0, 0], theirs.input_ids[0, 0]) == (EOS, BOS)
    assert torch.equal(ours.input_ids[:, 1:], theirs.input_ids[:, 1:])


def test_a_single_text_is_cut_at_its_end_and_what_was_cut_is_counted(nli):
    whole, cut = (encode(nli, EN[1], None, "en", max_length=room) for room in (256, 5))
    assert cut.input_ids.tolist() == [[*whole.input_ids[0, :4].tolist(), EOS]]
    assert cut.n_truncated == ((whole.lengths[0] - 5,),)
    assert cut.truncated == (True,)
    assert whole.truncated == (False,)
    assert encode(nli, EN[1], None, "en", max_length=3).lengths.tolist() == [3]


def test_single_texts_are_called_texts_where_they_are_refused(nli):
    with pytest.raises(ValueError, match=r"text 1 \('  '\)"):
        encode(nli, ["a", "  "], None, "en")
    with pytest.raises(TypeError, match="text 0; got 7"):
        encode(nli, [7], None, "en")
    with pytest.raises(ValueError, match="from 3 to"):
        encode(nli, "a", None, "en", max_length=2)
    with pytest.raises(ValueError, match="hypothesis_languages='de'"):
        encode(nli, "a", None, "en", hypothesis_languages="de")


def test_the_words_of_a_single_text_may_bear_their_own_ids(nli):
    mixed = encode(nli, "the Hund", None, "en", word_languages=[(["en", "de"],)])
    languages = {token.word: id for token, id in zip(mixed.tokens[0], mixed.langs[0].tolist(), strict=True)}
    assert (languages[0], languages[1]) == (LANGUAGES["en"].id, LANGUAGES["de"].id)
    with pytest.raises(ValueError, match="an entry for text of row 0"):
        encode(nli, "the Hund", None, "en", word_languages=[(["en", "de"], None)])


@given(st.integers(1, 400), st.integers(1, 400), st.integers(2, 300))
def test_truncation_fills_the_room_and_never_cuts_the_shorter_sentence_first(premise, hypothesis, room):
    kept = truncate((premise, hypothesis), room)
    assert sum(kept) == min(premise + hypothesis, room)
    assert 1 <= kept[0] <= premise
    assert 1 <= kept[1] <= hypothesis
    if kept[0] < premise and kept[1] < hypothesis:
        assert abs(kept[0] - kept[1]) <= 1
    elif kept[0] < premise:
        assert kept[0] >= kept[1]
    elif kept[1] < hypothesis:
        assert kept[1] >= kept[0] - 1


def test_what_was_cut_is_counted_for_each_pair(nli):
    whole = encode(nli, [EN[0], EN[0]], [EN[1], "No."], "en")
    cut = encode(nli, [EN[0], EN[0]], [EN[1], "No."], "en", max_length=11)
    assert whole.n_truncated == ((0, 0), (0, 0))
    assert cut.lengths[0] == 11
    assert sum(cut.n_truncated[0]) == whole.lengths[0] - 11
    assert cut.truncated == (True, False)
    assert len(cut.tokens[0]) == 11


def test_a_cut_within_a_word_keeps_the_tokens_that_the_model_sees(nli):
    whole, cut = (encode(nli, "Xerox", "Xerox", "en", max_length=room) for room in (256, 7))
    assert [token.text for token in cut.tokens[0]] == [
        nli.tokenizer.name(id) for id in cut.input_ids[0].tolist()
    ]
    assert [token.word for token in cut.tokens[0]] == [None, 0, 0, None, 0, 0, None]
    assert whole.lengths[0] > 7


def test_ten_thousand_words_are_cut_and_said(nli):
    encoding = encode(nli, "the dog " * 5000, "A dog.", "en")
    assert encoding.input_ids.shape == (1, 256)
    assert encoding.n_truncated[0][0] > 9000
    assert encoding.n_truncated[0][1] == 0


@pytest.mark.parametrize("code", LANGUAGES)
def test_tokens_know_their_words_and_their_surface(nli, code):
    texts = {
        "hi": "स्कूल बस आज नहीं है।",
        "th": "วันนี้ฝนตก",
        "zh": "今天下雨，不是吗？",
        "ar": "هذا كلبٌ ينام اليوم.",
    }
    text = texts.get(code, "Le CHIÉN dort, “oui”…")
    encoding = encode(nli, text, text, code)
    words = split_words(text, code)
    assert encoding.words == ((tuple(words), tuple(words)),)
    row = encoding.tokens[0]
    assert [token.special for token in row].count(True) == 3
    assert len(row) == encoding.lengths[0]
    for position, token in enumerate(row):
        assert token.text == nli.tokenizer.name(int(encoding.input_ids[0, position]))
        if not token.special:
            word = words[token.word]
            assert word.start <= token.start < token.end <= word.end
    for sentence in (0, 1):
        own = [token for token in row if token.sentence == sentence]
        assert sorted({token.word for token in own}) == list(range(len(words)))


def test_a_piece_points_at_its_own_letters(nli):
    row = encode(nli, "Xerox", "Dog", "en").tokens[0]
    pieces = [token for token in row if token.sentence == 0]
    assert len(pieces) > 1
    assert "".join("Xerox"[token.start : token.end] for token in pieces) == "Xerox"
    assert all("Xerox"[t.start : t.end].lower() == t.text.removesuffix("</w>") for t in pieces)


@pytest.mark.parametrize("form", ["xlm", "huggingface"])
@pytest.mark.parametrize("max_length", [5, 9, 14, 256])
def test_the_tensors_are_the_same_with_and_without_spans(nli, form, max_length):
    model = dataclasses.replace(nli, pair_format=form)
    # French and Swahili cut at an apostrophe otherwise than English does.
    premises = [EN[0], DE[0], "l'homme n'est pas là", "ng'ombe analala"]
    hypotheses, languages = [EN[1], DE[1], "l'eau", "mbwa"], ["en", "de", "fr", "sw"]
    given = {"hypothesis_languages": ["en", "th", "fr", "sw"], "max_length": max_length}
    slow = encode(model, premises, hypotheses, languages, **given)
    fast = encode(model, premises, hypotheses, languages, spans=False, **given)
    assert (fast.tokens, fast.words) == (None, None)
    for name in ("input_ids", "langs", "attention_mask"):
        assert torch.equal(getattr(slow, name), getattr(fast, name))
        assert getattr(fast, name).dtype == torch.int64
    assert fast.n_truncated == slow.n_truncated
    assert any(fast.truncated) == (max_length < 256)


def test_each_text_is_cut_into_words_as_its_own_language_does(nli):
    def ids(code):
        return encode(nli, ["l'homme", "The dog"], ["l'eau", "No"], code, spans=False).input_ids

    assert (ids("fr") != ids("en")).any(1).tolist() == [True, False]


def test_a_selection_drops_columns_that_are_padding_throughout(nli):
    encoding = encode(nli, [EN[0], "A dog."], [EN[1], "No."], "en")
    alone = encode(nli, "A dog.", "No.", "en")
    chosen = encoding.select(np.array([1]))
    assert torch.equal(chosen.input_ids, alone.input_ids)
    assert torch.equal(chosen.langs, alone.langs)
    assert chosen.tokens == alone.tokens
    assert encoding.select([]).input_ids.shape == (0, 0)


def test_code_switched_words_bear_their_own_ids(nli):
    plain = encode(nli, "the dog schläft", "No dog.", "en")
    mixed = encode(nli, "the dog schläft", "No dog.", "en", word_languages=[(["en", "en", "de"], None)])
    assert torch.equal(plain.input_ids, mixed.input_ids)
    for token, id in zip(mixed.tokens[0], mixed.langs[0].tolist(), strict=True):
        own = "de" if token.sentence == 0 and token.word == 2 else "en"
        assert id == LANGUAGES[own].id


def test_one_code_too_few_for_the_words_is_refused_with_the_words(nli):
    with pytest.raises(ValueError, match=r"premise 0 has the 2 words \['the', 'dog'\]"):
        encode(nli, "the dog", "No.", "en", word_languages=[(["en"], None)])


def test_no_pairs_make_an_empty_batch(nli):
    encoding = encode(nli, [], [], "en")
    assert encoding.input_ids.shape == (0, 0)
    assert encoding.tokens == ()


@pytest.mark.parametrize("bad", ["", "  ", "\u200b", "\x00"])
def test_a_sentence_without_words_is_named(nli, bad):
    with pytest.raises(ValueError, match="hypothesis 1 "):
        encode(nli, ["a", "b"], ["c", bad], "en")


@pytest.mark.parametrize("bad", [None, float("nan"), 7])
def test_what_is_no_text_is_named(nli, bad):
    with pytest.raises(TypeError, match="premise 1; got"):
        encode(nli, ["a", bad], ["c", "d"], "en")


def test_wrong_counts_lengths_and_languages_are_refused(nli):
    with pytest.raises(ValueError, match="2 premises and 1 hypotheses"):
        encode(nli, ["a", "b"], ["c"], "en")
    with pytest.raises(ValueError, match="got 1 for 2 pairs"):
        encode(nli, ["a", "b"], ["c", "d"], ["en"])
    with pytest.raises(ValueError, match="'xx'"):
        encode(nli, "a", "b", "xx")
    for wrong in (4, 513):
        with pytest.raises(ValueError, match=f"got {wrong}"):
            encode(nli, "a", "b", "en", max_length=wrong)


def test_a_code_is_understood_as_users_write_it(nli):
    usual, written = (
        encode(nli, EN[0], DE[0], codes[0], hypothesis_languages=codes[1])
        for codes in (("en", "de"), ("EN", "de-CH"))
    )
    assert torch.equal(usual.langs, written.langs)
    assert torch.equal(usual.input_ids, written.input_ids)


@pytest.mark.parametrize("wrong", ["9", None, 9.5])
def test_a_length_that_is_no_whole_number_is_refused(nli, wrong):
    with pytest.raises(ValueError, match="`max_length`"):
        encode(nli, "a", "b", "en", max_length=wrong)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ((None, ["a"], "en"), "premise"),
        (("a", 7, "en"), "hypothesis"),
        (("a", "b", None), "languages"),
        (("a", "b", 4), "languages"),
    ],
)
def test_a_column_that_is_none_is_refused_by_name(nli, columns, name):
    with pytest.raises(TypeError, match=f"expected .*{name}.*got"):
        encode(nli, *columns)


def test_a_language_that_the_checkpoint_lacks_is_refused(nli):
    few = dataclasses.replace(nli, lang2id={"en": 0, "de": 1})
    with pytest.raises(ValueError, match="'tiny' has no id for the language 'sw'"):
        encode(few, "a", "b", "sw")
