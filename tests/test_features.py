"""Features of pairs: counted by hand, the same whatever the order of rows, and negation that translations agree on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xlmkit.features import FEATURES, PIECE_FEATURES, features, negations
from xlmkit.features.negation import EXCEPTIONS, PATTERNS, WORDS
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import read_pairs
from xlmkit.tokenization import UNK, split_batch


def pair(premise: str, hypothesis: str, language: str = "en", **others: object) -> pd.DataFrame:
    return pd.DataFrame(
        [{"premise": premise, "hypothesis": hypothesis, "language": language, "gold": None, **others}]
    )


def cut(text: str, language: str) -> list[str]:
    return split_batch([text], language)[0]


def test_features_are_what_one_counts_by_hand():
    row = features(pair("The dog sleeps, and a cat eats.", "A Dog sleeps today.")).iloc[0]
    assert row["length"] == 9 + 5  # the dog sleeps , and a cat eats . | a dog sleeps today .
    assert row["length_ratio"] == 5 / 9
    assert row["overlap"] == 3 / 4  # a, dog, sleeps of a, dog, sleeps, today; the stop does not count
    assert row["negation"] == "none"


def test_a_word_said_twice_overlaps_once():
    assert features(pair("a cat", "cat cat dog")).loc[0, "overlap"] == 1 / 2


def test_without_words_in_the_hypothesis_overlap_is_missing():
    assert np.isnan(features(pair("a cat", "...")).loc[0, "overlap"])


@pytest.mark.parametrize(
    ("premise", "hypothesis", "where"),
    [
        ("He sleeps.", "She eats.", "none"),
        ("He doesn't sleep.", "She eats.", "premise"),
        ("He sleeps.", "Nobody eats.", "hypothesis"),
        ("He never sleeps.", "She is not here.", "both"),
    ],
)
def test_negation_says_in_which_sentence_it_stands(premise, hypothesis, where):
    assert features(pair(premise, hypothesis)).loc[0, "negation"] == where


NEGATED = {  # "He does not sleep." and a clause without negation
    "ar": ("هو لا ينام.", "هو ينام."),
    "bg": ("Той не спи.", "Той спи."),
    "de": ("Er schläft nicht.", "Er schläft."),
    "el": ("Δεν κοιμάται.", "Κοιμάται."),
    "en": ("He doesn't sleep.", "He sleeps."),
    "es": ("No duerme.", "Duerme."),
    "fr": ("Il ne dort pas.", "Il dort."),
    "hi": ("वह नहीं सोता है।", "वह सोता है।"),
    "ru": ("Он не спит.", "Он спит."),
    "sw": ("Halali usingizi, hapendi kulala.", "Analala, anapenda kulala."),
    "th": ("เขาไม่นอน", "เขานอน"),
    "tr": ("O uyumuyor.", "O uyuyor."),
    "ur": ("وہ نہیں سوتا۔", "وہ سوتا ہے۔"),
    "vi": ("Anh ấy không ngủ.", "Anh ấy ngủ."),
    "zh": ("他不睡觉。", "他睡觉。"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_negated_clause_is_told_from_its_opposite(language):
    negated, plain = NEGATED[language]
    assert negations(cut(negated, language), language)
    assert negations(cut(plain, language), language) == ()


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        (
            "tr",
            "gelmiyor gelmez gelmedi gelmemiş gelmeyecek gelmeyen gelmediği gelmemeli gelmesin değildi",
            10,
        ),
        (
            "tr",
            "geliyor gelir geldi gelmiş gelecek gelen geldiği gelmeli gelmek zaman ramazan emiyor umuyorum",
            0,
        ),
        ("sw", "hapendi siwezi hakuja sijaona hawatakuja hana hakuna asiende asiyejua isiyofaa kutokuwa", 11),
        (
            "sw",
            "anapenda naweza alikuja habari siku hatari hali haki sisi simama asimame msingi kusini kutoka",
            0,
        ),
        ("zh", "不 不能 没有 从未 并不", 5),
        ("zh", "不同 不过 是否 未来 没错 非常 特别", 0),
    ],
)
def test_negation_within_words_is_met_and_its_likes_are_not(language, text, found):
    words = text.split() if language == "zh" else cut(text, language)
    assert len(negations(words, language)) == found


def test_every_language_has_words_in_the_form_that_preprocessing_gives():
    assert list(WORDS) == sorted(LANGUAGES)
    for tables in (WORDS, EXCEPTIONS):
        for code, text in tables.items():
            for word in text.split():
                if (
                    code not in ("th", "zh") and "'" not in word
                ):  # segmenters cut by context, apostrophes by their neighbours
                    assert cut(word, code) == [word], (code, word)


def test_every_exception_is_one_that_a_pattern_would_meet():
    assert EXCEPTIONS.keys() <= PATTERNS.keys()
    import regex

    for code, text in EXCEPTIONS.items():
        pattern = regex.compile("|".join(f"(?:{part})" for part in PATTERNS[code]))
        needless = [word for word in text.split() if not pattern.fullmatch(word)]
        assert needless == []


def test_translations_of_the_workshop_agree_on_negation():
    pairs = features(read_pairs("workshop"))
    table = pairs.pivot(index="item", columns="language", values="negation")
    said = table.isin(["hypothesis", "both"])
    for code in LANGUAGES:
        assert np.corrcoef(said["en"], said[code])[0, 1] > 0.75, code


def test_negation_in_xnli_agrees_with_english_negation(shared):
    pairs = features(read_pairs(shared / "data" / "xnli" / "xnli.dev.tsv", limit=300))
    table = pairs.pivot(index="item", columns="language", values="negation")
    said = table.isin(["hypothesis", "both"])
    for code in LANGUAGES:
        assert np.corrcoef(said["en"], said[code])[0, 1] > 0.7, code


def test_an_unknown_language_is_refused_by_name():
    with pytest.raises(ValueError, match="'xx'"):
        negations(["not"], "xx")


def test_rows_keep_their_order_index_and_columns():
    pairs = read_pairs("workshop", limit=3)
    shuffled = pairs.sample(frac=1, random_state=3)
    one, other = features(pairs), features(shuffled)
    pd.testing.assert_frame_equal(one.loc[shuffled.index], other)
    assert list(other.columns) == [*shuffled.columns, *FEATURES]
    assert list(pairs.columns) == list(read_pairs("workshop", limit=3).columns)  # what was given is as it was


def test_the_words_of_each_side_are_those_of_its_own_language():
    mixed = pair("Он не спит.", "He sleeps.").drop(columns="language")
    mixed = mixed.assign(premise_language="ru", hypothesis_language="en")
    assert features(mixed).loc[0, "negation"] == "premise"
    turned = mixed.assign(premise="Он спит.", hypothesis="He does not sleep.")
    assert features(turned).loc[0, "negation"] == "hypothesis"


def test_pieces_are_counted_as_the_model_reads_them(nli):
    pairs = read_pairs("workshop", limit=3)
    found = features(pairs, nli)
    for _, row in found.iloc[::17].iterrows():
        words = cut(row["premise"], row["language"]) + cut(row["hypothesis"], row["language"])
        ids = [number for word in nli.tokenizer.ids(words) for number in word]
        assert row["pieces_per_word"] == len(ids) / len(words) >= 1
        assert row["unknown_pieces"] == ids.count(UNK)
    assert set(PIECE_FEATURES) <= set(found)


def test_a_letter_outside_the_vocabulary_is_an_unknown_piece(nli):
    found = features(pair("the dog", "the ☃ dog"), nli)
    assert found.loc[0, "unknown_pieces"] == 1


def test_features_of_features_are_the_same_and_others_are_not_overwritten(nli):
    once = features(read_pairs("workshop", limit=3))
    assert list(features(once, nli).columns) == [*once.columns, *PIECE_FEATURES]
    with pytest.raises(ValueError, match="'length'"):
        features(pair("a", "b", length=7))


def test_no_rows_have_features_too():
    assert list(features(pair("a", "b").iloc[:0]).columns)[-4:] == list(FEATURES)


def test_single_texts_and_what_is_no_frame_are_refused():
    with pytest.raises(ValueError, match="single texts"):
        features(pd.DataFrame({"text": ["a"], "language": ["en"]}))
    with pytest.raises(TypeError, match="DataFrame"):
        features([("a", "b")])
