"""Controls: what ipywidgets' core controls cannot do, in one module for the browser (controls.js) that comes with the package.

A text field that knows its language and direction; HTML whose marked parts can be chosen with the mouse and with the keyboard; and a switch that
shows the live explorer or, once its kernel has gone, its picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from xlmkit.languages import LANGUAGES
from xlmkit.widgets.style import STYLE

MODULE = Path(__file__).with_name("controls.js")


class TextField(anywidget.AnyWidget):
    """A labelled field for a sentence, with the `lang` and `dir` of its language; `value` changes with every key. `focus()` puts the cursor there.

    Parameters
    ----------
    label : what the field is called, beside it and to screen readers.
    language : a code of the 15; set it through `speak`."""

    _esm = MODULE
    _css = STYLE
    kind = traitlets.Unicode("field").tag(sync=True)
    value = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    lang = traitlets.Unicode("en").tag(sync=True)
    dir = traitlets.Unicode("ltr").tag(sync=True)
    rows = traitlets.Int(2).tag(sync=True)
    placeholder = traitlets.Unicode("").tag(sync=True)

    def __init__(self, label: str, value: str = "", *, language: str = "en", **traits: Any) -> None:
        super().__init__(label=label, value=value, lang=language, dir=LANGUAGES[language].direction, **traits)
        self._pressed: list[Callable[[str], None]] = []
        self.on_msg(self._receive)

    def on_key(self, callback: Callable[[str], None]) -> None:
        """Call back with "Enter" or "Escape" when that is pressed in a field of one row."""
        self._pressed.append(callback)

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        key, value = (content.get(name) if isinstance(content, dict) else None for name in ("key", "value"))
        if isinstance(value, str):
            self.value = value
        if key in ("Enter", "Escape"):
            for callback in self._pressed:
                callback(key)

    def speak(self, language: str) -> None:
        """Take another language, and with it its direction."""
        with self.hold_sync():
            self.lang, self.dir = language, LANGUAGES[language].direction


class Clickable(anywidget.AnyWidget):
    """HTML of which every element with `data-xk="value"` is a button: by mouse, or by Tab, the arrow keys, Home, End, Enter and Space.

    Arrow keys go with the direction of the text, up and down to the nearest part in the next line. `on_choose` calls back with the value, and with ""
    for Escape. The HTML must be escaped by who makes it (`xlmkit.render.escaped`, `quoted`).

    Parameters
    ----------
    html : an escaped fragment; may be set anew at any time, and the focus stays on the part with the same value.
    label : what screen readers call the whole.
    live : whether screen readers say what changes."""

    _esm = MODULE
    _css = STYLE
    kind = traitlets.Unicode("clickable").tag(sync=True)
    html = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    def __init__(self, html: str = "", *, label: str = "", live: bool = False, **traits: Any) -> None:
        super().__init__(html=html, label=label, live=live, **traits)
        self._chosen: list[Callable[[str], None]] = []
        self.on_msg(self._receive)

    def on_choose(self, callback: Callable[[str], None]) -> None:
        """Call back with the `data-xk` of each part that is chosen, or "" for Escape."""
        self._chosen.append(callback)

    def choose(self, value: str) -> None:
        """What a click on the part with this value does."""
        for callback in self._chosen:
            callback(value)

    def download(self, name: str, text: str, *, type: str = "text/plain;charset=utf-8") -> None:
        """Let the reader's browser save `text` as a file called `name`."""
        self.send({"download": {"name": name, "type": type, "text": text}})

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        value = content.get("chosen") if isinstance(content, dict) else None
        if isinstance(value, str):
            self.choose(value)


class LiveSwitch(anywidget.AnyWidget):
    """Hides `.xk-picture-KEY` while it is alive, and `.xk-live-KEY` once its kernel has gone."""

    _esm = MODULE
    kind = traitlets.Unicode("switch").tag(sync=True)
    key = traitlets.Unicode("").tag(sync=True)
    own = traitlets.Unicode("").tag(sync=True)

    def __init__(self, key: str) -> None:
        super().__init__(key=key)
        self.own = self.model_id
