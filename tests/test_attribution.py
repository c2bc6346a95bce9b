import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from attribution_toys import FEW, ROWS, assert_same, explained_by, frame, parts, replace_network
from captum.attr import InputXGradient, IntegratedGradients

from xlmkit import forward
from xlmkit.attribution import METHODS, STEPS, explain, path
from xlmkit.explanation import tolerance
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.tokenization import MASK


@pytest.fixture(scope="module")
def pairs():
    return frame()


@pytest.fixture(scope="module")
def explained(nli, pairs):
    return {method: explained_by(nli, pairs, method) for method in METHODS}


# --- integrated gradients against what must hold ---------------------------------------------------------------------------------------


def test_scores_add_up_to_the_change_in_logit_within_the_gate(nli, explained):
    for explanation, row in zip(explained["integrated_gradients"], ROWS, strict=True):
        _, inputs, baseline, logits = parts(nli, row)
        target = nli.labels.index(explanation.target)
        change = float(logits(inputs)[0, target] - logits(baseline)[0, target])
        assert explanation.converged
        assert abs(explanation.scores.sum() - change) <= tolerance(change)
        assert explanation.delta == pytest.approx(explanation.scores.sum() - explanation.change, abs=1e-9)
        assert explanation.change == pytest.approx(change, abs=1e-5)


def test_scores_are_those_of_a_plain_captum_call(nli, explained):
    for row, integrated, multiplied in zip(
        ROWS, explained["integrated_gradients"], explained["input_x_gradient"], strict=True
    ):
        _, inputs, baseline, logits = parts(nli, row)
        target = nli.labels.index(integrated.target)
        expected = IntegratedGradients(logits).attribute(
            inputs, baseline, target=target, n_steps=integrated.n_steps
        )
        assert integrated.scores == pytest.approx(expected.sum(-1)[0].numpy(), abs=1e-5)
        expected = InputXGradient(logits).attribute(inputs.requires_grad_(), target=target)
        assert multiplied.scores == pytest.approx(expected.sum(-1)[0].detach().numpy(), abs=1e-5)


def test_saliency_is_the_norm_of_the_gradient(nli, explained):
    for row, explanation in zip(ROWS, explained["saliency"], strict=True):
        _, inputs, _, logits = parts(nli, row)
        chosen = logits(inputs.requires_grad_())[0, nli.labels.index(explanation.target)]
        gradient = torch.autograd.grad(chosen, inputs)[0][0]
        assert explanation.scores == pytest.approx(gradient.norm(dim=-1).numpy(), abs=1e-5)
        assert gradient.sum(-1).abs().max() < 1e-5  # why a signed sum is refused
        assert (explanation.aggregation, explanation.unit) == ("l2", "logits per unit of embedding")


def test_occlusion_is_the_change_when_one_word_is_left_out(nli, explained):
    for row, explanation in zip(ROWS, explained["occlusion"], strict=True):
        encoding, inputs, baseline, logits = parts(nli, row)
        target = nli.labels.index(explanation.target)
        for place, word in enumerate(explanation.words):
            without = inputs.clone()
            for position, token in enumerate(encoding.tokens[0]):
                if token.sentence == word.sentence and word.start <= token.start < word.end:
                    without[0, position] = baseline[0, position]
            drop = float((logits(inputs) - logits(without))[0, target])
            assert explanation.word_scores[place] == pytest.approx(drop, abs=1e-5)
        assert explanation.remainder == 0.0


def test_l2_is_the_norm_of_what_the_sum_adds_up(nli, pairs, explained):
    for row, summed, normed in zip(
        ROWS,
        explained["integrated_gradients"],
        explain(nli, pairs, aggregation="l2", progress=False),
        strict=True,
    ):
        _, inputs, baseline, logits = parts(nli, row)
        expected = IntegratedGradients(logits).attribute(
            inputs, baseline, target=nli.labels.index(normed.target), n_steps=normed.n_steps
        )
        assert normed.scores == pytest.approx(expected.norm(dim=-1)[0].numpy(), abs=1e-5)
        assert normed.delta == pytest.approx(summed.delta, abs=1e-9)  # of the path, not of the norms
        assert normed.aggregation == "l2"


def test_the_baseline_keeps_special_tokens_language_ids_and_mask(nli, explained):
    for row, explanation in zip(ROWS, explained["integrated_gradients"], strict=True):
        _, _, baseline, logits = parts(nli, row)
        target = nli.labels.index(explanation.target)
        assert explanation.baseline_output == pytest.approx(float(logits(baseline)[0, target]), abs=1e-5)
        special = [
            score
            for token, score in zip(explanation.tokens, explanation.scores, strict=True)
            if token.special
        ]
        assert special == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("method", METHODS)
def test_word_scores_are_the_sums_of_token_scores(explained, method):
    for explanation in explained[method]:
        total = explanation.word_scores.sum() + explanation.remainder
        assert total == pytest.approx(explanation.scores.sum(), abs=1e-6)


def test_words_and_tokens_stand_where_the_user_wrote_them(explained):
    for explanation, row in zip(explained["integrated_gradients"], ROWS, strict=True):
        texts = (row[3], row[4])
        assert (explanation.premise, explanation.hypothesis) == texts
        assert (explanation.premise_language, explanation.hypothesis_language) == row[1:3]
        assert len(explanation.tokens) == len(explanation.scores)
        for sentence in (0, 1):
            covered = "".join(
                texts[sentence][w.start : w.end] for w in explanation.words if w.sentence == sentence
            )
            assert covered.replace(" ", "")
        for token in explanation.tokens:
            if token.word is not None:
                word = explanation.words[token.word]
                assert word.sentence == token.sentence
                assert word.start <= token.start < token.end <= word.end


# --- closed forms ----------------------------------------------------------------------------------------------------------------------


def test_a_linear_model_gets_its_weights_back(nli, pairs, monkeypatch):
    weight = torch.linspace(-1, 1, nli.network.config.emb_dim)
    replace_network(monkeypatch, lambda e, mask: ((e @ weight) * mask).sum(1))
    results = {method: explained_by(nli, pairs, method, target="neutral") for method in METHODS}
    for number, row in enumerate(ROWS):
        _, inputs, baseline, _ = parts(nli, row)
        moved = (2 * (inputs - baseline)[0] @ weight).numpy()
        assert results["integrated_gradients"][number].scores == pytest.approx(moved, abs=1e-5)
        assert results["input_x_gradient"][number].scores == pytest.approx(
            (2 * inputs[0] @ weight).numpy(), abs=1e-5
        )
        assert results["saliency"][number].scores == pytest.approx(
            np.full(len(moved), 2 * float(weight.norm())), abs=1e-5
        )
        assert results["occlusion"][number].word_scores == pytest.approx(
            results["integrated_gradients"][number].word_scores, abs=1e-4
        )
        assert results["integrated_gradients"][number].delta == pytest.approx(0.0, abs=1e-4)
        _, _, masked, _ = parts(nli, row, piece=MASK)
        between = (2 * (inputs - (baseline + masked) / 2)[0] @ weight).numpy()
        assert results["gradient_shap"][number].scores == pytest.approx(between, abs=1e-4)
        for method in ("kernel_shap", "lime"):  # a lasso of strength 0.01 takes a little from every word
            near = pytest.approx(
                results["occlusion"][number].word_scores, abs=1e-2 if method == "kernel_shap" else 0.2
            )
            assert results[method][number].word_scores == near


def test_a_square_of_a_sum_shares_its_cross_terms(nli, pairs, monkeypatch):
    """F = s(x)^2 with s linear: the path integral of token t is s_t(x - b) (s(x) + s(b))."""
    weight = torch.full((nli.network.config.emb_dim,), 0.05)
    weight[::2] = -0.03
    replace_network(monkeypatch, lambda e, mask: ((e @ weight) * mask).sum(1) ** 2)
    found = explain(nli, pairs, target="contradiction", progress=False)
    for row, explanation in zip(ROWS, found, strict=True):
        _, inputs, baseline, _ = parts(nli, row)
        sums = (inputs[0] @ weight).sum() + (baseline[0] @ weight).sum()
        assert explanation.scores == pytest.approx(((inputs - baseline)[0] @ weight * sums).numpy(), abs=1e-4)


# --- the gate --------------------------------------------------------------------------------------------------------------------------


def test_only_pairs_that_fail_get_more_steps(nli, pairs, monkeypatch):
    def cliff(embeddings, mask):  # steep for long pairs, straight for short ones
        s = embeddings[:, 1:].sum((1, 2))
        return torch.where(mask.sum(1) > 15, torch.tanh(40.0 * s) + 1e-3 * s, 1e-3 * s)

    replace_network(monkeypatch, cliff)
    found = explain(nli, pairs, target="contradiction", progress=False)
    steep = [len(explanation.tokens) > 15 for explanation in found]
    assert set(steep) == {True, False}
    for explanation, hard in zip(found, steep, strict=True):
        assert explanation.n_steps in STEPS
        assert explanation.converged == (abs(explanation.delta) <= tolerance(explanation.change))
        assert explanation.converged or explanation.n_steps == 300
        assert hard or (explanation.n_steps, explanation.converged) == (20, True)
    assert any(explanation.n_steps > 20 for explanation in found)


def test_a_path_that_no_number_of_steps_can_follow_is_marked_as_failed(nli, pairs, monkeypatch):
    def jump(
        embeddings, mask
    ):  # 5 as soon as the first word leaves the pad embedding (which is zero), with no slope anywhere
        first = embeddings[:, 1].abs().sum(1)
        return 5.0 * (first.detach() > 1e-6) + 0.0 * first

    replace_network(monkeypatch, jump)
    for explanation in explain(nli, pairs[:2], target="contradiction", progress=False):
        assert (explanation.n_steps, explanation.converged) == (300, False)
        assert (explanation.change, explanation.delta) == (5.0, -5.0)


def test_a_number_of_steps_is_taken_exactly(nli, pairs):
    for n_steps in (1, 7, 300):
        found = explain(nli, pairs[:3], n_steps=n_steps, progress=False)
        assert {e.n_steps for e in found} == {n_steps}
        assert all(e.converged == (abs(e.delta) <= tolerance(e.change)) for e in found)
    assert all(e.converged for e in found)
    (odd,) = explain(nli, pairs[:1], method="gradient_shap", n_steps=7, progress=False)
    assert odd.n_steps == 8  # half of them from each baseline


@pytest.mark.parametrize("method", sorted({*METHODS} - {"integrated_gradients", "gradient_shap"}))
def test_methods_without_completeness_have_no_gate(explained, method):
    for explanation in explained[method]:
        assert (explanation.delta, explanation.converged, explanation.contrast) == (None,) * 3
        assert explanation.n_steps == FEW.get(method, {}).get("n_samples")
        assert (explanation.baseline_output is None) == (method not in ("occlusion", "kernel_shap", "lime"))


# --- batches ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch_tokens", [1, 300])
def test_scores_do_not_depend_on_the_batch(nli, pairs, explained, method, batch_tokens):
    found = explained_by(nli, pairs[:3], method, batch_tokens=batch_tokens)
    assert_same(found, explained[method][:3])


@pytest.mark.parametrize("method", METHODS)
def test_padding_does_not_change_the_scores(nli, pairs, explained, method):
    rows = (1, 5)  # the shortest and the longest
    alone = [explained_by(nli, pairs[row : row + 1], method)[0] for row in rows]
    assert_same(alone, [explained[method][row] for row in rows])


@pytest.mark.parametrize("room", [1, 7, 20, 50, 1000])
def test_a_stream_has_every_place_once_and_only_little_of_mixed_lengths(room):
    lengths, n_steps = np.array([9, 9, 8, 6, 6, 6, 6, 5]), 6
    found = list(path.stream_passes(lengths, n_steps, room))
    assert np.concatenate(found).tolist() == list(range(len(lengths) * n_steps))
    assert all(0 < len(some) <= room for some in found)
    for some in found:
        first = lengths[some // n_steps] == lengths[some[0] // n_steps]
        assert first.all() or 4 * first.sum() < room  # what is mixed begins with a short rest
    if room == 20:  # 12 of length 9, 6 of 8, 24 of 6, 6 of 5
        assert [len(some) for some in found] == [12, 6, 20, 4 + 6]


def test_more_pairs_than_a_chunk_keep_their_order(nli, pairs, explained, monkeypatch):
    monkeypatch.setattr(sys.modules["xlmkit.attribution.explain"], "CHUNK", 4)
    odd_index = pairs.set_index(pd.Index([5.5, 0.0, 3.0, 2.0, 9.0, 1.0]))
    assert_same(explain(nli, odd_index, progress=False), explained["integrated_gradients"])


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_shap", "occlusion", "kernel_shap"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_halves_the_batch_and_goes_on(nli, pairs, explained, method, error, monkeypatch):
    true, sizes = forward.logits_from_embeddings, []

    def small(nli, embeddings, *others):
        sizes.append(embeddings.shape[0] * embeddings.shape[1])
        if sizes[-1] > 60:
            raise error
        return true(nli, embeddings, *others)

    monkeypatch.setattr(forward, "logits_from_embeddings", small)
    forget()
    with pytest.warns(XlmkitWarning, match="halved"):
        found = explained_by(nli, pairs, method)
    assert max(sizes) > 60 >= min(sizes)
    assert_same(found, explained[method])


def test_a_row_that_does_not_fit_alone_is_an_error_with_a_remedy(nli, pairs, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(forward, "logits_from_embeddings", full)
    with pytest.raises(MemoryError, match="max_length"):
        explain(nli, pairs, progress=False)


def test_another_runtime_error_is_not_taken_for_missing_memory(nli, pairs, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(forward, "logits_from_embeddings", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        explain(nli, pairs, progress=False)


# --- targets, marks, bad input ---------------------------------------------------------------------------------------------------------


def test_targets_go_by_name(nli, pairs, explained):
    gold = explain(nli, pairs, method="input_x_gradient", target="gold", progress=False)
    assert [e.target for e in gold] == [row[5] for row in ROWS] == [e.gold for e in gold]
    named = explain(nli, pairs, method="input_x_gradient", target="neutral", progress=False)
    assert {e.target for e in named} == {"neutral"}
    for explanation, row in zip(explained["input_x_gradient"], ROWS, strict=True):
        _, inputs, _, logits = parts(nli, row)
        chances = logits(inputs)[0].softmax(0)
        assert explanation.target == explanation.prediction == nli.labels[int(chances.argmax())]
        assert explanation.probability == pytest.approx(float(chances.max()), abs=1e-5)


def test_a_missing_gold_label_is_named_where_it_is_the_target(nli, pairs):
    some = pairs.assign(gold=["neutral", None, "neutral", "neutral", None, "neutral"])
    with pytest.raises(ValueError, match=r"2 \('b': None, 'e': None\)"):
        explain(nli, some, target="gold", progress=False)
    with pytest.raises(ValueError, match="gold"):
        explain(nli, pairs.drop(columns="gold"), target="gold", progress=False)
    assert explain(nli, some[1:2], method="input_x_gradient", progress=False)[0].gold is None


def test_no_pairs_give_no_explanations(nli, pairs, capfd):
    assert explain(nli, pairs[:0]) == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "'magic'"),
        ({"target": "maybe"}, "'maybe'"),
        ({"aggregation": "mean"}, "'mean'"),
        ({"n_steps": 0}, "n_steps.* 0"),
        ({"n_steps": 301}, "n_steps.* 301"),
        ({"n_steps": 2.5}, "n_steps.* 2.5"),
        ({"n_steps": True}, "n_steps.* True"),
        ({"n_steps": None}, "n_steps.* None"),
        ({"n_steps": "many"}, "n_steps.* 'many'"),
        ({"n_steps": 20, "method": "occlusion"}, "n_steps.*'occlusion'"),
        ({"aggregation": "l2", "method": "occlusion"}, "aggregation.*'sum'.*'l2'"),
        ({"aggregation": "sum", "method": "saliency"}, "layer norm"),
        ({"batch_tokens": 0}, "`batch_tokens`"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(nli, pairs, options, message):
    with pytest.raises(ValueError, match=message):
        explain(nli, pairs, progress=False, **options)


def test_a_language_model_has_no_label_to_explain(nli, pairs):
    with pytest.raises(ValueError, match="'mlm'"):
        explain(dataclasses.replace(nli, task="mlm"), pairs, progress=False)


def test_an_untrained_head_and_a_cut_pair_are_marked(nli, pairs):
    found = explain(
        dataclasses.replace(nli, trained=False),
        pairs,
        method="input_x_gradient",
        max_length=12,
        progress=False,
    )
    assert not any(e.trained for e in found)
    assert [e.truncated for e in found] == [len(e.tokens) == 12 for e in found]
    assert any(e.truncated for e in found)
    whole = explain(nli, pairs, method="input_x_gradient", progress=False)
    assert all(e.trained and not e.truncated for e in whole)
    assert len(found[5].words) < len(whole[5].words)


def test_attribution_is_in_fp32_whatever_predictions_use(nli, pairs, explained):
    assert_same(
        explain(dataclasses.replace(nli, dtype=torch.bfloat16), pairs, progress=False),
        explained["integrated_gradients"],
        tolerance=0.0,
    )


def test_nothing_is_left_behind(nli, pairs):
    state, weights = torch.get_rng_state(), [parameter.clone() for parameter in nli.network.parameters()]
    with torch.no_grad():
        for method in METHODS:
            explained_by(nli, pairs[:1], method)
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert not nli.network.training
    for before, parameter in zip(weights, nli.network.parameters(), strict=True):
        assert parameter.grad is None
        assert not parameter.requires_grad
        assert torch.equal(before, parameter)


def test_provenance_names_model_version_and_settings(explained):
    source = explained["integrated_gradients"][0].provenance
    assert source["model"]["source"] == "tiny"
    assert source["settings"]["method"] == "integrated_gradients"
    assert source["settings"]["aggregation"] == "sum"
    assert source["xlmkit"]
