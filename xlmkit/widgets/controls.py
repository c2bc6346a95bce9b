"""Controls: what ipywidgets' core controls cannot do, and the few of those that every explorer
uses.

A text field that knows its language and direction; HTML whose marked parts can be chosen with the
mouse and the keyboard; a switch between a live explorer and its snapshot. Their browser side is
`controls.js`, their look `widgets.css`; both come with the package and load nothing from
elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from xlmkit.languages import LANGUAGES
from xlmkit.render import plain
from xlmkit.render.style import STYLE as CARD_STYLE

MODULE = Path(__file__).with_name("controls.js")
STYLE = Path(__file__).with_name("widgets.css").read_text(encoding="utf-8") + CARD_STYLE
LABEL = {"description_width": "initial"}
LANGUAGE_OPTIONS = tuple((f"{entry.name} ({code})", code) for code, entry in LANGUAGES.items())


class TextField(anywidget.AnyWidget):
    """A labelled text field with the `lang` and `dir` of its language; `value` changes with every
    key.

    Parameters
    ----------
    label : the visible name of the field, also read by screen readers.
    language : one of the 15 codes; change it with `set_language`."""

    _esm = MODULE
    _css = STYLE
    kind = traitlets.Unicode("field").tag(sync=True)
    value = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    lang = traitlets.Unicode("en").tag(sync=True)
    dir = traitlets.Unicode("ltr").tag(sync=True)
    rows = traitlets.Int(2).tag(sync=True)

    def __init__(self, label: str, value: str = "", *, language: str = "en", **traits: Any) -> None:
        super().__init__(label=label, value=value, lang=language, dir=LANGUAGES[language].direction, **traits)
        self._key_callbacks: list[Callable[[str], None]] = []
        self.on_msg(lambda _, content, __: self.receive(content))

    def on_key(self, callback: Callable[[str], None]) -> None:
        """Call back with "Enter" or "Escape" when that key is pressed in a field of one row."""
        self._key_callbacks.append(callback)

    def receive(self, content: Any) -> None:
        """Handle a message from the browser: a key, and the text at that moment."""
        key, value = (content.get(name) if isinstance(content, dict) else None for name in ("key", "value"))
        if isinstance(value, str):
            self.value = value
        if key in ("Enter", "Escape"):
            for callback in self._key_callbacks:
                callback(key)

    def set_language(self, language: str) -> None:
        """Change the language, and with it the direction."""
        with self.hold_sync():
            self.lang, self.dir = language, LANGUAGES[language].direction


class Clickable(anywidget.AnyWidget):
    """HTML in which every element with `data-xk="value"` is a button.

    Parts are chosen with the mouse, or with Tab, the arrow keys, Home, End, Enter and Space. Arrow
    keys follow the direction of the text; up and down go to the nearest part in the next line.

    Parameters
    ----------
    html : an escaped fragment (`xlmkit.render.escaped`, `quoted`). When it is set again, the focus
        stays on the part with the same value.
    label : the name that screen readers give the whole.
    live : whether screen readers announce changes."""

    _esm = MODULE
    _css = STYLE
    kind = traitlets.Unicode("clickable").tag(sync=True)
    html = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    def __init__(self, html: str = "", *, label: str = "", live: bool = False, **traits: Any) -> None:
        super().__init__(html=html, label=label, live=live, **traits)
        self._choose_callbacks: list[Callable[[str], None]] = []
        self.on_msg(lambda _, content, __: self.receive(content))

    def on_choose(self, callback: Callable[[str], None]) -> None:
        """Call back with the `data-xk` of each part that is chosen, or "" for Escape."""
        self._choose_callbacks.append(callback)

    def choose(self, value: str) -> None:
        """Do what a click on the part with this value does."""
        for callback in self._choose_callbacks:
            callback(value)

    def receive(self, content: Any) -> None:
        """Handle a message from the browser: the part that was chosen."""
        value = content.get("chosen") if isinstance(content, dict) else None
        if isinstance(value, str):
            self.choose(value)

    def download(self, name: str, text: str, *, type: str = "text/plain;charset=utf-8") -> None:
        """Let the reader's browser save `text` as a file called `name`."""
        self.send({"download": {"name": name, "type": type, "text": text}})


class LiveSwitch(anywidget.AnyWidget):
    """Hides `.xk-picture-KEY` while it is alive, and `.xk-live-KEY` once its kernel is gone."""

    _esm = MODULE
    kind = traitlets.Unicode("switch").tag(sync=True)
    key = traitlets.Unicode("").tag(sync=True)
    own = traitlets.Unicode("").tag(sync=True)

    def __init__(self, key: str) -> None:
        super().__init__(key=key)
        self.own = self.model_id


def button(text: str, meaning: str, icon: str = "") -> ipywidgets.Button:
    """A button with an explanation that appears when pointed at."""
    return ipywidgets.Button(description=text, tooltip=meaning, icon=icon, layout={"width": "auto"})


def dropdown(
    label: str, options: Sequence[Any], value: Any = None, *, width: str = "auto"
) -> ipywidgets.Dropdown:
    """A labelled list to choose from; `value` None takes the first. See `offer`."""
    listed = _named(options)
    return ipywidgets.Dropdown(
        description=label,
        options=listed,
        value=listed[0][1] if value is None and listed else value,
        style=LABEL,
        layout={"width": width, "max_width": "100%"},
    )


def offer(control: ipywidgets.Dropdown, options: Sequence[Any]) -> None:
    """Change what a list offers; its value stays if it is still offered, and is the first
    otherwise."""
    kept, control.options = control.value, _named(options)
    if any(kept == value for _, value in control.options):
        control.value = kept


def _named(options: Sequence[Any]) -> list[tuple[str, Any]]:
    """(name, value) of each option, without characters that could reorder the name."""
    named = [option if isinstance(option, tuple) else (str(option), option) for option in options]
    return [(plain(name), value) for name, value in named]


def line(*controls: ipywidgets.Widget, align: str = "center") -> ipywidgets.HBox:
    """Controls in a row that breaks where the page is narrow."""
    layout = {"flex_flow": "row wrap", "align_items": align, "grid_gap": "4px 12px"}
    return ipywidgets.HBox(controls, layout=layout)


def two_columns(
    chooser: ipywidgets.Widget, detail: ipywidgets.Widget, *, width: str = "24em"
) -> ipywidgets.HBox:
    """A list at least `width` wide that scrolls by itself, next to the details of what was chosen
    in it.

    The details move below the list where the page is narrow."""
    listed = ipywidgets.VBox(
        [chooser], layout={"flex": f"1 1 {width}", "max_height": "46em", "overflow": "auto"}
    )
    detail.layout.flex, detail.layout.min_width = "1 1 26em", "0"
    layout = {"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "4px 16px"}
    return ipywidgets.HBox([listed, detail], layout=layout)
