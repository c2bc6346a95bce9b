"""Weights: read without running any code from the file, and checked tensor by tensor before a
network is made of them."""

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
_AGAIN = "Download or copy the checkpoint again."


def weight_files(folder: Path, name: str) -> list[Path]:
    """model.safetensors, or its shards, or pytorch_model.bin: the first that exists."""
    index = folder / "model.safetensors.index.json"
    for file in (folder / "model.safetensors", folder / "pytorch_model.bin"):
        if file.is_file():
            return [file]
        if index.is_file():
            return _shards(index)
    raise FileNotFoundError(
        f"{name!r} has no weights: expected model.safetensors (or its shards, or pytorch_model.bin) next to config.json. {_AGAIN}"
    )


def read_tensors(files: Iterable[Path]) -> dict[str, torch.Tensor]:
    """Read tensors by name, as the files contain them.

    Raises
    ------
    ValueError : if a file is of another kind, truncated or empty, or would have to run code to be
        read."""
    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        _refuse_placeholders(file)
        try:
            tensors |= load_file(file) if file.suffix == ".safetensors" else _read_bin(file)
        except SafetensorError as error:
            raise ValueError(
                f"{file} cannot be read as safetensors: it is truncated, damaged or of another kind ({error}). {_AGAIN}"
            ) from error
    return tensors


def sha256(files: Iterable[Path]) -> str:
    """The hexadecimal digest of the files' bytes, concatenated; for one file that of
    `sha256sum`."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def has_head(tensors: Mapping[str, torch.Tensor], task: str) -> bool:
    """Whether the head of `task` is in the file, completely or in part (its output matrix may be
    shared with the word embeddings)."""
    return any(name in tensors for name in HEADS[task])


def head_rows(tensors: Mapping[str, torch.Tensor]) -> int | None:
    """How many logits the classification head in the file has; None if there is none."""
    weight = tensors.get(_CLASSIFIER[0])
    return None if weight is None else len(weight)


def random_head(config: XLMConfig, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """The tensors of an untrained classification head, drawn as transformers draws them, but always
    the same for one seed."""
    weight, bias = _CLASSIFIER
    drawn = torch.empty(config.num_labels, config.emb_dim)
    drawn.normal_(0.0, config.init_std, generator=torch.Generator().manual_seed(seed))
    return {weight: drawn, bias: torch.zeros(config.num_labels)}


def build(config: XLMConfig, tensors: dict[str, torch.Tensor], task: str, name: str) -> Any:
    """Build the network of `config` with these weights: float32, on the CPU, in evaluation mode,
    without gradients.

    `tensors` is emptied meanwhile, so that the weights are in memory once.

    Raises
    ------
    ValueError : if tensors are missing, unexpected, of another shape, or contain NaN or infinity;
        all are named at once."""
    network = _blank(XLMWithLMHeadModel if task == "mlm" else XLMForSequenceClassification, config)
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    if config.tie_word_embeddings and _TIED in shapes and _TIED not in tensors and _WORDS in tensors:
        tensors[_TIED] = tensors[_WORDS]
    spare = HEADS["nli" if task == "mlm" else "mlm"]  # the head of the other task may be in the file
    for key in (_OLD_BUFFER, *spare):
        tensors.pop(key, None)
    _check_fit(shapes, tensors, name)
    # A copy, because safetensors gives views of the file, which may change.
    state = {key: tensors.pop(key).to(torch.float32, copy=True) for key in shapes}
    bad = [repr(key) for key, value in state.items() if not _finite(value)]
    if bad:
        raise ValueError(
            f"the weights of {name!r} are broken: expected finite numbers, got NaN or infinity in {_some(bad)}. {_AGAIN}"
        )
    return _fill(network, state)


def cast(network: Any, dtype: torch.dtype) -> Any:
    """A second network with the same weights in another precision, on the same device; `network` is
    not changed."""
    return _fill(
        _blank(type(network), network.config),
        {key: value.to(dtype) for key, value in network.state_dict().items()},
    )


def _blank(kind: Any, config: XLMConfig) -> Any:
    with torch.device("meta"):  # takes no memory and draws no random numbers
        return kind(config)


def _fill(network: Any, state: dict[str, torch.Tensor]) -> Any:
    """Give a blank network its weights, and the one buffer that no file contains."""
    network.load_state_dict(state, assign=True)
    positions = torch.arange(network.config.max_position_embeddings, device=state[_WORDS].device)
    network.transformer.position_ids = positions[None]  # (1, positions)
    if _TIED in state and torch.equal(state[_TIED], state[_WORDS]):
        network.pred_layer.proj.weight = network.transformer.embeddings.weight
    return network.eval().requires_grad_(False)


def _finite(value: torch.Tensor) -> bool:
    """Whether all values are finite numbers. NaN shows in the extremes, which take 1/30 of the time
    of `isfinite`."""
    return all(math.isfinite(extreme) for extreme in torch.aminmax(value))


def _check_fit(shapes: Mapping[str, torch.Size], tensors: Mapping[str, torch.Tensor], name: str) -> None:
    both = [key for key in shapes if key in tensors]
    faults = {
        "missing tensors": [repr(key) for key in shapes if key not in tensors],
        "unexpected tensors": [repr(key) for key in tensors if key not in shapes],
        "other shapes": [
            f"{key!r} (expected {tuple(shapes[key])}, got {tuple(tensors[key].shape)})"
            for key in both
            if tensors[key].shape != shapes[key]
        ],
        "tensors of integers": [
            f"{key!r} ({tensors[key].dtype})" for key in both if not tensors[key].is_floating_point()
        ],
    }
    listed = "; ".join(f"{title} {_some(names)}" for title, names in faults.items() if names)
    if listed:
        raise ValueError(
            f"the weights of {name!r} do not fit its config.json: {listed}. Take both from the same checkpoint."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        files = [index.parent / name for name in names if name.endswith(".safetensors")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{index} is not an index of shards: expected a JSON object with `weight_map`. {_AGAIN}"
        ) from error
    # A name with a folder in it, which leads elsewhere, counts as missing too.
    missing = [
        repr(name) for name in names if not (Path(name).name == name and (index.parent / name).is_file())
    ]
    if missing or not files:
        raise FileNotFoundError(
            f"shards of {index} are missing: {_some(missing) or 'it names none'}. {_AGAIN}"
        )
    return files


def _refuse_placeholders(file: Path) -> None:
    """Refuse an empty file, and the pointer that Git leaves behind without LFS."""
    with file.open("rb") as stream:
        start = stream.read(24)
    if not start:
        raise ValueError(f"{file} is empty: expected weights, got 0 bytes. {_AGAIN}")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(
            f"{file} is a Git LFS pointer, not the weights themselves. Run `git lfs pull` in its repository."
        )


def _read_bin(file: Path) -> dict[str, torch.Tensor]:
    content = unpickle(file)
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise ValueError(
            f"{file} contains no tensors by name: expected what `XLMForSequenceClassification.save_pretrained` writes, "
            f"got {type(content).__name__}. Convert it to that form first (`xlmkit convert` for a file of XLM's authors)."
        )
    return content


def unpickle(file: Path, *, plain: Sequence[Any] = ()) -> Any:
    """Read what torch.save wrote by torch's restricted unpickler, which creates tensors and plain
    values and runs nothing.

    Parameters
    ----------
    plain : further classes that it may create, as `torch.serialization.safe_globals` takes them.

    Raises
    ------
    ValueError : if the file is damaged, or would have to run code to be read; the global that it
        requests is named."""
    _refuse_placeholders(file)
    try:
        with torch.serialization.safe_globals(list(plain)):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+\w)", str(error))
        what = f"requests {asked[1]!r} and" if asked else "is damaged, or contains more than tensors and"
        raise ValueError(
            f"{file} was refused: it {what} would have to run code to be read. Use model.safetensors, or a file from a source that "
            "you trust."
        ) from error
    except Exception as error:  # damaged bytes make the unpickler raise almost anything
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # the disk, not the file; EINVAL comes from seeking before the start of a truncated file
        raise ValueError(
            f"{file} cannot be read as torch weights: it is truncated, damaged or of another kind. {_AGAIN}"
        ) from error
