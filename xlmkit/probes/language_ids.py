"""What the language id does: every text under every id, the way from one id to another, and a model
with one id for all.

XLM adds one vector per language to every position (Lample and Conneau 2019, section 3). Here the
ids are exchanged after encoding: the texts stay as they were tokenized for their own language, and
only the added vector changes. A model with more rows in that table has an id for "no id" (a row of
zeros, as in transformers where `langs` is None), for points between two languages, and for token
types, so that one encoding serves them all:

    ar bg ... zh | none           `language_id_matrix`: the 15 ids, and one that adds nothing
    ar bg ... zh | 1/2 ... 2/2    `interpolate`: 15 ids at every step of the way to another id

`compare_inputs` compares the predictions on changed inputs with those on the right inputs of the
same pairs. Premise groups are resampled with all their items and translations, and the same ones
for every group of rows, so that differences are paired.

That leaving the id out hurts is reported in XLM issue #103, without figures."""

from __future__ import annotations

import copy
from collections.abc import Sequence
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
from xlmkit.stats import grouped, premise_groups, wilson

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
    encoding = inference.encode_frame(nli, frame, max_length=max_length, spans=False)
    table = language_embeddings(nli)
    wide, numbers = add_language_ids(nli, torch.zeros_like(table[:1])), {**nli.lang2id, NONE: len(table)}
    parts = []
    total = len(frame) * (len(names) + 1)
    with tqdm(total=total, desc="language ids", unit="pair", disable=not progress) as bar:
        right = inference.logits(wide, encoding, batch_tokens=batch_tokens, bar=bar)
        gold, predicted = gold_numbers(frame, nli.labels), right.argmax(1)
        for name in names:
            other = set_language_id(encoding, numbers[name])
            logits, changed = logits_if_changed(wide, other, encoding, right, batch_tokens, bar)
            rows = comparison_rows(frame, gold, predicted, logits.argmax(1)[:, None], changed)
            margin = _margins(logits, gold) - _margins(right, gold)
            margin_predicted = _margins(logits, predicted) - _margins(right, predicted)
            parts.append(rows.assign(id=name, margin=margin, margin_predicted=margin_predicted))
    rows = pd.concat(parts, ignore_index=True).rename(columns={"language": "text_language"})
    means = ("margin", "margin_predicted")
    result = compare_inputs(rows, ["text_language", "id"], means, seed=seed)
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
    encoding = inference.encode_frame(nli, frame, max_length=max_length, spans=False)
    start = language_embeddings(nli)  # (ids, H)
    end = torch.zeros_like(start[0]) if to == NONE else start[nli.lang2id[to]]
    points = [start + (end - start) * (step / n_steps) for step in range(1, n_steps + 1)]
    wide = add_language_ids(replace(nli, dtype=torch.float32), torch.cat(points))
    found = np.empty((len(frame), n_steps + 1, len(nli.labels)), dtype=np.float32)
    with tqdm(total=found[..., 0].size, desc="interpolate", unit="pair", disable=not progress) as bar:
        for step in range(n_steps + 1):
            moved = replace(encoding, langs=encoding.langs + len(start) * step)
            found[:, step] = inference.logits(wide, moved, batch_tokens=batch_tokens, bar=bar)
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
    """Raise a ValueError for a model without language embeddings, a TypeError for anything that is
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


def set_language_id(encoding: Encoding, id: int) -> Encoding:
    """The encoding with this id at every position."""
    return replace(encoding, langs=torch.full_like(encoding.langs, id))


def logits_if_changed(
    nli: NLIModel,
    encoding: Encoding,
    before: Encoding,
    logits: np.ndarray,
    batch_tokens: int | None,
    bar: tqdm,
) -> tuple[np.ndarray, np.ndarray]:
    """(N, labels) logits of an encoding, and (N,) whether the network sees another row than before;
    rows that do not change keep their `logits` of `before`."""
    width = max(encoding.input_ids.size(1), before.input_ids.size(1))
    seen = []
    for side in (encoding, before):
        mask = side.attention_mask
        tensors = torch.stack([mask, side.input_ids * mask, side.langs * mask])  # (3, N, T)
        seen.append(torch.nn.functional.pad(tensors, (0, width - mask.size(1))))
    changed = (seen[0] != seen[1]).any(0).any(1).numpy()
    rows, result = np.flatnonzero(changed), logits.copy()
    result[rows] = inference.logits(nli, encoding.select(rows), batch_tokens=batch_tokens, bar=bar)
    bar.update(len(logits) - len(rows))
    return result, changed


def gold_numbers(frame: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """(N,) the number of each row's gold label; -1 if there is none."""
    if "gold" not in frame:
        return np.full(len(frame), -1)
    return pd.Index(labels).get_indexer(pd.Index(frame["gold"]))


def comparison_rows(
    frame: pd.DataFrame, gold: np.ndarray, right: np.ndarray, predicted: np.ndarray, changed: np.ndarray
) -> pd.DataFrame:
    """The rows for `compare_inputs`, with their `language`.

    Parameters
    ----------
    gold, right : (N,) label numbers: gold (-1: none), and what is predicted on the right inputs.
    predicted : (N, K) label numbers on the changed inputs, by K heads, which are averaged.
    changed : (N,) bool."""
    known = gold >= 0
    return pd.DataFrame(
        {
            "language": row_language(frame),
            "premise_group": premise_groups(frame)[0],
            "correct": np.where(known, (predicted == gold[:, None]).mean(1), np.nan),
            "right": np.where(known, right == gold, np.nan),
            "flip": (predicted != right[:, None]).mean(1),
            "changed": changed,
        }
    )


def compare_inputs(
    rows: pd.DataFrame, by: Sequence[str], means: Sequence[str] = (), *, seed: int = 0
) -> pd.DataFrame:
    """Accuracy by group on changed inputs, and its difference to the right inputs.

    Parameters
    ----------
    rows : one row per pair and changed input: `premise_group`, `correct` (0 to 1, NaN without
        gold), `right` (the same of the right input), `flip` (0 to 1: the prediction differs) and
        `changed` (0 or 1: the network was given something else).
    by : the columns to group by.
    means : further columns, which are averaged.

    Returns
    -------
    One row per group, in order of appearance: `by`, `n` rows, `without_gold` (how many of them have
    none), `accuracy` in [0, 1] with `low` and `high`, `difference` to the right input in [-1, 1]
    (negative: worse) with `difference_low` and `difference_high`, `flips` and `changed` (mean of
    `flip` and `changed`), and the `means`. Intervals are 95 %. Accuracies are missing without gold.
    Below 30 premise groups the difference has no interval, unless it is 0 in all."""
    by = list(by)
    rows = rows.assign(difference=rows["correct"] - rows["right"])
    accuracy = grouped(rows, {"accuracy": "correct"}, by, "premise_group", few="wilson", seed=seed)
    difference = grouped(rows, {"difference": "difference"}, by, "premise_group", seed=seed)
    groups = rows.groupby(by, sort=False)
    result = groups.agg(n=("flip", "size"), known=("correct", "count")).reset_index()
    result.insert(len(by) + 1, "without_gold", result["n"] - result.pop("known"))
    result[["accuracy", "low", "high"]] = accuracy[["accuracy", "accuracy_low", "accuracy_high"]]
    ends = ["difference_low", "difference_high"]
    result[["difference", *ends]] = difference[["difference", *ends]]
    # Where no premise group changes, every resample says 0, which is too sure.
    # Wilson's interval of 0 in so many groups bounds the difference.
    sums = rows.dropna(subset="correct").groupby([*by, "premise_group"], sort=False)["difference"].sum()
    same = (
        sums.eq(0).groupby(by, sort=False).agg(["all", "size"]).reindex(pd.MultiIndex.from_frame(result[by]))
    )
    unchanged = same["all"].eq(True).to_numpy()
    bound = wilson(0.0, same["size"].to_numpy(float)[unchanged])[1]
    result.loc[unchanged, ends] = np.stack([-bound, bound], 1)
    averages = groups[["flip", "changed", *means]].mean().reset_index()
    result[["flips", "changed", *means]] = averages[["flip", "changed", *means]]
    result.loc[(result["changed"] == 0) & result["difference"].notna(), ends] = 0.0  # equal by definition
    return result


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


def _margins(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(N,) logit of each row's label minus the best other one; NaN if the label is -1."""
    rows = np.arange(len(logits))
    others = logits.astype(np.float64)
    own = others[rows, label]
    others[rows, label] = -np.inf
    return np.where(label < 0, np.nan, own - others.max(1, initial=-np.inf))
