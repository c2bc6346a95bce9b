"""What explorers are made of: the latest input wins, masks stay with their words, undo, suggestions, and HTML that holds hostile text."""

from __future__ import annotations

import dataclasses
import threading
from contextvars import ContextVar, copy_context
from html.parser import HTMLParser

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st

from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.widgets.bars import bars, percent, said
from xlmkit.widgets.controls import MODULE, Clickable, TextField
from xlmkit.widgets.latest import Latest, Superseded
from xlmkit.widgets.picture import Pictured
from xlmkit.widgets.session import Answer, Question, Session
from xlmkit.widgets.situation import Situation, Span, dropped, replaced, swapped, toggled, typed
from xlmkit.widgets.strip import strip
from xlmkit.widgets.suggestion import suggested

HOSTILE = "<script>alert(1)</script> \"><img src=x onerror=alert(1)> \u202eevil\u202c ' & </textarea>"
PATIENCE = 30.0


class Tags(HTMLParser):
    """The tags and attributes of a piece of HTML."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags(html):
    return Tags(html).found


# latest


def held_up(delay=0.0):
    """A Latest whose first answer waits for `go`, and what was asked, shown and failed."""
    go, started, asked, shown, failed = threading.Event(), threading.Event(), [], [], []

    def answer(question):
        asked.append(question)
        started.set()
        assert go.wait(PATIENCE)
        yield question

    return Latest(answer, shown.append, failed.append, delay=delay), go, started, asked, shown, failed


def test_of_many_questions_during_an_answer_only_the_last_is_answered():
    latest, go, started, asked, shown, failed = held_up()
    latest.ask(0)
    assert started.wait(PATIENCE)
    for number in range(1, 201):
        latest.ask(number)
    go.set()
    assert latest.settle(PATIENCE)
    assert (asked, shown, failed) == ([0, 200], [200], [])


def test_questions_within_the_delay_are_not_answered_but_the_last_is():
    latest, go, _, asked, shown, _ = held_up(delay=3600.0)
    go.set()
    for number in range(50):
        latest.ask(number)
    assert not latest.settle(0.01)
    latest.hurry()
    assert latest.settle(PATIENCE)
    assert (asked, shown) == ([49], [49])


def test_a_superseded_answer_ends_at_its_next_check_and_shows_nothing_more():
    shown, checks = [], []
    asked = threading.Event()

    def answer(question):
        yield f"{question} quick"
        if question == "old":
            assert asked.wait(PATIENCE)
            try:
                latest.check()
            except Superseded:
                checks.append(question)
                raise
        yield f"{question} slow"

    def show(text):
        shown.append(text)
        if text == "old quick":
            latest.ask("new")
            asked.set()

    latest = Latest(answer, show, pytest.fail, delay=0.0)
    latest.ask("old")
    assert latest.settle(PATIENCE)
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

    latest = Latest(answer, told, told, delay=0)
    for name in ("a page", "another page"):
        copy_context().run(lambda name=name: (asker.set(name), latest.ask(name)))
        assert latest.settle(30)
    assert seen == [
        ("a page", "a page"), "a page", "a page",
        ("another page", "another page"), "another page", "another page",
    ]  # fmt: skip


def test_a_failed_answer_is_told_and_the_next_question_is_answered():
    shown, failed = [], []

    def answer(question):
        yield 1 / question

    latest = Latest(answer, shown.append, failed.append, delay=0.0)
    latest.ask(0)
    assert latest.settle(PATIENCE)
    latest.ask(2)
    assert latest.settle(PATIENCE)
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

    latest = Latest(answer, shown.append, failed.append, delay=0.0)
    latest.ask("bad")
    assert started.wait(PATIENCE)
    latest.ask("good")
    go.set()
    assert latest.settle(PATIENCE)
    assert (shown, failed) == (["good"], [])


def test_no_thread_is_left_when_nothing_is_asked():
    latest, go, *_ = held_up()
    go.set()
    latest.ask(1)
    assert latest.settle(PATIENCE)
    assert latest._working is None


# situation


PAIR = Situation("A man is sleeping.", "A man is awake.")
SLEEPING = Span(0, 9, 17)


def test_a_mask_moves_with_its_word_when_text_before_it_changes():
    masked = toggled(PAIR, SLEEPING)
    for text in ("A tall man is sleeping.", "He is sleeping.", "A man is sleeping in bed.", "Is sleeping."):
        moved = typed(masked, 0, text)
        assert [moved.text(span) for span in moved.masked] == ["sleeping"]


def test_a_mask_is_gone_when_its_word_is_changed_and_stays_when_the_other_sentence_is():
    masked = toggled(PAIR, SLEEPING)
    assert typed(masked, 0, "A man is slipping.").masked == ()
    assert typed(masked, 1, "Something else.").masked == masked.masked
    assert toggled(masked, SLEEPING) == PAIR


def test_dropping_a_word_leaves_one_blank_where_there_were_two():
    assert dropped(PAIR, Span(0, 2, 5)).premise == "A is sleeping."
    assert dropped(PAIR, Span(0, 0, 1)).premise == "man is sleeping."
    assert dropped(Situation("all sleep", "x"), Span(0, 4, 9)).premise == "all"
    assert dropped(Situation("他在睡觉", "x", "zh"), Span(0, 1, 2)).premise == "他睡觉"
    assert replaced(PAIR, SLEEPING, "reading").premise == "A man is reading."


def test_swapping_twice_changes_nothing_and_swaps_languages_and_masks():
    pair = toggled(Situation("Il dort.", "He is awake.", "fr", "en"), Span(0, 3, 7))
    other = swapped(pair)
    assert (other.premise, other.premise_language, other.masked) == ("He is awake.", "en", (Span(1, 3, 7),))
    assert swapped(other) == pair


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("abcdefghijkl"), min_size=2, unique=True).map(
        "".join
    ),  # where it changed is plain
    st.text("xy", max_size=4),
    st.data(),
)
def test_after_any_typing_a_mask_covers_the_same_characters_or_is_gone(old, written, data):
    start, first = (data.draw(st.integers(0, len(old) - 1)) for _ in range(2))
    end, last = (data.draw(st.integers(place + 1, len(old))) for place in (start, first))
    before = toggled(Situation(old, "x"), Span(0, start, end))
    after = typed(before, 0, old[:first] + written + old[last:])
    assert all(after.text(span) == old[start:end] for span in after.masked)
    if last <= start or first >= end:
        assert len(after.masked) == 1


def test_an_unknown_language_or_id_is_refused_by_name():
    with pytest.raises(ValueError, match="'xx'"):
        Situation("a", "b", "xx")
    with pytest.raises(ValueError, match="'xx'"):
        Situation("a", "b", language_id="xx")


# suggestion


@pytest.mark.parametrize(
    ("text", "chosen", "proposed"),
    [
        ("القطة تنام", "en", ("ar",)),
        ("باب دار", "en", ("ar", "ur")),
        ("یہ سو رہا ہے", "ar", ("ur",)),
        ("هذا الرجل في المدرسة، أين؟", "ur", ("ar",)),
        ("это мы", "bg", ("ru",)),
        ("คนนอน", "zh", ("th",)),
        ("他在睡觉", "en", ("zh",)),
        ("το σκυλί", "en", ("el",)),
        ("आदमी", "en", ("hi",)),
        ("Die Straße ist größer", "en", ("de",)),
        ("köpek ağaçta", "de", ("tr",)),
    ],
)
def test_a_language_is_proposed_from_script_and_letters(text, chosen, proposed):
    found = suggested(text, chosen)
    assert set(found) == set(proposed)


@pytest.mark.parametrize("text", ["", "123 !?", "A café.", "Hello"])
def test_nothing_is_proposed_without_evidence(text):
    assert suggested(text, "en") == ()


def test_the_right_language_is_never_called_into_question():
    sentences = {
        "fr": "Où est l'élève ?",
        "vi": "Trời đang mưa",
        "tr": "Bugün yağmur yağıyor",
        "ur": "وہ سو رہا ہے",
        "ar": "هو نائم",
    }
    assert all(suggested(text, code) == () for code, text in sentences.items())


# session


def test_typing_is_one_step_and_other_changes_are_steps_of_their_own():
    session = Session(PAIR)
    for end in range(1, 8):
        session.add("typed", typed(session.situation, 0, "A woman"[:end]), kind="premise")
    session.add("swapped", swapped(session.situation))
    session.add("typed", typed(session.situation, 0, "new"), kind="premise")
    assert [step.change for step in session.steps] == ["start", "typed", "swapped", "typed"]
    assert session.before == session.steps[2].situation


def test_undo_goes_back_and_a_new_step_forgets_what_was_undone():
    session = Session(PAIR)
    session.add("swapped", swapped(PAIR))
    assert session.go(0)
    assert (session.situation, session.before) == (PAIR, None)
    assert not session.go(-1)
    assert not session.go(2)
    session.add("masked", toggled(PAIR, SLEEPING))
    assert [step.change for step in session.steps] == ["start", "masked"]
    assert not session.add("nothing", session.situation)


def test_a_held_step_is_compared_with_all_that_follow_and_typing_does_not_change_it():
    session = Session(PAIR)
    session.add("typed", typed(PAIR, 0, "held"), kind="premise")
    session.hold(True)
    session.add("typed", typed(session.situation, 0, "after"), kind="premise")
    session.add("swapped", swapped(session.situation))
    assert session.before is not None
    assert session.before.premise == "held"
    session.hold(False)
    assert session.before.premise == "after"


def test_the_table_has_a_row_a_step_and_probabilities_where_they_are_known():
    session = Session(toggled(PAIR, SLEEPING))
    session.add("swapped", swapped(session.situation))
    question = Question(session.situation, "saliency", "predicted")
    session.answered(Answer(question, {"neutral": 0.25, "entailment": 0.75}, explained("x")))
    frame = session.to_frame()
    assert frame["change"].tolist() == ["start", "swapped"]
    assert frame["masked"].tolist() == ["sleeping", "sleeping"]
    assert frame["prediction"].isna().tolist() == [True, False]
    assert frame["p_entailment"].tolist()[1] == 0.75


# bars, strip, controls, picture


def explained(premise, language="en"):
    """An explanation of a premise of one word and of the hypothesis "b"."""
    words = (ExplainedWord(premise, 0, 0, len(premise)), ExplainedWord("b", 1, 0, 1))
    tokens = (ExplainedToken("a", 0, 0, 0, 1), ExplainedToken("b", 1, 1, 0, 1))
    return Explanation(
        pair_id="1",
        premise=premise,
        hypothesis="b",
        premise_language=language,
        hypothesis_language="en",
        label="neutral",
        probability=0.5,
        target="neutral",
        tokens=tokens,
        words=words,
        scores=[1.0, -0.5],
        method="occlusion",
        output=1.0,
    )


def test_bars_say_every_number_and_the_change_in_points():
    html = bars({"neutral": 0.7, "entailment": 0.3}, {"neutral": 0.4, "entailment": 0.6}, gold="entailment")
    for text in ("70 %", "30 %", "+30 points", "−30 points", "▶ neutral", "entailment (gold)"):
        assert text in html
    assert said({"neutral": 0.7, "entailment": 0.3}, {"neutral": 0.4, "entailment": 0.6}) == (
        "neutral, 70 %; before: entailment, 60 %"
    )
    assert (percent(0.9999), percent(0.5), percent(0.0001)) == ("100.0 %", "50 %", "0.0 %")


def test_a_word_is_said_as_it_was_written_and_not_as_the_model_has_it():
    explanation = explained("نائم", "ar")
    first = dataclasses.replace(explanation.words[0], text="نايم")
    html = strip(dataclasses.replace(explanation, words=(first, *explanation.words[1:])))
    names = [attributes["aria-label"] for _, attributes in tags(html) if "data-xk" in attributes]
    assert names[0].startswith("نائم, ")


def test_every_word_of_a_strip_is_a_button_that_says_its_score():
    html = strip(explained("a"), masked=[0], chosen=1)
    buttons = [attributes for _, attributes in tags(html) if "data-xk" in attributes]
    assert [button["data-xk"] for button in buttons] == ["word:0", "word:1"]
    assert [button["aria-label"] for button in buttons] == ["a, +1.00, masked", "b, −0.50"]
    assert [button["aria-pressed"] for button in buttons] == ["false", "true"]
    assert "data-masked" in buttons[0]
    assert not [own for _, own in tags(strip(explained("a"), still=True)) if "data-xk" in own]


def test_hostile_text_stays_text_in_every_part():
    html = strip(explained(HOSTILE, "ar")) + bars({HOSTILE: 1.0})
    assert not {"script", "img", "textarea"} & {tag for tag, _ in tags(html)}
    assert not [name for _, own in tags(html) for name in own if name.startswith("on")]
    assert "\u202e" not in html
    assert {own.get("dir") for tag, own in tags(html) if tag == "p"} == {"rtl", "ltr"}


def test_a_field_takes_the_direction_of_its_language():
    field = TextField("Premise", "x", language="ur")
    assert (field.lang, field.dir) == ("ur", "rtl")
    field.speak("th")
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
        field._handle_custom_msg(content, [])
    assert heard == [("Enter", "newer"), ("Escape", "newer")]


def test_what_the_page_sends_reaches_every_listener_and_nothing_else_does():
    heard = []
    words = Clickable("<b data-xk='7'>x</b>")
    words.on_choose(heard.append)
    for content in ({"chosen": "7"}, {"chosen": 7}, {}, "chosen", {"chosen": ""}):
        words._handle_custom_msg(content, [])
    assert heard == ["7", ""]


def test_the_module_for_the_browser_asks_the_network_for_nothing():
    text = MODULE.read_text(encoding="utf-8")
    assert "http" not in text
    assert "import " not in text
    assert "eval" not in text


def test_an_explorer_offers_the_widget_and_a_picture_of_its_state():
    state = ["<p>one</p>"]
    pictured = Pictured(Clickable("x"), lambda: state[0], name="<b>try</b>")
    bundle = pictured._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert "<p>one</p>" in bundle["text/html"]
    assert "&lt;b&gt;try" in bundle["text/html"]


def test_a_kept_picture_stays_as_the_state_goes_on():
    state = ["<p>one</p>"]
    pictured = Pictured(Clickable("x"), lambda: state[0], name="try")
    pictured.keep()
    state[0] = "<p>two</p>"
    html = pictured.html
    assert html.index("<p>one</p>") < html.index("<p>two</p>")
    hidden = html.index("xk-picture-", html.index("</style>"))
    assert html.index("<p>one</p>") < hidden < html.index("<p>two</p>")


def test_the_saved_picture_follows_the_state(monkeypatch):
    import xlmkit.widgets.picture as module

    written = []

    class Handle:
        def update(self, shown):
            written.append(shown.data)

    monkeypatch.setattr(
        module, "display", lambda *_, display_id=False, **__: Handle() if display_id else None
    )
    state = ["one"]
    pictured = Pictured(Clickable("x"), lambda: state[0], name="try")
    pictured.changed()
    assert not written  # nothing is shown yet, so there is nothing to bring up to date
    pictured._ipython_display_()
    state[0] = "two"
    pictured.changed()
    assert pictured.settle(PATIENCE)
    assert len(written) == 1
    assert "two" in written[0]


def test_who_waits_for_the_picture_gets_it_in_his_own_context(monkeypatch):
    """A program that runs a notebook, as nbconvert does, takes what comes in the name of the cell that runs now."""
    import xlmkit.widgets.picture as module

    cell, written = ContextVar("cell", default="first"), []

    class Handle:
        def update(self, shown):
            written.append((cell.get(), shown.data))

    monkeypatch.setattr(
        module, "display", lambda *_, display_id=False, **__: Handle() if display_id else None
    )
    pictured = Pictured(Clickable("x"), lambda: "state", name="try")
    pictured._ipython_display_()
    pictured.changed()
    pictured._writer.hurry()
    assert pictured._writer.settle(PATIENCE)
    cell.set("second")
    assert pictured.settle(PATIENCE)
    assert [name for name, _ in written] == ["first", "second"]
