"""A data set that was made to do harm is shown as text: nothing in it runs, loads or reorders what is next to it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from browser.explorers import live
from xlmkit.render import BIDI_CONTROLS

pytestmark = pytest.mark.browser

SCRIPT = "<script>window.harmed = 1</script>"
SHOWN = re.compile(r"<script[\d.]*>window\.harmed")  # a word may carry its score
IMAGE = '"><img src=x onerror="window.harmed = 2">'
TURNED = "\u202egod\u202c \u2067cat\u2069 \u202dman"
TEXTS = (
    f"the cat {SCRIPT} sleeps",
    f"a {IMAGE} dog",
    f"the {TURNED} sleeps today",
    "' onmouseover='harmed=3",
)
SETUP = """
from xlmkit.widgets import browse_predictions, embedding_map, explore, parallel
pairs = xk.read_pairs("hostile.jsonl")
preds = xk.predict(nli, pairs, progress=False)
"""
EXPLORERS = {
    "explore": "explore(nli, pairs=pairs, premise=pairs.premise[0], hypothesis=pairs.premise[1])",
    "parallel": "parallel(nli, pairs)",
    "predictions": "browse_predictions(preds, nli, notes='hostile-notes.jsonl')",
    "embedding_map": "embedding_map(nli, preds)",
}
# All that the page shows or says of an output; what stands in a field is the reader's own to see as it is.
SAID = """output => {
    const said = [output.textContent];  // a text whose words are buttons is in many nodes
    for (const node of [output, ...output.querySelectorAll("*")]) {
        if (node.closest("textarea, input")) continue;
        for (const attribute of node.attributes) if (attribute.name !== "value") said.push(attribute.value);
        for (const child of node.childNodes) if (child.nodeType === Node.TEXT_NODE) said.push(child.data);
    }
    return said.join("\\n");
}"""


def rows():
    for number, text in enumerate(TEXTS):
        for code in ("en", "ar"):
            yield {
                "pair_id": f"{number}-{code}-{IMAGE}{TURNED}",
                "item": f"{number}-{IMAGE}{TURNED}",
                "language": code,
                "premise": text,
                "hypothesis": TEXTS[number - 1],
                "gold": ("entailment", "neutral", "contradiction")[number % 3],
            }


def harmed(page) -> list[str]:
    """What the data brought about; [] if all is well."""
    found = ["a script ran"] if page.evaluate("() => window.harmed !== undefined") else []
    names = "img[onerror], [onmouseover], .jp-OutputArea script"
    return found + page.locator(names).evaluate_all("all => all.map(each => each.outerHTML)")


def test_a_hostile_data_set_runs_nothing_and_reorders_nothing(lab):
    lines = [json.dumps(row, ensure_ascii=False) for row in rows()]
    (lab.server.folder / "hostile.jsonl").write_text("\n".join(lines), encoding="utf-8")
    lab.write("hostile", [SETUP, *EXPLORERS.values()])
    shown = lab.run("hostile")
    for name, explorer in zip(EXPLORERS, live(shown).all(), strict=True):
        act(name, explorer)
        said = explorer.evaluate(SAID).replace("\xa0", " ")  # ipywidgets writes lists with no-break spaces
        assert SHOWN.search(said), name  # it is there, as text
        assert not [f"U+{ord(letter):04X}" for letter in BIDI_CONTROLS & set(said)], name
        assert not harmed(lab.tab.page), name
    outputs = "\n".join(shown.locator(".jp-OutputArea").evaluate_all(f"all => all.map({SAID})"))
    assert not [f"U+{ord(letter):04X}" for letter in BIDI_CONTROLS & set(outputs)]
    lab.tab.picture("hostile")


def act(name, explorer):
    """Bring as much of the data to the page as a reader would."""
    if name == "explore":
        explorer.locator(".xk-words").last.get_by_role("button").nth(3).click()
        explorer.get_by_text("of the premise:").wait_for()
        explorer.get_by_label("Put in its place").fill(IMAGE)
        explorer.get_by_role("button", name="Replace").click()
        expect(explorer.locator(".xk-steps")).to_contain_text(IMAGE)
        explorer.get_by_label("Example").first.select_option(index=3)
        expect(explorer.locator(".xk-words").last).to_contain_text("U+202E")
        explorer.get_by_label("Example").first.select_option(index=1)
        expect(explorer.locator(".xk-words").last).to_contain_text(SHOWN)
    if name == "parallel":
        coloured = explorer.locator("tr:has(p.xk-text .xk-w)")
        expect(coloured).to_have_count(
            2
        )  # the table is drawn again as colours come, and a click meanwhile is lost
        explorer.get_by_role("button", name="explain").first.click()
        explorer.locator("section .xk-why").wait_for()
    if name == "predictions":
        explorer.get_by_role("button", name="Show everything").click()
        explorer.get_by_text("8 of 8 rows").wait_for()
        explorer.get_by_role("button", name="open item").last.click()
        explorer.get_by_label("tag").fill(SCRIPT)
        explorer.get_by_label("comment").fill(IMAGE + TURNED)
        expect(explorer.locator(".xk-note").first).to_contain_text(IMAGE)
    if name == "embedding_map":
        explorer.locator(".xk-point").first.wait_for()
