"""The trap ablation: seven mistakes of the default transformers pipeline, one at a time and
together, and what they cost.

`traps` makes their inputs; here they are computed and compared with the right input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import XLMTokenizer

from xlmkit import inference
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding
from xlmkit.model import NLIModel
from xlmkit.model.weights import random_head
from xlmkit.pairs import row_language
from xlmkit.probes.comparison import compare_inputs, gold_numbers, is_correct
from xlmkit.probes.language_ids import (
    add_language_ids,
    check_has_language_ids,
    encode_chunks,
    shallow_copy,
)
from xlmkit.probes.traps import TRAPS, TrapInput, extra_embeddings, hf_tokenizer, trap_inputs, without_mask
from xlmkit.stats import ALL, premise_groups, with_all
from xlmkit.tokenization import EOS, PAD


def ablation(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    tokenizer: XLMTokenizer | None = None,
    n_random_heads: int = 5,
    batch_tokens: int | None = None,
    max_length: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """What each mistake of the default transformers pipeline costs, by language.

    Parameters
    ----------
    pairs : as for `predict`. Every pair is computed up to nine times.
    tokenizer : that of transformers for this model; None loads it from the model's folder.
    n_random_heads : random heads for trap 7, drawn with the seeds 0, 1, ...; their figures are
        averaged.
    batch_tokens, max_length : as for `predict`.
    seed : of the bootstrap over premise groups.

    Returns
    -------
    One row per trap and language, and for "all" languages: `trap` (a key of `TRAPS`), `what`,
    `language` ("en>fr" for mixed pairs), and the columns of `compare_inputs`. `changed` is the
    fraction of pairs whose ids, language ids or mask differ from the right ones; 1 where the
    network changes.

    Raises
    ------
    ValueError : if the model has no language ids or no head, `n_random_heads` is not positive, or
        rows are invalid.
    FileNotFoundError : if no tokenizer is given and the model's folder does not exist."""
    check_has_language_ids(nli)
    inference.need_head(nli)
    check_int("n_random_heads", n_random_heads, 1)
    frame = inference.check_input(nli, pairs)
    tokenizer = tokenizer or hf_tokenizer(nli)
    own = add_language_ids(nli, extra_embeddings(nli))
    heads = [random_head(nli.network.config, seed=number) for number in range(n_random_heads)]
    random = with_heads(replace(own, dtype=torch.float32), heads)
    gold = gold_numbers(frame, nli.labels)
    parts: list[list[pd.DataFrame]] = []  # by chunk, then by trap
    total = len(frame) * (len(TRAPS) + 1)  # the right input is computed, then compared with itself
    with tqdm(total=total, desc="ablation", unit="pair", disable=not progress) as bar:

        def predict(encoding: Encoding, with_random_heads: bool) -> np.ndarray:
            model, n_heads = (random, n_random_heads) if with_random_heads else (own, 1)
            logits = inference.logits(model, encoding, batch_tokens=batch_tokens, bar=bar)
            return logits.reshape(len(encoding), n_heads, len(nli.labels)).argmax(2)

        for start in range(0, len(frame), inference.CHUNK):
            rows = slice(start, start + inference.CHUNK)
            inputs = trap_inputs(nli, frame.iloc[rows], tokenizer, max_length)
            parts.append(list(_rows(inputs, predict, gold[rows], bar)))
    table = pd.concat([part for trap in zip(*parts, strict=True) for part in trap], ignore_index=True)
    table["language"] = np.tile(row_language(frame), len(TRAPS))
    table["premise_group"] = np.tile(premise_groups(frame)[0], len(TRAPS))
    result = compare_inputs(with_all(table, "language"), ["trap", "language"], seed=seed)
    languages = [*sorted(set(result["language"]) - {ALL}), ALL]
    order = pd.MultiIndex.from_product([TRAPS, languages], names=["trap", "language"])
    result = result.set_index(["trap", "language"]).loc[order].reset_index()
    result.insert(1, "what", result["trap"].map(TRAPS))
    settings = {"n_random_heads": n_random_heads, "max_length": max_length, "seed": seed}
    result.attrs["provenance"] = inference.provenance(nli, "ablation", settings)
    return result


def unmasked_baseline(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """Where trap 6 matters: the padding baseline of an attribution, with its mask and without.

    Every token but the special ones is replaced by padding. Without a mask, transformers takes the
    first three positions for the whole input.

    Parameters
    ----------
    pairs, batch_tokens, max_length : as for `predict`.

    Returns
    -------
    One row per language: `language`, `n`, `attended` (mean fraction of the positions that are still
    attended, in [0, 1]), `shift` (mean absolute change of a logit of the baseline, in logits). A
    completeness delta cannot be less than the shift, whatever the number of steps.

    Raises
    ------
    ValueError : if the model has no head, or rows are invalid."""
    inference.need_head(nli)
    frame = inference.check_input(nli, pairs)
    table = pd.DataFrame({"language": row_language(frame), "attended": np.nan, "shift": np.nan})
    with tqdm(total=2 * len(frame), desc="baseline", unit="pair", disable=not progress) as bar:
        for rows, encoding in encode_chunks(nli, frame, max_length):
            ids = torch.where(encoding.input_ids.le(EOS), encoding.input_ids, PAD)
            masked = replace(encoding, input_ids=ids)
            bare = without_mask(masked)
            logits = [
                inference.logits(nli, one, batch_tokens=batch_tokens, bar=bar) for one in (masked, bare)
            ]
            table.iloc[rows, 1] = bare.lengths / masked.lengths
            table.iloc[rows, 2] = np.abs(logits[0] - logits[1]).mean(1)
    groups = table.groupby("language")
    means = groups.agg(n=("shift", "size"), attended=("attended", "mean"), shift=("shift", "mean"))
    return means.reset_index()


def with_heads(nli: NLIModel, heads: Sequence[dict[str, torch.Tensor]]) -> NLIModel:
    """The same model with K other heads, which are computed in one pass.

    Parameters
    ----------
    heads : tensors from `model.weights.random_head`, each for all labels.

    Returns
    -------
    A model with K x labels logits, those of the first head first; its labels are "0 neutral" and so
    on."""
    weight, bias = (
        torch.cat([head[f"sequence_summary.summary.{name}"] for head in heads]) for name in ("weight", "bias")
    )
    linear = torch.nn.Linear(weight.size(1), len(weight), device="meta")
    linear.weight, linear.bias = (
        torch.nn.Parameter(value.to(nli.device), requires_grad=False) for value in (weight, bias)
    )
    network = shallow_copy(nli.network)
    network.sequence_summary = shallow_copy(network.sequence_summary)
    network.sequence_summary.summary = linear
    names = tuple(f"{number} {label}" for number in range(len(heads)) for label in nli.labels)
    return replace(nli, network=network, labels=names)


def _rows(
    inputs: Iterator[TrapInput],
    predict: Callable[[Encoding, bool], np.ndarray],
    gold: np.ndarray,
    bar: tqdm,
) -> Iterator[pd.DataFrame]:
    """The rows for `compare_inputs` of each trap, but for language and premise group; the right
    input comes first.

    `predict` gives the (B, heads) label numbers of an encoding, with the model's own head or with
    random ones."""
    first = next(inputs)
    right = predict(first.encoding, False)  # (B, 1)
    for trap in (first, *inputs):
        if trap.random_head:
            changed, predicted = np.ones(len(gold), dtype=bool), predict(trap.encoding, True)
        else:
            changed, predicted = _differ(first.encoding, trap.encoding), right.copy()
            rows = np.flatnonzero(changed)
            predicted[rows] = predict(trap.encoding.select(rows), False)
            bar.update(len(gold) - len(rows))
        yield pd.DataFrame(
            {
                "trap": trap.trap,
                "correct": is_correct(predicted, gold[:, None]).mean(1),
                "right": is_correct(right[:, 0], gold),
                "flip": (predicted != right).mean(1),
                "changed": changed,
            }
        )


def _differ(one: Encoding, other: Encoding) -> np.ndarray:
    """(B,) whether anything that the network sees of a row differs, padding aside."""
    width = max(one.input_ids.size(1), other.input_ids.size(1))
    seen = []
    for encoding in (one, other):
        mask = encoding.attention_mask
        parts = torch.stack([mask, encoding.input_ids * mask, encoding.langs * mask])  # (3, B, T)
        seen.append(torch.nn.functional.pad(parts, (0, width - mask.size(1))))
    return (seen[0] != seen[1]).any(0).any(1).numpy()
