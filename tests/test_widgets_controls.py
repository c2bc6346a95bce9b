"""What the page sends arrives, and the module for the browser loads nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

from xlmkit.widgets.controls import MODULE, Clickable, TextField


def test_a_field_takes_the_direction_of_its_language():
    field = TextField("Premise", "x", language="ur")
    assert (field.lang, field.dir) == ("ur", "rtl")
    field.set_language("th")
    assert (field.lang, field.dir) == ("th", "ltr")


def test_enter_and_escape_are_heard_with_what_was_written_last():
    field, heard = TextField("Word", "old", rows=1), []
    field.on_key(lambda key: heard.append((key, field.value)))
    for content in (
        {"key": "change", "value": "new"},
        {"key": "Enter", "value": "newer"},
        {"key": "Escape"},
        {"value": 3},
        7,
    ):
        field.receive(content)
    assert heard == [("Enter", "newer"), ("Escape", "newer")]


def test_what_the_page_sends_reaches_every_listener_and_nothing_else_does():
    heard = []
    words = Clickable("<b data-xk='7'>x</b>")
    words.on_choose(heard.append)
    for content in ({"chosen": "7"}, {"chosen": 7}, {}, "chosen", {"chosen": ""}):
        words.receive(content)
    assert heard == ["7", ""]


def test_the_module_for_the_browser_asks_the_network_for_nothing():
    text = MODULE.read_text(encoding="utf-8")
    assert "http" not in text
    assert "import " not in text
    assert "eval" not in text
