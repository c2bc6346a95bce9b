"""Blame tables on hand-made explanations whose counts are known."""

import dataclasses
import math
import sys

import numpy as np
import pandas as pd
import pytest

from xlmkit import errors
from xlmkit.attribution.tabulate import tabulate
from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.notices import XlmkitWarning


def explained(
    pair_id, premise, hypothesis, scores, language="en", gold="neutral", label="contradiction", **changes
):
    """A contrastive explanation, a token a word, with these scores."""
    texts = (premise.split(), hypothesis.split())
    words = tuple(ExplainedWord(text, sentence, 0, 1) for sentence, own in enumerate(texts) for text in own)
    values = {
        "pair_id": pair_id,
        "premise": premise,
        "hypothesis": hypothesis,
        "premise_language": language,
        "hypothesis_language": language,
        "prediction": label,
        "probability": 0.6,
        "gold": gold,
        "target": label,
        "contrast": gold,
        "tokens": tuple(
            ExplainedToken(word.text, number, word.sentence, 0, 1) for number, word in enumerate(words)
        ),
        "words": words,
        "scores": np.array(scores, dtype=float),
        "method": "occlusion",
        "output": 1.0,
    }
    return Explanation(**(values | changes))


EXPLANATIONS = [
    explained("a-en", "the dog sleeps .", "the dog is not 2 .", [0, 0, 0, 0, 0, 0, 0, 3, 1, -1]),
    explained("b-en", "it rains .", "it does not rain .", [0, 0, 0, 0, 0, 2, 0.5, 0]),
    explained("c-en", "not today .", "not now .", [0.5, -1, 0, -2, -1, -1]),
    explained("d-en", "a b .", "a c .", [-1, -1, -1, -1, -1, -1], gold="entailment", label="neutral"),
    explained("a-fr", "le chien dort .", "il ne dort pas .", [0, 0, 0, 0, 0, 0, 0, 4, 0], language="fr"),
]
PAIRS = pd.DataFrame(
    {
        "pair_id": [one.pair_id for one in EXPLANATIONS],
        "item": [one.pair_id[0] for one in EXPLANATIONS],
        "premise": [one.premise for one in EXPLANATIONS],
        "hypothesis": [one.hypothesis for one in EXPLANATIONS],
        "english_premise": [f"premise {one.pair_id[0]}" for one in EXPLANATIONS],
        "english_hypothesis": [f"hypothesis {one.pair_id[0]}" for one in EXPLANATIONS],
    }
)


def words_of(pair_id, **options):
    found = errors.classify_words(EXPLANATIONS, PAIRS, **options)
    return found[found["pair_id"] == pair_id].set_index("word")


def test_every_word_bears_its_classes():
    own = words_of("a-en", function_words={"en": {"the", "is"}})
    named = {word: {name for name in errors.WORD_CLASSES if own.loc[word, name]} for word in own.index}
    assert named == {
        0: {"in premise", "first word", "in both sentences", "function word"},
        1: {"in premise", "in both sentences"},
        2: {"in premise", "last word"},
        3: {"in premise", "punctuation"},
        4: {"in hypothesis", "first word", "in both sentences", "function word"},
        5: {"in hypothesis", "in both sentences"},
        6: {"in hypothesis", "hypothesis only", "function word"},
        7: {"in hypothesis", "hypothesis only", "negation"},
        8: {"in hypothesis", "hypothesis only", "number", "last word"},
        9: {"in hypothesis", "punctuation"},
    }


def test_words_are_ranked_by_their_push_to_the_wrong_label():
    own = words_of("a-en")
    assert own["rank"].loc[[7, 8, 9]].tolist() == [1, 2, 10]
    assert own["confusion"].unique().tolist() == ["neutral>contradiction"]
    assert own["english_premise"].unique().tolist() == ["premise a"]


def test_punctuation_that_only_the_hypothesis_has_is_no_word_of_the_hypothesis_only():
    own = errors.classify_words([explained("x", "a b", "a c !", [0, 0, 0, 0, 0])]).set_index("word")
    assert own.loc[[3, 4], ["hypothesis only", "punctuation"]].to_numpy().tolist() == [
        [True, False],
        [False, True],
    ]


def test_negation_is_each_languages_own():
    french = errors.classify_words([explained("x", "not pas .", "a .", [0, 0, 0, 0, 0], language="fr")])
    assert french["negation"].tolist() == [False, True, False, False, False]


def test_a_frame_of_tabulate_gives_the_same_words():
    frame = tabulate(EXPLANATIONS, pairs=PAIRS, columns=["item"])
    pd.testing.assert_frame_equal(
        errors.classify_words(frame, PAIRS), errors.classify_words(EXPLANATIONS, PAIRS), check_like=True
    )


def test_blame_counts_the_top_word_of_each_error_and_the_most_frequent_comes_first():
    table = errors.blame(errors.classify_words(EXPLANATIONS, PAIRS), by="language")
    assert list(zip(table["language"], table["word"], table["blamed"], strict=True)) == [
        ("en", "not", 3),
        ("fr", "pas", 1),
    ]
    english = table.iloc[0]
    # Four errors, of which d blames nothing; "not" stands in a, b and c, there twice.
    assert (english["errors"], english["present"], english["share"]) == (4, 3, 0.75)
    assert english["chance"] == pytest.approx((1 / 10 + 1 / 8 + 2 / 6 + 0) / 4)
    assert english["excess"] == pytest.approx(0.75 - english["chance"])
    assert english["score"] == pytest.approx((3 + 2 + (0.5 - 2)) / 3)
    assert english["examples"] == ["a-en", "b-en", "c-en"]


def test_more_words_of_an_error_can_be_blamed_and_only_those_that_push_to_the_wrong_label():
    table = errors.blame(errors.classify_words(EXPLANATIONS, PAIRS), by="language", top_k=2).set_index("word")
    assert table["blamed"].to_dict() == {"not": 3, "2": 1, "rain": 1, "pas": 1}
    # a: two of ten words are blamed, b: two of eight, c: one of six, where "not" stands twice.
    assert table.loc["not", "chance"] == pytest.approx((2 / 10 + 2 / 8 + 2 / 6) / 4)


def test_chance_is_that_of_drawing_without_return():
    words = errors.classify_words([explained("x", "a a b c", "d", [2, 1, 0, 0, 0])])
    table = errors.blame(words, by=(), top_k=2).set_index("word")
    assert table.loc["a", "chance"] == pytest.approx(1 - math.comb(3, 2) / math.comb(5, 2))


def test_classes_are_counted_by_confusion():
    table = errors.blame(errors.classify_words(EXPLANATIONS, PAIRS), unit="class", by="confusion").set_index(
        "class"
    )
    assert set(table["confusion"]) == {"neutral>contradiction"}  # nothing of d is blamed
    # a, b, c and a-fr blame their negation; in c it is the premise's first word, which stands in both sentences.
    expected = {"negation": 4, "in hypothesis": 3, "hypothesis only": 3, "in premise": 1, "first word": 1, "in both sentences": 1, "last word": 1}  # fmt: skip
    assert table["blamed"].to_dict() == expected
    assert table["blamed"].is_monotonic_decreasing
    assert table.loc["negation", "errors"] == 4
    assert table.loc["in hypothesis", "present"] == 4


def test_all_errors_can_be_counted_together():
    table = errors.blame(errors.classify_words(EXPLANATIONS, PAIRS), unit="class", by=())
    assert (table["errors"] == 5).all()
    assert table.loc[0, ["class", "blamed"]].tolist() == ["negation", 4]


def test_rarely_blamed_words_can_be_left_out():
    table = errors.blame(errors.classify_words(EXPLANATIONS, PAIRS), by="language", min_errors=2)
    assert table["word"].tolist() == ["not"]
    assert errors.blame(errors.classify_words(EXPLANATIONS, PAIRS), by="language", min_errors=9).empty


def test_intervals_are_over_prompts_and_enclose_the_share():
    many = [
        explained(f"{number}-{code}", "a b", "not c", [0, 0, number % 2, 0.5], language="en")
        for number in range(40)
        for code in ("x", "y")
    ]
    pairs = pd.DataFrame({"pair_id": [one.pair_id for one in many]})
    alone = errors.blame(errors.classify_words(many, pairs), by=()).set_index("word").loc["not"]
    items = errors.classify_words(many, pairs.assign(item=[number for number in range(40) for _ in "xy"]))
    together = errors.blame(items, by=()).set_index("word").loc["not"]
    assert alone["share"] == together["share"] == 0.5
    # Two copies of each item: over prompts the interval is that of 40 coins, wider by the root of two.
    assert together["high"] - together["low"] == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 40), rel=0.12)
    assert alone["high"] - alone["low"] == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 80), rel=0.12)
    assert together["excess_high"] - together["excess_low"] == pytest.approx(
        together["high"] - together["low"]
    )


def test_the_same_seed_gives_the_same_table_in_blocks_of_any_size(monkeypatch):
    words = errors.classify_words(EXPLANATIONS, PAIRS)
    whole = errors.blame(words, unit="class", seed=3)
    monkeypatch.setattr(sys.modules["xlmkit.errors.blame"], "CELLS", 1)
    pd.testing.assert_frame_equal(errors.blame(words, unit="class", seed=3), whole)


def test_another_seed_draws_other_resamples():
    many = [explained(str(number), "a b", "not c", [0, 0, number % 2, 0.5]) for number in range(40)]
    one, other = (
        errors.blame(errors.classify_words(many), by=(), n_resamples=50, seed=seed) for seed in (1, 2)
    )
    assert one["share"].tolist() == other["share"].tolist()
    assert one["low"].tolist() != other["low"].tolist() or one["high"].tolist() != other["high"].tolist()


def test_an_example_shows_the_word_that_is_blamed_and_not_a_stronger_one():
    words = errors.classify_words(EXPLANATIONS, PAIRS)
    table = errors.blame(words, by="language", top_k=2)
    found = errors.examples(words, table[table["word"] == "2"])
    assert found[["pair_id", "word_text", "score"]].to_numpy().tolist() == [["a-en", "2", 1.0]]


def test_examples_are_read_with_their_english_originals():
    words = errors.classify_words(EXPLANATIONS, PAIRS)
    table = errors.blame(words, by="language")
    found = errors.examples(words, table)
    assert found["pair_id"].tolist() == ["a-en", "b-en", "c-en", "a-fr"]
    assert found["rank"].tolist() == [1, 2, 3, 1]
    assert found.loc[3, ["premise", "english_premise", "english_hypothesis", "word_text", "score"]].tolist() == [
        "le chien dort .", "premise a", "hypothesis a", "pas", 4.0,
    ]  # fmt: skip
    assert errors.examples(words, table, n_examples=1)["pair_id"].tolist() == ["a-en", "a-fr"]
    by_class = errors.blame(words, unit="class", by="language")
    read = errors.examples(words, by_class)
    assert read[(read["class"] == "negation") & (read["language"] == "fr")]["word_text"].tolist() == ["pas"]


def test_single_texts_have_words_to_blame_too():
    single = explained("x", "not a dog .", "", [2, 0, 0, 0])
    single = dataclasses.replace(single, hypothesis=None, hypothesis_language=None)
    found = errors.classify_words([single])
    assert found["negation"].tolist() == [True, False, False, False]
    assert found["first word"].tolist() == [True, False, False, False]
    assert not found[["in premise", "in hypothesis", "in both sentences", "hypothesis only"]].any(axis=None)
    assert errors.blame(found, by="language")["word"].tolist() == ["not"]


def test_right_predictions_are_left_out_with_a_notice():
    right = explained("r", "a", "b", [1, 2], gold="neutral", label="neutral", contrast="contradiction")
    with pytest.warns(XlmkitWarning, match="1 of 6 explained pairs are not errors"):
        found = errors.classify_words([*EXPLANATIONS, right])
    assert "r" not in set(found["pair_id"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contrast": None}, "contradiction - None"),
        ({"contrast": "entailment"}, "contradiction - entailment"),
        ({"target": "neutral"}, "explain_errors"),
        ({"aggregation": "l2"}, "no direction"),
        ({"gold": None}, "got none"),
    ],
)
def test_explanations_that_blame_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        errors.classify_words([explained("x", "a", "b", [1, 2], **changes)])


def test_two_explanations_of_a_pair_are_refused():
    with pytest.raises(ValueError, match="two of 'a-en'"):
        errors.classify_words([EXPLANATIONS[0], EXPLANATIONS[0]])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (PAIRS.iloc[1:], "no 'a-en'"),
        (pd.concat([PAIRS, PAIRS]), "once"),
        (PAIRS.drop(columns="pair_id"), "pair_id"),
    ],
)
def test_pairs_must_be_those_that_were_explained(pairs, message):
    with pytest.raises(ValueError, match=message):
        errors.classify_words(EXPLANATIONS, pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "piece"}, "'piece'"),
        ({"top_k": 0}, "`top_k`.*got 0"),
        ({"min_errors": 1.5}, "`min_errors`"),
        ({"by": "genre"}, "genre"),
        ({"confidence_level": 1}, "`confidence_level`"),
    ],
)
def test_options_that_are_not_there_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        errors.blame(errors.classify_words(EXPLANATIONS), **options)


def test_frames_of_something_else_are_refused():
    with pytest.raises(ValueError, match="tabulate"):
        errors.classify_words(PAIRS)
    with pytest.raises(ValueError, match="blame"):
        errors.examples(errors.classify_words(EXPLANATIONS), PAIRS)
