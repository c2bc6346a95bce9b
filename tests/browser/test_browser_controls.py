"""The controls of the explorers in a real JupyterLab: what is typed arrives, words are chosen by mouse and keyboard, the notebook's keys stay asleep."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

PARTS = """
import ipywidgets
from xlmkit.render import escaped
from xlmkit.widgets.controls import Clickable, TextField

field, words = TextField("sentence", language="{language}"), Clickable(label="words")
said = Clickable(label="said", live=True)
span = '<span data-xk="{{}}">{{}}</span>'

def write(_):
    row = " ".join(span.format(number, escaped(word)) for number, word in enumerate(field.value.split()))
    words.html = f'<p dir="{{field.dir}}">{{row}}</p>'

field.observe(write, "value")
words.on_choose(lambda value: setattr(said, "html", "chosen: " + escaped(value)))
ipywidgets.VBox([field, words, said])
"""


def opened(lab, language):
    name = f"controls-{language}"
    lab.write(name, [PARTS.format(language=language)], setup=False)
    shown = lab.run(name)
    return shown.get_by_label("sentence"), shown.get_by_role("group", name="words"), shown


def test_what_is_typed_in_arabic_is_shown_from_right_to_left(lab):
    field, words, _ = opened(lab, "ar")
    assert (field.get_attribute("lang"), field.get_attribute("dir")) == ("ar", "rtl")
    field.press_sequentially("القطة تنام اليوم")
    words.get_by_text("اليوم").wait_for()
    parts = words.get_by_role("button").all()
    assert [part.inner_text() for part in parts] == ["القطة", "تنام", "اليوم"]
    places = [part.bounding_box()["x"] for part in parts]
    assert places == sorted(places, reverse=True)


def test_words_are_chosen_with_the_keyboard_in_the_direction_of_the_text(lab):
    field, words, shown = opened(lab, "ur")
    field.press_sequentially("ایک دو تین")
    words.get_by_text("تین").wait_for()
    said = shown.get_by_role("status", name="said")
    lab.tab.page.keyboard.press("Tab")
    lab.tab.page.keyboard.press("ArrowLeft")
    lab.tab.page.keyboard.press("Enter")
    said.get_by_text("chosen: 1", exact=True).wait_for()
    lab.tab.page.keyboard.press("End")
    lab.tab.page.keyboard.press(" ")
    said.get_by_text("chosen: 2", exact=True).wait_for()
    lab.tab.page.keyboard.press("Escape")
    said.get_by_text("chosen:", exact=True).wait_for()


def test_the_keys_of_the_notebook_do_nothing_while_a_word_or_a_field_has_the_focus(lab):
    field, words, shown = opened(lab, "en")
    cells = shown.locator(".jp-Cell").count()
    field.press_sequentially("a b x d d")  # in command mode: insert above, below, cut, delete
    words.get_by_role("button").nth(4).wait_for()
    words.get_by_role("button").first.focus()
    for key in ("a", "b", "x", "d", "d", "m"):
        lab.tab.page.keyboard.press(key)
    words.get_by_role("button").nth(2).click()
    shown.get_by_text("chosen: 2", exact=True).wait_for()
    assert shown.locator(".jp-Cell").count() == cells
    assert field.input_value() == "a b x d d"
