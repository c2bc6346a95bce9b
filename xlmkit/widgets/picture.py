"""Picture: what a notebook shows where widgets cannot: on the web, in an untrusted notebook, after its kernel has gone.

JupyterLab prefers a widget over the HTML in the same output, even when the widget's kernel is no more ("Error displaying widget: model not found").
So the picture is an output of its own, which a `LiveSwitch` hides while the widget is alive. It is brought up to date some moments after
each change, hence a notebook that is saved holds the last state; pictures that the reader asked for stay beside it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
from IPython.display import HTML, display

from xlmkit.render import escaped
from xlmkit.widgets.controls import LiveSwitch
from xlmkit.widgets.latest import Latest
from xlmkit.widgets.style import STYLE

KEPT = "A picture of this stands below the controls, and stays in the notebook when it is saved."
DELAY = 0.7  # seconds of rest before the output in the notebook is written anew: each time makes the notebook unsaved


class Pictured:
    """A widget with a picture of its state; what an explorer inherits from, or holds.

    Parameters
    ----------
    content : the explorer's controls.
    picture : gives the present state as an escaped HTML fragment without style, at any time and from any thread.
    name : what the picture is of, in a few words."""

    def __init__(self, content: ipywidgets.Widget, picture: Callable[[], str], *, name: str) -> None:
        key = secrets.token_hex(6)
        self.name = name
        self.widget = ipywidgets.VBox([content, LiveSwitch(key)])
        self.widget.add_class(f"xk-live-{key}")
        self._key, self._picture = key, picture
        self._kept: list[str] = []
        self._handles: list[Any] = []
        self._writer: Latest[None, str] = Latest(self._drawn, self._write, self._failed, delay=DELAY)

    @property
    def html(self) -> str:
        """The kept pictures and the present state, as they stand in the saved notebook."""
        # After a restart JupyterLab writes an error where the widget was; the picture beneath takes its place.
        lost = (
            f".jp-OutputArea-child:has(+.jp-OutputArea-child .xk-picture-{self._key}):not(:has(.xk-live-{self._key}))"
            "{display:none}"
        )
        kept = "".join(f'<figure class="xk-kept">{picture}</figure>' for picture in self._kept)
        return (
            f'<style>{STYLE}{lost}</style>{kept}<div class="xk-picture-{self._key}"><p class="xk-original">'
            f"{escaped(self.name)}, as it was last; run the cell to use it.</p>{self._picture()}</div>"
        )

    def changed(self) -> None:
        """Let the saved picture follow, soon."""
        if self._handles:
            self._writer.ask(None)

    def keep(self) -> None:
        """Leave a picture of the present state in the notebook, for good."""
        self._kept.append(self._picture())
        self.changed()
        self._writer.hurry()

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until the picture in the notebook is that of the present state."""
        self.changed()  # from the cell that waits: who runs a notebook without a browser hears no cell that is done
        self._writer.hurry()
        return self._writer.settle(timeout)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        view = self.widget._repr_mimebundle_()
        return {**(view or {}), "text/plain": self.name, "text/html": self.html}

    def _ipython_display_(self) -> None:
        view = {
            **(self.widget._repr_mimebundle_() or {}),
            "text/plain": f"{self.name}: its controls need a running kernel; a picture of them follows.",
        }
        display(view, raw=True)
        handle = display(HTML(self.html), display_id=True)
        if handle is not None:
            self._handles.append(handle)

    def _drawn(self, _: None) -> Iterator[str]:
        yield self.html

    def _write(self, html: str) -> None:
        for handle in self._handles:
            handle.update(HTML(html))

    def _failed(self, error: Exception) -> None:
        raise error
