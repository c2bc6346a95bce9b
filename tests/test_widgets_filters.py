"""Every filter leaves exactly the rows that fit."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

import pandas as pd
from widgets_toys import make_preds

from xlmkit.widgets.filters import (
    ORDERS,
    Filters,
    check_predictions,
    filter_rows,
    search_key,
    slices_of,
    sort_rows,
)
from xlmkit.widgets.notes import Notes


@pytest.fixture
def preds():
    return make_preds()


def test_predictions_keep_their_labels_apart_from_gold(preds):
    bare = preds.drop(columns=[name for name in preds if name.startswith("p_") or name == "gold"])
    frame = check_predictions(bare)
    assert frame["prediction"].to_list() == preds["prediction"].to_list()
    assert "gold" not in frame
    assert frame["correct"].isna().all()
    assert frame["confidence"].isna().all()


def test_confidence_is_the_probability_of_the_rows_own_label(preds):
    frame = check_predictions(preds)
    assert frame["confidence"].to_list() == pytest.approx([0.4 + 0.1 * (place % 5) for place in range(30)])


def fitting(frame, filters, **options):
    [rows, _] = filter_rows(frame, filters, Notes("none.jsonl"), slices=slices_of(frame), **options)
    return rows


def test_a_row_without_gold_is_neither_right_nor_wrong(preds):
    frame = check_predictions(preds)
    right, wrong = (fitting(frame, Filters(outcome=name)) for name in ("right", "wrong"))
    assert (len(right), len(wrong)) == (20, 5)
    assert len(fitting(frame, Filters())) == 30
    with pytest.raises(ValueError, match="outcome"):
        fitting(frame, Filters(outcome="odd"))


def test_labels_and_outcome_leave_the_rows_around_for_a_confusion_matrix(preds):
    frame = check_predictions(preds)
    filters = Filters(language="ar", gold="neutral", outcome="wrong")
    _, around = filter_rows(frame, filters, Notes("none.jsonl"), slices={})
    assert around.index.to_list() == frame.index[frame["language"] == "ar"].to_list()


@pytest.mark.parametrize("given", [[1, 2], pd.DataFrame({"premise": ["a"]})])
def test_what_holds_no_predictions_is_refused_with_a_remedy(given):
    with pytest.raises((TypeError, ValueError), match="predict"):
        check_predictions(given)


def test_every_filter_leaves_exactly_the_rows_that_fit(preds):
    frame = check_predictions(preds)
    tests = {
        Filters(language="ar"): frame["language"] == "ar",
        Filters(gold="neutral"): frame["gold"] == "neutral",
        Filters(prediction="entailment"): frame["prediction"] == "entailment",
        Filters(confidence=(0.5, 0.6)): frame["confidence"].between(0.5, 0.6),
        Filters(text="dog 3"): frame["item"] == "i3",  # the English original counts in every language
        Filters(text="หมานอน"): frame["language"] == "th",
    }
    for filters, expected in tests.items():
        assert fitting(frame, filters).index.to_list() == frame.index[expected].to_list(), filters
        assert 0 < expected.sum() < len(frame)
    both = fitting(frame, Filters(language="ar", gold="neutral"))
    assert (
        both.index.to_list()
        == frame.index[(frame["language"] == "ar") & (frame["gold"] == "neutral")].to_list()
    )


def test_a_search_knows_no_patterns_case_marks_or_unicode_forms():
    assert search_key("CAFÉ") == search_key("cafe\u0301") == "cafe"
    assert search_key("كَلْب") == search_key("كلب")
    frame = check_predictions(
        pd.DataFrame(
            {
                "language": "fr",
                "premise": ["Un café (fermé).", "Un thé."],
                "hypothesis": "Oui.",
                "prediction": "neutral",
            }
        )
    )
    for text in ("CAFE", "(ferme", "cafe\u0301 un"):
        assert fitting(frame, Filters(text=text))["premise"].to_list() == ["Un café (fermé)."]
    assert fitting(frame, Filters(text=".*")).empty


def test_rows_are_sorted_by_confidence_and_unknown_ones_come_last(preds):
    frame = check_predictions(preds.assign(p_neutral=preds["p_neutral"].mask(preds["item"] == "i1")))
    most, least = (sort_rows(frame, name)["confidence"].to_list() for name in ORDERS[1:])
    known = [value for value in most if value == value]
    assert known == sorted(known, reverse=True)
    assert most[: len(known)] == known
    assert least[: len(known)] == sorted(known)
    assert len(known) < len(most) == 30
    assert sort_rows(frame, "as given") is frame
    with pytest.raises(ValueError, match="'by luck'"):
        sort_rows(frame, "by luck")


def test_slices_are_those_of_the_columns_and_cover_the_frame(preds):
    frame = check_predictions(preds)
    found = slices_of(frame)
    assert list(found) == ["phenomenon: negation", "phenomenon: number"]
    assert (sum(found.values()) == 1).all()
    assert set(fitting(frame, Filters(slice="phenomenon: number"))["phenomenon"]) == {"number"}
