"""The newest question wins, and the saved notebook shows the last state."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

import threading
from contextvars import ContextVar, copy_context

from xlmkit.widgets import live
from xlmkit.widgets.live import Debouncer, Live, Superseded

PATIENCE = 30.0


def held_up(delay=0.0):
    """A Debouncer whose first answer waits for `go`, and what was asked, shown and failed."""
    go, started, asked, shown, failed = threading.Event(), threading.Event(), [], [], []

    def answer(question):
        asked.append(question)
        started.set()
        assert go.wait(PATIENCE)
        yield question

    return Debouncer(answer, shown.append, failed.append, delay=delay), go, started, asked, shown, failed


def test_of_many_questions_during_an_answer_only_the_last_is_answered():
    debouncer, go, started, asked, shown, failed = held_up()
    debouncer.ask(0)
    assert started.wait(PATIENCE)
    for number in range(1, 201):
        debouncer.ask(number)
    go.set()
    assert debouncer.wait(PATIENCE)
    assert (asked, shown, failed) == ([0, 200], [200], [])


def test_questions_within_the_delay_are_not_answered_but_the_last_is():
    debouncer, go, _, asked, shown, _ = held_up(delay=3600.0)
    go.set()
    for number in range(50):
        debouncer.ask(number)
    assert not debouncer.wait(0.01)
    debouncer.flush()
    assert debouncer.wait(PATIENCE)
    assert (asked, shown) == ([49], [49])


def test_a_superseded_answer_ends_at_its_next_check_and_shows_nothing_more():
    shown, checks = [], []
    asked = threading.Event()

    def answer(question):
        yield f"{question} quick"
        if question == "old":
            assert asked.wait(PATIENCE)
            try:
                debouncer.check()
            except Superseded:
                checks.append(question)
                raise
        yield f"{question} slow"

    def show(text):
        shown.append(text)
        if text == "old quick":
            debouncer.ask("new")
            asked.set()

    debouncer = Debouncer(answer, show, pytest.fail, delay=0.0)
    debouncer.ask("old")
    assert debouncer.wait(PATIENCE)
    assert shown == ["old quick", "new quick", "new slow"]
    assert checks == ["old"]


def test_a_question_is_answered_shown_and_failed_in_the_context_of_who_asked():
    asker, seen = ContextVar("asker", default="nobody"), []

    def answer(question):
        seen.append((question, asker.get()))
        yield question
        raise ValueError(question)

    def told(_):
        seen.append(asker.get())

    debouncer = Debouncer(answer, told, told, delay=0)
    for name in ("a page", "another page"):
        copy_context().run(lambda name=name: (asker.set(name), debouncer.ask(name)))
        assert debouncer.wait(30)
    assert seen == [
        ("a page", "a page"), "a page", "a page",
        ("another page", "another page"), "another page", "another page",
    ]  # fmt: skip


def test_a_failed_answer_is_told_and_the_next_question_is_answered():
    shown, failed = [], []

    def answer(question):
        yield 1 / question

    debouncer = Debouncer(answer, shown.append, failed.append, delay=0.0)
    debouncer.ask(0)
    assert debouncer.wait(PATIENCE)
    debouncer.ask(2)
    assert debouncer.wait(PATIENCE)
    assert [type(error) for error in failed] == [ZeroDivisionError]
    assert shown == [0.5]


def test_the_failure_of_an_older_question_is_not_told():
    started, go, shown, failed = threading.Event(), threading.Event(), [], []

    def answer(question):
        if question == "bad":
            started.set()
            assert go.wait(PATIENCE)
            raise ValueError(question)
        yield question

    debouncer = Debouncer(answer, shown.append, failed.append, delay=0.0)
    debouncer.ask("bad")
    assert started.wait(PATIENCE)
    debouncer.ask("good")
    go.set()
    assert debouncer.wait(PATIENCE)
    assert (shown, failed) == (["good"], [])


def test_no_thread_is_left_when_nothing_is_asked():
    debouncer, go, *_ = held_up()
    go.set()
    debouncer.ask(1)
    assert debouncer.wait(PATIENCE)
    assert not [thread for thread in threading.enumerate() if thread.name == "xlmkit-widgets"]


# The snapshot


class Toy(Live):
    """A text, and work that shows or fails."""

    def __init__(self, name="try"):
        super().__init__(name)
        self.text = "<p>one</p>"
        self.answering = self.worker(self.answer)
        self.lay_out(self.status, self.keep_button)

    def body(self):
        return self.text

    def answer(self, question):
        if question == "bad":
            raise ValueError("expected <fewer> words")
        yield lambda: setattr(self, "text", question)
        yield lambda: self.say("")


class Output:
    """An output of a notebook, as `display(..., display_id=True)` gives it."""

    cell = ContextVar("cell", default="first")

    def __init__(self):
        self.displayed, self.written = [], []

    def update(self, shown):
        self.written.append((self.cell.get(), shown.data))


@pytest.fixture
def output(monkeypatch):
    shown = Output()

    def display(data, display_id=False, **_):
        shown.displayed.append(data)
        return shown if display_id else None

    monkeypatch.setattr(live, "display", display)
    return shown


def test_an_explorer_offers_the_widget_and_after_it_a_picture_of_its_state(output):
    Toy("<b>try</b>")._ipython_display_()
    widget, picture = output.displayed
    assert set(widget) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert "<p>one</p>" in picture.data
    assert "&lt;b&gt;try" in picture.data


def test_a_kept_picture_stays_as_the_state_goes_on():
    toy = Toy()
    toy.keep_button.click()
    toy.text = "<p>two</p>"
    html = toy.html
    hidden = html.index("xk-picture-", html.index("</style>"))  # what the live explorer hides begins here
    assert html.index("<p>one</p>") < hidden < html.index("<p>two</p>")


def test_keeping_a_picture_is_confirmed_and_does_not_hide_a_problem():
    toy = Toy()
    toy.keep_button.click()
    assert "below the controls" in toy.status.html
    toy.answering.ask("bad")
    assert toy.wait(PATIENCE)
    assert 'role="alert">expected &lt;fewer&gt; words' in toy.status.html
    assert "below the controls" not in toy.status.html
    toy.keep_button.click()
    assert "fewer" in toy.status.html
    assert "below the controls" in toy.status.html
    toy.answering.ask("good")
    assert toy.wait(PATIENCE)
    assert toy.status.html == ""


def test_the_saved_picture_follows_the_state(output):
    toy = Toy()
    toy.changed()
    assert not output.written  # nothing is shown yet, so there is nothing to bring up to date
    toy._ipython_display_()
    toy.answering.ask("two")
    assert toy.wait(PATIENCE)
    assert "two" in output.written[-1][1]
    assert output.written[-1][1] == toy.html


def test_who_waits_gets_the_picture_in_its_own_cell(output):
    """A program that runs a notebook, as nbconvert does, takes what comes in the name of the cell that runs now."""
    toy = Toy()
    toy._ipython_display_()
    assert toy.wait(PATIENCE)
    Output.cell.set("second")
    assert toy.wait(PATIENCE)
    assert [name for name, _ in output.written] == ["first", "second"]


def test_a_page_and_background_work_never_change_an_explorer_at_a_time():
    toy, inside = Toy(), threading.Event()
    toy.on(
        toy.status, lambda _: (inside.set(), toy.answering.ask("late"), seen.append(toy.answering.wait(0.2)))
    )
    seen = []
    page = threading.Thread(target=toy.status.choose, args=("x",))
    with toy.lock:
        page.start()
        assert not inside.wait(0.2)  # the callback waits for the lock
    page.join(PATIENCE)
    assert toy.wait(PATIENCE)
    assert toy.text == "late"
