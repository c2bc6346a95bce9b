"""Masks stay with their words, typing is one step, and undo goes back."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st
from widgets_toys import explanation

from xlmkit.widgets.state import (
    Answer,
    PairState,
    Question,
    Session,
    Span,
    drop_word,
    replace_word,
    set_text,
    swap_sentences,
    toggle_mask,
)

PAIR = PairState("A man is sleeping.", "A man is awake.")
SLEEPING = Span(0, 9, 17)


def test_a_mask_moves_with_its_word_when_text_before_it_changes():
    masked = toggle_mask(PAIR, SLEEPING)
    for text in ("A tall man is sleeping.", "He is sleeping.", "A man is sleeping in bed.", "Is sleeping."):
        moved = set_text(masked, 0, text)
        assert [moved.text(span) for span in moved.masked] == ["sleeping"]


def test_a_mask_is_gone_when_its_word_is_changed_and_stays_when_the_other_sentence_is():
    masked = toggle_mask(PAIR, SLEEPING)
    assert set_text(masked, 0, "A man is slipping.").masked == ()
    assert set_text(masked, 1, "Something else.").masked == masked.masked
    assert toggle_mask(masked, SLEEPING) == PAIR


def test_dropping_a_word_leaves_one_blank_where_there_were_two():
    assert drop_word(PAIR, Span(0, 2, 5)).premise == "A is sleeping."
    assert drop_word(PAIR, Span(0, 0, 1)).premise == "man is sleeping."
    assert drop_word(PairState("all sleep", "x"), Span(0, 4, 9)).premise == "all"
    assert drop_word(PairState("他在睡觉", "x", "zh"), Span(0, 1, 2)).premise == "他睡觉"
    assert replace_word(PAIR, SLEEPING, "reading").premise == "A man is reading."


def test_swapping_twice_changes_nothing_and_swaps_languages_and_masks():
    pair = toggle_mask(PairState("Il dort.", "He is awake.", "fr", "en"), Span(0, 3, 7))
    other = swap_sentences(pair)
    assert (other.premise, other.premise_language, other.masked) == ("He is awake.", "en", (Span(1, 3, 7),))
    assert swap_sentences(other) == pair


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
    before = toggle_mask(PairState(old, "x"), Span(0, start, end))
    after = set_text(before, 0, old[:first] + written + old[last:])
    assert all(after.text(span) == old[start:end] for span in after.masked)
    if last <= start or first >= end:
        assert len(after.masked) == 1


def test_an_unknown_language_or_id_is_refused_by_name():
    with pytest.raises(ValueError, match="'xx'"):
        PairState("a", "b", "xx")
    with pytest.raises(ValueError, match="'xx'"):
        PairState("a", "b", language_id="xx")


def test_typing_is_one_step_and_other_changes_are_steps_of_their_own():
    session = Session(PAIR)
    for end in range(1, 8):
        session.add("typed", set_text(session.state, 0, "A woman"[:end]), kind="premise")
    session.add("swapped", swap_sentences(session.state))
    session.add("typed", set_text(session.state, 0, "new"), kind="premise")
    assert [step.change for step in session.steps] == ["start", "typed", "swapped", "typed"]
    assert session.before == session.steps[2].state


def test_undo_goes_back_and_a_new_step_forgets_what_was_undone():
    session = Session(PAIR)
    session.add("swapped", swap_sentences(PAIR))
    assert session.go(0)
    assert (session.state, session.before) == (PAIR, None)
    assert not session.go(-1)
    assert not session.go(2)
    session.add("masked", toggle_mask(PAIR, SLEEPING))
    assert [step.change for step in session.steps] == ["start", "masked"]
    assert not session.add("nothing", session.state)


def test_a_held_step_is_compared_with_all_that_follow_and_typing_does_not_change_it():
    session = Session(PAIR)
    session.add("typed", set_text(PAIR, 0, "held"), kind="premise")
    session.hold(True)
    session.add("typed", set_text(session.state, 0, "after"), kind="premise")
    session.add("swapped", swap_sentences(session.state))
    assert session.before is not None
    assert session.before.premise == "held"
    session.hold(False)
    assert session.before.premise == "after"


def test_the_table_has_a_row_a_step_and_probabilities_where_they_are_known():
    session = Session(toggle_mask(PAIR, SLEEPING))
    session.add("swapped", swap_sentences(session.state))
    shown = explanation({"pair_id": "1", "premise": "x", "hypothesis": "b", "language": "en"})
    question = Question(session.state, "saliency", "predicted")
    session.note(Answer(question, {"neutral": 0.25, "entailment": 0.75}, shown))
    frame = session.to_frame()
    assert frame["change"].tolist() == ["start", "swapped"]
    assert frame["masked"].tolist() == ["sleeping", "sleeping"]
    assert frame["prediction"].isna().tolist() == [True, False]
    assert frame["p_entailment"].tolist()[1] == 0.75
