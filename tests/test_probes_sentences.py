"""Vectors of sentences are what the head reads, or the mean of their own tokens; a projection keeps what it says it keeps."""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pandas as pd
import pytest
import torch

from xlmkit import forward
from xlmkit.encoding import encode
from xlmkit.inference import logits
from xlmkit.probes import project, sentence_embeddings


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
        encoding = encode(nli, [text], None, code)
        with torch.inference_mode():
            states = forward.all_layers(nli.network, encoding.input_ids, encoding.langs, encoding.attention_mask)[
                layer
            ]
        assert vectors[row] == pytest.approx(states[1:-1].mean(0).numpy(), abs=1e-5)


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
