"""Laws of faithfulness: right values on models whose answer is known, and the same numbers however the work is shared out."""

from __future__ import annotations

import dataclasses
import math
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from scipy.stats import kendalltau

from xlmkit import inference
from xlmkit.attribution import explain
from xlmkit.encoding import encode, erase
from xlmkit.faithfulness import erasure_metrics
from xlmkit.faithfulness.controls import COLUMNS, generator, percentile, with_controls
from xlmkit.faithfulness.erasure_metrics import (
    FRACTIONS,
    METRICS,
    metric_value,
    random_masks,
    word_counts,
    word_sets,
)
from xlmkit.tokenization import MASK, PAD

ROWS = [
    ("a", "en", "en", "The man is not in a red book today.", "No dog sleeps.", "contradiction"),
    ("b", "th", "zh", "แมวไม่นอน", "今天下雨。", "neutral"),
    ("c", "ur", "ur", "آدمی آج نہیں سو رہا ہے۔", "کتا سو رہا ہے۔", "entailment"),
]
NAMES = ["pair_id", "premise_language", "hypothesis_language", "premise", "hypothesis", "gold"]
MODULE = sys.modules["xlmkit.faithfulness.erasure_metrics"]
METHODS = ("saliency", "input_x_gradient", "occlusion")


@pytest.fixture(scope="module")
def pairs():
    return pd.DataFrame(ROWS, columns=NAMES)


@pytest.fixture(scope="module")
def explained(nli, pairs):
    return [one for method in METHODS for one in explain(nli, pairs, method=method, progress=False)]


@pytest.fixture(scope="module")
def scored(nli, explained):
    return erasure_metrics(nli, explained, progress=False)


# --- the metrics, on models whose answer is known -----------------------------------------------


def measure(metric, value, scores, masks=None, fractions=FRACTIONS):
    """A metric of a model that is a function of the erased sets of words."""
    sets = word_sets(metric, scores, masks, fractions)
    return metric_value(metric, scores, masks, value(sets))


def ranked(scores):
    """Words from the highest score to the lowest."""
    return np.argsort(-scores, kind="stable").tolist()


def bag(weights, bias=0.0):
    """A linear model: what is left of the words' weights."""
    weights = np.asarray(weights, dtype=float)
    return lambda sets: np.array([bias + weights.sum() - weights[sorted(words)].sum() for words in sets])


def decides(word):
    """A model that gives the target probability 1 where it sees one word, and 0 where it does not."""
    return lambda sets: np.array([float(word not in words) for words in sets])


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, (1,)),
        (2, (1,)),
        (10, (1, 2, 5)),
        (20, (1, 2, 4, 10)),
        (21, (1, 2, 3, 5, 11)),
        (200, (2, 10, 20, 40, 100)),
    ],
)
def test_steps_are_rounded_up_and_equal_ones_count_once(count, expected):
    assert word_counts(count) == expected


def test_a_share_that_is_a_whole_number_of_words_but_for_rounding_is_not_rounded_up():
    assert 0.28 * 25 > 7  # in binary
    assert word_counts(25, (0.28,)) == (7,)


def test_where_one_word_decides_naming_it_is_as_faithful_as_can_be():
    scores = np.zeros(20)
    scores[7] = 1.0
    assert measure("comprehensiveness", decides(7), scores) == 1.0
    assert measure("sufficiency", decides(7), scores) == 0.0


def test_where_one_word_decides_naming_it_last_is_as_unfaithful_as_can_be():
    scores = np.zeros(20)
    scores[7] = -1.0
    assert measure("comprehensiveness", decides(7), scores) == 0.0
    assert measure("sufficiency", decides(7), scores) == 1.0


def test_the_area_is_the_mean_over_the_steps_by_hand():
    # 20 words: steps 1, 2, 4, 10. The deciding word stands third, so it is among the top 4 and 10 and not among the top 1 and 2.
    scores = -np.arange(20.0)
    assert measure("comprehensiveness", decides(2), scores) == pytest.approx(2 / 4)
    assert measure("sufficiency", decides(2), scores) == pytest.approx(2 / 4)
    # A linear model of 10 words with weights 10, 9, ..., 1, of 55 in all: steps 1, 2, 5 erase 10, 19 and 40.
    weights = np.arange(10.0, 0.0, -1.0)
    assert measure("comprehensiveness", bag(weights), weights) == pytest.approx((10 + 19 + 40) / 3)
    assert measure("sufficiency", bag(weights), weights) == pytest.approx((45 + 36 + 15) / 3)
    assert measure("comprehensiveness", bag(weights), weights, fractions=(0.3,)) == pytest.approx(27)


def test_of_equal_scores_the_earlier_word_comes_first():
    first, *_ = word_sets("comprehensiveness", np.tile([1.0, 2.0], 100), None, (0.01,))[1:]
    assert first == {1, 3}
    assert word_sets("sufficiency", np.array([0.0, 2.0, 1.0, 2.0]), None, (0.25, 0.75))[1:] == [
        {3, 2, 0},
        {0},
    ]


def test_leave_one_out_is_one_for_the_weights_of_a_linear_model_and_minus_one_for_their_opposite():
    weights = np.array([0.3, -2.0, 1.5, 0.0, 0.7])
    assert measure("leave_one_out", bag(weights), weights) == pytest.approx(1.0)
    assert measure("leave_one_out", bag(weights, bias=3.0), -weights) == pytest.approx(-1.0)
    # By hand: order 1 3 2 against 1 2 3 has two pairs in order and one out of order.
    assert measure("leave_one_out", bag([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])) == pytest.approx(1 / 3)
    ties = np.array([1.0, 1.0, 0.0, 2.0, 2.0])
    assert measure("leave_one_out", bag(weights), ties) == pytest.approx(kendalltau(ties, weights).statistic)


@pytest.mark.parametrize(
    ("weights", "scores"), [([1.0, 2.0], [1.0, 1.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0], [1.0])]
)
def test_leave_one_out_is_missing_where_nothing_can_be_ranked(weights, scores):
    assert math.isnan(measure("leave_one_out", bag(weights), np.array(scores)))


def test_infidelity_is_zero_for_the_weights_of_a_linear_model_whatever_their_scale():
    weights, rng = np.array([0.3, -2.0, 1.5, 0.0, 0.7]), np.random.default_rng(0)
    masks = random_masks(5, 40, rng)
    for scale in (1.0, 100.0, -0.01):
        assert measure("infidelity", bag(weights), scale * weights, masks) == pytest.approx(0.0, abs=1e-12)
    assert measure("infidelity", bag(weights), weights[::-1], masks) > 0.1
    drops = [weights[mask].sum() ** 2 for mask in masks]
    assert measure("infidelity", bag(weights), np.zeros(5), masks) == pytest.approx(np.mean(drops))


def test_infidelity_is_captums():
    """The same masks, a model that is not linear, and captum's own function with `normalize=True`."""
    rng = np.random.default_rng(3)
    weights, scores = torch.from_numpy(rng.normal(size=(6, 4))), rng.normal(size=6)
    masks = random_masks(6, 30, rng)

    def model(words):  # (B, 6) which words are there
        return torch.tanh(words @ weights).sum(1)

    hit = torch.from_numpy(masks.astype(float))
    theirs = captum_infidelity(
        model,
        lambda inputs: (hit, inputs - hit),
        torch.ones(1, 6, dtype=torch.float64),
        torch.from_numpy(scores)[None],
        n_perturb_samples=len(masks),
        normalize=True,
    )

    def value(sets):
        there = torch.ones(len(sets), 6, dtype=torch.float64)
        for row, words in enumerate(sets):
            there[row, sorted(words)] = 0.0
        return model(there).numpy()

    assert measure("infidelity", value, scores, masks) == pytest.approx(float(theirs), abs=1e-10)


def test_masks_are_never_empty_and_of_every_size():
    masks = random_masks(6, 400, np.random.default_rng(0))
    sizes = np.bincount(masks.sum(1), minlength=7)
    assert sizes[0] == 0
    assert (sizes[1:] > 400 / 6 / 2).all()


def test_controls_are_the_same_scores_in_the_given_orders():
    scores, orders = np.array([5.0, 1.0, 3.0]), np.array([[2, 0, 1], [0, 1, 2]])
    own, *controls = with_controls(scores, orders)
    assert own.tolist() == scores.tolist()
    assert np.array(controls).tolist() == [[3.0, 1.0, 5.0], [5.0, 3.0, 1.0]]
    assert [ranked(control) for control in controls] == orders.tolist()


@pytest.mark.parametrize(
    ("value", "controls", "higher", "expected"),
    [
        (0.5, [0.1, 0.2, 0.3, 0.6], True, 0.75),
        (0.5, [0.1, 0.2, 0.3, 0.6], False, 0.25),
        (0.5, [0.5, 0.5], True, 0.5),
        (0.5, [0.5, 0.1, 0.9, 0.9], False, 0.625),
        (math.nan, [0.5, 0.1], True, math.nan),
    ],
)
def test_a_percentile_is_the_share_of_controls_beaten_and_ties_count_half(value, controls, higher, expected):
    found = percentile(value, np.array(controls), higher_is_better=higher)
    assert found == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("fractions", [(), (0.0, 0.5), (1.5,)])
def test_fractions_outside_their_range_are_refused(fractions):
    with pytest.raises(ValueError, match="`fractions`"):
        word_counts(5, fractions)


# --- evaluating a model -------------------------------------------------------------------------------------------------------------------


def only(frame, id, method, metric):
    rows = frame[(frame["pair_id"] == id) & (frame["method"] == method) & (frame["metric"] == metric)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_one_row_an_explanation_and_metric(scored, explained):
    assert list(scored.columns) == list(COLUMNS)
    assert len(scored) == len(explained) * len(METRICS)
    assert scored["pair_id"].tolist() == [one.pair_id for one in explained for _ in METRICS]
    assert scored["language"].unique().tolist() == ["en", "th>zh", "ur"]
    assert scored["percentile"].between(0, 1).all()
    assert set(scored["perturbation"]) == {"mask"}


@pytest.mark.parametrize("perturbation", ["mask", "pad", "delete"])
def test_erasing_by_hand_and_asking_transformers_gives_the_same_comprehensiveness(
    nli, explained, perturbation
):
    one = explained[len(ROWS)]  # input x gradient of the first pair
    encoding = encode(nli, one.premise, one.hypothesis, "en")
    words = [token.word for token in one.tokens]

    def probability(gone):
        ids, langs = encoding.input_ids[0].tolist(), encoding.langs[0].tolist()
        kept = [place for place, word in enumerate(words) if perturbation != "delete" or word not in gone]
        piece = {"mask": MASK, "pad": PAD, "delete": None}[perturbation]
        row = torch.tensor([[piece if words[place] in gone else ids[place] for place in kept]])
        logits = nli.network(
            input_ids=row,
            langs=torch.tensor([[langs[place] for place in kept]]),
            attention_mask=torch.ones_like(row),
        ).logits[0]
        return float(logits.softmax(0)[nli.labels.index(one.target)])

    order = np.argsort(-one.word_scores, kind="stable").tolist()
    steps = word_counts(len(order))
    comprehensiveness = probability(set()) - np.mean([probability(set(order[:k])) for k in steps])
    sufficiency = probability(set()) - np.mean([probability(set(order[k:])) for k in steps])
    found = erasure_metrics(
        nli,
        one,
        perturbation=perturbation,
        metrics=("comprehensiveness", "sufficiency"),
        n_controls=2,
        progress=False,
    )
    assert found["value"].tolist() == pytest.approx([comprehensiveness, sufficiency], abs=1e-5)


def test_occlusion_is_leave_one_out_where_both_erase_by_padding(nli, explained):
    occlusion = [one for one in explained if one.method == "occlusion"]
    found = erasure_metrics(nli, occlusion, metrics="leave_one_out", perturbation="pad", progress=False)
    assert found["value"].tolist() == pytest.approx([1.0] * len(ROWS))
    assert found["percentile"].tolist() == [1.0] * len(ROWS)


def linear_logits(nli, weights):
    """In place of the network: logits that are sums of one weight a word piece, for the first label alone."""

    def logits(_, encoding, **__):
        found = np.zeros((len(encoding), len(nli.labels)), dtype=np.float32)
        found[:, 0] = (weights[encoding.input_ids] * encoding.attention_mask).sum(1)
        return found

    return logits


def test_on_a_linear_model_its_weights_beat_every_control(nli, explained, monkeypatch):
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=nli.network.config.vocab_size))
    weights[: MASK + 10] = 0.0  # special pieces say nothing
    monkeypatch.setattr(MODULE, "logits", linear_logits(nli, weights))
    right = []
    for one in explained[: len(ROWS)]:
        encoding = encode(
            nli,
            one.premise,
            one.hypothesis,
            one.premise_language,
            hypothesis_languages=one.hypothesis_language,
        )
        scores = np.array(
            [0.0 if t.special else w for t, w in zip(one.tokens, weights[encoding.input_ids[0]], strict=True)]
        )
        right.append(
            dataclasses.replace(one, target=nli.labels[0], scores=scores, output=float(scores.sum()))
        )
    found = erasure_metrics(nli, right, progress=False).set_index(["metric", "pair_id"])
    assert found.loc["leave_one_out", "value"].tolist() == pytest.approx([1.0] * 3)
    assert found.loc["infidelity", "value"].tolist() == pytest.approx([0.0] * 3, abs=1e-9)
    assert (found["percentile"] >= 0.97).all()
    wrong = [dataclasses.replace(one, scores=-one.scores) for one in right]
    found = erasure_metrics(nli, wrong, metrics=METRICS[:3], progress=False)
    assert (found["percentile"] <= 0.03).all()


def test_a_random_explanation_is_at_chance_on_average(nli, explained):
    rng = np.random.default_rng(0)
    one = explained[0]
    scores = [rng.normal(size=len(one.words)) for _ in range(60)]
    places = [token.word for token in one.tokens]
    sizes = np.bincount([place for place in places if place is not None])
    random = [
        dataclasses.replace(one, scores=[0.0 if p is None else own[p] / sizes[p] for p in places])
        for own in scores
    ]
    found = erasure_metrics(nli, random, progress=False).groupby("metric")["percentile"].mean()
    # The mean of 60 percentiles, uniform on [0, 1], has a standard deviation of 0.037.
    assert found.between(0.5 - 0.15, 0.5 + 0.15).all()


def test_one_pair_alone_gives_what_it_gives_among_others(nli, explained, scored):
    for number in (1, 5):
        alone = erasure_metrics(nli, explained[number], progress=False)
        rows = scored.iloc[4 * number : 4 * number + 4].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, rows, atol=1e-5)


def test_batches_do_not_change_the_numbers(nli, explained, scored):
    alone = erasure_metrics(nli, explained[:2], batch_tokens=64, progress=False)
    pd.testing.assert_frame_equal(alone, scored[:8], atol=1e-5)


def test_explanations_of_different_max_length_are_evaluated_as_they_were_made(nli, explained, scored):
    cut = dataclasses.replace(explained[0], provenance={"settings": {"max_length": 99}})
    both = erasure_metrics(nli, [explained[0], cut], progress=False)
    for rows in (both[:4], both[4:].reset_index(drop=True)):
        pd.testing.assert_frame_equal(rows, scored[:4], atol=1e-5)
    short = dataclasses.replace(explained[0], provenance={"settings": {"max_length": 5}})
    with pytest.raises(ValueError, match="other tokens"):
        erasure_metrics(nli, [explained[0], short], progress=False)


def test_methods_of_one_pair_share_their_controls(nli, explained, monkeypatch):
    """The top words of the controls are the same for every method, so a second method costs its own erasures only."""
    asked = []
    true = MODULE.erase
    monkeypatch.setattr(
        MODULE, "erase", lambda e, words, how: asked.append(len(words)) or true(e, words, how)
    )
    first, second = explained[0], explained[len(ROWS)]
    for given in ([first], [first, second]):
        erasure_metrics(nli, given, progress=False)
    assert asked[0] < asked[1] <= asked[0] + 2 * len(word_counts(len(first.words)))


def test_every_purpose_has_randomness_of_its_own(explained):
    draws = [generator(explained[0], 0, purpose).random(4).tolist() for purpose in (0, 1, 2)]
    assert draws[0] == generator(explained[0], 0, 0).random(4).tolist()
    assert len({tuple(own) for own in draws}) == 3


def test_the_seed_decides_controls_and_masks_and_nothing_global_does(nli, explained, scored):
    np.random.seed(1)  # noqa: NPY002
    state = torch.get_rng_state()
    again = erasure_metrics(nli, explained[0], progress=False)
    pd.testing.assert_frame_equal(again, scored[:4])
    other = erasure_metrics(nli, explained[0], seed=1, progress=False)
    assert (other["control"] != again["control"]).any()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_contrast_is_evaluated_by_the_difference_of_its_two_logits(nli, explained):
    one = explained[2 * len(ROWS)]
    encoding = encode(nli, one.premise, one.hypothesis, "en")
    rival = next(label for label in nli.labels if label != one.target)
    target, other = (nli.labels.index(label) for label in (one.target, rival))
    whole = inference.logits(nli, encoding)[0]
    contrast = dataclasses.replace(one, contrast=rival, output=float(whole[target] - whole[other]))
    found = erasure_metrics(
        nli, contrast, metrics=("comprehensiveness", "leave_one_out"), n_controls=1, progress=False
    )
    order = ranked(one.word_scores)
    sets = [[], *(order[:k] for k in word_counts(len(order))), *([word] for word in range(len(order)))]
    logits = inference.logits(nli, erase(encoding.select([0] * len(sets)), sets, "mask")).astype(float)
    margin = logits[:, target] - logits[:, other]
    chance = 1 / (1 + np.exp(-margin))
    tops = len(word_counts(len(order)))
    assert found["value"][0] == pytest.approx(chance[0] - chance[1 : tops + 1].mean(), abs=1e-6)
    assert found["value"][1] == pytest.approx(
        kendalltau(one.word_scores, margin[0] - margin[tops + 1 :]).statistic
    )


# --- what comes along, and bad input ---------------------------------------------------------------------------------------------------


def test_items_and_prompts_of_the_pairs_come_along(nli, explained, pairs):
    frame = pairs.assign(item=["i1", "i2", "i1"], promptID=[7, 8, 7])
    found = erasure_metrics(
        nli, explained[:3], metrics="sufficiency", n_controls=1, pairs=frame, progress=False
    )
    assert list(found.columns) == [*COLUMNS, "promptID", "item"]
    assert found["item"].tolist() == ["i1", "i2", "i1"]
    assert found["promptID"].tolist() == [7, 8, 7]


def test_an_untrained_head_is_marked(nli, explained):
    found = erasure_metrics(
        nli, [dataclasses.replace(explained[0], trained=False)], n_controls=1, progress=False
    )
    assert found["untrained"].all()


def test_no_explanations_give_an_empty_frame(nli, capfd):
    found = erasure_metrics(nli, [])
    assert found.empty
    assert list(found.columns) == list(COLUMNS)
    assert capfd.readouterr().err == ""


def test_single_texts_of_one_word_are_evaluated(topics):
    texts = pd.DataFrame({"text": ["dog", "The man sleeps."], "language": "en"})
    found = erasure_metrics(
        topics, explain(topics, texts, method="occlusion", progress=False), n_controls=3, progress=False
    )
    word = found[found["pair_id"] == found["pair_id"][0]].set_index("metric")
    assert math.isnan(word.loc["leave_one_out", "value"])
    assert math.isnan(word.loc["leave_one_out", "percentile"])
    assert word.loc["sufficiency", "value"] == 0.0
    assert word.loc["comprehensiveness", "percentile"] == 0.5


def test_a_pair_at_the_models_limit_is_evaluated(nli):
    long = pd.DataFrame(
        {"premise": ["dog " * 600], "hypothesis": ["A man sleeps."], "language": "en", "pair_id": "long"}
    )
    one = explain(nli, long, method="input_x_gradient", max_length=512, progress=False)
    assert len(one[0].tokens) == 512
    found = erasure_metrics(nli, one, metrics="comprehensiveness", n_controls=1, progress=False)
    assert found["value"].notna().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": "beauty"}, "'beauty'"),
        ({"metrics": ()}, "`metrics`"),
        ({"perturbation": "blank"}, "'blank'"),
        ({"n_controls": 0}, "`n_controls`"),
        ({"n_masks": 2.5}, "`n_masks`"),
        ({"seed": -1}, "`seed`"),
        ({"pairs": pd.DataFrame({"pair_id": ["z"]})}, "no 'a', 'b', 'c'"),
        ({"pairs": pd.DataFrame({"pair_id": ["a", "b", "c", "a"]})}, "'a' twice"),
        ({"pairs": pd.DataFrame({"id": ["a"]})}, "pair_id; got id"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(nli, explained, options, message):
    with pytest.raises(ValueError, match=message):
        erasure_metrics(nli, explained[:3], **{"n_controls": 1, "n_masks": 1, "progress": False, **options})


def test_explanations_of_another_model_are_refused(nli, topics, explained):
    one = explained[0]
    with pytest.raises(ValueError, match="this model gives"):
        erasure_metrics(nli, dataclasses.replace(one, output=one.output + 1.0), n_controls=1, progress=False)
    with pytest.raises(ValueError, match="other tokens"):
        erasure_metrics(nli, dataclasses.replace(one, premise="A cat."), n_controls=1, progress=False)
    with pytest.raises(ValueError, match="the label"):
        erasure_metrics(topics, one, progress=False)
    with pytest.raises(TypeError, match="got str"):
        erasure_metrics(nli, ["explanation"], progress=False)
