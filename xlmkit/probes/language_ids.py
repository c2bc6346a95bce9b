"""What the language id does: every text under every id, the way from one id to another, and a model
with one id for all.

XLM adds one vector per language to every position (Lample and Conneau 2019, section 3). Here the
ids are exchanged after encoding: the texts stay as they were tokenized for their own language, and
only the added vector changes. A model with more rows in that table has an id for "no id" (a row of
zeros, as in transformers where `langs` is None), for points between two languages, and for token
types, so that one encoding serves them all:

    ar bg ... zh | none           `add_none`: the 15 ids of the model, and one that adds nothing
    ar bg ... zh | 1/2 ... 2/2    `interpolate`: 15 ids at every step of the way to another id

That leaving the id out hurts is reported in XLM issue #103, without figures."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from tqdm.auto import tqdm

from xlmkit import inference
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding
from xlmkit.languages import LANGUAGES, resolve
from xlmkit.model import NLIModel
from xlmkit.pairs import row_language
from xlmkit.probes.comparison import compare_inputs, gold_numbers, is_correct
from xlmkit.stats import premise_groups

NONE = "none"
"""The name of "no language id": nothing is added."""


def language_id_matrix(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    ids: Sequence[str] | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Accuracy, changed predictions and margins for every language of the texts under every
    language id.

    Parameters
    ----------
    pairs : as for `predict`. All 15 languages under all ids take 16 predictions per pair, so select
        items first.
    ids : codes, or "none" for no id; both sentences get the same. None: all ids of the model, and
        none.
    batch_tokens, max_length : as for `predict`.
    seed : of the bootstrap over premise groups.

    Returns
    -------
    One row per language of the texts and id: `text_language` ("en>fr" for mixed pairs), `id`, the
    columns of `compare_inputs` but `changed`, and in logits `margin`, the mean change of the gold
    logit minus the best other one (below 0 the id hurts; missing without gold), and
    `margin_predicted`, the same for the label predicted with the right ids, which needs no gold.

    Raises
    ------
    ValueError : if the model has no language ids or no head, an id is unknown, or rows are
        invalid."""
    check_has_language_ids(nli)
    inference.need_head(nli)
    names = resolve_ids(nli, ids)
    frame = inference.check_input(nli, pairs)
    wide, numbers = add_none(nli)
    right = np.empty((len(frame), len(nli.labels)), dtype=np.float32)
    exchanged = np.empty((len(names), *right.shape), dtype=np.float32)
    total = len(frame) * (len(names) + 1)
    with tqdm(total=total, desc="language ids", unit="pair", disable=not progress) as bar:
        for rows, encoding in encode_chunks(nli, frame, max_length):
            right[rows] = inference.logits(wide, encoding, batch_tokens=batch_tokens, bar=bar)
            for place, name in enumerate(names):
                # Rows that have this id anyway keep their logits.
                other = np.flatnonzero(_has_other_id(encoding, numbers[name]))
                values = right[rows].copy()
                given = set_language_id(encoding.select(other), numbers[name])
                values[other] = inference.logits(wide, given, batch_tokens=batch_tokens, bar=bar)
                exchanged[place, rows] = values
                bar.update(len(values) - len(other))
    gold, predicted = gold_numbers(frame, nli.labels), right.argmax(1)
    languages, groups = row_language(frame), premise_groups(frame)[0]
    parts = [
        pd.DataFrame(
            {
                "text_language": languages,
                "id": name,
                "premise_group": groups,
                "correct": is_correct(logits.argmax(1), gold),
                "right": is_correct(predicted, gold),
                "flip": logits.argmax(1) != predicted,
                "changed": languages != name,
                "margin": _margins(logits, gold) - _margins(right, gold),
                "margin_predicted": _margins(logits, predicted) - _margins(right, predicted),
            }
        )
        for name, logits in zip(names, exchanged, strict=True)
    ]
    means = ("margin", "margin_predicted")
    result = compare_inputs(pd.concat(parts, ignore_index=True), ["text_language", "id"], means, seed=seed)
    result = result.drop(columns="changed").sort_values("text_language", kind="stable", ignore_index=True)
    settings = {"ids": names, "max_length": max_length}
    result.attrs["provenance"] = inference.provenance(nli, "language_id_matrix", settings)
    return result


def interpolate(
    nli: NLIModel,
    pairs: pd.DataFrame,
    to: str,
    *,
    n_steps: int = 10,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """Move the language embedding in a straight line from the right language's to another's, and
    follow the logits.

    Parameters
    ----------
    pairs : as for `predict`; each side of a mixed pair starts from its own language.
    to : the code at the end of the way, or "none".
    n_steps : number of equal steps; every pair is computed `n_steps` + 1 times.
    batch_tokens, max_length : as for `predict`.

    Returns
    -------
    One row per pair and point: `pair_id`, `language` ("en>fr" for mixed pairs), `to`, `fraction` of
    the way (0: the right id, 1: the other), `prediction`, `logit_<label>` and `p_<label>` (in [0,
    1]) of each label, and `item`, `gold`, the texts and their English originals if the pairs have
    them. All in float32.

    Raises
    ------
    ValueError : if the model has no language ids or no head, `to` or `n_steps` is out of range, or
        rows are invalid."""
    check_has_language_ids(nli)
    inference.need_head(nli)
    check_int("n_steps", n_steps, 1)
    (to,) = resolve_ids(nli, [to])
    frame = inference.check_input(nli, pairs)
    start = language_embeddings(nli)  # (ids, H)
    end = torch.zeros_like(start[0]) if to == NONE else start[nli.lang2id[to]]
    points = [start + (end - start) * (step / n_steps) for step in range(1, n_steps + 1)]
    wide = add_language_ids(replace(nli, dtype=torch.float32), torch.cat(points))
    found = np.empty((len(frame), n_steps + 1, len(nli.labels)), dtype=np.float32)
    with tqdm(total=found[..., 0].size, desc="interpolate", unit="pair", disable=not progress) as bar:
        for rows, encoding in encode_chunks(nli, frame, max_length):
            for step in range(n_steps + 1):
                moved = replace(encoding, langs=encoding.langs + len(start) * step)
                found[rows, step] = inference.logits(wide, moved, batch_tokens=batch_tokens, bar=bar)
    kept = ["item", "gold", "premise", "hypothesis", "text", "english_premise", "english_hypothesis"]
    result = frame[["pair_id", *(name for name in kept if name in frame)]].copy()
    result.insert(1, "language", row_language(frame))
    result.insert(2, "to", to)
    result = result.iloc[np.repeat(np.arange(len(frame)), n_steps + 1)].reset_index(drop=True)
    result.insert(3, "fraction", np.tile(np.arange(n_steps + 1) / n_steps, len(frame)))
    logits = found.reshape(len(result), -1)
    result["prediction"] = np.array(nli.labels, dtype=object)[logits.argmax(1)]
    result[[f"logit_{label}" for label in nli.labels]] = logits
    result[[f"p_{label}" for label in nli.labels]] = softmax(logits.astype(float), axis=1)
    result.attrs["provenance"] = inference.provenance(nli, "interpolate", {"to": to, "n_steps": n_steps})
    return result


def logit_shift(path: pd.DataFrame) -> pd.DataFrame:
    """How far the logits have moved at each point of an interpolation, and how many predictions
    with them.

    Parameters
    ----------
    path : a frame from `interpolate`.

    Returns
    -------
    `language`, `to`, `fraction`, `n`, `change` (mean over pairs of the largest absolute change of a
    logit since fraction 0, in logits) and `flips` (fraction of pairs whose prediction differs from
    that at 0, in [0, 1]).

    Raises
    ------
    ValueError : if a column is missing."""
    columns = [name for name in path if str(name).startswith("logit_")]
    missing = [name for name in ("pair_id", "language", "to", "fraction", "prediction") if name not in path]
    if missing or not columns:
        raise ValueError(
            f"expected a frame from `interpolate`; got no {', '.join(missing) or 'logit_<label>'}. Call interpolate(nli, pairs, to)."
        )
    start = path[path["fraction"] == 0].set_index("pair_id").loc[path["pair_id"]]
    moved = path[["language", "to", "fraction"]].assign(
        change=np.abs(path[columns].to_numpy(float) - start[columns].to_numpy(float)).max(1),
        flips=path["prediction"].to_numpy() != start["prediction"].to_numpy(),
    )
    groups = moved.groupby(["language", "to", "fraction"], sort=False)
    return groups.agg(n=("change", "size"), change=("change", "mean"), flips=("flips", "mean")).reset_index()


def with_language_id(nli: NLIModel, id: str) -> NLIModel:
    """The same model with one language id for all texts.

    `predict` and `explain` take it like any other model, so that their results under a wrong id can
    be compared with those under the right one. Texts are still tokenized for their own language.

    Parameters
    ----------
    id : a code of the model, or "none" for no id.

    Raises
    ------
    ValueError : if the model has no language ids, or `id` is not one of them."""
    check_has_language_ids(nli)
    (id,) = resolve_ids(nli, [id])
    table = language_embeddings(nli)
    row = torch.zeros_like(table[0]) if id == NONE else table[nli.lang2id[id]]
    changed = _with_embeddings(nli, row.expand_as(table).clone())
    return replace(changed, provenance={**nli.provenance, "language_id": id})


def check_has_language_ids(nli: NLIModel) -> None:
    """Refuse with a ValueError a model without language embeddings, and with a TypeError what is
    not a model."""
    if not isinstance(nli, NLIModel):
        raise TypeError(f"expected a model first; got {type(nli).__name__}. Load one with nli = load(...).")
    if not nli.uses_language_ids:
        raise ValueError(
            f"expected a model with language ids; {nli.source!r} has no language embeddings. "
            "Load the bundled model or FacebookAI/xlm-mlm-xnli15-1024."
        )


def language_codes(nli: NLIModel) -> list[str]:
    """The languages for which the model has an id, in the order of `LANGUAGES`."""
    return [code for code in LANGUAGES if code in nli.lang2id]


def language_embeddings(nli: NLIModel) -> torch.Tensor:
    """(ids, H) float32: the language embeddings, one row per id, on the model's device."""
    return nli.network.transformer.lang_embeddings.weight.detach()


def resolve_ids(nli: NLIModel, ids: Sequence[str] | None) -> list[str]:
    """Codes of the model or "none", each once; all of them if `ids` is None.

    Raises
    ------
    ValueError : if there are none, or one is neither a code of the model nor "none"."""
    known = [*language_codes(nli), NONE]
    given = known if ids is None else [ids] if isinstance(ids, str) else ids
    names = [name if name == NONE else resolve(name) for name in given]
    if not names or not set(names) <= set(known):
        raise ValueError(f"`ids` must be codes that {nli.source!r} has, of {', '.join(known)}; got {ids!r}")
    return list(dict.fromkeys(names))


def add_language_ids(nli: NLIModel, embeddings: torch.Tensor) -> NLIModel:
    """The same model with K more language ids; all other weights are shared, and `nli` does not
    change.

    Parameters
    ----------
    embeddings : (K, H), the embeddings of the ids that follow the model's own.

    Returns
    -------
    A model for `inference.logits`: its ids 0 to n - 1 mean what they meant, ids n to n + K - 1 are
    the new rows."""
    table = torch.cat([language_embeddings(nli), embeddings.to(nli.device, torch.float32)])
    return _with_embeddings(nli, table)


def add_none(nli: NLIModel) -> tuple[NLIModel, dict[str, int]]:
    """The model with an id for "none", and the number of each name."""
    table = language_embeddings(nli)
    numbers = {code: nli.lang2id[code] for code in language_codes(nli)}
    return add_language_ids(nli, torch.zeros_like(table[:1])), {**numbers, NONE: len(table)}


def set_language_id(encoding: Encoding, id: int) -> Encoding:
    """The encoding with this id at every position."""
    return replace(encoding, langs=torch.full_like(encoding.langs, id))


def encode_chunks(nli: NLIModel, frame: pd.DataFrame, max_length: int) -> Iterator[tuple[slice, Encoding]]:
    """The rows of a checked frame with their encoding, `inference.CHUNK` at a time."""
    for start in range(0, len(frame), inference.CHUNK):
        rows = slice(start, start + inference.CHUNK)
        yield rows, inference.encode_frame(nli, frame.iloc[rows], max_length=max_length, spans=False)


def shallow_copy(module: Any) -> Any:
    """A module with the same weights and submodules, whose submodules can be replaced without
    changing the first."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin


def _with_embeddings(nli: NLIModel, table: torch.Tensor) -> NLIModel:
    """The same model with these (ids, H) language embeddings."""
    network = shallow_copy(nli.network)
    network.transformer = shallow_copy(network.transformer)
    network.transformer.lang_embeddings = torch.nn.Embedding.from_pretrained(table)
    network.config = copy.deepcopy(network.config)
    network.config.n_langs = len(table)
    return replace(nli, network=network)


def _has_other_id(encoding: Encoding, id: int) -> np.ndarray:
    """(B,) whether a token of the pair has another language id than this."""
    return ((encoding.langs != id) & encoding.attention_mask.bool()).any(1).numpy()


def _margins(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(N,) logit of each row's label minus the best other one; NaN if the label is -1."""
    rows = np.arange(len(logits))
    others = logits.astype(np.float64)
    own = others[rows, label]
    others[rows, label] = -np.inf
    return np.where(label < 0, np.nan, own - others.max(1, initial=-np.inf))
