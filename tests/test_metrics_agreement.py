"""Agreement across languages: against Fleiss' own example, statsmodels, and counts made by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa

from xlmkit.metrics import agreement, disagreement, evaluate, items_by_n_correct, right_in_one_wrong_in_other
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import LABELS, read_pairs
from xlmkit.stats.bootstrap import MIN_CLUSTERS, resample_weights

SHORT = {"e": "entailment", "n": "neutral", "c": "contradiction"}


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def predictions(said: dict[str, str], gold: str | None = None) -> pd.DataFrame:
    """A letter an item: what is said of it in each language, and what is right."""
    rows = [
        {
            "language": code,
            "item": f"i{number}",
            "prediction": SHORT[letter],
            "gold": SHORT[gold[number]] if gold else None,
        }
        for code, letters in said.items()
        for number, letter in enumerate(letters)
    ]
    return pd.DataFrame(rows)


def random_predictions(prompts=40, languages=("de", "en", "es", "sw"), *, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    gold = rng.choice(LABELS, 3 * prompts)
    parts = [
        pd.DataFrame(
            {
                "language": code,
                "promptID": np.arange(3 * prompts) // 3,
                "item": np.arange(3 * prompts),
                "gold": gold,
                "prediction": np.where(rng.random(3 * prompts) < 0.6, gold, rng.choice(LABELS, 3 * prompts)),
            }
        )
        for code in languages
    ]
    return pd.concat(parts, ignore_index=True)


def kappa_by_hand(letters_by_item: list[str]) -> float:
    """Fleiss 1971: the share of agreeing pairs of raters, over what the shares of the labels alone would give."""
    raters = len(letters_by_item[0])
    pairs = [
        sum(one == other for i, one in enumerate(item) for j, other in enumerate(item) if i != j)
        / (raters * (raters - 1))
        for item in letters_by_item
    ]
    everything = "".join(letters_by_item)
    chance = sum((everything.count(letter) / len(everything)) ** 2 for letter in set(everything))
    return (sum(pairs) / len(pairs) - chance) / (1 - chance)


def test_agreement_has_the_counts_made_by_hand():
    frame = predictions({"de": "eenc", "en": "eenn", "sw": "ecne"})
    (row,) = agreement(frame).to_dict("records")
    assert (row["languages"], row["n"], row["unanimous"]) == (3, 4, 0.5)
    # Agreeing pairs of three: item 0 all, item 1 one, item 2 all, item 3 none.
    assert row["consistency"] == pytest.approx((1 + 1 / 3 + 1 + 0) / 4)
    assert row["fleiss_kappa"] == pytest.approx(kappa_by_hand(["eee", "eec", "nnn", "cne"]))
    assert math.isnan(row["fleiss_kappa_low"])


def test_the_interval_of_agreement_is_that_of_frames_resampled_by_hand():
    frame = random_predictions()
    (row,) = agreement(frame, n_resamples=60, seed=9).to_dict("records")
    items = frame.pivot(index="item", columns="language", values="prediction")
    votes = np.stack([(items == label).sum(axis=1) for label in LABELS], axis=1)
    found = []
    for drawn in np.concatenate(list(resample_weights(40, 60, 9))).astype(int):
        chosen = votes[np.repeat(np.arange(len(votes)), np.repeat(drawn, 3))]
        found.append((fleiss_kappa(chosen), (chosen.max(1) == 4).mean()))
    expected = np.quantile(found, [0.025, 0.975], axis=0)
    assert (row["fleiss_kappa_low"], row["fleiss_kappa_high"]) == pytest.approx(tuple(expected[:, 0]))
    assert (row["unanimous_low"], row["unanimous_high"]) == pytest.approx(tuple(expected[:, 1]))
    assert row["consistency_low"] < row["consistency"] < row["consistency_high"]


def test_languages_that_say_the_same_agree_in_full():
    frame = random_predictions(languages=("en",))
    frame = pd.concat([frame.assign(language=code) for code in ("de", "en", "sw")])
    (row,) = agreement(frame).to_dict("records")
    assert row["unanimous"] == row["consistency"] == row["fleiss_kappa"] == 1
    assert row["fleiss_kappa_low"] == pytest.approx(1)


def test_with_one_class_only_kappa_is_missing_and_the_rest_is_there():
    (row,) = agreement(random_predictions().assign(prediction="neutral")).to_dict("records")
    assert row["unanimous"] == row["consistency"] == 1
    assert all(math.isnan(row[name]) for name in ("fleiss_kappa", "fleiss_kappa_low", "fleiss_kappa_high"))


def test_few_prompts_have_no_interval_of_agreement():
    names = [
        f"{name}_{side}" for name in ("unanimous", "consistency", "fleiss_kappa") for side in ("low", "high")
    ]
    assert agreement(random_predictions(MIN_CLUSTERS - 1))[names].isna().all(axis=None)
    assert agreement(random_predictions(MIN_CLUSTERS))[names].notna().all(axis=None)


def test_one_item_can_be_agreed_on():
    (row,) = agreement(predictions({"en": "e", "sw": "n"})).to_dict("records")
    assert (row["n"], row["unanimous"], row["consistency"]) == (1, 0, 0)
    assert row["fleiss_kappa"] == -1


def test_agreement_and_flips_need_no_gold():
    frame = predictions({"en": "een", "sw": "ecn"}).drop(columns="gold")
    assert agreement(frame)["unanimous"].tolist() == pytest.approx([2 / 3])
    assert disagreement(frame).columns.tolist() == ["first", "second", "n", "share"]


def test_flips_have_the_counts_made_by_hand():
    frame = predictions({"de": "eenc", "en": "eenn", "sw": "ecne"}, gold="eenn")
    table = disagreement(frame)
    assert len(table) == 9
    assert table["n"].tolist() == [4] * 9
    share = table.pivot(index="first", columns="second", values="share")
    assert share.loc["de"].to_dict() == {"de": 0, "en": 0.25, "sw": 0.5}
    assert (share == share.T).all(axis=None)
    lost = table.pivot(index="first", columns="second", values="lost")
    assert lost.loc["en"].to_dict() == {"de": 0.25, "en": 0, "sw": 0.5}
    assert (lost["en"] == 0).all()


def test_items_are_counted_by_the_languages_that_get_them_right():
    frame = predictions({"de": "eenc", "en": "eenn", "sw": "ecne"}, gold="eenn")
    table = items_by_n_correct(frame)
    assert table["right"].tolist() == [0, 1, 2, 3]
    assert table["n"].tolist() == [0, 1, 1, 2]
    assert table["share"].tolist() == [0, 0.25, 0.25, 0.5]
    # Accuracies 3/4, 1, 1/2, independent: none right 0, all right 3/8; the second is right always.
    assert table["expected"].tolist() == pytest.approx([0, 4 / 8, 4 * 4 / 8, 4 * 3 / 8])


def test_expected_items_keep_the_accuracy_of_every_language():
    frame = random_predictions()
    table = items_by_n_correct(frame)
    assert table["n"].sum() == table["expected"].sum() == pytest.approx(120)
    mean = evaluate(frame)["accuracy"].iloc[-1]
    assert (table["right"] * table["n"]).sum() == pytest.approx(4 * 120 * mean)
    assert (table["right"] * table["expected"]).sum() == pytest.approx(4 * 120 * mean)


def test_right_in_one_language_and_wrong_in_another_is_shown_with_its_english():
    frame = predictions({"de": "eenc", "en": "eenn", "sw": "ecne"}, gold="eenn")
    texts = frame["language"] + " " + frame["item"]
    frame = frame.assign(premise=texts + " p", hypothesis=texts + " h", p_entailment=0.5)
    frame["p_contradiction"] = np.where(frame["item"] == "i1", 0.4, 0.3)
    table = right_in_one_wrong_in_other(frame)
    assert table["item"].tolist() == [
        "i3",
        "i1",
    ]  # the surer error first: 0.5 for entailment, 0.4 for contradiction
    assert table["language"].tolist() == ["sw", "sw"]
    assert table["english_premise"].tolist() == ["en i3 p", "en i1 p"]
    assert table["english_hypothesis"].tolist() == ["en i3 h", "en i1 h"]
    assert "en_premise" not in table
    table = right_in_one_wrong_in_other(frame, "de", "sw")
    assert table[["item", "de_premise", "english_premise", "premise"]].to_numpy().tolist() == [
        ["i1", "de i1 p", "en i1 p", "sw i1 p"]
    ]
    assert right_in_one_wrong_in_other(frame, "de", "en").empty


def test_english_comes_from_its_own_column_where_there_is_one():
    frame = predictions({"de": "ee", "sw": "cc"}, gold="ee").assign(premise="p", hypothesis="h")
    assert right_in_one_wrong_in_other(frame, "de", "sw")["english_premise"].isna().all()
    frame["english_premise"] = ["a", None, "a", "b"]
    assert right_in_one_wrong_in_other(frame, "de", "sw")["english_premise"].tolist() == ["a", "b"]


def test_the_workshops_frame_goes_through():
    frame = read_pairs("workshop", languages=["de", "en", "sw"])
    frame["prediction"] = np.random.default_rng(0).choice(LABELS, len(frame))
    table = right_in_one_wrong_in_other(frame, "de", "sw")
    assert len(table) > 5
    english = frame[frame["language"] == "en"].set_index("item")
    assert table["english_premise"].tolist() == english.loc[table["item"], "premise"].tolist()


@pytest.mark.parametrize(
    "function", [agreement, disagreement, items_by_n_correct, right_in_one_wrong_in_other]
)
def test_one_language_and_different_items_are_refused(function):
    frame = predictions({"en": "een", "sw": "ecn"}, gold="een")
    with pytest.raises(ValueError, match=r"`language`|'sw'"):
        function(frame[frame["language"] == "en"])
    with pytest.raises(ValueError, match=r"'i1'.*'sw'"):
        function(frame.drop(index=4))
    with pytest.raises(ValueError, match=r"'i2'.*'sw'"):
        function(pd.concat([frame, frame.iloc[5:]]))


@pytest.mark.parametrize("function", [items_by_n_correct, right_in_one_wrong_in_other])
def test_what_is_right_cannot_be_told_without_gold(function):
    frame = predictions({"en": "een", "sw": "ecn"})
    with pytest.raises(ValueError, match="gold"):
        function(frame)
    with pytest.raises(ValueError, match="gold"):
        function(frame.drop(columns="gold"))


def test_flips_leave_out_items_without_gold_and_say_so():
    frame = predictions({"en": "een", "sw": "ecn"}, gold="een")
    frame.loc[[0, 3], "gold"] = None
    with pytest.warns(XlmkitWarning, match="2 of 6 rows"):
        assert disagreement(frame)["n"].tolist() == [2] * 4


def test_nothing_that_was_given_is_changed():
    frame = random_predictions().assign(premise="p", hypothesis="h")
    before = frame.copy()
    for function in (agreement, disagreement, items_by_n_correct, right_in_one_wrong_in_other):
        function(frame)
    pd.testing.assert_frame_equal(frame, before)
