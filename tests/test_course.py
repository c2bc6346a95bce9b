"""Checks of the exercises: what is no answer is refused, a wrong one is told why, a right one passes; the truth is computed from what is given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import xlmkit
from xlmkit import course
from xlmkit.course import NOTEBOOKS, Verdict, answers, first_steps
from xlmkit.course.answers import NotYet
from xlmkit.tokenization import BOS

EXERCISES = course.exercises()
every = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.number)


def nothing(exercise: course.Exercise) -> dict[str, None]:
    """What a check needs, without content: it must not come so far as to look."""
    return dict.fromkeys(exercise.needs)


def test_every_notebook_has_two_to_four_exercises_numbered_from_one():
    for notebook in NOTEBOOKS:
        own = [exercise.number for exercise in EXERCISES if exercise.number.startswith(notebook)]
        assert own == [f"{notebook}.{place}" for place in range(1, len(own) + 1)]
        assert 2 <= len(own) <= 4, notebook


@every
def test_an_exercise_asks_a_question_and_says_what_an_answer_looks_like(exercise):
    assert exercise.question.endswith(("?", ".")), exercise.question
    assert exercise.wants


@every
@pytest.mark.parametrize("answer", [..., [...], (1, ...), {"entailment": ...}], ids=repr)
def test_an_untouched_exercise_is_open_and_says_what_to_do(exercise, answer):
    verdict = course.check(exercise.number, answer, **nothing(exercise))
    assert not verdict.right
    assert verdict.untouched
    assert "..." in verdict.why
    assert exercise.wants in verdict.why


@every
@pytest.mark.parametrize(
    "answer",
    [
        True,
        False,
        np.True_,
        None,
        "",
        "  ",
        [],
        (),
        {},
        set(),
        pd.DataFrame(),
        pd.Series(dtype=float),
        np.array([]),
    ],
    ids=lambda answer: f"{type(answer).__name__}-{answer!r}"[:20].strip(),
)
def test_no_exercise_is_passed_by_true_or_by_nothing(exercise, answer):
    verdict = course.check(exercise.number, answer, **nothing(exercise))
    assert not verdict.right
    assert not verdict.untouched
    assert exercise.wants in verdict.why


def test_an_unknown_exercise_is_refused_and_the_known_ones_named():
    with pytest.raises(ValueError, match=r"one of 00\.1, 00\.2.*got '00\.9'"):
        course.check("00.9", 1)
    with pytest.raises(ValueError, match="got 'xx'"):
        course.check("xx", 1)


def test_what_an_exercise_is_about_must_be_given():
    with pytest.raises(TypeError, match=r"needs preds; got nothing.*check\('01\.1', answer, preds=preds\)"):
        course.check("01.1", 3)
    with pytest.raises(TypeError, match="needs preds; got preds, more"):
        course.check("01.1", 3, preds=None, more=1)


def test_a_verdict_is_said_in_words_and_its_text_is_escaped():
    verdict = Verdict("00.1", False, "`<script>` is \u202eno word.")
    html = verdict._repr_html_()
    assert str(verdict) == "00.1: not yet. `<script>` is \u202eno word."
    assert "not yet" in html
    assert "<script>" not in html
    assert "<code>&lt;script&gt;</code>" in html
    assert "\u202e" not in html
    assert not verdict
    assert Verdict("00.1", True, "Yes.")


@pytest.mark.parametrize("answer", [3, 3.0, np.int64(3), np.float32(3), np.array([3]), pd.Series([3])])
def test_a_whole_number_is_read_from_whatever_holds_one(answer):
    assert answers.whole_number(answer) == 3


@pytest.mark.parametrize(
    "answer", ["3", 3.5, [3], True, np.True_, float("nan"), float("inf"), np.array([1, 2]), 1j]
)
def test_what_is_no_whole_number_is_answered_with_a_sentence(answer):
    with pytest.raises(NotYet, match="Expected"):
        answers.whole_number(answer)


def test_per_cent_in_the_place_of_a_share_is_recognised():
    with pytest.raises(NotYet, match="looks like per cent: divide by 100"):
        answers.number(12.5, low=0, high=1)
    with pytest.raises(NotYet, match="from 0 to 1"):
        answers.number(-0.1, low=0, high=1)


def test_names_are_read_with_forgiveness_and_unknown_ones_listed():
    assert answers.name(" EN ", ["en", "de"]) == "en"
    assert answers.names((1, "2"), ["1", "2"]) == {"1", "2"}
    assert answers.names(pd.Index(["en"]), ["en", "de"]) == {"en"}
    for answer in ("xx", 1, ["en"]):
        with pytest.raises(NotYet, match=r"Expected one .*`en`, `de`"):
            answers.name(answer, ["en", "de"])


def test_a_long_answer_is_said_back_in_short():
    assert len(answers.quote("x" * 1000)) < 100
    assert "`" not in answers.quote("a`b")[1:-1]


# --- The exercises one by one: (number, answer, what is given, a part of the sentence). Given values are made below; right answers end with None.
PAIRS = pd.DataFrame(
    {
        "language": ["en", "de", "fr"],
        "premise": ["the dog sleeps", "zzzyyy", "il pleut"],
        "hypothesis": ["xylophones eat", "die katze schläft", "le chat dort"],
    }
)
PREDS = pd.DataFrame(
    {
        "item": list("aabbccdd"),
        "language": ["en", "de"] * 4,
        "prediction": ["neutral"] * 3 + ["entailment"] + ["neutral"] * 2 + ["entailment", "neutral"],
        "correct": [True, True, True, False, False, False, True, False],
    }
)
DIAL = pd.DataFrame({"to": ["en", "de", "none"], "gold": "neutral", "p_neutral": [0.5, 0.2, 0.3]})
SWAPPED = pd.DataFrame(
    {
        "text_language": ["en"] * 3 + ["de"] * 3,
        "id": ["en", "de", "none"] * 2,
        "flips": [0, 0.4, 0.9, 0.2, 0, 0.7],
    }
)
TRAPS = pd.DataFrame(
    [
        (trap, code, share)
        for trap, shares in {"1": (1, 1), "2": (0.5, 0), "3": (0.1, 0), "6": (0, 0), "usual": (1, 0)}.items()
        for code, share in zip(("all", "en"), shares, strict=True)
    ],
    columns=["trap", "language", "changed"],
)
CALIBRATION = pd.DataFrame(
    {
        "language": ["de", "en", "th", "sw", "all"],
        "confidence": [0.9, 0.8, 0.7, 0.5, 0.6],
        "accuracy": [0.7, 0.75, 0.4, 0.3, 0.1],
    }
)
LOST = {"preds": PREDS, "reference": "en", "language": "de"}
HOLM = {"p_values": [0.012, 0.030, 0.021, 0.400]}

JUDGED = [
    ("01.1", 2, {"preds": PREDS}, None),
    ("01.1", 4, {"preds": PREDS}, "counts pairs"),
    ("01.1", 1, {"preds": PREDS}, "right in all languages"),
    ("01.1", 0, {"preds": PREDS}, "more"),
    ("01.1", "2", {"preds": PREDS}, "Expected a number"),
    ("01.2", 385, {"width": 0.1}, None),
    ("01.2", 381, {"width": 0.1}, None),
    ("01.2", 100, {"width": 0.1}, "more than 10"),
    ("01.2", 1000, {"width": 0.1}, "fewer items would do"),
    ("01.2", -3, {"width": 0.1}, "at least 1"),
    ("02.1", "de", {"dial": DIAL}, None),
    ("02.1", "en", {"dial": DIAL}, "other end"),
    ("02.1", "none", {"dial": DIAL}, "another id gives it less"),
    ("02.2", 0.3, {"swapped": SWAPPED}, None),
    ("02.2", 30, {"swapped": SWAPPED}, "per cent"),
    ("02.2", 2.2 / 6, {"swapped": SWAPPED}, "over all ids"),
    ("02.2", 0.15, {"swapped": SWAPPED}, "right ids"),
    ("02.2", 0.55, {"swapped": SWAPPED}, "includes `none`"),
    ("02.2", 0.8, {"swapped": SWAPPED}, "fraction for `none`"),
    ("02.2", 0.7, {"swapped": SWAPPED}, "fraction that stays"),
    ("02.3", ["2", "3"], {"traps": TRAPS}, None),
    ("02.3", [2, 3], {"traps": TRAPS}, None),
    ("02.3", [2], {"traps": TRAPS}, "1 missing"),
    ("02.3", [1, 2, 3], {"traps": TRAPS}, "English shows it"),
    ("02.3", [2, 3, 6], {"traps": TRAPS}, "changes nothing"),
    ("02.3", ["usual"], {"traps": TRAPS}, "Expected one of"),
    ("03.1", [2, 0], LOST, None),
    ("03.1", [0, 2], LOST, "exchanged"),
    ("03.1", [3, 1], LOST, "right items of each"),
    ("03.1", [4, 2], LOST, "difference is right"),
    ("03.1", [7, 7], LOST, "one row per item"),
    ("03.1", 2, LOST, "2 values"),
    ("03.2", [0.048, 0.063, 0.063, 0.4], HOLM, None),
    ("03.2", [0.012, 0.030, 0.021, 0.400], HOLM, "before correction"),
    ("03.2", [0.048, 0.12, 0.084, 1], HOLM, "Bonferroni"),
    ("03.2", [0.048, 0.060, 0.063, 0.4], HOLM, "larger of the two"),
    ("03.2", [0.048, 0.063, 0.063, 0.9], HOLM, "p = 0.4 is not 0.9"),
    ("03.3", "th", {"calibration": CALIBRATION}, None),
    ("03.3", "de", {"calibration": CALIBRATION}, "highest confidence"),
    ("03.3", "sw", {"calibration": CALIBRATION}, "lowest accuracy"),
    ("03.3", "en", {"calibration": CALIBRATION}, "other end"),
    ("03.3", "all", {"calibration": CALIBRATION}, "Expected one of"),
]


@pytest.mark.parametrize(
    ("number", "answer", "given", "why"), JUDGED, ids=[f"{row[0]}-{row[1]}" for row in JUDGED]
)
def test_a_right_answer_passes_and_a_wrong_one_is_told_why(number, answer, given, why):
    verdict = course.check(number, answer, **given)
    assert verdict.right == (why is None), verdict.why
    assert why is None or why in verdict.why, verdict.why


# Those that ask a model: the tiny one.
@pytest.fixture
def fed(nli):
    """What a call gives that begins with `<s>`, has other pieces, and neither language ids nor a mask."""
    return {"input_ids": torch.tensor([[0, 20, 21, 1, 22, 1]]), "token_type_ids": torch.zeros(1, 6)}


def test_pieces_a_word_are_counted_in_the_hypothesis(nli):
    assert course.check("00.1", "en", nli=nli, pairs=PAIRS).right
    assert "in the premise" in course.check("00.1", "de", nli=nli, pairs=PAIRS).why
    assert "another language has more" in course.check("00.1", "fr", nli=nli, pairs=PAIRS).why


def test_both_last_ends_of_sentence_bear_the_second_language(nli):
    langs = (
        xlmkit.encode(nli, PAIRS.premise[0], PAIRS.hypothesis[1], "en", hypothesis_languages="de")
        .langs[0]
        .tolist()
    )
    second = langs.count(nli.lang2id["de"])
    assert course.check("00.2", second, nli=nli, pairs=PAIRS).right
    for answer, why in {
        second - 2: "pieces of the hypothesis alone",
        second - 1: "One `</s>` is missing",
        len(langs): "whole pair",
        999: "count in `langs",
    }.items():
        assert why in course.check("00.2", answer, nli=nli, pairs=PAIRS).why


def test_a_call_is_judged_by_what_it_hands_over(nli, fed):
    pair = PAIRS.iloc[2]
    assert course.check("00.3", [1, 2, 4, 5, 6], nli=nli, fed=fed, pair=pair).right
    assert "2 missing" in course.check("00.3", [1, 2, 4], nli=nli, fed=fed, pair=pair).why
    assert "belongs to a model" in course.check("00.3", [1, 7], nli=nli, fed=fed, pair=pair).why
    right = xlmkit.encode(nli, pair.premise, pair.hypothesis, pair.language)
    same = {"input_ids": right.input_ids, "langs": right.langs}
    assert course.check("00.3", [6], nli=nli, fed=same, pair=pair).right
    assert "pieces are those" in course.check("00.3", [2, 6], nli=nli, fed=same, pair=pair).why
    begun = right.input_ids.clone()
    begun[0, 0] = BOS
    assert course.check("00.3", [1, 6], nli=nli, fed=same | {"input_ids": begun}, pair=pair).right


def test_three_labels_are_those_that_the_model_gives(nli, monkeypatch):
    def says(_, asked, **options):
        """As if the model gave the label that the hypothesis begins with."""
        labels = asked["hypothesis"].str.split().str[0]
        return asked.assign(prediction=labels, p_entailment=0.5, p_neutral=0.6, p_contradiction=0.7)

    monkeypatch.setattr(first_steps, "predict", says)
    given = {"nli": nli, "premise": "the dog sleeps", "language": "en"}
    right = {label: f"{label} it is" for label in nli.labels}
    verdict = course.check("01.3", right, **given)
    assert verdict.right
    assert "0.50 or more" in verdict.why
    wrong = course.check("01.3", right | {"neutral": "entailment it is"}, **given)
    assert not wrong.right
    assert "the model predicts entailment with 0.50, not neutral" in wrong.why
    assert "no hypothesis yet for" in course.check("01.3", {"neutral": "red"}, **given).why
    assert "sentence of your own" in course.check("01.3", right | {"neutral": "the dog sleeps "}, **given).why
    assert "in braces" in course.check("01.3", ["a", "b", "c"], **given).why
