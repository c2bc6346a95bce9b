"""Conversion: the authors' own files become folders that compute the same numbers; nothing in a file is run, and what does not fit is refused.

The files are made here in the form that `save_checkpoint` of xlm/trainer.py gives them; the reference computation is that of `TransformerModel.fwd`
in xlm/model/transformer.py, written out; the logits of the head are golden ones that the authors' own code gave (golden_logits/SOURCE.md)."""

from __future__ import annotations

import argparse
import builtins
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SPECIALS, tables
from safetensors.torch import load_file
from test_forward import batch
from torch.nn import functional as F

from xlmkit import cli, forward, notices
from xlmkit.languages import LANGUAGES
from xlmkit.model import load
from xlmkit.model.convert import CODES, convert, vocabulary_names
from xlmkit.tokenization import BPETokenizer

CPU = {"device": "cpu", "dtype": "float32"}
GOLDEN = Path(__file__).parent / "golden_logits"
LANGS = {code: language.id for code, language in LANGUAGES.items()}
WIDTH, LAYERS, HEADS, POSITIONS = 16, 2, 4, 512


def words_of(vocabulary: dict[str, int]) -> dict[str, int]:
    """A dictionary in the authors' spelling: "x@@" inside a word, "x" at its end."""
    return {
        name
        if number < len(SPECIALS)
        else name.removesuffix("</w>")
        if name.endswith("</w>")
        else f"{name}@@": number
        for name, number in vocabulary.items()
    }


def parameters(**changes) -> dict:
    """`params` as their trainer saved it: the network's settings, and a good deal of training's."""
    return {
        "emb_dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "n_langs": len(LANGS),
        "lang2id": LANGS,
        "id2lang": {number: code for code, number in LANGS.items()},
        "gelu_activation": True,
        "sinusoidal_embeddings": False,
        "share_inout_emb": True,
        "use_lang_emb": True,
        "asm": False,
        "encoder_only": True,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "pred_probs": torch.tensor([0.8, 0.1, 0.1]),
        "mask_scores": np.arange(5.0),
        "mlm_steps": [("en", None), ("en", "fr")],
        "word_pred": np.float64(0.15),
        **changes,
    }


def table(words: int) -> dict[str, torch.Tensor]:
    """Random weights under the names of the authors' TransformerModel with an output layer."""
    chance = torch.Generator().manual_seed(5)

    def draw(*shape, scale=0.3):
        return torch.randn(*shape, generator=chance) * scale

    found = {
        "position_embeddings.weight": draw(POSITIONS, WIDTH),
        "lang_embeddings.weight": draw(len(LANGS), WIDTH),
        "embeddings.weight": draw(words, WIDTH, scale=1),
        "layer_norm_emb.weight": 1 + draw(WIDTH),
        "layer_norm_emb.bias": draw(WIDTH),
    }
    for layer in range(LAYERS):
        linear = {f"attentions.{layer}.{part}_lin": (WIDTH, WIDTH) for part in ("q", "k", "v", "out")}
        linear |= {f"ffns.{layer}.lin1": (4 * WIDTH, WIDTH), f"ffns.{layer}.lin2": (WIDTH, 4 * WIDTH)}
        for name, shape in linear.items():
            found |= {f"{name}.weight": draw(*shape), f"{name}.bias": draw(shape[0])}
        for name in (f"layer_norm1.{layer}", f"layer_norm2.{layer}"):
            found |= {f"{name}.weight": 1 + draw(WIDTH), f"{name}.bias": draw(WIDTH)}
    found["pred_layer.proj.weight"] = found["embeddings.weight"]
    found["pred_layer.proj.bias"] = draw(words)
    return found


def reference(
    model: dict, ids: torch.Tensor, langs: torch.Tensor | None, lengths: torch.Tensor
) -> torch.Tensor:
    """(B, T) -> (B, T, H): the authors' encoder in evaluation mode, step by step."""
    mask = torch.arange(ids.size(1)) < lengths[:, None]  # (B, T)

    def norm(states, name):
        return F.layer_norm(states, (WIDTH,), model[f"{name}.weight"], model[f"{name}.bias"], eps=1e-12)

    def linear(states, name):
        return F.linear(states, model[f"{name}.weight"], model[f"{name}.bias"])

    def heads(states):
        return states.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # (B, heads, T, width)

    states = model["embeddings.weight"][ids] + model["position_embeddings.weight"][: ids.size(1)]
    if langs is not None:
        states = states + model["lang_embeddings.weight"][langs]
    states = norm(states, "layer_norm_emb") * mask[..., None]
    for layer in range(LAYERS):
        q, k, v = (heads(linear(states, f"attentions.{layer}.{part}_lin")) for part in "qkv")
        scores = (q / math.sqrt(WIDTH // HEADS)) @ k.transpose(2, 3)
        scores = scores.masked_fill(~mask[:, None, None, :], -math.inf)
        context = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        states = norm(states + linear(context, f"attentions.{layer}.out_lin"), f"layer_norm1.{layer}")
        hidden = linear(states, f"ffns.{layer}.lin1")
        hidden = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
        states = norm(states + linear(hidden, f"ffns.{layer}.lin2"), f"layer_norm2.{layer}") * mask[..., None]
    return states


@pytest.fixture
def content() -> dict:
    """A checkpoint of a small language model, as their trainer saved it."""
    words = words_of(tables()[0])
    return {
        "epoch": 3,
        "best_metrics": {"valid_mlm_ppl": np.float64(9.5)},
        "model": table(len(words)),
        "params": parameters(),
        "dico_id2word": {number: word for word, number in words.items()},
        "dico_word2id": words,
        "dico_counts": dict.fromkeys(words, 7),
    }


@pytest.fixture
def save(tmp_path, content):
    """Write the checkpoint and its codes; `save(old=True)` in the form of torch before 1.6, as the published ones are."""

    def write(*, old=False) -> Path:
        path = tmp_path / "mlm_tiny.pth"
        torch.save(content, path, _use_new_zipfile_serialization=not old)
        codes = "".join(f"{first} {second} {9}\n" for first, second in tables()[1])
        (tmp_path / CODES).write_text(codes, encoding="utf-8")
        return path

    return write


def scores_agree(folder: Path, model: dict, *, langs: bool = True) -> None:
    """The converted language model gives the scores of the reference, with padding and mixed languages."""
    loaded = load(folder, **CPU, task="mlm")
    ids = torch.randint(
        14, len(model["embeddings.weight"]), (3, 9), generator=torch.Generator().manual_seed(1)
    )
    lengths = torch.tensor([9, 6, 2])
    mask = (torch.arange(9) < lengths[:, None]).long()
    ids, languages = torch.where(mask == 1, ids, 2), ids % 15
    states = reference(model, ids, languages if langs else None, lengths)
    expected = F.linear(states, model["pred_layer.proj.weight"], model["pred_layer.proj.bias"])
    with torch.no_grad():
        found = loaded.network(input_ids=ids, langs=languages, attention_mask=mask).logits
    torch.testing.assert_close(found[mask == 1], expected[mask == 1], atol=1e-5, rtol=1e-5)


def refusal(source: Path, folder: Path, kind=ValueError, **options) -> str:
    """The sentence with which a file is refused, after which nothing is left of the folder."""
    before = {path.name for path in folder.parent.iterdir()} if folder.parent.is_dir() else set()
    with pytest.raises(kind) as caught:
        convert(source, folder, **options)
    assert not folder.parent.is_dir() or {path.name for path in folder.parent.iterdir()} == before
    message = str(caught.value)
    assert re.search(r"[.] [A-Z].*[.]$", message)
    assert "\n" not in message
    return message


# -- what comes out


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("kind", [dict, argparse.Namespace])
def test_the_converted_language_model_gives_the_scores_of_the_authors_computation(
    save, content, tmp_path, old, kind
):
    content["params"] = kind(**content["params"])
    assert convert(save(old=old), tmp_path / "out") == tmp_path / "out"
    scores_agree(tmp_path / "out", content["model"])


def test_the_converted_head_gives_the_logits_of_the_authors_own_code(save, content, tmp_path):
    tensors = load_file(GOLDEN / "model.safetensors")
    head = {"1.weight": tensors.pop("sequence_summary.summary.weight")}
    head["1.bias"] = tensors.pop("sequence_summary.summary.bias")
    config = json.loads((GOLDEN / "config.json").read_text())
    words = {word: number for number, word in enumerate(SPECIALS)}
    words |= {chr(0x4E00 + number): number for number in range(len(SPECIALS), config["vocab_size"])}
    shape = {key: config[key] for key in ("emb_dim", "n_layers", "n_heads")}
    del content["dico_id2word"]  # one of the two tables is enough
    content |= {
        "model": {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()},
        "params": parameters(**shape),
        "dico_word2id": words,
        "proj": head,
    }
    loaded = load(convert(save(), tmp_path / "out"), **CPU)
    assert loaded.labels == ("contradiction", "neutral", "entailment")
    pairs = json.loads((GOLDEN / "golden.json").read_text())
    expected = torch.tensor([pair["logits"] for pair in pairs])
    torch.testing.assert_close(forward.logits(loaded, batch(pairs)), expected, atol=1e-5, rtol=0)


def test_a_head_may_be_saved_without_its_dropout_and_beside_ids_to_words_alone(save, content, tmp_path):
    content["proj"] = {"weight": torch.randn(3, WIDTH), "bias": torch.randn(3)}
    del content["dico_word2id"]
    summary = load(convert(save(), tmp_path / "out"), **CPU).network.sequence_summary.summary
    assert torch.equal(summary.weight, content["proj"]["weight"])
    assert torch.equal(summary.bias, content["proj"]["bias"])


def test_without_a_head_the_folder_is_a_language_model_that_asks_for_training(save, tmp_path):
    folder = convert(save(), tmp_path / "out")
    with pytest.raises(ValueError, match="has no trained NLI head"):
        load(folder, **CPU)
    assert load(folder, **CPU, task="mlm").lang2id == LANGS


def test_words_have_the_ids_of_the_dictionary(save, tmp_path):
    ours = BPETokenizer(*tables())
    theirs = load(convert(save(), tmp_path / "out"), **CPU, task="mlm").tokenizer
    words = ["dog", "hund", "кошка", "xerox", "ش", "ø", "unbekanntes", "𝒳"]
    assert theirs.ids(words) == ours.ids(words)
    assert all(theirs.name(number) == ours.name(number) for number in range(len(ours)))


def test_the_real_dictionary_gets_the_names_that_were_published(shared):
    folder = shared / "data" / "xlm_xnli15_tokenizer"
    words = {word: number for number, word in enumerate(SPECIALS)}
    # As `Dictionary.read_vocab` reads the file, and `--max_vocab 95000` cuts it.
    for line in (folder / "vocab_xnli_15").read_text(encoding="utf-8").split("\n"):
        parts = line.split()
        if len(parts) == 2 and "\u2028" not in line:
            words.setdefault(parts[0], len(words))
    kept = {word: number for word, number in words.items() if number < 95_000}
    assert vocabulary_names(kept) == json.loads((folder / "vocab.json").read_text(encoding="utf-8"))


def test_sinusoidal_positions_are_kept_as_the_file_has_them(save, content, tmp_path):
    content["params"]["sinusoidal_embeddings"] = True
    folder = convert(save(), tmp_path / "out")
    scores_agree(folder, content["model"])
    assert json.loads((folder / "config.json").read_text())["sinusoidal_embeddings"] is False


def test_an_output_layer_of_its_own_is_kept(save, content, tmp_path):
    content["model"]["pred_layer.proj.weight"] = torch.randn(len(content["dico_word2id"]), WIDTH)
    scores_agree(convert(save(), tmp_path / "out"), content["model"])


def test_relu_is_kept(save, content, tmp_path, monkeypatch):
    content["params"]["gelu_activation"] = False
    folder = convert(save(), tmp_path / "out")
    with pytest.raises(AssertionError):
        scores_agree(folder, content["model"])
    monkeypatch.setattr(torch, "erf", torch.sign)  # x (1 + sign x) / 2 is ReLU
    scores_agree(folder, content["model"])


def test_a_network_without_language_embeddings_is_one_thereafter(save, content, tmp_path):
    content["params"]["use_lang_emb"] = False
    del content["model"]["lang_embeddings.weight"]
    folder = convert(save(), tmp_path / "out")
    scores_agree(folder, content["model"], langs=False)


def test_the_names_that_several_gpus_leave_and_half_precision_make_no_difference(save, content, tmp_path):
    content["model"] = {name: tensor.half() for name, tensor in content["model"].items()}
    plain = load(convert(save(), tmp_path / "one"), **CPU, task="mlm").network.state_dict()
    content["model"] = {f"module.{name}": tensor for name, tensor in content["model"].items()}
    several = load(convert(save(), tmp_path / "several"), **CPU, task="mlm").network.state_dict()
    assert all(torch.equal(plain[name], several[name]) for name in plain)


@pytest.mark.parametrize("capital", [True, False])
def test_capitals_in_the_dictionary_say_whether_texts_were_lower_cased(save, content, tmp_path, capital):
    words = content["dico_word2id"]
    number = words.pop("ß")
    words["Z" if capital else "Ж"] = number  # XLM-15's own dictionary has Cyrillic capitals
    del content["dico_id2word"]
    assert load(convert(save(), tmp_path / "out"), **CPU, task="mlm").lowercase is not capital


def test_the_folder_says_what_it_was_made_of(save, tmp_path):
    kit = json.loads((convert(save(), tmp_path / "out") / "xlmkit.json").read_text())
    assert kit["converted_from"]["file"] == "mlm_tiny.pth"
    assert len(kit["converted_from"]["sha256"]) == len(kit["converted_from"]["codes_sha256"]) == 64


# -- nothing is run


class Attack:
    """Unpickled without restriction, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return builtins.open, (str(self.path), "w")


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("place", ["params", "optimizer", "array", "namespace"])
def test_a_pickle_that_would_run_code_is_refused_by_the_name_of_what_it_asks_for_and_does_not_run(
    save, content, tmp_path, old, place
):
    trap = tmp_path / "ran"
    attack = Attack(trap)
    if place == "array":
        content["params"]["mask_scores"] = np.array([attack], dtype=object)
    elif place == "namespace":
        content["params"] = argparse.Namespace(**parameters(), logger=attack)
    elif place == "params":
        content["params"]["command"] = attack
    else:
        content["model_optimizer"] = attack
    message = refusal(save(old=old), tmp_path / "out")
    assert "open'" in message
    assert "would have to run code" in message
    assert not trap.exists()


# -- what is refused


def set_parameter(name, value):
    return lambda content: content["params"].update({name: value})


def put(name, value):
    return lambda content: content.update({name: value})


def drop(*names):
    return lambda content: [content.pop(name) for name in names]


def split_in_two(content):
    content["encoder"] = content["decoder"] = content.pop("model")


def forget_a_word(content):
    word = content["dico_id2word"].pop(len(content["dico_id2word"]) - 1)
    del content["dico_word2id"][word]


def number_twice(content):
    del content["dico_id2word"]
    content["dico_word2id"]["dog"] = content["dico_word2id"]["cat"]


def rename_a_special(content):
    del content["dico_id2word"]
    content["dico_word2id"]["<mask>"] = content["dico_word2id"].pop("<special1>")


def contradict(content):
    content["dico_id2word"][20], content["dico_id2word"][21] = (
        content["dico_id2word"][21],
        content["dico_id2word"][20],
    )


def break_a_weight(content):
    content["model"]["ffns.0.lin1.bias"][0] = float("nan")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (drop("dico_word2id", "dico_id2word"), "has no dictionary: expected `dico_word2id`"),
        (forget_a_word, "expected 945 words (one per embedding), got 944"),
        (number_twice, "the dictionary of mlm_tiny.pth is damaged"),
        (rename_a_special, "the dictionary of mlm_tiny.pth is damaged"),
        (put("dico_word2id", {"<s>": None, "</s>": 1}), "the dictionary of mlm_tiny.pth is damaged"),
        (contradict, "the dictionary of mlm_tiny.pth is damaged"),
        (set_parameter("asm", True), "expected `asm` False (got True)"),
        (set_parameter("encoder_only", False), "expected `encoder_only` True (got False)"),
        (set_parameter("use_memory", True), "expected `use_memory` False (got True)"),
        (split_in_two, "expected `encoder_only` True (got False)"),
        (
            lambda content: content["params"].pop("gelu_activation"),
            "expected 'gelu_activation' in its `params`",
        ),
        (drop("params"), "expected 'emb_dim', 'n_layers'"),
        (set_parameter("n_heads", 3), "`emb_dim` a multiple of `n_heads` (got 16 and 3)"),
        (set_parameter("emb_dim", "wide"), "describe an impossible network"),
        (set_parameter("lang2id", ["en"]), "describe an impossible network"),
        (set_parameter("lang2id", {"en": 0, "fr": 99}), "language ids of 'mlm_tiny.pth' are not usable"),
        (set_parameter("n_layers", 3), "missing tensors 'transformer.attentions.2.q_lin.weight'"),
        (set_parameter("n_layers", 1), "unexpected tensors 'transformer.attentions.1.q_lin.weight'"),
        (break_a_weight, "NaN or infinity in 'transformer.ffns.0.lin1.bias'"),
        (drop("model"), "expected a dictionary with `model`, `params` and `dico_word2id`, got 'epoch'"),
        (put("model", [1]), "`model` in mlm_tiny.pth must be a dictionary of tensors"),
        (put("model", {"a": 1}), "`model` in mlm_tiny.pth must be a dictionary of tensors"),
        (put("proj", {"weight": torch.zeros(2, WIDTH), "bias": torch.zeros(2)}), "is not one for XNLI"),
        (put("proj", {"weight": torch.zeros(3, WIDTH)}), "is not one for XNLI"),
        (put("proj", [1, 2]), "is not one for XNLI"),
        (put("proj", {1: torch.zeros(3, WIDTH)}), "is not one for XNLI"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_what_is_wrong(save, content, tmp_path, spoil, said):
    spoil(content)
    assert said in refusal(save(), tmp_path / "out")


def test_codes_of_another_vocabulary_are_refused_and_so_are_none_at_all(save, tmp_path):
    source, folder = save(), tmp_path / "out"
    other = tmp_path / "other"
    other.write_text("q x 5\nx q 4\n")
    assert "another vocabulary" in refusal(source, folder, codes=other)
    other.write_text("one-piece\n")
    message = refusal(source, folder, codes=other)
    assert f"line 1 of {str(other)!r}" in message
    (tmp_path / CODES).unlink()
    assert f"{str(tmp_path / CODES)!r}, got no such file" in refusal(source, folder, FileNotFoundError)


def test_a_folder_that_exists_stays_as_it_is(save, tmp_path):
    (tmp_path / "out").mkdir()
    assert "exists" in refusal(save(), tmp_path / "out", FileExistsError)
    assert list((tmp_path / "out").iterdir()) == []


def test_places_that_are_not_there_are_refused_by_name(save, tmp_path):
    source = save()
    assert "no/such" in refusal(source, tmp_path / "no/such/out", FileNotFoundError)
    assert "absent.pth" in refusal(tmp_path / "absent.pth", tmp_path / "out", FileNotFoundError)
    assert "got the folder" in refusal(tmp_path, tmp_path / "out", IsADirectoryError, codes=source)


@pytest.mark.parametrize("damage", ["empty", "cut", "half", "text", "list"])
def test_a_damaged_file_is_refused_by_name(save, tmp_path, damage):
    source = save()
    if damage == "list":
        torch.save([1, 2], source)
    else:
        whole = source.read_bytes()
        # For what is cut at 20,000 bytes torch raises an OSError, as for a fault of the disk.
        broken = {
            "empty": b"",
            "cut": whole[:20_000],
            "half": whole[: len(whole) // 2],
            "text": b"<html>" * 99,
        }
        source.write_bytes(broken[damage])
    message = refusal(source, tmp_path / "out")
    assert str(source) in message
    assert (damage == "empty") == ("got 0 bytes" in message)


# -- the command line


def test_the_command_line_converts_and_says_so_on_standard_error(save, content, tmp_path, capsys):
    notices.forget()
    content["proj"] = {"1.weight": torch.randn(3, WIDTH), "1.bias": torch.randn(3)}
    folder = tmp_path / "out"
    assert cli.main(["convert", str(save()), str(folder)]) == 0
    out, err = capsys.readouterr()
    assert (out, f"wrote {folder}" in err) == ("", True)
    assert "contradiction, neutral, entailment" in err
    pair = ["--premise", "the dog", "--hypothesis", "no dog", "--to", "jsonl"]
    assert cli.main(["predict", *pair, "--model", str(folder), "--device", "cpu", "--dtype", "float32"]) == 0
    assert json.loads(capsys.readouterr().out)["prediction"] in ("contradiction", "neutral", "entailment")
    assert cli.main(["convert", str(tmp_path / "mlm_tiny.pth"), str(folder), "--quiet"]) == 2
    assert "exists" in capsys.readouterr().err
