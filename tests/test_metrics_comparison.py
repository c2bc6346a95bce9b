"""Paired comparisons: against scipy and statsmodels, against sums made by hand, and against a world in which nothing differs."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import mcnemar

from xlmkit.metrics import compare, compare_models, evaluate, gap
from xlmkit.notices import XlmkitWarning, forget


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def predictions(right: dict[str, list[int]], *, items_a_prompt=1) -> pd.DataFrame:
    """One row a language and item; 1 where the prediction is right."""
    rows = [
        {
            "language": code,
            "promptID": number // items_a_prompt,
            "item": f"i{number}",
            "gold": "neutral",
            "prediction": "neutral" if hit else "entailment",
        }
        for code, hits in right.items()
        for number, hit in enumerate(hits)
    ]
    return pd.DataFrame(rows)


def random_predictions(languages="en de sw", prompts=30, *, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    ease = np.repeat(rng.normal(size=prompts), 3)
    hits = {
        code: list(rng.random(3 * prompts) < 1 / (1 + np.exp(-ease + 0.5 * place)))
        for place, code in enumerate(languages.split())
    }
    return predictions(hits, items_a_prompt=3)


def differences_by_prompt(frame, first, second):
    hits = frame.assign(hit=frame["prediction"] == frame["gold"]).pivot_table(
        index="promptID", columns="language", values="hit", aggfunc="sum"
    )
    return (hits[first].astype(float) - hits[second]).to_numpy()


def test_a_comparison_has_the_counts_made_by_hand():
    frame = predictions({"en": [1, 1, 1, 0, 1], "sw": [1, 0, 0, 1, 0]})
    (row,) = compare(frame).to_dict("records")
    assert (row["first"], row["second"], row["n"]) == ("en", "sw", 5)
    assert (row["first_accuracy"], row["second_accuracy"]) == (0.8, 0.4)
    assert row["difference"] == pytest.approx(0.4)
    # Three items only the first gets right, one only the second: 2 * P(3 or 4 of 4 | 1/2) = 10/16.
    assert row["p_mcnemar"] == pytest.approx(10 / 16)
    # |sum of four signs| >= 2: all but the 6 of 16 with sum 0.
    assert row["p"] == pytest.approx(10 / 16, abs=0.02)


def test_the_sign_flip_test_is_scipys_over_prompts():
    frame = random_predictions("en sw", prompts=11)
    differences = differences_by_prompt(frame, "en", "sw")
    exact = permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
    found = compare(frame, n_resamples=40_000)["p"].iloc[0]
    assert found == pytest.approx(exact.pvalue, abs=4 * (0.25 / 40_000) ** 0.5)


def test_p_counts_the_observed_signs_and_is_never_zero():
    frame = predictions({"en": [1] * 40, "sw": [0] * 40})
    assert compare(frame, n_resamples=999)["p"].tolist() == [1 / 1000]
    assert compare(frame, n_resamples=99)["p"].tolist() == [1 / 100]


def test_the_interval_is_that_of_the_normal_law_where_there_are_many_prompts():
    frame = random_predictions("en sw", prompts=400)
    row = compare(frame).iloc[0]
    differences = differences_by_prompt(frame, "en", "sw") / 3
    error = differences.std(ddof=1) / 20
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["low"] == pytest.approx(differences.mean() - 1.96 * error, abs=0.15 * error)
    assert row["high"] == pytest.approx(differences.mean() + 1.96 * error, abs=0.15 * error)


def test_mcnemar_is_statsmodels_exact_one():
    frame = random_predictions("en de sw")
    for row in compare(frame).to_dict("records"):
        one, other = (
            (frame[frame["language"] == row[side]]["prediction"] == "neutral").to_numpy()
            for side in ("first", "second")
        )
        table = [[(one & other).sum(), (one & ~other).sum()], [(~one & other).sum(), (~one & ~other).sum()]]
        assert row["p_mcnemar"] == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_all_pairs_are_compared_and_corrected_together():
    frame = random_predictions("en de sw ur")
    table = compare(frame, n_resamples=499)
    assert list(zip(table["first"], table["second"], strict=True)) == list(
        itertools.combinations(["de", "en", "sw", "ur"], 2)
    )
    accuracy = evaluate(frame).set_index("language")["accuracy"]
    np.testing.assert_allclose(
        table["difference"], accuracy[table["first"]].to_numpy() - accuracy[table["second"]].to_numpy()
    )
    # Holm by hand: the smallest p times 6, the next times 5, ..., never falling, at most 1.
    order = table["p"].to_numpy().argsort(kind="stable")
    expected = np.minimum(1, np.maximum.accumulate(table["p"].to_numpy()[order] * np.arange(6, 0, -1)))
    np.testing.assert_allclose(table["p_holm"].to_numpy()[order], expected)


def test_an_exchange_of_the_two_turns_the_sign_and_nothing_else():
    frame = random_predictions("en sw")
    one, other = (compare(frame, pairs=[pair]).iloc[0] for pair in (("en", "sw"), ("sw", "en")))
    assert (one["difference"], one["low"], one["high"]) == pytest.approx(
        (-other["difference"], -other["high"], -other["low"])
    )
    assert (one["p"], one["p_mcnemar"]) == (other["p"], other["p_mcnemar"])


def test_the_order_of_rows_does_not_matter():
    frame = random_predictions()
    pairs = [("en", "sw"), ("de", "sw")]
    expected = compare(frame, pairs=pairs)[["n", "difference", "p_mcnemar"]]
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(compare(shuffled, pairs=pairs)[["n", "difference", "p_mcnemar"]], expected)


def test_the_gap_is_the_comparison_with_english_and_its_mean_stands_last():
    frame = random_predictions("en de sw")
    table, pairs = gap(frame), compare(frame, pairs=[("en", "de"), ("en", "sw")])
    assert table["language"].tolist() == ["de", "sw", "all"]
    for one, other in (("gap", "difference"), ("low", "low"), ("high", "high"), ("p", "p")):
        assert table[one].tolist()[:2] == pytest.approx(pairs[other].tolist())
    assert table["gap"].iloc[2] == pytest.approx(table["gap"].iloc[:2].mean())
    assert table["accuracy"].iloc[2] == pytest.approx(table["accuracy"].iloc[:2].mean())
    assert table["low"].iloc[2] < table["gap"].iloc[2] < table["high"].iloc[2]
    assert table.attrs == {"reference": "en", "reference_accuracy": pairs["first_accuracy"].iloc[0]}
    assert gap(frame, "sw").iloc[1]["gap"] == pytest.approx(-table["gap"].iloc[1])


def test_a_model_against_itself_differs_in_nothing():
    frame = random_predictions()
    table = compare_models(frame, frame.sample(frac=1, random_state=3), names=("before", "after"))
    assert table["language"].tolist() == ["de", "en", "sw", "all"]
    assert set(table["first"]) == {"before"}
    assert set(table["second"]) == {"after"}
    assert table["n"].tolist() == [90, 90, 90, 270]
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table[["p", "p_holm"]] == 1).all(axis=None)


def test_two_models_are_compared_by_language_and_over_all():
    one, other = random_predictions(seed=1), random_predictions(seed=1).assign(prediction="neutral")
    other.loc[other["language"] == "en", "prediction"] = one.loc[one["language"] == "en", "prediction"]
    table = compare_models(other, one).set_index("language")
    accuracies = [evaluate(frame).set_index("language")["accuracy"] for frame in (other, one)]
    pd.testing.assert_series_equal(table["first_accuracy"], accuracies[0], check_names=False)
    pd.testing.assert_series_equal(table["second_accuracy"], accuracies[1], check_names=False)
    assert table.loc["en", "p"] == 1
    assert (table.loc[["de", "sw"], "p"] < 0.01).all()
    assert table["p_mcnemar"].isna().to_dict() == {"de": False, "en": False, "sw": False, "all": True}


def test_translations_that_agree_make_no_difference_surer():
    one, other = random_predictions("en", seed=1), random_predictions("en", seed=2)
    single = compare_models(one, other).iloc[-1]
    many = [pd.concat([frame.assign(language=code) for code in ("de", "en", "sw")]) for frame in (one, other)]
    over_all = compare_models(*many).iloc[-1]
    for column in ("difference", "low", "high", "p"):
        assert over_all[column] == pytest.approx(single[column])


def test_models_are_matched_by_pair_where_no_column_says_the_item():
    frame = random_predictions("en").rename(columns={"item": "pair_id"}).drop(columns="promptID")
    table = compare_models(
        frame, frame.iloc[::-1].assign(pair_id=lambda rows: rows["pair_id"].astype(object))
    )
    assert table["n"].tolist() == [90, 90]
    with pytest.raises(ValueError, match="pair_id"):
        compare_models(frame.drop(columns="pair_id"), frame)


def test_prompts_that_one_model_knows_hold_for_both():
    one, other = random_predictions(seed=1), random_predictions(seed=2)
    expected = compare_models(one, other)
    pd.testing.assert_frame_equal(compare_models(one, other.drop(columns="promptID")), expected)
    pd.testing.assert_frame_equal(compare_models(one.drop(columns="promptID"), other), expected)


def test_labels_of_another_task_are_compared_too():
    frame = random_predictions("en de").replace({"neutral": "sports", "entailment": "travel"})
    names = ["sports", "travel"]
    assert compare(frame, labels=names)["n"].tolist() == [90]
    assert compare_models(frame, frame, labels=names)["n"].tolist() == [90, 90, 180]
    with pytest.raises(ValueError, match="unknown label"):
        compare(frame)


def test_different_items_are_refused_and_the_first_missing_one_is_named():
    frame = predictions({"de": [1, 0, 1, 1], "en": [1, 1, 1, 0], "sw": [1, 1, 1, 0]})
    gone = frame[~((frame["language"] == "sw") & frame["item"].isin(["i1", "i2"]))]
    with pytest.raises(ValueError, match=r"'i1'.*'sw'"):
        compare(gone)
    with pytest.raises(ValueError, match="'i1'"):
        gap(gone)
    assert compare(gone, pairs=[("en", "de")])["n"].tolist() == [4]
    with pytest.raises(ValueError, match=r"model.*'i1 in sw'"):
        compare_models(frame, gone)


def test_an_item_without_gold_in_one_language_counts_as_missing_there():
    frame = predictions({"en": [1, 1, 0], "sw": [1, 0, 0]})
    frame.loc[4, "gold"] = None
    with (
        pytest.warns(XlmkitWarning, match="1 of 6 rows"),
        pytest.raises(ValueError, match=r"'i1'.*'sw'"),
    ):
        compare(frame)
    frame.loc[1, "gold"] = None  # in no language: it is left out
    with pytest.warns(XlmkitWarning, match="2 of 6 rows"):
        assert compare(frame)["n"].tolist() == [2]
    with (
        pytest.warns(XlmkitWarning, match="5 of 9 rows"),
        pytest.raises(ValueError, match="'de'"),
    ):
        compare(pd.concat([frame, frame[:3].assign(language="de", gold=None)]))


@pytest.mark.parametrize("function", [compare, gap])
def test_what_cannot_be_compared_is_refused(function):
    frame = predictions({"en": [1, 0, 1], "sw": [1, 1, 0]})
    with pytest.raises(ValueError, match="language"):
        function(frame[frame["language"] == "en"])
    with pytest.raises(ValueError, match="gold"):
        function(frame.assign(gold=None))
    with pytest.raises(ValueError, match="gold"):
        function(frame.drop(columns="gold"))
    with pytest.raises(ValueError, match="`item`"):
        function(frame[["language", "prediction", "gold"]])
    with pytest.raises(ValueError, match=r"'i2'.*'sw'"):
        function(pd.concat([frame, frame.iloc[5:]]))
    with pytest.raises(ValueError, match=r"'0'.*'en'"):
        function(frame.assign(promptID=0).drop(columns="item"))
    with pytest.raises(ValueError, match=r"promptID.*'i0'"):
        function(frame.assign(promptID=range(6)))
    with pytest.raises(ValueError, match="confidence_level"):
        function(frame, confidence_level=95)
    with pytest.raises(ValueError, match="n_resamples"):
        function(frame, n_resamples=0)
    with pytest.raises(TypeError, match="list"):
        function([1])
    with pytest.raises(ValueError, match="without rows"):
        function(frame[:0])


def test_names_that_do_not_occur_are_refused():
    frame = predictions({"en": [1, 0, 1], "sw": [1, 1, 0]})
    with pytest.raises(ValueError, match="'xx'"):
        compare(frame, pairs=[("en", "xx")])
    with pytest.raises(ValueError, match="'fr'"):
        gap(frame, "fr")
    for pairs in ([], "en", ["en"], [("en", "en")], [("en", "sw", "de")]):
        with pytest.raises(ValueError, match="`pairs`"):
            compare(frame, pairs=pairs)
    with pytest.raises(ValueError, match="`names`"):
        compare_models(frame, frame, names=("a", "a"))


def test_models_that_disagree_on_gold_are_refused():
    frame = predictions({"en": [1, 0, 1]})
    with pytest.raises(ValueError, match="'i0 in en'"):
        compare_models(frame, frame.assign(gold="entailment"))


def test_one_item_refutes_nothing():
    frame = predictions({"en": [1], "sw": [0]})
    row = compare(frame).iloc[0]
    assert (row["n"], row["difference"], row["low"], row["high"]) == (1, 1, -1, 1)
    assert (row["p"], row["p_mcnemar"], row["p_holm"]) == (1, 1, 1)
    assert gap(frame)["high"].tolist() == [1, 1]


def test_one_class_only_can_be_compared():
    frame = predictions({"en": [1] * 12, "sw": [1] * 12})
    row = compare(frame).iloc[0]
    assert (row["difference"], row["low"], row["high"], row["p"], row["p_mcnemar"]) == (0, 0, 0, 1, 1)


def test_mixed_languages_are_compared_by_both():
    frame = predictions({"en": [1, 0, 1], "sw": [1, 1, 0]}).rename(columns={"language": "premise_language"})
    table = gap(frame.assign(hypothesis_language="en"))
    assert table["language"].tolist() == ["sw>en", "all"]


def test_nothing_that_was_given_is_changed():
    frame = random_predictions()
    before = frame.copy()
    compare(frame, n_resamples=20)
    gap(frame, n_resamples=20)
    compare_models(frame, frame, n_resamples=20)
    pd.testing.assert_frame_equal(frame, before)
