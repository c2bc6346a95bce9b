"""Calibration: counted by hand, against scikit-learn, and against models whose calibration is known because it was built in."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from xlmkit.metrics import calibration, fit_temperature, reliability, temperature_effect, with_temperature
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.pairs import LABELS

COLUMNS = [f"p_{label}" for label in LABELS]


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


def model(count: int, *, temperature: float = 1.0, scale: float = 2.0, language: str = "en", seed: int = 0):
    """Predictions whose probabilities, at `temperature`, are those that gold is drawn from. Above 1 they are not sure enough."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, 3)) * scale
    true, said = softmax(logits, axis=1), softmax(logits / temperature, axis=1)
    gold = (rng.random((count, 1)) > true.cumsum(1)[:, :2]).sum(1)
    frame = pd.DataFrame(said, columns=COLUMNS)
    frame["prediction"], frame["gold"] = np.array(LABELS)[said.argmax(1)], np.array(LABELS)[gold]
    frame["language"] = language
    frame["item"] = [str(number) for number in range(count)]
    frame["promptID"] = [str(number // 3) for number in range(count)]
    return frame


def rows(*given: tuple[float, str]) -> pd.DataFrame:
    """Rows that say "neutral" with a probability; "+" where that is right."""
    frame = pd.DataFrame({"p_neutral": [p for p, _ in given]})
    frame["p_entailment"], frame["p_contradiction"] = 1 - frame["p_neutral"], 0.0
    frame["prediction"] = "neutral"
    frame["gold"] = ["neutral" if hit == "+" else "entailment" for _, hit in given]
    return frame.assign(language="en", item=[str(number) for number in range(len(frame))])


def first(table: pd.DataFrame) -> pd.Series:
    return table.iloc[0]


def test_the_errors_are_what_one_counts_by_hand():
    given = rows((0.55, "+"), (0.58, "-"), (0.95, "+"), (0.99, "+"))
    found = first(calibration(given, n_simulations=10, n_resamples=10))
    # bins 0.5-0.6: |1 - 1.13|; 0.9-1.0: |2 - 1.94|; over 4 rows
    assert found["ece"] == pytest.approx((0.13 + 0.06) / 4)
    assert found["confidence"] == pytest.approx((0.55 + 0.58 + 0.95 + 0.99) / 4)
    assert found["accuracy"] == 0.75
    assert found["brier"] == pytest.approx(2 * (0.45**2 + 0.58**2 + 0.05**2 + 0.01**2) / 4)
    assert found["nll"] == pytest.approx(-np.log([0.55, 0.42, 0.95, 0.99]).mean())
    promised = [p**2 + (1 - p) ** 2 for p in (0.55, 0.58, 0.95, 0.99)]
    assert found["brier_expected"] == pytest.approx(1 - np.mean(promised))
    two = first(calibration(given, bins=2, n_simulations=10, n_resamples=10))
    assert two["ece"] == pytest.approx(abs(3 - 3.07) / 4)  # all rows above 0.5 share a bin
    assert two["ece_mass"] == pytest.approx((0.13 + 0.06) / 4)  # two rows a bin


def test_log_loss_equals_scikit_learns():
    given = model(300)
    expected = log_loss(given["gold"], given[sorted(COLUMNS)].to_numpy(), labels=sorted(LABELS))
    assert first(calibration(given, n_simulations=2, n_resamples=2))["nll"] == pytest.approx(expected)


def test_one_bin_leaves_the_difference_of_confidence_and_accuracy():
    found = first(calibration(model(400, temperature=0.5), bins=1, n_simulations=5, n_resamples=5))
    assert found["ece"] == pytest.approx(abs(found["confidence"] - found["accuracy"]))
    assert found["ece_mass"] == pytest.approx(found["ece"])


def test_the_floor_is_that_of_the_literature():
    # 10 bins: 1.1 to 1.3 points at n = 5,010, about 4 at n = 500
    assert 0.010 < first(calibration(model(5010), n_resamples=2))["ece_floor"] < 0.0135
    assert 0.033 < first(calibration(model(500), n_resamples=2))["ece_floor"] < 0.045


def test_a_calibrated_model_lies_at_its_floor():
    found = [
        first(calibration(model(900, seed=seed), n_resamples=2, n_simulations=100)) for seed in range(40)
    ]
    floor = np.mean([row["ece_floor"] for row in found])
    assert np.mean([row["ece"] for row in found]) == pytest.approx(floor, rel=0.1)
    assert np.mean([row["brier"] - row["brier_expected"] for row in found]) == pytest.approx(0, abs=0.01)


def test_a_model_that_is_too_sure_has_an_error_above_its_floor():
    found = [first(calibration(model(600, temperature=0.6, seed=seed), n_resamples=2)) for seed in range(10)]
    assert all(row["ece"] > row["ece_floor_high"] for row in found)
    assert all(row["ece_p"] < 0.02 for row in found)


def test_prompts_whose_items_agree_widen_the_interval():
    once = model(300, temperature=0.6).assign(promptID=[str(number) for number in range(300)])
    thrice = pd.concat([once, once, once], ignore_index=True)
    thrice["item"] = [str(number) for number in range(len(thrice))]
    one, three = (first(calibration(frame, n_resamples=500, n_simulations=5)) for frame in (once, thrice))
    assert one[["ece", "brier", "brier_low", "brier_high"]].tolist() == pytest.approx(
        three[["ece", "brier", "brier_low", "brier_high"]].tolist()
    )
    blind = first(calibration(thrice.drop(columns="promptID"), n_resamples=500, n_simulations=5))
    assert blind["brier_high"] - blind["brier_low"] < 0.75 * (three["brier_high"] - three["brier_low"])


def test_the_floor_of_translations_is_that_of_one_language():
    once = model(600)
    many = pd.concat([once.assign(language=code) for code in ("de", "en", "fr")])
    table = calibration(many, n_resamples=2, n_simulations=50)
    assert table["language"].tolist() == ["de", "en", "fr", "all"]
    assert table["ece_floor"].to_numpy() == pytest.approx(table["ece_floor"].iloc[0])
    unaware = many.drop(columns=["item", "promptID"])
    independent = calibration(unaware, n_resamples=2, n_simulations=50)
    assert independent["ece_floor"].iloc[-1] < 0.8 * table["ece_floor"].iloc[-1]


def test_the_same_seed_gives_the_same_numbers():
    given = model(200)
    pd.testing.assert_frame_equal(
        calibration(given, n_resamples=50, n_simulations=20, seed=4),
        calibration(given, n_resamples=50, n_simulations=20, seed=4),
    )


def test_one_row_has_an_error_and_no_interval():
    table = calibration(rows((0.8, "-")), n_simulations=5, n_resamples=5)
    assert first(table)["ece"] == pytest.approx(0.8)
    assert table[["brier_low", "brier_high"]].isna().all(axis=None)
    assert table.attrs["without_interval"] == ["en", "all"]


# --- reliability ---


def test_bins_of_a_diagram_hold_every_row_once_and_the_error_follows_from_them():
    given = model(500, temperature=0.7)
    for kind, column in (("width", "ece"), ("mass", "ece_mass")):
        table = reliability(given, kind=kind)
        assert table["n"].sum() == 500
        filled = table[table["n"] > 0]
        ece = (filled["n"] * (filled["accuracy"] - filled["confidence"]).abs()).sum() / 500
        assert ece == pytest.approx(first(calibration(given, n_resamples=2, n_simulations=2))[column])
        inside = filled["confidence"].between(filled["low"] - 1e-12, filled["high"] + 1e-12)
        assert inside.all()


def test_bins_of_equal_mass_have_equal_rows_and_the_same_confidence_is_one_bin():
    assert set(reliability(model(500), kind="mass")["n"]) == {50}
    tied = rows(*[(0.7, "+")] * 30, *[(0.9, "-")] * 10)
    table = reliability(tied, kind="mass")
    assert table["n"].tolist() == [30, 10]
    assert reliability(rows(*[(0.7, "+")] * 5), kind="mass")["n"].tolist() == [5]


def test_bins_without_rows_are_there_and_say_nothing():
    table = reliability(rows((0.55, "+"), (1.0, "+")))
    assert table["n"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert table.loc[table["n"] == 0, ["confidence", "accuracy"]].isna().all(axis=None)


# --- temperature ---


def test_the_temperature_that_was_built_in_is_found_and_lies_in_its_interval():
    found = [first(fit_temperature(model(900, temperature=t, seed=3))) for t in (0.5, 1.0, 2.0)]
    for t, row in zip((0.5, 1.0, 2.0), found, strict=True):  # probabilities of softmax(z / t) need 1 / t
        assert row["temperature"] == pytest.approx(1 / t, rel=0.12)
        assert row["nll_after"] <= row["nll_before"]


def test_the_interval_of_the_temperature_covers_as_often_as_it_says():
    tables = [first(fit_temperature(model(600, temperature=0.5, seed=seed))) for seed in range(40)]
    covered = np.mean([row["low"] <= 2 <= row["high"] for row in tables])
    assert 0.85 <= covered <= 1
    logs = np.log([row[["low", "temperature", "high"]].astype(float) for row in tables])
    assert np.mean(logs[:, 2] - logs[:, 1]) == pytest.approx(1.96 * np.std(logs[:, 1]), rel=0.25)


def test_temperature_changes_no_label_and_keeps_sums():
    given = model(100)
    scaled = with_temperature(given, 3.0)
    assert scaled[COLUMNS].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (scaled[COLUMNS].idxmax(axis=1) == given[COLUMNS].idxmax(axis=1)).all()
    pd.testing.assert_frame_equal(with_temperature(given, 1.0), given)
    pd.testing.assert_frame_equal(with_temperature(scaled, 1 / 3), given)
    assert given[COLUMNS].max(axis=None) > scaled[COLUMNS].max(axis=None)


def test_each_language_has_its_own_temperature_and_a_missing_one_is_named():
    given = pd.concat([model(60, temperature=0.5), model(60, temperature=2, language="sw")])
    fitted = fit_temperature(given)
    assert fitted["language"].tolist() == ["en", "sw", "all"]
    assert fitted["temperature"].iloc[0] > 1 > fitted["temperature"].iloc[1]
    scaled = with_temperature(given, fitted)
    by_hand = with_temperature(
        given, {"en": fitted["temperature"].iloc[0], "sw": fitted["temperature"].iloc[1]}
    )
    pd.testing.assert_frame_equal(scaled, by_hand)
    with pytest.raises(ValueError, match="sw"):
        with_temperature(given, {"en": 1.0})


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf, "2", True])
def test_what_is_no_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        with_temperature(model(3), temperature)


def test_the_effect_shows_before_english_and_own_for_every_language():
    def both(seed):
        parts = [
            model(600, temperature=t, language=code, seed=seed) for code, t in (("en", 0.7), ("sw", 0.4))
        ]
        return pd.concat(parts, ignore_index=True)

    table = temperature_effect(both(1), both(2), n_resamples=200)
    assert table["language"].tolist() == ["en"] * 3 + ["sw"] * 3 + ["all"] * 3
    assert table["fitted_on"].tolist() == ["nothing", "en", "own"] * 3
    sw = table[table["language"] == "sw"].set_index("fitted_on")
    assert sw.loc["nothing", "temperature"] == 1
    assert sw.loc["own", "temperature"] == pytest.approx(1 / 0.4, rel=0.2)
    assert sw["ece"].is_monotonic_decreasing
    assert sw.loc["nothing", ["brier_gain", "gain_low", "gain_high"]].tolist() == [0, 0, 0]
    assert sw.loc["own", "gain_low"] > 0
    assert sw.loc["own", "brier"] == pytest.approx(sw.loc["nothing", "brier"] - sw.loc["own", "brier_gain"])
    english = table[table["language"] == "en"].set_index("fitted_on")
    assert english.loc["en", "ece"] == english.loc["own", "ece"]
    assert (table["accuracy"].groupby(table["language"]).nunique() == 1).all()
    with pytest.raises(ValueError, match="'de'"):
        temperature_effect(both(1), both(2), reference="de")


def test_temperatures_without_a_minimum_and_without_an_effect_are_told_apart():
    certain = rows(*[(0.9, "+")] * 40)
    with pytest.warns(XlmkitWarning, match="minimum"):
        assert first(fit_temperature(certain))["temperature"] == pytest.approx(0.05, rel=0.01)
    even = pd.DataFrame(1 / 3, index=range(40), columns=COLUMNS)
    even = even.assign(prediction="neutral", gold="neutral", language="en")
    assert first(fit_temperature(even))["temperature"] == 1


# --- what is refused ---


def test_probabilities_that_are_none_are_refused_by_row():
    given = model(5)
    off = given.copy()
    off.loc[3, "p_neutral"] += 0.1
    with pytest.raises(ValueError, match="row 3"):
        calibration(off)
    with pytest.raises(ValueError, match="sum to 1"):
        with_temperature(off, 2.0)
    percent = given.assign(**{column: 100 * given[column] for column in COLUMNS})
    with pytest.raises(ValueError, match="percent"):
        calibration(percent)
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration(given.assign(p_neutral=np.nan))
    with pytest.raises(ValueError, match="expected numbers"):
        calibration(given.assign(p_neutral="much"))
    with pytest.raises(ValueError, match="no p_neutral"):
        calibration(given.drop(columns="p_neutral"))


def test_probabilities_rounded_to_two_places_are_taken():
    given = model(50)
    rounded = given.assign(**{column: given[column].round(2) for column in COLUMNS})
    assert first(calibration(rounded, n_resamples=2, n_simulations=2))["n"] == 50


def test_rows_without_gold_are_left_out_and_none_with_gold_is_refused():
    given = model(40)
    given.loc[:9, "gold"] = None
    with pytest.warns(XlmkitWarning, match="10 of 40"):
        assert first(calibration(given, n_resamples=2, n_simulations=2))["n"] == 30
    with pytest.raises(ValueError, match="gold"):
        calibration(given.assign(gold=None))


@pytest.mark.parametrize("bins", [0, -1, 2.5, True])
def test_bins_must_be_a_positive_whole_number(bins):
    with pytest.raises(ValueError, match="`bins`"):
        calibration(model(4), bins=bins)


def test_other_labels_than_nlis_have_their_own_columns():
    given = pd.DataFrame(
        {"p_yes": [0.8, 0.3], "p_no": [0.2, 0.7], "prediction": ["yes", "no"], "gold": ["yes", "yes"]}
    )
    found = first(calibration(given.assign(topic="a"), by="topic", n_resamples=2, n_simulations=2))
    assert found["ece"] == pytest.approx((0.2 + 0.7) / 2)
    with pytest.raises(ValueError, match="'width', 'mass'"):
        reliability(given.assign(topic="a"), by="topic", kind="height")


def test_confidence_is_that_of_the_predicted_label_whatever_else_is_likelier():
    given = rows((0.3, "+"))  # another label has 0.7
    assert first(calibration(given, n_resamples=2, n_simulations=2))["confidence"] == pytest.approx(0.3)
