"""The recipe ends in a folder that loads; the committed folder is small, whole, and uses its language embeddings."""

from __future__ import annotations

import dataclasses
import gzip
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import xlmkit
from xlmkit import bundled, forward
from xlmkit.languages import LANGUAGES
from xlmkit.pieces import PAD, Pieces
from xlmkit.recipe import embeddings, inputs, vocabulary, wiring

SPELLING = {"contradiction": "contradictory"}  # as the training files write it


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return xlmkit.read_pairs("sample")


@pytest.fixture(scope="module")
def small_inputs(sample, tmp_path_factory) -> Path:
    """The recipe's inputs, a handful of rows each, made of the kit's own sample."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in inputs.SHA256:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    by_language = dict(list(sample.groupby("language")))
    for code in inputs.TRAINED:
        rows = by_language[code]
        labels = rows["gold"].replace(SPELLING)
        lines = [
            f"{p}\t{h}\t{g}\n" for p, h, g in zip(rows["premise"], rows["hypothesis"], labels, strict=True)
        ]
        (folder / inputs.TRAINING.format(code)).write_text("premise\thypo\tlabel\n" + "".join(lines), "utf-8")
    texts = {code: rows["premise"].tolist() for code, rows in by_language.items()}
    for code in LANGUAGES:
        (folder / inputs.NEWS.format(code)).write_text("\n".join(texts[code]) + "\n", "utf-8")
    count = len(texts["en"])
    rows = [{code: texts[code][row] for code in LANGUAGES} for row in range(count)]
    pd.DataFrame(rows).to_csv(folder / inputs.TOPICS, sep="\t", index=False)
    for name in inputs.TECHNICAL:
        with gzip.open(folder / name, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": row}) + "\n" for row in rows)
    table = sample.rename(columns={"premise": "sentence1", "hypothesis": "sentence2", "gold": "gold_label"})
    table = table.assign(pairID=table.groupby("language").cumcount(), promptID=0)
    for name in (inputs.DEV, inputs.TEST):
        columns = ["language", "gold_label", "sentence1", "sentence2", "promptID", "pairID"]
        table[columns].to_csv(folder / name, sep="\t", index=False)
    return folder


def test_the_recipe_ends_in_a_folder_that_loads_and_says_what_it_is(
    small_inputs, sample, tmp_path, monkeypatch
):
    out = tmp_path / "model"
    command = ["recipe", "--data", small_inputs, "--out", out, "--epochs", 1, "--smoke"]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    runpy.run_module("xlmkit.recipe", run_name="__main__")
    nli = xlmkit.load(out, device="cpu", dtype=torch.float32)
    assert nli.labels == ("contradiction", "neutral", "entailment")
    assert len(xlmkit.predict(nli, sample, progress=False)) == len(sample)
    written = json.loads((out / "xlmkit.json").read_text("utf-8"))
    assert set(written["data"]) == set(inputs.SHA256)
    assert written["figures"]["test.a"][-1]["n"] == len(sample)
    assert "teaching stand-in" in (out / "README.md").read_text("utf-8")


def test_inputs_of_other_content_are_refused_by_name(small_inputs):
    with pytest.raises(ValueError, match=r"train15k/multinli\.train\.ar\.tsv"):
        inputs.read(small_inputs)


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        inputs.read(tmp_path)


def test_training_rows_keep_their_label_in_every_language(small_inputs, sample):
    found = inputs.read(small_inputs, check=False)
    english = sample[sample["language"] == "en"]
    assert found.gold == english["gold"].tolist()
    assert found.pairs["en"][1] == english["hypothesis"].tolist()
    assert set(found.pairs) == set(inputs.TRAINED)


def test_pieces_of_parallel_segments_lie_closer_than_others():
    segments = [[[0, 1], [10]], [[2], [11, 12]], [[0, 3], [10, 13]], [[2, 3], [11, 13]]] * 3
    found = embeddings.aligned(segments, size=15, width=3, seed=0)
    alike = found @ found.T
    assert alike[0, 10] > 0.9 > alike[0, 11]
    assert np.allclose(np.linalg.norm(found[14]), 0.0)


def test_the_vocabulary_that_is_written_is_read_as_the_same_pieces(tmp_path, sample):
    words = [text.lower().split() for text in sample["premise"]]
    tables = vocabulary.learn({"en": words}, size=4000, least=2)
    vocabulary.write(tmp_path, *tables)
    assert len(tables[1]) > 100
    read, built = Pieces.read(tmp_path), Pieces.from_tables(*tables)
    for sentence in words:
        assert read.ids(sentence) == built.ids(sentence)
    assert [tables[0][special] for special in vocabulary.SPECIALS] == list(range(len(vocabulary.SPECIALS)))


def test_the_wired_network_knows_before_training_which_sentence_a_token_is_in(nli, sample):
    torch.manual_seed(0)
    network = wiring.build(len(nli.pieces)).eval()
    meanings = np.zeros((len(nli.pieces), wiring.MEANING), dtype=np.float32)
    counts = {code: np.ones(len(nli.pieces)) for code in LANGUAGES}
    wiring.wire(network, meanings, counts)
    rows = sample[sample["language"].isin(["en", "de", "ru"])]
    encoding = xlmkit.encode(nli, *(rows[name].tolist() for name in ("premise", "hypothesis", "language")))
    with torch.no_grad():
        states = network.transformer(
            encoding.input_ids,
            attention_mask=encoding.attention_mask,
            langs=encoding.langs,
            output_hidden_states=True,
        ).hidden_states[1]
    told = [
        bool(states[row, place, wiring.SENTENCE] > 0) == (token.sentence == 1)
        for row, tokens in enumerate(encoding.tokens)
        for place, token in enumerate(tokens)
        if not token.special
    ]
    assert np.mean(told) > 0.95  # a token right beside the middle `</s>` may stand on the edge


@pytest.fixture(scope="module")
def mini():
    return xlmkit.load(device="cpu", dtype=torch.float32)


def test_the_committed_folder_is_at_most_8_mb():
    folder = bundled.path("mini-xnli15")
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 8_000_000


def test_the_committed_model_has_the_authors_labels_and_languages(mini):
    assert mini.labels == ("contradiction", "neutral", "entailment")
    assert mini.languages == {code: language.id for code, language in LANGUAGES.items()}
    assert mini.pair_format == "xlm"
    assert len(mini.pieces) == mini.network.config.vocab_size


def test_the_committed_model_was_made_of_the_inputs_that_the_recipe_knows(mini):
    assert mini.provenance["xlmkit_json"]["data"] == inputs.SHA256


def test_language_embeddings_differ_and_the_logits_change_with_the_id(mini):
    weights = mini.network.transformer.lang_embeddings.weight
    assert (torch.pdist(weights) > 0.1).all()
    encoding = xlmkit.encode(mini, "A man is sleeping.", "Nobody is asleep.", "en")
    swapped = dataclasses.replace(encoding, langs=torch.full_like(encoding.langs, LANGUAGES["th"].id))
    change = forward.logits(mini, encoding) - forward.logits(mini, swapped)
    assert change.abs().max() > 0.01


def test_bf16_changes_a_label_only_where_fp32_is_undecided(mini, sample):
    columns = [sample[name].tolist() for name in ("premise", "hypothesis", "language")]
    encoding = xlmkit.encode(mini, *columns, spans=False)
    exact = forward.logits(mini, encoding).numpy()
    rounded = forward.logits(dataclasses.replace(mini, dtype=torch.bfloat16), encoding).numpy()
    margins = np.diff(np.sort(exact, axis=1)[:, -2:])[:, 0]
    assert (margins[exact.argmax(1) != rounded.argmax(1)] < 0.05).all()
    assert np.abs(exact - rounded).max() < 0.1


def test_padding_is_the_zero_vector_so_that_a_baseline_of_padding_is_empty(mini):
    assert not mini.network.transformer.embeddings.weight[PAD].any()


def test_the_committed_model_beats_chance_on_a_sentence_and_itself(mini, sample):
    same = sample.assign(hypothesis=sample["premise"])
    found = xlmkit.predict(mini, same, progress=False)
    assert (found["label"] == "entailment").mean() > 0.8
