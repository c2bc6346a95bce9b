"""What holds for all explorers: hostile text, names of controls, explanations on their way, snapshots."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

import threading

import ipywidgets
import numpy as np
import pandas as pd
from widgets_toys import HOSTILE, PATIENCE, FakeModel, all_controls, is_harmless, make_preds, words

import xlmkit as xk
from xlmkit.render import BIDI_CONTROLS
from xlmkit.widgets import browse_predictions, embedding_map, explore, live, parallel
from xlmkit.widgets.controls import Clickable, TextField
from xlmkit.widgets.embedding_map import EmbeddingMap
from xlmkit.widgets.filters import check_predictions
from xlmkit.widgets.notes import Notes
from xlmkit.widgets.parallel import Parallel
from xlmkit.widgets.predictions import PredictionBrowser


@pytest.fixture
def preds():
    return make_preds()


@pytest.fixture
def hostile(preds) -> pd.DataFrame:
    """The same with a text, an id, a phenomenon and a label that would run if they could."""
    texts = [
        HOSTILE if code in ("ar", "en") else text
        for code, text in zip(preds["language"], preds["premise"], strict=True)
    ]
    return preds.assign(
        premise=texts, item=preds["item"] + HOSTILE, pair_id=preds["pair_id"] + HOSTILE, phenomenon=HOSTILE
    )


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    pairs = xk.read_pairs("workshop", languages=["ar", "hi", "th", "zh", "en"])
    return pairs[pairs["item"].isin(pairs["item"].unique()[:2])].reset_index(drop=True)


def three_explorers(preds, folder):
    """One of each that shows tables, on a fake model."""
    model = FakeModel(preds)
    return (
        Parallel(preds.drop(columns="prediction"), model.predict, model.explain),
        PredictionBrowser(preds, Notes(folder / "n.jsonl"), model.explain),
        EmbeddingMap(check_predictions(preds), None, lambda rows, **_: np.eye(len(rows)), n_layers=2),
    )


def test_no_text_of_the_data_runs_or_reorders(hostile, tmp_path):
    one, sift, places = three_explorers(hostile, tmp_path)
    one.open(hostile["pair_id"][0])
    sift.filters["text"].value = "evil"
    sift.open(0)
    sift.tag.value, sift.comment.value = HOSTILE, HOSTILE
    places.open(0)
    for explorer in (one, sift, places):
        assert explorer.wait(60)
        shown = [part.html for part in all_controls(explorer.widget) if isinstance(part, Clickable)]
        assert all(map(is_harmless, shown)), explorer.name
        lists = [
            part.options for part in all_controls(explorer.widget) if isinstance(part, ipywidgets.Dropdown)
        ]
        offered = "".join(
            str(entry[0] if isinstance(entry, tuple) else entry) for own in lists for entry in own
        )
        assert not BIDI_CONTROLS & set(offered), explorer.name
        assert is_harmless(explorer.html)
        assert "alert(1)" in words(explorer.html)


def test_every_control_has_a_name(preds, nli, tmp_path):
    for explorer in (*three_explorers(preds, tmp_path), explore(nli, pairs=preds)):
        found = all_controls(explorer.widget)
        assert len(found) > 10
        for control in found:
            if isinstance(control, Clickable | TextField):
                assert control.label
            elif hasattr(control, "description") and not isinstance(control, ipywidgets.HTML):
                assert control.description


class Held:
    """`explain` that waits until it is let go, and then says what it found or fails."""

    def __init__(self, asked_of: FakeModel, problem: str = "") -> None:
        self.asked_of, self.problem, self.free = asked_of, problem, threading.Event()

    def __call__(self, pairs, **options):
        assert self.free.wait(60)
        if self.problem:
            raise ValueError(self.problem)
        return self.asked_of.explain(pairs, **options)


@pytest.mark.parametrize("problem", ["", "expected <fewer> words"])
def test_where_an_explanation_will_stand_it_is_said_that_it_is_coming_and_what_went_wrong(
    preds, tmp_path, problem
):
    asked_of = FakeModel(preds)
    held = Held(asked_of, problem)
    one = Parallel(preds.drop(columns="prediction"), asked_of.predict, held, item="i1", method="none")
    sift = PredictionBrowser(preds, Notes(tmp_path / "n.jsonl"), held)
    one.open("i1-hi")
    sift.open(0)
    for part in (one.rows, sift.detail):
        assert "Computing the explanation" in words(part.html)
    held.free.set()
    for explorer, part in ((one, one.rows), (sift, sift.detail)):
        assert explorer.wait(60)
        assert "Computing the explanation" not in words(part.html)
        assert (problem or "by integrated gradients") in words(part.html)
        explorer.open(None)
        assert (problem or "by integrated gradients") not in words(part.html)


def test_a_model_of_single_texts_has_the_same_explorers(topics, tmp_path):
    texts = pd.DataFrame(
        {
            "item": [f"t{number // 2}" for number in range(8)],
            "language": ["en", "ur"] * 4,
            "text": [f"{word} {number}" for number, word in enumerate(["the dog", "کتا"] * 4)],
            "gold": "travel",
        }
    )
    one = parallel(topics, texts)
    assert "the dog 0" in words(one.rows.html)
    assert words(one.status.html) == ""
    sift = browse_predictions(xk.predict(topics, texts, progress=False), topics, tmp_path / "n.jsonl")
    sift.reset.click()
    sift.open(1)
    assert sift.wait(120)
    assert "alert" not in sift.status.html
    assert "the dog 0" in words(sift.detail.html), "its English original"
    assert embedding_map(topics, texts).map.html.count("<title>") == 8


def test_pairs_of_two_languages_say_both(nli, items, tmp_path):
    own = items[items["language"].isin(["en", "ar"])]
    mixed = own.rename(columns={"language": "premise_language"}).assign(hypothesis_language="en")
    mixed["hypothesis"] = mixed["english_hypothesis"]
    one = parallel(nli, mixed)
    assert "Arabic and English" in words(one.rows.html)
    sift = browse_predictions(xk.predict(nli, mixed, progress=False), nli, tmp_path / "n.jsonl")
    sift.filters["language"].value = "ar"
    sift.filters["outcome"].value = "all"
    assert sift.wait(120)
    assert len(sift.shown) == 2
    assert ">ar+en</text>" in embedding_map(nli, mixed).map.html


def test_the_picture_in_the_notebook_follows_what_is_done(preds, tmp_path, monkeypatch):
    written = {}

    class Output:
        def update(self, shown):
            written[id(self)] = shown.data

    outputs = []

    def display(*_, display_id=False, **__):
        if display_id:
            outputs.append(Output())
            return outputs[-1]

    monkeypatch.setattr(live, "display", display)
    explorers = three_explorers(preds, tmp_path)
    for explorer in explorers:
        explorer._ipython_display_()
    one, browser, places = explorers
    one.view.value = "right"
    browser.open(0)
    browser.comment.value = "seen"
    places.open(7)
    for explorer, output in zip(explorers, outputs, strict=True):
        assert explorer.wait(PATIENCE)
        assert written[id(output)] == explorer.html
    assert "seen" in words(written[id(outputs[1])])
