"""Fill-mask against the language model of transformers."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from transformers import XLMWithLMHeadModel

from xlmkit import probes
from xlmkit.encoding import encode
from xlmkit.languages import LANGUAGES
from xlmkit.probes.fill_mask import MASK_TEXT, masked_ids
from xlmkit.tokenization import MASK


@pytest.fixture(scope="module")
def mlm(nli):
    """The tiny model with transformers' language-model head instead of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = XLMWithLMHeadModel(copy.deepcopy(nli.network.config))
    network.transformer.load_state_dict(nli.network.transformer.state_dict())
    network.tie_weights()
    network = network.eval().requires_grad_(False)
    return dataclasses.replace(nli, network=network, task="mlm", labels=(), sentences=None)


def chances_by_hand(mlm, input_ids, id):
    langs = None if id == "none" else torch.full_like(input_ids, mlm.lang2id[id])
    with torch.no_grad():
        return mlm.network(input_ids=input_ids, langs=langs).logits[0].softmax(-1)


def test_the_guesses_are_those_of_transformers_language_model(mlm):
    found = probes.fill_mask(mlm, "The <mask> eats the <mask>.", "en", top_k=3)
    plain = encode(mlm, "The dog eats the dog.", None, "en").input_ids.clone()
    dog = encode(mlm, "dog", None, "en").input_ids[0, 1]
    places = (plain[0] == dog).nonzero().flatten()
    assert len(places) == 2
    plain[0, places] = MASK
    assert len(found) == 16 * 2 * 3
    for id in (*LANGUAGES, "none"):
        chances = chances_by_hand(mlm, plain, id)
        for number, place in enumerate(places, 1):
            rows = found[(found["id"] == id) & (found["place"] == number)]
            best = chances[place].topk(3)
            assert rows["rank"].tolist() == [1, 2, 3]
            assert rows["probability"].tolist() == pytest.approx(best.values.tolist(), abs=1e-5)
            assert rows["piece"].tolist() == [mlm.tokenizer.name(number) for number in best.indices.tolist()]


def test_the_id_changes_the_guesses(mlm):
    found = probes.fill_mask(mlm, "The <mask> eats.", "en", ids=["en", "zh"], top_k=1)
    assert found["probability"][0] != pytest.approx(found["probability"][1], abs=1e-6)


@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_the_mask_is_one_token_in_every_language(mlm, code):
    text = {"th": "แมว<mask>หมา", "zh": "我们<mask>书。", "ar": "القطة <mask>،"}.get(
        code, "Au <mask>, a-b <mask>."
    )
    ids = masked_ids(mlm, text, code)
    assert ids.count(MASK) == text.count(MASK_TEXT)
    assert (ids[0], ids[-1]) == (1, 1)
    whole = encode(mlm, text.replace(MASK_TEXT, " the "), None, code).input_ids[0].tolist()
    the = encode(mlm, "the", None, code).input_ids[0, 1].item()
    assert [the if id == MASK else id for id in ids] == whole


def test_pieces_that_close_a_word_say_so(mlm):
    found = probes.fill_mask(mlm, "The <mask>", "en", ids=["en"], top_k=len(mlm.tokenizer))
    assert found["probability"].sum() == pytest.approx(1, abs=1e-4)
    assert (found["ends_word"] == found["piece"].str.endswith("</w>")).all()
    assert (found.loc[found["ends_word"], "text"] + "</w>" == found.loc[found["ends_word"], "piece"]).all()


def test_faults_of_fill_mask_are_named(mlm, nli):
    for model, text, options, said in (
        (nli, "A <mask>.", {}, "expected a language model; got task 'nli'"),
        (mlm, "A dog.", {}, "expected <mask> in the text"),
        (mlm, "A <mask>.", {"top_k": 0}, "`top_k` must be"),
        (mlm, "A <mask>.", {"ids": ["xx"]}, "'xx'"),
        (mlm, "x<mask>y", {}, None),
        (mlm, "a " * 600 + "<mask>", {}, "512"),
    ):
        if said is None:
            assert len(probes.fill_mask(model, text, "en", ids=["en"], top_k=1)) == 1
            continue
        with pytest.raises(ValueError, match=said):
            probes.fill_mask(model, text, "en", **options)
    with pytest.raises(TypeError, match="expected a text"):
        probes.fill_mask(mlm, None, "en")
