"""Contrasts: F is a difference of logits; of errors, the wrong label's minus the right one's. And Explanations as tables."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from attribution_toys import ROWS, assert_same, explained_by, frame, parts
from captum.attr import IntegratedGradients

from xlmkit import cli, load, read_results, save_results
from xlmkit.attribution import (
    METHODS,
    explain,
    explain_errors,
    language_attribution,
    language_shares,
    tabulate,
)
from xlmkit.inference import predict
from xlmkit.notices import XlmkitWarning, forget
from xlmkit.render import card

CONTRASTIVE = [method for method in METHODS if method != "attention_rollout"]


@pytest.fixture(scope="module")
def wrong(nli):
    """The six pairs, each with a gold label that the model does not predict."""
    given = frame()
    labels = predict(nli, given, progress=False)["prediction"]
    return given.assign(gold=[nli.labels[(nli.labels.index(label) + 1) % 3] for label in labels])


def test_the_score_is_the_difference_of_two_logits(nli, wrong):
    for row, explanation in zip(ROWS, explain(nli, wrong, contrast="gold", progress=False), strict=True):
        _, inputs, baseline, logits = parts(nli, row)
        target, contrast = (nli.labels.index(name) for name in (explanation.target, explanation.contrast))
        assert explanation.target == explanation.prediction
        assert explanation.contrast == explanation.gold

        def difference(embeddings, logits=logits, target=target, contrast=contrast):
            found = logits(embeddings)
            return found[:, target] - found[:, contrast]

        expected = IntegratedGradients(difference).attribute(inputs, baseline, n_steps=explanation.n_steps)
        assert explanation.scores == pytest.approx(expected.sum(-1)[0].numpy(), abs=1e-5)
        assert explanation.output == pytest.approx(float(difference(inputs)), abs=1e-5)
        assert explanation.baseline_output == pytest.approx(float(difference(baseline)), abs=1e-5)
        assert explanation.converged
        assert explanation.delta == pytest.approx(explanation.scores.sum() - explanation.change, abs=1e-9)


@pytest.mark.parametrize("method", ["input_x_gradient", "occlusion", "kernel_shap"])
def test_a_contrast_is_the_targets_scores_minus_the_contrasts_own(nli, wrong, method):
    """Methods that are linear in F."""
    both = explained_by(nli, wrong, method, target="entailment", contrast="neutral")
    one, other = (explained_by(nli, wrong, method, target=name) for name in ("entailment", "neutral"))
    for difference, own, against in zip(both, one, other, strict=True):
        assert difference.scores == pytest.approx(own.scores - against.scores, abs=1e-4)
        assert difference.output == pytest.approx(own.output - against.output, abs=1e-5)


@pytest.mark.parametrize("method", CONTRASTIVE)
def test_every_method_that_knows_labels_takes_a_contrast_whatever_the_batch(nli, wrong, method):
    found = explained_by(nli, wrong[:3], method, contrast="gold")
    assert [(e.target, e.contrast) for e in found] == [(e.prediction, e.gold) for e in found]
    alone = [explained_by(nli, wrong[row : row + 1], method, contrast="gold")[0] for row in range(3)]
    assert_same(alone, found)


def test_gold_against_predicted_is_the_mirror_image(nli, wrong):
    there = explain(nli, wrong, method="occlusion", contrast="gold", progress=False)
    back = explain(nli, wrong, method="occlusion", target="gold", contrast="predicted", progress=False)
    for one, other in zip(there, back, strict=True):
        assert (one.target, one.contrast) == (other.contrast, other.target)
        assert one.scores == pytest.approx(-other.scores, abs=1e-6)


# --- errors ------------------------------------------------------------------------------------------------------------------------------


def test_errors_are_explained_as_prediction_rather_than_gold(nli, wrong):
    assert_same(
        explain_errors(nli, wrong, method="input_x_gradient", progress=False),
        explain(nli, wrong, method="input_x_gradient", contrast="gold", progress=False),
        tolerance=0.0,
    )


def test_what_is_right_is_left_out_of_the_errors_with_a_notice(nli, wrong):
    labels = predict(nli, wrong, progress=False)["prediction"]
    mixed = wrong.assign(
        gold=[
            own if row in (1, 4) else gold
            for row, (own, gold) in enumerate(zip(labels, wrong["gold"], strict=True))
        ]
    )
    forget()
    with pytest.warns(XlmkitWarning, match="2 of 6 pairs"):
        found = explain_errors(nli, mixed, method="input_x_gradient", progress=False)
    assert [e.pair_id for e in found] == ["a", "c", "d", "f"]
    all_right = mixed.iloc[[1, 4]]
    with pytest.warns(XlmkitWarning, match="2 of 2"):
        assert explain_errors(nli, all_right, progress=False) == []


def test_a_frame_of_predictions_can_be_handed_on(nli, wrong):
    found = explain_errors(
        nli, predict(nli, wrong, progress=False), method="input_x_gradient", progress=False
    )
    assert len(found) == 6


def test_options_of_explain_reach_the_errors(nli, wrong):
    (found,) = explain_errors(nli, wrong[:1], method="saliency", contrast=None, max_length=12, progress=False)
    assert (found.contrast, found.method, found.truncated) == (None, "saliency", True)


def test_errors_need_gold_labels(nli, wrong):
    with pytest.raises(ValueError, match=r"explain_errors.* \('a': None, 'b': None, "):
        explain_errors(nli, wrong.drop(columns="gold"), progress=False)
    some = wrong.assign(gold=[None, *wrong["gold"][1:]])
    with pytest.raises(ValueError, match=r"1 \('a': None\)"):
        explain_errors(nli, some, progress=False)


def test_the_command_line_explains_errors_too(tiny_folder, wrong, tmp_path, capsys):
    model = ["--model", str(tiny_folder), "--device", "cpu", "--dtype", "float32"]
    right = wrong.assign(gold=lambda given: read_labels(tiny_folder, given))
    mixed = pd.concat([wrong[:2], right[2:3]])
    mixed.to_csv(tmp_path / "pairs.csv", index=False)
    out = tmp_path / "found.jsonl"
    options = ["--method", "input_x_gradient", "--errors", "--out", str(out)]
    assert cli.main(["explain", *model, str(tmp_path / "pairs.csv"), *options]) == 0
    assert [(e.pair_id, e.contrast) for e in read_results(out)] == [
        (i, g) for i, g in zip("ab", wrong["gold"], strict=False)
    ]
    right[:1].to_csv(tmp_path / "right.csv", index=False)
    assert cli.main(["explain", *model, str(tmp_path / "right.csv"), *options]) != 0
    assert "all predicted right" in capsys.readouterr().err


def read_labels(folder, given):
    return predict(load(folder, device="cpu", dtype="float32"), given, progress=False)["prediction"].to_list()


# --- what is refused ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contrast": "maybe"}, "`contrast`.*'maybe'"),
        ({"contrast": 1}, "got 1"),
        ({"target": 1}, "`target`.* 1"),
        ({"target": None}, "`target`.* None"),
        ({"target": "neutral", "contrast": "neutral"}, "`contrast`.*`target`.*'neutral'"),
        ({"contrast": "predicted"}, "'predicted' for both"),
        (
            {"method": "attention_rollout", "contrast": "gold"},
            "attention_rollout.*contrast='gold'",
        ),
    ],
)
def test_contrasts_that_make_no_sense_are_refused_by_name(nli, wrong, options, message):
    with pytest.raises(ValueError, match=message):
        explain(nli, wrong, progress=False, **options)


def test_a_row_whose_contrast_is_its_target_is_refused_by_its_id(nli, wrong):
    right = wrong.assign(gold=predict(nli, wrong, progress=False)["prediction"].to_list())
    mixed = pd.concat([wrong[:2], right[2:4]])
    with pytest.raises(ValueError, match=r"2 \('c': \w+, 'd': \w+\).*explain_errors"):
        explain(nli, mixed, contrast="gold", progress=False)
    with pytest.raises(ValueError, match="target='gold'"):
        explain(nli, wrong, target="gold", contrast=wrong["gold"][0], progress=False)


def test_a_missing_gold_label_is_named_where_it_is_the_contrast(nli, wrong):
    with pytest.raises(ValueError, match="contrast='gold'"):
        explain(nli, wrong.drop(columns="gold"), contrast="gold", progress=False)


def test_predictions_in_another_precision_do_not_change_the_contrast(nli, wrong):
    coarse = dataclasses.replace(nli, dtype=torch.bfloat16)
    assert_same(
        explain(coarse, wrong, method="input_x_gradient", contrast="gold", progress=False),
        explain(nli, wrong, method="input_x_gradient", contrast="gold", progress=False),
        tolerance=0.0,
    )


# --- shown, saved, tabulated -------------------------------------------------------------------------------------------------------------


def test_a_card_names_both_labels(nli, wrong):
    (found,) = explain_errors(nli, wrong[:1], method="occlusion", progress=False)
    html = card(found)
    assert f"<b>{found.target}</b> rather than <b>{found.contrast}</b>, by occlusion" in html
    assert f"<span>for {found.contrast}</span>" in html
    assert f"<span>for {found.target}</span>" in html


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_name_on_its_card(nli, wrong, method):
    (found,) = explained_by(nli, wrong[:1], method)
    html = card(found)
    assert f"by {method}<" not in html or method == "occlusion"
    assert ("samples; no gate" in html) == (method in ("kernel_shap", "lime"))
    assert ("against" in html.split("xk-legend")[-1]) == found.signed


def test_new_fields_come_back_from_a_file(nli, wrong, tmp_path):
    found = language_attribution(nli, wrong[:2], contrast="gold", baseline_language="sw", progress=False)
    save_results(found, tmp_path / "found.jsonl")
    back = read_results(tmp_path / "found.jsonl")
    assert list(back) == found
    assert [(e.contrast, e.language_share) for e in back] == [(e.contrast, e.language_share) for e in found]


def test_a_table_has_a_row_a_word_and_adds_up(nli, wrong):
    found = language_attribution(nli, wrong, baseline_language="sw", contrast="gold", progress=False)
    given = wrong.assign(english_premise=[f"P{row}" for row in range(6)])
    table = tabulate(found, pairs=given, columns=["english_premise"])
    assert len(table) == sum(len(e.words) + 2 for e in found)
    assert set(table["kind"]) == {"word", "special tokens", "language ids"}
    for number, explanation in enumerate(found):
        own = table[table["pair_id"] == explanation.pair_id]
        assert own["score"].sum() == pytest.approx(explanation.change + explanation.delta, abs=1e-9)
        assert own["share"].sum() == pytest.approx(1.0)
        words = own[own["kind"] == "word"]
        assert words["word_text"].to_list() == [word.text for word in explanation.words]
        assert words["score"].to_numpy() == pytest.approx(explanation.word_scores)
        texts = {"premise": explanation.premise, "hypothesis": explanation.hypothesis}
        assert all(0 <= row.start < row.end <= len(texts[row.sentence]) for row in words.itertuples())
        assert set(own["english_premise"]) == {f"P{number}"}
        assert set(zip(own["target"], own["contrast"], own["gold"], strict=True)) == {
            (explanation.target, explanation.contrast, explanation.gold)
        }
    assert "untrained" not in table
    random_head = explain(
        dataclasses.replace(nli, trained=False), wrong[:1], method="saliency", progress=False
    )
    assert tabulate([*found, *random_head])["untrained"].any()


def test_language_shares_add_up_to_the_change(nli, wrong):
    found = language_attribution(nli, wrong, baseline_language="sw", progress=False)
    table = language_shares(found)
    parts = table[["words", "special_tokens", "language_ids"]]
    assert parts.sum(axis=1).to_numpy() == pytest.approx((table["change"] + table["delta"]).to_numpy())
    assert table["share"].to_numpy() == pytest.approx(
        (parts["language_ids"].abs() / parts.abs().sum(axis=1)).to_numpy()
    )
    assert set(table["baseline_language"]) == {"sw"}


def test_half_of_a_surrogate_pair_stands_in_tables_by_its_number(nli, wrong, tmp_path):
    """No such text can be read or explained, but an explanation made by hand may hold it."""
    made = explain(nli, wrong[:1], method="random", progress=False)[0]
    words = (dataclasses.replace(made.words[0], text="a\ud800"), *made.words[1:])
    table = tabulate([dataclasses.replace(made, pair_id="\udfff", words=words)])
    assert table["word_text"][0] == "a\\ud800"
    assert set(table["pair_id"]) == {"\\udfff"}
    save_results(table, tmp_path / "table.csv")
    assert read_results(tmp_path / "table.csv")["word_text"][0] == "a\\ud800"


def test_empty_tables_have_their_columns(nli):
    assert list(tabulate([]).columns)[-1] == "share"
    assert len(language_shares([])) == 0


def test_tables_refuse_what_they_cannot_join(nli, wrong):
    found = explain(nli, wrong[:2], method="random", progress=False)
    for pairs, columns, message in [
        (wrong.assign(pair_id=["z", *wrong["pair_id"][1:]]), ["gold"], "no 'a'"),
        (wrong, ["english_premise"], "english_premise"),
        (wrong[1:], ["gold"], "no 'a'"),
        (pd.concat([wrong, wrong]), ["gold"], "twice"),
    ]:
        with pytest.raises(ValueError, match=message):
            tabulate(found, pairs=pairs, columns=columns)
    with pytest.raises(TypeError, match="NoneType"):
        tabulate(found, columns=["gold"])
    with pytest.raises(ValueError, match="language_attribution"):
        language_shares(found)
    assert np.isfinite(tabulate(found)["score"]).all()
