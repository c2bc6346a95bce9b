"""Slices: counted by hand, honest about chance, and every row in one of them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from xlmkit.metrics import discover_slices, slices
from xlmkit.metrics.slices import bin_column
from xlmkit.notices import XlmkitWarning, forget


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def predictions(right, *, item=None, prompt=None, language="en", **columns) -> pd.DataFrame:
    """One row a value of `right`: 1 for a right prediction."""
    right = np.asarray(right)
    frame = pd.DataFrame({"gold": "neutral", "prediction": np.where(right == 1, "neutral", "entailment")})
    frame["language"] = language
    frame["item"] = [str(number) for number in (range(len(right)) if item is None else item)]
    if prompt is not None:
        frame["promptID"] = [str(number) for number in prompt]
    return frame.assign(**columns)


def random(seed: int, count: int = 300, share: float = 0.7) -> np.ndarray:
    return (np.random.default_rng(seed).random(count) < share).astype(int)


FEW = {"n_resamples": 200, "n_permutations": 200}


def test_accuracy_and_difference_are_what_one_counts_by_hand():
    given = predictions([1, 1, 1, 0] * 10 + [1, 0] * 20, genre=["a"] * 40 + ["b"] * 40)
    table = slices(given, ["genre"], **FEW)
    assert table["language"].tolist() == ["en", "en"]
    assert table["value"].tolist() == ["a", "b"]
    assert table["n"].tolist() == [40, 40]
    assert table["accuracy"].tolist() == [0.75, 0.5]
    assert table["difference"].tolist() == [0.25, -0.25]
    assert table["p"].iloc[0] == pytest.approx(table["p"].iloc[1])
    assert ((table["low"] < table["accuracy"]) & (table["accuracy"] < table["high"])).all()
    assert (table["difference_low"] < table["difference"]).all()


def test_under_the_null_few_slices_have_a_small_p_even_where_prompts_are_alike():
    # Answers agree within a prompt, and so do the slices: rows that were taken as independent would find far too much.
    small = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        prompt = np.repeat(np.arange(60), 3)
        right = np.repeat(rng.random(60) < 0.6, 3)
        own = np.repeat(rng.choice(["a", "b"], 60), 3)
        table = slices(predictions(right, prompt=prompt, kind=own), ["kind"], **FEW)
        small.append(table["p"].iloc[0] <= 0.05)
    assert np.mean(small) <= 0.12


def test_translations_that_agree_are_no_more_evidence_than_one_language():
    right, kind = random(1), np.random.default_rng(2).choice(["a", "b"], 300)
    one = slices(predictions(right, kind=kind), ["kind"], by=None, n_resamples=400)
    parts = [predictions(right, kind=kind, language=code) for code in ("ar", "de", "en", "sw")]
    many = slices(pd.concat(parts, ignore_index=True), ["kind"], by=None, n_resamples=400)
    assert many["n"].tolist() == (4 * one["n"]).tolist()
    for column in ("accuracy", "low", "high", "difference", "difference_low", "difference_high", "p"):
        assert many[column].to_numpy() == pytest.approx(one[column].to_numpy()), column


def test_each_language_is_compared_with_its_own_rest():
    parts = [
        predictions([1] * 60 + [0] * 60, language="de", kind=["a"] * 60 + ["b"] * 60),
        predictions([1, 0] * 60, language="sw", kind=["a"] * 60 + ["b"] * 60),
    ]
    table = slices(pd.concat(parts, ignore_index=True), ["kind"], **FEW).set_index(["language", "value"])
    assert table.loc[("de", "a"), "difference"] == 1
    assert table.loc[("sw", "a"), "difference"] == 0
    assert table.loc[("de", "a"), "p"] == 1 / 201
    assert table.loc[("sw", "a"), "p"] == 1


def test_p_is_adjusted_over_all_that_have_one():
    rng = np.random.default_rng(0)
    given = predictions(random(5), genre=rng.choice(list("abc"), 300), length=rng.integers(4, 60, 300))
    table = slices(given, **FEW)
    assert table["feature"].unique().tolist() == ["genre", "length"]
    assert table["p_adjusted"].to_numpy() == pytest.approx(false_discovery_control(table["p"]))
    assert table.attrs["tests"] == len(table) == 7


def test_fewer_than_30_items_are_too_small_and_have_no_p():
    given = predictions(random(3, 100), kind=["a"] * 29 + ["b"] * 30 + ["c"] * 41)
    table = slices(given, ["kind"], **FEW).set_index("value")
    assert table["too_small"].to_dict() == {"a": True, "b": False, "c": False}
    assert table["p"].isna().to_dict() == {"a": True, "b": False, "c": False}
    assert table["p_adjusted"].isna().equals(table["p"].isna())
    assert table.loc["a", ["accuracy", "low", "high"]].notna().all()


def test_items_are_counted_and_not_their_translations():
    parts = [predictions(random(3, 60), kind=["a"] * 20 + ["b"] * 40, language=code) for code in ("de", "en")]
    table = slices(pd.concat(parts, ignore_index=True), ["kind"], by=None, **FEW)
    assert table["n"].tolist() == [40, 80]
    assert table["too_small"].tolist() == [True, True]  # and the rest of b is too small too


def test_rows_without_a_value_are_a_slice_of_their_own():
    kind = [None] * 40 + ["a"] * 40 + ["missing"] * 40
    table = slices(predictions([0] * 40 + [1] * 80, kind=kind), ["kind"], **FEW).set_index("value")
    assert table.index.tolist() == ["a", "'missing'", "missing"]
    assert table.loc["missing", "accuracy"] == 0
    assert table["n"].sum() == 120
    numbers = [np.nan] * 30 + list(range(90))
    table = slices(predictions(random(0, 120), score=numbers), ["score"], **FEW)
    assert table["value"].tolist()[-1] == "missing"
    assert table["n"].tolist() == [23, 22, 22, 23, 30]
    assert table["part"].tolist()[:4] == [1, 2, 3, 4]
    assert pd.isna(table["part"].iloc[4])


def test_a_column_that_is_empty_is_one_slice_without_a_rest():
    table = slices(predictions(random(0, 60), kind=None), ["kind"], **FEW)
    assert table["value"].tolist() == ["missing"]
    assert table[["difference", "p"]].isna().all(axis=None)


# --- how columns are cut ---


def test_parts_of_numbers_hold_every_row_once_and_equal_values_together():
    values = np.random.default_rng(0).integers(0, 12, 500)
    parts = bin_column(pd.DataFrame({"x": values}), "x")
    rows = np.concatenate([part.rows for part in parts])
    assert sorted(rows) == list(range(500))
    for one, other in itertools.pairwise(parts):
        assert values[one.rows].max() < values[other.rows].min()
    assert [part.number for part in parts] == [1, 2, 3, 4]
    assert parts[0].value == f"0 to {values[parts[0].rows].max()}"


def test_few_different_numbers_are_slices_as_they_are_and_so_are_truth_values():
    assert [part.value for part in bin_column(pd.DataFrame({"x": [0, 2, 1, 0]}), "x")] == ["0", "1", "2"]
    assert [part.value for part in bin_column(pd.DataFrame({"x": [True, False]}), "x")] == ["False", "True"]


def test_a_number_that_most_rows_have_makes_fewer_parts():
    parts = bin_column(pd.DataFrame({"x": [0] * 90 + list(range(1, 11))}), "x")
    assert [part.value for part in parts] == ["0 to 0", "1 to 10"]


def test_names_of_parts_tell_them_apart():
    values = 1 + np.arange(100) / 1e5
    names = [part.value for part in bin_column(pd.DataFrame({"x": values}), "x")]
    assert len(set(names)) == 4
    assert names[0] == "1 to 1.00024"


def test_what_cannot_be_cut_is_refused():
    given = predictions(random(0, 60), spans=[["a"]] * 60, text=[f"t{n}" for n in range(60)])
    with pytest.raises(ValueError, match="list"):
        slices(given, ["spans"])
    with pytest.raises(ValueError, match="60"):
        slices(given, ["text"])
    with pytest.raises(ValueError, match="'colour'"):
        slices(given, ["colour"])
    with pytest.raises(ValueError, match="`columns`"):
        slices(given, "genre")
    with pytest.raises(ValueError, match="columns"):
        slices(given)
    with pytest.raises(ValueError, match="`bins`"):
        slices(given.assign(length=range(60)), bins=1)


def test_rows_without_gold_are_left_out():
    given = predictions(random(0, 80), kind=["a", "b"] * 40)
    given.loc[:9, "gold"] = None
    with pytest.warns(XlmkitWarning, match="10 of 80"):
        assert slices(given, ["kind"], **FEW)["n"].sum() == 70
    with pytest.raises(ValueError, match="gold"):
        slices(given.assign(gold=None), ["kind"])


def test_one_row_is_a_slice_that_says_nothing():
    row = slices(predictions([1], kind=["a"]), ["kind"], **FEW).iloc[0]
    assert row["accuracy"] == 1
    assert row["too_small"]
    assert pd.isna(row["p"])


def test_mixed_languages_have_slices_too():
    given = predictions(random(0, 80), kind=["a", "b"] * 40).drop(columns="language")
    given = given.assign(premise_language="en", hypothesis_language=["de", "sw"] * 40)
    table = slices(given, ["kind"], **FEW)
    assert table["language"].unique().tolist() == ["en>de", "en>sw"]


# --- discovery ---


def planted(seed: int = 0, *, depth: float = 0.6) -> pd.DataFrame:
    """Rows of which those with x = "1" and y = "1" are right less often by `depth`; z has nothing to do with it."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.choice(["0", "1"], 1200) for name in ("x", "y", "z")}
    hard = (columns["x"] == "1") & (columns["y"] == "1")
    right = rng.random(1200) < np.where(hard, 0.8 - depth, 0.8)
    return predictions(right, prompt=np.arange(1200) // 3, **columns)


def test_a_planted_pair_of_features_is_found_and_confirmed():
    table = discover_slices(planted(), ["x", "y", "z"], **FEW)
    assert table.loc[0, "slice"] == "x: 1 and y: 1"
    assert table.loc[0, ["feature", "value", "feature_2", "value_2"]].tolist() == ["x", "1", "y", "1"]
    assert table.loc[0, "confirmed"]
    assert table.loc[0, "accuracy"] == pytest.approx(0.2, abs=0.1)
    assert table.loc[0, "difference_low"] < table.loc[0, "difference"] < table.loc[0, "difference_high"] < 0


def test_what_is_confirmed_was_not_seen_when_it_was_found():
    given = planted()
    table = discover_slices(given, ["x", "y", "z"], **FEW)
    hard = given[(given["x"] == "1") & (given["y"] == "1")]
    assert table.loc[0, "n_found"] + table.loc[0, "n"] == len(hard)
    # The second half's outcomes do not change what is found; the first half's do not change what is confirmed.
    prompts = np.random.default_rng(0).permutation(400) < 200
    second = given["promptID"].map(lambda prompt: not prompts[int(prompt)])
    other = given.copy()
    other.loc[second, "prediction"] = "neutral"
    found = ["slice", "n_found", "accuracy_found"]
    pd.testing.assert_frame_equal(table[found], discover_slices(other, ["x", "y", "z"], **FEW)[found])


def test_where_nothing_is_hidden_nearly_nothing_is_confirmed():
    confirmed = [
        discover_slices(planted(seed, depth=0), ["x", "y", "z"], **FEW)["confirmed"].any()
        for seed in range(24)
    ]
    assert np.mean(confirmed) <= 0.1


def test_the_worst_of_the_first_half_looks_worse_there_than_on_the_second():
    tables = [discover_slices(planted(seed, depth=0), ["x", "y", "z"], **FEW).iloc[0] for seed in range(24)]
    assert np.mean([row["difference_found"] - row["difference"] for row in tables]) < -0.02


def test_another_seed_draws_other_halves_and_the_same_one_the_same():
    given = planted()
    pd.testing.assert_frame_equal(
        discover_slices(given, ["x", "y"], seed=3, **FEW), discover_slices(given, ["x", "y"], seed=3, **FEW)
    )
    one, other = (discover_slices(given, ["x", "y"], seed=seed, **FEW)["n_found"] for seed in (3, 4))
    assert one.tolist() != other.tolist()


def test_translations_of_an_item_are_in_the_same_half():
    parts = [planted().assign(language=code) for code in ("de", "en")]
    both = discover_slices(pd.concat(parts, ignore_index=True), ["x", "y"], **FEW)
    one = discover_slices(planted(), ["x", "y"], **FEW)
    assert both["slice"].tolist() == one["slice"].tolist()
    assert both["n_found"].tolist() == (2 * one["n_found"]).tolist()
    assert both["p"].to_numpy() == pytest.approx(one["p"].to_numpy())


def test_slices_of_nearly_the_same_rows_are_taken_once():
    given = planted().assign(copy=lambda frame: frame["x"])
    table = discover_slices(given, ["x", "copy"], **FEW)
    assert len(table) == 2  # x: 1 and x: 0, each once


def test_too_few_rows_to_look_at_are_refused():
    with pytest.raises(ValueError, match="30 items"):
        discover_slices(predictions(random(0, 40), kind=["a", "b"] * 20), ["kind"])
    with pytest.raises(ValueError, match="premise groups"):
        discover_slices(predictions([1, 0], prompt=[1, 1], kind=["a", "b"]), ["kind"])
