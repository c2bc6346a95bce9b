"""`explore` answers as `predict` and `explain` do; an edited word is edited in the model's input."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="the extra `lab` is not installed")
pytest.importorskip("anywidget", reason="the extra `lab` is not installed")


import io
import re
import threading
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from xlmkit.attribution import METHODS, explain, explain_masked
from xlmkit.attribution.batch import watch_passes
from xlmkit.encoding import encode, erase
from xlmkit.inference import logits, predict
from xlmkit.probes import with_language_id
from xlmkit.widgets import explore
from xlmkit.widgets.backend import QUICK, SLOW, PairBackend
from xlmkit.widgets.explorer import suggest_languages
from xlmkit.widgets.live import Superseded
from xlmkit.widgets.state import PairState, Question, Span, toggle_mask

PATIENCE = 120.0
NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "explorer.ipynb"
PAIR = PairState("the dog sleeps today", "a man eats", "en", "en")
MIXED = PairState("der Hund schläft", "the dog sleeps", "de", "en")


def ask(nli, state, method="saliency", **options):
    return list(PairBackend(nli)(Question(state, method, "predicted"), **options))


def shares(answer):
    return np.array([answer.probabilities[label] for label in sorted(answer.probabilities)])


def predicted(nli, state):
    row = predict(nli, state.to_frame(), progress=False).iloc[0]
    return np.array([row[f"p_{label}"] for label in sorted(nli.labels)])


@pytest.mark.parametrize("state", [PAIR, MIXED], ids=["one language", "two languages"])
def test_an_answer_is_what_predict_and_explain_say(nli, state):
    (answer,) = ask(nli, state)
    np.testing.assert_allclose(shares(answer), predicted(nli, state), atol=1e-6)
    (expected,) = explain(nli, state.to_frame(), method="saliency", progress=False)
    np.testing.assert_allclose(answer.explanation.scores, expected.scores, rtol=1e-4, atol=1e-6)
    assert answer.explanation.prediction == max(
        answer.probabilities, key=lambda label: answer.probabilities[label]
    )


def test_another_language_id_is_that_of_the_probes(nli):
    for id in ("hi", "none"):
        (answer,) = ask(nli, replace(MIXED, language_id=id))
        np.testing.assert_allclose(shares(answer), predicted(with_language_id(nli, id), MIXED), atol=1e-6)


def test_a_masked_word_is_masked_in_the_model_s_input(nli):
    (answer,) = ask(nli, toggle_mask(PAIR, Span(0, 4, 7)))
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
    assert found.converged
    assert found.scores.sum() == pytest.approx(found.change, abs=0.05 * abs(found.change) + 0.02)


def test_every_method_is_quick_or_slow():
    assert sorted((*QUICK, *SLOW)) == sorted(METHODS)


def test_a_slow_method_is_answered_at_once_with_saliency_and_tells_its_progress(nli):
    told = []
    quick, slow = ask(nli, PAIR, "occlusion", tell=lambda *progress: told.append(progress))
    assert (quick.final, quick.explanation.method) == (False, "saliency")
    assert (slow.final, slow.explanation.method) == (True, "occlusion")
    assert quick.probabilities == slow.probabilities
    assert told
    assert all(0 <= done <= total for done, total in told)
    assert told == sorted(told)


@pytest.mark.parametrize("method", SLOW)
def test_every_slow_method_can_be_ended_between_passes(nli, method):
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 1:
            raise Superseded

    found = PairBackend(nli)(Question(PAIR, method, "predicted"), check=check)
    assert not next(found).final
    with pytest.raises(Superseded):
        next(found)
    assert len(calls) == 2


def test_watching_ends_with_its_block_and_belongs_to_its_thread(nli):
    rows = []
    with watch_passes(rows.append):
        other = threading.Thread(target=ask, args=(nli, PAIR))
        other.start()
        other.join()
        assert not rows
        explain_masked(nli, PAIR.to_frame(), [[]], method="saliency")
        assert rows
    count = len(rows)
    ask(nli, PAIR)
    assert len(rows) == count


def test_an_answer_is_remembered(nli):
    answers, question = PairBackend(nli), Question(PAIR, "occlusion", "predicted")
    first = list(answers(question))[-1]
    assert list(answers(question)) == [first]


@pytest.mark.parametrize("premise", ["", "  \n "])
def test_an_empty_sentence_is_asked_for(nli, premise):
    with pytest.raises(ValueError, match="premise is empty"):
        ask(nli, replace(PAIR, premise=premise))


@pytest.fixture
def explorer(nli):
    """An explorer that has answered."""
    made = explore(nli, premise=PAIR.premise, hypothesis=PAIR.hypothesis)
    made.ask()
    assert made.wait(PATIENCE)
    return made


def place(explorer, text):
    return [word.text for word in explorer.answer.explanation.words].index(text)


def test_two_hundred_keys_end_in_the_answer_to_the_last(explorer, nli):
    text = "the red book is in the house today and the dog eats " * 4
    for end in range(1, 201):
        explorer.fields[0].value = text[:end]
    assert explorer.wait(PATIENCE)
    assert explorer.answer.question.state.premise == text[:200]
    np.testing.assert_allclose(shares(explorer.answer), predicted(nli, explorer.state), atol=1e-6)
    assert len(explorer.session.steps) == 2
    assert explorer.before.question.state == PAIR


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
        assert explorer.wait(PATIENCE)
        assert (explorer.state.premise, len(explorer.state.masked)) == (premise, masks)
        assert explorer.fields[0].value == premise
        assert explorer.answer.question.state == explorer.state
    changes = explorer.to_frame()["change"].tolist()
    assert changes[1:3] == ["dropped “dog” in the premise", "masked “sleeps” in the premise"]
    assert changes[4] == "unmasked “sleeps” in the premise"
    for _ in range(5):
        explorer.undo()
    assert explorer.state == PAIR
    explorer.redo()
    assert explorer.wait(PATIENCE)
    assert explorer.state.premise == "the sleeps today"
    assert explorer.to_frame()["prediction"].notna().all()


def test_the_controls_do_what_the_methods_do(explorer):
    explorer.words.choose("word:1")
    assert "dog" in explorer.menu_title.html
    assert explorer.menu.layout.display is None
    explorer.new_words.value = "cat"
    explorer.menu_buttons["replace"].click()
    assert explorer.wait(PATIENCE)
    assert explorer.state.premise == "the cat sleeps today"
    assert explorer.menu.layout.display == "none"
    explorer.words.choose("word:0")
    explorer.new_words.receive({"key": "Enter", "value": "no"})
    assert explorer.wait(PATIENCE)
    assert explorer.state.premise == "no cat sleeps today"
    explorer.words.choose("word:0")
    explorer.new_words.receive({"key": "Escape", "value": "x"})
    assert (explorer.state.premise, explorer.menu.layout.display) == ("no cat sleeps today", "none")
    explorer.words.choose("word:2")
    explorer.menu_buttons["drop"].click()
    assert explorer.state.premise == "no cat today"
    explorer.language_id.value = "none"
    explorer.languages[0].value = "de"
    assert explorer.wait(PATIENCE)
    assert (explorer.state.language_id, explorer.state.premise_language) == ("none", "de")
    explorer.steps.choose("step:0")
    assert explorer.wait(PATIENCE)
    assert explorer.state == PAIR
    assert (explorer.language_id.value, explorer.languages[0].value) == ("right", "en")
    explorer.swap_button.click()
    explorer.undo_button.click()
    assert explorer.wait(PATIENCE)
    assert explorer.state == PAIR
    assert explorer.undo_button.disabled
    assert not explorer.redo_button.disabled


def test_a_word_of_an_older_text_cannot_be_edited(explorer):
    with explorer.lock:  # no answer can come meanwhile
        explorer.type("premise", "no dog")
        explorer.drop(0)
        assert explorer.state.premise == "no dog"
        explorer.words.choose("word:3")
        assert explorer.menu.layout.display == "none"


def test_before_and_now_are_shown_with_the_change(explorer):
    explorer.set_language_id("hi")
    assert explorer.wait(PATIENCE)
    html = explorer.words.html
    assert "Before:" in html
    assert "language id: Hindi for both" in html
    assert "points" in html
    assert explorer.before.question.state == PAIR


def test_the_method_is_changed_for_now_and_before_alike(explorer):
    explorer.swap()
    explorer.method.value = "occlusion"
    assert explorer.wait(PATIENCE)
    assert [shown.explanation.method for shown in (explorer.answer, explorer.before)] == ["occlusion"] * 2
    assert explorer.progress.html == ""
    assert len(explorer.session.steps) == 2


def test_a_fault_is_a_sentence_in_its_place_and_the_next_change_mends_it(explorer):
    explorer.type("hypothesis", "")
    assert explorer.wait(PATIENCE)
    assert "The hypothesis is empty" in explorer.status.html
    assert 'role="alert"' in explorer.status.html
    assert explorer.words.html == ""
    explorer.type("hypothesis", "a man")
    assert explorer.wait(PATIENCE)
    assert "empty" not in explorer.status.html
    assert explorer.answer.question.state.hypothesis == "a man"


def test_a_language_is_proposed_and_never_taken_by_itself(explorer):
    explorer.type("premise", "собака спит")
    assert explorer.state.premise_language == "en"
    assert "It is Russian" in explorer.suggestions.html
    explorer.suggestions.choose("premise:ru")
    assert explorer.state.premise_language == "ru"
    assert explorer.suggestions.html == ""
    assert (explorer.fields[0].lang, explorer.languages[0].value) == ("ru", "ru")


def test_an_example_has_its_english_original_beside_it(nli):
    rows = [
        ("a-en", "a", "en", "the dog sleeps", "a dog"),
        ("a-ur", "a", "ur", "کتا سو رہا ہے", "ایک کتا"),
        ("b-en", "b", "en", "it rains", "rain"),
    ]
    pairs = pd.DataFrame(rows, columns=["pair_id", "item", "language", "premise", "hypothesis"])
    explorer = explore(nli, pairs=pairs)
    explorer.example.value = "a"
    assert explorer.state.premise == "the dog sleeps"
    assert explorer.original.value == ""
    explorer.example_language.value = "ur"
    assert (explorer.state.premise, explorer.fields[0].dir) == ("کتا سو رہا ہے", "rtl")
    assert "the dog sleeps" in explorer.original.value
    assert "the dog sleeps" in explorer.html
    explorer.example.value = "b"
    assert "no example &#x27;b&#x27; in Urdu" in explorer.status.html
    assert explorer.state.premise == "کتا سو رہا ہے"
    assert explorer.wait(PATIENCE)


def test_the_picture_holds_the_present_state_and_no_button(explorer):
    explorer.mask(1)
    assert explorer.wait(PATIENCE)
    html = explorer.html
    for text in ("the", "dog", "eats", "Before:", "Now:", "data-masked"):
        assert text in html
    assert "data-xk" not in html.split("</style>")[-1]
    assert "<script" not in html
    assert (
        explorer.words.html.count("Click a word") == 1
    )  # beneath the words that can be clicked, and nowhere else
    assert "Click a word" not in html


def test_hostile_text_is_shown_as_text_everywhere(explorer):
    hostile = '<script>alert(1)</script> "><img src=x onerror=alert(1)> dog \u202eevil\u202c'
    explorer.type("premise", hostile)
    assert explorer.wait(PATIENCE)
    explorer.mask(place(explorer, "dog"))
    assert explorer.wait(PATIENCE)
    explorer.replace(place(explorer, "img"), "<img src=x>")
    assert explorer.wait(PATIENCE)
    parts = (explorer.words, explorer.steps, explorer.status, explorer.suggestions)
    shown = explorer.html + "".join(part.html for part in parts)
    assert not re.search(r"<(script|img)", shown)
    assert "\u202e" not in shown
    explorer.words.choose(f"word:{place(explorer, 'alert')}")
    assert not re.search(r"<(script|img)", explorer.menu_title.html)


def test_the_session_is_exported_as_a_table(explorer, monkeypatch):
    sent = []
    explorer.set_language_id("none")
    assert explorer.wait(PATIENCE)
    monkeypatch.setattr(explorer.steps, "send", sent.append)
    explorer.save_button.click()
    (message,) = sent
    frame = pd.read_csv(io.StringIO(message["download"]["text"].removeprefix("\ufeff")))
    assert frame["language_id"].tolist() == ["right", "none"]
    assert frame["p_neutral"].notna().all()


def test_two_explorers_do_not_disturb_each_other(explorer, nli):
    other = explore(nli, premise="it rains", hypothesis="the cat", language="en")
    other.ask()
    explorer.type("premise", "the cat eats")
    assert other.wait(PATIENCE)
    assert explorer.wait(PATIENCE)
    assert other.answer.question.state.premise == "it rains"
    assert explorer.answer.question.state.premise == "the cat eats"


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
    (_, (name, value)) = explorer.example.options
    assert (name, value) == ("a\ufffd: \ufffddog\ufffd", "a\u202e")


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


@pytest.mark.parametrize(
    ("text", "language", "suggested"),
    [
        ("القطة تنام", "en", ["ar", "ur"]),
        ("یہ سو رہا ہے", "ar", []),
        ("это мы", "en", ["bg", "ru"]),
        ("คนนอน", "zh", ["th"]),
        ("他在睡觉 ok", "en", ["zh"]),
        ("το σκυλί", "en", ["el"]),
        ("आदमी", "en", ["hi"]),
        ("Hello", "ar", ["de", "en", "es", "fr", "sw", "tr", "vi"]),
        ("", "en", []),
        ("123 !?", "ar", []),
        ("A café.", "en", []),
    ],
)
def test_the_languages_of_another_script_are_suggested(text, language, suggested):
    assert sorted(suggest_languages(text, language)) == suggested
