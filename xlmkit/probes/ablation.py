"""The trap ablation: seven mistakes that the usual path makes in silence, one at a time and together, against the right way.

`traps` says what each of them feeds; here it is computed and judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import XLMTokenizer

from xlmkit import inference
from xlmkit.encoding import Encoding
from xlmkit.model import NLIModel
from xlmkit.model.weights import random_head
from xlmkit.probes import judging, usual
from xlmkit.probes.ids import chunks, need_language_ids, spoken, with_heads, with_vectors
from xlmkit.probes.traps import TRAPS, Fed, feed, further_ids, without_mask
from xlmkit.stats import ALL
from xlmkit.tokenization import EOS, PAD


def ablation(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    tokenizer: XLMTokenizer | None = None,
    heads: int = 5,
    batch_tokens: int | None = None,
    max_length: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """What each mistake of the usual path costs, by language.

    Parameters
    ----------
    pairs : as `predict` takes them. Nine passes over them.
    tokenizer : transformers' own for this model; None: from its folder.
    heads : how many random heads are drawn for 7 (seeds 0, 1, ...); their figures are means.
    batch_tokens, max_length : as `predict` takes them.
    seed : of the resampled prompts.

    Returns
    -------
    One row a trap and a language, and "all" languages: `trap` (a key of `TRAPS`), `what`, `language` ("premise>hypothesis" where mixed), `n`,
    `without_gold`, `accuracy` in [0, 1] with `low` and `high`, `difference` in [-1, 1] (to the right way, negative is worse) with `difference_low` and `difference_high`,
    `flips` (share of labels other than the right way's) and `changed` (share of pairs whose ids, language ids or mask are others; 1 where
    what changes is the network). Without gold, accuracies are missing and flips are not; below 30 prompts a difference has no interval.

    Raises
    ------
    ValueError : if the model has no language ids or no head, `heads` is not positive, or rows are faulty.
    FileNotFoundError : if no tokeniser is given and the model's folder is not there."""
    need_language_ids(nli)
    inference.need_head(nli)
    if heads < 1:
        raise ValueError(f"`heads` must be one or more; got {heads!r}")
    frame = inference.check_input(nli, pairs)
    tokenizer = tokenizer or usual.user_tokenizer(nli)
    networks = _Networks.of(nli, heads, batch_tokens)
    parts: list[list[pd.DataFrame]] = []
    passes = len(TRAPS) + 1  # the right way is computed before it is compared
    with tqdm(total=len(frame) * passes, desc="ablation", unit="pair", disable=not progress) as bar:
        for start in range(0, len(frame), inference.CHUNK):
            chunk = frame.iloc[start : start + inference.CHUNK]
            fed = feed(nli, chunk, tokenizer, max_length)
            parts.append(list(_judged(networks, fed, judging.golds(chunk, nli.labels), bar)))
    rows = pd.concat([part for trap in zip(*parts, strict=True) for part in trap], ignore_index=True)
    rows["language"] = np.tile(spoken(frame), len(TRAPS))
    rows["prompt"] = np.tile(judging.prompts(frame), len(TRAPS))
    result = judging.summary(judging.with_all(rows, "language"), ["trap", "language"], seed=seed)
    order = pd.Series({name: number for number, name in enumerate(TRAPS)})
    languages = [*sorted(set(result["language"]) - {ALL}), ALL]
    result = result.sort_values(
        ["trap", "language"],
        key=lambda column: column.map(order if column.name == "trap" else languages.index),
        ignore_index=True,
    )
    result.insert(1, "what", result["trap"].map(TRAPS))
    settings = {"heads": heads, "max_length": max_length, "seed": seed}
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
    """Where trap 6 bites: the pad baseline of an attribution, with its mask and without.

    Every piece but the special tokens is the pad piece. Without a mask transformers takes the first three positions for the whole input.

    Parameters
    ----------
    pairs, batch_tokens, max_length : as `predict` takes them.

    Returns
    -------
    `language`, `n`, `attended` (mean share of the positions that are left, in [0, 1]), `shift` (mean absolute change of a logit of the baseline, in logits):
    a completeness delta cannot get below it, whatever the number of steps.

    Raises
    ------
    ValueError : if the model has no head, or rows are faulty."""
    inference.need_head(nli)
    frame = inference.check_input(nli, pairs)
    parts = []
    with tqdm(total=2 * len(frame), desc="baseline", unit="pair", disable=not progress) as bar:
        for rows, encoding in chunks(nli, frame, max_length):
            special = encoding.input_ids.le(EOS)
            masked = replace(encoding, input_ids=torch.where(special, encoding.input_ids, PAD))
            bare = without_mask(masked)
            one, other = (
                inference.logits(nli, fed, batch_tokens=batch_tokens, bar=bar) for fed in (masked, bare)
            )
            measured = {"attended": bare.lengths / masked.lengths, "shift": np.abs(one - other).mean(1)}
            parts.append(pd.DataFrame({"language": spoken(frame.iloc[rows]), **measured}))
    keys = pd.concat(parts).groupby("language")
    return keys.mean().assign(n=keys.size()).reset_index()[["language", "n", "attended", "shift"]]


@dataclass(frozen=True)
class _Networks:
    """The model with the ids of `further_ids`, and in fp32 with `heads` random heads in place of its own."""

    own: NLIModel
    random: NLIModel
    heads: int
    batch_tokens: int | None

    @classmethod
    def of(cls, nli: NLIModel, heads: int, batch_tokens: int | None) -> _Networks:
        own = with_vectors(nli, further_ids(nli))
        drawn = [random_head(nli.network.config, seed=number) for number in range(heads)]
        return cls(own, with_heads(replace(own, dtype=torch.float32), drawn), heads, batch_tokens)

    def labels(self, encoding: Encoding, bar: tqdm) -> np.ndarray:
        """(B,) numbers."""
        return inference.logits(self.own, encoding, batch_tokens=self.batch_tokens, bar=bar).argmax(1)

    def random_labels(self, encoding: Encoding, bar: tqdm) -> np.ndarray:
        """(B, heads) numbers."""
        found = inference.logits(self.random, encoding, batch_tokens=self.batch_tokens, bar=bar)
        return found.reshape(len(encoding), self.heads, -1).argmax(2)


def _judged(networks: _Networks, fed: Iterator[Fed], gold: np.ndarray, bar: tqdm) -> Iterator[pd.DataFrame]:
    """What `judging.summary` takes of each trap, but for language and prompt; the right way comes first."""
    right: Encoding | None = None
    labels = np.empty(0, dtype=np.int64)
    for one in fed:
        if right is None:
            right, labels = one.encoding, networks.labels(one.encoding, bar)
        changed = np.ones(len(gold), dtype=bool) if one.random else _differ(right, one.encoding)
        if one.random:
            answers = networks.random_labels(one.encoding, bar)
        else:
            answers = labels[:, None].copy()
            places = np.flatnonzero(changed)
            answers[places, 0] = networks.labels(one.encoding.select(places), bar)
            bar.update(len(gold) - len(places))
        hits = np.mean([judging.correct(answer, gold) for answer in answers.T], axis=0)
        yield pd.DataFrame(
            {
                "trap": one.trap,
                "correct": hits,
                "right": judging.correct(labels, gold),
                "flip": (answers != labels[:, None]).mean(1),
                "changed": changed.astype(float),
            }
        )


def _differ(one: Encoding, other: Encoding) -> np.ndarray:
    """(B,) whether anything that the network sees of a row is not the same."""
    if one.input_ids.shape[1] < other.input_ids.shape[1]:
        one, other = other, one
    gap = one.input_ids.shape[1] - other.input_ids.shape[1]
    seen = []
    for encoding, missing in ((one, 0), (other, gap)):
        mask = encoding.attention_mask
        parts = torch.stack([mask, encoding.input_ids * mask, encoding.langs * mask])
        seen.append(torch.nn.functional.pad(parts, (0, missing)))
    return (seen[0] != seen[1]).any(0).any(1).numpy()
