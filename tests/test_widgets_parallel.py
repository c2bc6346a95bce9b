"""One item in all its languages: what is shown is what the model says, and items are parallel."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

import html
import re
from functools import partial

import pandas as pd
from widgets_toys import PATIENCE, TEXTS, FakeModel, Tags, explanation, make_preds, words

import xlmkit as xk
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import with_english
from xlmkit.widgets import parallel
from xlmkit.widgets.filters import check_predictions
from xlmkit.widgets.parallel import ORDERS, Parallel, order_rows, summary, translations_table, view_rows


@pytest.fixture
def preds():
    return make_preds()


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    pairs = xk.read_pairs("workshop", languages=["ar", "hi", "th", "zh", "en"])
    return pairs[pairs["item"].isin(pairs["item"].unique()[:2])].reset_index(drop=True)


def test_translations_are_ordered_as_asked(preds):
    rows = check_predictions(preds)
    own = rows[rows["item"] == "i1"]  # wrong in Hindi alone
    names = ["ar", "zh", "en", "hi", "th"]  # Arabic, Chinese, English, Hindi, Thai
    sure = ["ar", "hi", "th", "zh", "en"]
    expected = [names, sure[::-1], sure, ["hi", "ar", "zh", "en", "th"], ["hi", "ar", "zh", "en", "th"]]
    for order, codes in zip(ORDERS, expected, strict=True):
        assert order_rows(own, order)["language"].to_list() == codes, order
    with pytest.raises(ValueError, match="'sideways'"):
        order_rows(own, "sideways")


def test_translations_are_viewed_as_asked(preds):
    rows = check_predictions(preds)
    own = rows[rows["item"] == "i1"]
    assert view_rows(own, "all")["language"].to_list() == list(TEXTS)
    assert view_rows(own, "wrong")["language"].to_list() == ["hi"]
    assert view_rows(own, "not as in English")["language"].to_list() == ["hi"]
    assert len(view_rows(own, "right")) == 4
    assert view_rows(rows[rows["item"] == "i5"], "wrong").empty


def test_the_summary_counts_by_hand(preds):
    rows = check_predictions(preds)
    text = summary(rows[rows["item"] == "i1"])
    assert "Gold: neutral. Right in 4 of 5 languages." in text
    assert "Predicted: neutral 4, contradiction 1." in text
    assert "As in English (neutral): 3 of 4 others." in text
    assert "probability of 60 %" in text  # 4 * 3 of 5 * 4 ordered pairs
    assert "Gold" not in summary(rows[rows["item"] == "i5"])


def test_the_rows_of_a_table_share_one_scale(preds):
    rows = check_predictions(preds)
    own = rows[rows["item"] == "i1"]
    found = {row["pair_id"]: explanation(row) for row in own.to_dict("records")}
    most = max(one.word_scores.max() for one in found.values())
    text = translations_table(own, found)
    assert f"+{most:.2f}" in words(text)
    assert text.count('class="xk-w xk-p8"') == sum(
        (one.word_scores >= most * 7.5 / 8).sum() for one in found.values()
    )
    assert "for the predicted label" not in words(translations_table(own))


def test_what_colours_mean_and_which_sentence_is_which_is_said_above_the_rows(preds):
    rows = check_predictions(preds)
    own = rows[rows["item"] == "i1"]
    shown = words(
        translations_table(own, {row["pair_id"]: explanation(row) for row in own.to_dict("records")})
    )
    assert shown.index("for the predicted label") < shown.index("one scale for all rows")
    assert (
        shown.index("one scale for all rows") < shown.index("premise and hypothesis") < shown.index("Arabic")
    )


def test_an_item_is_predicted_once_and_its_rows_show_what_was_said(preds):
    asked_of = FakeModel(preds)
    explorer = Parallel(preds.drop(columns="prediction"), asked_of.predict, asked_of.explain, item="i1")
    assert asked_of.predicted == [[f"i1-{code}" for code in TEXTS]]
    rows = words(explorer.rows.html)
    for code in TEXTS:
        assert LANGUAGES[code].name in rows
    assert "Hindi contradiction 50 % ✗ wrong , gold: neutral" in rows
    explorer.order.value, explorer.view.value = "wrong first", "wrong"
    assert words(explorer.rows.html).count("English original") == 1
    assert Tags(explorer.rows.html).of("button")[0]["data-xk"] == "i1-hi"
    assert len(asked_of.predicted) == 1
    explorer.next.click()
    assert explorer.wait(60)
    assert explorer.item.value == "i2"
    explorer.back.click()
    assert explorer.wait(60)
    assert asked_of.predicted == [[f"{item}-{code}" for code in TEXTS] for item in ("i1", "i2")]


def test_a_row_that_is_opened_is_explained_against_gold_where_it_is_wrong(preds):
    asked_of = FakeModel(preds)
    explorer = Parallel(
        preds.drop(columns="prediction"), asked_of.predict, asked_of.explain, item="i1", method="none"
    )
    assert not asked_of.explained
    for pair_id in ("i1-hi", "i1-en"):
        explorer.rows.choose(pair_id)
        assert explorer.wait(60)
    method = {"method": "integrated_gradients"}
    assert asked_of.explained == [
        (["i1-hi"], method | {"target": "contradiction", "contrast": "neutral"}),
        (["i1-en"], method | {"target": "neutral"}),
    ]
    assert "by integrated gradients" in words(explorer.rows.html)
    explorer.rows.choose("")  # Escape
    assert "by integrated gradients" not in words(explorer.rows.html)
    explorer.rows.choose("i1-en")
    explorer.rows.choose("i1-en")  # its button closes it again
    assert explorer.wait(60)
    assert "by integrated gradients" not in words(explorer.rows.html)


def test_what_the_page_sends_opens_its_row_whatever_an_id_holds(preds):
    asked_of = FakeModel(preds.assign(pair_id=preds["pair_id"] + '\u202e"god'))
    explorer = Parallel(asked_of.preds, asked_of.predict, asked_of.explain, item="i1", method="none")
    value = html.unescape(re.findall(r'data-xk="([^"]*)"', explorer.rows.html)[0])
    explorer.rows.choose(value)
    assert explorer.wait(60)
    assert "by integrated gradients" in words(explorer.rows.html)
    assert len(asked_of.explained) == 1


def test_what_goes_wrong_is_said_in_place_and_the_next_question_is_answered(preds):
    asked_of = FakeModel(preds)

    def explain(pairs, **options):
        if options["method"] == "lime":
            raise ValueError("expected <fewer> words")
        return asked_of.explain(pairs, **options)

    explorer = Parallel(preds.drop(columns="prediction"), asked_of.predict, explain, item="i1")
    explorer.colours.value = "lime"
    assert explorer.wait(60)
    assert "expected <fewer> words" in words(explorer.status.html)
    explorer.colours.value = "occlusion"
    assert explorer.wait(60)
    assert words(explorer.status.html) == ""
    assert "by occlusion" in words(explorer.rows.html)


def test_a_search_narrows_the_items_in_any_language(preds):
    asked_of = FakeModel(preds)
    explorer = Parallel(preds.drop(columns="prediction"), asked_of.predict, asked_of.explain)
    explorer.search.value = "หมานอน 4"
    assert [value for _, value in explorer.item.options] == ["i4"]
    assert explorer.wait(60)
    assert "i4" in words(explorer.summary.html)
    explorer.search.value = "no such word"
    assert "No item" in words(explorer.status.html)
    assert explorer.item.value == "i4"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="item"), "`item`"),
        (lambda frame: pd.concat([frame, frame.assign(pair_id=frame["pair_id"] + "x")]), "more than once"),
    ],
)
def test_items_that_are_not_parallel_are_refused(preds, change, message):
    asked_of = FakeModel(preds)
    with pytest.raises(ValueError, match=message):
        Parallel(change(preds.drop(columns="prediction")), asked_of.predict, asked_of.explain)
    with pytest.raises(ValueError, match="'i99'"):
        Parallel(preds, asked_of.predict, asked_of.explain, item="i99")
    with pytest.raises(ValueError, match="'magic'"):
        Parallel(preds, asked_of.predict, asked_of.explain, method="magic")


def test_parallel_shows_what_predict_and_explain_say(nli, items):
    explorer = parallel(nli, items, item=items["item"].iloc[-1])
    own = items[items["item"] == items["item"].iloc[-1]]
    preds = xk.predict(nli, own, progress=False).set_index("language")
    shown = words(explorer.rows.html)
    for code, row in preds.iterrows():
        assert (
            f"{LANGUAGES[code].name} {row['prediction']} {100 * row['p_' + row['prediction']]:.0f} %" in shown
        )
    assert "by input × gradient" in shown
    assert words(explorer.status.html) == ""
    for text in own["english_hypothesis"].unique():
        assert text in shown


def test_work_that_is_no_longer_wanted_ends_at_the_models_next_pass(nli, items):
    """While the first row is explained another one is opened: the first ends, and only the second is shown."""
    first, second = items["pair_id"][:2]
    started, done = [], []

    def explain(rows, **options):
        started.append(rows["pair_id"].iloc[0])
        if started == [first]:
            explorer.open(second)
        found = xk.explain(nli, rows, progress=False, **options)
        done.append(rows["pair_id"].iloc[0])
        return found

    predict = partial(xk.predict, nli, progress=False)
    explorer = Parallel(with_english(items), predict, explain, method="none")
    explorer.open(first)
    assert explorer.wait(2 * PATIENCE)
    assert (started, done) == ([first, second], [second])
    assert f"pair {second}" in words(explorer.rows.html)
    assert f"pair {first}" not in words(explorer.rows.html)
