"""Statistical inference: against loops by hand, scipy, closed forms, and worlds in which nothing differs."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import binom, binomtest, norm, permutation_test, t

from xlmkit.metrics import calibration
from xlmkit.stats import bootstrap, cluster_sums, estimate, grouped, sign_flip, slice_p, wilson, with_all
from xlmkit.stats.bootstrap import MIN_CLUSTERS, effective_rows, interval, resample_weights, resampled_sums
from xlmkit.stats.frames import premise_groups

# --- the bootstrap ---


def drawn_weights(n_clusters: int, n_resamples: int, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(resample_weights(n_clusters, n_resamples, seed)))


def test_every_resample_draws_as_many_clusters_as_there_are():
    drawn = drawn_weights(7, 500, seed=3)
    assert drawn.shape == (500, 7)
    assert drawn.min() >= 0
    assert (drawn.sum(1) == 7).all()
    # multinomial: mean 1, variance 1 - 1/P; five standard errors of the mean of 3,500 cells
    assert drawn.var() == pytest.approx(1 - 1 / 7, abs=0.12)
    assert np.abs(drawn.mean(0) - 1).max() < 5 * (1 / 500) ** 0.5


def test_the_same_seed_draws_the_same_clusters_and_another_one_others():
    np.testing.assert_array_equal(drawn_weights(9, 50, 1), drawn_weights(9, 80, 1)[:50])
    assert (drawn_weights(9, 50, 1) != drawn_weights(9, 50, 2)).any()


def test_memory_does_not_change_what_is_drawn(monkeypatch):
    sums = np.random.default_rng(0).normal(size=(12, 3, 2))
    resampled, found = resampled_sums(sums, 40, 5), estimate(sums, n_resamples=40, seed=5, few="percentile")
    monkeypatch.setattr(bootstrap, "CELLS", 50)  # four resamples at a time
    monkeypatch.setattr(bootstrap, "FIGURES", 100)  # one group at a time
    assert [len(some) for some in resample_weights(12, 10)] == [4, 4, 2]
    np.testing.assert_allclose(resampled_sums(sums, 40, 5), resampled)
    np.testing.assert_allclose(estimate(sums, n_resamples=40, seed=5, few="percentile").low, found.low)


def test_resampled_sums_are_sums_over_the_rows_of_the_drawn_clusters():
    """The slow way: each resample made row by row."""
    rng = np.random.default_rng(1)
    values, clusters = rng.normal(size=(40, 2)), np.arange(40) % 9
    found = resampled_sums(cluster_sums(values, clusters), 20, 8)
    for weights, total in zip(drawn_weights(9, 20, 8), found, strict=True):
        rows = [np.flatnonzero(clusters == k) for k, times in enumerate(weights) for _ in range(int(times))]
        np.testing.assert_allclose(total, values[np.concatenate(rows)].sum(0))


@pytest.mark.parametrize(("n_clusters", "n_resamples", "token"), [(0, 10, "cluster"), (3, 0, "n_resamples")])
def test_nothing_to_draw_is_refused(n_clusters, n_resamples, token):
    with pytest.raises(ValueError, match=token):
        estimate(np.ones((n_clusters, 1, 2)), n_resamples=n_resamples)


def test_the_interval_leaves_the_tails_out_and_skips_what_is_missing():
    values = np.arange(101.0)
    low, high = interval(values, confidence_level=0.9)
    assert (low, high) == pytest.approx((5, 95))
    table = np.column_stack([values, np.full(101, np.nan), np.where(values < 100, values, np.nan)])
    low, high = interval(table, confidence_level=0.9)
    assert low.tolist()[::2] == pytest.approx([5, 4.95])
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize("n", [1, 7, 400])
def test_wilson_equals_scipys(n):
    counts = np.arange(n + 1)
    low, high = wilson(counts / n, n, confidence_level=0.9)
    expected = [binomtest(k, n).proportion_ci(confidence_level=0.9, method="wilson") for k in counts.tolist()]
    np.testing.assert_allclose(np.stack([low, high], axis=1), expected, atol=1e-12)


def test_independent_rows_count_in_full_and_rows_of_a_cluster_less():
    rng = np.random.default_rng(0)
    alone = (rng.random((2000, 5)) < 0.7).astype(float)
    rows = np.full(2000, 5.0)
    assert effective_rows(alone.ravel(), np.ones(10_000)) == pytest.approx(10_000)
    assert effective_rows(alone.sum(1), rows) > 9_000
    assert effective_rows(5.0 * (rng.random(2000) < 0.7), rows) == pytest.approx(2000)
    assert effective_rows(rows, rows) == 2000  # all right: no variance, so the number of clusters
    assert effective_rows(np.array([1.0, 1, 1, 0]), np.array([2.0, 2, 1, 1])) <= 6


# --- grouped estimates ---


def observations(n_clusters: int = 40, *, seed: int = 0) -> pd.DataFrame:
    """Three rows per cluster and language, missing values, and a weight."""
    rng = np.random.default_rng(seed)
    cluster = np.tile(np.arange(n_clusters), 6)
    frame = pd.DataFrame({"cluster": cluster, "language": np.repeat(["sw", "en"], 3 * n_clusters)})
    frame["value"] = rng.normal(size=len(frame)) + rng.normal(size=n_clusters)[cluster]
    frame["weight"] = rng.random(len(frame))
    frame.loc[rng.random(len(frame)) < 0.1, "value"] = np.nan
    return frame


def test_means_and_ratios_are_those_of_pandas_and_their_intervals_those_of_frames_resampled_by_hand():
    frame = observations().assign(product=lambda rows: rows["value"].fillna(0) * rows["weight"])
    wanted = {"mean": "value", "ratio": ("product", "weight")}
    found = grouped(with_all(frame, "language"), wanted, "language", "cluster", n_resamples=60, seed=4)
    assert found["language"].tolist() == ["sw", "en", "all"]
    by_hand = []
    for weights in drawn_weights(40, 60, 4):
        rows = frame.loc[np.repeat(frame.index, weights[frame["cluster"]].astype(int))]
        by_hand.append([rows["value"].mean(), rows["product"].sum() / rows["weight"].sum()])
    everything = found.iloc[2]
    assert everything["mean"] == pytest.approx(frame["value"].mean())
    assert everything["ratio"] == pytest.approx(frame["product"].sum() / frame["weight"].sum())
    expected = np.quantile(by_hand, [0.025, 0.975], axis=0)
    assert everything[["mean_low", "mean_high"]].tolist() == pytest.approx(expected[:, 0].tolist())
    assert everything[["ratio_low", "ratio_high"]].tolist() == pytest.approx(expected[:, 1].tolist())


def test_every_group_sees_the_same_resample_and_a_group_of_nothing_is_missing():
    frame = observations()
    twin = frame[frame["language"] == "en"].assign(language="fr")
    nothing = twin.assign(language="zh", value=np.nan)
    table = grouped(pd.concat([frame, twin, nothing]), {"mean": "value"}, "language", "cluster")
    table = table.set_index("language")
    assert table.loc["en"].equals(table.loc["fr"])
    assert table.loc["zh"].isna().all()


def test_groups_may_have_several_names_and_a_missing_one():
    frame = observations().assign(kind=["a", None] * 120)
    table = grouped(frame, {"mean": "value"}, ["language", "kind"], "cluster", few="percentile")
    assert table[["language", "kind"]].isna().sum().tolist() == [0, 2]
    assert len(table) == 4
    expected = frame[(frame["language"] == "en") & frame["kind"].isna()]["value"].mean()
    assert table.loc[table["kind"].isna() & (table["language"] == "en"), "mean"].item() == pytest.approx(
        expected
    )


def test_too_few_clusters_have_the_interval_that_was_asked_for():
    rows = np.full((MIN_CLUSTERS, 3), 3.0)
    hits = np.zeros((MIN_CLUSTERS, 3))
    hits[::2, 0] = 3  # they differ
    hits[:, 1] = 2  # all alike: a resample says the same again
    hits[:, 2] = 3
    sums = np.stack([hits, rows], axis=-1)
    found = estimate(sums, few="wilson")
    assert found.few.tolist() == [False, True, True]
    assert (found.low[1], found.high[1]) == pytest.approx(wilson(2 / 3, MIN_CLUSTERS))
    assert (found.low[2], found.high[2]) == pytest.approx(wilson(1, MIN_CLUSTERS))
    fewer = sums[1:]
    assert estimate(fewer, few="wilson").few.all()
    assert np.isnan(estimate(fewer).low).all()
    assert not np.isnan(estimate(sums).low).any()
    assert not np.isnan(estimate(fewer, few="percentile").low).any()
    with pytest.raises(ValueError, match="`few`"):
        estimate(sums, few="none")
    with pytest.raises(ValueError, match="confidence_level"):
        estimate(sums, confidence_level=95)


def test_students_interval_is_as_much_wider_as_students_t_is():
    values = norm.ppf((np.arange(8) + 0.5) / 8)
    sums = np.stack([values, np.ones(8)], axis=-1)[:, None]  # (P, 1, 2)
    found = estimate(sums, few="student", n_resamples=200_000)
    expected = t.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8)
    assert found.high[0] - found.value[0] == pytest.approx(expected, rel=0.05)
    assert found.standard_error[0] == pytest.approx(values.std() / np.sqrt(8), rel=0.01)
    assert np.isnan(estimate(sums[:1], few="student").low).all()
    as_many = estimate(sums, few="student", n_clusters=np.array([3]))
    assert as_many.high[0] > found.high[0]


def accuracies(rng: np.random.Generator, n_clusters: int, size: int) -> np.ndarray:
    """(P, G, 2) hits and rows of many groups with accuracy 0.7: 8 rows per cluster, alike in difficulty."""
    chance = rng.beta(1.4, 0.6, size=(n_clusters, size))  # mean 0.7
    hits = rng.binomial(8, chance).astype(float)
    return np.stack([hits, np.full(hits.shape, 8.0)], axis=-1)


@pytest.mark.parametrize(
    ("few", "n_clusters", "least", "most"),
    [("percentile", 100, 0.92, 0.98), ("wilson", 12, 0.92, 0.99), ("student", 8, 0.90, 0.98)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(few, n_clusters, least, most):
    """An interval that takes rows as independent covers it far less often."""
    sums = accuracies(np.random.default_rng(n_clusters), n_clusters, 800)
    found = estimate(sums, few=few, n_resamples=999)
    assert least <= ((found.low <= 0.7) & (found.high >= 0.7)).mean() <= most
    low, high = wilson(found.value, np.full(800, 8.0 * n_clusters))
    assert ((low <= 0.7) & (high >= 0.7)).mean() < 0.85


# --- p values under the null hypothesis ---


def p_of_sign_flips(rng: np.random.Generator) -> np.ndarray:
    """Two languages of the same accuracy that find a premise group as a whole easier or harder."""
    ease = rng.normal(size=(30, 1000, 1)) + 2 * rng.normal(size=(2, 30, 1000, 1))
    hits = (rng.random((2, 30, 1000, 3)) < 1 / (1 + np.exp(-0.5 - ease))).sum(-1).astype(float)
    return sign_flip(hits[0] - hits[1], np.full((30, 1000), 3.0), n_resamples=199, seed=1)[0]


def p_of_slices(rng: np.random.Generator, **options: int) -> np.ndarray:
    """Small slices of answers that are nearly all right: the difference is far from normal. Both agree within a
    premise group."""
    found = []
    for seed in range(8):
        right = np.repeat(rng.permutation(100) >= 5, 2).astype(float)
        members = np.repeat(np.argsort(rng.random((100, 250)), axis=0) < 6, 2, axis=0)
        rows = np.arange(200)
        blocks = rows // 2, rows, np.zeros(200, dtype=int)
        found.append(slice_p(right, members, blocks, n_permutations=199, seed=seed, **options))
    return np.concatenate(found)


def p_of_slices_with_more_permutations(rng: np.random.Generator) -> np.ndarray:
    return p_of_slices(rng, max_permutations=2000)


def p_of_calibration_errors(rng: np.random.Generator) -> np.ndarray:
    """400 calibrated models of 40 rows each."""
    chance = softmax(2 * rng.normal(size=(400 * 40, 2)), axis=1)
    gold = (rng.random(len(chance)) > chance[:, 0]).astype(int)
    names = np.array(["yes", "no"])
    frame = pd.DataFrame({"p_yes": chance[:, 0], "p_no": chance[:, 1], "gold": names[gold]})
    frame["prediction"] = names[chance.argmax(1)]
    frame["model"] = np.repeat(np.arange(400), 40)
    return calibration(frame, by="model", n_simulations=99, n_resamples=1)["ece_p"].to_numpy()[:-1]


@pytest.mark.parametrize(
    "draw",
    [p_of_sign_flips, p_of_slices, p_of_slices_with_more_permutations, p_of_calibration_errors],
    ids=lambda function: function.__name__,
)
def test_where_nothing_differs_p_is_at_most_a_in_a_fraction_a_of_the_cases(draw):
    p = draw(np.random.default_rng(11))
    for level in (0.005, 0.01, 0.02, 0.05, 0.1, 0.3):
        assert (p <= level).sum() <= binom.ppf(0.999, len(p), level), level
    assert (p <= 0.5).mean() > 0.1  # a test that never refutes would pass too
    assert p.min() > 0


# --- tests of differences, and of slices ---


def random_differences(n_clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 4, size=(n_clusters, 6)).astype(float)
    sizes[0] = 3
    shift = rng.choice([-1, 0, 0, 1], size=6)
    return np.clip(rng.integers(-3, 4, size=(n_clusters, 6)) + shift, -sizes, sizes), sizes


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 30), st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_excludes_zero_exactly_where_p_refutes_it(n_clusters, seed, level):
    differences, sizes = random_differences(n_clusters, seed)
    p, low, high = sign_flip(differences, sizes, n_resamples=199, seed=seed, confidence_level=level)
    seen = differences.sum(0) / sizes.sum(0)
    assert (low <= seen + 1e-12).all()
    assert (seen <= high + 1e-12).all()
    np.testing.assert_array_equal((low > 0) | (high < 0), p <= 1 - level + 1e-12)


def test_the_interval_holds_every_difference_that_the_test_does_not_refute():
    """Clusters are shifted by a supposed difference and tested again, with the same signs."""
    differences, sizes = (values[:, :1] for values in random_differences(25, 2))
    _, low, high = sign_flip(differences, sizes, n_resamples=399, seed=7)
    for supposed in np.linspace(low[0] - 0.2, high[0] + 0.2, 300):
        p, _, _ = sign_flip(differences - supposed * sizes, sizes, n_resamples=399, seed=7)
        if min(abs(supposed - low[0]), abs(supposed - high[0])) > 1e-6:
            assert (p[0] > 0.05) == (low[0] < supposed < high[0]), supposed


def test_the_sign_flip_test_is_scipys():
    differences, sizes = (values[:, :1] for values in random_differences(11, 5))
    exact = permutation_test((differences[:, 0],), np.sum, permutation_type="samples", n_resamples=np.inf)
    p, _, _ = sign_flip(differences, sizes, n_resamples=40_000)
    assert p[0] == pytest.approx(exact.pvalue, abs=4 * (0.25 / 40_000) ** 0.5)
    with pytest.raises(ValueError, match="n_resamples"):
        sign_flip(differences, sizes, n_resamples=0)


def test_memory_does_not_change_the_signs(monkeypatch):
    differences, sizes = random_differences(30, 3)
    whole = sign_flip(differences, sizes, n_resamples=300)
    monkeypatch.setattr("xlmkit.stats.permutation.CELLS", 200)
    np.testing.assert_array_equal(sign_flip(differences, sizes, n_resamples=300), whole)


def test_p_of_a_slice_equals_that_of_all_permutations():
    right, member = np.array([1, 1, 1, 0, 0, 0, 0, 1]), np.array([1, 1, 1, 0, 0, 0, 0, 0])
    seen = right[member == 1].mean() - right[member == 0].mean()
    every = []
    for chosen in itertools.combinations(range(8), 3):
        inside = np.isin(np.arange(8), chosen)
        every.append(abs(right[inside].mean() - right[~inside].mean()) >= abs(seen) - 1e-9)
    rows = np.arange(8)
    p = slice_p(right, member[:, None], (rows, rows, np.zeros(8, dtype=int)), n_permutations=20_000)[0]
    assert p == pytest.approx(np.mean(every), abs=0.01)


def test_a_small_p_is_counted_with_more_permutations_and_a_large_one_is_not():
    right = np.array([1] * 180 + [0] * 20 + [1] * 60 + [0] * 40)
    members = np.column_stack([np.arange(300) >= 200, np.arange(300) % 2 == 0])
    rows = np.arange(300)
    blocks = rows, rows, np.zeros(300, dtype=int)
    few = slice_p(right, members, blocks, n_permutations=100)
    many = slice_p(right, members, blocks, n_permutations=100, max_permutations=1000)
    assert (few[0], many[0]) == (1 / 101, 1 / 1001)
    assert few[1] == many[1] > 0.1


def test_answers_are_exchanged_between_and_within_groups_of_the_same_shape_alone():
    """Two groups of two items in two languages may change places; a group of one item has nothing to exchange."""
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    item = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    language = np.arange(10) % 2
    right = np.zeros(10)
    right[[0, 8]] = 1  # an answer in the first language
    members = np.eye(10)
    p = slice_p(right, members, (group, item, language), n_permutations=4000)
    # Row 0 keeps its 1 in a quarter of the permutations: its group in half, and its item in half of these.
    assert p[0] == pytest.approx(0.25, abs=0.03)
    # The 1 of row 8 stays where it is.
    assert p[8] == 1
    # The other language never gets it, so these rows always show what they show.
    assert (p[[1, 3, 5, 7, 9]] == 1).all()


# --- which rows belong together ---


def test_the_first_column_that_is_not_empty_says_the_premise_groups():
    frame = pd.DataFrame({"promptID": [1, "1", 2], "item": ["a", "b", "c"]})
    codes, column = premise_groups(frame)
    assert (codes.tolist(), column) == ([0, 0, 1], "promptID")
    assert premise_groups(frame.assign(promptID=None))[1] == "item"
    assert premise_groups(frame[[]])[1] == "rows"
    with pytest.raises(ValueError, match=r"`promptID`.* row 1"):
        premise_groups(frame.assign(promptID=[1, None, 2]))
