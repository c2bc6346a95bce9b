"""The checks for the notebooks on explanations, errors, trust and training: truth comes from what is given, and each wrong way is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import xlmkit
from xlmkit.course import check
from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.faithfulness import plausibility

PREMISE, HYPOTHESIS = "Nobody eats red meat", "A man eats"
WORDS = tuple(
    ExplainedWord(text.lower(), side, start, start + len(text))
    for side, sentence in enumerate((PREMISE, HYPOTHESIS))
    for text in sentence.split()
    for start in [sentence.index(text)]
)
TOKENS = (
    ExplainedToken("</s>"),
    *(ExplainedToken(w.text, n, w.sentence, w.start, w.end) for n, w in enumerate(WORDS)),
)


def explanation(*scores: float, special: float = 0.0, contrast: str | None = "neutral") -> Explanation:
    """Of seven words, with what the special token holds; F goes from 0.5 to 2.5."""
    return Explanation(
        pair_id="one",
        premise=PREMISE,
        hypothesis=HYPOTHESIS,
        premise_language="en",
        hypothesis_language="en",
        prediction="contradiction",
        probability=0.8,
        target="contradiction",
        contrast=contrast,
        tokens=TOKENS,
        words=WORDS,
        scores=np.array([special, *scores]),
        method="integrated_gradients",
        output=2.5,
        baseline_output=0.5,
    )


ONE = explanation(0.9, -0.3, 0.4, 0.1, 0.2, 0.6, 0.05, special=0.1)  # sum 2.05, delta 0.05
OTHER = replace(explanation(0.4, 0.5, 0.1, 0.1, 0.2, 0.1, 0.0), contrast="entailment")
SCORES = pd.DataFrame(
    {
        "integrated_gradients": [1.0, 2, 3, 4, 5],
        "saliency": [1.0, 2, 3, 5, 4],
        "lime": [5.0, 4, 3, 2, 1],
        "random": [3.0, 1, 5, 2, 4],
    }
)
PREDS = pd.DataFrame(
    {
        "gold": ["neutral"] * 5 + ["contradiction"] * 3 + ["entailment"] * 2,
        "prediction": ["entailment"] * 3
        + ["neutral"] * 2
        + ["entailment", *["contradiction"] * 2]
        + ["neutral", "entailment"],
    }
)  # errors: neutral > entailment 3, contradiction > entailment 1, entailment > neutral 1; 5 of 10
BLAME = pd.DataFrame(
    {
        "pair_id": ["a"] * 2 + ["b"] * 5,
        "in hypothesis": [True, False, True, False, False, False, False],
        "rank": [1, 2, 1, 2, 3, 4, 5],
    }
)  # by pair 0.5 and 0.2: chance 0.35; pooled 2 of 7; blamed in both
RATIONALES = pd.DataFrame(
    {"pair_id": ["one"], "premise_rationale": [[[0, 6]]], "hypothesis_rationale": [[[2, 10]]]}
)
SUMMARY = pd.DataFrame(
    {
        "method": ["occlusion", "saliency", "random", "lime", "occlusion"],
        "metric": ["sufficiency"] * 4 + ["comprehensiveness"],
        "percentile_low": [0.6, 0.1, 0.3, 0.2, 0.4],
        "percentile_high": [0.9, 0.4, 0.8, 0.7, 0.9],
    }
)
AGREEMENT = pd.DataFrame(
    {
        "method": ["saliency"] * 4,
        "first": ["en", "en", "de", "all"],
        "second": ["de", "zh", "zh", "all"],
        "rho": [0.3, 0.5, 0.6, 0.4],
        "difference": [0.25, 0.2, 0.5, 0.1],
        "low": 0.1,
        "high": 0.6,
    }
)
RISE = pd.DataFrame(
    {"language": ["en", "de", "zh", "all"], "before": [0.1, 0.1, 0.2, 0.15], "after": [1.0, 0.5, 0.4, 0.75]}
)  # de +0.4, zh +0.2: 0.3

CONTRAST = (ONE, OTHER)
THIRD = ONE.word_scores - OTHER.word_scores
RIGHT = [
    ("04.1", 0.05, {"explanation": ONE}),
    ("04.2", "lime", {"scores": SCORES}),
    ("04.3", THIRD, {"against": CONTRAST}),
    ("04.3", THIRD.tolist(), {"against": CONTRAST}),
    ("05.1", 0.6, {"preds": PREDS}),
    ("05.2", "nobody", {"explanation": ONE}),
    ("05.3", 0.35, {"words": BLAME}),
    # First come nobody, man and red; the rationale has nobody, man and eats.
    ("06.3", 2 / 3, {"explanation": ONE, "pairs": RATIONALES}),
    ("06.2", ["lime", "random"], {"summary": SUMMARY}),
    ("06.2", ["none"], {"summary": SUMMARY[SUMMARY["method"] == "occlusion"]}),
    ("06.4", ("zh", "en"), {"agreement": AGREEMENT, "method": "saliency"}),
    ("07.1", 80, {"rows": 120, "batch_size": 16, "epochs": 10}),
    ("07.2", 0.3, {"table": RISE, "taught": ["en"]}),
    ("07.3", 3, {"n": 8, "chance": 1 / 8}),  # Wilson's interval of 3 of 8 begins at 0.137, of 2 of 8 at 0.071
    ("07.4", 4.0, {"parameters": 250_000_000}),
]
WRONG = [
    ("04.1", -0.05, {"explanation": ONE}, "sign"),
    ("04.1", 2.05, {"explanation": ONE}, "subtract the change"),
    ("04.1", 2.0, {"explanation": ONE}, "subtract it from the sum"),
    ("04.1", -0.45, {"explanation": ONE}, "You subtracted F(x)"),
    ("04.1", 0.0502, {"explanation": ONE}, "do not round"),
    ("04.1", 1.0, {"explanation": ONE}, "Add up"),
    ("04.2", "integrated_gradients", {"scores": SCORES}, "agrees with itself"),
    ("04.2", "saliency", {"scores": SCORES}, "agrees with it most"),
    ("04.2", "random", {"scores": SCORES}, "no relation"),
    ("04.2", "guess", {"scores": SCORES}, "Expected one of"),
    ("04.3", -THIRD, {"against": CONTRAST}, "sign of every word"),
    (
        "04.3",
        ONE.word_scores + OTHER.word_scores,
        {"against": CONTRAST},
        "contains the predicted label twice",
    ),
    ("04.3", ONE.word_scores, {"against": CONTRAST}, "unchanged"),
    ("04.3", [0.0] * 7, {"against": CONTRAST}, "For the word `nobody`"),
    ("04.3", [1.0, 2.0], {"against": CONTRAST}, "Expected 7 values"),
    ("05.1", 0.3, {"preds": PREDS}, "fraction of all 10 pairs"),
    ("05.1", 0.5, {"preds": PREDS}, "fraction of all pairs that are errors"),
    ("05.1", 0.2, {"preds": PREDS}, "another kind is more frequent"),
    ("05.1", 60, {"preds": PREDS}, "divide by 100"),
    ("05.2", "eats", {"explanation": ONE}, "pushes by 0.05"),
    ("05.2", "red", {"explanation": ONE}, "pushes by 0.40"),
    ("05.2", "dog", {"explanation": ONE}, "Expected one of"),
    ("05.3", 2 / 7, {"words": BLAME}, "long pairs count more"),
    ("05.3", 1.0, {"words": BLAME}, "rank 1"),
    ("05.3", 0.65, {"words": BLAME}, "premise"),
    ("05.3", 0.5, {"words": BLAME}, "same number of words"),
    ("05.3", 0.9, {"words": BLAME}, "three digits"),
    ("06.3", 2 / 5, {"explanation": ONE, "pairs": RATIONALES}, "strongest 5 words"),
    ("06.3", 1 / 2, {"explanation": ONE, "pairs": RATIONALES}, "intersection over the union"),
    ("06.3", 3 / 7, {"explanation": ONE, "pairs": RATIONALES}, "what chance would give"),
    ("06.3", 0.9, {"explanation": ONE, "pairs": RATIONALES}, "The rationale has 3 words"),
    ("06.2", ["occlusion", "random"], {"summary": SUMMARY}, "lies above 0.5"),
    ("06.2", ["saliency", "random"], {"summary": SUMMARY}, "lies below 0.5"),
    ("06.2", ["none"], {"summary": SUMMARY}, "One does"),
    ("06.2", ["random"], {"summary": SUMMARY}, "`lime` is missing"),
    ("06.4", ("en", "de"), {"agreement": AGREEMENT, "method": "saliency"}, "chance does not give"),
    ("06.4", ("de", "zh"), {"agreement": AGREEMENT, "method": "saliency"}, "a lower one."),
    ("06.4", ("de", "de"), {"agreement": AGREEMENT, "method": "saliency"}, "different languages"),
    ("06.4", "en", {"agreement": AGREEMENT, "method": "saliency"}, "Expected 2 values"),
    ("07.1", 75, {"rows": 120, "batch_size": 16, "epochs": 10}, "not a whole number of batches"),
    ("07.1", 8, {"rows": 120, "batch_size": 16, "epochs": 10}, "one epoch"),
    ("07.1", 1200, {"rows": 120, "batch_size": 16, "epochs": 10}, "one step per row"),
    ("07.1", 7.5, {"rows": 120, "batch_size": 16, "epochs": 10}, "whole number"),
    ("07.2", -0.3, {"table": RISE, "taught": ["en"]}, "sign"),
    ("07.2", 0.45, {"table": RISE, "taught": ["en"]}, "accuracy after"),
    ("07.2", 0.5, {"table": RISE, "taught": ["en"]}, "which had training text"),
    ("07.2", 0.4, {"table": RISE, "taught": ["en"]}, "no language"),
    ("07.2", 30, {"table": RISE, "taught": ["en"]}, "divide by 100"),
    ("07.3", 2, {"n": 8, "chance": 1 / 8}, "though 2 of 8 is more than"),
    ("07.3", 6, {"n": 8, "chance": 1 / 8}, "fewer would be"),
    ("07.3", 9, {"n": 8, "chance": 1 / 8}, "There are 8 texts"),
    ("07.4", 1.0, {"parameters": 250_000_000}, "the weights alone"),
    ("07.4", 4e9, {"parameters": 250_000_000}, "divide by"),
    ("07.4", 3.73, {"parameters": 250_000_000}, "GiB"),
    ("07.4", 10.0, {"parameters": 250_000_000}, "a gradient"),
]


@pytest.mark.parametrize(("number", "answer", "given"), RIGHT)
def test_a_right_answer_passes(number, answer, given):
    verdict = check(number, answer, **given)
    assert verdict, str(verdict)


@pytest.mark.parametrize(("number", "answer", "given", "why"), WRONG)
def test_a_wrong_answer_hears_why(number, answer, given, why):
    verdict = check(number, answer, **given)
    assert not verdict
    assert why in str(verdict)


@pytest.mark.parametrize(("number", "given"), [(number, given) for number, _, given in RIGHT])
def test_nonsense_passes_no_check_and_raises_nothing(number, given):
    for nonsense in (
        1e9,
        -1e9,
        "x",
        np.nan,
        object(),
        ["x"],
        [object()] * 7,
        {"a": 1},
        pd.DataFrame({"a": [1]}),
    ):
        verdict = check(number, nonsense, **given)
        assert not verdict, nonsense
        assert verdict.why.endswith("."), verdict.why


def test_the_share_of_the_rationale_that_is_met_is_the_token_f1():
    found = plausibility(ONE, RATIONALES, n_controls=2).set_index("metric")["value"]
    assert check("06.3", found["token_f1"], explanation=ONE, pairs=RATIONALES)


@pytest.fixture(scope="module")
def turned(nli):
    """A pair of the tiny model, and hypotheses of it with one word another, by whether the label is another."""
    premise, hypothesis = "no one sleeps", "one man eats no dog today"
    words = hypothesis.split()
    tried = [
        " ".join([*words[:place], new, *words[place + 1 :]])
        for place in range(len(words))
        for new in ("cat", "not", "rains", "one", "it")
    ]
    texts = [hypothesis, *dict.fromkeys(tried)]
    frame = pd.DataFrame(
        {"pair_id": list(map(str, range(len(texts)))), "premise": premise, "hypothesis": texts}
    )
    labels = xlmkit.predict(nli, frame.assign(language="en"), progress=False)["prediction"]
    same = [text for text, label in zip(texts[1:], labels[1:], strict=True) if label == labels[0]]
    other = [text for text, label in zip(texts[1:], labels[1:], strict=True) if label != labels[0]]
    assert same
    assert other
    return frame.assign(language="en").head(1), same[0], other[0]


def test_one_word_that_turns_the_label_passes_and_one_that_does_not_fails(nli, turned):
    pair, same, other = turned
    assert check("04.4", other, nli=nli, pair=pair)
    assert "Still" in str(check("04.4", same, nli=nli, pair=pair))


def test_more_than_one_word_or_none_is_not_one_word(nli, turned):
    pair, _, other = turned
    hypothesis = pair["hypothesis"].item()
    assert "same words" in str(check("04.4", hypothesis.upper(), nli=nli, pair=pair))
    assert "2 words differ" in str(check("04.4", f"{hypothesis} it rains", nli=nli, pair=pair))
    assert "words differ" in str(check("04.4", " ".join(reversed(other.split())), nli=nli, pair=pair))


@pytest.fixture(scope="module")
def mended(nli):
    """An error of the tiny model, made by calling right what it says without some word; a hypothesis that leads there, and one that does not."""
    whole = "one man eats no dog today"
    words = whole.split()
    texts = [whole, *(" ".join([*words[:place], *words[place + 1 :]]) for place in range(len(words)))]
    frame = pd.DataFrame({"premise": "no one sleeps", "hypothesis": texts, "language": "en"})
    frame["pair_id"] = [f"edit-{row}" for row in range(len(frame))]
    labels = xlmkit.predict(nli, frame, progress=False)["prediction"].tolist()
    gold = next(label for label in labels if label != labels[0])
    right, still = (texts[1:][labels[1:].index(label)] for label in (gold, labels[0]))
    return frame.head(1).assign(gold=gold, prediction=labels[0]), right, still


def test_an_edit_that_leads_to_gold_passes_and_one_that_does_not_fails(nli, mended):
    errors, right, still = mended
    id, premise = errors["pair_id"].item(), errors["premise"].item()
    assert check("05.4", (id, premise, right), nli=nli, errors=errors)
    assert "gold (`" in str(check("05.4", (id, premise, still), nli=nli, errors=errors))


def test_an_edit_only_takes_words_out(nli, mended):
    errors, right, _ = mended
    id, premise, whole = (errors[name].item() for name in ("pair_id", "premise", "hypothesis"))
    for answer, why in (
        ((id, premise, whole), "Nothing is removed"),
        ((id, premise, f"{right} rains"), "`rains` is new"),
        ((id, "  ", right), "at least one word"),
        (("edit-99", premise, right), "pair_id"),
        ((id, premise), "Expected 3 values"),
    ):
        verdict = check("05.4", answer, nli=nli, errors=errors)
        assert not verdict
        assert why in str(verdict)


def test_the_fall_is_that_of_the_probability_without_the_strongest_word(nli):
    frame = pd.DataFrame(
        {
            "pair_id": ["whole", "without"],
            "premise": [PREMISE, "eats red meat"],
            "hypothesis": HYPOTHESIS,
            "language": "en",
        }
    )
    before, after = xlmkit.predict(nli, frame, progress=False)["p_contradiction"]
    assert check("06.1", before - after, nli=nli, explanation=ONE)
    assert not check("06.1", 1.0, nli=nli, explanation=ONE)
    assert abs(before - after) > 0.01
    assert "sign" in str(check("06.1", after - before, nli=nli, explanation=ONE))
