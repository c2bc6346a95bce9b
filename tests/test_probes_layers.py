"""Retrieval layer by layer and fill-mask: against transformers' hidden states and its language model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from xlmkit import probes
from xlmkit.encoding import encode
from xlmkit.languages import LANGUAGES
from xlmkit.probes.fill_mask import MASK_TEXT, masked_ids
from xlmkit.probes.retrieval import wrong_language
from xlmkit.tokenization import MASK

TEXTS = {
    "en": ["The dog sleeps.", "A man eats a book.", "It rains today.", "The cat is not red."],
    "de": ["Der Hund schläft.", "Ein Mann isst ein Buch.", "Es regnet heute.", "Die Katze ist nicht rot."],
    "th": ["หมานอน", "คนกินแมว", "ฝนตกวันนี้", "แมวไม่แดง"],
}


@pytest.fixture
def texts() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"item": str(number), "language": code, "text": text}
            for code, sentences in TEXTS.items()
            for number, text in enumerate(sentences)
        ]
    )


@pytest.fixture(scope="module")
def mlm(nli):
    """The tiny model with transformers' language-model head instead of its own."""
    import copy

    from transformers import XLMWithLMHeadModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = XLMWithLMHeadModel(copy.deepcopy(nli.network.config))
    network.transformer.load_state_dict(nli.network.transformer.state_dict())
    network.tie_weights()
    network = network.eval().requires_grad_(False)
    return dataclasses.replace(nli, network=network, task="mlm", labels=(), sentences=None)


# --- retrieval ----------------------------------------------------------------------------------------------------------------------------


def states_by_hand(nli, text, code, langs):
    """(layers + 1, H) means over a sentence's own tokens, of transformers' hidden states."""
    encoding = encode(nli, text, None, code)
    given = None if langs is None else torch.full_like(encoding.langs, langs)
    with torch.no_grad():
        layers = nli.network.transformer(
            input_ids=encoding.input_ids, langs=given, output_hidden_states=True
        ).hidden_states
    return np.stack([layer[0, 1:-1].mean(0).numpy() for layer in layers])


@pytest.mark.parametrize("setting", ["right", "wrong", "none"])
@pytest.mark.parametrize("centred", [False, True])
def test_retrieval_finds_what_transformers_states_say_is_nearest(nli, texts, setting, centred):
    found = probes.retrieval(nli, texts, ids=[setting], centred=centred, batch_tokens=20, progress=False)
    assert found["layer"].drop_duplicates().tolist() == [0, 1, 2]
    vectors = {}
    for code, sentences in TEXTS.items():
        own = {"right": code, "wrong": wrong_language(nli, code), "none": None}[setting]
        number = None if own is None else nli.lang2id[own]
        vectors[code] = np.stack([states_by_hand(nli, text, code, number) for text in sentences], axis=1)
        if centred:
            vectors[code] = vectors[code] - vectors[code].mean(1, keepdims=True)
    for row in found.itertuples():
        ours, theirs = (
            values / np.linalg.norm(values, axis=1, keepdims=True)
            for values in (vectors[row.language][row.layer], vectors["en"][row.layer])
        )
        hits = (ours @ theirs.T).argmax(1) == np.arange(4)
        assert row.accuracy == hits.mean()
        assert (row.n, row.chance) == (4, 0.25)


def test_a_sentence_that_is_the_same_in_both_languages_is_found(nli):
    names = ["man", "dog", "cat", "book"]
    frame = pd.DataFrame(
        [{"item": name, "language": code, "text": f"The {name}."} for code in ("en", "fr") for name in names]
    )
    found = probes.retrieval(nli, frame, ids=["none"], progress=False)
    assert (found["accuracy"] == 1).all()


def test_sentences_that_repeat_are_asked_for_once(nli, texts):
    texts.loc[texts["item"] == "3", "text"] = texts.loc[texts["item"] == "0", "text"].to_numpy()
    found = probes.retrieval(nli, texts, ids=["right"], progress=False)
    assert (found["n"] == 3).all()


def test_the_wrong_id_is_another_language_for_every_language(nli):
    wrong = {code: wrong_language(nli, code) for code in LANGUAGES}
    assert all(code != other for code, other in wrong.items())
    assert sorted(wrong.values()) == sorted(LANGUAGES)


def test_retrieval_needs_no_head_and_takes_premises_of_pairs(mlm, nli, texts):
    pairs = texts.rename(columns={"text": "premise"}).assign(hypothesis="A dog.")
    one = probes.retrieval(mlm, pairs, ids=["right"], progress=False)
    pd.testing.assert_frame_equal(one, probes.retrieval(nli, texts, ids=["right"], progress=False))


def test_faults_of_retrieval_are_named(nli, texts):
    for options, said in (
        ({"pivot": "fr"}, "`pivot` must be one of"),
        ({"ids": ["left"]}, "`ids` must be some of right, wrong, none"),
        ({"column": "title"}, "expected a column 'title'"),
    ):
        with pytest.raises(ValueError, match=said):
            probes.retrieval(nli, texts, **options, progress=False)
    with pytest.raises(ValueError, match="2 different sentences"):
        probes.retrieval(nli, texts[texts["item"] == "0"], progress=False)


# --- fill-mask ----------------------------------------------------------------------------------------------------------------------------


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
