"""Weights: read without running anything that a file holds, and judged tensor by tensor before a network is made of them."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import XLMConfig, XLMForSequenceClassification, XLMWithLMHeadModel

_CLASSIFIER = ("sequence_summary.summary.weight", "sequence_summary.summary.bias")
HEADS = {
    "nli": _CLASSIFIER,
    "classification": _CLASSIFIER,
    "mlm": ("pred_layer.proj.weight", "pred_layer.proj.bias"),
}
_WORDS, _TIED = "transformer.embeddings.weight", "pred_layer.proj.weight"
_OLD_BUFFER = "transformer.position_ids"  # 0, 1, 2, ...: saved by older transformers, computed since
_AGAIN = "remedy: download or copy the checkpoint again"


def weight_files(folder: Path, name: str) -> list[Path]:
    """model.safetensors, or its shards, or pytorch_model.bin: the first that is there."""
    index = folder / "model.safetensors.index.json"
    for file in (folder / "model.safetensors", folder / "pytorch_model.bin"):
        if file.is_file():
            return [file]
        if index.is_file():
            return _shards(index)
    raise FileNotFoundError(
        f"{name!r} has no weights: expected model.safetensors (or its shards, or pytorch_model.bin) beside config.json; {_AGAIN}"
    )


def read_tensors(files: Iterable[Path]) -> dict[str, torch.Tensor]:
    """Name -> tensor, as the files hold them.

    Raises
    ------
    ValueError : if a file is no such file, is cut short, is empty, or would have to run code to be read."""
    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        _refuse_stand_ins(file)
        tensors |= _read_safetensors(file) if file.suffix == ".safetensors" else _read_bin(file)
    return tensors


def sha256(files: Iterable[Path]) -> str:
    """The hexadecimal digest of the files' bytes, one after the other; for one file that of `sha256sum`."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def has_head(tensors: Mapping[str, torch.Tensor], task: str) -> bool:
    """Whether the head of `task` is in the file, whole or in part (its output matrix may be left to the word embeddings)."""
    return any(name in tensors for name in HEADS[task])


def head_rows(tensors: Mapping[str, torch.Tensor]) -> int | None:
    """How many logits the classifying head in the file gives; None where there is none."""
    weight = tensors.get(_CLASSIFIER[0])
    return None if weight is None else len(weight)


def random_head(config: XLMConfig, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """The tensors of a classifying head that nobody trained, drawn as transformers draws them, but always the same for one seed."""
    weight, bias = _CLASSIFIER
    drawn = torch.empty(config.num_labels, config.emb_dim)
    drawn.normal_(0.0, config.init_std, generator=torch.Generator().manual_seed(seed))
    return {weight: drawn, bias: torch.zeros(config.num_labels)}


def build(config: XLMConfig, tensors: dict[str, torch.Tensor], task: str, name: str) -> Any:
    """The network of `config` with these weights: float32, on the CPU, in evaluation mode, without gradients.

    `tensors` is emptied on the way, so that the weights are in memory once.

    Raises
    ------
    ValueError : if tensors are missing, unexpected, of another shape, or hold NaN or infinity; all are named at once."""
    network = _blank(XLMWithLMHeadModel if task == "mlm" else XLMForSequenceClassification, config)
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    if config.tie_word_embeddings and _TIED in shapes and _TIED not in tensors and _WORDS in tensors:
        tensors[_TIED] = tensors[_WORDS]
    spare = HEADS["nli" if task == "mlm" else "mlm"]  # the head of the other task may be there
    for key in (_OLD_BUFFER, *spare):
        tensors.pop(key, None)
    _judge(shapes, tensors, name)
    # A copy, since safetensors gives views of the file, which may change.
    state = {key: tensors.pop(key).to(torch.float32, copy=True) for key in shapes}
    bad = [key for key, value in state.items() if not _finite(value)]
    if bad:
        raise ValueError(
            f"the weights of {name!r} are broken: expected finite numbers, got NaN or infinity in {_some(bad)}; {_AGAIN}"
        )
    return _fill(network, state)


def cast(network: Any, dtype: torch.dtype) -> Any:
    """A second network with the same weights in another precision, on the same device; `network` stays as it is."""
    return _fill(
        _blank(type(network), network.config),
        {key: value.to(dtype) for key, value in network.state_dict().items()},
    )


def _blank(kind: Any, config: XLMConfig) -> Any:
    with torch.device("meta"):  # takes no memory and draws no random numbers
        return kind(config)


def _fill(network: Any, state: dict[str, torch.Tensor]) -> Any:
    """Give a blank network its weights, and the one buffer that no file holds."""
    network.load_state_dict(state, assign=True)
    positions = torch.arange(network.config.max_position_embeddings, device=state[_WORDS].device)
    network.transformer.position_ids = positions[None]  # (1, positions)
    if _TIED in state and torch.equal(state[_TIED], state[_WORDS]):
        network.pred_layer.proj.weight = network.transformer.embeddings.weight
    return network.eval().requires_grad_(False)


def _finite(value: torch.Tensor) -> bool:
    """Whether all values are finite numbers; NaN passes through the extremes, which take 1/30 of the time of `isfinite`."""
    return all(math.isfinite(extreme) for extreme in torch.aminmax(value))


def _judge(shapes: Mapping[str, torch.Size], tensors: Mapping[str, torch.Tensor], name: str) -> None:
    missing = [key for key in shapes if key not in tensors]
    unexpected = [key for key in tensors if key not in shapes]
    both = [key for key in shapes if key in tensors]
    shape = [
        f"{key!r} (expected {tuple(shapes[key])}, got {tuple(tensors[key].shape)})"
        for key in both
        if tensors[key].shape != shapes[key]
    ]
    kind = [f"{key!r} ({tensors[key].dtype})" for key in both if not tensors[key].is_floating_point()]
    faults = [f"missing tensors {_some(missing)}"] if missing else []
    faults += [f"unexpected tensors {_some(unexpected)}"] if unexpected else []
    faults += [f"other shapes {_some(shape, quote=False)}"] if shape else []
    faults += [f"tensors of integers {_some(kind, quote=False)}"] if kind else []
    if faults:
        raise ValueError(
            f"the weights of {name!r} do not fit its config.json: {'; '.join(faults)}; remedy: take weights and config.json from "
            "the same checkpoint"
        )


def _some(names: list[str], *, quote: bool = True) -> str:
    shown = [repr(name) if quote else name for name in names[:4]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _shards(index: Path) -> list[Path]:
    try:
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        files = [index.parent / name for name in named if name.endswith(".safetensors")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{index} is no index of shards: expected a JSON object with `weight_map`; {_AGAIN}"
        ) from error
    absent = sorted(
        set(named) - {file.name for file in files if file.is_file()}
    )  # nor may a name lead elsewhere
    if absent or not files:
        raise FileNotFoundError(
            f"{index} lacks its shards: expected {_some(named) or 'at least one'} beside it, of which {_some(absent) or 'none'} is not "
            f"there; {_AGAIN}"
        )
    return files


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(
            f"{file} is no readable safetensors file: it is cut short, damaged or something else ({error}); {_AGAIN}"
        ) from error


def _refuse_stand_ins(file: Path) -> None:
    """Refuse an empty file, and the pointer that Git leaves where LFS is not installed."""
    with file.open("rb") as stream:
        start = stream.read(24)
    if not start:
        raise ValueError(f"{file} is empty: expected weights, got 0 bytes; {_AGAIN}")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(
            f"{file} is a Git LFS pointer, not the weights themselves; remedy: run `git lfs pull` in its repository"
        )


def _read_bin(file: Path) -> dict[str, torch.Tensor]:
    content = unpickle(file)
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise ValueError(
            f"{file} holds no table of tensors: expected names with tensors, as `XLMForSequenceClassification.save_pretrained` writes "
            f"them, got {type(content).__name__}; remedy: convert it to that form first (`xlmkit convert` for a file of XLM's authors)"
        )
    return content


def unpickle(file: Path, *, plain: Sequence[Any] = ()) -> Any:
    """What torch.save wrote, through torch's restricted unpickler, which makes tensors and plain values and calls nothing else.

    Parameters
    ----------
    plain : further classes that it may make, as `torch.serialization.safe_globals` takes them.

    Raises
    ------
    ValueError : if the file is damaged, or would have to run code to be read; the global that it asks for is named."""
    _refuse_stand_ins(file)
    try:
        with torch.serialization.safe_globals(list(plain)):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+\w)", str(error))
        what = f"asks for {asked[1]!r}, and" if asked else "is damaged, or holds more than tensors and"
        raise ValueError(
            f"{file} was refused: it {what} would have to run code to be read; remedy: use model.safetensors, or a file from a source that "
            "you trust"
        ) from error
    except Exception as error:  # damaged bytes make the unpickler raise almost anything
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # the disk, not the file; EINVAL is a place before its start, where a file that was cut short is read
        raise ValueError(
            f"{file} is no readable file of torch weights: it is cut short, damaged or something else; {_AGAIN}"
        ) from error
