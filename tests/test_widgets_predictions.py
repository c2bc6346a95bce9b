"""The browser of predictions shows what the frame says, and a note is saved as it is typed."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

import re

import ipywidgets
from widgets_toys import FakeModel, Tags, all_controls, make_preds, words

import xlmkit as xk
from xlmkit.pairs import LABELS
from xlmkit.widgets import browse_predictions
from xlmkit.widgets.filters import check_predictions
from xlmkit.widgets.notes import Notes
from xlmkit.widgets.predictions import PAGE, PredictionBrowser, cell_labels, confusion_matrix, labels_of


@pytest.fixture
def preds():
    return make_preds()


@pytest.fixture(scope="module")
def items():
    pairs = xk.read_pairs("workshop", languages=["ar", "en"])
    return pairs[pairs["item"].isin(pairs["item"].unique()[:2])].reset_index(drop=True)


def test_the_matrix_counts_each_row_with_gold_once_in_its_cell(preds):
    frame = check_predictions(preds)
    labels = labels_of(frame)
    assert labels == list(LABELS)
    buttons = Tags(confusion_matrix(frame, labels)).of("button")
    counts = {tag["data-xk"]: int(re.search(r": (\d+) rows?", tag["aria-label"])[1]) for tag in buttons}
    for first, gold in enumerate(LABELS):
        for second, label in enumerate(LABELS):
            expected = ((frame["gold"] == gold) & (frame["prediction"] == label)).sum()
            assert counts[f"{first}:{second}"] == expected
        assert counts[f"{first}:all"] == (frame["gold"] == gold).sum()
        assert counts[f"all:{first}"] == (frame["gold"].notna() & (frame["prediction"] == gold)).sum()
    assert counts["all:all"] == 25
    names = {tag["aria-label"] for tag in buttons}
    assert "gold entailment, predicted neutral: 2 rows, 20 % of this gold label" in names


def test_every_cell_of_the_matrix_is_a_button_for_its_labels(preds):
    frame, labels = check_predictions(preds), list(LABELS)
    buttons = Tags(confusion_matrix(frame, labels, chosen=("neutral", ""))).of("button")
    cells = {cell_labels(tag["data-xk"], labels) for tag in buttons}
    assert cells == {(gold, label) for gold in (*LABELS, "") for label in (*LABELS, "")}
    pressed = [cell_labels(tag["data-xk"], labels) for tag in buttons if tag["aria-pressed"] == "true"]
    assert pressed == [("neutral", "")]
    for value in ("9:0", "0", "<b>:0", ""):
        with pytest.raises(ValueError, match="GOLD:PREDICTION"):
            cell_labels(value, labels)


def test_a_matrix_without_rows_says_no_shares(preds):
    text = confusion_matrix(check_predictions(preds)[:0], list(LABELS))
    assert "%" not in words(text)
    assert "0 rows with a gold label" in words(text)


def test_errors_shows_what_is_wrong_first_and_a_cell_shows_its_rows(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    assert explorer.shown["pair_id"].to_list() == ["i0-ar", "i1-hi", "i2-th", "i3-zh", "i4-en"]
    assert "5 of 30 rows" in words(explorer.place.html)
    for tag in Tags(explorer.matrix.html).of("button"):
        explorer.matrix.choose(str(tag["data-xk"]))
        assert explorer.wait(60)
        if cell_labels(str(tag["data-xk"]), list(LABELS)) == ("", ""):
            continue  # all rows, also those without gold
        gold, label = cell_labels(str(tag["data-xk"]), list(LABELS))
        own = explorer.shown
        assert f": {len(own[own['gold'].notna()])} row" in str(tag["aria-label"])
        assert not gold or (own["gold"] == gold).all()
        assert not label or (own["prediction"] == label).all()
        explorer.reset.click()
        assert explorer.wait(60)
        assert len(explorer.shown) == 30


def test_a_pressed_cell_lets_all_rows_pass_again(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    explorer.matrix.choose("0:1")
    assert explorer.wait(60)
    assert (explorer.filters["gold"].value, explorer.filters["prediction"].value) == ("entailment", "neutral")
    explorer.matrix.choose("0:1")
    assert explorer.wait(60)
    assert (explorer.filters["gold"].index, explorer.filters["prediction"].index) == (0, 0)  # any
    assert len(explorer.shown) == 30


def test_no_cell_is_pressed_while_only_what_is_wrong_is_shown(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    assert explorer.filters["outcome"].value == "wrong"
    assert 'aria-pressed="true"' not in explorer.matrix.html
    explorer.filters["outcome"].value = "all"
    assert explorer.wait(60)
    pressed = [tag for tag in Tags(explorer.matrix.html).of("button") if tag["aria-pressed"] == "true"]
    assert [tag["data-xk"] for tag in pressed] == ["all:all"]


def test_every_list_says_what_is_chosen_also_when_all_filters_are_taken_away(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    lists = [part for part in all_controls(explorer.widget) if isinstance(part, ipywidgets.Dropdown)]
    assert len(lists) > 5
    assert all(part.index is not None for part in lists)
    explorer.matrix.choose("0:1")
    explorer.matrix.choose("0:1")
    explorer.reset.click()
    assert explorer.wait(60)
    assert all(part.index is not None for part in lists)
    assert len(explorer.shown) == len(preds)


def test_pages_hold_every_row_once(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    explorer.reset.click()
    seen = []
    for _ in range(99):
        assert explorer.wait(60)
        seen += [int(str(tag["data-xk"])) for tag in Tags(explorer.items.html).of("button")]
        if explorer.next.disabled:
            break
        explorer.next.click()
    assert seen == list(range(30))
    assert len(Tags(explorer.items.html).of("button")) == 30 % PAGE
    explorer.filters["language"].value = "ar"  # a filter begins at the first page
    assert explorer.wait(60)
    assert "6 of 30 rows, page 1 of 1" in words(explorer.place.html)
    explorer.filters["text"].value = "nothing like it"
    assert explorer.wait(60)
    assert "No rows fit" in words(explorer.items.html)


def test_a_note_is_saved_as_it_is_typed_shown_and_found_again(preds, tmp_path):
    path = tmp_path / "n.jsonl"
    explorer = PredictionBrowser(preds, Notes(path))
    explorer.items.choose("0")
    for end in range(1, 6):
        explorer.comment.value = "खबर!"[:end]
        assert Notes(path).of(preds.iloc[0].to_dict()) == ("", "खबर!"[:end])
    explorer.tag.value = "negation"
    assert "negation खबर!" in words(explorer.items.html)
    saved = path.stat().st_mtime_ns
    explorer.items.choose("6")
    assert (explorer.tag.value, explorer.comment.value) == ("", "")
    explorer.items.choose("0")
    assert (explorer.tag.value, explorer.comment.value) == ("negation", "खबर!")
    assert path.stat().st_mtime_ns == saved, "opening an item writes nothing"
    again = browse_predictions(preds, notes=path)
    assert [name for name, _ in again.filters["noted"].options] == [
        "any",
        "with a note",
        "without a note",
        "tag: negation",
    ]
    again.filters["noted"].value = "tag: negation"
    assert again.wait(60)
    assert again.shown["pair_id"].to_list() == ["i0-ar"]
    again.reset.click()
    again.filters["noted"].value = "without a note"
    assert again.wait(60)
    assert len(again.shown) == 29
    again.open(0)
    assert (again.tag.value, again.comment.value) == ("negation", "खबर!")


def test_one_note_is_no_notes(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    for row, said in ((0, "(1 note)"), (1, "(2 notes)")):
        explorer.open(row)
        explorer.comment.value = "seen"
        assert said in words(explorer.saved.html)


def test_a_note_that_cannot_be_saved_is_said_and_stays_in_its_field(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "none" / "n.jsonl"))
    explorer.open(0)
    explorer.comment.value = "kept"
    assert "Not saved" in words(explorer.saved.html)
    assert explorer.comment.value == "kept"
    (tmp_path / "none").mkdir()
    explorer.comment.value = "kept now"
    assert "✓ Saved" in words(explorer.saved.html)


def test_an_open_item_shows_its_probabilities_and_why(preds, tmp_path):
    asked_of = FakeModel(preds)
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"), asked_of.explain)
    explorer.items.choose("0")
    assert explorer.wait(60)
    assert asked_of.explained == [
        (["i0-ar"], {"method": "integrated_gradients", "target": "neutral", "contrast": "entailment"})
    ]
    shown = words(explorer.detail.html)
    assert "▶ neutral 40 %" in shown
    assert "neutral rather than entailment" in shown
    bare = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    bare.open(0)
    assert bare.wait(60)
    assert "rather than" not in words(bare.detail.html)
    assert bare.method not in all_controls(bare.widget)


def test_the_picture_is_the_present_state(preds, tmp_path):
    explorer = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"))
    explorer.filters["language"].value = "th"
    explorer.filters["outcome"].value = "all"
    assert explorer.wait(60)
    picture = words(explorer.html)
    assert "language: th" in picture
    assert "6 of 30 rows" in picture
    assert "i3-th" in picture
    assert "i3-zh" not in picture
    assert not Tags(explorer.html).of("button")


def test_errors_explains_with_the_model_that_it_is_given(nli, items, tmp_path):
    preds = xk.predict(nli, items, progress=False)
    explorer = browse_predictions(preds, nli, tmp_path / "n.jsonl")
    row = int(explorer.shown.index[0])
    explorer.open(row)
    assert explorer.wait(120)
    assert "alert" not in explorer.status.html
    assert f"{preds['prediction'][row]} rather than {preds['gold'][row]}" in words(explorer.detail.html)
