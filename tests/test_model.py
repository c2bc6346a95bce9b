"""Loading: what a checkpoint says is what comes out, and whatever does not fit is refused in one clear sentence."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import XLMForSequenceClassification, XLMWithLMHeadModel

from xlmkit import bundled, notices
from xlmkit.languages import LANGUAGES
from xlmkit.model import config as settings
from xlmkit.model import device as hardware
from xlmkit.model import load
from xlmkit.tokenization import BPETokenizer

HEAD = ("sequence_summary.summary.weight", "sequence_summary.summary.bias")
CPU = {"device": "cpu", "dtype": "float32"}


@pytest.fixture
def folder(tiny_folder, tmp_path) -> Path:
    """A copy of the tiny model that a test may spoil."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.fixture(autouse=True)
def fresh_notices() -> Iterator[None]:
    notices.forget()
    yield
    notices.forget()


def edit(path: Path, **changes) -> None:
    """Change keys of a JSON file; None deletes."""
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def weigh(folder: Path, change) -> None:
    """Rewrite the weights after `change` edited the table of tensors."""
    tensors = load_file(folder / "model.safetensors")
    tensors = {key: value.clone() for key, value in tensors.items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def to_bin(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def to_language_model(folder: Path) -> XLMWithLMHeadModel:
    """Make the folder what is published: the same body with a language model's head, generic labels, no xlmkit.json."""
    network = XLMForSequenceClassification.from_pretrained(folder)
    language_model = XLMWithLMHeadModel(network.config)
    language_model.transformer.load_state_dict(network.transformer.state_dict())
    language_model.eval().save_pretrained(folder)
    edit(folder / "config.json", id2label=None, label2id=None)
    (folder / "xlmkit.json").unlink()
    return language_model


def some_input(network) -> dict[str, torch.Tensor]:
    ids = torch.randint(14, network.config.vocab_size, (4, 9), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = 1
    return {"input_ids": ids, "langs": ids % 15, "attention_mask": torch.ones_like(ids)}


def refusal(source, *, kind=ValueError, **options) -> str:
    """The message with which `load` refuses `source`: one line that says what to do."""
    with pytest.raises(kind) as caught:
        load(source, **(CPU | options))
    message = str(caught.value)
    assert "\n" not in message
    assert "must be " in message or re.search(r"[.] [A-Z].*[.]$", message)
    return message


# -- what loads


def test_a_saved_model_loads_to_the_same_network(nli, tiny_folder):
    loaded = load(tiny_folder, **CPU)
    expected, got = nli.network.state_dict(), loaded.network.state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key], expected[key]) for key in expected)
    given = some_input(nli.network)
    assert torch.equal(loaded.network(**given).logits, nli.network(**given).logits)
    assert not loaded.network.training
    assert not any(weight.requires_grad for weight in loaded.network.parameters())
    assert (loaded.labels, loaded.lang2id, loaded.pair_format) == (nli.labels, nli.lang2id, "xlm")
    assert (loaded.lowercase, loaded.trained, loaded.uses_language_ids, loaded.max_positions) == (
        True,
        True,
        True,
        512,
    )


def test_one_by_one_the_logits_are_those_of_the_authors_code(authors):
    for pair in authors.pairs:
        ids, langs = torch.tensor([pair["input_ids"]]), torch.tensor([pair["langs"]])
        logits = authors.nli.network(input_ids=ids, langs=langs, attention_mask=torch.ones_like(ids)).logits
        torch.testing.assert_close(logits[0], torch.tensor(pair["logits"]), atol=1e-5, rtol=0)


def test_batched_and_padded_the_logits_are_those_of_the_authors_code(authors):
    rows = [torch.tensor(pair["input_ids"]) for pair in authors.pairs]
    langs = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(pair["langs"]) for pair in authors.pairs], batch_first=True
    )
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=2)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    assert any(len(set(pair["langs"])) > 1 for pair in authors.pairs)
    assert not mask.all()
    logits = authors.nli.network(input_ids=ids, langs=langs, attention_mask=mask).logits
    torch.testing.assert_close(
        logits, torch.tensor([pair["logits"] for pair in authors.pairs]), atol=1e-5, rtol=0
    )


def test_loading_leaves_the_random_state_alone(folder):
    to_language_model(folder)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load(folder, **CPU, allow_untrained=True)
    assert torch.equal(torch.rand(2), expected)


def test_weights_on_disk_may_change_after_loading(folder):
    loaded = load(folder, **CPU)
    before = loaded.network.transformer.embeddings.weight.clone()
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.write(b"\xff" * (folder / "model.safetensors").stat().st_size)
    assert torch.equal(loaded.network.transformer.embeddings.weight, before)


def test_half_precision_on_disk_becomes_a_network_in_float32(folder):
    weigh(folder, lambda tensors: tensors.update({key: value.half() for key, value in tensors.items()}))
    assert {weight.dtype for weight in load(folder, **CPU).network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "order", [("contradiction", "neutral", "entailment"), ("entailment", "neutral", "contradiction")]
)
def test_labels_follow_the_names_in_facebooks_order_and_in_the_hubs(folder, order):
    edit(folder / "config.json", id2label=dict(enumerate(order)), label2id=None)
    edit(folder / "xlmkit.json", labels=None)
    loaded = load(folder, **CPU)
    assert loaded.labels == order
    assert loaded.network.config.id2label == dict(enumerate(order))


def test_other_spellings_of_the_labels_are_known(folder):
    edit(
        folder / "config.json",
        id2label={"0": "CONTRADICTION", "1": "Neutral", "2": "ENTAILMENT"},
        label2id=None,
    )
    assert load(folder, **CPU).labels == ("contradiction", "neutral", "entailment")


def test_xlmkit_json_names_the_labels_where_the_configuration_does_not(folder):
    edit(folder / "config.json", id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, label2id=None)
    edit(folder / "xlmkit.json", labels=["entailment", "contradiction", "neutral"])
    assert load(folder, **CPU).labels == ("entailment", "contradiction", "neutral")


def test_a_bin_loads_like_safetensors(folder, nli):
    to_bin(folder)
    assert torch.equal(
        load(folder, **CPU).network.sequence_summary.summary.weight,
        nli.network.sequence_summary.summary.weight,
    )


def test_the_position_buffer_of_old_files_is_tolerated(folder):
    weigh(folder, lambda tensors: tensors.update({"transformer.position_ids": torch.arange(512)[None]}))
    assert load(folder, **CPU).network.transformer.position_ids.tolist() == [list(range(512))]


def test_shards_load_like_one_file(folder, nli):
    nli.network.save_pretrained(folder, max_shard_size="200KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    expected, got = nli.network.state_dict(), load(folder, **CPU).network.state_dict()
    assert all(torch.equal(got[key], expected[key]) for key in expected)


def test_the_language_model_loads_for_fill_mask(folder):
    expected = to_language_model(folder)
    loaded = load(folder, **CPU, task="mlm")
    given = some_input(expected)
    torch.testing.assert_close(loaded.network(**given).logits, expected(**given).logits, atol=1e-6, rtol=0)
    assert (loaded.labels, loaded.task) == ((), "mlm")
    assert loaded.network.pred_layer.proj.weight is loaded.network.transformer.embeddings.weight


def test_an_output_matrix_of_its_own_is_kept(folder):
    to_language_model(folder)
    own = torch.randn(945, 64)
    weigh(folder, lambda tensors: tensors.update({"pred_layer.proj.weight": own}))
    assert torch.equal(load(folder, **CPU, task="mlm").network.pred_layer.proj.weight, own)


def test_a_folder_may_be_given_as_text_or_path_or_from_home(folder, monkeypatch):
    assert load(str(folder), **CPU).source == load(folder, **CPU).source == str(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load("~/model", **CPU).labels == load(folder, **CPU).labels


def test_without_a_source_the_embedded_model_is_loaded(tiny_folder, monkeypatch):
    monkeypatch.setattr(bundled, "path", lambda *parts: {("mini-xnli15",): tiny_folder}[parts])
    assert load(**CPU).source == "mini-xnli15"


def test_provenance_says_which_bytes_were_loaded_and_can_be_written_as_json(folder):
    provenance = load(folder, **CPU).provenance
    assert (
        provenance["weights_sha256"]
        == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    )
    assert provenance["xlmkit_json"] == json.loads((folder / "xlmkit.json").read_text())
    assert json.loads(json.dumps(provenance)) == provenance


def test_the_published_settings_of_xlm_15_are_read(shared):
    folder = shared / "data" / "xlm_xnli15_tokenizer"
    config = settings.read_config(folder, classifier=True)
    assert settings.read_languages(config, folder, "XLM-15") == {
        code: entry.id for code, entry in LANGUAGES.items()
    }
    assert settings.read_lowercase(folder, "XLM-15")
    assert len(BPETokenizer.read(folder)) == config.vocab_size == 95_000


# -- the head


def test_a_head_that_was_never_trained_is_refused_with_its_tensors_and_the_command(folder):
    to_language_model(folder)
    message = refusal(folder)
    assert all(name in message for name in HEAD)
    assert f"xlmkit finetune --model {folder} " in message
    assert "allow_untrained=True" in message


def test_an_untrained_head_is_allowed_on_request_marked_and_always_the_same(folder):
    to_language_model(folder)
    with pytest.warns(notices.XlmkitWarning, match="labels mean nothing"):
        first = load(folder, **CPU, allow_untrained=True)
    second = load(folder, **CPU, allow_untrained=True)
    assert not first.trained
    assert first.provenance["trained"] is False
    assert sorted(first.labels) == ["contradiction", "entailment", "neutral"]
    assert torch.equal(
        first.network.sequence_summary.summary.weight, second.network.sequence_summary.summary.weight
    )
    assert first.network(**some_input(first.network)).logits.shape == (4, 3)


def test_half_a_head_is_no_head(folder):
    weigh(folder, lambda tensors: tensors.pop(HEAD[1]))
    assert HEAD[1] in refusal(folder, allow_untrained=True)


def test_labels_without_names_are_not_guessed(folder):
    edit(folder / "config.json", id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, label2id=None)
    edit(folder / "xlmkit.json", labels=None)
    message = refusal(folder)
    assert "LABEL_0" in message
    assert "xlmkit.json" in message


def test_labels_that_contradict_each_other_are_refused(folder):
    edit(folder / "xlmkit.json", labels=["entailment", "neutral", "contradiction"])
    assert "contradict each other" in refusal(folder)


def test_a_head_of_another_size_than_the_labels_is_refused(folder):
    def shrink(tensors):
        tensors.update({name: tensors[name][:2].clone() for name in HEAD})

    weigh(folder, shrink)
    assert "expected 3 logits for contradiction, neutral, entailment, got 2" in refusal(folder)


def test_a_fine_tuned_checkpoint_is_no_language_model(folder):
    message = refusal(folder, task="mlm", allow_untrained=True)
    assert "is no language model" in message
    assert "pred_layer.proj.weight" in message


# -- tensors that do not fit


def drop_languages(tensors):
    tensors.pop("transformer.lang_embeddings.weight")


def add_stranger(tensors):
    tensors["transformer.extra.weight"] = torch.zeros(2)


def cut_embeddings(tensors):
    tensors["transformer.embeddings.weight"] = tensors["transformer.embeddings.weight"][:-1].clone()


def make_integers(tensors):
    tensors["transformer.embeddings.weight"] = tensors["transformer.embeddings.weight"].to(torch.int8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop_languages, "missing tensors 'transformer.lang_embeddings.weight'"),
        (add_stranger, "unexpected tensors 'transformer.extra.weight'"),
        (cut_embeddings, r"'transformer.embeddings.weight' (expected (945, 64), got (944, 64))"),
        (make_integers, "tensors of integers 'transformer.embeddings.weight' (torch.int8)"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(folder, change, said):
    weigh(folder, change)
    assert said in refusal(folder)


def test_language_embeddings_that_the_configuration_denies_are_refused(folder):
    edit(folder / "config.json", use_lang_emb=False)
    assert "unexpected tensors 'transformer.lang_embeddings.weight'" in refusal(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused_by_name(folder, value):
    weigh(folder, lambda tensors: tensors["transformer.ffns.1.lin2.bias"].__setitem__(5, value))
    assert "transformer.ffns.1.lin2.bias" in refusal(folder)


# -- files that are damaged


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    "damage", ["empty", "cut short", "cut to a few bytes", "empty pickle", "text", "lfs pointer"]
)
def test_damaged_weights_are_refused_with_the_file_named(folder, name, damage):
    if name == "pytorch_model.bin":
        to_bin(folder)
    whole = (folder / name).read_bytes()
    broken = {
        "empty": b"",
        "cut short": whole[: len(whole) // 2],
        "cut to a few bytes": whole[:5],
        "empty pickle": b"\x80\x02.",
        "text": b"<html><body>Not found</body></html>" * 9,
        "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    }
    (folder / name).write_bytes(broken[damage])
    message = refusal(folder)
    assert str(folder / name) in message
    assert (damage == "lfs pointer") == ("git lfs pull" in message)
    assert (damage == "empty") == ("got 0 bytes" in message)


class Attack:
    """Unpickled without restriction, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(folder, tmp_path, zipped):
    to_bin(folder)
    target = tmp_path / "pwned"
    if zipped:
        torch.save({"transformer.embeddings.weight": Attack(target)}, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Attack(target)))
    assert "would have to run code" in refusal(folder)
    assert not target.exists()


def test_a_bin_without_a_table_of_tensors_is_refused(folder):
    to_bin(folder)
    torch.save({"model": {"a": torch.zeros(1)}, "params": {}}, folder / "pytorch_model.bin")
    assert "no tensors by name" in refusal(folder)


def test_shards_that_are_missing_or_lie_elsewhere_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "elsewhere.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    assert "model-00001-of-00002.safetensors" in refusal(folder, kind=FileNotFoundError)
    index.write_text(json.dumps({"weight_map": {"a": "../model/elsewhere.safetensors"}}))
    assert "../model/elsewhere.safetensors" in refusal(folder, kind=FileNotFoundError)
    index.write_text("[]")
    assert str(index) in refusal(folder)


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    assert "model.safetensors" in refusal(folder, kind=FileNotFoundError)


def test_a_folder_that_is_no_checkpoint_is_refused_with_what_it_lacks(tmp_path):
    assert "got nothing" in refusal(tmp_path, kind=FileNotFoundError)
    (tmp_path / "notes.txt").write_text("hello")
    message = refusal(tmp_path, kind=FileNotFoundError)
    assert "notes.txt" in message
    assert "Add config.json, vocab.json, merges.txt" in message


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_vocabulary_is_refused_by_name(folder, name):
    (folder / name).unlink()
    assert f"Add {name} from" in refusal(folder, kind=FileNotFoundError)


def test_a_vocabulary_of_another_size_is_refused(folder):
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    vocabulary["one-more</w>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    assert "expected 945 tokens (`vocab_size` in config.json), got 946" in refusal(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": "b"}', '{"a": 0}', "\udcff"])
def test_a_damaged_vocabulary_is_refused(folder, content):
    (folder / "vocab.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert "vocab.json" in refusal(folder)


def test_damaged_merges_are_refused(folder):
    (folder / "merges.txt").write_text("a b\nonly-one\n")
    assert "line 2" in refusal(folder)


# -- what the small files say


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "must contain a JSON object"),
        ('{"model_type": "xlm-roberta"}', "expected `model_type` 'xlm', got 'xlm-roberta'"),
        ("{}", "expected `model_type` 'xlm', got None"),
        ('{"model_type": "xlm", "emb_dim": "wide"}', "emb_dim"),
        ('{"model_type": "xlm", "id2label": ["a"]}', "cannot be read"),
        (
            '{"model_type": "xlm", "n_layers": -1, "pad_token_id": 0}',
            "`pad_token_id` 2 (got 0), `n_layers` of at least 1 (got -1)",
        ),
        (
            '{"model_type": "xlm", "emb_dim": 10, "n_heads": 4}',
            "`emb_dim` a multiple of `n_heads` (got 10 and 4)",
        ),
        ('{"model_type": "xlm", "summary_type": "mean"}', "`summary_type` 'first' (got 'mean')"),
    ],
)
def test_a_configuration_that_is_foreign_or_malformed_is_refused(folder, content, said):
    (folder / "config.json").write_text(content)
    assert said in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "`format` must be 1, got 2"),
        ({"pair_format": "bert"}, "`pair_format` must be one of 'xlm', 'huggingface', got 'bert'"),
        ({"pair_format": None}, "got None"),
        (
            {"labels": ["yes", "no", "maybe"]},
            "`labels` must be a list of 'entailment', 'neutral', 'contradiction'",
        ),
        ({"labels": [0, 1, 2]}, "`labels` must be"),
        ({"preprocessing": 1}, "`preprocessing` must be a string"),
    ],
)
def test_a_malformed_xlmkit_json_is_refused(folder, changes, said):
    edit(folder / "xlmkit.json", **changes)
    assert said in refusal(folder)


def test_without_xlmkit_json_the_authors_pair_format_is_taken_and_said_once(folder):
    (folder / "xlmkit.json").unlink()
    with pytest.warns(notices.XlmkitWarning, match="authors' format"):
        loaded = load(folder, **CPU)
    assert loaded.pair_format == "xlm"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(folder, **CPU)


def test_xlmkit_json_records_the_hugging_face_pair_format(folder):
    edit(folder / "xlmkit.json", pair_format="huggingface")
    assert load(folder, **CPU).pair_format == "huggingface"


def test_another_version_of_the_preprocessing_is_said(folder):
    edit(folder / "xlmkit.json", preprocessing="0")
    with pytest.warns(notices.XlmkitWarning, match="preprocessing version '0'"):
        load(folder, **CPU)


@pytest.mark.parametrize(
    ("recorded", "expected"), [(True, True), (False, False), ("true", True), ("false", False)]
)
def test_the_checkpoint_decides_whether_texts_are_lower_cased(folder, recorded, expected):
    edit(folder / "tokenizer_config.json", do_lowercase_and_remove_accent=recorded)
    assert load(folder, **CPU).lowercase is expected


def test_where_lower_casing_is_not_recorded_the_default_is_said(folder):
    (folder / "tokenizer_config.json").unlink()
    with pytest.warns(notices.XlmkitWarning, match="lower-cased"):
        assert load(folder, **CPU).lowercase


def test_lower_casing_must_be_true_or_false(folder):
    edit(folder / "tokenizer_config.json", do_lowercase_and_remove_accent=1.5)
    assert "got 1.5" in refusal(folder)


def test_language_ids_may_stand_with_the_tokeniser(folder, nli):
    edit(folder / "config.json", lang2id=None)
    edit(folder / "tokenizer_config.json", lang2id=nli.lang2id)
    assert load(folder, **CPU).lang2id == nli.lang2id


@pytest.mark.parametrize(
    "table", [None, {"en": 0, "fr": 0}, {"en": 15}, {"en": "0"}, {"en": -1}, ["en", "fr"]]
)
def test_language_ids_that_are_missing_or_impossible_are_refused(folder, table):
    edit(folder / "config.json", lang2id=table)
    assert "`lang2id`" in refusal(folder)


def test_a_checkpoint_without_language_embeddings_is_accepted_and_said(folder):
    edit(folder / "config.json", use_lang_emb=False)
    weigh(folder, drop_languages)
    with pytest.warns(notices.XlmkitWarning, match="no language embeddings"):
        loaded = load(folder, **CPU)
    assert not loaded.uses_language_ids


# -- where it comes from


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("./no-such-folder", FileNotFoundError),
        ("~/no-such-folder-of-xlmkit", FileNotFoundError),
        ("/no/such/folder", FileNotFoundError),
        (Path("no-such-folder"), FileNotFoundError),
        (__file__, NotADirectoryError),
        ("", ValueError),
        ("two words", ValueError),
        (15, TypeError),
    ],
)
def test_a_source_that_is_nothing_is_refused_by_name(source, kind):
    assert repr(str(source) if isinstance(source, Path) else source) in refusal(source, kind=kind)


@pytest.mark.parametrize(
    "options",
    [{"task": "qa"}, {"device": "gpu"}, {"device": "cuda:99"}, {"dtype": "int8"}, {"dtype": torch.int8}],
)
def test_an_unknown_option_is_refused_by_name(tiny_folder, options):
    name, value = next(iter(options.items()))
    message = refusal(tiny_folder, **options)
    assert f"`{name}`" in message
    assert repr(value) in message


class Hub(BaseHTTPRequestHandler):
    """The few answers of the Hub that a download needs; `server.models` maps a name to a folder."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0].strip("/")
        name = "/".join(path.removeprefix("api/models/").split("/")[:2])
        folder = self.server.models.get(name)
        if name in self.server.gated:
            return self.answer(403, b"", {"X-Error-Code": "GatedRepo"})
        if folder is None:
            return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        files = sorted(file for file in folder.iterdir() if file.is_file())
        if path.startswith("api/models/") and "/tree/" in path:
            entries = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": file.name}
                for file in files
            ]
            return self.answer(200, json.dumps(entries).encode())
        if path.startswith("api/models/"):
            siblings = [{"rfilename": file.name} for file in files]
            return self.answer(200, json.dumps({"id": name, "sha": "a" * 40, "siblings": siblings}).encode())
        self.server.fetched.add(path.rsplit("/", 1)[-1])
        content = (folder / path.rsplit("/", 1)[-1]).read_bytes()
        tag = hashlib.sha256(content).hexdigest()
        return self.answer(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": "a" * 40})

    def answer(self, status, content, headers=()):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    """A Hub on this machine with the tiny model under two names, and an empty cache."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.models = {"someone/tiny": folder, "FacebookAI/xlm-mlm-100-1280": folder}
    server.gated, server.fetched = {"someone/gated"}, set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    here = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "ENDPOINT": here,
        "HUGGINGFACE_CO_URL_TEMPLATE": here + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    huggingface_hub.close_session()
    yield server
    server.shutdown()
    server.server_close()
    huggingface_hub.close_session()


def test_a_hub_name_is_downloaded_once_and_then_found_without_network(hub, nli, monkeypatch):
    (hub.models["someone/tiny"] / "tf_model.h5").write_bytes(b"not needed")
    (hub.models["someone/tiny"] / "pytorch_model.bin").write_bytes(b"not needed")
    loaded = load("someone/tiny", **CPU)
    assert torch.equal(
        loaded.network.sequence_summary.summary.weight, nli.network.sequence_summary.summary.weight
    )
    assert (loaded.source, loaded.provenance["revision"]) == ("someone/tiny", "a" * 40)
    assert not hub.fetched & {"tf_model.h5", "pytorch_model.bin"}
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert load("someone/tiny", **CPU).labels == loaded.labels


def test_where_the_hub_has_no_safetensors_the_bin_is_fetched(hub):
    to_bin(hub.models["someone/tiny"])
    assert load("someone/tiny", **CPU).provenance["weights"] == ["pytorch_model.bin"]


def test_the_short_names_of_the_first_checkpoints_are_known(hub):
    assert load("xlm-mlm-100-1280", **CPU).source == "xlm-mlm-100-1280"


def test_a_wrong_hub_name_is_told_from_a_missing_network(hub, monkeypatch):
    assert "the Hub has no model 'someone/else'" in refusal("someone/else", kind=FileNotFoundError)
    assert "licence" in refusal("someone/gated", kind=PermissionError)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "unreachable" in refusal("someone/tiny", kind=ConnectionError)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.close_session()
    assert "Unset HF_HUB_OFFLINE" in refusal("someone/tiny", kind=ConnectionError)


# -- where and how exactly it is computed


def machine(monkeypatch, *, cuda=(), mps=False, cpu=()) -> None:
    """Pretend this hardware: compute capabilities of the CUDA devices, features of the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cuda))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: cuda[device.index or 0])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(cpu, True))


@pytest.mark.parametrize(
    ("hardware_here", "device", "dtype"),
    [
        ({"cuda": [(9, 0)], "mps": True}, "cuda", torch.bfloat16),
        ({"cuda": [(7, 5)]}, "cuda", torch.float32),
        ({"mps": True, "cpu": ["avx512_bf16"]}, "mps", torch.float32),
        ({"cpu": ["avx2", "avx512_bf16"]}, "cpu", torch.bfloat16),
        ({"cpu": ["amx_bf16"]}, "cpu", torch.bfloat16),
        ({"cpu": ["avx2", "avx512_f"]}, "cpu", torch.float32),
    ],
)
def test_auto_takes_the_best_device_and_bfloat16_only_where_it_is_native(
    monkeypatch, hardware_here, device, dtype
):
    machine(monkeypatch, **hardware_here)
    with pytest.warns(
        notices.XlmkitWarning, match=f"computed on {device} in {str(dtype).removeprefix('torch.')}"
    ):
        assert hardware.choose("auto", "auto") == (torch.device(device), dtype)


def test_without_mkldnn_the_processor_does_not_take_bfloat16(monkeypatch):
    machine(monkeypatch, cpu=["avx512_bf16"])
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert hardware.choose_dtype("auto", torch.device("cpu"))[0] == torch.float32


def test_the_choice_is_said_once_and_not_where_the_user_made_it(monkeypatch, recwarn):
    machine(monkeypatch, cpu=["avx512_bf16"])
    hardware.choose("cpu", "float32")
    assert not recwarn
    for _ in range(3):
        hardware.choose("auto", "auto")
    assert len(recwarn) == 1


@pytest.mark.parametrize(
    ("dtype", "expected"), [("bfloat16", torch.bfloat16), (torch.float16, torch.float16)]
)
def test_predictions_in_lower_precision_leave_the_network_in_float32(folder, dtype, expected):
    loaded = load(folder, device="cpu", dtype=dtype)
    assert {weight.dtype for weight in loaded.prediction_network.parameters()} == {expected}
    assert {weight.dtype for weight in loaded.network.parameters()} == {torch.float32}
    assert loaded.prediction_network is loaded.prediction_network
    given = some_input(loaded.network)
    torch.testing.assert_close(
        loaded.prediction_network(**given).logits.float(), loaded.network(**given).logits, atol=0.2, rtol=0
    )


def test_predictions_in_float32_use_the_network_itself(nli):
    assert nli.prediction_network is nli.network
