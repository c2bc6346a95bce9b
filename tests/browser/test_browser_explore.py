"""The explorer of one pair in a real JupyterLab: what is typed is answered by what the model says, computed separately; the focus follows the keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.explorers import EXPLORE, expect_now, live, predicted, write
from browser.pages import tab

pytestmark = pytest.mark.browser

CAT, NAP = "the cat sleeps today", "a cat sleeps"


def opened(lab, name, *, premise=CAT, hypothesis=NAP, more=""):
    options = f"premise={premise!r}, hypothesis={hypothesis!r}{more}"
    lab.write(name, [EXPLORE.format(name=name, options=options)])
    return live(lab.run(name))


def test_what_is_typed_in_arabic_and_in_thai_is_answered(lab, nli):
    explorer = opened(lab, "typed")
    expect_now(explorer, predicted(nli, CAT, NAP, "en"))
    arabic, thai = "القطة تنام اليوم", "แมวนอน"
    explorer.get_by_label("Premise language").select_option("Arabic (ar)")
    explorer.get_by_label("Premise", exact=True).fill("")
    explorer.get_by_text("The premise is empty. Write one.").wait_for()
    write(explorer, "Premise", arabic)
    expect_now(explorer, predicted(nli, arabic, NAP, "ar", "en"))
    assert explorer.get_by_label("Premise", exact=True).get_attribute("dir") == "rtl"
    write(explorer, "Hypothesis", thai)
    expect_now(explorer, predicted(nli, arabic, thai, "ar", "en"))
    explorer.get_by_role("button", name="It is Thai").click()
    expect_now(explorer, predicted(nli, arabic, thai, "ar", "th"))
    expect(explorer.get_by_label("Hypothesis language")).to_have_value("Thai (th)")
    lab.tab.picture("explore-ar-th", explorer)


def test_a_text_is_typed_in_the_letters_in_which_it_is_shown_and_its_whole_frame_is_seen(lab):
    explorer = opened(lab, "letters")
    texts = {"ur": ("Urdu (ur)", "بلی سوتی ہے"), "hi": ("Hindi (hi)", "बिल्ली सोती है")}
    for code, (name, text) in texts.items():
        explorer.get_by_label("Hypothesis language").select_option(name)
        write(explorer, "Hypothesis", text)
        shown = explorer.locator(f".xk-words p.xk-text[lang={code}]").last
        expect(shown).to_contain_text(text.split()[0])
        field = explorer.get_by_label("Hypothesis", exact=True)
        fonts = [each.evaluate("element => getComputedStyle(element).fontFamily") for each in (field, shown)]
        assert fonts[0] == fonts[1]
    # The box around a field cuts off what is drawn outside it.
    assert field.evaluate("element => parseFloat(getComputedStyle(element).outlineOffset)") < 0
    for label in explorer.locator(".widget-dropdown > label").all():
        assert label.evaluate("element => element.scrollWidth <= element.clientWidth"), label.inner_text()


def test_swapping_and_choosing_a_word_work_from_the_keyboard(lab, nli):
    explorer, keys = opened(lab, "keys"), lab.tab.page.keyboard
    expect_now(explorer, predicted(nli, CAT, NAP, "en"))
    explorer.get_by_role("button", name="Swap").focus()
    keys.press("Enter")
    expect_now(explorer, predicted(nli, NAP, CAT, "en"))
    explorer.locator(".xk-words").last.get_by_role("button").first.focus()
    keys.press("ArrowRight")
    keys.press("Enter")
    explorer.get_by_text("The word cat of the premise:").wait_for()
    explorer.get_by_role("button", name="Drop").focus()
    keys.press("Enter")
    expect_now(explorer, predicted(nli, "a sleeps", CAT, "en"))


def test_two_hundred_fast_keystrokes_end_in_the_right_answer(lab, nli):
    explorer = opened(lab, "fast", more=", method='integrated_gradients'")
    text = ("the dog eats a red book and " * 8)[:199].strip() + "."
    assert len(text) >= 198
    write(explorer, "Hypothesis", text)
    expect_now(explorer, predicted(nli, CAT, text, "en"))
    assert lab.execute("print(fast.wait(60))") == "True"
    expect_now(explorer, predicted(nli, CAT, text, "en"))  # no older answer came after it
    expect(explorer.get_by_label("Hypothesis", exact=True)).to_have_value(text)
    expect(explorer.get_by_text("still computing")).to_have_count(0)


def test_a_second_notebook_on_the_same_kernel_does_not_disturb_the_first(chromium, server, lab, nli):
    with tab(chromium, server) as another:
        other = lab.beside(another)
        here, there = opened(lab, "first"), opened(other, "second", premise="no one eats", hypothesis=CAT)
        expect_now(here, predicted(nli, CAT, NAP, "en"))
        expect_now(there, predicted(nli, "no one eats", CAT, "en"))
        first, second = "the man is in a book", "it rains today and no one eats"
        fields = [each.get_by_label("Hypothesis", exact=True) for each in (here, there)]
        for field in fields:
            field.fill("")
        for place in range(max(len(first), len(second))):  # a key here, a key there
            for field, text in zip(fields, (first, second), strict=True):
                field.press_sequentially(text[place : place + 1])
        expect_now(here, predicted(nli, CAT, first, "en"))
        expect_now(there, predicted(nli, "no one eats", second, "en"))
        for field, text in zip(fields, (first, second), strict=True):
            expect(field).to_have_value(text)
