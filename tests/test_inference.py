"""Laws of prediction: nothing of the frame is lost, numbers do not depend on batches, faults are named, memory is shared out."""

from __future__ import annotations

import dataclasses
import importlib

import numpy as np
import pandas as pd
import pytest
import torch

from xlmkit import forward, inference, notices
from xlmkit.encoding import encode
from xlmkit.inference import HYPOTHESIS_TEMPLATES, predict, zero_shot
from xlmkit.languages import LANGUAGES

PREDICT = importlib.import_module("xlmkit.inference.predict")
LABELS = ["contradiction", "neutral", "entailment"]


@pytest.fixture
def pairs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "pair_id": ["a", "b", "c", "d", "e"],
            "language": ["en", "de", "hi", "en", "sw"],
            "premise": [
                "The dog sleeps.",
                "Der Hund schläft nicht.",
                "वह आज नहीं सो रहा है।",
                "A man " * 40,
                "Mbwa analala leo.",
            ],
            "hypothesis": [
                "No dog.",
                "Ein Hund schläft.",
                "आदमी सो रहा है।",
                "It rains today.",
                "Paka si mbwa.",
            ],
            "gold": ["contradiction", "neutral", None, "entailment", "neutral"],
            "source": ["x", "y", "z", "x", "y"],
        },
        index=[10, 3, 7, 1, 5],
    )


def logits_one_by_one(nli, pairs):
    rows = [encode(nli, row.premise, row.hypothesis, row.language) for row in pairs.itertuples()]
    return torch.cat([forward.logits(nli, row) for row in rows]).numpy()


def test_columns_index_and_order_are_kept_and_the_frame_is_not_changed(nli, pairs):
    before = pairs.copy()
    found = predict(nli, pairs, progress=False)
    pd.testing.assert_frame_equal(pairs, before)
    assert found.index.tolist() == pairs.index.tolist()
    for column in pairs:
        pd.testing.assert_series_equal(found[column], pairs[column], check_dtype=False)


def test_probabilities_are_the_softmax_of_each_pair_alone(nli, pairs):
    found = predict(nli, pairs, progress=False)
    expected = torch.from_numpy(logits_one_by_one(nli, pairs)).double().softmax(1).numpy()
    assert np.allclose(found[[f"p_{label}" for label in LABELS]], expected, atol=1e-5)
    assert found["prediction"].tolist() == [LABELS[i] for i in expected.argmax(1)]
    assert found["prediction"].nunique() > 1


def test_correct_is_missing_where_gold_is(nli, pairs):
    found = predict(nli, pairs, progress=False)
    assert found["correct"].isna().tolist() == [False, False, True, False, False]
    known = found.dropna(subset=["gold"])
    assert (known["correct"] == (known["prediction"] == known["gold"])).all()
    assert "correct" not in predict(nli, pairs.drop(columns="gold"), progress=False)


@pytest.mark.parametrize("budget", [1, 30, 100, 10_000])
def test_logits_do_not_depend_on_the_batches(nli, pairs, budget):
    encoding = encode(
        nli, pairs["premise"].tolist(), pairs["hypothesis"].tolist(), pairs["language"].tolist(), spans=False
    )
    assert np.allclose(
        inference.logits(nli, encoding, batch_tokens=budget), logits_one_by_one(nli, pairs), atol=1e-5
    )


@pytest.mark.parametrize("budget", [20, 60, 100])
def test_no_batch_is_padded_beyond_the_budget_but_one_of_a_single_pair(nli, pairs, monkeypatch, budget):
    shapes = []
    real = forward.logits
    monkeypatch.setattr(
        forward, "logits", lambda nli, batch: shapes.append(tuple(batch.input_ids.shape)) or real(nli, batch)
    )
    predict(nli, pairs, batch_tokens=budget, progress=False)
    assert sum(rows for rows, _ in shapes) == len(pairs)
    assert all(rows * width <= budget or rows == 1 for rows, width in shapes)
    assert (len(shapes) < len(pairs)) == (budget > 20)


def test_chunks_are_put_together_in_order(nli, pairs, monkeypatch):
    whole = predict(nli, pairs, progress=False)
    monkeypatch.setattr(PREDICT, "CHUNK", 2)
    pd.testing.assert_frame_equal(predict(nli, pairs, progress=False), whole, rtol=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_out_of_memory_makes_smaller_batches_and_changes_no_number(nli, pairs, monkeypatch, error):
    notices.forget()
    sizes = []
    real = forward.logits

    def small_machine(nli, encoding):
        sizes.append(len(encoding))
        if len(encoding) > 1:
            raise error
        return real(nli, encoding)

    whole = predict(nli, pairs, progress=False)
    monkeypatch.setattr(forward, "logits", small_machine)
    with pytest.warns(UserWarning, match="halved"):
        found = predict(nli, pairs, progress=False)
    pd.testing.assert_frame_equal(found, whole, rtol=1e-5)
    assert sizes[0] == 5
    assert sizes.count(1) == 5


def test_what_memory_holds_is_remembered_for_the_chunks_that_follow(nli, pairs, monkeypatch):
    tried, failed, real = [], [], forward.logits

    def small_machine(nli, encoding):
        size = encoding.input_ids.numel() if len(encoding) > 1 else 0  # one pair alone is always tried
        tried.append(size)
        if size > 60:
            failed.append(size)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(nli, encoding)

    whole = predict(nli, pairs, progress=False)
    many = pd.concat([pairs.assign(pair_id=pairs["pair_id"] + str(number)) for number in range(4)])
    monkeypatch.setattr(PREDICT, "CHUNK", len(pairs))
    monkeypatch.setattr(forward, "logits", small_machine)
    found = predict(nli, many, progress=False)
    assert np.allclose(found["p_neutral"], list(whole["p_neutral"]) * 4, atol=1e-5)
    assert failed
    assert failed == sorted(set(failed), reverse=True)
    for size in failed:
        assert max(tried[tried.index(size) + 1 :]) < size


def test_long_pairs_are_marked_as_truncated(nli, pairs):
    found = predict(nli, pairs, max_length=40, progress=False)
    assert found["truncated"].tolist() == [len_ > 40 for len_ in encode_lengths(nli, pairs)]
    assert found["truncated"].any()


def encode_lengths(nli, pairs):
    return encode(
        nli, pairs["premise"].tolist(), pairs["hypothesis"].tolist(), pairs["language"].tolist()
    ).lengths


def test_mixed_pairs_take_each_sentence_in_its_language(nli):
    mixed = pd.DataFrame(
        {
            "premise": ["Der Hund."],
            "hypothesis": ["No dog."],
            "premise_language": ["de"],
            "hypothesis_language": ["en"],
        }
    )
    found = predict(nli, mixed, progress=False)
    encoding = encode(nli, "Der Hund.", "No dog.", "de", hypothesis_languages="en")
    expected = forward.logits(nli, encoding).double().softmax(1).numpy()[0]
    assert np.allclose(found[[f"p_{label}" for label in LABELS]].to_numpy()[0], expected, atol=1e-6)


def test_zero_pairs_give_zero_predictions_with_all_columns(nli, pairs):
    found = predict(nli, pairs.iloc[:0], progress=False)
    assert len(found) == 0
    assert {"prediction", "truncated", "correct", *(f"p_{label}" for label in LABELS)} <= set(found)


def test_an_untrained_head_marks_every_prediction(nli, pairs):
    assert "untrained" not in predict(nli, pairs, progress=False)
    assert predict(dataclasses.replace(nli, trained=False), pairs, progress=False)["untrained"].all()


def test_predictions_carry_their_provenance(nli, pairs):
    carried = predict(nli, pairs, max_length=99, progress=False).attrs["provenance"]
    assert carried["model"] == dict(nli.provenance)
    assert carried["settings"]["max_length"] == 99


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "9", True])
def test_a_budget_that_is_no_positive_whole_number_is_refused(nli, pairs, wrong):
    with pytest.raises(ValueError, match="batch_tokens"):
        predict(nli, pairs, batch_tokens=wrong, progress=False)


def test_what_is_no_model_is_refused_with_the_way_to_one(pairs):
    with pytest.raises(TypeError, match="load"):
        predict("mini-xnli15", pairs, progress=False)


def test_a_language_model_is_refused(nli, pairs):
    with pytest.raises(ValueError, match="task"):
        predict(dataclasses.replace(nli, task="mlm", labels=()), pairs, progress=False)


def test_bf16_predictions_are_computed_by_a_copy_and_leave_the_network_in_fp32(nli, pairs):
    half = dataclasses.replace(nli, dtype=torch.bfloat16)
    found = predict(half, pairs, progress=False)
    assert next(half.network.parameters()).dtype == torch.float32
    assert np.allclose(found["p_neutral"], predict(nli, pairs, progress=False)["p_neutral"], atol=0.05)


def test_what_bf16_cannot_tell_apart_is_settled_in_fp32(nli, pairs, monkeypatch):
    encoding = encode(nli, *(pairs[name].tolist() for name in ("premise", "hypothesis", "language")))
    half, exact = dataclasses.replace(nli, dtype=torch.bfloat16), inference.logits(nli, encoding)
    rounded = inference.logits(half, encoding)
    best = np.sort(rounded, axis=1)
    tie = np.median(best[:, -1] - best[:, -2])
    monkeypatch.setattr(PREDICT, "TIE", tie)
    found = inference.logits(half, encoding)
    close = best[:, -1] - best[:, -2] < tie
    assert 0 < close.sum() < len(close)
    assert np.allclose(found[close], exact[close], atol=1e-5)
    assert np.array_equal(found[~close], rounded[~close])
    assert np.abs(rounded[close] - exact[close]).max() > 1e-4


def test_there_is_a_template_for_every_language():
    assert HYPOTHESIS_TEMPLATES.keys() == LANGUAGES.keys()
    assert all(template.count("{}") == 1 for template in HYPOTHESIS_TEMPLATES.values())


@pytest.mark.parametrize("multi_label", [False, True])
def test_zero_shot_classification_is_the_entailment_of_its_hypotheses(nli, multi_label):
    texts, labels = ["The dog sleeps.", "It rains today."], ["dog", "book", "cat"]
    found = zero_shot(nli, texts, labels, "en", multi_label=multi_label, progress=False)
    hypotheses = [HYPOTHESIS_TEMPLATES["en"].format(label) for label in labels]
    for row, text in enumerate(texts):
        logits = forward.logits(nli, encode(nli, [text] * 3, hypotheses, "en")).double()
        expected = logits[:, [0, 2]].softmax(1)[:, 1] if multi_label else logits[:, 2].softmax(0)
        assert np.allclose(
            found.loc[row, [f"p_{label}" for label in labels]].to_numpy(dtype=float), expected, atol=1e-5
        )
        assert found.loc[row, "prediction"] == labels[int(expected.argmax())]


def test_no_texts_are_classified_into_no_rows_with_all_columns(nli):
    found = zero_shot(nli, [], ["dog", "cat"], "en", progress=False)
    assert found.columns.tolist() == ["text", "language", "prediction", "p_dog", "p_cat"]
    assert len(found) == 0


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "labels"),
        ("sport", {}, "labels"),
        (["a", "a"], {}, "labels"),
        ([1, 2], {}, "labels"),
        (["a", " "], {}, "labels"),
        (["a"], {"hypothesis_template": "about"}, "hypothesis_template"),
    ],
)
def test_unusable_candidates_are_refused(nli, labels, options, message):
    with pytest.raises(ValueError, match=message):
        zero_shot(nli, ["The dog."], labels, "en", progress=False, **options)


@pytest.mark.parametrize(
    ("bad", "fault"), [("a\ud800", "lone surrogate"), (" ", "no visible"), (None, "missing")]
)
def test_a_faulty_text_is_named_by_its_own_number(nli, bad, fault):
    with pytest.raises(ValueError, match=rf"1 of 2 rows .*\n  index 1: `premise` .*{fault}"):
        zero_shot(nli, ["The dog.", bad], ["a", "b"], "en", progress=False)
