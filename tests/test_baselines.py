"""Baselines learn what they can see and nothing else: words of the hypothesis, overlap, never another language."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from xlmkit import baselines
from xlmkit.metrics import evaluate
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import LABELS, read_pairs

NOUNS = [
    "dog",
    "cat",
    "man",
    "book",
    "tree",
    "house",
    "car",
    "bird",
    "fish",
    "boat",
    "road",
    "river",
    "stone",
    "chair",
    "lamp",
]


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def pairs(count: int, hypothesis, *, language: str = "en", seed: int = 0) -> pd.DataFrame:
    """Pairs of even labels; `hypothesis(label, premise words, rng)` says the words of the second sentence."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        words = list(rng.choice(NOUNS, 4, replace=False))
        label = LABELS[number % 3]
        said = " ".join(hypothesis(label, words, rng))
        rows.append({"language": language, "premise": " ".join(words), "hypothesis": said, "gold": label})
    return pd.DataFrame(rows).assign(item=[f"{seed}-{number}" for number in range(count)])


def cued(label, words, rng):
    """A word of the hypothesis tells the label; the premise tells nothing."""
    return [
        *rng.choice(NOUNS, 3),
        {"entailment": "outside", "neutral": "perhaps", "contradiction": "not"}[label],
    ]


def overlapping(label, words, rng):
    """How many words of the premise come again tells the label; the words themselves tell nothing."""
    others = [noun for noun in NOUNS if noun not in words]
    kept = {"entailment": 4, "neutral": 2, "contradiction": 0}[label]
    return [*rng.permutation(words)[:kept], *rng.choice(others, 4 - kept, replace=False)]


def accuracy(kind, make) -> float:
    baseline = baselines.train(pairs(300, make), kind, progress=False)
    return float(baselines.predict(baseline, pairs(300, make, seed=1))["correct"].mean())


def test_a_word_that_tells_the_label_is_found_by_both():
    assert accuracy("hypothesis_only", cued) > 0.95
    assert accuracy("ngram", cued) > 0.95


def test_overlap_is_seen_by_ngram_and_hidden_from_hypothesis_only():
    assert accuracy("ngram", overlapping) > 0.95
    assert abs(accuracy("hypothesis_only", overlapping) - 1 / 3) < 0.1


def test_the_premise_does_not_move_hypothesis_only():
    baseline = baselines.train(pairs(90, cued), "hypothesis_only", progress=False)
    one = pairs(30, cued, seed=1)
    other = one.assign(premise="something else")
    columns = [f"p_{label}" for label in LABELS]
    np.testing.assert_array_equal(
        baselines.predict(baseline, one)[columns], baselines.predict(baseline, other)[columns]
    )


def test_predictions_have_the_columns_that_metrics_ask_for():
    given = pairs(60, cued, seed=1).sample(frac=1, random_state=0)
    predicted = baselines.predict(baselines.train(pairs(60, cued), progress=False), given)
    assert predicted.index.equals(given.index)
    assert predicted[[f"p_{label}" for label in LABELS]].sum(axis=1).to_numpy() == pytest.approx(1)
    best = predicted[[f"p_{label}" for label in LABELS]].idxmax(axis=1).str.removeprefix("p_")
    assert predicted["prediction"].tolist() == best.tolist()
    assert predicted["correct"].tolist() == (predicted["prediction"] == predicted["gold"]).tolist()
    assert evaluate(predicted).loc[0, "n"] == 60
    assert predicted.attrs["provenance"]["model"]["kind"] == "ngram"


def test_each_language_is_learnt_from_its_own_pairs_alone():
    both = pd.concat([pairs(90, cued), pairs(90, overlapping, language="de")], ignore_index=True)
    baseline = baselines.train(both, progress=False)
    alone = baselines.train(pairs(90, cued), progress=False)
    asked = pairs(30, cued, seed=2)
    columns = [f"p_{label}" for label in LABELS]
    np.testing.assert_allclose(
        baselines.predict(baseline, asked)[columns], baselines.predict(alone, asked)[columns]
    )
    assert baseline.trained_on == {"de": 90, "en": 90}


def test_mixed_languages_are_a_language_of_their_own():
    mixed = pairs(60, cued).drop(columns="language").assign(premise_language="en", hypothesis_language="de")
    baseline = baselines.train(mixed, progress=False)
    assert list(baseline.models) == ["en>de"]
    with pytest.raises(ValueError, match="en>de"):
        baselines.predict(baseline, pairs(3, cued))


def test_labels_of_another_task_are_taken_as_they_are_written():
    renamed = pairs(60, cued).replace({"gold": {"entailment": "yes", "neutral": "no", "contradiction": "no"}})
    baseline = baselines.train(renamed, progress=False)
    assert baseline.labels == ("no", "yes")
    assert (
        baselines.predict(baseline, renamed.assign(hypothesis="dog outside now"))["prediction"]
        .isin(["yes"])
        .all()
    )


def test_pairs_that_were_trained_on_are_named_as_such_even_after_a_journey():
    known = pairs(60, cued)
    baseline = pickle.loads(pickle.dumps(baselines.train(known, progress=False)))
    with pytest.warns(XlmkitWarning, match="60 of 60 pairs were trained on"):
        baselines.predict(baseline, known)


def test_crossed_predictions_never_learn_from_the_pairs_own_prompt():
    # The label of a prompt is told by one word that no other prompt has: whoever learnt it has seen the prompt.
    rows = pairs(60, cued).assign(language="en")
    rows["hypothesis"] = [f"word{number // 3} outside" for number in range(60)]
    rows["gold"] = [LABELS[(number // 3) % 3] for number in range(60)]
    rows["promptID"] = [str(number // 3) for number in range(60)]
    crossed = baselines.cross_predict(rows, "hypothesis_only", progress=False)
    assert crossed["correct"].mean() < 0.5
    inside = baselines.predict(baselines.train(rows, "hypothesis_only", progress=False), rows)
    assert inside["correct"].mean() > 0.95


def test_crossed_predictions_keep_order_and_cover_every_row():
    given = pd.concat([pairs(60, cued), pairs(60, cued, language="de")]).reset_index(drop=True)
    given = given.sample(frac=1, random_state=1)
    crossed = baselines.cross_predict(given, folds=4, progress=False)
    pd.testing.assert_frame_equal(crossed[given.columns], given)
    assert crossed["correct"].mean() > 0.9
    again = baselines.cross_predict(given, folds=4, progress=False)
    pd.testing.assert_frame_equal(crossed, again)


@pytest.mark.parametrize("folds", [1, 61])
def test_folds_that_cannot_be_made_are_refused(folds):
    with pytest.raises(ValueError, match="`folds`"):
        baselines.cross_predict(pairs(60, cued), folds=folds, progress=False)


def test_what_cannot_be_learnt_from_is_refused():
    good = pairs(30, cued)
    with pytest.raises(ValueError, match="'bow'"):
        baselines.train(good, "bow")
    with pytest.raises(ValueError, match="gold"):
        baselines.train(good.assign(gold=None))
    with pytest.raises(ValueError, match="gold"):
        baselines.train(good.drop(columns="gold"))
    with pytest.raises(ValueError, match="'neutral' only"):
        baselines.train(good.assign(gold="neutral"))
    with pytest.raises(ValueError, match="single texts"):
        baselines.train(pd.DataFrame({"text": ["a"], "language": ["en"], "gold": ["x"]}))
    with pytest.raises(TypeError, match="DataFrame"):
        baselines.predict(good, good)


def test_rows_without_gold_are_left_out_of_training_and_predicted_all_the_same():
    given = pairs(30, cued)
    given.loc[0, "gold"] = None
    with pytest.warns(XlmkitWarning, match="1 of 30 rows"):
        baseline = baselines.train(given, progress=False)
    assert baseline.trained_on == {"en": 29}
    predicted = baselines.predict(baseline, given)
    assert pd.isna(predicted.loc[0, "correct"])
    assert predicted["prediction"].notna().all()


def test_ngrams_learn_something_of_xnli(shared):
    train = read_pairs(shared / "data" / "train15k" / "multinli.train.en.tsv", languages="en").head(2000)
    asked = read_pairs(shared / "data" / "xnli" / "xnli.dev.tsv", languages="en")
    found = {
        kind: baselines.predict(baselines.train(train, kind, progress=False), asked)["correct"].mean()
        for kind in baselines.KINDS
    }
    assert 0.52 < found["ngram"] < 0.60
    assert 0.42 < found["hypothesis_only"] < 0.52
