"""Accuracy and its intervals: against scipy, against counts made by hand, and against what items in many languages imply."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from xlmkit.metrics import evaluate
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import LABELS, read_pairs
from xlmkit.stats import effective_rows, wilson
from xlmkit.stats.bootstrap import interval, totals


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def predictions(right: dict[str, list[int]], *, items: bool = True) -> pd.DataFrame:
    """One row a language and item; 1 where the prediction is right."""
    rows = [
        {
            "language": code,
            "item": str(number),
            "gold": "neutral",
            "prediction": "neutral" if hit else "entailment",
        }
        for code, hits in right.items()
        for number, hit in enumerate(hits)
    ]
    return pd.DataFrame(rows).drop(columns=[] if items else ["item"])


def row(table, name):
    return table.set_index(table.columns[0]).loc[name]


@given(st.integers(1, 400), st.data())
def test_wilson_equals_scipys(n, data):
    k = data.draw(st.integers(0, n))
    expected = binomtest(k, n).proportion_ci(confidence_level=0.9, method="wilson")
    assert wilson(k / n, n, confidence_level=0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_language_has_its_accuracy_and_wilsons_interval():
    table = evaluate(predictions({"en": [1, 1, 1, 0], "de": [1, 0, 0, 0]}))
    assert table["language"].tolist() == ["de", "en", "all"]
    assert table["n"].tolist() == [4, 4, 8]
    assert table["accuracy"].tolist() == [0.25, 0.75, 0.5]
    expected = binomtest(3, 4).proportion_ci(method="wilson")
    assert row(table, "en")[["low", "high"]].tolist() == pytest.approx([expected.low, expected.high])


def test_over_one_language_all_equals_that_language():
    table = evaluate(predictions({"en": [1, 1, 0, 1, 0, 1, 1]}))
    columns = ["n", "accuracy", "low", "high", "macro_f1"]
    assert table.loc[0, columns].tolist() == pytest.approx(table.loc[1, columns].tolist())


def test_languages_that_agree_item_by_item_tell_no_more_than_one():
    hits = [1, 1, 0, 1, 0, 1, 1, 0, 0, 1]
    one = evaluate(predictions({"en": hits}))
    many = evaluate(predictions(dict.fromkeys(("ar", "de", "en", "sw", "zh"), hits)))
    assert row(many, "all")[["low", "high"]].tolist() == pytest.approx(
        row(one, "all")[["low", "high"]].tolist()
    )
    assert row(many, "all")["n"] == 50
    assert many.attrs["interval_over"] == "item"


def test_independent_rows_count_in_full_and_shared_items_count_less():
    rng = np.random.default_rng(0)
    alone = (rng.random((2000, 5)) < 0.7).astype(float)
    rows = np.full(2000, 5.0)
    assert effective_rows(alone.ravel(), np.ones(10_000)) == pytest.approx(10_000)
    assert effective_rows(alone.sum(1), rows) > 9_000
    shared = 5.0 * (rng.random(2000) < 0.7)
    assert effective_rows(shared, rows) == pytest.approx(2000)
    assert effective_rows(rows, rows) == 2000  # all right: no variance, so the number of prompts
    assert effective_rows(np.array([1.0, 1, 1, 0]), np.array([2.0, 2, 1, 1])) <= 6


def test_the_interval_over_all_holds_the_truth_as_often_as_it_says():
    """Items of different difficulty, as in XNLI; an interval over rows would hold it in about 70 % of the draws."""
    rng = np.random.default_rng(1)
    truth, items, languages, held = 0.7, 100, 8, dict.fromkeys(("bootstrap", "wilson", "rows"), 0)
    rows = np.full(items, float(languages))
    for seed in range(400):
        chance = rng.beta(1.4, 0.6, size=items)  # mean 0.7
        hits = (rng.random((languages, items)) < chance).sum(0).astype(float)
        share = hits.sum() / rows.sum()
        low, high = interval(totals(hits, n_resamples=999, seed=seed) / rows.sum())
        held["bootstrap"] += low <= truth <= high
        low, high = wilson(share, effective_rows(hits, rows))
        held["wilson"] += low <= truth <= high
        low, high = wilson(share, rows.sum())
        held["rows"] += low <= truth <= high
    assert 0.92 <= held["wilson"] / 400 <= 0.98
    assert 0.91 <= held["bootstrap"] / 400 <= 0.98
    assert held["rows"] / 400 < 0.85


def test_without_items_rows_count_as_independent_and_that_is_said():
    frame = predictions({"en": [1, 0, 1], "de": [1, 1, 1]}, items=False)
    with pytest.warns(XlmkitWarning, match="without an `item` column"):
        table = evaluate(frame)
    assert table.attrs["interval_over"] == "rows"
    expected = binomtest(5, 6).proportion_ci(method="wilson")
    assert row(table, "all")[["low", "high"]].tolist() == pytest.approx([expected.low, expected.high])


@pytest.mark.parametrize("column", ["pairID", "promptID"])
def test_xnlis_own_columns_say_what_an_item_is(column):
    frame = predictions({"en": [1, 0, 1, 1], "de": [1, 0, 1, 1]}).rename(columns={"item": column})
    assert evaluate(frame).attrs["interval_over"] == column


def test_rows_without_gold_are_counted_left_out_and_said():
    frame = predictions({"en": [1, 0, 1], "de": [1, 1, 1]})
    frame.loc[[0, 3, 4, 5], "gold"] = [None, "-", float("nan"), None]
    with pytest.warns(XlmkitWarning, match="4 of 6 rows have no gold label"):
        table = evaluate(frame)
    assert row(table, "en")[["n", "without_gold", "accuracy"]].tolist() == [2, 1, 0.5]
    assert row(table, "de")[["n", "without_gold"]].tolist() == [0, 3]
    assert all(math.isnan(row(table, "de")[name]) for name in ("accuracy", "low", "high", "macro_f1"))
    assert row(table, "all")[["n", "without_gold", "accuracy"]].tolist() == [2, 4, 0.5]


def test_macro_f1_is_scikit_learns():
    frame = read_pairs("workshop")
    frame["prediction"] = np.random.default_rng(0).choice(LABELS, len(frame))
    table = evaluate(frame)
    for code, rows in frame.groupby("language"):
        assert row(table, code)["macro_f1"] == pytest.approx(
            f1_score(rows["gold"], rows["prediction"], average="macro")
        )
    assert len(table) == 16


def test_mixed_pairs_are_grouped_by_both_languages():
    frame = predictions({"en": [1, 0], "de": [1, 1]}).rename(columns={"language": "premise_language"})
    table = evaluate(frame.assign(hypothesis_language="ur"))
    assert table["language"].tolist() == ["de>ur", "en>ur", "all"]


def test_any_column_may_group():
    frame = predictions({"en": [1, 0], "de": [1, 1]}).assign(genre=["a", "b", "a", "b"])
    table = evaluate(frame, by="genre")
    assert table["genre"].tolist() == ["a", "b", "all"]
    assert table["accuracy"].tolist() == [1.0, 0.5, 0.75]


def test_by_gold_label_accuracy_is_recall():
    frame = predictions({"en": [1, 0, 1, 1]}).assign(gold=["neutral", "neutral", "entailment", "entailment"])
    frame["prediction"] = ["neutral", "entailment", "entailment", "entailment"]
    table = evaluate(frame, by="gold")
    assert table["gold"].tolist() == ["entailment", "neutral", "all"]
    assert table["accuracy"].tolist() == [1, 0.5, 0.75]


def test_a_group_that_is_not_said_is_refused_and_so_is_a_name_that_is_taken():
    frame = predictions({"en": [1, 0], "de": [1, 1]}).assign(genre=["a", None, "a", "b"], prompt="p")
    with pytest.raises(
        ValueError, match="a `genre` in every row; got none in 1 of 4, the first in row 1; remedy"
    ):
        evaluate(frame, by="genre")
    with pytest.raises(ValueError, match="another column than 'prompt' to group by"):
        evaluate(frame, by="prompt")


def test_labels_of_other_models_are_compared_by_name():
    frame = predictions({"en": [1, 1]}).assign(
        label=["Neutral", "contradictory"], gold=["neutral", "contradiction"]
    )
    assert row(evaluate(frame), "en")["accuracy"] == 1.0


def test_a_wider_confidence_gives_a_wider_interval():
    frame = predictions({"en": [1, 0, 1, 1]})
    narrow, wide = (row(evaluate(frame, confidence_level=c), "all") for c in (0.5, 0.99))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"gold": None}, "expected gold labels to compare with; got none in 2 rows"),
        ({"prediction": None}, "expected a prediction in every row; got none in 2 of 2"),
        ({"gold": 1}, "label 1 is a number"),
        ({"prediction": "maybe"}, "unknown label 'maybe'"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, expected):
    with pytest.raises(ValueError, match=expected):
        evaluate(predictions({"en": [1, 0]}).assign(**change))


def test_missing_columns_and_other_values_are_refused():
    frame = predictions({"en": [1, 0]})
    with pytest.raises(ValueError, match="got no label and no gold"):
        evaluate(frame[["language"]])
    with pytest.raises(ValueError, match="column 'genre' to group by; got language, item"):
        evaluate(frame, by="genre")
    with pytest.raises(ValueError, match="between 0 and 1; got 95"):
        evaluate(frame, confidence_level=95)
    with pytest.raises(TypeError, match="got list"):
        evaluate([1])


def test_evaluate_changes_nothing_it_was_given():
    frame = predictions({"en": [1, 0], "de": [1, 1]})
    before = frame.copy()
    evaluate(frame)
    pd.testing.assert_frame_equal(frame, before)
