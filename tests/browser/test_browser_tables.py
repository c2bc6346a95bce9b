"""The explorers of the lessons, run from their notebooks in a real JupyterLab: what only a page can show."""

from __future__ import annotations

import json
import re

import nbformat
import pytest
from playwright.sync_api import expect

from browser.explorers import live, picture
from browser.servers import ROOT

pytestmark = pytest.mark.browser


def opened(lab, lesson, call, parameters=""):
    """The parameters (and others in their place), the first cell and the explorer's cell of a lesson, run in JupyterLab; the notebook's locator."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    code = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", [])
    ]
    [explorer] = [cell for cell in code if call in cell.source]
    lab.write(lesson, [code[0].source, parameters, code[1].source, explorer.source], setup=False)
    shown = lab.run(lesson)
    expect(live(shown)).to_be_visible()
    expect(picture(shown)).to_be_hidden()
    return live(shown)


def test_one_item_in_all_languages_is_explored_from_its_lesson(lab):
    explorer = opened(lab, "01_explore_predictions", "widgets.parallel(", "LIMIT = 24")
    expect(explorer.locator("tr:has(p.xk-text .xk-w)")).to_have_count(15)
    assert explorer.locator("p.xk-text[lang=ar]").first.get_attribute("dir") == "rtl"
    buttons = explorer.get_by_role("button", name="explain ").all()
    assert len(buttons) == 15
    assert len({button.bounding_box()["height"] for button in buttons}) == 1, (
        "a language's name breaks in two"
    )
    lab.tab.picture("parallel", explorer)
    explorer.get_by_role("button", name="explain Thai").focus()
    lab.tab.page.keyboard.press("Enter")
    detail = explorer.get_by_role("status", name="explanation of the open row")
    detail.locator(".xk-why").wait_for()
    lab.tab.picture("parallel-thai", detail)
    explorer.get_by_role("button", name="close Thai").focus()
    lab.tab.page.keyboard.press("Escape")
    expect(detail).to_have_count(0)


def test_predictions_are_browsed_from_their_lesson_and_a_note_is_on_the_disk_at_once(lab, few):
    explorer = opened(lab, "03_errors_by_language", "widgets.browse_predictions(", f"SOURCE = {str(few)!r}")
    cell = explorer.get_by_role("button", name="gold neutral, predicted entailment")
    rows = int(re.search(r": (\d+) rows", cell.get_attribute("aria-label"))[1])
    cell.click()
    explorer.get_by_text(re.compile(rf"^{rows} of \d+ rows")).wait_for()
    item = explorer.get_by_role("button", name="open item ").first
    pair_id = item.get_attribute("aria-label").removeprefix("open item ")
    item.click()
    comment = explorer.get_by_label("comment")
    comment.wait_for()  # Playwright types into whatever has the focus while a field is hidden
    comment.press_sequentially("الكلمة الأخيرة")
    explorer.get_by_text("✓ Saved in").wait_for()
    explorer.locator(".xk-items").first.get_by_text("الكلمة الأخيرة").wait_for()
    saved = [json.loads(line) for line in (lab.server.folder / "notes.jsonl").read_text().splitlines()]
    assert [(note["pair_id"], note["comment"]) for note in saved] == [(pair_id, "الكلمة الأخيرة")]
    assert comment.evaluate("field => field === document.activeElement"), "saving moved the focus"
    explorer.locator("section .xk-why").wait_for()
    lab.tab.picture("predictions", explorer)


def test_a_point_of_the_lessons_map_shows_its_text_at_once_each_line_in_its_direction(lab):
    explorer = opened(lab, "02_language_ids", "widgets.embedding_map(")
    points = explorer.locator("svg.xk-map .xk-point")
    points.first.wait_for()
    assert points.count() == 60
    point = points.filter(has_text="Arabic").first
    title = point.locator("title")
    lines = title.text_content().split("\n")
    point.hover(force=True)
    tip = explorer.locator(".xk-tip:visible")
    expect(tip.locator("div")).to_have_text(lines)
    assert tip.locator("div").nth(1).evaluate("line => getComputedStyle(line).direction") == "rtl"
    assert tip.locator("div").last.evaluate("line => getComputedStyle(line).direction") == "ltr"
    lab.tab.picture("map-tip")
    lab.tab.page.mouse.move(5, 5)
    expect(tip).to_have_count(0)
    assert title.text_content().split("\n") == lines
    point.click(force=True)
    expect(explorer.locator(".xk-ring")).to_have_count(15)
    lab.tab.picture("map", explorer)
