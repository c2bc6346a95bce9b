"""Confusion by language: against scikit-learn and counts made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from xlmkit.metrics import confusion, evaluate
from xlmkit.metrics.confusion import macro_f1
from xlmkit.pairs import LABELS
from xlmkit.stats import resamples
from xlmkit.stats.intervals import wilson


def random_predictions(items=60, *, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    gold = rng.choice(LABELS, items)
    parts = [
        pd.DataFrame(
            {
                "language": code,
                "item": np.arange(items),
                "gold": gold,
                "prediction": np.where(rng.random(items) < 0.6, gold, rng.choice(LABELS, items)),
            }
        )
        for code in ("en", "sw")
    ]
    return pd.concat(parts, ignore_index=True)


def test_confusions_are_scikit_learns():
    frame = random_predictions()
    table = confusion(frame)
    for code in ("en", "sw", "all"):
        rows = frame if code == "all" else frame[frame["language"] == code]
        expected = confusion_matrix(rows["gold"], rows["prediction"], labels=LABELS)
        found = table[table["language"] == code]
        matrix = found.pivot(index="gold", columns="prediction", values="n").loc[list(LABELS), list(LABELS)]
        np.testing.assert_array_equal(matrix, expected)
        np.testing.assert_allclose(found["share"], (expected / expected.sum(1, keepdims=True)).ravel())


def test_every_gold_label_is_shared_out_among_the_labels():
    table = confusion(random_predictions())
    np.testing.assert_allclose(table.groupby(["language", "gold"])["share"].sum(), 1)
    assert (table["low"] <= table["share"]).all()
    assert (table["share"] <= table["high"]).all()


def test_the_interval_of_a_share_is_that_of_frames_resampled_by_hand():
    frame = random_predictions(150)
    table = confusion(frame, n_resamples=50, seed=2).set_index(["language", "gold", "prediction"])
    found = []
    for drawn in resamples(frame, 50, 2):
        times = np.tile(drawn, 2)  # items stand in the same order in both languages
        gold = (frame["gold"] == "neutral") & (frame["language"] == "sw")
        found.append(times[gold & (frame["prediction"] == "entailment")].sum() / times[gold].sum())
    row = table.loc[("sw", "neutral", "entailment")]
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.quantile(found, [0.025, 0.975])))


def test_what_was_never_seen_is_shown_as_nothing():
    frame = pd.DataFrame(
        {
            "language": ["en", "en", "sw"],
            "item": ["a", "b", "a"],
            "gold": ["neutral", "entailment", "neutral"],
            "prediction": ["neutral", "neutral", "neutral"],
        }
    )
    table = confusion(frame).set_index(["language", "gold", "prediction"])
    assert set(table.index.get_level_values("prediction")) == {"entailment", "neutral"}
    assert table.loc[("sw", "entailment", "neutral"), "n"] == 0
    assert table.loc[("sw", "entailment", "neutral"), ["share", "low", "high"]].isna().all()
    assert tuple(table.loc[("all", "neutral", "neutral"), ["n", "share"]]) == (2, 1)
    assert table.loc[("en", "neutral", "neutral"), "low"] == pytest.approx(wilson(1, 1)[0])


def test_one_class_only_is_one_cell():
    table = confusion(random_predictions().assign(gold="neutral", label="neutral"))
    assert table[["language", "gold", "prediction", "n", "share"]].to_numpy().tolist() == [
        ["en", "neutral", "neutral", 60, 1.0],
        ["sw", "neutral", "neutral", 60, 1.0],
        ["all", "neutral", "neutral", 120, 1.0],
    ]


def test_labels_of_another_task_are_counted_under_their_names():
    frame = random_predictions().replace(dict(zip(LABELS, ("sports", "travel", "health"), strict=True)))
    table = confusion(frame, labels=["travel", "sports", "health"])
    assert table["gold"].unique().tolist() == ["health", "sports", "travel"]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_macro_f1_of_counts_is_scikit_learns(size):
    rng = np.random.default_rng(size)
    gold, label = rng.integers(0, size, (2, 30))
    label[gold == 0] = 1  # the first label has no F1 but 0
    counts = confusion_matrix(gold, label, labels=range(size + 1))  # the last one occurs nowhere
    assert macro_f1(counts.astype(float)) == pytest.approx(f1_score(gold, label, average="macro"))


def test_macro_f1_of_nothing_is_missing():
    assert np.isnan(macro_f1(np.zeros((3, 3))))


def test_confusion_and_accuracy_tell_the_same():
    frame = random_predictions()
    table = confusion(frame)
    right = table[table["gold"] == table["prediction"]].groupby("language")["n"].sum()
    figures = evaluate(frame).set_index("language")
    np.testing.assert_allclose(
        (right / table.groupby("language")["n"].sum())[figures.index], figures["accuracy"]
    )


def test_without_gold_there_is_no_confusion():
    with pytest.raises(ValueError, match="expected gold labels to compare with; got none in 120 rows"):
        confusion(random_predictions().assign(gold=None))
