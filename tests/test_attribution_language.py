"""The language id's share: captum's joint integrated gradients over transformers' own modules, and what must hold."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from attribution_toys import ROWS, assert_same, frame, parts
from captum.attr import LayerIntegratedGradients

from xlmkit.attribution import explain, language_attribution
from xlmkit.explanation import tolerance
from xlmkit.tokenization import PAD


@pytest.fixture(scope="module")
def pairs():
    return frame()


@pytest.fixture(scope="module")
def found(nli, pairs):
    return language_attribution(nli, pairs, baseline_language="sw", progress=False)


@pytest.mark.filterwarnings("ignore:Multiple layers provided")
def test_shares_are_captums_over_both_embedding_layers_of_transformers(nli, found):
    body = nli.network.transformer
    for row, explanation in zip(ROWS, found, strict=True):
        encoding, *_ = parts(nli, row)
        padded = encoding.input_ids.clone()
        for position, token in enumerate(encoding.tokens[0]):
            if not token.special:
                padded[0, position] = PAD
        target = nli.labels.index(explanation.target)

        def logits(ids, langs, mask):
            return nli.network(input_ids=ids, langs=langs, attention_mask=mask).logits

        integrate = LayerIntegratedGradients(logits, [body.embeddings, body.lang_embeddings])
        words, languages = integrate.attribute(
            (encoding.input_ids, encoding.langs),
            baselines=(padded, torch.full_like(encoding.langs, nli.lang2id["sw"])),
            target=target,
            additional_forward_args=(encoding.attention_mask,),
            n_steps=explanation.n_steps,
        )
        assert explanation.scores == pytest.approx(words.sum(-1)[0].detach().numpy(), abs=1e-5)
        assert explanation.language_share == pytest.approx(float(languages.detach().sum()), abs=1e-5)


def test_words_and_language_ids_add_up_to_the_change_in_logit_within_the_gate(nli, found):
    for row, explanation in zip(ROWS, found, strict=True):
        encoding, inputs, baseline, logits = parts(nli, row)
        target = nli.labels.index(explanation.target)
        other = nli.network(
            inputs_embeds=baseline,
            langs=torch.full_like(encoding.langs, nli.lang2id["sw"]),
            attention_mask=encoding.attention_mask,
        ).logits
        change = float(logits(inputs)[0, target] - other[0, target])
        assert explanation.change == pytest.approx(change, abs=1e-5)
        total = explanation.scores.sum() + explanation.language_share
        assert explanation.converged
        assert abs(total - change) <= tolerance(change)
        assert explanation.delta == pytest.approx(total - explanation.change, abs=1e-9)


def test_against_its_own_language_the_share_is_nothing_and_the_words_are_as_ever(nli, pairs):
    (joint,) = language_attribution(nli, pairs[:1], baseline_language="en", progress=False)
    (plain,) = explain(nli, pairs[:1], progress=False)
    assert joint.language_share == 0.0
    assert joint.scores == pytest.approx(plain.scores, abs=1e-5)
    assert plain.language_share is None


def test_a_network_that_ignores_its_language_ids_gives_them_nothing(nli, pairs):
    deaf = copy.deepcopy(nli.network)
    with torch.no_grad():
        deaf.transformer.lang_embeddings.weight[:] = deaf.transformer.lang_embeddings.weight[:1]
    for explanation in language_attribution(dataclasses.replace(nli, network=deaf), pairs, progress=False):
        assert explanation.language_share == 0.0


def test_none_is_a_baseline_without_any_language_embedding(nli, pairs):
    for row, explanation in zip(
        ROWS, language_attribution(nli, pairs, baseline_language="none", progress=False), strict=True
    ):
        encoding, _, baseline, _ = parts(nli, row)
        target = nli.labels.index(explanation.target)
        without = nli.network(
            inputs_embeds=baseline, langs=None, attention_mask=encoding.attention_mask
        ).logits
        assert explanation.baseline_output == pytest.approx(float(without[0, target]), abs=1e-5)
        assert explanation.converged
        assert explanation.provenance["settings"]["baseline_language"] == "none"


def test_shares_do_not_depend_on_the_batch_nor_on_the_neighbours(nli, pairs, found):
    for budget in (1, 300, 100_000):
        again = language_attribution(nli, pairs, baseline_language="sw", batch_tokens=budget, progress=False)
        assert_same(again, found)
        assert [e.language_share for e in again] == pytest.approx([e.language_share for e in found], abs=1e-5)
    alone = [
        language_attribution(nli, pairs[row : row + 1], baseline_language="sw", progress=False)[0]
        for row in range(len(pairs))
    ]
    assert_same(alone, found)
    assert [e.language_share for e in alone] == pytest.approx([e.language_share for e in found], abs=1e-5)


def test_a_contrast_and_norms_are_possible(nli, pairs):
    (normed,) = language_attribution(
        nli,
        pairs[:1],
        baseline_language="sw",
        target="entailment",
        contrast="neutral",
        aggregation="l2",
        progress=False,
    )
    (summed,) = language_attribution(
        nli, pairs[:1], baseline_language="sw", target="entailment", contrast="neutral", progress=False
    )
    assert (normed.scores >= 0).all()
    assert normed.language_share == summed.language_share
    assert normed.delta == summed.delta
    assert normed.contrast == "neutral"


def test_languages_that_the_model_does_not_have_are_refused(nli, pairs):
    with pytest.raises(ValueError, match="'xx'"):
        language_attribution(nli, pairs, baseline_language="xx", progress=False)
    fewer = dataclasses.replace(nli, lang2id={"en": 4, "fr": 6})
    with pytest.raises(ValueError, match=r"en, fr.*'sw'"):
        language_attribution(fewer, pairs[:2], baseline_language="sw", progress=False)
    mute = copy.deepcopy(nli.network)
    mute.config.use_lang_emb = False
    with pytest.raises(ValueError, match="no language embeddings"):
        language_attribution(dataclasses.replace(nli, network=mute), pairs, progress=False)
    with pytest.raises(ValueError, match="'maybe'"):
        language_attribution(nli, pairs, target="maybe", progress=False)
