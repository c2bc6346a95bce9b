"""Fine-tuning: what a step computes, what is chosen, what the result holds."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from training_toys import in_process, pairs, settings, texts, unmetered
from transformers import XLMConfig, XLMForSequenceClassification

import xlmkit
from xlmkit import bundled, cli, forward, plots
from xlmkit.inference import encode_frame
from xlmkit.training import TrainingConfig, data, finetune, finetune_seeds, finetuning, loop, run_folder
from xlmkit.training.loop import learning_rate, steps_of_epoch

CPU = {"device": "cpu", "dtype": "float32"}
LEARNING_CURVE = finetuning.learning_curve  # which the other tests do without


@pytest.fixture(autouse=True)
def quick():
    with unmetered():
        yield


@pytest.fixture(scope="module")
def trained(tiny_folder, tmp_path_factory):
    """The usual run, and its configuration."""
    out = tmp_path_factory.mktemp("trained") / "run"
    config = TrainingConfig(**settings(tiny_folder, out))
    with unmetered():
        return finetune(config), config


@pytest.fixture
def batch(nli):
    frame = pd.concat([pairs("en", 4), pairs("fr", 3)], ignore_index=True)
    return encode_frame(nli, frame, max_length=64, spans=False)


# ---- one step


def gradients(network, batch, logits) -> dict[str, torch.Tensor]:
    network.requires_grad_(True)
    network.zero_grad()
    torch.nn.functional.cross_entropy(logits(network), torch.tensor([0, 1, 2, 0, 1, 2, 0])).backward()
    found = {name: weight.grad.clone() for name, weight in network.named_parameters()}
    network.requires_grad_(False).zero_grad()
    return found


def ours(batch, **options):
    return lambda network: forward.training_logits(
        network, batch.input_ids, batch.langs, batch.attention_mask, **options
    )


def plain(batch):
    return lambda network: (
        network(input_ids=batch.input_ids, langs=batch.langs, attention_mask=batch.attention_mask).logits
    )


@pytest.mark.parametrize("recompute", [False, True])
def test_without_dropout_the_gradients_are_those_of_transformers(nli, batch, recompute):
    found = gradients(nli.network, batch, ours(batch, dropout=0.0, recompute=recompute))
    expected = gradients(nli.network, batch, plain(batch))
    for name in expected:
        assert torch.allclose(found[name], expected[name], atol=1e-5), name


def test_dropout_falls_where_transformers_has_it(nli, batch, monkeypatch):
    """Each dropout is made to shrink what it is given, so that one too many, too few or elsewhere shows in the logits."""
    functional = torch.nn.functional

    def shrink(states, p=0.5, training=True, inplace=False):
        return states * (1 - p) if training and p else states

    def attend(q, k, v, attn_mask=None, dropout_p=0.0):
        scores = q @ k.transpose(-1, -2) / q.size(-1) ** 0.5
        return shrink(scores.masked_fill(~attn_mask, -1e30).softmax(-1), dropout_p) @ v

    monkeypatch.setattr(functional, "dropout", shrink)
    monkeypatch.setattr(functional, "scaled_dot_product_attention", attend)
    expected = plain(batch)(nli.network.train())
    nli.network.eval()
    p = nli.network.config.dropout
    assert p == nli.network.config.attention_dropout == nli.network.config.summary_first_dropout > 0
    with torch.no_grad():
        assert torch.allclose(ours(batch, dropout=p)(nli.network), expected, atol=1e-5)
        assert not torch.allclose(ours(batch, dropout=0.0)(nli.network), expected, atol=1e-2)


def test_a_batch_of_examples_is_what_encode_gives(nli):
    mixed = pairs("en", 9).rename(columns={"language": "premise_language"})
    mixed["hypothesis_language"] = ["fr", "en", "sw"] * 3
    config = TrainingConfig(model="m", train="t", dev="d", out="o", max_length=32, progress=False)
    for frame in (pairs("fr", 9), texts("en", 9), mixed):
        frame["pair_id"] = range(len(frame))
        labels = tuple(sorted(set(frame["gold"])))
        model = dataclasses.replace(nli, labels=labels)
        rows = np.array([5, 0, 7])
        found = data.encode_rows(model, frame, config, name="train").batch(rows)
        expected = encode_frame(model, frame.iloc[rows], max_length=32, spans=False)
        width = expected.input_ids.shape[1]
        assert torch.equal(found.input_ids[:, :width], expected.input_ids)
        assert torch.equal(found.langs[:, :width], expected.langs)
        assert torch.equal(found.attention_mask[:, :width], expected.attention_mask)
        assert not found.attention_mask[:, width:].any()


def test_targets_mix_the_label_its_smoothing_and_the_teacher(nli):
    frame = pairs("en", 2).assign(p_contradiction=[0.5, 0.0], p_neutral=[0.5, 0.0], p_entailment=[0.0, 1.0])
    usual = {"model": "m", "train": "t", "dev": "d", "out": "o", "progress": False}
    config = TrainingConfig(**usual, label_smoothing_factor=0.3, soft_targets=0.5)
    found = data.encode_rows(nli, frame, config, name="train").targets
    assert nli.labels == ("contradiction", "neutral", "entailment")
    assert frame["gold"].to_list() == ["entailment", "contradiction"]
    # Gold smoothed by 0.3 is 0.1, 0.1, 0.8; half of it and half of the teacher:
    assert np.allclose(found, [[0.3, 0.3, 0.4], [0.4, 0.05, 0.55]])
    assert np.allclose(data.encode_rows(nli, frame, config, name="dev").targets.sum(1), 1)


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0.0, [1, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", 0.0, [8 / 8, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        ("linear", 0.5, [1 / 5, 2 / 5, 3 / 5, 4 / 5, 4 / 4, 3 / 4, 2 / 4, 1 / 4]),
        ("constant", 0.25, [1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1]),
        ("linear", 4, [1 / 5, 2 / 5, 3 / 5, 4 / 5, 4 / 4, 3 / 4, 2 / 4, 1 / 4]),
    ],
)
def test_the_learning_rate_of_every_step(schedule, warmup, expected):
    config = TrainingConfig(
        model="m",
        train="t",
        dev="d",
        out="o",
        learning_rate=1.0,
        lr_scheduler_type=schedule,
        warmup_steps=warmup,
    )
    assert np.allclose([learning_rate(step, 8, config) for step in range(8)], expected)


# ---- the order


def test_an_epoch_shows_every_row_once_with_rows_of_like_length_together():
    lengths = np.random.default_rng(0).integers(5, 120, 1003)
    steps = steps_of_epoch(lengths, 8, seed=1, epoch=0)
    assert sorted(np.concatenate(steps)) == list(range(1003))
    assert sorted(map(len, steps)) == [3] + [8] * 125
    spread = np.mean([np.ptp(lengths[step]) for step in steps])
    assert spread < 5, "rows of one step differ in length about as little as they can"
    first = [lengths[step].mean() for step in steps]
    assert abs(np.corrcoef(first, range(len(first)))[0, 1]) < 0.25, "short rows come neither first nor last"


def test_the_order_follows_from_seed_and_epoch():
    lengths = np.arange(100) % 7

    def drawn(**options):
        return np.concatenate(steps_of_epoch(lengths, 8, **options)).tolist()

    assert drawn(seed=1, epoch=2) == drawn(seed=1, epoch=2)
    assert len({tuple(drawn(seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


# ---- whole runs


def test_training_learns_what_the_labels_show(tiny_folder, tmp_path):
    config = TrainingConfig(**settings(tiny_folder, tmp_path / "run", num_train_epochs=6.0))
    found = finetune(config)
    losses = found.history.loc[found.history["event"] == "step", "loss"]
    assert losses.iloc[-1] < 0.9 * math.log(3) < losses.iloc[0]
    before = xlmkit.predict(xlmkit.load(tiny_folder, **CPU), config.train, progress=False)
    after = xlmkit.predict(xlmkit.load(found.folder, **CPU), config.train, progress=False)
    assert after["correct"].mean() > before["correct"].mean() + 0.2


def test_the_result_gives_the_same_logits_through_plain_transformers(trained, batch):
    found, _ = trained
    nli = xlmkit.load(found.folder, **CPU)
    network = XLMForSequenceClassification.from_pretrained(found.folder)
    with torch.no_grad():
        expected = plain(batch)(network.eval())
    assert torch.allclose(forward.logits(nli, batch), expected, atol=1e-5)
    assert tuple(network.config.id2label.values()) == nli.labels


def test_the_result_tells_what_a_reader_of_its_figures_must_know(trained):
    found, _ = trained
    content = json.loads((found.folder / "xlmkit.json").read_text())
    assert content == found.provenance
    assert content["labels"] == ["contradiction", "neutral", "entailment"]
    assert (content["format"], content["pair_format"], content["preprocessing"]) == (1, "xlm", "1")
    assert content["selection"].startswith("accuracy on English dev only")
    assert "no zero-shot figure" in content["oracle"]
    assert content["seed"] == 0
    assert len(content["data"]["train"][0]["sha256"]) == 64
    assert content["settings"]["learning_rate"] == 1e-3
    assert content["rows"] == {"train": 48, "dev": 21, "truncated": 0}
    assert {"kwh", "kg_co2e", "seconds", "measured", "hardware", "country"} <= set(content["energy"])
    assert content["versions"]["torch"] == torch.__version__
    assert content["hardware"] == content["energy"]["hardware"]
    assert content["hours"] == content["energy"]["seconds"] / 3600


def test_the_accuracy_in_the_result_is_what_evaluate_finds(trained):
    found, config = trained
    nli = xlmkit.load(found.folder, **CPU)
    measured = xlmkit.evaluate(xlmkit.predict(nli, config.dev, progress=False))
    assert found.by_language["language"].to_list() == measured["language"].to_list() == ["en", "fr", "all"]
    for column in ("n", "accuracy"):
        assert np.allclose(found.by_language[column], measured[column])


def test_judged_by_its_own_answers_a_model_is_right_in_every_row_of_every_chunk(nli, monkeypatch):
    rows = pd.concat([pairs("en", 6), pairs("fr", 5)], ignore_index=True)
    rows["pair_id"], rows["gold"] = range(len(rows)), xlmkit.predict(nli, rows, progress=False)["prediction"]
    config = TrainingConfig(model="m", train="t", dev="d", out="o", progress=False)
    dev = data.encode_rows(nli, rows, config, name="dev")
    monkeypatch.setattr(loop, "EVALUATED", 4)  # chunks of 4, 4 and 3 rows
    counts = loop.count_correct(nli, dev, torch.float32, Accelerator(cpu=True))
    assert counts == {"en": (6, 6), "fr": (5, 5)}


def test_the_log_has_a_line_for_every_evaluation_and_for_the_last_step(trained):
    found, _ = trained
    steps = found.history[found.history["event"] == "step"]
    evaluations = found.history[found.history["event"] == "evaluation"]
    assert steps["step"].to_list() == [10, 12]
    assert evaluations["step"].to_list() == [4, 8, 12]
    assert evaluations["rows"].to_list() == [32, 64, 96]
    assert evaluations["accuracy"].equals(evaluations["accuracy_en"])
    chosen = found.provenance["selected_step"]
    assert chosen == evaluations.loc[evaluations["accuracy"].idxmax(), "step"]


def test_english_chooses_and_the_oracle_chooses_for_each_language():
    evaluations = [
        {"step": 1, "correct": {"en": [6, 10], "fr": [9, 10]}},
        {"step": 2, "correct": {"en": [8, 10], "fr": [3, 10]}},
        {"step": 3, "correct": {"en": [7, 10], "fr": [9, 10]}},
    ]
    progress = run_folder.Progress(evaluations=evaluations, best=1)
    found = loop.accuracy_table(progress, evaluations[1]["correct"]).set_index("language")
    assert found["accuracy"].to_list() == pytest.approx([0.8, 0.3, 0.55])
    assert found["oracle"].to_list() == pytest.approx([0.8, 0.9, 0.85])
    assert found["oracle_step"].to_list()[:2] == [2, 1]


def test_the_learning_curve_lies_in_the_folder(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(finetuning, "learning_curve", LEARNING_CURVE)
    found = finetune(TrainingConfig(**settings(tiny_folder, tmp_path / "run", num_train_epochs=1.0)))
    drawn = plots.svg(plots.learning_curve(found.history))
    assert (found.folder / "curve.svg").read_text("utf-8") == drawn
    assert "accuracy on dev" in re.sub("<!-- (.*?) -->", r"\1", drawn)


@pytest.mark.parametrize("select_on", ["en", "fr", "all"])
def test_the_weights_with_the_best_chosen_accuracy_stay(select_on, tiny_folder, tmp_path, monkeypatch):
    """The evaluations are made up: en is best first, fr second, all of them third."""
    made_up = iter(
        [{"en": (9, 12), "fr": (0, 9)}, {"en": (0, 12), "fr": (9, 9)}, {"en": (9, 12), "fr": (8, 9)}]
    )
    seen = []

    def judge(nli, *_, **__):
        seen.append({name: value.clone() for name, value in nli.network.state_dict().items()})
        return next(made_up)

    monkeypatch.setattr(loop, "count_correct", judge)
    found = finetune(TrainingConfig(**settings(tiny_folder, tmp_path / "run", select_on=select_on)))
    expected = {"en": 0, "fr": 1, "all": 2}[select_on]
    assert found.provenance["selected_step"] == 4 * (expected + 1)
    stored = XLMForSequenceClassification.from_pretrained(found.folder).state_dict()
    assert all(torch.equal(stored[name], value) for name, value in seen[expected].items())


def test_accumulation_changes_nothing_but_memory(tiny_folder, tmp_path):
    # 46 rows, so that one step of a pass is smaller than the others and its batches are uneven
    options = {"train": pairs("en", 46), "dropout": 0.0, "learning_rate": 1e-4, "num_train_epochs": 1.0}
    whole = finetune(
        TrainingConfig(**settings(tiny_folder, tmp_path / "whole", **options, per_device_train_batch_size=9))
    )
    parts = settings(
        tiny_folder,
        tmp_path / "parts",
        **options,
        per_device_train_batch_size=3,
        gradient_accumulation_steps=3,
    )
    found = difference(whole, finetune(TrainingConfig(**parts)))
    assert found < 1e-5


def test_recomputing_activations_changes_nothing_at_all(trained, tiny_folder, tmp_path):
    again = settings(tiny_folder, tmp_path / "run", gradient_checkpointing=True)
    assert difference(trained[0], finetune(TrainingConfig(**again))) == 0.0


def test_two_processes_equal_one_with_the_doubled_batch(tiny_folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = {
        "dropout": 0.0,
        "per_device_train_batch_size": 4,
        "train": pairs("en", 45),
        "learning_rate": 1e-4,
        "num_train_epochs": 1.0,
    }
    both = settings(tiny_folder, tmp_path / "both", **options)
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    ranks = [in_process(both, environment=common | {"RANK": rank, "LOCAL_RANK": rank}) for rank in "01"]
    for process in ranks:
        process.join()
    assert [process.exitcode for process in ranks] == [0, 0]
    one = finetune(
        TrainingConfig(
            **settings(tiny_folder, tmp_path / "one", **options | {"per_device_train_batch_size": 8})
        )
    )
    two = finetune_again(both)
    found = difference(one, two)
    assert found < 1e-5  # the weights went up to 1e-3
    assert np.allclose(one.history["loss"].dropna(), two.history["loss"].dropna(), atol=1e-4)
    assert one.by_language.equals(two.by_language)


def finetune_again(options):
    return run_folder.read_result(Path(options["out"]))


def difference(one, other) -> float:
    """The largest between the weights of two results."""
    first, second = (XLMForSequenceClassification.from_pretrained(found.folder) for found in (one, other))
    pairs_of = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs_of)


def test_bf16_on_a_processor_keeps_float32_weights_and_learns_the_same(trained, tiny_folder, tmp_path):
    found = finetune(TrainingConfig(**settings(tiny_folder, tmp_path / "run", precision="bf16")))
    stored = XLMForSequenceClassification.from_pretrained(found.folder)
    assert {weight.dtype for weight in stored.parameters()} == {torch.float32}
    losses = [run.history["loss"].dropna().to_numpy() for run in (found, trained[0])]
    assert not np.array_equal(*losses)
    assert np.allclose(*losses, atol=0.05)


def test_weights_are_stored_as_asked_and_judged_as_stored(tiny_folder, tmp_path):
    found = finetune(
        TrainingConfig(**settings(tiny_folder, tmp_path / "run", num_train_epochs=0.5, save_dtype="bfloat16"))
    )
    stored = XLMForSequenceClassification.from_pretrained(found.folder, dtype="auto")
    assert {weight.dtype for weight in stored.parameters()} == {torch.bfloat16}
    nli = xlmkit.load(found.folder, **CPU)
    dev = settings(tiny_folder, tmp_path)["dev"]
    measured = xlmkit.evaluate(xlmkit.predict(nli, dev, progress=False))
    assert np.allclose(found.by_language["accuracy"], measured["accuracy"])


def test_a_language_model_gets_a_new_head_by_its_seed(tiny_folder, tmp_path):
    options = settings(tiny_folder, tmp_path / "0", num_train_epochs=0.2)
    with pytest.warns(match="gets a new head for the labels 'topic of book', 'topic of cat'"):
        first = finetune(TrainingConfig(**options | topics(tmp_path / "0")))
    second = finetune(TrainingConfig(**options | topics(tmp_path / "1") | {"seed": 1}))
    assert difference(first, second) > 0.01


def topics(out) -> dict[str, object]:
    dev = pd.concat([texts("en", 16), texts("fr", 16)], ignore_index=True)
    train = texts("en", 48, skip=16)
    return {"out": out, "train": train, "dev": dev}


def test_single_texts_with_labels_of_their_own_are_classified(tiny_folder, tmp_path):
    options = (
        settings(tiny_folder, tmp_path)
        | topics(tmp_path / "run")
        | {"num_train_epochs": 6.0, "learning_rate": 3e-3}
    )
    found = finetune(TrainingConfig(**options))
    nli = xlmkit.load(found.folder, **CPU)
    assert (nli.task, nli.sentences) == ("classification", 1)
    assert set(nli.labels) == {"topic of dog", "topic of cat", "topic of man", "topic of book"}
    measured = xlmkit.evaluate(xlmkit.predict(nli, options["dev"], progress=False))
    assert np.allclose(found.by_language["accuracy"], measured["accuracy"])
    assert measured.set_index("language")["accuracy"]["en"] > 0.5
    network = XLMForSequenceClassification.from_pretrained(found.folder).eval()
    encoding = encode_frame(nli, options["dev"], max_length=64, spans=False)
    with torch.no_grad():
        assert torch.allclose(forward.logits(nli, encoding), plain(encoding)(network), atol=1e-5)


def test_topics_of_sib200_are_learnt_from_a_body_without_a_head(shared, tmp_path):
    """A body of one layer with random weights and the pieces of the embedded model; one in four texts has the commonest topic."""
    table = pd.read_csv(shared / "data/parallel/sib200/sib200.15way.tsv", sep="\t", quoting=csv.QUOTE_NONE)

    def rows(split):
        chosen = table[table["split"] == split]
        columns = {
            code: {"text": chosen[code], "language": code, "gold": chosen["category"]}
            for code in ("en", "fr")
        }
        return pd.concat([pd.DataFrame(values) for values in columns.values()], ignore_index=True)

    model = small_body(tmp_path / "body")
    options = {
        "train": rows("train"),
        "dev": rows("dev"),
        "learning_rate": 3e-3,
        "per_device_train_batch_size": 32,
        "num_train_epochs": 3.0,
    }
    config = TrainingConfig(model=model, out=tmp_path / "run", max_length=64, progress=False, **options)
    found = finetune(config)
    accuracy = found.by_language.set_index("language")["accuracy"]
    assert min(accuracy["en"], accuracy["fr"]) > 0.4 > rows("dev")["gold"].value_counts(normalize=True).max()
    said = xlmkit.predict(xlmkit.load(found.folder, **CPU), rows("test"), progress=False)
    assert set(said["prediction"]) <= set(table["category"])
    assert said["correct"].mean() > 0.4


def small_body(folder):
    source = bundled.path("mini-xnli15")
    folder.mkdir()
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(source / name, folder / name)
    shape = json.loads((source / "config.json").read_text()) | {"emb_dim": 64, "n_layers": 1, "n_heads": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = XLMForSequenceClassification(XLMConfig.from_dict(shape))
    network.config.save_pretrained(folder)
    save_file(network.transformer.state_dict(prefix="transformer."), folder / "model.safetensors")
    return folder


def test_premise_and_hypothesis_may_differ_in_language(tiny_folder, tmp_path):
    mixed = pairs("en", 48).rename(columns={"language": "premise_language"}).assign(hypothesis_language="fr")
    options = settings(tiny_folder, tmp_path / "run", train=mixed, num_train_epochs=0.5)
    options["dev"] = pd.concat(
        [
            pairs("en", 9, skip=48)
            .rename(columns={"language": "premise_language"})
            .assign(hypothesis_language=code)
            for code in ("en", "fr")
        ],
        ignore_index=True,
    )
    found = finetune(TrainingConfig(**options))
    assert found.by_language["language"].to_list() == ["en", "en>fr", "all"]


def test_several_seeds_give_mean_and_deviation_by_language(tiny_folder, tmp_path):
    config = TrainingConfig(**settings(tiny_folder, tmp_path, num_train_epochs=0.5))
    found = finetune_seeds(config, [0, 1, 2]).set_index("language")
    runs = [
        json.loads((tmp_path / f"seed-{seed}" / "xlmkit.json").read_text())["accuracy_by_language"]
        for seed in range(3)
    ]
    for number, language in enumerate(("en", "fr", "all")):
        values = [run[number]["accuracy"] for run in runs]
        assert found.loc[language, "mean"] == pytest.approx(sum(values) / 3)
        deviation = math.sqrt(sum((value - sum(values) / 3) ** 2 for value in values) / 2)
        assert found.loc[language, "sd"] == pytest.approx(deviation)
    assert found["seeds"].to_list() == [3, 3, 3]


# ---- the command


def test_the_command_trains_from_files_and_prints_accuracy_by_language(tiny_folder, tmp_path, capsys):
    pairs("en", 24).drop(columns="language").to_csv(tmp_path / "train.tsv", sep="\t", index=False)
    pairs("en", 9, skip=48).to_json(tmp_path / "dev.jsonl", orient="records", lines=True)
    command = ["finetune", "--model", str(tiny_folder), "--train", str(tmp_path / "train.tsv")]
    command += ["--languages", "en", "--dev", str(tmp_path / "dev.jsonl"), "--out", str(tmp_path / "run")]
    assert (
        cli.main(
            [
                *command,
                "--num-train-epochs",
                "0.5",
                "--learning-rate",
                "1e-4",
                "--per-device-train-batch-size",
                "4",
            ]
        )
        == 0
    )
    said = capsys.readouterr()
    assert said.out.split()[:5] == ["language", "n", "accuracy", "low", "high"]
    assert xlmkit.load(tmp_path / "run", **CPU).trained
    assert cli.main([*command, "--num-train-epochs", "1"]) == 2
    assert "num_train_epochs" in capsys.readouterr().err


def test_every_setting_can_be_given_on_the_command_line():
    arguments = ["--model", "m", "--train", "t", "--dev", "d", "--out", "o"]
    for field in dataclasses.fields(TrainingConfig):
        if field.name in ("model", "train", "dev", "out", "progress"):
            continue
        flag = f"--{field.name.replace('_', '-')}"
        value = [] if isinstance(field.default, bool) else [str(field.default or 1)]
        chosen = cli.parser().parse_args(["finetune", *arguments, flag, *value])
        assert getattr(chosen, field.name) in (field.default, 1, True, ["1"]), field.name


def test_the_loop_draws_no_random_numbers_of_the_caller(tiny_folder, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    finetune(TrainingConfig(**settings(tiny_folder, tmp_path / "run", num_train_epochs=0.2)))
    assert torch.equal(torch.rand(3), expected)
    assert run_folder.STATES not in {path.name for path in (tmp_path / "run").iterdir()}
