"""The map shows every point once, by more than colour, and distances mean the same in all directions."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

import dataclasses
import re

import numpy as np
import pandas as pd
from widgets_toys import Tags, make_preds, words

import xlmkit as xk
from xlmkit.languages import LANGUAGES
from xlmkit.widgets import embedding_map
from xlmkit.widgets.embedding_map import (
    LANGUAGE_TABLE,
    PALETTE,
    SHAPES,
    EmbeddingMap,
    describe_points,
    ink,
    key,
    scatter,
)
from xlmkit.widgets.filters import check_predictions


@pytest.fixture
def preds():
    return make_preds()


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    pairs = xk.read_pairs("workshop", languages=["ar", "hi", "th", "zh", "en"])
    return pairs[pairs["item"].isin(pairs["item"].unique()[:2])].reset_index(drop=True)


def test_a_point_has_a_mark_a_text_and_a_shape_of_its_group():
    points = pd.DataFrame(
        {
            "x": [0.0, 1, 2, np.nan],
            "y": [0.0, 1, 0, 0],
            "group": ["a", "b", "a", "a"],
            "text": ["p", "q", "r", "s"],
        }
    )
    drawn = scatter(points, axes=("x", "y"), name="three points")
    tags = Tags(drawn)
    groups = [tag for tag in tags.of("g") if "xk-point" in str(tag["class"])]
    assert [tag["data-xk"] for tag in groups] == ["0", "1", "2"]
    shapes = [tag["d"] for tag in tags.of("path")]
    assert shapes == [SHAPES[0], SHAPES[1], SHAPES[0]]
    assert re.findall("<title>(.)</title>", drawn) == ["p", "q", "r"]
    assert "a (3)" in words(key(points))


def test_more_groups_than_shapes_are_numbered_and_not_told_by_colour_alone():
    many = [f"group {letter}" for letter in "abcdefghij"]
    points = pd.DataFrame({"x": range(10), "y": range(10), "group": many, "text": ""})
    written = re.findall(r'dy="4">(\d+)</text>', scatter(points, axes=("x", "y"), name="n"))
    assert written == [str(number) for number in range(1, 11)]
    assert words(key(points)).startswith("1 group a (1) 2 group b (1)")


def test_letters_on_the_map_stand_out_from_a_light_page_and_from_a_dark_one():
    """Contrast as in WCAG 2.2, 1.4.3, of each colour as it is mixed with the text's."""
    themes = {"light": ((0x21, 0x21, 0x21), (255, 255, 255)), "dark": ((222, 222, 222), (0x11, 0x11, 0x11))}

    def luminance(colour):
        shares = [share / 255 for share in colour]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in PALETTE:
        found = re.fullmatch(r"color-mix\(in srgb,(#\w{6}) (\d+)%,currentColor\)", ink(colour))
        share, pure = int(found[2]) / 100, [int(found[1][place : place + 2], 16) for place in (1, 3, 5)]
        for theme, (text, page) in themes.items():
            mixed = [share * own + (1 - share) * other for own, other in zip(pure, text, strict=True)]
            low, high = sorted((luminance(mixed), luminance(page)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (colour, theme)


def test_a_distance_on_the_map_means_the_same_in_every_direction():
    points = pd.DataFrame({"x": [0.0, 4, 0], "y": [0.0, 0, 1], "group": "a", "text": ""})
    places = re.findall(r"translate\(([\d.]+) ([\d.]+)\)", scatter(points, axes=("x", "y"), name="n"))
    origin, right, up = np.array(places[:3], dtype=float)
    assert np.hypot(*(right - origin)) == pytest.approx(4 * np.hypot(*(up - origin)), rel=0.01)
    assert up[1] < origin[1]


@pytest.mark.parametrize("points", [0, 1])
def test_a_map_of_no_or_one_point_can_be_drawn(points):
    frame = pd.DataFrame({"x": [1.0], "y": [1.0], "group": "a", "text": "t"})[:points]
    assert scatter(frame, axes=("x", "y"), name="n").count("<title>") == points


def test_a_map_rings_the_translations_of_a_chosen_point(preds):
    explorer = EmbeddingMap(check_predictions(preds), None, lambda rows, **_: np.eye(len(rows)), n_layers=2)
    assert explorer.map.html.count("<title>") == 30
    explorer.map.choose("7")
    assert explorer.item.value == "i1"
    assert explorer.map.html.count('class="xk-ring"') == 5
    assert explorer.map.html.count('class="xk-link"') == 5
    assert preds["premise"][7] in words(explorer.detail.html)
    explorer.colour.value = "right or wrong"
    assert "✓ right (20) ✗ wrong (5)" in words(explorer.map.html)
    assert "no gold label (5)" in words(explorer.map.html)


def test_vectors_are_asked_for_once_for_each_place_and_layer(preds):
    calls = []

    def vectors(rows, **options):
        assert "prediction" not in rows
        calls.append(options)
        return np.eye(len(rows))

    explorer = EmbeddingMap(check_predictions(preds), None, vectors, n_layers=2)
    explorer.centred.value = True
    assert explorer.wait(60)
    explorer.layer.value = 0
    assert explorer.wait(60)
    explorer.layer.value = 2
    assert explorer.wait(60)
    assert calls == [{"of": "pair", "layer": 2}, {"of": "pair", "layer": 0}]


def test_the_map_places_sentences_and_languages(nli, items):
    explorer = embedding_map(nli, items)
    assert explorer.map.html.count("<title>") == len(items)
    explorer.of.value = LANGUAGE_TABLE
    assert explorer.wait(60)
    assert explorer.map.html.count("<title>") == len(LANGUAGES)
    assert explorer.layer.disabled
    assert [name for name, _ in explorer.colour.options] == ["language", "script", "family"]
    alone = embedding_map(nli)
    assert alone.map.html.count("<title>") == len(LANGUAGES)
    assert words(alone.status.html) == ""


def test_a_model_without_a_head_has_a_map_without_predictions(nli, items):
    language_model = dataclasses.replace(nli, task="mlm", labels=())
    explorer = embedding_map(language_model, items)
    assert explorer.map.html.count("<title>") == len(items)
    assert ("prediction", "prediction") not in explorer.colour.options
    assert words(explorer.status.html) == ""


def test_a_column_of_the_data_that_is_called_script_changes_nothing(preds):
    rows = check_predictions(preds.assign(script="x", name="y")).to_dict("records")
    assert describe_points(rows, "script")["group"].to_list() == [
        LANGUAGES[row["language"]].script for row in rows
    ]
    assert all("The dog sleeps" in text for text in describe_points(rows, "script")["text"])


def test_of_too_many_rows_whole_items_are_sampled(nli, items):
    drawn = embedding_map(nli, items, n_points=7, seed=1)
    assert drawn.map.html.count("<title>") == 5
    assert embedding_map(nli, items, n_points=7, seed=1).map.html == drawn.map.html
    with pytest.raises(ValueError, match="three or more"):
        embedding_map(nli, items[:2])
