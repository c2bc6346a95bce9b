"""Panel: what the explorers of tables have in common: labelled controls in a row, a line that says how things stand, and work in the background.

A panel holds no model. What it shows is HTML from pure functions; what it asks for goes through `Latest`, so that the page never waits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets

from xlmkit.attribution.batch import watched
from xlmkit.render import escaped, plain
from xlmkit.widgets.controls import Clickable
from xlmkit.widgets.items import ITEM_STYLE
from xlmkit.widgets.latest import DELAY, Latest
from xlmkit.widgets.matrix import MATRIX_STYLE
from xlmkit.widgets.picture import KEPT, Pictured
from xlmkit.widgets.scatter import MAP_STYLE
from xlmkit.widgets.translations import TABLE_STYLE

STYLE = ITEM_STYLE + MATRIX_STYLE + TABLE_STYLE + MAP_STYLE
LABEL = {"description_width": "initial"}
WAITING = '<p class="xk-notice">The explanation is on its way …</p>'


class Panel(Pictured):
    """An explorer with one question at a time.

    Parameters
    ----------
    controls : rows of widgets, from top to bottom.
    picture : the present state as HTML without style; buttons in it become plain text.
    name : what it is, in a few words."""

    def __init__(
        self, controls: Sequence[ipywidgets.Widget], picture: Callable[[], str], *, name: str
    ) -> None:
        self.status = Clickable(label=f"{name}: how things stand", live=True)
        keep = button("Keep a picture", "leave a picture of the present state in the notebook, for good")
        keep.on_click(lambda _: self._keep())
        content = ipywidgets.VBox([*controls, ipywidgets.HBox([keep]), self.status])
        super().__init__(content, lambda: styled(still(picture())), name=name)
        self._works: list[Latest[Any, Any]] = []

    def work(
        self, answer: Callable[[Any], Iterator[Callable[[], None]]], *, delay: float = DELAY
    ) -> Latest[Any, Any]:
        """What answers one kind of question: `answer` yields functions that show what has been found, each called as it comes."""
        latest: Latest[Any, Any] = Latest(answer, self._shown, self.fail, delay=delay)
        self._works.append(latest)
        return latest

    def say(self, text: str) -> None:
        """Say in place what is going on; an empty text says nothing."""
        self.status.html = f'<div class="xk-notice">{escaped(text)}</div>' if text else ""

    def fail(self, error: Exception) -> None:
        """Say in place what went wrong."""
        self.status.html = failed(error)

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do and the picture in the notebook is that of the present state."""
        for latest in self._works:
            latest.hurry()
        done = all(latest.settle(timeout) for latest in self._works)
        return super().settle(timeout) and done

    @contextmanager
    def watching(self, latest: Latest[Any, Any], doing: str = "") -> Iterator[None]:
        """In this block the model's work ends as soon as `latest` has a newer question; with `doing` it says how far it is."""
        read = 0

        def before_pass(rows: int) -> None:
            nonlocal read
            read += rows
            latest.check()
            if doing:
                self.say(f"{doing} is at work: {read} inputs read …")

        with watched(before_pass):
            yield

    def _keep(self) -> None:
        self.keep()
        self.say(KEPT)

    def _shown(self, show: Callable[[], None]) -> None:
        show()
        self.changed()


def failed(error: Exception) -> str:
    """What went wrong, as HTML."""
    return f'<div class="xk-notice xk-error" role="alert">{escaped(error) or escaped(type(error).__name__)}</div>'


def button(text: str, meaning: str) -> ipywidgets.Button:
    """A button that says more when pointed at."""
    return ipywidgets.Button(description=text, tooltip=meaning, layout={"width": "auto"})


def dropdown(
    label: str, options: Sequence[Any], value: Any = None, *, width: str = "auto"
) -> ipywidgets.Dropdown:
    """A labelled list to choose from, whose entries cannot reorder themselves; `value` None takes the first."""
    listed = entries(options)
    first = listed[0][1] if listed and isinstance(listed[0], tuple) else listed[0] if listed else None
    return ipywidgets.Dropdown(
        description=label,
        options=listed,
        value=first if value is None else value,
        style=LABEL,
        layout={"width": width, "max_width": "100%"},
    )


def entries(options: Sequence[Any]) -> list[Any]:
    """Entries of a list, each as it is or as (name, value); where a name holds what could reorder it, all with names that hold no such thing."""
    named = [entry if isinstance(entry, tuple) else (str(entry), entry) for entry in options]
    safe = [(plain(name), value) for name, value in named]
    return list(options) if safe == named else safe


def line(*controls: ipywidgets.Widget) -> ipywidgets.HBox:
    """Controls in a row that breaks where the page is narrow."""
    return ipywidgets.HBox(
        controls, layout={"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px 12px"}
    )


def side_by_side(
    chooser: ipywidgets.Widget, detail: ipywidgets.Widget, *, width: str = "24em"
) -> ipywidgets.HBox:
    """What to choose from, at least `width` wide, which scrolls by itself, and beside it what was chosen; beneath it where the page is narrow."""
    listed = ipywidgets.VBox(
        [chooser], layout={"flex": f"1 1 {width}", "max_height": "46em", "overflow": "auto"}
    )
    detail.layout.flex, detail.layout.min_width = "1 1 26em", "0"
    return ipywidgets.HBox(
        [listed, detail],
        layout={"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "4px 16px"},
    )


def heard(control: ipywidgets.Widget, callback: Callable[[], None]) -> None:
    """Call back when the control's value changes."""
    control.observe(lambda _: callback(), names="value")


def styled(html: str) -> str:
    """A fragment with the style of the tables."""
    return f"<style>{STYLE}</style>{html}"


def still(html: str) -> str:
    """The same fragment for a picture: buttons become plain text, since nothing answers there, and those that only open something go.

    Escaped text holds no quote and no angle bracket, so what is replaced is markup only."""
    kept = re.sub(r'<button type="button"[^>]*>(?:▶ )?open</button>', "", html)
    kept = re.sub(r'<button type="button"([^>]*)>', lambda found: f"<span{_BUTTONS.sub('', found[1])}>", kept)
    return re.sub(r' data-xk="[^"]*"', "", kept.replace("</button>", "</span>"))


_BUTTONS = re.compile(r' (?:class="xk-button"|aria-[a-z]+="[^"]*")')
