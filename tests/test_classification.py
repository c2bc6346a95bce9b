"""Laws of other classifications than NLI: labels are the folder's own, single texts are encoded alone, and nothing is taken for NLI."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TOPICS, tables, tiny_network, write_pieces

from xlmkit import cli, doctor
from xlmkit.attribution import explain
from xlmkit.encoding import encode
from xlmkit.explanation import Explanation
from xlmkit.inference import predict, zero_shot
from xlmkit.languages import LANGUAGES
from xlmkit.metrics import evaluate
from xlmkit.model import load
from xlmkit.pairs import check_pairs, read_pairs
from xlmkit.render import card
from xlmkit.tokenization import EOS

CPU = {"device": "cpu", "dtype": "float32"}
KIT = {"format": 1, "pair_format": "xlm", "task": "classification", "sentences": 1}


@pytest.fixture(scope="module")
def network():
    return tiny_network(TOPICS)


@pytest.fixture
def write(network, tmp_path):
    """Write the tiny model of topics as a folder; `write(sentences=2)` changes its xlmkit.json, where None leaves a key out."""

    def folder(**changes):
        target = tmp_path / "topics"
        network.save_pretrained(target)
        write_pieces(target, *tables())
        content = {key: value for key, value in {**KIT, **changes}.items() if value is not None}
        (target / "xlmkit.json").write_text(json.dumps(content))
        return target

    return folder


@pytest.fixture
def texts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "text": ["The dog sleeps.", "Der Hund schläft nicht.", "Mbwa analala leo."],
            "language": ["en", "de", "sw"],
            "gold": ["sports", None, "science/technology"],
        },
        index=[7, 3, 5],
    )


# -- loading


def test_a_folder_that_says_classification_has_the_labels_of_its_configuration_in_order_of_id(write):
    model = load(write(), **CPU)
    assert (model.task, model.labels, model.sentences, model.trained) == ("classification", TOPICS, 1, True)
    assert model.provenance["labels"] == list(TOPICS)


def test_labels_in_xlmkit_json_must_be_those_of_the_configuration(write):
    assert load(write(labels=list(TOPICS)), **CPU).labels == TOPICS
    with pytest.raises(ValueError, match="contradict each other"):
        load(write(labels=sorted(TOPICS)), **CPU)


def test_without_the_word_the_same_folder_is_refused_and_told_the_word(write):
    with pytest.raises(ValueError, match=r"'science/technology'.*add \"task\": \"classification\""):
        load(write(task=None, sentences=None), **CPU)
    assert load(write(task=None, sentences=None), **CPU, task="classification").labels == TOPICS


def test_where_the_folder_does_not_say_pairs_and_single_texts_are_both_taken(write, texts):
    model = load(write(sentences=None), **CPU)
    pairs = texts.rename(columns={"text": "premise"}).assign(hypothesis="No dog.")
    assert len(predict(model, texts, progress=False)) == len(predict(model, pairs, progress=False)) == 3


@pytest.mark.parametrize(
    ("recorded", "asked"), [({}, "nli"), ({"task": "nli", "sentences": 2}, "classification")]
)
def test_a_task_other_than_the_recorded_one_is_refused(write, recorded, asked):
    with pytest.raises(ValueError, match=f"is of another task: expected '{asked}'"):
        load(write(**recorded), **CPU, task=asked)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ["a", "a", "b", "c"]}, "two or more different names"),
        ({"labels": ["a", " "]}, "two or more different names"),
        ({"labels": ["a"]}, "two or more different names"),
        ({"labels": ["LABEL_0", "LABEL_1"]}, "two or more different names"),
        ({"labels": [0, 1, 2, 3]}, "two or more different names"),
        ({"labels": ["a", "b"]}, "contradict each other"),
        ({"task": "qa"}, "`task` must be one of 'nli', 'classification', got 'qa'"),
        ({"sentences": 3}, "`sentences` must be 2, or 1"),
        ({"sentences": True}, "`sentences` must be 2, or 1"),
        ({"task": "nli", "sentences": 1}, "`sentences` must be 2, or 1"),
    ],
)
def test_what_is_no_description_of_a_classification_is_refused(write, changes, said):
    with pytest.raises(ValueError, match=said):
        load(write(**changes), **CPU)


def test_labels_that_the_head_has_no_logits_for_are_refused(write):
    folder = write()
    config = json.loads((folder / "config.json").read_text())
    config["id2label"]["4"] = "a fifth"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"expected 5 logits .* got 4"):
        load(folder, **CPU)


def test_a_model_in_memory_with_other_labels_than_nli_is_a_classification(nli, topics):
    assert (nli.task, nli.sentences, topics.task) == ("nli", 2, "classification")
    assert nli.lang2id == {code: language.id for code, language in LANGUAGES.items()}


# -- predictions


def test_a_text_is_predicted_as_plain_transformers_does_from_eos_text_eos(topics, texts):
    found = predict(topics, texts, progress=False)
    assert found.index.tolist() == [7, 3, 5]
    for index, row in texts.iterrows():
        encoding = encode(topics, row["text"], None, row["language"])
        assert encoding.input_ids[0, [0, -1]].tolist() == [EOS, EOS]
        with torch.no_grad():
            logits = topics.network(
                input_ids=encoding.input_ids, langs=encoding.langs, attention_mask=encoding.attention_mask
            ).logits[0]
        expected = logits.double().softmax(0).numpy()
        assert np.allclose(
            found.loc[index, [f"p_{label}" for label in TOPICS]].to_numpy(float), expected, atol=1e-6
        )
        assert found.loc[index, "prediction"] == TOPICS[int(expected.argmax())]
    assert found["prediction"].nunique() > 1


def test_correct_compares_with_the_models_own_labels_and_is_missing_without_gold(topics, texts):
    found = predict(topics, texts, progress=False)
    assert found["correct"].isna().tolist() == [False, True, False]
    known = found.dropna(subset=["gold"])
    assert (known["correct"] == (known["prediction"] == known["gold"])).all()


def test_a_gold_label_that_the_model_lacks_is_named_with_its_row(topics, texts):
    with pytest.raises(ValueError, match=r"index 3: unknown label 'entailment'\nLabels are sports, travel"):
        predict(topics, texts.fillna({"gold": "entailment"}), progress=False)


def test_pairs_for_a_model_of_texts_and_texts_for_a_model_of_pairs_are_refused(nli, topics, texts):
    pairs = texts.rename(columns={"text": "premise"}).assign(hypothesis="No dog.")
    with pytest.raises(ValueError, match=r"'topics' was trained on single texts .*; got pairs"):
        predict(topics, pairs, progress=False)
    with pytest.raises(ValueError, match=r"was trained on pairs .*; got single texts"):
        predict(dataclasses.replace(topics, sentences=2), texts, progress=False)
    with pytest.raises(ValueError, match="expected a column `premise`"):
        predict(nli, texts.drop(columns="gold"), progress=False)


def test_zero_shot_classification_needs_a_model_of_nli(topics):
    with pytest.raises(
        ValueError, match=r"needs an NLI model with the labels \['entailment'\]; got one with \('sports'"
    ):
        zero_shot(topics, ["The dog."], ["dog", "cat"], "en", progress=False)


# -- explanations


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion", "saliency"])
def test_a_text_is_explained_as_a_premise_without_a_hypothesis(topics, texts, method):
    found = explain(topics, texts, method=method, target="travel", progress=False)
    for explanation, text in zip(found, texts["text"], strict=True):
        assert (explanation.premise, explanation.hypothesis, explanation.hypothesis_language) == (
            text,
            None,
            None,
        )
        assert explanation.target == "travel"
        assert set(explanation.to_frame()["sentence"].dropna()) == {"text"}
        assert Explanation.from_dict(json.loads(json.dumps(explanation.to_dict()))) == explanation
        if method == "integrated_gradients":
            assert explanation.converged
            assert explanation.scores.sum() == pytest.approx(
                explanation.change, abs=0.05 * abs(explanation.change) + 0.02
            )


def test_a_text_is_shown_once_and_called_a_text(topics, texts):
    shown = card(explain(topics, texts.iloc[:1], progress=False)[0])
    assert shown.count('class="xk-side"') == 1
    assert ">text<br>English" in shown
    assert "hypothesis" not in shown


# -- evaluation


def test_predictions_of_other_labels_are_evaluated_by_the_columns_that_they_bring(topics, texts):
    found = predict(topics, texts, progress=False).assign(gold=["sports", "travel", "health"], item=[1, 2, 3])
    assert (
        evaluate(found).set_index("language").loc["all", "accuracy"]
        == (found["prediction"] == found["gold"]).mean()
    )
    with pytest.raises(ValueError, match="unknown label 'Sports'; labels are sports, travel"):
        evaluate(found.assign(gold="Sports"))


def test_without_such_columns_the_labels_must_be_named(texts):
    found = texts.fillna({"gold": "travel"}).assign(prediction="travel", item=[1, 2, 3])
    assert evaluate(found, labels=TOPICS)["accuracy"].tolist()[-1] == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="unknown label"):
        evaluate(found)


def test_a_column_that_merely_begins_like_a_probability_leaves_nlis_spellings_known(nli, texts):
    pairs = texts.assign(
        premise=texts["text"], hypothesis="No dog.", gold=["Entailment", "n", "-"], item=[1, 2, 3]
    )
    found = predict(nli, pairs, progress=False).assign(p_value=0.5, gold=["Entailment", "n", "-"])
    assert evaluate(found)["n"].tolist()[-1] == 2


# -- reading


def test_single_texts_and_any_labels_are_read_where_labels_say_so(tmp_path):
    file = tmp_path / "topics.tsv"
    file.write_text(
        "Sentence\tlang\tlabel\tsource\nThe dog.\ten\tsports\tx\nDer Hund.\tde\t\ty\n", encoding="utf-8"
    )
    frame = read_pairs(file, labels=None)
    assert frame.columns.tolist() == ["pair_id", "language", "text", "gold", "source"]
    assert frame["gold"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match=r"line 2: unknown label 'sports'\nLabels are a, b"):
        read_pairs(file, labels=["a", "b"])
    with pytest.raises(ValueError, match="expected a column `premise`"):
        read_pairs(file)


def test_pairs_of_another_task_keep_their_labels_as_they_are_written():
    frame = pd.DataFrame(
        {"sentence1": ["a"], "sentence2": ["b"], "language": ["en"], "gold": ["E"], "text": [" "]}
    )
    assert check_pairs(frame, labels=None)["gold"].tolist() == ["E"]
    assert check_pairs(frame)["gold"].tolist() == ["entailment"]


def test_the_texts_of_single_texts_are_checked_by_row():
    frame = pd.DataFrame({"text": ["a", " ", None], "language": "en"})
    with pytest.raises(
        ValueError, match=r"2 of 3 rows .*\n  index 1: `text` has no visible .*\n  index 2: `text` is missing"
    ):
        check_pairs(frame, labels=TOPICS)


@pytest.mark.parametrize("labels", ["sport", [1, 2]])
def test_labels_are_several_names(labels):
    frame = pd.DataFrame({"text": ["a"], "language": ["en"], "gold": ["sport"]})
    with pytest.raises(TypeError, match="expected `labels` as None or several names; got"):
        check_pairs(frame, labels=labels)


def test_a_number_is_no_label_of_any_task():
    frame = pd.DataFrame({"text": ["a"], "language": ["en"], "gold": [1]})
    with pytest.raises(ValueError, match=r"unknown label 1\nLabels are names"):
        check_pairs(frame, labels=None)


# -- the command line, and the doctor


@pytest.fixture
def run(write, capsys):
    def call(command, *options):
        model = ["--model", str(write()), "--device", "cpu", "--dtype", "float32"]
        return (cli.main([command, *options, *model]), *capsys.readouterr())

    return call


def test_the_command_line_predicts_explains_and_evaluates_texts(run, tmp_path):
    file = tmp_path / "texts.csv"
    file.write_text("text,language,gold\nThe dog sleeps.,en,health\n", encoding="utf-8")
    code, out, _ = run("predict", str(file), "--to", "jsonl")
    row = json.loads(out)
    assert code == 0
    assert row["prediction"] in TOPICS
    assert sum(row[f"p_{label}"] for label in TOPICS) == pytest.approx(1)
    alone = json.loads(run("predict", "--text", "The dog sleeps.", "--to", "jsonl")[1])
    assert alone["p_travel"] == pytest.approx(row["p_travel"])
    assert run("explain", "--text", "Der Hund.", "--language", "de")[0] == 0
    assert run("evaluate", str(file), "--to", "jsonl")[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--text", "a", "--premise", "b"], "`--text` takes no `--premise`"),
        (["workshop", "--text", "a"], "takes no other source"),
        (["--premise", "a", "--hypothesis", "b"], "was trained on single texts"),
        (["workshop", "--limit", "1"], "workshop: 1800 of 1800 rows cannot be used"),
    ],
)
def test_the_command_line_refuses_what_the_model_does_not_take(run, options, said):
    code, out, err = run("predict", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_the_doctor_predicts_a_text_with_a_model_of_texts(topics):
    check = doctor.check_prediction(topics)
    assert check.ok
    assert check.found.endswith("for 'A dog sleeps.'")
