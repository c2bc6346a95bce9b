"""`voila notebooks/explorer.ipynb`: the explorer as a page without code, on the embedded model."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

import xlmkit as xk
from browser.explorers import expect_now, live, predicted, write
from browser.pages import tab
from browser.servers import ROOT, voila

pytestmark = pytest.mark.browser


def test_voila_serves_the_explorer_without_code(chromium, tmp_path_factory):
    nli = xk.load(device="cpu", dtype="float32")
    notebook = ROOT / "notebooks" / "explorer.ipynb"
    home = tmp_path_factory.mktemp("voila")
    with voila(notebook, home) as server, tab(chromium, server) as opened:
        opened.page.goto(server.url)
        explorer = live(opened.page)
        explorer.locator("table.xk-bars").wait_for()
        for code in ("import importlib", "METHOD =", "read_pairs(", "explorer.wait"):  # of each code cell
            expect(opened.page.get_by_text(code)).to_have_count(0)
        arabic, thai = "الرجل نائم في سريره.", "ผู้ชายคนนั้นตื่นอยู่"
        explorer.get_by_label("Premise language").select_option("Arabic (ar)")
        explorer.get_by_label("Hypothesis language").select_option("Thai (th)")
        write(explorer, "Premise", arabic)
        write(explorer, "Hypothesis", thai)
        expect_now(explorer, predicted(nli, arabic, thai, "ar", "th"))
        explorer.get_by_label("Language id").select_option("none")
        expect_now(explorer, predicted(nli, arabic, thai, "ar", "th", language_id="none"))
        explorer.locator(".xk-words").last.get_by_role("button", name="نائم").click()
        explorer.get_by_text("The word نائم of the premise:").wait_for()
        explorer.get_by_role("button", name="Drop").click()
        without = "الرجل في سريره."
        expect(explorer.get_by_label("Premise", exact=True)).to_have_value(without)
        expect_now(explorer, predicted(nli, without, thai, "ar", "th", language_id="none"))
        opened.picture("voila")
