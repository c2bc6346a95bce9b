"""Language ids exchanged after encoding: the texts stay as they were cut, and only what is added to their embeddings changes.

XLM adds one vector a language to every position (Lample and Conneau 2019, section 3). A model with further rows in that table takes "no id"
(a row of zeros: what transformers does where `langs` is None), points between two languages, or token types as ids like any other, so one
encoding serves them all, in the usual batches."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from xlmkit import inference
from xlmkit.encoding import Encoding
from xlmkit.languages import LANGUAGES, resolve
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns

NONE = "none"
"""The id that is no id: nothing is added."""


def need_language_ids(nli: NLIModel) -> None:
    """Refuse with a ValueError a model without language embeddings, and with a TypeError what is no model."""
    if not isinstance(nli, NLIModel):
        raise TypeError(f"expected a model first, got {type(nli).__name__}; remedy: nli = load(...)")
    if not nli.uses_language_ids:
        raise ValueError(
            f"{nli.source!r} has no language embeddings, so there is no language id to probe; remedy: a checkpoint that has them, such as "
            "the embedded one or FacebookAI/xlm-mlm-xnli15-1024"
        )


def codes(nli: NLIModel) -> list[str]:
    """The languages that this model has an id for, in the kit's order."""
    return [code for code in LANGUAGES if code in nli.lang2id]


def vectors(nli: NLIModel) -> torch.Tensor:
    """(ids, H) float32: the language embeddings, a row an id, on the model's device."""
    return nli.network.transformer.lang_embeddings.weight.detach()


def checked_ids(nli: NLIModel, ids: Sequence[str] | None) -> list[str]:
    """The ids to try: codes of the model or "none"; all of them where `ids` is None.

    Raises
    ------
    ValueError : if there are none, or one is neither a code of the model's nor "none"."""
    if ids is None:
        return [*codes(nli), NONE]
    if isinstance(ids, str):
        ids = [ids]
    found = [name if name == NONE else resolve(name) for name in ids]
    lacking = [name for name in found if name != NONE and name not in nli.lang2id]
    if lacking or not found:
        raise ValueError(
            f"`ids` must be codes that {nli.source!r} has an id for ({', '.join(codes(nli))}) or {NONE!r}; got {ids!r}"
        )
    return list(dict.fromkeys(found))


def with_vectors(nli: NLIModel, further: torch.Tensor) -> NLIModel:
    """The same model with more language ids; all other weights are shared, and `nli` stays as it is.

    Parameters
    ----------
    further : (K, H) embeddings of the ids that follow the model's own.

    Returns
    -------
    A model for `inference.logits` whose ids 0 to n-1 mean what they meant, and n to n+K-1 the new rows."""
    return _with_table(nli, torch.cat([vectors(nli), further.to(nli.device, torch.float32)]))


def under(nli: NLIModel, id: str) -> NLIModel:
    """The same model with one id for all: whatever languages it is told, it adds this one's embedding, or none.

    `predict` and `explain` take it like any other, so that what they say under a wrong id can be compared with what they say under the right
    one. Texts are still cut by their own language.

    Parameters
    ----------
    id : a code of the model's, or "none".

    Raises
    ------
    ValueError : if the model has no language ids, or `id` is not one of them."""
    need_language_ids(nli)
    (id,) = checked_ids(nli, [id])
    own = vectors(nli)
    row = torch.zeros_like(own[:1]) if id == NONE else own[nli.lang2id[id]][None]
    return replace(
        _with_table(nli, row.expand_as(own).clone()), provenance={**nli.provenance, "language_id": id}
    )


def with_heads(nli: NLIModel, heads: Sequence[dict[str, torch.Tensor]]) -> NLIModel:
    """The same model with other heads, all computed in one pass.

    Parameters
    ----------
    heads : tensors as `checkpoint.weights.random_head` gives them, each for all labels.

    Returns
    -------
    A model whose logits are those of the first head, then those of the second, and so on; its labels are "0 neutral" and the like."""
    network, summary = _shallow(nli.network), _shallow(nli.network.sequence_summary)
    weight, bias = (
        torch.cat([head[f"sequence_summary.summary.{part}"] for head in heads]) for part in ("weight", "bias")
    )
    linear = torch.nn.Linear(weight.size(1), len(weight), device="meta")
    linear.weight, linear.bias = (
        torch.nn.Parameter(value.to(nli.device), requires_grad=False) for value in (weight, bias)
    )
    summary.summary = linear
    network.sequence_summary = summary
    names = tuple(f"{number} {label}" for number in range(len(heads)) for label in nli.labels)
    return replace(nli, network=network, labels=names)


def with_none(nli: NLIModel) -> tuple[NLIModel, dict[str, int]]:
    """The model with an id for "none", and the number of each name."""
    own = vectors(nli)
    numbers = {**{code: nli.lang2id[code] for code in codes(nli)}, NONE: len(own)}
    return with_vectors(nli, torch.zeros_like(own[:1])), numbers


def exchanged(encoding: Encoding, id: int) -> Encoding:
    """The encoding with this id at every position."""
    return replace(encoding, langs=torch.full_like(encoding.langs, id))


def chunks(nli: NLIModel, frame: pd.DataFrame, max_length: int) -> Iterator[tuple[slice, Encoding]]:
    """The rows of a checked frame with their encoding, `inference.CHUNK` at a time."""
    for start in range(0, len(frame), inference.CHUNK):
        rows = slice(start, start + inference.CHUNK)
        yield rows, inference.encode_frame(nli, frame.iloc[rows], max_length=max_length, spans=False)


def spoken(frame: pd.DataFrame) -> np.ndarray:
    """(N,) the language of each row; "premise>hypothesis" where the two differ."""
    first, *second = (frame[name].astype(str).to_numpy(dtype=object) for name in language_columns(frame))
    if not second:
        return first
    return np.where(first == second[0], first, first + ">" + second[0])


def _with_table(nli: NLIModel, table: torch.Tensor) -> NLIModel:
    """The same model with these (ids, H) language embeddings."""
    network, body = _shallow(nli.network), _shallow(nli.network.transformer)
    body.lang_embeddings = torch.nn.Embedding.from_pretrained(table)
    network.transformer = body
    network.config = copy.deepcopy(network.config)
    network.config.n_langs = len(table)
    return replace(nli, network=network)


def _shallow(module: Any) -> Any:
    """A second module with the same weights and submodules, which can be given others without changing the first."""
    found = copy.copy(module)
    found._modules = dict(module._modules)
    return found
