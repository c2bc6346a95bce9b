"""Live: the framework of every explorer: work in the background, a status line, and a snapshot that
stays.

An explorer has no model. It asks functions that it is given, in a thread, and the newest question
wins: an old answer never overwrites a newer one. What it shows is escaped HTML from pure functions.

JupyterLab prefers a widget over the HTML in the same output, even after the widget's kernel is gone
("Error displaying widget: model not found"). The snapshot is therefore an output of its own, which
a `LiveSwitch` hides while the widget is alive. It is rewritten shortly after each change, so a
saved notebook shows the last state, on the web and after a restart too."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any

import ipywidgets
import pandas as pd
from IPython.display import HTML, display

from xlmkit.attribution import METHODS
from xlmkit.attribution.batch import watch_passes
from xlmkit.attribution.methods import METHOD
from xlmkit.explanation import Explanation
from xlmkit.pairs import is_missing
from xlmkit.render import card, escaped
from xlmkit.render.cards import METHOD_NAMES
from xlmkit.widgets.controls import STYLE, Clickable, LiveSwitch, button, dropdown, line
from xlmkit.widgets.html import Row, without_buttons

Explain = Callable[..., list[Explanation]]

DELAY = 0.03  # seconds without a newer question after which one is answered
# Seconds without a change before the snapshot is rewritten: writing makes a notebook unsaved
WRITE_DELAY = 0.7
KEPT = "A picture of the present state is below the controls. It stays in the saved notebook."
WAITING = '<p class="xk-notice">Computing the explanation …</p>'
THOROUGH = "integrated_gradients"
METHOD_OPTIONS = [(METHOD_NAMES[name], name) for name in METHODS]


class Superseded(Exception):
    """A newer question was asked, so the present one need not be answered."""


class Debouncer:
    """Answers the newest of many questions, in a thread that lives only while there is one to
    answer.

    Parameters
    ----------
    answer : yields better and better answers to a question; each is shown as it comes. It may call
        `check`.
    show : called with each answer to the newest question, in order, never twice at a time.
    fail : called with the exception that `answer` or `show` raised for the newest question.
    delay : seconds without a newer question before one is answered.
    lock : held while an answer is shown; whoever changes what `show` reads holds it too."""

    #   asked     a b c         d            delay: a and b are never answered
    #   worked on       c.......|d......     c ends at its next `check`
    #   shown               c1      d1 d2    c2 never appears after d was asked

    def __init__(
        self,
        answer: Callable[[Any], Iterator[Any]],
        show: Callable[[Any], None],
        fail: Callable[[Exception], None],
        *,
        delay: float = DELAY,
        lock: threading.RLock | None = None,
    ) -> None:
        self._answer, self._show, self._fail, self._delay = answer, show, fail, delay
        self._changed = threading.Condition(lock or threading.RLock())
        self._waiting: list[tuple[Context, Any]] = []  # the newest question, until work on it starts
        self._newest = 0  # the number of questions so far
        self._current = 0  # the number of the question that is worked on
        self._thread: threading.Thread | None = None
        self._hurry = False

    def ask(self, question: Any) -> None:
        """Replace all earlier questions by this one; returns at once."""
        with self._changed:
            self._newest += 1
            # The context of who asks: ipykernel keeps in it which page is being answered, and
            # routes the page's next messages by it (ipykernel 7.4, comm/comm.py).
            self._waiting = [(copy_context(), question)]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="xlmkit-widgets")
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Answer the waiting question now, without the rest of the delay."""
        with self._changed:
            self._hurry = bool(self._waiting)
            self._changed.notify_all()

    def check(self) -> None:
        """For use inside `answer`: raise Superseded if a newer question was asked."""
        with self._changed:
            if self._current != self._newest and threading.current_thread() is self._thread:
                raise Superseded

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to answer; False if `timeout` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout)

    def _work(self) -> None:
        while True:
            with self._changed:
                seen = -1
                while self._waiting and seen != self._newest and not self._hurry:
                    seen = self._newest
                    self._changed.wait_for(lambda: self._hurry or seen != self._newest, self._delay)  # noqa: B023
                self._hurry = False
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                (context, question), self._current = self._waiting.pop(), self._newest
            context.run(self._give, question)

    def _give(self, question: Any) -> None:
        try:
            for answer in self._answer(question):
                with self._changed:
                    self.check()
                    self._show(answer)
        except Superseded:
            pass
        except Exception as error:  # noqa: BLE001  # whatever it is, the page shows it and goes on working
            with self._changed:
                if self._current == self._newest:
                    self._fail(error)


class Live:
    """An explorer: controls in a notebook, and a snapshot where widgets cannot be shown.

    A subclass builds its controls, calls `lay_out`, and gives its state as HTML in `body`. Its work
    in the background yields functions that show what was found.

    Parameters
    ----------
    name : what it is, in a few words.

    Attributes
    ----------
    status, progress, keep_button : for the subclass to lay out, or together as `footer`. Screen
        readers announce `status`.
    lock : held while anything is changed or shown: callbacks of the page, background work and the
        notebook's cells may come at the same time."""

    def __init__(self, name: str) -> None:
        self.name, self.problem = name, ""
        self.lock = threading.RLock()
        self.status = Clickable(label=f"{name}: status", live=True)
        self.progress = Clickable(label=f"{name}: progress")
        self.keep_button = button(
            "Keep a picture", "leave a picture of the present state in the notebook", "camera"
        )
        self.on_any(self.keep, self.keep_button)
        self.footer = (line(self.keep_button), self.status, self.progress)
        self.widget = ipywidgets.VBox()
        self._key = secrets.token_hex(6)
        self._kept: list[str] = []
        self._handles: list[Any] = []
        self._workers: list[Debouncer] = []
        self._writer: Debouncer = Debouncer(self._render, self._write, _raise, delay=WRITE_DELAY)

    def body(self) -> str:
        """The present state as escaped HTML; buttons in it become plain text in the snapshot."""
        raise NotImplementedError

    def lay_out(self, *rows: ipywidgets.Widget) -> None:
        """Fill the widget with rows of controls, from top to bottom."""
        self.widget.children = [ipywidgets.VBox(rows), LiveSwitch(self._key)]
        self.widget.add_class(f"xk-live-{self._key}")

    def on(self, control: ipywidgets.Widget, callback: Callable[[Any], None]) -> None:
        """Call back with a control's new value, or the part of a `Clickable` that was chosen; a
        button gives None."""

        def locked(value: Any) -> None:
            with self.lock:
                callback(value)

        if isinstance(control, ipywidgets.Button):
            control.on_click(lambda _: locked(None))
        elif isinstance(control, Clickable):
            control.on_choose(locked)
        else:
            control.observe(lambda change: locked(change["new"]), "value")

    def on_any(self, callback: Callable[[], None], *controls: ipywidgets.Widget) -> None:
        """Call back, without a value, when any of these controls is used."""
        for control in controls:
            self.on(control, lambda _: callback())

    def worker(self, answer: Callable[[Any], Iterator[Callable[[], None]]]) -> Debouncer:
        """Background work for one kind of question: `answer` yields functions, each called as it
        comes."""
        worker: Debouncer = Debouncer(answer, self._shown, self.fail, lock=self.lock)
        self._workers.append(worker)
        return worker

    @contextmanager
    def watching(self, worker: Debouncer, doing: str = "") -> Iterator[None]:
        """In this block the model stops as soon as `worker` has a newer question; `doing` shows
        progress."""
        inputs = 0

        def before_pass(rows: int) -> None:
            nonlocal inputs
            inputs += rows
            worker.check()
            if doing:
                self.tell(f"{doing}: {inputs} inputs so far …")

        with watch_passes(before_pass):
            yield

    def say(self, text: str, css: str = "xk-notice") -> None:
        """Show a status text after the present problem, if there is one."""
        self.status.html = self.problem + (f'<p class="{css}">{escaped(text)}</p>' if text else "")

    def tell(self, text: str) -> None:
        """Show how far the work is; an empty text removes it."""
        self.progress.html = f"<small>{escaped(text)}</small>" if text else ""

    def fail(self, error: Exception) -> None:
        """Show what went wrong, until the next answer."""
        text = escaped(error) or escaped(type(error).__name__)
        self.problem = f'<p class="xk-notice xk-error" role="alert">{text}</p>'
        self.say("")
        self.tell("")
        self.changed()

    def keep(self) -> None:
        """Leave a picture of the present state in the notebook."""
        with self.lock:
            self._kept.append(without_buttons(self.body()))
            self.changed()
            self._writer.flush()
            self.say(KEPT)

    def changed(self) -> None:
        """Let the snapshot in the notebook follow soon."""
        if self._handles:
            self._writer.ask(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all work is done and the notebook's snapshot shows it; False after `timeout`
        seconds.

        Call it in a cell of its own before you save a notebook that was run without a browser."""
        for worker in self._workers:
            worker.flush()
        done = min([worker.wait(timeout) for worker in self._workers], default=True)
        self.changed()  # asked from the waiting cell: a program that runs notebooks hears no cell that is done
        self._writer.flush()
        return self._writer.wait(timeout) and done

    @property
    def html(self) -> str:
        """The kept pictures and the present state, as they are in the saved notebook."""
        # After a restart JupyterLab writes an error where the widget was; this hides it in favour
        # of the snapshot.
        lost = (
            f".jp-OutputArea-child:has(+.jp-OutputArea-child .xk-picture-{self._key})"
            f":not(:has(.xk-live-{self._key})){{display:none}}"
        )
        kept = "".join(f'<figure class="xk-kept">{picture}</figure>' for picture in self._kept)
        return (
            f'<style>{STYLE}{lost}</style>{kept}<div class="xk-picture-{self._key}"><p class="xk-original">'
            f"{escaped(self.name)}: last state. Run the cell to use it.</p>{without_buttons(self.body())}</div>"
        )

    def _shown(self, show: Callable[[], None]) -> None:
        self.problem = ""
        show()
        self.changed()

    def _render(self, _: None) -> Iterator[str]:
        with self.lock:
            html = self.html
        yield html

    def _write(self, html: str) -> None:
        for handle in self._handles:
            handle.update(HTML(html))

    def _ipython_display_(self) -> None:
        text = f"{self.name}: the controls need a running kernel. A picture of the last state follows."
        display({**(self.widget._repr_mimebundle_() or {}), "text/plain": text}, raw=True)
        handle = display(HTML(self.html), display_id=True)
        if handle is not None:
            self._handles.append(handle)


class LiveRows(Live):
    """An explorer of rows, one of which can be opened for its explanation.

    Parameters
    ----------
    explain : pairs, `method`, `target` and perhaps `contrast` -> one Explanation per row; None: no
        explanations.

    Attributes
    ----------
    opened : the key of the open row; `card` is its explanation as HTML.
    method : the control for the method that explains it."""

    def __init__(self, name: str, explain: Explain | None) -> None:
        super().__init__(name)
        self._explain = explain
        self.opened: Any = None
        self.card = ""
        self.method = dropdown("explain by", METHOD_OPTIONS, THOROUGH)
        self._explaining = self.worker(self._explain_row)
        self.on_any(lambda: self.open(self.opened), self.method)

    def row(self, key: Any) -> pd.DataFrame:
        """The prediction with this key, as a frame of one row."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show the rows and the open one as they are now."""
        raise NotImplementedError

    def open(self, key: Any) -> None:
        """Open one row for its explanation; None closes it."""
        with self.lock:
            self.opened, self.card = key, ""
            if key is not None and self._explain is not None:
                self.card = WAITING
                self._explaining.ask((key, self.row(key), self.method.value))
            self.draw()

    def explain(self, worker: Debouncer, row: pd.DataFrame, doing: str = "", **options: str) -> Explanation:
        """The explanation of one row, unless `worker` has a newer question; `doing` shows
        progress."""
        assert self._explain is not None
        with self.watching(worker, doing):
            [explanation] = self._explain(without_predictions(row), **options)
        return explanation

    def fail(self, error: Exception) -> None:
        """Show what went wrong; also in place of the explanation that the reader waits for."""
        super().fail(error)
        if self.card == WAITING:
            self.card = self.problem
            self.draw()

    def _explain_row(self, question: tuple[Any, pd.DataFrame, str]) -> Iterator[Callable[[], None]]:
        key, row, method = question
        name = METHOD_NAMES[method]
        yield partial(self.tell, f"{name} …")
        options = explain_options(row.iloc[0].to_dict(), method)
        explanation = self.explain(self._explaining, row, name, method=method, **options)
        yield partial(self._show_card, key, card(explanation))

    def _show_card(self, key: Any, html: str) -> None:
        if key == self.opened:
            self.card = html
        self.tell("")
        self.say("The explanation is shown.", "xk-sr")
        self.draw()


def _raise(error: Exception) -> None:
    raise error


def explain_options(row: Row, method: str) -> dict[str, str]:
    """What to explain of a row: its prediction; if that is wrong and the method allows it, rather
    than gold."""
    if METHOD[method].labelled and not is_missing(row.get("gold")) and row["gold"] != row["prediction"]:
        return {"target": row["prediction"], "contrast": row["gold"]}
    return {"target": row["prediction"]}


def without_predictions(rows: pd.DataFrame) -> pd.DataFrame:
    """The pairs that the rows of predictions are about."""
    return rows.drop(columns=["prediction", "confidence", "correct"], errors="ignore")
