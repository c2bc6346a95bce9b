"""The bootstrap over prompts: against a loop that resamples rows of prompts by hand, and against what the multinomial law implies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xlmkit.metrics import evaluate
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.stats import bootstrap, resamples
from xlmkit.stats.bootstrap import interval, sums, totals, weights
from xlmkit.stats.frames import prompt_numbers
from xlmkit.stats.intervals import FEWEST, share_intervals, wilson


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


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


def test_every_resample_draws_as_many_prompts_as_there_are():
    frame = parallel_frame(prompts=7)
    drawn = resamples(frame, n_resamples=500, seed=3)
    assert drawn.shape == (500, 7)
    assert drawn.min() >= 0
    assert (drawn.sum(1) == 7).all()
    # multinomial: mean 1, variance 1 - 1/P; five standard errors of the mean of 3,500 cells
    assert drawn.mean() == 1
    assert drawn.var() == pytest.approx(1 - 1 / 7, abs=0.12)
    assert np.abs(drawn.mean(0) - 1).max() < 5 * (1 / 500) ** 0.5


def test_the_same_seed_draws_the_same_prompts_and_another_one_others():
    frame = parallel_frame()
    np.testing.assert_array_equal(resamples(frame, 50, 1), resamples(frame, 50, 1))
    assert (resamples(frame, 50, 1) != resamples(frame, 50, 2)).any()
    np.testing.assert_array_equal(resamples(frame, 50, 1), resamples(frame, 80, 1)[:50])


def test_memory_does_not_change_what_is_drawn(monkeypatch):
    whole = totals(np.arange(24.0).reshape(12, 2), n_resamples=40, seed=5)
    monkeypatch.setattr(bootstrap, "CELLS", 50)  # four resamples at a time
    assert [len(some) for some in weights(12, n_resamples=10)] == [4, 4, 2]
    np.testing.assert_array_equal(totals(np.arange(24.0).reshape(12, 2), n_resamples=40, seed=5), whole)


def test_totals_are_the_sums_over_the_rows_of_the_drawn_prompts():
    """The slow way: each resample made as a frame, whose rows are then counted."""
    frame = parallel_frame(prompts=9)
    numbers, over = prompt_numbers(frame)
    assert over == "promptID"
    values = np.column_stack([frame["prediction"] == frame["gold"], np.ones(len(frame))]).astype(float)
    found = totals(sums(values, numbers), n_resamples=20, seed=8)
    for drawn, total in zip(resamples(frame, 20, 8), found, strict=True):
        rows = np.concatenate(
            [np.flatnonzero(numbers == prompt) for prompt, times in enumerate(drawn) for _ in range(times)]
        )
        np.testing.assert_array_equal(total, values[rows].sum(0))


def test_evaluates_intervals_are_those_of_frames_resampled_by_hand():
    frame = parallel_frame(prompts=35)
    table = evaluate(frame, n_resamples=60, seed=4).set_index("language")
    parts = dict(list(frame.groupby("promptID")))
    found = []
    for drawn in resamples(frame, 60, 4):
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


def test_the_interval_leaves_the_tails_out_and_skips_what_is_missing():
    values = np.arange(101.0)
    low, high = interval(values, confidence_level=0.9)
    assert (low, high) == pytest.approx((5, 95))
    table = np.column_stack([values, np.full(101, np.nan), np.where(values < 100, values, np.nan)])
    low, high = interval(table, confidence_level=0.9)
    assert low.tolist()[::2] == pytest.approx([5, 4.95])
    assert np.isnan([low[1], high[1]]).all()


def test_few_prompts_and_prompts_all_alike_have_wilsons_interval():
    rows = np.full((FEWEST, 3), 3.0)
    hits = np.zeros((FEWEST, 3))
    hits[::2, 0] = 3  # they differ
    hits[:, 1] = 2  # all alike: a resample says the same again
    hits[:, 2] = 3
    drawn = totals(hits, n_resamples=200) / totals(rows, n_resamples=200)
    low, high, few = share_intervals(hits, rows, drawn)
    assert few.tolist() == [False, True, True]
    assert (low[1], high[1]) == pytest.approx(wilson(2 / 3, FEWEST))
    assert (low[2], high[2]) == pytest.approx(wilson(1, FEWEST))
    fewer = (slice(FEWEST - 1), slice(None))
    assert share_intervals(hits[fewer], rows[fewer], drawn)[2].all()


def test_evaluate_says_whose_interval_is_whose():
    many = parallel_frame(prompts=FEWEST)
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
    assert evaluate(many[many["promptID"] < FEWEST - 1]).attrs["interval"] == "wilson"


def test_a_prompt_column_that_is_empty_is_none_and_one_that_is_half_empty_is_refused():
    frame = parallel_frame()
    assert prompt_numbers(frame.assign(promptID=None))[1] == "item"
    frame["promptID"] = frame["promptID"].astype(object)
    frame.loc[5, "promptID"] = None
    with pytest.raises(
        ValueError, match="a `promptID` in every row; got none in 1 of 360, the first in row 5"
    ):
        evaluate(frame)


def test_one_row_has_an_interval_that_says_how_little_it_tells():
    table = evaluate(parallel_frame(prompts=1, languages=("en",)).iloc[:1])
    assert table["n"].tolist() == [1, 1]
    assert (table["high"] - table["low"] > 0.7).all()
    assert table.attrs["interval"] == "wilson"


def test_one_class_only_has_a_macro_f1_over_what_occurs():
    frame = parallel_frame().assign(gold="neutral", label="neutral")
    table = evaluate(frame)
    assert table["accuracy"].tolist() == table["macro_f1"].tolist() == [1.0] * 4
    assert table["low"].tolist() == pytest.approx([wilson(1, 40)[0]] * 4)


def test_a_group_without_gold_has_no_interval_and_the_others_keep_theirs():
    frame = parallel_frame()
    without = frame.assign(gold=frame["gold"].where(frame["language"] != "sw"))
    with pytest.warns(XlmkitWarning, match="120 of 360 rows have no gold"):
        table = evaluate(without).set_index("language")
    assert table.loc["sw", ["accuracy", "low", "high", "macro_f1", "macro_f1_low"]].isna().all()
    pd.testing.assert_series_equal(table.loc["en"], evaluate(frame).set_index("language").loc["en"])


def test_prompts_without_gold_are_not_drawn():
    frame = parallel_frame()
    more = pd.concat([frame.assign(promptID=-1, item=-1, gold=None)[:3], frame])
    with pytest.warns(XlmkitWarning, match="3 of 363 rows have no gold"):
        table = evaluate(more)
    pd.testing.assert_frame_equal(
        table.drop(columns="without_gold"), evaluate(frame).drop(columns="without_gold")
    )


@pytest.mark.parametrize(("prompts", "count"), [(0, 10), (3, 0)])
def test_nothing_to_draw_is_refused(prompts, count):
    with pytest.raises(ValueError, match="expected one or more prompts and resamples"):
        next(weights(prompts, n_resamples=count))
