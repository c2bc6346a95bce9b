"""Laws of plausibility: spans become words by overlap, and the measures are those of the papers, by hand and by scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, average_precision_score, f1_score, jaccard_score, precision_recall_curve

import xlmkit.faithfulness
from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.faithfulness import plausibility, rationale_words, summarize
from xlmkit.notices import XlmkitWarning, forget

PREMISE, HYPOTHESIS = "No red dog sleeps.", "A dog sleeps."
WORDS = [("no", 0, 0, 2), ("red", 0, 3, 6), ("dog", 0, 7, 10), ("sleeps", 0, 11, 17), (".", 0, 17, 18)]
WORDS += [("a", 1, 0, 1), ("dog", 1, 2, 5), ("sleeps", 1, 6, 12), (".", 1, 12, 13)]


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def explanation(scores, pair_id="1", which=WORDS, **changes):
    """One token a word, and a special token at the end that holds 0."""
    words = tuple(ExplainedWord(*word) for word in which)
    tokens = [ExplainedToken(w.text, number, w.sentence, w.start, w.end) for number, w in enumerate(words)]
    values = {
        "premise": PREMISE,
        "hypothesis": HYPOTHESIS,
        "premise_language": "en",
        "hypothesis_language": "en",
        "prediction": "contradiction",
        "gold": "contradiction",
        "target": "contradiction",
        "probability": 0.9,
        "method": "occlusion",
        "output": 1.0,
    }
    return Explanation(
        pair_id=pair_id,
        tokens=(*tokens, ExplainedToken("</s>")),
        words=words,
        scores=np.append(scores, 0.0),
        **{**values, **changes},
    )


def pairs(premise=((0, 2),), hypothesis=(), pair_id="1", **columns):
    return pd.DataFrame(
        {
            "pair_id": [pair_id],
            "premise_rationale": [list(premise)],
            "hypothesis_rationale": [list(hypothesis)],
            **columns,
        }
    )


SCORES = [0.9, 0.1, 0.5, 0.4, 0.0, 0.2, 0.8, 0.3, -0.6]


def values(frame):
    return dict(zip(frame["metric"], frame["value"], strict=True))


@pytest.mark.parametrize(
    ("premise", "hypothesis", "expected"),
    [
        ([], [], []),
        ([(0, 2)], [], [0]),
        ([(1, 4)], [], [0, 1]),  # the end of "no", the space, the beginning of "red"
        ([(2, 3)], [], []),  # the space alone
        ([(6, 11)], [(2, 5)], [2, 6]),  # "dog" in either sentence
        ([(0, 18)], [(0, 13)], list(range(9))),
    ],
)
def test_a_word_belongs_to_a_rationale_if_they_share_a_character(premise, hypothesis, expected):
    assert np.flatnonzero(rationale_words(explanation(SCORES), (premise, hypothesis))).tolist() == expected


def test_an_explanation_that_puts_the_rationale_first_is_perfect_by_every_measure():
    found = plausibility(explanation(SCORES), pairs([(0, 2)], [(2, 5)]))
    assert found["value"].tolist() == pytest.approx([1.0] * 4)
    assert (found["percentile"] > 0.9).all()


def test_the_measures_by_hand():
    # Rationale: "no", "red", "dog" of the premise. By score: no, dog (hypothesis), dog (premise), ...; red stands seventh.
    found = values(plausibility(explanation(SCORES), pairs([(0, 10)])))
    assert found["token_f1"] == pytest.approx(2 / 3)
    assert found["iou"] == pytest.approx(2 / 4)
    # Hits at ranks 1, 3 and 7: precisions 1, 2/3 and 3/7.
    assert found["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 7) / 3)
    # The curve's points at recall 1/3: 1 and 1/2; at 2/3: 2/3, 1/2, 2/5, 1/3; at 1: 3/7, ...; trapezoids between them.
    first, second, third = (1 + 1) / 2, (1 / 2 + 2 / 3) / 2, (1 / 3 + 3 / 7) / 2
    assert found["auprc"] == pytest.approx((first + second + third) / 3)


def test_the_measures_are_scikit_learns():
    rng = np.random.default_rng(0)
    for _ in range(20):
        right = rng.random(9) < 0.4
        right[rng.integers(9)] = True
        scores = rng.integers(0, 4, size=9).astype(float)  # with ties
        spans = [
            [(w[2], w[3]) for w, hit in zip(WORDS, right, strict=True) if hit and w[1] == side]
            for side in (0, 1)
        ]
        found = values(plausibility(explanation(scores), pairs(*spans), n_controls=1))
        chosen = np.zeros(9, dtype=bool)
        chosen[np.argsort(-scores, kind="stable")[: right.sum()]] = True
        assert found["token_f1"] == pytest.approx(f1_score(right, chosen))
        assert found["iou"] == pytest.approx(jaccard_score(right, chosen))
        assert found["average_precision"] == pytest.approx(average_precision_score(right, scores))
        precision, recall, _ = precision_recall_curve(right, scores)
        assert found["auprc"] == pytest.approx(auc(recall, precision))


def test_equal_scores_beat_no_control_and_lose_to_none():
    found = plausibility(explanation([1.0] * 9), pairs([(0, 2)]))
    ranked_by_none = found.set_index("metric").loc[["auprc", "average_precision"]]
    assert ranked_by_none["percentile"].tolist() == [0.5, 0.5]


def test_a_rationale_of_all_words_is_met_by_every_explanation():
    found = plausibility(explanation(SCORES), pairs([(0, 18)], [(0, 13)]))
    assert found["value"].tolist() == [1.0] * 4
    assert found["percentile"].tolist() == [0.5] * 4


def test_columns_of_the_users_own_and_json_text_are_read():
    frame = pairs([(0, 2)], [(2, 5)]).rename(
        columns={"premise_rationale": "first", "hypothesis_rationale": "second"}
    )
    as_text = frame.assign(first=frame["first"].map(json.dumps), second="[[2, 5]]")
    expected = values(plausibility(explanation(SCORES), pairs([(0, 2)], [(2, 5)])))
    for own in (frame, as_text):
        assert values(plausibility(explanation(SCORES), own, rationales=("first", "second"))) == expected


def test_single_texts_have_one_rationale():
    text = explanation(SCORES[:5], which=WORDS[:5], hypothesis=None, hypothesis_language=None)
    found = plausibility(text, pd.DataFrame({"pair_id": ["1"], "text_rationale": [[[0, 2]]]}))
    assert values(found)["token_f1"] == 1.0


def test_pairs_without_a_rationale_are_left_out_and_counted():
    frame = pd.concat(
        [pairs([(0, 2)]), pairs([], pair_id="2"), pairs(pair_id="3").assign(premise_rationale=None)]
    )
    with pytest.warns(XlmkitWarning, match="2 of 3 explanations"):
        found = plausibility([explanation(SCORES, id) for id in "123"], frame)
    assert found["pair_id"].unique().tolist() == ["1"]


def test_a_rationale_that_truncation_cut_off_is_left_out():
    cut = explanation(SCORES[1:5], which=WORDS[1:5], truncated=True)
    with pytest.warns(XlmkitWarning, match="1 of 1"):
        assert plausibility(cut, pairs([(0, 2)])).empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"premise": [(0, 19)]},
            r"premise rationale of pair '1'.* 18 characters.*0, 19",
        ),
        ({"hypothesis": [(-1, 2)]}, "hypothesis rationale of pair '1'"),
        ({"premise": [(3, 3)]}, "characters"),
        ({"premise": [(5, 3)]}, "characters"),
        ({"premise": [(1, 2, 3)]}, "list of spans"),
        ({"premise": [(0.0, 2.0)]}, "list of spans"),
        ({"premise": [4]}, "list of spans"),
        ({"premise": ["ab"]}, "list of spans"),
    ],
)
def test_rationales_outside_the_text_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        plausibility(explanation(SCORES), pairs(**change))


def test_what_holds_no_rationales_is_refused_by_name():
    one = explanation(SCORES)
    with pytest.raises(ValueError, match="no column 'premise_rationale'"):
        plausibility(one, pd.DataFrame({"pair_id": ["1"]}))
    with pytest.raises(ValueError, match="premise, hypothesis"):
        plausibility(one, pairs(), rationales="premise_rationale")
    with pytest.raises(ValueError, match=r"premise rationale of pair '1'.*'the first word'"):
        plausibility(one, pairs().assign(premise_rationale="the first word"))
    with pytest.raises(ValueError, match="no 'other'"):
        plausibility(explanation(SCORES, "other"), pairs())
    with pytest.raises(TypeError, match="list"):
        plausibility(one, [[0, 2]])
    with pytest.raises(TypeError, match="expected explanations"):
        plausibility([1], pairs())


def test_rationales_are_never_called_human():
    folder = Path(xlmkit.faithfulness.__file__).parent
    for file in folder.glob("*.py"):
        assert "human" not in file.read_text(encoding="utf-8").lower()


def test_the_summary_of_plausibility_has_its_map():
    frame = pd.concat([pairs([(0, 10)]), pairs([(0, 2)], pair_id="2")])
    found = plausibility([explanation(SCORES, "1"), explanation(SCORES, "2")], frame)
    table = summarize(found).set_index("metric")
    expected = ((1 + 2 / 3 + 3 / 7) / 3 + 1.0) / 2
    assert table.loc["average_precision", "mean"] == pytest.approx(expected)
