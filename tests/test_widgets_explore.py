"""`explore`: what it answers is what `predict` and `explain` say; what is done to a word is done to the model's input; the notebook keeps its laws."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")

from xlmkit.attribution import METHODS, explain
from xlmkit.attribution.batch import watched
from xlmkit.attribution.masked import explain_masked
from xlmkit.encoding import encode, erase
from xlmkit.inference import logits, predict
from xlmkit.probes.ids import under
from xlmkit.widgets import explore
from xlmkit.widgets.answering import QUICK, SLOW, Answers
from xlmkit.widgets.latest import Superseded
from xlmkit.widgets.session import Question
from xlmkit.widgets.situation import Situation, Span, toggled

PATIENCE = 120.0
NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "explorer.ipynb"
PAIR = Situation("the dog sleeps today", "a man eats", "en", "en")
MIXED = Situation("der Hund schläft", "the dog sleeps", "de", "en")


def asked(nli, situation, method="saliency", **options):
    return list(Answers(nli)(Question(situation, method, "predicted"), **options))


def shares(answer):
    return np.array([answer.probabilities[label] for label in sorted(answer.probabilities)])


def predicted(nli, situation):
    row = predict(nli, situation.to_frame(), progress=False).iloc[0]
    return np.array([row[f"p_{label}"] for label in sorted(nli.labels)])


# answers


@pytest.mark.parametrize("situation", [PAIR, MIXED], ids=["one language", "two languages"])
def test_an_answer_is_what_predict_and_explain_say(nli, situation):
    (answer,) = asked(nli, situation)
    np.testing.assert_allclose(shares(answer), predicted(nli, situation), atol=1e-6)
    (expected,) = explain(nli, situation.to_frame(), method="saliency", progress=False)
    np.testing.assert_allclose(answer.explanation.scores, expected.scores, rtol=1e-4, atol=1e-6)
    assert answer.explanation.label == max(
        answer.probabilities, key=lambda label: answer.probabilities[label]
    )


def test_another_language_id_is_that_of_the_probes(nli):
    for id in ("hi", "none"):
        (answer,) = asked(nli, replace(MIXED, language_id=id))
        np.testing.assert_allclose(shares(answer), predicted(under(nli, id), MIXED), atol=1e-6)


def test_a_masked_word_is_masked_in_the_model_s_input(nli):
    (answer,) = asked(nli, toggled(PAIR, Span(0, 4, 7)))
    encoding = erase(encode(nli, PAIR.premise, PAIR.hypothesis, "en"), [[1]], "mask")
    found = logits(nli, encoding)[0].astype(float)
    chances = np.exp(found) / np.exp(found).sum()
    expected = [chances[nli.labels.index(label)] for label in sorted(nli.labels)]
    np.testing.assert_allclose(shares(answer), expected, atol=1e-6)
    assert [word.text for word in answer.explanation.words] == [
        "the",
        "dog",
        "sleeps",
        "today",
        "a",
        "man",
        "eats",
    ]
    assert answer.explanation.provenance["settings"]["masked"] == [1]


def test_explaining_with_nothing_masked_is_explain_itself(nli):
    frame = PAIR.to_frame()
    for method in ("integrated_gradients", "occlusion"):
        (expected,) = explain(nli, frame, method=method, progress=False)
        (found,) = explain_masked(nli, frame, [[]], method=method)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
        assert dict(found.provenance) == dict(expected.provenance)


def test_masked_scores_still_add_up_to_the_change_in_logit(nli):
    (found,) = explain_masked(nli, PAIR.to_frame(), [[1, 5]], method="integrated_gradients")
    assert found.passed
    assert found.scores.sum() == pytest.approx(found.change, abs=0.05 * abs(found.change) + 0.02)


def test_every_method_is_quick_or_slow():
    assert sorted((*QUICK, *SLOW)) == sorted(METHODS)


def test_a_slow_method_is_answered_at_once_with_saliency_and_tells_its_progress(nli):
    told = []
    quick, slow = asked(nli, PAIR, "occlusion", tell=told.append)
    assert (quick.final, quick.explanation.method) == (False, "saliency")
    assert (slow.final, slow.explanation.method) == (True, "occlusion")
    assert quick.probabilities == slow.probabilities
    assert told
    assert all(step.method == "occlusion" and 0 <= step.done <= step.total for step in told)
    assert [step.done for step in told] == sorted(step.done for step in told)


@pytest.mark.parametrize("method", SLOW)
def test_every_slow_method_can_be_ended_between_passes(nli, method):
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 1:
            raise Superseded

    found = Answers(nli)(Question(PAIR, method, "predicted"), check=check)
    assert not next(found).final
    with pytest.raises(Superseded):
        next(found)
    assert len(calls) == 2


def test_watching_ends_with_its_block_and_belongs_to_its_thread(nli):
    rows = []
    with watched(rows.append):
        other = threading.Thread(target=asked, args=(nli, PAIR))
        other.start()
        other.join()
        assert not rows
        explain_masked(nli, PAIR.to_frame(), [[]], method="saliency")
        assert rows
    count = len(rows)
    asked(nli, PAIR)
    assert len(rows) == count


def test_an_answer_is_remembered(nli):
    answers, question = Answers(nli), Question(PAIR, "occlusion", "predicted")
    first = list(answers(question))[-1]
    assert list(answers(question)) == [first]


@pytest.mark.parametrize("premise", ["", "  \n "])
def test_an_empty_sentence_is_asked_for(nli, premise):
    with pytest.raises(ValueError, match="premise is empty"):
        asked(nli, replace(PAIR, premise=premise))


# the explorer


@pytest.fixture
def explorer(nli):
    """An explorer that has answered."""
    made = explore(nli, premise=PAIR.premise, hypothesis=PAIR.hypothesis)
    made.ask()
    assert made.settle(PATIENCE)
    return made


def place(explorer, text):
    return [word.text for word in explorer.answer.explanation.words].index(text)


def test_two_hundred_keys_end_in_the_answer_to_the_last(explorer, nli):
    text = "the red book is in the house today and the dog eats " * 4
    for end in range(1, 201):
        explorer.board.fields[0].value = text[:end]
    assert explorer.settle(PATIENCE)
    assert explorer.answer.question.situation.premise == text[:200]
    np.testing.assert_allclose(shares(explorer.answer), predicted(nli, explorer.situation), atol=1e-6)
    assert len(explorer.session.steps) == 2
    assert explorer.before.question.situation == PAIR


def test_nothing_is_computed_before_the_explorer_is_shown(nli):
    assert explore(nli).answer is None


def test_a_word_is_dropped_masked_replaced_and_all_of_it_undone(explorer):
    for edit, premise, masks in (
        (lambda: explorer.drop(place(explorer, "dog")), "the sleeps today", 0),
        (lambda: explorer.mask(place(explorer, "sleeps")), "the sleeps today", 1),
        (lambda: explorer.replace(place(explorer, "the"), "a cat"), "a cat sleeps today", 1),
        (lambda: explorer.mask(place(explorer, "sleeps")), "a cat sleeps today", 0),
        (explorer.swap, "a man eats", 0),
    ):
        edit()
        assert explorer.settle(PATIENCE)
        assert (explorer.situation.premise, len(explorer.situation.masked)) == (premise, masks)
        assert explorer.board.fields[0].value == premise
        assert explorer.answer.question.situation == explorer.situation
    changes = explorer.to_frame()["change"].tolist()
    assert changes[1:3] == ["dropped “dog” in the premise", "masked “sleeps” in the premise"]
    assert changes[4] == "showed again “sleeps” in the premise"
    for _ in range(5):
        explorer.undo()
    assert explorer.situation == PAIR
    explorer.redo()
    assert explorer.settle(PATIENCE)
    assert explorer.situation.premise == "the sleeps today"
    assert explorer.to_frame()["prediction"].notna().all()


def test_the_controls_do_what_the_methods_do(explorer):
    board = explorer.board
    board.answer.choose("word:1")
    assert "dog" in board.word.title.html
    assert board.word.content.layout.display is None
    board.word.words.value = "cat"
    board.word.replace.click()
    assert explorer.settle(PATIENCE)
    assert explorer.situation.premise == "the cat sleeps today"
    assert board.word.content.layout.display == "none"
    board.answer.choose("word:0")
    board.word.words._handle_custom_msg({"key": "Enter", "value": "no"}, [])
    assert explorer.settle(PATIENCE)
    assert explorer.situation.premise == "no cat sleeps today"
    board.answer.choose("word:0")
    board.word.words._handle_custom_msg({"key": "Escape", "value": "x"}, [])
    assert (explorer.situation.premise, board.word.content.layout.display) == ("no cat sleeps today", "none")
    board.language_id.value = "none"
    board.languages[0].value = "de"
    assert explorer.settle(PATIENCE)
    assert (explorer.situation.language_id, explorer.situation.premise_language) == ("none", "de")
    board.steps.choose("step:0")
    assert explorer.settle(PATIENCE)
    assert (explorer.situation, board.language_id.value, board.languages[0].value) == (PAIR, "right", "en")
    board.swap.click()
    board.undo.click()
    assert explorer.settle(PATIENCE)
    assert explorer.situation == PAIR
    assert board.undo.disabled
    assert not board.redo.disabled


def test_of_a_kept_picture_it_is_said_where_it_stands_and_a_fault_is_said_on(explorer):
    explorer.board.keep.click()
    assert "stands below the controls" in explorer.board.status.html
    assert explorer.html.count('class="xk-kept"') == 1
    explorer.type("hypothesis", "")
    assert explorer.settle(PATIENCE)
    assert "stands below the controls" not in explorer.board.status.html
    explorer.board.keep.click()
    assert "The hypothesis is empty" in explorer.board.status.html
    assert "stands below the controls" in explorer.board.status.html


def test_a_word_of_an_older_text_cannot_be_edited(explorer):
    with explorer._latest.lock:  # no answer can come meanwhile
        explorer.type("premise", "no dog")
        explorer.drop(0)
        assert explorer.situation.premise == "no dog"
        explorer.board.answer.choose("word:3")
        assert explorer.board.word.content.layout.display == "none"


def test_before_and_now_are_shown_with_the_change(explorer):
    explorer.set_language_id("hi")
    assert explorer.settle(PATIENCE)
    html = explorer.board.answer.html
    assert "Before:" in html
    assert "ids: all Hindi" in html
    assert "points" in html
    assert explorer.before.question.situation == PAIR


def test_the_method_is_changed_for_now_and_before_alike(explorer):
    explorer.swap()
    explorer.board.method.value = "occlusion"
    assert explorer.settle(PATIENCE)
    assert [shown.explanation.method for shown in (explorer.answer, explorer.before)] == ["occlusion"] * 2
    assert explorer.board.progress.layout.display == "none"
    assert len(explorer.session.steps) == 2


def test_a_fault_is_a_sentence_in_its_place_and_the_next_change_mends_it(explorer):
    explorer.type("hypothesis", "")
    assert explorer.settle(PATIENCE)
    assert "The hypothesis is empty" in explorer.board.status.html
    assert 'role="alert"' in explorer.board.status.html
    assert explorer.board.answer.html == ""
    explorer.type("hypothesis", "a man")
    assert explorer.settle(PATIENCE)
    assert "empty" not in explorer.board.status.html
    assert explorer.answer.question.situation.hypothesis == "a man"


def test_a_language_is_proposed_and_never_taken_by_itself(explorer):
    explorer.type("premise", "собака спит")
    assert explorer.situation.premise_language == "en"
    assert "It is Russian" in explorer.board.proposals.html
    explorer.board.proposals.choose("premise:ru")
    assert explorer.situation.premise_language == "ru"
    assert explorer.board.proposals.html == ""
    assert (explorer.board.fields[0].lang, explorer.board.languages[0].value) == ("ru", "ru")


def test_an_example_has_its_english_original_beside_it(nli):
    rows = [
        ("a-en", "a", "en", "the dog sleeps", "a dog"),
        ("a-ur", "a", "ur", "کتا سو رہا ہے", "ایک کتا"),
        ("b-en", "b", "en", "it rains", "rain"),
    ]
    pairs = pd.DataFrame(rows, columns=["pair_id", "item", "language", "premise", "hypothesis"])
    explorer = explore(nli, pairs=pairs)
    explorer.board.example.value = "a"
    assert explorer.situation.premise == "the dog sleeps"
    assert explorer.board.original.value == ""
    explorer.board.example_language.value = "ur"
    assert (explorer.situation.premise, explorer.board.fields[0].dir) == ("کتا سو رہا ہے", "rtl")
    assert "the dog sleeps" in explorer.board.original.value
    assert "the dog sleeps" in explorer.html
    explorer.board.example.value = "b"
    assert "no example &#x27;b&#x27; in Urdu" in explorer.board.proposals.html
    assert explorer.situation.premise == "کتا سو رہا ہے"
    assert explorer.settle(PATIENCE)


def test_the_picture_holds_the_present_state_and_no_button(explorer):
    explorer.mask(1)
    assert explorer.settle(PATIENCE)
    html = explorer._repr_mimebundle_()["text/html"]
    for text in ("the", "dog", "eats", "Before:", "Now:", "data-masked"):
        assert text in html
    assert "data-xk" not in html.split("</style>")[-1]
    assert "<script" not in html
    assert (
        explorer.board.answer.html.count("Click a word") == 1
    )  # beneath the words that can be clicked, and nowhere else
    assert "Click a word" not in html


def test_hostile_text_is_shown_as_text_everywhere(explorer):
    hostile = '<script>alert(1)</script> "><img src=x onerror=alert(1)> dog \u202eevil\u202c'
    explorer.type("premise", hostile)
    assert explorer.settle(PATIENCE)
    explorer.mask(place(explorer, "dog"))
    assert explorer.settle(PATIENCE)
    explorer.replace(place(explorer, "img"), "<img src=x>")
    assert explorer.settle(PATIENCE)
    board = explorer.board
    shown = explorer.html + board.answer.html + board.steps.html + board.status.html + board.proposals.html
    assert not re.search(r"<(script|img)", shown)
    assert "\u202e" not in shown
    explorer.board.answer.choose(f"word:{place(explorer, 'alert')}")
    assert not re.search(r"<(script|img)", board.word.title.html)


def test_the_session_is_exported_as_a_table(explorer, monkeypatch):
    sent = []
    explorer.set_language_id("none")
    assert explorer.settle(PATIENCE)
    monkeypatch.setattr(explorer.board.steps, "send", sent.append)
    explorer.board.save.click()
    (message,) = sent
    frame = pd.read_csv(io.StringIO(message["download"]["text"].removeprefix("\ufeff")))
    assert frame["language_id"].tolist() == ["right", "none"]
    assert frame["p_neutral"].notna().all()


def test_two_explorers_do_not_disturb_each_other(explorer, nli):
    other = explore(nli, premise="it rains", hypothesis="the cat", language="en")
    other.ask()
    explorer.type("premise", "the cat eats")
    assert other.settle(PATIENCE)
    assert explorer.settle(PATIENCE)
    assert other.answer.question.situation.premise == "it rains"
    assert explorer.answer.question.situation.premise == "the cat eats"


def test_options_are_refused_by_name(nli, topics):
    for options, name in (
        ({"language": "xx"}, "'xx'"),
        ({"method": "magic"}, "'magic'"),
        ({"target": "maybe"}, "'maybe'"),
    ):
        with pytest.raises(ValueError, match=name):
            explore(nli, **options)
    with pytest.raises(ValueError, match="single texts"):
        explore(topics)
    with pytest.raises(TypeError, match="expected a model"):
        explore("mini")


def test_the_list_of_examples_cannot_reorder_itself(nli):
    row = {
        "pair_id": "a",
        "item": "a\u202e",
        "language": "en",
        "premise": "\u2067dog\u2069",
        "hypothesis": "a dog",
    }
    explorer = explore(nli, pairs=pd.DataFrame([row]))
    (_, (name, value)) = explorer.board.example.options
    assert (name, value) == ("a\ufffd: \ufffddog\ufffd", "a\u202e")


def test_every_control_is_labelled(explorer):
    found, waiting = [], [explorer.widget]
    while waiting:
        widget = waiting.pop()
        waiting += getattr(widget, "children", ())
        if hasattr(widget, "_model_name") and not hasattr(widget, "children"):
            found.append(widget)
    silent = ("HTMLModel",)
    unnamed = [
        widget
        for widget in found
        if widget._model_name not in silent
        and not (getattr(widget, "description", "") or getattr(widget, "prediction", ""))
        and getattr(widget, "kind", "") != "switch"
        and widget._model_name != "FloatProgressModel"
    ]
    assert not unnamed


# the notebook


def cells(kind):
    return [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == kind]


def test_the_notebook_keeps_the_laws_of_the_numbered_ones():
    read = nbformat.read(NOTEBOOK, as_version=4)
    first, setup, parameters = read.cells[:3]
    assert first.source.startswith("# ")
    assert "You will see" in first.source
    assert setup.metadata.tags == ["setup"]
    assert parameters.metadata.tags == ["parameters"]
    assert re.search(r"^MODEL = None\b", parameters.source, re.M)
    assert set(read.metadata) == {"kernelspec", "language_info"}
    for cell in cells("code"):
        assert not re.search(r"^\s*(async )?(def|class) ", cell.source, re.M)
        assert len([line for line in cell.source.splitlines() if line.strip()]) <= 12
    headings = re.findall(r"^## .*", "\n".join(cell.source for cell in cells("markdown")), re.M)
    assert headings[-1] == "## Findings"


def test_the_notebook_is_saved_with_a_picture_of_the_answer():
    code = cells("code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ]
    (picture,) = [
        output.data["text/html"]
        for output in outputs
        if "xk-picture-" in output.get("data", {}).get("text/html", "")
    ]
    assert "Now:" in picture
    assert "xk-text" in picture
