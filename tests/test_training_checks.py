"""A wrong setting is met before hours are spent, and what goes wrong on the way is said with the setting to change."""

from __future__ import annotations

import dataclasses
import resource
import shutil
from collections import namedtuple

import pandas as pd
import pytest
import torch
from training_toys import pairs, settings, texts, unmetered

import xlmkit
from xlmkit import forward
from xlmkit.training import TrainingConfig, data, finetune, finetuning, run_folder


@pytest.fixture(autouse=True)
def quick():
    with unmetered():
        yield


@pytest.fixture
def refused(tiny_folder, tmp_path, monkeypatch):
    """A function that gives the message of a run that is refused; nothing may be trained before that."""

    def steps(*_, **__):
        raise AssertionError("training began")

    monkeypatch.setattr(forward, "training_logits", steps)

    def message(kind=ValueError, country="WLD", **options) -> str:
        with pytest.raises(kind) as caught:
            finetune(TrainingConfig(**settings(tiny_folder, tmp_path / "run", **options)), country=country)
        return str(caught.value)

    return message


BAD_SETTINGS = {
    "learning_rate": (0.0, -1e-5, float("nan"), "5e-6", None),
    "per_device_train_batch_size": (0, 2.0, True),
    "gradient_accumulation_steps": (0,),
    "num_train_epochs": (0, float("inf")),
    "lr_scheduler_type": ("cosine",),
    "warmup_steps": (-0.1,),
    "dropout": (1.0, -0.1),
    "weight_decay": (-1,),
    "label_smoothing_factor": (1.0,),
    "soft_targets": (1.1,),
    "max_grad_norm": (0.0,),
    "precision": ("fp16",),
    "gradient_checkpointing": ("yes",),
    "evaluate_every": (0,),
    "checkpoint_minutes": (-1,),
    "seed": (-1, 0.5),
    "save_dtype": ("int8",),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_value_that_makes_no_sense_is_refused_by_the_name_of_its_setting(name):
    for value in BAD_SETTINGS[name]:
        with pytest.raises(ValueError, match=f"`{name}` must be") as caught:
            TrainingConfig(model="m", train="t", dev="d", out="o", **{name: value})
        assert repr(value) in str(caught.value)


def test_every_setting_with_a_bound_is_checked():
    fields = {field.name for field in dataclasses.fields(TrainingConfig)}
    free = {"model", "train", "dev", "out", "languages", "progress", "max_length", "select_on"}
    assert fields - free == set(BAD_SETTINGS)


def without(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    return frame[frame["gold"] != label]


def test_a_label_that_train_or_dev_lacks_is_named(refused):
    for side, frame in (("train", pairs("en", 48)), ("dev", pairs("en", 12, skip=48))):
        said = refused(**{side: without(frame, "neutral")})
        assert f"{side} must have rows of every label" in said
        assert "none of 'neutral'" in said
    both = {"train": without(pairs("en", 48), "neutral"), "dev": without(pairs("en", 12, skip=48), "neutral")}
    assert "none of 'neutral'" in refused(**both)
    topics = texts("en", 12)
    assert "dev must have rows" in refused(train=topics, dev=topics[topics["gold"] != "topic of dog"])


def test_one_class_only_is_refused(refused):
    rows = texts("en", 16)
    one = rows[rows["gold"] == "topic of dog"]
    assert "at least two labels; got 'topic of dog'" in refused(train=one, dev=one)


def test_rows_without_labels_are_refused_or_left_out_and_counted(refused, tiny_folder, tmp_path):
    assert "got no gold label" in refused(train=pairs("en", 48).drop(columns="gold"))
    config = settings(tiny_folder, tmp_path / "run")
    frame = pairs("en", 48)
    frame.loc[[0, 1], "gold"] = "-"
    with pytest.warns(match="2 of 48 rows of train"):
        train, _, _ = data.read_rows(TrainingConfig(**config | {"train": frame}))
    assert len(train) == 46


def test_labels_by_number_or_misspelt_are_refused(refused):
    numbered = pairs("en", 48)
    numbered["gold"] = numbered["gold"].map({"entailment": 0, "neutral": 1, "contradiction": 2})
    assert "label 0" in refused(train=numbered)
    numbered["gold"] = numbered["gold"].astype(str)
    assert "got '0', '1', '2' in train" in refused(train=numbered)
    misspelt = pairs("en", 48)
    misspelt.loc[5, "gold"] = "entailmant"
    assert "'entailmant'" in refused(train=misspelt)


def test_a_language_outside_the_model_is_named_with_its_rows(refused, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    text = (folder / "config.json").read_text().replace('"fr": 6,', "")
    (folder / "config.json").write_text(text)
    said = refused(model=folder)
    assert "dev must have rows in the model's languages" in said
    assert "9 in 'fr'" in said
    assert "'xx'" in refused(languages=["xx"])
    assert "expected pairs in sw" in refused(
        train=[written(tmp_path, 1), written(tmp_path, 2)], languages=["en", "sw"]
    )


def written(folder, number):
    path = folder / f"{number}.jsonl"
    pairs("en", 12, skip=12 * number).to_json(path, orient="records", lines=True)
    return path


def test_pairs_that_train_and_dev_share_are_counted_and_the_first_named(refused):
    shared = pairs("en", 9)
    shared["premise"] = shared["premise"].str.upper() + "  "
    dev = pd.concat([pairs("en", 9, skip=48), shared], ignore_index=True)
    said = refused(dev=dev)
    assert "9 of the 18 rows of dev" in said
    assert "the first '10', which is '1' of train ('the dog sleeps and dog')" in said


def test_pairs_and_texts_do_not_go_together(refused):
    assert "premise and hypothesis in train, text in dev" in refused(dev=texts("en", 8))


def test_a_selection_that_dev_does_not_allow_is_refused(refused):
    said = refused(dev=pairs("fr", 9))
    assert "`select_on` must be one of 'all', 'fr'; got 'en'" in said


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "got no 'p_entailment', 'p_neutral', 'p_contradiction'"),
        ({"p_entailment": 0.5, "p_neutral": 0.5, "p_contradiction": 0.5}, "in 48 of 48 rows"),
        ({"p_entailment": 1.5, "p_neutral": -0.5, "p_contradiction": 0.0}, "in 48 of 48 rows"),
        ({"p_entailment": "a", "p_neutral": 1.0, "p_contradiction": 0.0}, "in 48 of 48 rows"),
    ],
)
def test_soft_targets_that_are_no_probabilities_are_refused(columns, message, refused):
    assert message in refused(train=pairs("en", 48).assign(**columns), soft_targets=0.5)


def test_a_refused_run_may_be_corrected_in_the_same_folder(refused, tmp_path):
    refused(train=pairs("en", 48), soft_targets=0.5)
    refused(select_on="sw")
    assert not (tmp_path / "run" / run_folder.RUN).exists()


def test_a_disk_that_is_too_full_is_refused_with_both_figures(refused, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 10**10, 1_000_000))
    said = refused(OSError)
    assert "MB free" in said
    assert "got 1 MB" in said


def test_a_place_that_is_no_folder_or_holds_other_things_is_refused(refused, tmp_path, tiny_folder):
    (tmp_path / "file").write_text("")
    assert "could not be written" in refused(OSError, out=tmp_path / "file" / "run")
    assert "contains other files" in refused(FileExistsError, out=tiny_folder)


def test_a_country_without_figures_is_refused(refused):
    assert "'Utopia'" in refused(country="Utopia")


def test_a_disk_that_fills_up_on_the_way_leaves_the_state_before(tiny_folder, tmp_path, monkeypatch):
    options = settings(tiny_folder, tmp_path / "run")
    save, saved = torch.save, []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(value, file):
        saved.append(file)
        if len(saved) > 2:  # the best weights and the state of the first evaluation
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))  # this process's own full disk
        save(value, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        try:
            with pytest.raises(OSError, match="File too large"):
                finetune(TrainingConfig(**options))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    states = sorted(path.name for path in (tmp_path / "run" / run_folder.STATES).iterdir())
    assert states == ["best-000000004.pt", run_folder.STATE]
    assert finetune(TrainingConfig(**options)).provenance["resumed"] == 1


@pytest.mark.parametrize("step", [0, 6])
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_weights(
    step, tiny_folder, tmp_path, monkeypatch
):
    usual, calls = forward.training_logits, iter(range(100))

    def spoilt(*given, **options):
        return usual(*given, **options) * (float("nan") if next(calls) == step else 1.0)

    monkeypatch.setattr(forward, "training_logits", spoilt)
    options = settings(tiny_folder, tmp_path / "run")
    with pytest.raises(ValueError, match="loss became nan") as caught:
        finetune(TrainingConfig(**options))
    said = str(caught.value)
    assert f"in step {step + 1} (after {8 * step} rows, at a learning rate of 0.001)" in said
    assert "Lower `learning_rate` (for example to 0.0002)" in said
    assert f"after step {0 if step == 0 else 4}, are kept" in said
    nli = xlmkit.load(tmp_path / "run" / "last-good", device="cpu", dtype="float32")
    assert "loss became nan" in nli.provenance["xlmkit_json"]["stopped"]
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_out_of_memory_names_the_settings_to_change(tiny_folder, tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(forward, "training_logits", full)
    with pytest.raises(MemoryError) as caught:
        finetune(TrainingConfig(**settings(tiny_folder, tmp_path / "run")))
    for named in (
        "a batch of 8 rows",
        "per_device_train_batch_size",
        "gradient_accumulation_steps=2",
        "gradient_checkpointing=True",
    ):
        assert named in str(caught.value)


@pytest.mark.parametrize(("rate", "warned"), [(2.5e-5, True), (5e-6, False)])
def test_the_rate_that_collapses_is_warned_about_on_a_full_size_checkpoint(rate, warned, nli, recwarn):
    config = TrainingConfig(model="m", train="t", dev="d", out="o", learning_rate=rate)
    finetuning.warn_about(nli, config)
    assert not recwarn.list
    nli.network.config.emb_dim, usual = 1024, nli.network.config.emb_dim
    finetuning.warn_about(nli, config)
    nli.network.config.emb_dim = usual
    assert [("33.3 %" in str(found.message)) for found in recwarn.list] == [True] * warned
