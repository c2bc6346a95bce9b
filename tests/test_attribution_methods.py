"""Gradient SHAP, KernelSHAP, LIME, rollout and the random control: against captum over transformers' own forward, and against definitions."""

from __future__ import annotations

import itertools
import math
import zlib

import numpy as np
import pytest
import torch
from attribution_toys import ROWS, explained_by, features, frame, parts
from captum.attr import DeepLift, GradientShap, KernelShap, Lime

from xlmkit.attribution import AGGREGATIONS, METHODS, explain, path
from xlmkit.attribution.batch import Batch
from xlmkit.tokenization import MASK

SHORT = [("s", "en", "en", "No dog sleeps.", "It rains", "neutral")]  # six words


@pytest.fixture(scope="module")
def pairs():
    return frame()


def label(nli, explanation):
    return nli.labels.index(explanation.target)


# --- gradient SHAP -----------------------------------------------------------------------------------------------------------------------


def test_gradient_shap_is_captums_at_the_same_draws(nli, pairs, monkeypatch):
    places = np.random.default_rng(3).random((2, 150))
    monkeypatch.setattr(path, "draw_alphas", lambda generator, count: places[:, :count])
    monkeypatch.setattr(np.random, "choice", lambda count, size: np.repeat([0, 1], size // 2))
    found = explain(nli, pairs[:3], method="gradient_shap", progress=False)
    for row, explanation in zip(ROWS, found, strict=False):
        _, inputs, padded, logits = parts(nli, row)
        _, _, masked, _ = parts(nli, row, piece=MASK)
        half = explanation.n_steps // 2
        monkeypatch.setattr(np.random, "uniform", lambda low, high, size, half=half: places[:, :half].ravel())
        expected = GradientShap(logits).attribute(
            inputs, torch.cat([padded, masked]), n_samples=2 * half, target=label(nli, explanation)
        )
        assert explanation.scores == pytest.approx(expected.sum(-1)[0].numpy(), abs=1e-5)
        assert explanation.baseline_output == pytest.approx(
            float(logits(torch.cat([padded, masked]))[:, label(nli, explanation)].mean()), abs=1e-5
        )


def test_gradient_shap_adds_up_within_the_gate_and_depends_on_its_seed(nli, pairs):
    first, again, other = (
        explain(nli, pairs[:2], method="gradient_shap", seed=seed, progress=False) for seed in (0, 0, 1)
    )
    for one, same, another in zip(first, again, other, strict=True):
        assert one.converged
        assert one.delta == pytest.approx(one.scores.sum() - one.change, abs=1e-9)
        assert np.array_equal(one.scores, same.scores)
        assert not np.array_equal(one.scores, another.scores)


def test_places_by_stretches_miss_the_change_by_less_than_independent_ones(nli, pairs, monkeypatch):
    def misses():
        found = [
            explain(nli, pairs[:3], method="gradient_shap", n_steps=300, seed=seed, progress=False)
            for seed in range(4)
        ]
        return [abs(explanation.delta) for some in found for explanation in some]

    stretches = misses()
    monkeypatch.setattr(path, "draw_alphas", lambda generator, count: generator.random((2, count)))
    assert max(stretches) < 0.2 * np.mean(misses())


def test_its_places_are_one_from_each_stretch_of_the_path():
    for places in path.draw_alphas(np.random.default_rng(0), 50):
        assert (np.floor(places * 50) == np.arange(50)).all()


@pytest.mark.filterwarnings("ignore:Setting forward")
def test_captums_deeplift_is_the_gradient_alone_on_this_network(nli):
    """Why it is not offered: none of its rules meets a module of XLM, and what it gives does not add up."""
    _, inputs, baseline, logits = parts(nli, ROWS[0])

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = nli.network

        def forward(self, embeddings):
            return logits(embeddings)

    found = DeepLift(Wrapped()).attribute(inputs.clone().requires_grad_(), baseline, target=0)
    given = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(logits(given)[0, 0], given)
    assert torch.allclose(found, gradient * (inputs - baseline), atol=1e-5)
    change = float((logits(inputs) - logits(baseline))[0, 0])
    assert abs(found.sum().item() - change) > 0.1 * abs(change)


# --- KernelSHAP and LIME -----------------------------------------------------------------------------------------------------------------


def closeness(original, perturbed, kept, **_):
    """Ribeiro's kernel for text, from its definition: cosine distance of two sets as vectors of 0 and 1."""
    whole, own = np.ones(kept.shape[1]), kept.numpy()[0]
    cosine = own @ whole / (np.linalg.norm(own) * np.linalg.norm(whole)) if own.any() else 0.0
    return torch.tensor([math.sqrt(math.exp(-((1 - cosine) ** 2) / 0.25**2))])


@pytest.mark.parametrize(
    ("method", "reference"),
    [("kernel_shap", KernelShap), ("lime", lambda logits: Lime(logits, similarity_func=closeness))],
)
def test_sampled_methods_are_captums_at_the_same_seed(nli, pairs, method, reference, monkeypatch):
    monkeypatch.setattr(
        Batch, "generators", lambda batch, seed: [np.random.default_rng(seed) for _ in range(len(batch))]
    )
    found = explain(nli, pairs[:3], method=method, n_samples=60, seed=5, progress=False)
    for row, explanation in zip(ROWS, found, strict=False):
        encoding, inputs, baseline, logits = parts(nli, row)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.default_rng(5).integers(2**63)))
            expected = reference(logits).attribute(
                inputs,
                baseline,
                target=label(nli, explanation),
                feature_mask=features(encoding)[..., None],
                n_samples=60,
                return_input_shape=False,
            )
        assert explanation.word_scores == pytest.approx(expected.flatten().numpy(), abs=1e-5)
        assert explanation.remainder == 0.0


def test_kernel_shap_estimates_shapley_values(nli):
    """Those of the definition, over all 64 sets of six words."""
    (explanation,) = explain(nli, frame(SHORT), method="kernel_shap", n_samples=4000, progress=False)
    encoding, inputs, baseline, logits = parts(nli, SHORT[0])
    own, count = features(encoding)[0], 6
    special = torch.tensor([token.special for token in encoding.tokens[0]])
    sets = list(itertools.product([False, True], repeat=count))
    kept = torch.tensor(sets)[:, own] | special
    values = logits(torch.where(kept[..., None], inputs, baseline))[:, label(nli, explanation)]
    value = dict(zip(sets, values.tolist(), strict=True))
    shapley = np.zeros(count)
    for kept_words, place in itertools.product(sets, range(count)):
        if kept_words[place]:
            size = sum(kept_words) - 1
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            without = (*kept_words[:place], False, *kept_words[place + 1 :])
            shapley[place] += weight * (value[kept_words] - value[without])
    assert len(explanation.words) == count
    assert explanation.word_scores == pytest.approx(shapley, abs=0.05 * np.abs(shapley).max())
    assert explanation.word_scores.sum() == pytest.approx(explanation.change, abs=1e-3)


def test_samples_are_stated_and_by_default_grow_with_the_words(nli, pairs):
    short, long = explain(nli, pairs.iloc[[1, 5]], method="kernel_shap", progress=False)
    assert short.n_steps == 200
    assert long.n_steps == max(200, 8 * len(long.words))
    few = explain(nli, pairs[:1], method="lime", n_samples=30, seed=2, progress=False)[0]
    assert few.n_steps == 30
    assert (few.provenance["settings"]["n_samples"], few.provenance["settings"]["seed"]) == (30, 2)


def test_too_few_samples_for_a_pair_are_refused_by_its_id(nli, pairs):
    with pytest.raises(ValueError, match=r"n_samples.*'a'.* 8"):
        explain(nli, pairs, method="lime", n_samples=8, progress=False)


# --- rollout and the control -------------------------------------------------------------------------------------------------------------


def test_rollout_multiplies_transformers_own_attentions(tmp_path, nli, pairs):
    nli.network.save_pretrained(tmp_path)
    eager = type(nli.network).from_pretrained(tmp_path, attn_implementation="eager").eval()
    for row, explanation in zip(ROWS, explained_by(nli, pairs, "attention_rollout"), strict=True):
        encoding, *_ = parts(nli, row)
        layers = eager(
            input_ids=encoding.input_ids,
            langs=encoding.langs,
            attention_mask=encoding.attention_mask,
            output_attentions=True,
        ).attentions
        flow = torch.eye(encoding.input_ids.shape[1])
        for layer in layers:
            flow = (0.5 * layer[0].mean(0) + 0.5 * torch.eye(len(flow))) @ flow
        assert explanation.scores == pytest.approx(flow[0].detach().numpy(), abs=1e-5)
        assert explanation.scores.sum() == pytest.approx(1.0, abs=1e-5)
        assert (explanation.scores >= 0).all()
        assert (explanation.aggregation, explanation.unit) == ("share", "share of attention")
        assert not explanation.signed


@pytest.mark.parametrize("method", ["attention_rollout", "random"])
def test_what_knows_no_label_is_the_same_for_every_label(nli, pairs, method):
    found = [explain(nli, pairs, method=method, target=name, progress=False) for name in nli.labels]
    for one, *others in zip(*found, strict=True):
        assert all(np.array_equal(one.scores, other.scores) for other in others)


def test_random_scores_depend_on_the_seed_and_on_the_pair(nli, pairs):
    zero, again, one = (explain(nli, pairs, method="random", seed=seed, progress=False) for seed in (0, 0, 1))
    for first, same, other, row in zip(zero, again, one, ROWS, strict=True):
        assert np.array_equal(first.scores, same.scores)
        assert not np.array_equal(first.scores, other.scores)
        encoding, *_ = parts(nli, row)
        key = zlib.crc32(torch.stack([encoding.input_ids[0], encoding.langs[0]]).numpy().tobytes())
        expected = np.random.default_rng([0, key]).standard_normal(len(first.words))
        assert first.word_scores == pytest.approx(expected, abs=1e-6)
        assert (first.remainder, first.unit) == (0.0, "none (random)")
    all_scores = np.concatenate([e.word_scores for e in explained_many(nli, pairs)])
    assert abs(all_scores.mean()) < 0.15
    assert abs(all_scores.std() - 1) < 0.15


def explained_many(nli, pairs):
    return [e for seed in range(20) for e in explain(nli, pairs, method="random", seed=seed, progress=False)]


# --- all of them -------------------------------------------------------------------------------------------------------------------------


def test_every_method_gives_each_aggregation_that_it_offers_and_no_other(nli, pairs):
    for method in METHODS:
        default = explained_by(nli, pairs[1:2], method)[0]
        assert default.aggregation == AGGREGATIONS[method][0]
        for aggregation in ("sum", "l2", "share"):
            if aggregation in AGGREGATIONS[method]:
                given = explained_by(nli, pairs[1:2], method, aggregation=aggregation)[0]
                assert given.aggregation == aggregation
                assert given.signed or (given.scores >= 0).all()
            else:
                with pytest.raises(ValueError, match=r"sum|l2|share|norm"):
                    explained_by(nli, pairs[1:2], method, aggregation=aggregation)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "occlusion", "n_samples": 50}, "n_samples.*'occlusion'"),
        ({"method": "lime", "n_samples": 0}, "n_samples.* 0"),
        ({"method": "lime", "n_samples": 2.0}, "n_samples.* 2.0"),
        ({"method": "lime", "n_steps": 20}, "n_steps.*'lime'"),
        ({"method": "random", "seed": -1}, "seed.* -1"),
        ({"method": "random", "seed": 0.5}, "seed.* 0.5"),
        ({"method": "random", "seed": None}, "seed.* None"),
        ({"method": "deeplift"}, "gradient_shap.*'deeplift'"),
    ],
)
def test_options_of_the_new_methods_are_refused_by_name(nli, pairs, options, message):
    with pytest.raises(ValueError, match=message):
        explain(nli, pairs, progress=False, **options)
