"""Explorers of tables show what the frames say, every text in its language, nothing by colour alone, and never run what a text holds."""

from __future__ import annotations

import dataclasses
import html
import re
import threading
from html.parser import HTMLParser

import ipywidgets
import numpy as np
import pandas as pd
import pytest

import xlmkit as xk
from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS
from xlmkit.render import BIDI_CONTROLS
from xlmkit.widgets import embedding_map, errors, parallel
from xlmkit.widgets.choosing import ORDERS as ORDERS_OF_ROWS
from xlmkit.widgets.choosing import Choice, chosen, folded, parts, predictions, sorted_by, with_english
from xlmkit.widgets.controls import Clickable
from xlmkit.widgets.embedding_map import LANGUAGE_TABLE, EmbeddingMap
from xlmkit.widgets.errors import PAGE, Errors
from xlmkit.widgets.items import item
from xlmkit.widgets.matrix import asked, counted, labels_of, matrix
from xlmkit.widgets.notes import Notes
from xlmkit.widgets.panel import still
from xlmkit.widgets.parallel import Parallel
from xlmkit.widgets.points import described
from xlmkit.widgets.scatter import PALETTE, SHAPES, inked, key, scatter
from xlmkit.widgets.translations import ORDERS, ordered, summary, table, viewed

HOSTILE = '</title></p><script>alert(1)</script>"><img src=x onerror=alert(1)>\u202eevil\u202c'
TEXTS = {"ar": "الكلب نائم", "hi": "कुत्ता सो रहा है", "th": "หมานอน", "zh": "狗在睡觉", "en": "The dog sleeps"}


@pytest.fixture
def preds() -> pd.DataFrame:
    """Six items in five languages, labels and confidences such that each filter has something to do."""
    rows = []
    for number in range(6):
        for place, (code, text) in enumerate(TEXTS.items()):
            gold, label = LABELS[number % 3], LABELS[(number + (place == number)) % 3]
            sure = 0.4 + 0.1 * place
            shares = {f"p_{name}": sure if name == label else (1 - sure) / 2 for name in LABELS}
            rows.append(
                {
                    "pair_id": f"i{number}-{code}",
                    "item": f"i{number}",
                    "language": code,
                    "premise": f"{text} {number}",
                    "hypothesis": f"{text}.",
                    "gold": gold if number < 5 else None,
                    "phenomenon": ("negation", "number")[number % 2],
                    "prediction": label,
                    **shares,
                }
            )
    return pd.DataFrame(rows)


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


class Tags(HTMLParser):
    """The elements of a fragment, and whether they close in order."""

    VOID = frozenset(("img", "br", "hr", "input", "meta", "link", "path", "rect", "circle"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open, f"closes {tag}, which is not open"
            assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def is_harmless(text: str) -> bool:
    tags = Tags(text)
    names = {tag for tag, _ in tags.found}
    handlers = [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    return not names & {"script", "img", "iframe", "a"} and not handlers and not BIDI_CONTROLS & set(text)


def words(text: str) -> str:
    """What a reader sees of a fragment, on one line."""
    bare = re.sub(r"<(style|title)>.*?</\1>", "", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def explanation(row: dict, method: str = "saliency", **options) -> Explanation:
    """Every word of both sentences has its number as score."""
    found = [
        ExplainedWord(match.group(), side, match.start(), match.end())
        for side, name in enumerate(("premise", "hypothesis"))
        for match in re.finditer(r"\S+", row[name])
    ]
    tokens = tuple(
        ExplainedToken(word.text, place, word.sentence, word.start, word.end)
        for place, word in enumerate(found)
    )
    return Explanation(
        pair_id=row["pair_id"],
        premise=row["premise"],
        hypothesis=row["hypothesis"],
        premise_language=row["language"],
        hypothesis_language=row["language"],
        label="neutral",
        probability=0.5,
        target=options.get("target", "neutral"),
        contrast=options.get("contrast"),
        tokens=tokens,
        words=tuple(found),
        scores=np.arange(1.0, len(found) + 1),
        method=method,
        output=1.0,
    )


class Asked:
    """Functions that answer from a frame, and remember what they were asked."""

    def __init__(self, preds: pd.DataFrame) -> None:
        self.preds, self.predicted, self.explained = preds, [], []

    def predict(self, pairs):
        self.predicted.append(pairs["pair_id"].to_list())
        return self.preds[self.preds["pair_id"].isin(pairs["pair_id"])]

    def explain(self, pairs, **options):
        assert "prediction" not in pairs, "a prediction is no gold label"
        self.explained.append((pairs["pair_id"].to_list(), options))
        return [explanation(row, **options) for row in pairs.to_dict("records")]


def controls(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    inner = [one for child in getattr(widget, "children", ()) for one in controls(child)]
    return [widget, *inner]


# Choosing


def test_predictions_keep_their_labels_apart_from_gold(preds):
    bare = preds.drop(columns=[name for name in preds if name.startswith("p_") or name == "gold"])
    frame = predictions(bare)
    assert frame["prediction"].to_list() == preds["prediction"].to_list()
    assert "gold" not in frame
    assert "correct" not in frame
    assert frame["confidence"].isna().all()


def test_confidence_is_the_probability_of_the_rows_own_label(preds):
    frame = predictions(preds)
    assert frame["confidence"].to_list() == pytest.approx([0.4 + 0.1 * (place % 5) for place in range(30)])


def test_a_row_without_gold_is_neither_right_nor_wrong(preds):
    frame = predictions(preds)
    right, wrong = (chosen(frame, Choice(outcome=name)) for name in ("right", "wrong"))
    assert len(right) + len(wrong) == 25
    assert len(wrong) == 5
    assert len(chosen(frame, Choice())) == 30


@pytest.mark.parametrize("given", [[1, 2], pd.DataFrame({"premise": ["a"]})])
def test_what_holds_no_predictions_is_refused_with_a_remedy(given):
    with pytest.raises((TypeError, ValueError), match="remedy: predict"):
        predictions(given)


def test_every_filter_leaves_exactly_the_rows_that_fit(preds):
    frame = predictions(preds)
    tests = {
        Choice(language="ar"): frame["language"] == "ar",
        Choice(gold="neutral"): frame["gold"] == "neutral",
        Choice(label="entailment"): frame["prediction"] == "entailment",
        Choice(confidence=(0.5, 0.6)): frame["confidence"].between(0.5, 0.6),
        Choice(text="dog 3"): frame["item"] == "i3",  # the English original counts in every language
        Choice(text="หมานอน"): frame["language"] == "th",
    }
    for choice, expected in tests.items():
        assert chosen(frame, choice).index.to_list() == frame.index[expected].to_list(), choice
        assert 0 < expected.sum() < len(frame)
    both = chosen(frame, Choice(language="ar", gold="neutral"))
    assert (
        both.index.to_list()
        == frame.index[(frame["language"] == "ar") & (frame["gold"] == "neutral")].to_list()
    )


def test_a_search_knows_no_patterns_case_marks_or_unicode_forms():
    assert folded("CAFÉ") == folded("cafe\u0301") == "cafe"
    assert folded("كَلْب") == folded("كلب")
    frame = predictions(
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
        assert chosen(frame, Choice(text=text))["premise"].to_list() == ["Un café (fermé)."]
    assert chosen(frame, Choice(text=".*")).empty


def test_rows_are_sorted_by_confidence_and_unknown_ones_come_last(preds):
    frame = predictions(preds.assign(p_neutral=preds["p_neutral"].mask(preds["item"] == "i1")))
    most, least = (sorted_by(frame, name)["confidence"].to_list() for name in ORDERS_OF_ROWS[1:])
    known = [value for value in most if value == value]
    assert known == sorted(known, reverse=True)
    assert most[: len(known)] == known
    assert least[: len(known)] == sorted(known)
    assert len(known) < len(most) == 30
    assert sorted_by(frame, "as given") is frame
    with pytest.raises(ValueError, match="'by luck'"):
        sorted_by(frame, "by luck")


def test_slices_are_those_of_the_columns_and_cover_the_frame(preds):
    frame = predictions(preds)
    found = parts(frame)
    assert list(found) == ["phenomenon: negation", "phenomenon: number"]
    assert (sum(found.values()) == 1).all()
    assert set(chosen(frame, Choice(), part=found["phenomenon: number"])["phenomenon"]) == {"number"}


def test_english_originals_come_from_the_items_english_row_unless_they_are_given(preds):
    frame = with_english(preds)
    arabic = frame[frame["language"] == "ar"]
    assert arabic["english_premise"].to_list() == [f"The dog sleeps {number}" for number in range(6)]
    given = with_english(preds.assign(english_premise=["mine", *[None] * 29]))
    assert given["english_premise"].to_list()[:2] == ["mine", "The dog sleeps 0"]
    alone = with_english(preds[preds["language"] == "ar"])
    assert alone["english_premise"].isna().all()


# HTML


def test_every_text_has_its_language_and_direction_and_its_original(preds):
    for row in predictions(preds).to_dict("records"):
        tags = Tags(item(row))
        paragraphs = [tag for tag in tags.of("p") if tag.get("class") == "xk-text"]
        code = row["language"]
        assert [(tag["lang"], tag["dir"]) for tag in paragraphs] == [(code, LANGUAGES[code].direction)] * 2
        assert ("English original" in words(item(row))) == (code != "en")


def test_right_and_wrong_are_said_in_words(preds):
    rows = predictions(preds)
    wrong = item(rows[rows["pair_id"] == "i0-ar"].iloc[0].to_dict())
    assert "✗ wrong , gold: entailment" in words(wrong)
    assert "✓ right" in words(item(rows[rows["pair_id"] == "i0-en"].iloc[0].to_dict()))
    unknown = words(item(rows[rows["pair_id"] == "i5-en"].iloc[0].to_dict()))
    assert "right" not in unknown
    assert "wrong" not in unknown


def test_the_matrix_counts_each_row_with_gold_once_in_its_cell(preds):
    frame = predictions(preds)
    labels = labels_of(frame)
    found = counted(frame, labels)
    assert found.to_numpy().sum() == 25
    for gold in LABELS:
        for label in LABELS:
            assert found.loc[gold, label] == ((frame["gold"] == gold) & (frame["prediction"] == label)).sum()
    said = {tag["aria-label"] for tag in Tags(matrix(found)).of("button")}
    assert "gold entailment, predicted neutral: 2 rows, 20 % of this gold label" in said
    assert "all rows: 25 rows" in said


def test_every_cell_of_the_matrix_is_a_button_that_says_what_it_asks_for(preds):
    labels = labels_of(predictions(preds))
    buttons = Tags(matrix(counted(predictions(preds), labels), chosen=("neutral", None))).of("button")
    found = {asked(str(tag["data-xk"]), labels) for tag in buttons}
    assert found == {(gold, label) for gold in (*LABELS, None) for label in (*LABELS, None)}
    pressed = [asked(str(tag["data-xk"]), labels) for tag in buttons if tag["aria-pressed"] == "true"]
    assert pressed == [("neutral", None)]
    for value in ("9:0", "0", "<b>:0", ""):
        with pytest.raises(ValueError, match="GOLD:PREDICTION"):
            asked(value, labels)


def test_a_matrix_without_rows_says_no_shares(preds):
    text = matrix(counted(predictions(preds)[:0], list(LABELS)))
    assert "%" not in words(text)
    assert "0 rows with a gold label" in words(text)


def test_translations_are_ordered_as_asked(preds):
    rows = predictions(preds)
    own = rows[rows["item"] == "i1"]  # wrong in Hindi alone
    names = ["ar", "zh", "en", "hi", "th"]  # Arabic, Chinese, English, Hindi, Thai
    sure = ["ar", "hi", "th", "zh", "en"]
    expected = [names, sure[::-1], sure, ["hi", "ar", "zh", "en", "th"], ["hi", "ar", "zh", "en", "th"]]
    for order, codes in zip(ORDERS, expected, strict=True):
        assert ordered(own, order)["language"].to_list() == codes, order
    with pytest.raises(ValueError, match="'sideways'"):
        ordered(own, "sideways")


def test_translations_are_viewed_as_asked(preds):
    rows = predictions(preds)
    own = rows[rows["item"] == "i1"]
    assert viewed(own, "all")["language"].to_list() == list(TEXTS)
    assert viewed(own, "wrong")["language"].to_list() == ["hi"]
    assert viewed(own, "not as in English")["language"].to_list() == ["hi"]
    assert len(viewed(own, "right")) == 4
    assert viewed(rows[rows["item"] == "i5"], "wrong").empty


def test_the_summary_counts_by_hand(preds):
    rows = predictions(preds)
    text = summary(rows[rows["item"] == "i1"])
    assert "Gold: neutral. Right in 4 of 5 languages." in text
    assert "Predicted: neutral 4, contradiction 1." in text
    assert "As in English (neutral): 3 of 4 others." in text
    assert "60 % agree" in text  # 4 * 3 of 5 * 4 ordered pairs
    assert "Gold" not in summary(rows[rows["item"] == "i5"])


def test_the_rows_of_a_table_share_one_scale(preds):
    rows = predictions(preds)
    own = rows[rows["item"] == "i1"]
    found = {row["pair_id"]: explanation(row) for row in own.to_dict("records")}
    most = max(one.word_scores.max() for one in found.values())
    text = table(own, found)
    assert f"+{most:.2f}" in words(text)
    assert text.count('class="xk-w xk-p8"') == sum(
        (one.word_scores >= most * 7.5 / 8).sum() for one in found.values()
    )
    assert "for the predicted label" not in words(table(own))


def test_what_colours_mean_and_which_sentence_is_which_is_said_above_the_rows(preds):
    rows = predictions(preds)
    own = rows[rows["item"] == "i1"]
    shown = words(table(own, {row["pair_id"]: explanation(row) for row in own.to_dict("records")}))
    assert shown.index("for the predicted label") < shown.index("one scale for all rows")
    assert (
        shown.index("one scale for all rows") < shown.index("premise and hypothesis") < shown.index("Arabic")
    )


def test_a_point_has_a_mark_a_text_and_a_shape_of_its_group():
    points = pd.DataFrame(
        {
            "x": [0.0, 1, 2, np.nan],
            "y": [0.0, 1, 0, 0],
            "group": ["a", "b", "a", "a"],
            "text": ["p", "q", "r", "s"],
        }
    )
    drawn = scatter(points, axes=("x", "y"), name="three points", values=True)
    tags = Tags(drawn)
    groups = [tag for tag in tags.of("g") if "xk-point" in str(tag["class"])]
    assert [tag["data-xk"] for tag in groups] == ["0", "1", "2"]
    shapes = [tag["d"] for tag in tags.of("path")]
    assert shapes == [SHAPES[0], SHAPES[1], SHAPES[0]]
    assert re.findall("<title>(.)</title>", drawn) == ["p", "q", "r"]
    assert "a (3)" in words(key(points))
    assert 'role="img"' in scatter(points, axes=("x", "y"), name="n")


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
        found = re.fullmatch(r"color-mix\(in srgb,(#\w{6}) (\d+)%,currentColor\)", inked(colour))
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


def test_a_picture_has_no_buttons_and_keeps_its_words(preds):
    frame = predictions(preds)
    rows = frame[frame["item"] == "i1"]
    own = "".join(item(row, value="3") for row in rows.to_dict("records"))
    live = matrix(counted(frame, list(LABELS))) + table(rows, opened="i1-ar") + own
    drawn = still(live)
    assert "<button" in live
    assert not Tags(drawn).of("button")
    assert "data-xk" not in drawn
    assert "aria-pressed" not in drawn
    assert words(drawn) == words(live).replace(" open", "")
    named = scatter(
        pd.DataFrame({"x": [1.0], "y": 1.0, "group": "a", "text": "t"}), axes=("x", "y"), name="kept"
    )
    assert 'aria-label="kept"' in still(named)


# Explorers


def test_no_text_of_the_data_runs_or_reorders(hostile, tmp_path):
    asked_of = Asked(hostile)
    one = Parallel(hostile.drop(columns="prediction"), asked_of.predict, asked_of.explain)
    one.open(hostile["pair_id"][0])
    sift = Errors(hostile, Notes(tmp_path / "n.jsonl"), asked_of.explain)
    sift.search.value = "evil"
    sift.open(0)
    sift.tag.value, sift.comment.value = HOSTILE, HOSTILE
    places = EmbeddingMap(predictions(hostile), None, lambda rows, **_: np.eye(len(rows)), layers=2)
    places.open(0)
    for explorer in (one, sift, places):
        assert explorer.settle(60)
        shown = [part.html for part in controls(explorer.widget) if isinstance(part, Clickable)]
        assert all(map(is_harmless, shown)), explorer.name
        lists = [part.options for part in controls(explorer.widget) if isinstance(part, ipywidgets.Dropdown)]
        offered = "".join(
            str(entry[0] if isinstance(entry, tuple) else entry) for own in lists for entry in own
        )
        assert not BIDI_CONTROLS & set(offered), explorer.name
        assert is_harmless(explorer.html)
        assert "alert(1)" in words(explorer.html)


def test_every_control_has_a_name(preds, tmp_path):
    asked_of = Asked(preds)
    explorers = [
        Parallel(preds.drop(columns="prediction"), asked_of.predict, asked_of.explain),
        Errors(preds, Notes(tmp_path / "n.jsonl"), asked_of.explain),
        EmbeddingMap(predictions(preds), None, lambda rows, **_: np.eye(len(rows)), layers=2),
    ]
    for explorer in explorers:
        found = controls(explorer.widget)
        assert len(found) > 10
        for control in found:
            if isinstance(control, Clickable):
                assert control.label
            elif hasattr(control, "description"):
                assert control.description


def test_an_item_is_predicted_once_and_its_rows_show_what_was_said(preds):
    asked_of = Asked(preds)
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
    explorer.onward.click()
    assert explorer.settle(60)
    assert explorer.item.value == "i2"
    explorer.back.click()
    assert explorer.settle(60)
    assert asked_of.predicted == [[f"{item}-{code}" for code in TEXTS] for item in ("i1", "i2")]


def test_a_row_that_is_opened_is_explained_against_gold_where_it_is_wrong(preds):
    asked_of = Asked(preds)
    explorer = Parallel(
        preds.drop(columns="prediction"), asked_of.predict, asked_of.explain, item="i1", method="none"
    )
    assert not asked_of.explained
    for pair_id in ("i1-hi", "i1-en"):
        explorer.rows.choose(pair_id)
        assert explorer.settle(60)
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
    assert explorer.settle(60)
    assert "by integrated gradients" not in words(explorer.rows.html)


def test_what_the_page_sends_opens_its_row_whatever_an_id_holds(preds):
    asked_of = Asked(preds.assign(pair_id=preds["pair_id"] + '\u202e"god'))
    explorer = Parallel(asked_of.preds, asked_of.predict, asked_of.explain, item="i1", method="none")
    value = html.unescape(re.findall(r'data-xk="([^"]*)"', explorer.rows.html)[0])
    explorer.rows.choose(value)
    assert explorer.settle(60)
    assert "by integrated gradients" in words(explorer.rows.html)
    assert len(asked_of.explained) == 1


def test_what_goes_wrong_is_said_in_place_and_the_next_question_is_answered(preds):
    asked_of = Asked(preds)

    def explain(pairs, **options):
        if options["method"] == "lime":
            raise ValueError("expected <fewer> words")
        return asked_of.explain(pairs, **options)

    explorer = Parallel(preds.drop(columns="prediction"), asked_of.predict, explain, item="i1")
    explorer.method.value = "lime"
    assert explorer.settle(60)
    assert "expected <fewer> words" in words(explorer.status.html)
    explorer.method.value = "occlusion"
    assert explorer.settle(60)
    assert words(explorer.status.html) == ""
    assert "by occlusion" in words(explorer.rows.html)


class Held:
    """`explain` that waits until it is let go, and then says what it found or fails."""

    def __init__(self, asked_of: Asked, problem: str = "") -> None:
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
    asked_of = Asked(preds)
    held = Held(asked_of, problem)
    one = Parallel(preds.drop(columns="prediction"), asked_of.predict, held, item="i1", method="none")
    sift = Errors(preds, Notes(tmp_path / "n.jsonl"), held)
    one.open("i1-hi")
    sift.open(0)
    for part in (one.rows, sift.detail):
        assert "is on its way" in words(part.html)
    held.free.set()
    for explorer, part in ((one, one.rows), (sift, sift.detail)):
        assert explorer.settle(60)
        assert "is on its way" not in words(part.html)
        assert (problem or "by integrated gradients") in words(part.html)
        explorer.open(None)
        assert (problem or "by integrated gradients") not in words(part.html)


def test_of_a_kept_picture_it_is_said_where_it_stands(preds):
    asked_of = Asked(preds)
    explorer = Parallel(preds.drop(columns="prediction"), asked_of.predict, asked_of.explain, item="i1")
    [keep] = [
        part
        for part in controls(explorer.widget)
        if isinstance(part, ipywidgets.Button) and part.description == "Keep a picture"
    ]
    keep.click()
    assert "stands below the controls" in words(explorer.status.html)
    assert explorer.html.count('class="xk-kept"') == 1


def test_a_search_narrows_the_items_in_any_language(preds):
    asked_of = Asked(preds)
    explorer = Parallel(preds.drop(columns="prediction"), asked_of.predict, asked_of.explain)
    explorer.search.value = "หมานอน 4"
    assert [value for _, value in explorer.item.options] == ["i4"]
    assert explorer.settle(60)
    assert "i4" in words(explorer.summary.html)
    explorer.search.value = "no such word"
    assert "No item" in words(explorer.status.html)
    assert explorer.item.value == "i4"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="item"), "remedy"),
        (lambda frame: pd.concat([frame, frame.assign(pair_id=frame["pair_id"] + "x")]), "more than once"),
    ],
)
def test_items_that_are_not_parallel_are_refused(preds, change, message):
    asked_of = Asked(preds)
    with pytest.raises(ValueError, match=message):
        Parallel(change(preds.drop(columns="prediction")), asked_of.predict, asked_of.explain)
    with pytest.raises(ValueError, match="'i99'"):
        Parallel(preds, asked_of.predict, asked_of.explain, item="i99")
    with pytest.raises(ValueError, match="'magic'"):
        Parallel(preds, asked_of.predict, asked_of.explain, method="magic")


def test_errors_shows_what_is_wrong_first_and_a_cell_shows_its_rows(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"))
    assert explorer.shown["pair_id"].to_list() == ["i0-ar", "i1-hi", "i2-th", "i3-zh", "i4-en"]
    assert "5 of 30 rows" in words(explorer.place.html)
    for tag in Tags(explorer.matrix.html).of("button"):
        explorer.matrix.choose(str(tag["data-xk"]))
        assert explorer.settle(60)
        if asked(str(tag["data-xk"]), list(LABELS)) == (None, None):
            continue  # all rows, also those without gold
        gold, label = asked(str(tag["data-xk"]), list(LABELS))
        own = explorer.shown
        assert f": {len(own[own['gold'].notna()])} rows" in str(tag["aria-label"])
        assert gold is None or (own["gold"] == gold).all()
        assert label is None or (own["prediction"] == label).all()
        explorer.reset.click()
        assert explorer.settle(60)
        assert len(explorer.shown) == 30


def test_a_pressed_cell_lets_all_rows_pass_again(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"))
    explorer.matrix.choose("0:1")
    assert explorer.settle(60)
    assert (explorer.gold.value, explorer.label.value) == ("entailment", "neutral")
    explorer.matrix.choose("0:1")
    assert explorer.settle(60)
    assert (explorer.gold.index, explorer.label.index) == (0, 0)  # any
    assert len(explorer.shown) == 30


def test_no_cell_is_pressed_while_only_what_is_wrong_is_shown(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"))
    assert explorer.outcome.value == "wrong"
    assert 'aria-pressed="true"' not in explorer.matrix.html
    explorer.outcome.value = "all"
    assert explorer.settle(60)
    pressed = [tag for tag in Tags(explorer.matrix.html).of("button") if tag["aria-pressed"] == "true"]
    assert [tag["data-xk"] for tag in pressed] == ["all:all"]


def test_every_list_says_what_is_chosen_also_when_all_filters_are_taken_away(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"))
    lists = [part for part in controls(explorer.widget) if isinstance(part, ipywidgets.Dropdown)]
    assert len(lists) > 5
    assert all(part.index is not None for part in lists)
    explorer.matrix.choose("0:1")
    explorer.matrix.choose("0:1")
    explorer.reset.click()
    assert explorer.settle(60)
    assert all(part.index is not None for part in lists)
    assert len(explorer.shown) == len(preds)


def test_pages_hold_every_row_once(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"))
    explorer.reset.click()
    seen = []
    for _ in range(99):
        assert explorer.settle(60)
        seen += [int(str(tag["data-xk"])) for tag in Tags(explorer.items.html).of("button")]
        if explorer.onward.disabled:
            break
        explorer.onward.click()
    assert seen == list(range(30))
    assert len(Tags(explorer.items.html).of("button")) == 30 % PAGE
    explorer.language.value = "ar"  # a filter begins at the first page
    assert explorer.settle(60)
    assert "6 of 30 rows, page 1 of 1" in words(explorer.place.html)
    explorer.search.value = "nothing like it"
    assert explorer.settle(60)
    assert "No row is left" in words(explorer.items.html)


def test_a_note_is_saved_as_it_is_typed_shown_and_found_again(preds, tmp_path):
    path = tmp_path / "n.jsonl"
    explorer = Errors(preds, Notes(path))
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
    again = errors(preds, notes=path)
    assert again.noted.options == ("any", "with a note", "without a note", "tag: negation")
    again.noted.value = "tag: negation"
    assert again.settle(60)
    assert again.shown["pair_id"].to_list() == ["i0-ar"]
    again.reset.click()
    again.noted.value = "without a note"
    assert again.settle(60)
    assert len(again.shown) == 29
    again.open(0)
    assert (again.tag.value, again.comment.value) == ("negation", "खबर!")


def test_one_note_is_no_notes(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"))
    for row, said in ((0, "which holds 1 note."), (1, "which holds 2 notes.")):
        explorer.open(row)
        explorer.comment.value = "seen"
        assert said in words(explorer.saved.html)


def test_a_note_that_cannot_be_saved_is_said_and_stays_in_its_field(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "none" / "n.jsonl"))
    explorer.open(0)
    explorer.comment.value = "kept"
    assert "Not saved" in words(explorer.saved.html)
    assert explorer.comment.value == "kept"
    (tmp_path / "none").mkdir()
    explorer.comment.value = "kept now"
    assert "✓ Saved" in words(explorer.saved.html)


def test_an_open_item_shows_its_probabilities_and_why(preds, tmp_path):
    asked_of = Asked(preds)
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"), asked_of.explain)
    explorer.items.choose("0")
    assert explorer.settle(60)
    assert asked_of.explained == [
        (["i0-ar"], {"method": "integrated_gradients", "target": "neutral", "contrast": "entailment"})
    ]
    shown = words(explorer.detail.html)
    assert "▶ neutral 40 %" in shown
    assert "neutral rather than entailment" in shown
    bare = Errors(preds, Notes(tmp_path / "n.jsonl"))
    bare.open(0)
    assert bare.settle(60)
    assert "rather than" not in words(bare.detail.html)
    assert bare.method not in controls(bare.widget)


def test_the_picture_is_the_present_state(preds, tmp_path):
    explorer = Errors(preds, Notes(tmp_path / "n.jsonl"))
    explorer.language.value = "th"
    explorer.outcome.value = "all"
    assert explorer.settle(60)
    picture = words(explorer.html)
    assert "language: th" in picture
    assert "6 of 30 rows" in picture
    assert "i3-th" in picture
    assert "i3-zh" not in picture
    assert not Tags(explorer.html).of("button")


def test_a_map_rings_the_translations_of_a_chosen_point(preds):
    explorer = EmbeddingMap(predictions(preds), None, lambda rows, **_: np.eye(len(rows)), layers=2)
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

    explorer = EmbeddingMap(predictions(preds), None, vectors, layers=2)
    explorer.centred.value = True
    assert explorer.settle(60)
    explorer.layer.value = 0
    assert explorer.settle(60)
    explorer.layer.value = 2
    assert explorer.settle(60)
    assert calls == [{"of": "pair", "layer": 2}, {"of": "pair", "layer": 0}]


# With the tiny model


@pytest.fixture(scope="module")
def items() -> pd.DataFrame:
    pairs = xk.read_pairs("workshop", languages=["ar", "hi", "th", "zh", "en"])
    return pairs[pairs["item"].isin(pairs["item"].unique()[:2])].reset_index(drop=True)


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


def test_errors_explains_with_the_model_that_it_is_given(nli, items, tmp_path):
    preds = xk.predict(nli, items, progress=False)
    explorer = errors(preds, nli, tmp_path / "n.jsonl")
    row = int(explorer.shown.index[0])
    explorer.open(row)
    assert explorer.settle(120)
    assert words(explorer.status.html) == ""
    assert f"{preds['prediction'][row]} rather than {preds['gold'][row]}" in words(explorer.detail.html)


def test_the_map_places_sentences_and_languages(nli, items):
    explorer = embedding_map(nli, items)
    assert explorer.map.html.count("<title>") == len(items)
    explorer.of.value = LANGUAGE_TABLE
    assert explorer.settle(60)
    assert explorer.map.html.count("<title>") == len(LANGUAGES)
    assert explorer.layer.disabled
    assert list(explorer.colour.options) == ["language", "script", "family"]
    alone = embedding_map(nli)
    assert alone.map.html.count("<title>") == len(LANGUAGES)
    assert words(alone.status.html) == ""


def test_a_model_without_a_head_has_a_map_without_predictions(nli, items):
    language_model = dataclasses.replace(nli, task="mlm", labels=())
    explorer = embedding_map(language_model, items)
    assert explorer.map.html.count("<title>") == len(items)
    assert "prediction" not in explorer.colour.options
    assert words(explorer.status.html) == ""


def test_a_column_of_the_data_that_is_called_script_changes_nothing(preds):
    rows = predictions(preds.assign(script="x", name="y")).to_dict("records")
    assert described(rows, "script")["group"].to_list() == [LANGUAGES[row["language"]].script for row in rows]
    assert all("The dog sleeps" in text for text in described(rows, "script")["text"])


def test_of_too_many_rows_whole_items_are_drawn_by_lot(nli, items):
    drawn = embedding_map(nli, items, most=7, seed=1)
    assert drawn.map.html.count("<title>") == 5
    assert embedding_map(nli, items, most=7, seed=1).map.html == drawn.map.html
    with pytest.raises(ValueError, match="three or more"):
        embedding_map(nli, items[:2])


def test_work_that_is_no_longer_wanted_ends_at_the_models_next_pass(nli, items):
    """While the first explanation is at work, another row is opened: the first ends at once, and only the second is shown."""
    explorer = parallel(nli, items, method="none")
    first, second = items["pair_id"][:2]
    passes: list[int] = []
    done: list[str] = []
    asks, explain = explorer._card_work.check, explorer._explain

    def explained(rows, **options):
        found = explain(rows, **options)
        done.extend(rows["pair_id"])
        return found

    def check():
        passes.append(len(passes))
        if len(passes) == 2:
            explorer.open(second)
        asks()

    explorer._card_work.check, explorer._explain = check, explained
    explorer.open(first)
    assert explorer.settle(120)
    assert done == [second]
    assert f"pair {second}" in words(explorer.rows.html)
    assert f"pair {first}" not in words(explorer.rows.html)
    assert "stands under its row" in words(explorer.status.html)


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
    sift = errors(xk.predict(topics, texts, progress=False), topics, tmp_path / "n.jsonl")
    sift.reset.click()
    sift.open(1)
    assert sift.settle(120)
    assert words(sift.status.html) == ""
    assert "the dog 0" in words(sift.detail.html), "its English original"
    assert embedding_map(topics, texts).map.html.count("<title>") == 8


def test_pairs_of_two_languages_say_both(nli, items, tmp_path):
    own = items[items["language"].isin(["en", "ar"])]
    mixed = own.rename(columns={"language": "premise_language"}).assign(hypothesis_language="en")
    mixed["hypothesis"] = mixed["english_hypothesis"]
    one = parallel(nli, mixed)
    assert "Arabic and English" in words(one.rows.html)
    sift = errors(xk.predict(nli, mixed, progress=False), nli, tmp_path / "n.jsonl")
    sift.language.value = "ar"
    sift.outcome.value = "all"
    assert sift.settle(120)
    assert len(sift.shown) == 2
    assert ">ar+en</text>" in embedding_map(nli, mixed).map.html


class Output:
    """An output of a notebook, as `display(..., display_id=True)` gives it."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, shown) -> None:
        self.shown.append(shown.data)


def test_the_picture_in_the_notebook_follows_what_is_done(preds, tmp_path):
    asked_of = Asked(preds)
    one = Parallel(preds.drop(columns="prediction"), asked_of.predict, asked_of.explain)
    sift = Errors(preds, Notes(tmp_path / "n.jsonl"), asked_of.explain)
    places = EmbeddingMap(predictions(preds), None, lambda rows, **_: np.eye(len(rows)), layers=2)
    outputs = [Output(), Output(), Output()]
    for explorer, output in zip((one, sift, places), outputs, strict=True):
        explorer._handles.append(output)
    one.view.value = "right"
    sift.open(0)
    sift.comment.value = "seen"
    places.open(7)
    for explorer, output in zip((one, sift, places), outputs, strict=True):
        assert explorer.settle(60)
        assert output.shown[-1] == explorer.html
    assert "seen" in words(outputs[1].shown[-1])
