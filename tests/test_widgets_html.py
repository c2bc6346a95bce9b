"""HTML tells every number and keeps hostile text as text, each text in its language and direction."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

import dataclasses
import re

import pandas as pd
from widgets_toys import HOSTILE, Tags, explanation, is_harmless, make_preds, words

from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS
from xlmkit.widgets.embedding_map import scatter
from xlmkit.widgets.filters import check_predictions
from xlmkit.widgets.html import bars, in_words, item, percent, without_buttons, word_buttons
from xlmkit.widgets.parallel import translations_table
from xlmkit.widgets.predictions import confusion_matrix


@pytest.fixture
def preds():
    return make_preds()


def test_bars_say_every_number_and_the_change_in_points():
    html = bars({"neutral": 0.7, "entailment": 0.3}, {"neutral": 0.4, "entailment": 0.6}, gold="entailment")
    for text in ("70 %", "30 %", "+30 points", "−30 points", "▶ neutral", "entailment (gold)"):
        assert text in html
    assert in_words({"neutral": 0.7, "entailment": 0.3}, {"neutral": 0.4, "entailment": 0.6}) == (
        "neutral, 70 %; before: entailment, 60 %"
    )
    assert (percent(0.9999), percent(0.5), percent(0.0001)) == ("100.0 %", "50 %", "0.0 %")


def pair(premise="a", language="en"):
    """An explanation of a premise of one word, and of the hypothesis "b"."""
    row = {"pair_id": "1", "premise": premise, "hypothesis": "b", "language": language}
    return explanation(row, "occlusion")


def word_attributes(html):
    return [attributes for _, attributes in Tags(html).found if "data-xk" in attributes]


def test_the_label_of_a_word_is_the_text_as_written_and_not_as_the_model_has_it():
    answer = pair("نائم", "ar")
    first = dataclasses.replace(answer.words[0], text="نايم")
    html = word_buttons(dataclasses.replace(answer, words=(first, *answer.words[1:])))
    assert word_attributes(html)[0]["aria-label"].startswith("نائم, ")


def test_every_word_is_a_button_that_tells_its_score_and_none_in_a_picture():
    html = word_buttons(pair(), masked=[0], chosen=1)
    buttons = word_attributes(html)
    assert [button["data-xk"] for button in buttons] == ["word:0", "word:1"]
    assert [button["aria-label"] for button in buttons] == ["a, +1.00, masked", "b, +2.00"]
    assert [button["aria-pressed"] for button in buttons] == ["false", "true"]
    assert "data-masked" in buttons[0]
    assert not word_attributes(without_buttons(html))
    assert "data-masked" in without_buttons(html)


def test_hostile_text_stays_text_in_every_part():
    html = word_buttons(pair(HOSTILE.replace(" ", ""), "ar")) + bars({HOSTILE: 1.0})
    assert is_harmless(html)
    assert {tag["dir"] for tag in Tags(html).of("p")} == {"rtl"}


def test_every_text_has_its_language_and_direction_and_its_original(preds):
    for row in check_predictions(preds).to_dict("records"):
        tags = Tags(item(row))
        paragraphs = [tag for tag in tags.of("p") if tag.get("class") == "xk-text"]
        code = row["language"]
        assert [(tag["lang"], tag["dir"]) for tag in paragraphs] == [(code, LANGUAGES[code].direction)] * 2
        assert ("English original" in words(item(row))) == (code != "en")


def test_right_and_wrong_are_said_in_words(preds):
    rows = check_predictions(preds)
    wrong = item(rows[rows["pair_id"] == "i0-ar"].iloc[0].to_dict())
    assert "✗ wrong , gold: entailment" in words(wrong)
    assert "✓ right" in words(item(rows[rows["pair_id"] == "i0-en"].iloc[0].to_dict()))
    unknown = words(item(rows[rows["pair_id"] == "i5-en"].iloc[0].to_dict()))
    assert "right" not in unknown
    assert "wrong" not in unknown


def test_a_picture_has_no_buttons_and_keeps_its_words(preds):
    frame = check_predictions(preds)
    rows = frame[frame["item"] == "i1"]
    own = "".join(item(row, value="3") for row in rows.to_dict("records"))
    live = confusion_matrix(frame, list(LABELS)) + translations_table(rows, opened="i1-ar") + own
    drawn = without_buttons(live)
    assert "<button" in live
    assert not Tags(drawn).of("button")
    assert not re.search('data-xk|aria-pressed|role="button"', drawn)
    assert words(drawn) == words(live).replace(" open", "")
    points = pd.DataFrame({"x": [1.0], "y": 1.0, "group": "a", "text": "t"})
    still = without_buttons(scatter(points, axes=("x", "y"), name="kept"))
    assert 'aria-label="kept"' in still
    assert "data-xk" not in still
