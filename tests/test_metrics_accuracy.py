"""Accuracy, F1 and confusions: against scikit-learn, frames resampled by hand, and what items in many languages imply."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score

from xlmkit.metrics import confusion, evaluate
from xlmkit.metrics.accuracy import macro_f1
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import LABELS, read_pairs
from xlmkit.stats.bootstrap import MIN_CLUSTERS, resample_weights, wilson


def drawn_weights(n_clusters: int, n_resamples: int, seed: int) -> np.ndarray:
    return np.concatenate(list(resample_weights(n_clusters, n_resamples, seed))).astype(int)


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def predictions(right: dict[str, list[int]], *, items: bool = True) -> pd.DataFrame:
    """One row a language and item; 1 where the prediction is right."""
    rows = [
        {
            "language": code,
            "item": str(number),
            "gold": "neutral",
            "prediction": "neutral" if hit else "entailment",
        }
        for code, hits in right.items()
        for number, hit in enumerate(hits)
    ]
    return pd.DataFrame(rows).drop(columns=[] if items else ["item"])


def row(table, name):
    return table.set_index(table.columns[0]).loc[name]


def test_a_language_has_its_accuracy_and_wilsons_interval():
    table = evaluate(predictions({"en": [1, 1, 1, 0], "de": [1, 0, 0, 0]}))
    assert table["language"].tolist() == ["de", "en", "all"]
    assert table["n"].tolist() == [4, 4, 8]
    assert table["accuracy"].tolist() == [0.25, 0.75, 0.5]
    expected = binomtest(3, 4).proportion_ci(method="wilson")
    assert row(table, "en")[["low", "high"]].tolist() == pytest.approx([expected.low, expected.high])


def test_over_one_language_all_equals_that_language():
    table = evaluate(predictions({"en": [1, 1, 0, 1, 0, 1, 1]}))
    columns = ["n", "accuracy", "low", "high", "macro_f1"]
    assert table.loc[0, columns].tolist() == pytest.approx(table.loc[1, columns].tolist())


def test_languages_that_agree_item_by_item_tell_no_more_than_one():
    hits = [1, 1, 0, 1, 0, 1, 1, 0, 0, 1]
    one = evaluate(predictions({"en": hits}))
    many = evaluate(predictions(dict.fromkeys(("ar", "de", "en", "sw", "zh"), hits)))
    assert row(many, "all")[["low", "high"]].tolist() == pytest.approx(
        row(one, "all")[["low", "high"]].tolist()
    )
    assert row(many, "all")["n"] == 50
    assert many.attrs["interval_over"] == "item"


def test_without_items_rows_count_as_independent_and_that_is_said():
    frame = predictions({"en": [1, 0, 1], "de": [1, 1, 1]}, items=False)
    with pytest.warns(XlmkitWarning, match="`item`"):
        table = evaluate(frame)
    assert table.attrs["interval_over"] == "rows"
    expected = binomtest(5, 6).proportion_ci(method="wilson")
    assert row(table, "all")[["low", "high"]].tolist() == pytest.approx([expected.low, expected.high])


@pytest.mark.parametrize("column", ["pairID", "promptID"])
def test_xnlis_own_columns_say_what_an_item_is(column):
    frame = predictions({"en": [1, 0, 1, 1], "de": [1, 0, 1, 1]}).rename(columns={"item": column})
    assert evaluate(frame).attrs["interval_over"] == column


def test_rows_without_gold_are_counted_left_out_and_said():
    frame = predictions({"en": [1, 0, 1], "de": [1, 1, 1]})
    frame.loc[[0, 3, 4, 5], "gold"] = [None, "-", float("nan"), None]
    with pytest.warns(XlmkitWarning, match="4 of 6 rows"):
        table = evaluate(frame)
    assert row(table, "en")[["n", "without_gold", "accuracy"]].tolist() == [2, 1, 0.5]
    assert row(table, "de")[["n", "without_gold"]].tolist() == [0, 3]
    assert all(math.isnan(row(table, "de")[name]) for name in ("accuracy", "low", "high", "macro_f1"))
    assert row(table, "all")[["n", "without_gold", "accuracy"]].tolist() == [2, 4, 0.5]


def test_macro_f1_is_scikit_learns():
    frame = read_pairs("workshop")
    frame["prediction"] = np.random.default_rng(0).choice(LABELS, len(frame))
    table = evaluate(frame)
    for code, rows in frame.groupby("language"):
        assert row(table, code)["macro_f1"] == pytest.approx(
            f1_score(rows["gold"], rows["prediction"], average="macro")
        )
    assert len(table) == 16


def test_mixed_pairs_are_grouped_by_both_languages():
    frame = predictions({"en": [1, 0], "de": [1, 1]}).rename(columns={"language": "premise_language"})
    table = evaluate(frame.assign(hypothesis_language="ur"))
    assert table["language"].tolist() == ["de>ur", "en>ur", "all"]


def test_any_column_may_group():
    frame = predictions({"en": [1, 0], "de": [1, 1]}).assign(genre=["a", "b", "a", "b"])
    table = evaluate(frame, by="genre")
    assert table["genre"].tolist() == ["a", "b", "all"]
    assert table["accuracy"].tolist() == [1.0, 0.5, 0.75]


def test_by_gold_label_accuracy_is_recall():
    frame = predictions({"en": [1, 0, 1, 1]}).assign(gold=["neutral", "neutral", "entailment", "entailment"])
    frame["prediction"] = ["neutral", "entailment", "entailment", "entailment"]
    table = evaluate(frame, by="gold")
    assert table["gold"].tolist() == ["entailment", "neutral", "all"]
    assert table["accuracy"].tolist() == [1, 0.5, 0.75]


def test_a_group_that_is_not_said_is_refused_and_so_is_a_name_that_is_taken():
    frame = predictions({"en": [1, 0], "de": [1, 1]}).assign(genre=["a", None, "a", "b"], premise_group="p")
    with pytest.raises(ValueError, match=r"`genre` .* row 1"):
        evaluate(frame, by="genre")
    with pytest.raises(ValueError, match="premise_group"):
        evaluate(frame, by="premise_group")


def test_labels_of_other_models_are_compared_by_name():
    frame = predictions({"en": [1, 1]}).assign(
        prediction=["Neutral", "contradictory"], gold=["neutral", "contradiction"]
    )
    assert row(evaluate(frame), "en")["accuracy"] == 1.0


def test_a_wider_confidence_gives_a_wider_interval():
    frame = predictions({"en": [1, 0, 1, 1]})
    narrow, wide = (row(evaluate(frame, confidence_level=c), "all") for c in (0.5, 0.99))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"gold": None}, "gold"),
        ({"prediction": None}, "prediction"),
        ({"gold": 1}, "label 1"),
        ({"prediction": "maybe"}, "'maybe'"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, expected):
    with pytest.raises(ValueError, match=expected):
        evaluate(predictions({"en": [1, 0]}).assign(**change))


def test_missing_columns_and_other_values_are_refused():
    frame = predictions({"en": [1, 0]})
    with pytest.raises(ValueError, match="no prediction and no gold"):
        evaluate(frame[["language"]])
    with pytest.raises(ValueError, match="'genre'"):
        evaluate(frame, by="genre")
    with pytest.raises(ValueError, match="confidence_level"):
        evaluate(frame, confidence_level=95)
    with pytest.raises(TypeError, match="list"):
        evaluate([1])


def test_evaluate_changes_nothing_it_was_given():
    frame = predictions({"en": [1, 0], "de": [1, 1]})
    before = frame.copy()
    evaluate(frame)
    pd.testing.assert_frame_equal(frame, before)


def parallel_frame(prompts=40, languages=("de", "en", "sw"), *, seed=0) -> pd.DataFrame:
    """Three items a prompt; prompts differ in difficulty, languages in accuracy, and all three labels occur."""
    rng = np.random.default_rng(seed)
    ease = np.repeat(rng.normal(size=prompts), 3)
    gold = np.tile(["entailment", "neutral", "contradiction"], prompts)
    parts = []
    for place, code in enumerate(languages):
        right = rng.random(3 * prompts) < 1 / (1 + np.exp(-ease - 0.4 * place))
        other = np.where(gold == "neutral", "entailment", "neutral")
        parts.append(
            pd.DataFrame(
                {
                    "language": code,
                    "promptID": np.arange(3 * prompts) // 3,
                    "item": np.arange(3 * prompts),
                    "gold": gold,
                    "prediction": np.where(right, gold, other),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_evaluates_intervals_are_those_of_frames_resampled_by_hand():
    frame = parallel_frame(prompts=35)
    table = evaluate(frame, n_resamples=60, seed=4).set_index("language")
    parts = dict(list(frame.groupby("promptID")))
    found = []
    for drawn in drawn_weights(35, 60, 4):
        rows = pd.concat([parts[prompt] for prompt, times in enumerate(drawn) for _ in range(times)])
        hits = rows["prediction"] == rows["gold"]
        found.append({**hits.groupby(rows["language"]).mean(), "all": hits.mean()})
    expected = pd.DataFrame(found).quantile([0.025, 0.975]).T
    np.testing.assert_allclose(table[["low", "high"]], expected.loc[table.index], atol=1e-12)


def test_every_language_sees_the_same_resample():
    """Then a language that equals another has its very interval, and the difference of the two has none."""
    frame = parallel_frame(languages=("de", "en"))
    copy = frame[frame["language"] == "en"].assign(language="fr")
    table = evaluate(pd.concat([frame, copy])).set_index("language")
    assert table.loc["en"].equals(table.loc["fr"])
    assert not table.loc["en"].equals(table.loc["de"])


def test_evaluate_says_whose_interval_is_whose():
    many = parallel_frame(prompts=MIN_CLUSTERS)
    table = evaluate(many)
    assert table.attrs["interval"] == "bootstrap"
    assert table.attrs["interval_over"] == "promptID"
    assert table.attrs["wilson"] == []
    assert table[["macro_f1_low", "macro_f1_high"]].notna().all(axis=None)
    few = pd.concat([many, many[many["promptID"] < 5].assign(language="ur")])
    table = evaluate(few)
    assert table.attrs["wilson"] == ["ur"]
    assert table.attrs["interval"] == "bootstrap"
    assert table.set_index("language")["macro_f1_low"].isna().to_dict()["ur"]
    assert evaluate(many[many["promptID"] < MIN_CLUSTERS - 1]).attrs["interval"] == "wilson"


def test_one_row_has_an_interval_that_says_how_little_it_tells():
    table = evaluate(parallel_frame(prompts=1, languages=("en",)).iloc[:1])
    assert table["n"].tolist() == [1, 1]
    assert (table["high"] - table["low"] > 0.7).all()
    assert table.attrs["interval"] == "wilson"


def test_one_class_only_has_a_macro_f1_over_what_occurs():
    frame = parallel_frame().assign(gold="neutral", prediction="neutral")
    table = evaluate(frame)
    assert table["accuracy"].tolist() == table["macro_f1"].tolist() == [1.0] * 4
    assert table["low"].tolist() == pytest.approx([wilson(1, 40)[0]] * 4)


def test_a_group_without_gold_has_no_interval_and_the_others_keep_theirs():
    frame = parallel_frame()
    without = frame.assign(gold=frame["gold"].where(frame["language"] != "sw"))
    with pytest.warns(XlmkitWarning, match="120 of 360 rows"):
        table = evaluate(without).set_index("language")
    assert table.loc["sw", ["accuracy", "low", "high", "macro_f1", "macro_f1_low"]].isna().all()
    pd.testing.assert_series_equal(table.loc["en"], evaluate(frame).set_index("language").loc["en"])


def test_prompts_without_gold_are_not_drawn():
    frame = parallel_frame()
    more = pd.concat([frame.assign(promptID=-1, item=-1, gold=None)[:3], frame])
    with pytest.warns(XlmkitWarning, match="3 of 363 rows"):
        table = evaluate(more)
    pd.testing.assert_frame_equal(
        table.drop(columns="without_gold"), evaluate(frame).drop(columns="without_gold")
    )


# --- confusions ---


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
    for drawn in drawn_weights(150, 50, 2):
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
    table = confusion(random_predictions().assign(gold="neutral", prediction="neutral"))
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
    assert macro_f1(counts.ravel().astype(float)) == pytest.approx(f1_score(gold, label, average="macro"))


def test_confusion_and_accuracy_tell_the_same():
    frame = random_predictions()
    table = confusion(frame)
    right = table[table["gold"] == table["prediction"]].groupby("language")["n"].sum()
    figures = evaluate(frame).set_index("language")
    np.testing.assert_allclose(
        (right / table.groupby("language")["n"].sum())[figures.index], figures["accuracy"]
    )


def test_without_gold_there_is_no_confusion():
    with pytest.raises(ValueError, match="gold"):
        confusion(random_predictions().assign(gold=None))
