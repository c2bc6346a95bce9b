"""The traps, each against transformers' own tokeniser and network doing it; and what they must not do."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from xlmkit import inference, probes
from xlmkit.encoding import encode
from xlmkit.inference import predict
from xlmkit.model import load
from xlmkit.model.weights import random_head
from xlmkit.probes.ablation import (
    extra_embeddings,
    hf_pipeline_encoding,
    sacremoses_encoding,
    trap_inputs,
    without_mask,
)
from xlmkit.probes.language_ids import add_language_ids
from xlmkit.tokenization import PAD

TEXTS = [
    ("en", "The dog sleeps.", "No dog sleeps.", "contradiction"),
    ("en", "A man eats a book and a cat eats the dog.", "It rains today.", "neutral"),
    ("en", "The man eats (a book).", "No book is not the man’s.", "entailment"),
    ("hi", "वह आज नहीं सो रहा है।", "आदमी सो रहा है।", "contradiction"),
    ("hi", "कुत्ता सो रहा है।", "एक बिल्ली।", "neutral"),
    ("th", "ฝนตกวันนี้", "แมวกินหมา", "entailment"),
    ("th", "ไม่เป็นคน", "คนนอน", "neutral"),
    ("fr", "L’homme n’est pas le chien.", "Il pleut aujourd’hui.", "contradiction"),
    ("fr", "Un chat dort.", "Le chat est un chien.", "neutral"),
]
TRAPS = ["right", "1", "2", "3", "4", "5", "6", "7", "usual", "1-6", "all"]


@pytest.fixture(scope="module")
def folder_model(tiny_folder):
    return load(tiny_folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    frame = pd.DataFrame(TEXTS, columns=["language", "premise", "hypothesis", "gold"])
    return frame.assign(item=[str(number) for number in range(len(frame))])


@pytest.fixture(scope="module")
def table(folder_model, pairs):
    return probes.ablation(folder_model, pairs, progress=False)


@pytest.fixture(scope="module")
def tokenizer(tiny_folder):
    """As a user gets it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_folder)


@pytest.fixture(scope="module")
def network(tiny_folder):
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(tiny_folder).eval()


def answer(network, **inputs):
    with torch.no_grad():
        return network(**{name: torch.tensor(rows) for name, rows in inputs.items()}).logits[0]


def right_rows(nli, pairs):
    """Each pair alone, as the authors fed it: ids, language ids, where the hypothesis starts."""
    for row in pairs.itertuples():
        encoding = encode(nli, row.premise, row.hypothesis, row.language)
        ids = encoding.input_ids[0].tolist()
        yield ids, encoding.langs[0].tolist(), ids.index(1, 1) + 1


def expected(trap, nli, network, tokenizer, pairs):
    """(N, labels) logits that transformers itself gives where it makes this mistake, pair by pair."""
    found = []
    for row, (ids, langs, start) in zip(pairs.itertuples(), right_rows(nli, pairs), strict=True):
        types = [0] * start + [1] * (len(ids) - start)
        own = nli.lang2id[row.language]
        if trap == "right":
            given = {"input_ids": [ids], "langs": [langs], "attention_mask": [[1] * len(ids)]}
        elif trap == "1":
            given = {"input_ids": [[0, *ids[1:]]], "langs": [langs]}
        elif trap == "2":
            english = encode(nli, row.premise, row.hypothesis, "en").input_ids.tolist()
            given = {"input_ids": english, "langs": [[own] * len(english[0])]}
        elif trap == "3":
            first, second = (
                tokenizer.convert_tokens_to_ids(tokenizer._tokenize(text, lang=row.language))
                for text in (row.premise, row.hypothesis)
            )
            moses = [1, *first, 1, *second, 1]
            given = {"input_ids": [moses], "langs": [[own] * len(moses)]}
        elif trap == "4":
            given = {"input_ids": [ids], "attention_mask": [[1] * len(ids)]}
        elif trap == "5":
            given = {"input_ids": [ids], "langs": [langs], "token_type_ids": [types]}
        elif trap == "6":
            given = {"input_ids": [ids], "langs": [langs]}
        else:
            called = dict(tokenizer(row.premise, row.hypothesis))
            called = {name: [values] for name, values in called.items()}
            if trap == "usual":
                given = called
            else:
                ids = called["input_ids"][0]
                start = ids.index(1) + 1
                types = [0] * start + [1] * (len(ids) - start)
                given = {"input_ids": [ids], "token_type_ids": [types]}
        found.append(answer(network, **given).numpy())
    return np.array(found)


@pytest.fixture(scope="module")
def fed(folder_model, tokenizer, pairs):
    """What each trap feeds the network that is left to it, and the logits that come of it."""
    wide = add_language_ids(folder_model, extra_embeddings(folder_model))
    given = trap_inputs(folder_model, pairs, tokenizer, 256)
    return {trap: inference.logits(wide, encoding) for trap, encoding in given.items()}


MISTAKES = ["right", "1", "2", "3", "4", "5", "6", "usual", "1-6"]


@pytest.fixture(scope="module")
def by_transformers(folder_model, network, tokenizer, pairs):
    """The logits of each mistake, as transformers computes them."""
    return {trap: expected(trap, folder_model, network, tokenizer, pairs) for trap in MISTAKES}


@pytest.mark.parametrize("trap", MISTAKES)
def test_a_trap_gives_the_logits_of_transformers_where_it_makes_that_mistake(by_transformers, fed, trap):
    assert np.allclose(fed[trap], by_transformers[trap], atol=1e-5)
    assert np.allclose(fed["right"], by_transformers[trap], atol=1e-5) == (trap in ("right", "6"))


@pytest.mark.parametrize("trap", MISTAKES)
def test_a_trap_gives_the_labels_of_transformers_where_it_makes_that_mistake(
    folder_model, by_transformers, pairs, table, trap
):
    found, right = (by_transformers[name].argmax(1) for name in (trap, "right"))
    gold = np.array([folder_model.labels.index(label) for label in pairs["gold"]])
    rows = table[table["trap"] == trap].set_index("language")
    for code in ("en", "hi", "th", "fr", "all"):
        own = (pairs["language"] == code).to_numpy() | (code == "all")
        correct, flips = (found == gold)[own].mean(), (found != right)[own].mean()
        difference = correct - (right == gold)[own].mean()
        names = ["n", "accuracy", "flips", "difference"]
        assert rows.loc[code, names].tolist() == pytest.approx([own.sum(), correct, flips, difference])


def test_the_pipeline_of_transformers_gives_the_usual_row(tiny_folder, folder_model, pairs, table):
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(tiny_folder), tokenizer=str(tiny_folder), device=-1)
    given = [{"text": row.premise, "text_pair": row.hypothesis} for row in pairs.itertuples()]
    labels = [found["label"] for found in classify(given)]
    accuracy = np.mean([label == gold for label, gold in zip(labels, pairs["gold"], strict=True)])
    row = table[(table["trap"] == "usual") & (table["language"] == "all")].iloc[0]
    assert row["accuracy"] == pytest.approx(accuracy)
    usual_labels = predict(folder_model, pairs, progress=False)["prediction"]
    assert row["flips"] == pytest.approx(np.mean(usual_labels.to_numpy() != np.array(labels)))


def test_the_rows_come_in_the_order_of_the_traps_with_all_languages_last(table):
    assert table["trap"].drop_duplicates().tolist() == TRAPS == list(probes.TRAPS)
    assert table["language"].tolist()[:5] == ["en", "fr", "hi", "th", "all"]
    assert table["what"].tolist() == [probes.TRAPS[trap] for trap in table["trap"]]


def test_the_right_way_is_what_predict_answers(folder_model, pairs, table):
    preds = predict(folder_model, pairs, progress=False)
    right = table[table["trap"] == "right"].set_index("language")
    assert right.loc["all", "accuracy"] == pytest.approx(preds["correct"].mean())
    assert (right[["flips", "difference", "changed"]] == 0).all(axis=None)


def test_a_mask_left_out_changes_nothing_in_prediction(table):
    rows = table[table["trap"] == "6"]
    assert (rows[["flips", "difference", "changed"]] == 0).all(axis=None)


def test_english_is_cut_as_english(table):
    rows = table[table["trap"] == "2"].set_index("language")
    assert rows.loc["en", ["flips", "changed"]].tolist() == [0, 0]
    assert rows.loc["th", "changed"] == 1


def test_sacremoses_differs_where_hindi_has_a_virama_and_not_in_thai(table):
    rows = table[table["trap"] == "3"].set_index("language")
    assert rows.loc["hi", "changed"] == 0.5  # the second pair has one, the first has none
    assert rows.loc["th", "changed"] == 0


def test_random_heads_are_drawn_as_transformers_draws_them_and_averaged(folder_model, pairs, table):
    preds = predict(folder_model, pairs, progress=False)
    hits, flips = [], []
    for seed in range(5):
        head = random_head(folder_model.network.config, seed=seed)
        other = copy.deepcopy(folder_model.network)
        other.load_state_dict(head, strict=False)
        encoding = encode(folder_model, pairs["premise"], pairs["hypothesis"], pairs["language"].tolist())
        with torch.no_grad():
            values = other(
                input_ids=encoding.input_ids, langs=encoding.langs, attention_mask=encoding.attention_mask
            ).logits
        labels = np.array(folder_model.labels)[values.argmax(1)]
        hits.append((labels == pairs["gold"]).mean())
        flips.append((labels != preds["prediction"]).mean())
    row = table[(table["trap"] == "7") & (table["language"] == "all")].iloc[0]
    assert row["accuracy"] == pytest.approx(np.mean(hits))
    assert row["flips"] == pytest.approx(np.mean(flips))


def test_without_gold_labels_flip_all_the_same(folder_model, pairs, table):
    found = probes.ablation(folder_model, pairs.drop(columns="gold"), progress=False)
    assert found[["accuracy", "difference", "difference_low"]].isna().all(axis=None)
    assert found["flips"].tolist() == pytest.approx(table["flips"].tolist())


def test_mixed_pairs_have_each_sides_right_id(folder_model, tokenizer):
    frame = pd.DataFrame(
        {
            "premise": ["ฝนตกวันนี้"],
            "hypothesis": ["आदमी सो रहा है।"],
            "premise_language": ["th"],
            "hypothesis_language": ["hi"],
        }
    )
    found = trap_inputs(folder_model, frame, tokenizer, 256)["3"]
    ids, langs = found.input_ids[0].tolist(), found.langs[0].tolist()
    middle = ids.index(1, 1)
    assert langs == [10] * middle + [7] * (len(ids) - middle)
    assert probes.ablation(folder_model, frame, progress=False)["language"].tolist()[:2] == ["th>hi", "all"]


def test_long_pairs_are_cut_to_the_same_length(folder_model, tokenizer):
    frame = pd.DataFrame({"premise": ["A man " * 60], "hypothesis": ["The dog. " * 30], "language": ["en"]})
    assert hf_pipeline_encoding(tokenizer, frame, 40)[0].input_ids.shape == (1, 40)
    own = encode(folder_model, frame["premise"], frame["hypothesis"], "en", max_length=40)
    moses = sacremoses_encoding(tokenizer, frame, 40).input_ids
    assert moses[0, 1:].tolist() == own.input_ids[0, 1:].tolist()
    found = probes.ablation(folder_model, frame, max_length=40, progress=False)
    assert len(found) == len(TRAPS) * 2


def test_without_a_mask_pads_inside_the_input_are_taken_for_its_end(folder_model, network):
    encoding = encode(folder_model, "The dog sleeps.", "No dog.", "en")
    padded = encoding.input_ids.clone()
    padded[padded > 1] = PAD
    bare = without_mask(dataclasses.replace(encoding, input_ids=padded))
    assert bare.attention_mask.sum() == 3
    with torch.no_grad():
        whole, cut = (
            network(input_ids=padded, langs=encoding.langs, attention_mask=mask).logits
            for mask in (encoding.attention_mask, None)
        )
    found = probes.unmasked_baseline(
        folder_model,
        pd.DataFrame({"premise": ["The dog sleeps."], "hypothesis": ["No dog."], "language": ["en"]}),
        progress=False,
    )
    assert found["attended"][0] == pytest.approx(3 / encoding.lengths[0])
    assert found["shift"][0] == pytest.approx(float((whole - cut).abs().mean()), abs=1e-5)
    assert found["shift"][0] > 0.01


def test_a_model_in_memory_asks_for_a_tokenizer(nli, tokenizer, pairs):
    assert len(probes.ablation(nli, pairs, tokenizer=tokenizer, progress=False)) == len(TRAPS) * 5
    with pytest.raises(ValueError, match="n_random_heads"):
        probes.ablation(nli, pairs, tokenizer=tokenizer, n_random_heads=0, progress=False)


def test_special_tokens_in_a_text_do_not_move_the_token_types(folder_model, tokenizer):
    frame = pd.DataFrame({"premise": ["A </s> dog."], "hypothesis": ["No dog."], "language": ["en"]})
    encoding, second = hf_pipeline_encoding(tokenizer, frame, 256)
    assert encoding.input_ids[0].tolist() == tokenizer(*frame.iloc[0, :2])["input_ids"]
    assert encoding.input_ids[0][second[0]].tolist() == [
        *tokenizer("No dog.", add_special_tokens=False)["input_ids"],
        1,
    ]


def test_single_texts_can_be_ablated(topics, tokenizer):
    frame = pd.DataFrame({"text": ["The dog sleeps.", "It rains."], "language": ["en", "en"]})
    found = probes.ablation(topics, frame, tokenizer=tokenizer, progress=False)
    assert found["n"].tolist() == [2] * (2 * len(TRAPS))
    assert (found.loc[found["trap"] == "6", "flips"] == 0).all()
