"""The explorers of tables in a real JupyterLab: what is shown is what the model says, in every script, and a note is on the disk at once."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

import xlmkit as xk

pytestmark = pytest.mark.browser

ITEM = "hypernyms-07"
PARALLEL = f"""
from xlmkit.widgets import parallel
pairs = xk.read_pairs("workshop")
parallel(nli, pairs, item="{ITEM}")
"""
ERRORS = """
from xlmkit.widgets import errors
some = xk.read_pairs("workshop").query("language in ['en', 'ar', 'hi', 'th', 'zh']").head(300)
errors(xk.predict(nli, some, progress=False), nli, notes="{name}.jsonl")
"""
MAP = """
from xlmkit.widgets import embedding_map
some = xk.read_pairs("workshop").query("language in ['en', 'ar', 'hi', 'th', 'zh']").head(100)
embedding_map(nli, some)
"""


@pytest.fixture(scope="module")
def item(nli):
    """What the model says of the item in each language, computed here."""
    pairs = xk.read_pairs("workshop")
    return xk.predict(nli, pairs[pairs["item"] == ITEM], progress=False).set_index("language")


@pytest.fixture(scope="module")
def preds(nli):
    """The predictions that the notebook computes, computed here."""
    some = xk.read_pairs("workshop").query("language in ['en', 'ar', 'hi', 'th', 'zh']").head(300)
    return xk.predict(nli, some, progress=False)


def test_one_item_is_shown_in_all_languages_as_the_model_sees_it(lab, item):
    lab.write("parallel", [PARALLEL])
    shown = lab.run("parallel")
    for code in item.index:
        row = shown.get_by_role("row").filter(has=lab.tab.page.locator(f"p.xk-text[lang={code}]"))
        row.get_by_text(item.loc[code, "prediction"], exact=True).first.wait_for()
        # The numbers under the words are no part of the sentence.
        text = row.locator("p.xk-text").first.evaluate(
            "shown => { const bare = shown.cloneNode(true); bare.querySelectorAll('sub').forEach(e => e.remove()); return bare.textContent }"
        )
        assert text == item.loc[code, "premise"]
        assert code == "en" or item.loc["en", "premise"] in row.inner_text()
    arabic = shown.locator("p.xk-text[lang=ar]").first
    assert arabic.get_attribute("dir") == "rtl"
    heights = {
        button.bounding_box()["height"] for button in shown.get_by_role("button", name="explain ").all()
    }
    assert len(heights) == 1, "a language's name breaks in two"
    lab.tab.picture("parallel", shown.locator(".jp-OutputArea").last)
    shown.get_by_role("button", name="explain Thai").click()
    detail = shown.get_by_role("status", name="explanation of the opened row")
    detail.get_by_text("Integrated gradients").first.wait_for()
    lab.tab.picture("parallel-thai", detail)


def test_a_cell_of_the_confusion_matrix_shows_its_rows_and_a_note_is_on_the_disk_at_once(lab, preds):
    lab.write("errors", [ERRORS.format(name="errors")])
    shown = lab.run("errors")
    wrong = preds[(preds["gold"] == "neutral") & (preds["prediction"] == "entailment")]
    cell = shown.get_by_role("button", name="gold neutral, predicted entailment")
    assert f": {len(wrong)} rows" in cell.get_attribute("aria-label")
    cell.click()
    shown.get_by_text(f"{len(wrong)} of {len(preds)} rows").wait_for()
    first = wrong.iloc[0]
    shown.get_by_role("button", name=f"open item {first['pair_id']}", exact=True).click()
    comment = shown.get_by_label("comment")
    comment.wait_for()  # Playwright types into whatever has the focus while a field is hidden
    comment.press_sequentially("الكلمة الأخيرة")
    shown.get_by_text("✓ Saved in").wait_for()
    shown.locator(".xk-items").first.get_by_text("الكلمة الأخيرة").wait_for()
    saved = [json.loads(line) for line in (lab.server.folder / "errors.jsonl").read_text().splitlines()]
    assert [(note["pair_id"], note["comment"]) for note in saved] == [(first["pair_id"], "الكلمة الأخيرة")]
    lab.tab.picture("errors")


def test_a_search_in_thai_and_a_language_leave_the_rows_that_fit(lab, preds):
    lab.write("search", [ERRORS.format(name="search")])
    shown = lab.run("search")
    shown.get_by_role("button", name="Show everything").click()
    shown.get_by_text(f"{len(preds)} of {len(preds)} rows").wait_for()
    word = "ห้องสมุด"
    fitting = preds[preds["premise"].str.contains(word) | preds["hypothesis"].str.contains(word)]
    assert len(fitting)
    shown.get_by_label("search").press_sequentially(word)
    shown.get_by_text(f"{len(fitting)} of {len(preds)} rows").wait_for()
    assert shown.locator(".xk-items p.xk-text[lang=th]").count() >= 2
    shown.get_by_label("language").select_option(label="Arabic (ar)")
    shown.get_by_text("No row is left under these filters.").wait_for()


def test_the_map_shows_every_sentence_and_says_its_text(lab):
    lab.write("map", [MAP])
    shown = lab.run("map")
    points = shown.locator("svg.xk-map .xk-point")
    points.first.wait_for()
    assert points.count() >= 100
    assert any("الحساء" in title for title in points.locator("title").all_text_contents())
    lab.tab.picture("map", shown.locator(".jp-OutputArea").last)


def test_a_point_that_is_pointed_at_says_its_text_at_once_each_line_in_its_direction(lab):
    lab.write("pointed", [MAP])
    shown = lab.run("pointed")
    point = shown.locator("svg.xk-map .xk-point").filter(has_text="الحساء").first
    title = point.locator("title")
    lines = title.text_content().split("\n")
    point.hover(force=True)
    tip = shown.locator(".xk-tip:visible")
    expect(tip.locator("div")).to_have_text(lines)
    arabic = tip.locator("div").filter(has_text="الحساء").first
    assert arabic.evaluate("line => getComputedStyle(line).direction") == "rtl"
    assert tip.locator("div").last.evaluate("line => getComputedStyle(line).direction") == "ltr"
    lab.tab.picture("map-tip")
    lab.tab.page.mouse.move(5, 5)
    expect(tip).to_have_count(0)
    assert title.text_content().split("\n") == lines
