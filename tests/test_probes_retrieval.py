"""Retrieval against the hidden states of transformers; sentence embeddings and their projections into a plane."""

from __future__ import annotations

import dataclasses
import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pandas as pd
import pytest
import torch

from xlmkit import probes
from xlmkit.encoding import encode
from xlmkit.inference import logits
from xlmkit.languages import LANGUAGES
from xlmkit.probes import project, sentence_embeddings
from xlmkit.probes.retrieval import wrong_language

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


def test_retrieval_needs_no_head_and_takes_premises_of_pairs(nli, texts):
    body = types.SimpleNamespace(transformer=nli.network.transformer, config=nli.network.config)
    headless = dataclasses.replace(nli, network=body, task="mlm", labels=(), sentences=None)
    pairs = texts.rename(columns={"text": "premise"}).assign(hypothesis="A dog.")
    one = probes.retrieval(headless, pairs, ids=["right"], progress=False)
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


# --- sentence embeddings and their plane ---


@pytest.fixture
def pairs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "premise": ["a dog sleeps", "собака спит сегодня", "หมานอน", "el perro duerme y no come"],
            "hypothesis": ["the cat eats", "кошка", "แมว", "un gato"],
            "language": ["en", "ru", "th", "es"],
        }
    )


def test_the_vector_of_a_pair_is_what_the_head_reads(nli, pairs):
    vectors = sentence_embeddings(nli, pairs, progress=False)
    encoding = encode(
        nli, pairs["premise"].to_list(), pairs["hypothesis"].to_list(), pairs["language"].to_list()
    )
    with torch.inference_mode():
        read = nli.network.sequence_summary(torch.from_numpy(vectors)[:, None])
    assert read.numpy() == pytest.approx(logits(nli, encoding), abs=1e-4)


@pytest.mark.parametrize("column", ["premise", "hypothesis"])
@pytest.mark.parametrize("layer", [0, 1])
def test_the_vector_of_a_sentence_is_the_mean_of_its_own_tokens(nli, pairs, column, layer):
    vectors = sentence_embeddings(nli, pairs, of=column, layer=layer, progress=False)
    for row, (text, code) in enumerate(zip(pairs[column], pairs["language"], strict=True)):
        expected = states_by_hand(nli, text, code, nli.lang2id[code])[layer]
        assert vectors[row] == pytest.approx(expected, abs=1e-5)


def test_vectors_do_not_depend_on_the_batches(nli, pairs):
    whole = sentence_embeddings(nli, pairs, progress=False)
    single = sentence_embeddings(nli, pairs, batch_tokens=1, progress=False)
    assert single == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize(("option", "value"), [("of", "text"), ("layer", 3), ("layer", -1), ("layer", True)])
def test_what_is_no_sentence_or_layer_is_refused(nli, pairs, option, value):
    with pytest.raises(ValueError, match=f"`{option}` must be"):
        sentence_embeddings(nli, pairs, **{option: value}, progress=False)


def test_principal_components_of_a_plane_keep_its_distances():
    generator = np.random.default_rng(0)
    flat = generator.normal(size=(20, 2)) @ np.linalg.qr(generator.normal(size=(7, 7)))[0][:2]
    found = project(flat)
    assert sum(found.attrs["explained"]) == pytest.approx(1)
    kept = found.to_numpy()
    before = np.linalg.norm(flat[:, None] - flat, axis=-1)
    assert np.linalg.norm(kept[:, None] - kept, axis=-1) == pytest.approx(before)


def test_centred_groups_have_one_middle():
    generator = np.random.default_rng(0)
    groups = np.array(list("aaaabbbb"))
    vectors = generator.normal(size=(8, 5)) + 10 * (groups == "b")[:, None]
    middles = project(vectors, groups=groups).groupby(groups).mean()
    assert middles.to_numpy() == pytest.approx(np.zeros((2, 2)), abs=1e-9)
    apart = project(vectors).groupby(groups).mean()
    assert abs(apart.loc["a", "x"] - apart.loc["b", "x"]) > 5


def test_equal_vectors_lie_on_one_place():
    found = project(np.ones((4, 3)))
    assert found.to_numpy() == pytest.approx(np.zeros((4, 2)))
    assert found.attrs["explained"] == [0.0, 0.0]


def test_umap_is_used_where_it_is_installed_and_refused_with_a_remedy_where_it_is_not(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install umap-learn"):
        project(vectors, projection="umap")
    asked = {}

    class UMAP:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, points):
            return points[:, :2] * 2

    fake = types.ModuleType("umap")
    fake.UMAP = UMAP
    monkeypatch.setitem(sys.modules, "umap", fake)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: ModuleSpec(name, None))
    found = project(vectors, projection="umap", seed=7)
    assert found.to_numpy() == pytest.approx(vectors[:, :2] * 2)
    assert asked == {"n_components": 2, "n_neighbors": 5, "random_state": 7}
    assert "explained" not in found.attrs


def test_too_few_points_and_unknown_projections_are_refused():
    with pytest.raises(ValueError, match="at least 3"):
        project(np.ones((2, 3)))
    with pytest.raises(ValueError, match="'tsne'"):
        project(np.ones((4, 3)), projection="tsne")
