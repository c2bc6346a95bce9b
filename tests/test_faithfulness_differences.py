"""Laws of errors against correct predictions: weights by hand, and differences that are found where they are and nowhere else."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_ind
from statsmodels.stats.multitest import multipletests

from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.faithfulness import compare_errors, frequent_words, profile
from xlmkit.faithfulness.summary import student_p
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import read_pairs
from xlmkit.tokenization import split_words


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def explanation(scores=(1.0, -2.0, 0.0, 3.0, 1.0, 0.5, 0.5), pair_id="1", **changes):
    """The dog | no ! between three special tokens, which hold the last three scores."""
    words = (
        ExplainedWord("the", 0, 0, 3),
        ExplainedWord("dog", 0, 4, 7),
        ExplainedWord("no", 1, 0, 2),
        ExplainedWord("!", 1, 2, 3),
    )
    special = ExplainedToken("</s>")
    tokens = [ExplainedToken(w.text, number, w.sentence, w.start, w.end) for number, w in enumerate(words)]
    values = {
        "premise": "The dog",
        "hypothesis": "No!",
        "premise_language": "en",
        "hypothesis_language": "en",
        "prediction": "neutral",
        "gold": "entailment",
        "target": "neutral",
        "probability": 0.8,
        "method": "occlusion",
        "output": 1.0,
    }
    return Explanation(
        pair_id=pair_id,
        tokens=(*tokens, special, special, special),
        words=words,
        scores=np.array(scores, dtype=float),
        **{**values, **changes},
    )


def features(frame):
    return dict(zip(frame["feature"], frame["value"], strict=True))


def test_shares_of_the_weight_by_hand():
    found = features(profile(explanation(), function_words={"en": {"the", "no"}}))
    assert found["premise"] == pytest.approx(3 / 8)
    assert found["hypothesis"] == pytest.approx(3 / 8)
    assert found["special"] == pytest.approx(2 / 8)
    assert found["function_words"] == pytest.approx(1 / 6)
    assert found["function_words_excess"] == pytest.approx(1 / 6 - 2 / 4)
    assert found["punctuation"] == pytest.approx(3 / 6)
    shares = np.array([1, 2, 3]) / 6
    assert found["entropy"] == pytest.approx(-(shares * np.log(shares)).sum() / math.log(4))
    assert "language_id" not in found


def test_premise_hypothesis_and_special_tokens_hold_all_the_weight():
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = features(profile(explanation(rng.normal(size=7))))
        assert found["premise"] + found["hypothesis"] + found["special"] == pytest.approx(1.0)


def test_entropy_is_0_for_one_word_and_1_for_even_weights():
    one, even = explanation([0, 5, 0, 0, 1, 1, 1]), explanation([1, -1, 1, -1, 0, 0, 0])
    assert features(profile(one))["entropy"] == 0.0
    assert features(profile(even))["entropy"] == pytest.approx(1.0)


def test_the_language_ids_share_stands_beside_the_tokens():
    found = features(profile(explanation(language_share=-2.0)))
    assert found["language_id"] == pytest.approx(2 / 10)


def test_a_share_of_nothing_is_missing():
    found = features(profile(explanation([0.0] * 7), function_words={"en": {"the"}}))
    assert all(math.isnan(value) for value in found.values())


def test_single_texts_have_a_share_of_their_text():
    text = Explanation(
        pair_id="1",
        premise="Dog",
        hypothesis=None,
        premise_language="en",
        hypothesis_language=None,
        prediction="sports",
        probability=0.5,
        target="sports",
        tokens=(ExplainedToken("dog", 0, 0, 0, 3), ExplainedToken("</s>")),
        words=(ExplainedWord("dog", 0, 0, 3),),
        scores=np.array([3.0, 1.0]),
        method="occlusion",
        output=0.0,
    )
    found = features(profile(text))
    assert (found["text"], found["special"]) == (0.75, 0.25)
    assert math.isnan(found["entropy"])


def test_the_judges_percentiles_come_along_for_their_own_explanations():
    scored = pd.DataFrame(
        {
            "pair_id": ["1", "2"],
            "method": "occlusion",
            "aggregation": "sum",
            "target": "neutral",
            "metric": ["comprehensiveness"] * 2,
            "percentile": [0.9, 0.1],
        }
    )
    found = profile([explanation(pair_id="2"), explanation(pair_id="1")], scored=scored)
    own = found[found["feature"] == "comprehensiveness_percentile"].set_index("pair_id")
    assert own["value"].to_dict() == {"1": 0.9, "2": 0.1}
    assert not own["correct"].any()
    with pytest.raises(ValueError, match="percentile"):
        profile(explanation(), scored=scored.drop(columns="percentile"))


def test_correct_is_missing_without_gold_and_items_come_along():
    pairs = pd.DataFrame({"pair_id": ["1", "2"], "item": ["x", "y"]})
    found = profile([explanation(gold=None), explanation(pair_id="2", gold="neutral")], pairs=pairs)
    assert found.groupby("item")["correct"].first().isna().tolist() == [True, False]
    assert found.loc[found["item"] == "y", "correct"].all()


def test_the_most_frequent_words_of_a_language_are_counted_over_distinct_sentences():
    pairs = pd.DataFrame(
        {
            "premise": ["The dog, the cat.", "The dog, the cat.", "Le chat"],
            "hypothesis": ["A dog!", "A cat!", "le chien et le chat"],
            "language": ["en", "en", "fr"],
        }
    )
    # en: the 2, dog 2, cat 2, a 2, although the premise stands there twice; punctuation is no word.
    assert frequent_words(pairs, 3) == {"en": {"a", "cat", "dog"}, "fr": {"le", "chat", "chien"}}
    with pytest.raises(ValueError, match="`count`"):
        frequent_words(pairs, 0)


def test_frequent_words_of_the_workshop_are_words_of_grammar():
    found = frequent_words(read_pairs("workshop", languages=["en", "de", "zh"]), 10)
    assert {"the", "a", "is"} <= found["en"]
    assert {"die", "der"} <= found["de"]
    assert "的" in found["zh"]
    assert all(len(words) == 10 for words in found.values())
    assert all(split_words(word, "de")[0].text == word for word in found["de"])


# --- comparing -------------------------------------------------------------------------------------------------------------------------


def profiled(values, correct, *, feature="special", language="en", item=None, **columns):
    count = len(values)
    return pd.DataFrame(
        {
            "pair_id": [f"{language}{number}" for number in range(count)],
            "item": [str(number) for number in range(count)] if item is None else item,
            "language": language,
            "method": "saliency",
            "aggregation": "l2",
            "correct": pd.array(correct, dtype="boolean"),
            "feature": feature,
            "value": np.asarray(values, dtype=float),
            **columns,
        }
    )


def test_means_and_difference_by_hand():
    table = compare_errors(profiled([0.1, 0.3, 0.6, 0.8], [True, True, False, False]))
    row = table.loc[0]
    assert row[["n_errors", "n_correct"]].tolist() == [2, 2]
    assert row[["errors", "correct", "difference"]].tolist() == pytest.approx([0.7, 0.2, 0.5])
    assert table.attrs["interval_over"] == "item"


def test_a_difference_is_found_where_there_is_one_and_not_where_there_is_none():
    rng = np.random.default_rng(0)
    correct = rng.random(200) < 0.6
    there = profiled(rng.normal(size=200) + ~correct, correct, feature="there")
    absent = profiled(rng.normal(size=200), correct, feature="absent")
    table = compare_errors(pd.concat([there, absent])).set_index("feature")
    assert table.loc["there", "low"] > 0.5
    assert table.loc["there", "high"] < 1.5
    assert table.loc["there", "p_holm"] < 0.001
    assert table.loc["absent", "low"] < 0 < table.loc["absent", "high"]
    assert table.loc["absent", "p"] > 0.05


def test_the_interval_holds_no_difference_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    frames = []
    for number in range(60):
        correct = rng.random(60) < 0.5
        frames.append(profiled(rng.normal(size=60), correct, feature=str(number)))
    table = compare_errors(pd.concat(frames))
    assert 0.85 <= ((table["low"] < 0) & (table["high"] > 0)).mean() <= 1.0


def test_translations_of_an_item_tell_no_more_than_one():
    rng = np.random.default_rng(2)
    correct, values = rng.random(20) < 0.5, rng.random(20)
    alone = compare_errors(profiled(values, correct))
    many = pd.concat([profiled(values, correct, language=code) for code in ("en", "de", "fr", "sw")])
    columns = ["difference", "low", "high"]
    together = compare_errors(many)
    assert together.loc[0, columns].tolist() == pytest.approx(alone.loc[0, columns].tolist())
    assert together.loc[0, "n_errors"] == 4 * alone.loc[0, "n_errors"]


def test_languages_that_differ_are_no_difference_between_errors_and_the_rest():
    """In one language errors are frequent and every value is high: compared with all, errors look different; inside the languages they do not."""
    rng = np.random.default_rng(3)
    hard = profiled(0.9 + 0.01 * rng.normal(size=50), rng.random(50) < 0.2, language="sw")
    easy = profiled(0.1 + 0.01 * rng.normal(size=50), rng.random(50) < 0.8, language="en")
    both = pd.concat([hard, easy])
    assert compare_errors(both, within=None).loc[0, "low"] > 0.2
    inside = compare_errors(both).loc[0]
    assert abs(inside["difference"]) < 0.02
    by_hand = 0.0
    for own in (hard, easy):
        wrong = ~own["correct"].astype(bool)
        by_hand += wrong.sum() * (own["value"][wrong].mean() - own["value"][~wrong].mean())
    assert inside["difference"] == pytest.approx(by_hand / inside["n_errors"])


def test_p_values_are_corrected_over_the_features_of_a_method():
    rng = np.random.default_rng(4)
    correct = rng.random(80) < 0.5
    frames = [
        profiled(rng.normal(size=80) + shift * ~correct, correct, feature=str(shift))
        for shift in (0, 0.4, 0.8)
    ]
    other = frames[1].assign(method="occlusion")
    table = compare_errors(pd.concat([*frames, other]))
    own = table[table["method"] == "saliency"]
    assert own["p_holm"].tolist() == pytest.approx(multipletests(own["p"], method="holm")[1].tolist())
    alone = table[table["method"] == "occlusion"]
    assert alone["p_holm"].tolist() == alone["p"].tolist()


def test_without_errors_or_without_correct_predictions_nothing_is_compared():
    for correct in ([True] * 4, [False] * 4):
        row = compare_errors(profiled([0.1, 0.2, 0.3, 0.4], correct)).loc[0]
        assert math.isnan(row["difference"])
        assert math.isnan(row["p_holm"])
        assert row["n_errors"] + row["n_correct"] == 4


def test_p_is_students_for_independent_pairs():
    """Means of two samples from as many pairs: close to Welch's test, which knows nothing of resamples."""
    rng = np.random.default_rng(5)
    correct = np.arange(400) % 2 == 0
    values = rng.normal(size=400) + 0.2 * ~correct
    row = compare_errors(profiled(values, correct)).loc[0]
    expected = ttest_ind(values[~correct], values[correct], equal_var=False).pvalue
    assert row["p"] == pytest.approx(expected, rel=0.2)
    assert (row["p"] < 0.05) == (row["low"] > 0)


def test_of_few_prompts_the_spread_is_corrected_as_students_is():
    """The resamples of n prompts vary by (n - 1) / n too little, which p makes good."""
    expected = 2 * student.sf(2.0 / math.sqrt(4 / 3), 3)
    assert student_p(np.array([2.0]), np.array([1.0]), np.array([4]))[0] == pytest.approx(expected)


def test_errors_of_one_prompt_alone_have_no_interval():
    row = compare_errors(profiled([0.1, 0.3, 0.6], [True, True, False])).loc[0]
    assert row["difference"] == pytest.approx(0.4)
    assert math.isnan(row["low"])
    assert math.isnan(row["p"])


def test_pairs_without_gold_are_left_out_and_counted():
    frame = profiled([0.1, 0.3, 0.6, 0.8], [True, False, None, True])
    with pytest.warns(XlmkitWarning, match="1 of 4 pairs"):
        row = compare_errors(frame).loc[0]
    assert (row["n_errors"], row["n_correct"]) == (1, 2)
    with pytest.raises(ValueError, match="gold"):
        compare_errors(frame.assign(correct=pd.array([None] * 4, dtype="boolean")))


def test_missing_values_are_left_out():
    row = compare_errors(profiled([0.1, np.nan, 0.6, np.nan], [True, True, False, False])).loc[0]
    assert (row["n_errors"], row["n_correct"]) == (1, 1)
    assert row["difference"] == pytest.approx(0.5)


def test_what_cannot_be_compared_is_refused_by_name():
    frame = profiled([0.1, 0.3], [True, False])
    with pytest.raises(ValueError, match="value"):
        compare_errors(frame.drop(columns="value"))
    with pytest.raises(ValueError, match="genre"):
        compare_errors(frame, within="genre")
    with pytest.raises(ValueError, match="95"):
        compare_errors(frame, confidence_level=95)
    with pytest.raises(TypeError, match="got dict"):
        compare_errors({})
