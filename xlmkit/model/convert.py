"""Convert the authors' files: a .pth that facebookresearch/XLM wrote becomes a folder that `load`
reads.

`save_checkpoint` in xlm/trainer.py wrote the weights (`model`), the settings (`params`) and the
dictionary (`dico_word2id`). Their code fine-tunes on XNLI but saves no result (XLM #18); where
somebody saved one, the linear layer `proj` of xlm/evaluation/xnli.py is next to the weights, and is
read from there. The authors mark a token inside a word with "@@"; transformers marks the last one
of a word with "</w>" instead."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import save_file
from transformers import XLMConfig

from xlmkit.model import config as settings
from xlmkit.model import weights
from xlmkit.notices import warn_once
from xlmkit.results import atomic_folder
from xlmkit.tokenization import VERSION, BPETokenizer

LABELS = ("contradiction", "neutral", "entailment")  # `label2id` of xlm/evaluation/xnli.py
CODES = "codes_xnli_15"
_AGAIN = "Give the file as the authors' code wrote it."
SPECIALS = ("<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10)))
STRAY = 0.01  # fraction of the longer tokens that the merges may fail to produce

_NEEDED = ("emb_dim", "n_layers", "n_heads", "n_langs", "lang2id", "gelu_activation")
# A file without an entry was written before the option existed.
_SUPPORTED = {"asm": False, "encoder_only": True, "use_memory": False}
_WORDS, _OUTPUT = "transformer.embeddings.weight", "pred_layer.proj.weight"


class _Skipped:
    """Read in place of a NumPy array. The settings of training contain some, and none is needed."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


_ARRAYS = (
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
)
_PLAIN = (argparse.Namespace, _Skipped, *((_Skipped, name) for name in _ARRAYS))


def convert(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    codes: str | os.PathLike[str] | None = None,
) -> Path:
    """Convert a checkpoint of the authors' code to a new folder, which `load(folder)` reads.

    Parameters
    ----------
    source : a .pth such as mlm_xnli15_1024.pth. If it has a head for XNLI, the labels are taken in
        the authors' order.
    folder : must not exist; it is written completely or not at all.
    codes : the BPE codes that belong to it; None for the file `codes_xnli_15` next to it.

    Returns
    -------
    `folder`.

    Raises
    ------
    ValueError : if the file contains anything but tensors and plain values (no code in it is run),
        lacks something, contradicts itself, does not fit the codes, or describes a network that
        this kit does not support.
    FileExistsError, FileNotFoundError, IsADirectoryError : if the folder exists, or a file does
        not."""
    source, folder = Path(source), Path(folder)
    if folder.exists():  # before anything is computed; `atomic_folder` would refuse it only at the end
        raise FileExistsError(f"expected a new folder; {str(folder)!r} exists. Name another, or remove it.")
    merges = _codes(source, codes)
    content = _read(source)
    params = _params(content, source)
    words = _dictionary(content, source)
    tensors = _tensors(content, source)
    if _WORDS in tensors and len(tensors[_WORDS]) != len(words):
        raise ValueError(
            f"the dictionary of {source.name} does not fit its weights: expected {len(tensors[_WORDS])} words "
            f"(one per embedding), got {len(words)}. {_AGAIN}"
        )
    provenance = {
        "file": source.name,
        "sha256": weights.sha256([source]),
        "codes_sha256": weights.sha256([merges]),
    }
    config = _config(params, tensors, len(words), source)
    head = _head(content, config.emb_dim, source)
    if head:
        tensors |= head
        settings.name_labels(config, LABELS)
        warn_once(
            f"{source.name} has a head; its logits are taken as {', '.join(LABELS)}, as the authors' XNLI code numbers them."
        )
    with atomic_folder(folder) as place:
        network = weights.build(config, tensors, "nli" if head else "mlm", source.name)
        _write_network(place, network)
        _write_vocabulary(place, vocabulary_names(words), merges)
        # XLM-15's dictionary has some Cyrillic and Greek capitals, but no Latin ones: its text was
        # lower-cased.
        lowercase = not any(re.search("[A-Z]", word) for word in words)
        tokenizer = {"do_lowercase_and_remove_accent": lowercase, "lang2id": config.lang2id}
        tokenizer |= {"id2lang": config.id2lang, "model_max_length": config.max_position_embeddings}
        _write_json(place / "tokenizer_config.json", tokenizer)
        kit = {"format": settings.FORMAT, "pair_format": "xlm", "preprocessing": VERSION}
        kit |= {"converted_from": provenance} | ({"task": "nli", "labels": list(LABELS)} if head else {})
        _write_json(place / "xlmkit.json", kit)
        settings.read_languages(config, place, source.name)
    return folder


def vocabulary_names(words: Mapping[str, int]) -> dict[str, int]:
    """The authors' dictionary under the names of vocab.json: "x@@" inside a word is "x", "x" at its
    end is "x</w>"."""

    def name(word: str) -> str:
        return word.removesuffix("@@") if word.endswith("@@") else f"{word}</w>"

    return {word if number < len(SPECIALS) else name(word): number for word, number in words.items()}


def _codes(source: Path, codes: str | os.PathLike[str] | None) -> Path:
    """The file of BPE codes."""
    path = source.parent / CODES if codes is None else Path(codes)
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the BPE codes of {source.name} in {str(path)!r}, got no such file. Download the codes that were published "
            "with it, and name them (`--codes FILE`)."
        )
    return path


def _read(source: Path) -> dict[str, Any]:
    """The content of the file, read without running any code in it."""
    if not source.exists():
        raise FileNotFoundError(f"there is no file {str(source)!r}. Check the path.")
    if source.is_dir():
        raise IsADirectoryError(
            f"expected a .pth file, got the folder {str(source)!r}. Name the file; a folder needs no conversion."
        )
    content = weights.unpickle(source, plain=_PLAIN)
    if not isinstance(content, dict) or not {"model", "encoder"} & content.keys():
        got = ", ".join(map(repr, list(content)[:6])) if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"{source} is not a checkpoint of the authors' code: expected a dictionary with `model`, `params` and `dico_word2id`, got {got or 'nothing'}. "
            "Give the .pth as it was published or saved by their trainer."
        )
    return content


def _params(content: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """The settings of the network, which are refused unless this kit computes exactly that
    network."""
    params = content.get("params")
    if isinstance(params, argparse.Namespace):
        params = vars(params)
    if not isinstance(params, dict):
        params = {}
    found = {key: params.get(key, served) for key, served in _SUPPORTED.items()}
    if "model" not in content:
        found["encoder_only"] = False  # an encoder and a decoder, each on its own
    wrong = [
        f"`{key}` {served!r} (got {found[key]!r})"
        for key, served in _SUPPORTED.items()
        if found[key] != served
    ]
    if wrong:
        raise ValueError(
            f"{source.name} is a form of XLM that is not supported: expected {', '.join(wrong)}. Give an encoder with a plain output layer."
        )
    missing = [key for key in _NEEDED if key not in params]
    if missing:
        raise ValueError(
            f"{source.name} does not describe its network: expected {', '.join(map(repr, missing))} in its `params`. {_AGAIN}"
        )
    return params


def _dictionary(content: Mapping[str, Any], source: Path) -> dict[str, int]:
    """Word -> id, numbered from 0 without gaps, special words first."""
    words, names = content.get("dico_word2id"), content.get("dico_id2word")
    if words is None and isinstance(names, dict):
        words = {word: number for number, word in names.items()}
    if not isinstance(words, dict) or not words:
        raise ValueError(
            f"{source.name} has no dictionary: expected `dico_word2id` or `dico_id2word`, got {', '.join(map(repr, content))}. {_AGAIN}"
        )
    typed = all(isinstance(word, str) and type(number) is int for word, number in words.items())
    order = sorted(words, key=lambda word: words[word]) if typed else []
    whole = [words[word] for word in order] == list(range(len(words)))
    agrees = names is None or names == dict(enumerate(order))
    if (
        not whole
        or not agrees
        or tuple(order[: len(SPECIALS)]) != SPECIALS
        or len(vocabulary_names(words)) < len(words)
    ):
        raise ValueError(
            f"the dictionary of {source.name} is damaged: expected a different id for each word, from 0 without gaps, {', '.join(SPECIALS[:4])} "
            "and <special0> to <special9> first, and the same words in `dico_id2word`. Download or copy the file again."
        )
    return words


def _tensors(content: dict[str, Any], source: Path) -> dict[str, torch.Tensor]:
    """The weights under transformers' names, whether saved on one GPU or on several ("module.")."""
    table = content.pop("model")  # so that the weights are in memory once
    if not _is_table(table):
        raise ValueError(f"`model` in {source.name} must be a dictionary of tensors. {_AGAIN}")
    return {
        name if name.startswith("pred_layer.") else f"transformer.{name}": value
        for name, value in ((key.removeprefix("module."), value) for key, value in table.items())
    }


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(entry, torch.Tensor) for name, entry in value.items()
    )


def _head(content: Mapping[str, Any], width: int, source: Path) -> dict[str, torch.Tensor]:
    """The linear layer of XNLI, alone or after its dropout ("1."); empty if there is none."""
    table = content.get("proj")
    if table is None:
        return {}
    found = {name.removeprefix("1."): value for name, value in table.items()} if _is_table(table) else {}
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    expected = {"weight": (len(LABELS), width), "bias": (len(LABELS),)}
    if shapes != expected:
        raise ValueError(
            f"the head `proj` of {source.name} is not one for XNLI: expected tensors of shapes {expected} (rows {', '.join(LABELS)}), got {shapes}. "
            "Give the file without `proj`, and fine-tune it here."
        )
    return dict(zip(weights.HEADS["nli"], (found["weight"], found["bias"]), strict=True))


def _config(
    params: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], size: int, source: Path
) -> XLMConfig:
    """The network as transformers describes it. Sinusoidal positions are in the file like learned
    ones, and are read from there."""
    words, output = tensors.get(_WORDS), tensors.get(_OUTPUT)
    positions = tensors.get("transformer.position_embeddings.weight")
    try:
        config = XLMConfig(
            **{key: params[key] for key in _NEEDED},
            vocab_size=size,
            dropout=params.get("dropout", 0.1),
            attention_dropout=params.get("attention_dropout", 0.1),
            use_lang_emb=params.get("use_lang_emb", True),  # old files lack this key but have the embeddings
            id2lang={number: code for code, number in params["lang2id"].items()},
            max_position_embeddings=512 if positions is None else len(positions),
            tie_word_embeddings=output is None or words is None or torch.equal(words, output),
        )
        wrong = settings.unsupported(config, {})
    except (StrictDataclassError, TypeError, ValueError, AttributeError) as error:
        wrong = [f"settings of an XLM ({settings.one_line(error)})"]
    if wrong:
        raise ValueError(
            f"the `params` of {source.name} describe an impossible network: expected {', '.join(wrong)}. {_AGAIN}"
        )
    return config


def _write_network(place: Path, network: Any) -> None:
    """config.json and model.safetensors, as `save_pretrained` writes them; that shows a progress
    bar which cannot be switched off."""
    config, state = network.config, network.state_dict()
    if config.tie_word_embeddings:
        state.pop(_OUTPUT, None)
    file = place / "model.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, file, metadata={"format": "pt"})
    file.chmod(0o644)  # safetensors makes it readable for its owner alone
    config.architectures = [type(network).__name__]
    config.save_pretrained(place)


def _write_vocabulary(place: Path, names: Mapping[str, int], merges: Path) -> None:
    """vocab.json and merges.txt; refused if the merges do not produce the vocabulary."""
    (place / "vocab.json").write_text(json.dumps(names, ensure_ascii=False, indent=2), encoding="utf-8")
    shutil.copyfile(merges, place / "merges.txt")
    try:
        BPETokenizer.read(place)
    except ValueError as error:
        raise ValueError(str(error).replace(str(place / "merges.txt"), str(merges))) from error
    lines = merges.read_text(encoding="utf-8").split("\n")
    made = {"".join(line.split(" ")[:2]) for line in lines}
    words = [name for name, number in names.items() if number >= len(SPECIALS)]
    several = [name for name in words if len(name.removesuffix("</w>")) > 1]
    stray = [name for name in several if name not in made]
    if len(stray) > STRAY * len(several):
        raise ValueError(
            f"{merges} belong to another vocabulary: expected merges that produce its tokens, got none for {len(stray)} of {len(several)} "
            f"({', '.join(map(repr, stray[:4]))}, ...). Name the codes that were published with the checkpoint (`--codes FILE`)."
        )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
