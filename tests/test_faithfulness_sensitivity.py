"""Laws of max-sensitivity: what does not move has none, more shaking moves more, and captum's own function agrees."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import InputXGradient
from captum.metrics import sensitivity_max

from xlmkit.attribution import explain, language_attribution
from xlmkit.encoding import encode
from xlmkit.faithfulness import sensitivity
from xlmkit.faithfulness.controls import COLUMNS, NOISE, generator
from xlmkit.faithfulness.sensitivity import GRADIENTS, shake, shaken_scores
from xlmkit.forward import Budget
from xlmkit.notices import XlmkitWarning, forget

PAIRS = pd.DataFrame(
    {
        "pair_id": ["a", "b"],
        "premise": ["The man is not in a red book today.", "แมวไม่นอน"],
        "hypothesis": ["No dog sleeps.", "ฝนตก"],
        "language": ["en", "th"],
        "item": ["one", "two"],
    }
)


@pytest.fixture(autouse=True)
def _every_notice_is_said():
    forget()
    yield
    forget()


@pytest.fixture(scope="module")
def explained(nli):
    return {method: explain(nli, PAIRS, method=method, progress=False) for method in GRADIENTS}


def test_every_gradient_method_has_a_row_a_pair(nli, explained):
    everything = [one for own in explained.values() for one in own]
    found = sensitivity(nli, everything, n_samples=2, pairs=PAIRS, progress=False)
    assert found["method"].tolist() == [one.method for one in everything]
    assert list(found.drop(columns="item").columns) == list(COLUMNS)
    assert set(found["metric"]) == {"max_sensitivity"}
    assert (found["value"] > 0).all()
    assert found["percentile"].between(0, 1).all()


@pytest.mark.parametrize("method", GRADIENTS)
def test_unshaken_the_scores_are_those_of_the_explanation(nli, explained, method):
    for one in explained[method]:
        again = shaken_scores(nli, one, 0.1, 2, 0, Budget(1000))
        assert again[0] == pytest.approx(one.word_scores, abs=1e-5)
        assert (abs(again[1:] - again[0]).max(1) > 1e-3).all()


def test_scores_over_words_and_language_are_shaken_as_they_were_made(nli):
    one = language_attribution(nli, PAIRS[1:], baseline_language="en", progress=False)[0]
    again = shaken_scores(nli, one, 0.1, 1, 0, Budget(1000))
    assert again[0] == pytest.approx(one.word_scores, abs=1e-5)


def test_more_shaking_moves_an_explanation_more_and_hardly_any_hardly_moves_it(nli, explained):
    one = explained["input_x_gradient"][0]
    small, medium, large = (
        sensitivity(nli, one, radius=radius, progress=False)["value"][0] for radius in (1e-4, 0.05, 0.5)
    )
    assert small < 0.01 < medium < large


def test_the_shaking_stays_within_the_radius_and_leaves_special_tokens_alone():
    given = torch.zeros(4, 3, 50)
    shaken = shake(given, torch.tensor([[True, False, True]]), 0.3, np.random.default_rng(0))
    assert shaken[:, 1].abs().max() == 0.0
    assert 0.29 < shaken.abs().max() <= 0.3
    assert abs(shaken[:, [0, 2]].mean()) < 0.03


def test_captums_own_function_on_the_same_shaking_gives_the_same(nli, explained):
    """Its own model, its own attribution, scores by token: in a pair whose words are one piece each, these are the words' scores."""
    pairs = pd.DataFrame({"premise": ["the man is not"], "hypothesis": ["a dog"], "language": "en"})
    one = explain(nli, pairs, method="input_x_gradient", progress=False)[0]
    assert len(one.tokens) == len(one.words) + 3
    encoding = encode(nli, *pairs.loc[0])
    inputs = nli.network.transformer.embeddings(encoding.input_ids)
    ordinary = torch.tensor([[not token.special for token in one.tokens]])
    size = inputs[ordinary].square().mean().sqrt().item()

    def scores(given):
        rows = len(given)

        def logits(embeddings):
            return nli.network(
                inputs_embeds=embeddings,
                langs=encoding.langs.expand(rows, -1),
                attention_mask=encoding.attention_mask.expand(rows, -1),
            ).logits

        found = InputXGradient(logits).attribute(given.clone().requires_grad_(), nli.labels.index(one.target))
        return found.sum(-1).detach()[:, ordinary[0]]

    theirs = sensitivity_max(
        lambda given: (scores(given[0]),) if isinstance(given, tuple) else scores(given),
        inputs,
        perturb_func=lambda given, radius: shake(
            given[0] if isinstance(given, tuple) else given, ordinary, radius, generator(one, 0, NOISE)
        ),
        perturb_radius=0.1 * size,
        n_perturb_samples=10,
    )
    assert sensitivity(nli, one, progress=False)["value"][0] == pytest.approx(float(theirs), rel=1e-4)


def test_an_explanation_that_does_not_move_beats_every_control(nli, explained):
    found = sensitivity(nli, explained["saliency"], radius=1e-6, progress=False)
    assert found["percentile"].tolist() == [1.0, 1.0]


def test_the_controls_are_orders_of_the_same_scores_by_hand(nli, explained):
    one = explained["input_x_gradient"][0]
    found = sensitivity(nli, one, n_samples=1, n_controls=500, progress=False)
    # The mean squared distance between scores and a random order of them is 2 (|s|^2 - W mean^2).
    scores = one.word_scores
    squared = 2 * (np.sum(scores**2) - len(scores) * scores.mean() ** 2) / np.sum(scores**2)
    assert found["control"][0] == pytest.approx(np.sqrt(squared), rel=0.1)


def test_other_methods_are_left_out_and_named(nli, explained):
    other = explain(nli, PAIRS, method="occlusion", progress=False)
    with pytest.warns(XlmkitWarning, match="occlusion"):
        found = sensitivity(nli, [*other, *explained["saliency"]], n_samples=1, progress=False)
    assert set(found["method"]) == {"saliency"}
    assert sensitivity(nli, [], progress=False).empty


def test_one_alone_gives_what_it_gives_among_others_and_the_seed_decides(nli, explained):
    together = sensitivity(nli, explained["saliency"], n_samples=3, progress=False)
    alone = sensitivity(nli, explained["saliency"][1], n_samples=3, progress=False)
    pd.testing.assert_frame_equal(alone, together[1:].reset_index(drop=True), atol=1e-6)
    other = sensitivity(nli, explained["saliency"][1], n_samples=3, seed=1, progress=False)
    assert other["value"][0] != alone["value"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 0}, "`radius`"),
        ({"radius": float("nan")}, "`radius`"),
        ({"n_samples": 0}, "`n_samples`"),
        ({"n_controls": 1.5}, "`n_controls`"),
        ({"batch_tokens": 0}, "`batch_tokens`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(nli, explained, options, message):
    with pytest.raises(ValueError, match=message):
        sensitivity(nli, explained["saliency"], progress=False, **options)


def test_an_explanation_of_another_model_is_refused(nli, explained):
    one = explained["saliency"][0]
    with pytest.raises(ValueError, match="this model gives"):
        sensitivity(nli, dataclasses.replace(one, output=one.output + 1), progress=False)
