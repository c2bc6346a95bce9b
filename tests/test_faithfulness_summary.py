"""Laws of the table of methods and metrics: means, intervals over prompts, and what is at chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xlmkit.faithfulness import summarize


def scored(percentiles, *, method="saliency", metric="comprehensiveness", **columns):
    count = len(percentiles)
    return pd.DataFrame(
        {
            "pair_id": [str(number) for number in range(count)],
            "language": "en",
            "method": method,
            "aggregation": "l2",
            "metric": metric,
            "perturbation": "mask",
            "value": np.asarray(percentiles, dtype=float) / 2,
            "control": 0.25,
            "percentile": np.asarray(percentiles, dtype=float),
            **columns,
        }
    )


@pytest.mark.parametrize("prompts", [8, 30])
def test_random_explanations_are_called_at_chance_as_often_as_the_interval_says(prompts):
    """95 % of the time; a plain percentile interval would say so of 89 % at 8 prompts."""
    rng = np.random.default_rng(0)
    chances = rng.integers(0, 21, size=(200, prompts)) / 20
    frame = pd.concat([scored(own, method=str(number)) for number, own in enumerate(chances)])
    assert 0.91 <= summarize(frame)["at_chance"].mean() <= 0.99


def test_good_is_above_chance_bad_below_and_both_are_not_at_chance():
    rng = np.random.default_rng(0)
    good, bad = 0.7 + 0.3 * rng.random(20), 0.3 * rng.random(20)
    table = summarize(pd.concat([scored(good, method="good"), scored(bad, method="bad")])).set_index("method")
    assert not table["at_chance"].any()
    assert table.loc["good", "percentile_low"] > 0.5 > table.loc["bad", "percentile_high"]
    assert table.loc["good", "percentile"] == pytest.approx(good.mean())
    assert table.loc["good", "mean"] == pytest.approx(good.mean() / 2)
    assert table.loc["good", ["n", "n_premise_groups", "missing"]].tolist() == [20, 20, 0]


def test_translations_of_an_item_count_as_one_prompt():
    rng = np.random.default_rng(1)
    own = rng.random(10)
    alone = summarize(scored(own))
    many = scored(np.repeat(own, 15), item=np.repeat(np.arange(10), 15))
    columns = ["mean", "low", "high", "percentile_low", "percentile_high"]
    together = summarize(many)
    assert together.attrs["interval_over"] == "item"
    assert alone.attrs["interval_over"] == "pair_id"
    assert together.loc[0, columns].tolist() == pytest.approx(alone.loc[0, columns].tolist())
    assert (together.loc[0, "n"], together.loc[0, "n_premise_groups"]) == (150, 10)
    apart = summarize(many.drop(columns="item"))
    width, narrow = (t.loc[0, "percentile_high"] - t.loc[0, "percentile_low"] for t in (together, apart))
    assert narrow < width / 2


def test_an_interval_whose_end_is_chance_holds_it():
    assert summarize(scored([0.5] * 8)).loc[0, "at_chance"]


def test_below_five_prompts_nothing_is_said_to_be_at_chance_or_not():
    assert summarize(scored([1.0] * 4)).loc[0, "at_chance"] is pd.NA
    assert not summarize(scored([1.0] * 5)).loc[0, "at_chance"]


def test_values_that_are_missing_are_counted_and_left_out():
    frame = scored([0.2, np.nan, 0.8, np.nan], metric="leave_one_out")
    row = summarize(frame).loc[0]
    assert (row["n"], row["missing"], row["mean"], row["percentile"]) == (2, 2, 0.25, 0.5)
    nothing = summarize(scored([np.nan] * 6)).loc[0]
    assert nothing["n"] == 0
    assert np.isnan(nothing["mean"])
    assert nothing["at_chance"] is pd.NA


def test_each_metric_says_which_way_is_better():
    frame = pd.concat(
        [scored([0.5] * 5, metric=name) for name in ("comprehensiveness", "sufficiency", "iou")]
    )
    table = summarize(frame.assign(perturbation=[None] * len(frame)))
    assert table["metric"].tolist() == ["comprehensiveness", "sufficiency", "iou"]
    assert table["better"].tolist() == ["higher", "lower", "higher"]


def test_a_row_a_language_where_asked_for():
    frame = pd.concat([scored([0.9] * 6), scored([0.1] * 6, language="sw")])
    table = summarize(frame, by=("method", "language"))
    assert table[["method", "language", "percentile"]].to_numpy().tolist() == [
        ["saliency", "en", 0.9],
        ["saliency", "sw", pytest.approx(0.1)],
    ]


def test_the_given_frame_stays_and_the_seed_decides():
    frame = scored(np.random.default_rng(3).random(12))
    before = frame.copy()
    table = summarize(frame)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(summarize(frame), table)
    assert summarize(frame, seed=1).loc[0, "low"] != table.loc[0, "low"]
    assert summarize(frame.assign(untrained=True))["untrained"].all()


def test_what_cannot_be_summarized_is_refused_by_name():
    frame = scored([0.5])
    with pytest.raises(ValueError, match="percentile"):
        summarize(frame.drop(columns="percentile"))
    with pytest.raises(ValueError, match="phenomenon"):
        summarize(frame, by="phenomenon")
    with pytest.raises(ValueError, match="without rows"):
        summarize(frame[:0])
    with pytest.raises(ValueError, match="'beauty'"):
        summarize(frame.assign(metric="beauty"))
    with pytest.raises(ValueError, match="95"):
        summarize(frame, confidence_level=95)
    with pytest.raises(TypeError, match="got list"):
        summarize([1])
