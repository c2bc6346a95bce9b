import copy
import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmkit.explanation import (
    ExplainedToken,
    ExplainedWord,
    Explanation,
    passes_gate,
    tolerance,
)


def explanation(**changes):
    """A hand-made pair: "The cat" / "No cat", with one word of two pieces; the special tokens hold 0.25."""
    values = {
        "pair_id": "p1",
        "premise": "The  cat",
        "hypothesis": "No cat\n",
        "premise_language": "en",
        "hypothesis_language": "en",
        "prediction": "contradiction",
        "probability": 0.75,
        "gold": "contradiction",
        "target": "contradiction",
        "tokens": (
            ExplainedToken("</s>"),
            ExplainedToken("the</w>", 0, 0, 0, 3),
            ExplainedToken("c", 1, 0, 5, 6),
            ExplainedToken("at</w>", 1, 0, 6, 8),
            ExplainedToken("</s>"),
            ExplainedToken("no</w>", 2, 1, 0, 2),
            ExplainedToken("cat</w>", 3, 1, 3, 6),
            ExplainedToken("</s>"),
        ),
        "words": (
            ExplainedWord("the", 0, 0, 3),
            ExplainedWord("cat", 0, 5, 8),
            ExplainedWord("no", 1, 0, 2),
            ExplainedWord("cat", 1, 3, 6),
        ),
        "scores": np.array([0.5, 0.1, -0.3, 0.2, 0.0, 1.5, -0.25, -0.25]),
        "method": "integrated_gradients",
        "output": 2.0,
        "baseline_output": 0.5,
        "delta": 0.0,
        "n_steps": 20,
        "converged": True,
        "provenance": {
            "xlmkit": "0.1.0",
            "settings": {"n_steps": None},
            "model": {"source": "tiny", "labels": ["a", "b"]},
        },
    }
    return Explanation(**(values | changes))


def test_word_scores_and_the_remainder_add_up_to_the_token_scores():
    made = explanation()
    assert made.word_scores == pytest.approx([0.1, -0.1, 1.5, -0.25])
    assert made.remainder == pytest.approx(0.25)
    assert made.word_scores.sum() + made.remainder == pytest.approx(made.scores.sum(), abs=1e-12)


def test_an_explanation_comes_back_from_json_unchanged():
    made = explanation(
        scores=np.random.default_rng(0).normal(size=8).astype(np.float32),
        converged=None,
        delta=None,
        gold=None,
    )
    again = Explanation.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert again.scores.tobytes() == made.scores.tobytes()
    assert again.to_dict() == made.to_dict()


@given(
    premise=st.text(),
    scores=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=8, max_size=8),
)
def test_any_text_and_any_number_survive_json(premise, scores):
    made = explanation(premise=premise, scores=np.array(scores))
    assert Explanation.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_arrays_are_read_only_and_nobody_elses_also_after_a_pickle():
    given_scores = np.zeros(8)
    made = explanation(scores=given_scores)
    given_scores[0] = 7.0
    assert made.scores[0] == 0.0
    for value in (made, pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert value == made
        for array in (value.scores, value.word_scores):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0


def test_provenance_is_a_copy_that_cannot_be_assigned_to():
    source = {"settings": {"n_steps": 20}}
    made = explanation(provenance=source)
    source["settings"]["n_steps"] = 300
    assert made.provenance["settings"]["n_steps"] == 20
    with pytest.raises(TypeError):
        made.provenance["settings"] = None


def test_the_frame_has_one_row_a_token_and_names_sentences_and_words():
    frame = explanation().to_frame()
    assert frame["token"].tolist() == ["</s>", "the</w>", "c", "at</w>", "</s>", "no</w>", "cat</w>", "</s>"]
    assert frame["word_text"].tolist()[1:4] == ["the", "cat", "cat"]
    assert frame["sentence"].dropna().tolist() == ["premise"] * 3 + ["hypothesis"] * 2
    assert frame["special"].tolist() == [True, False, False, False, True, False, False, True]
    assert frame["word"].isna().tolist() == frame["special"].tolist()
    assert frame["score"].sum() == pytest.approx(1.5)
    assert set(frame["pair_id"]) == {"p1"}
    assert frame["converged"].all()


def test_half_of_a_surrogate_pair_stands_in_the_frame_by_its_number(tmp_path):
    words = (ExplainedWord("a\ud800", 0, 0, 2), *explanation().words[1:])
    tokens = tuple(dataclasses.replace(token, text=f"{token.text}\udfff") for token in explanation().tokens)
    frame = explanation(pair_id="\ud83d", words=words, tokens=tokens).to_frame()
    assert set(frame["pair_id"]) == {"\\ud83d"}
    assert "a\\ud800" in set(frame["word_text"])
    assert frame["token"].str.endswith("\\udfff").all()
    frame.to_parquet(tmp_path / "frame.parquet")
    assert pd.read_parquet(tmp_path / "frame.parquet")["token"].tolist() == frame["token"].tolist()


def test_the_frame_of_a_random_head_says_untrained_in_every_row():
    assert explanation(trained=False).to_frame()["untrained"].all()
    assert "untrained" not in explanation().to_frame()


def test_the_gate_takes_its_borders():
    assert tolerance(0.0) == 0.02
    assert passes_gate(0.02, 0.0)
    assert passes_gate(-0.02, 0.3)
    assert not passes_gate(0.0201, 0.3)
    assert tolerance(0.4) == pytest.approx(0.02)  # where the two limits meet
    assert passes_gate(-0.5, 10.0)
    assert passes_gate(0.5, -10.0)
    assert not passes_gate(0.5001, 10.0)
    assert not passes_gate(float("nan"), 10.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.zeros(7)}, r"shape \(8,\), got \(7,\)"),
        ({"scores": np.full(8, np.nan)}, "finite"),
        ({"words": ()}, "words"),
    ],
)
def test_an_explanation_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        explanation(**changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "format"),
        ({"format": 99}, "99"),
        ({"format": 2, "premise": "x"}, "hypothesis_language"),
        (explanation().to_dict() | {"colour": "red"}, "colour"),
        (explanation().to_dict() | {"tokens": [{"txt": "a"}]}, "tokens"),
    ],
)
def test_what_is_no_saved_explanation_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Explanation.from_dict(values)


def test_explanations_equal_by_value():
    assert explanation() == explanation()
    assert explanation() != explanation(target="neutral")
    assert explanation() != "explanation"


def test_the_module_is_light():
    heavy = "import sys, xlmkit.explanation; print(*({'torch', 'captum', 'transformers', 'xlmkit.render'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_in_a_notebook_an_explanation_is_shown_as_its_card():
    """IPython asks by the name of the class, so that nothing is imported before it is needed."""
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
import sys, xlmkit
assert "xlmkit.render" not in sys.modules
from test_explanation import explanation
data, _ = shell.display_formatter.format(explanation())
listed, _ = shell.display_formatter.format([explanation()])
from xlmkit import render
assert data["text/html"] == render.card(explanation())
assert "text/html" not in listed and "Explanation(" in listed["text/plain"]
"""
    folder = Path(__file__).parent
    path = os.pathsep.join([str(folder), str(folder.parent)])
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})
