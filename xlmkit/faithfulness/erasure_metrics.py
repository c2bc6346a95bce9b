"""Erasure metrics: does the model use the words that an explanation names?

Words are erased in the space of ids, and the model is asked again. Comprehensiveness and
sufficiency are those of DeYoung et al. 2020 (ERASER), arXiv:1911.03429; leave-one-out correlation
that of Jain and Wallace 2019, arXiv:1902.10186; infidelity that of Yeh et al. 2019,
arXiv:1901.09392.

Each metric first says which sets of words it needs erased (`word_sets`), then computes its value
from the model's outputs for these sets (`metric_value`). So the sets of all metrics, methods and
controls of a pair are computed once, in large batches."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from scipy.stats import kendalltau
from tqdm.auto import tqdm

from xlmkit.checks import check_choice, check_int
from xlmkit.encoding import WAYS, erase
from xlmkit.explanation import Explanation
from xlmkit.faithfulness.controls import (
    MASKS,
    check_explanations,
    check_same_model,
    encode_explained,
    generator,
    input_key,
    max_length_of,
    metric_frame,
    metric_row,
    random_orders,
    with_controls,
)
from xlmkit.inference import logits
from xlmkit.model import NLIModel
from xlmkit.results import digest, resumable_map

METRICS = ("comprehensiveness", "sufficiency", "leave_one_out", "infidelity")
FRACTIONS = (0.01, 0.05, 0.10, 0.20, 0.50)  # ERASER's bins

Words = frozenset[int]
"""Numbers of words, as in `Explanation.words`."""


def erasure_metrics(
    nli: NLIModel,
    explanations: Explanation | Sequence[Explanation],
    *,
    metrics: Sequence[str] = METRICS,
    perturbation: str = "mask",
    n_controls: int = 20,
    n_masks: int = 50,
    pairs: pd.DataFrame | None = None,
    seed: int = 0,
    batch_tokens: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Evaluate explanations by erasing words, each against random controls.

    Parameters
    ----------
    explanations : of this model, by any methods. Those of one pair share the work.
    metrics : any of "comprehensiveness" (higher is better), "sufficiency" (lower),
        "leave_one_out" (Kendall's tau-b, higher) and "infidelity" (lower), as in `metric_value`.
        The first two are in probability of the target (against the contrast alone where there is
        one), the others in logits, target minus contrast.
    perturbation : how words are erased: "mask", "pad" or "delete", as in `erase`. The default is
        the mask, which the model saw in pre-training, and not the padding that most methods use
        as their baseline: with that, they would be evaluated by their own definition.
    n_controls : random explanations to compare each one with: its own scores in random orders, the
        same orders for every method.
    n_masks : random sets of words for infidelity.
    pairs : the explained frame. Its `promptID`, `item` and `pairID` are added to the result, so
        that `summarize` knows which rows are not independent.
    seed : with the pair's texts it decides orders and masks, whatever else is evaluated.
    batch_tokens : as for `predict`.
    checkpoint : a JSONL file to which results are appended; the same call resumes from it.
    progress : whether to show a progress bar.

    Returns
    -------
    One row per explanation and metric, in order: `pair_id`, `language` ("en>de" for mixed pairs),
    `method`, `aggregation`, `target`, `contrast`, `prediction`, `gold`, `metric`, `perturbation`,
    `value`, `control` (mean of the controls), `percentile` (fraction of the controls that it
    beats, in [0, 1]; higher is better for every metric, 0.5 is chance), and those columns of
    `pairs`. `value` and `percentile` are missing where the metric is not defined (leave-one-out
    of equal scores). `untrained` = True marks a model whose head is random.

    Raises
    ------
    ValueError : if an option is invalid, an explanation is of another model, `pairs` lacks a
        pair, or `checkpoint` belongs to another call.
    TypeError : if `explanations` has something else.
    OSError : if `checkpoint` cannot be written, or another run is writing it."""
    listed = check_explanations(nli, explanations)
    asked = (metrics,) if isinstance(metrics, str) else tuple(dict.fromkeys(metrics))
    for metric in asked or ("none",):
        check_choice("metrics", metric, METRICS)
    check_choice("perturbation", perturbation, WAYS)
    check_int("n_masks", n_masks, 1)
    exact = replace(nli, dtype=torch.float32)  # drops are small, and explanations are in fp32 too
    inputs: dict[Hashable, dict[int, Explanation]] = {}
    for number, explanation in enumerate(listed):
        key = input_key(explanation), max_length_of(explanation)
        inputs.setdefault(key, {})[number] = explanation

    def evaluate(group: dict[int, Explanation]) -> list[tuple[int, list[dict[str, object]]]]:
        """The rows of the explanations of one input."""
        first = next(iter(group.values()))
        masks = random_masks(len(first.words), n_masks, generator(first, seed, MASKS))
        orders = random_orders(first, n_controls, seed)
        scores = {number: with_controls(one.word_scores, orders) for number, one in group.items()}
        sets = dict.fromkeys(
            words
            for metric, own in itertools.product(asked, scores.values())
            for row in own
            for words in word_sets(metric, row, masks)
        )
        encoding = encode_explained(exact, first).select([0] * len(sets))
        erased = erase(encoding, list(sets), perturbation)
        found = dict(zip(sets, logits(exact, erased, batch_tokens=batch_tokens).astype(float), strict=True))
        rows: list[tuple[int, list[dict[str, object]]]] = []
        for number, one in group.items():
            outputs, chances = _outputs(exact, one, found)
            check_same_model(one, outputs[frozenset()])
            rows.append((number, []))
            for metric in asked:
                of = chances if metric in ("comprehensiveness", "sufficiency") else outputs
                values = []
                for row in scores[number]:
                    without = np.array([of[words] for words in word_sets(metric, row, masks)])
                    values.append(metric_value(metric, row, masks, without))
                rows[-1][1].append(metric_row(one, metric, perturbation, values))
        return rows

    config: dict[str, object] = {"metrics": asked, "perturbation": perturbation}
    config |= {"n_controls": n_controls, "n_masks": n_masks, "seed": seed}
    if checkpoint is not None:
        config |= {"model": dict(nli.provenance), "explanations": digest([one.to_dict() for one in listed])}
    groups = list(inputs.values())
    parts = resumable_map(checkpoint, config, groups, evaluate, serialize=list, deserialize=tuple)
    hidden = not progress or not listed
    rows = dict(itertools.chain(*tqdm(parts, "erasure metrics", len(groups), unit="pair", disable=hidden)))
    return metric_frame([row for number in range(len(listed)) for row in rows[number]], listed, pairs)


def word_sets(
    metric: str, scores: np.ndarray, masks: np.ndarray, fractions: Sequence[float] = FRACTIONS
) -> list[Words]:
    """The sets of words that a metric needs erased; the first is empty.

    Parameters
    ----------
    scores : (W,) one per word; higher supports the target more. Of equal scores, the earlier word
        comes first.
    masks : (M, W) bool, the sets of infidelity.
    fractions : of the words, in (0, 1], for comprehensiveness and sufficiency."""
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable").tolist()
    sets: Iterable[Iterable[int]]
    if metric == "comprehensiveness":  # without the words that the explanation ranks first
        sets = [order[:count] for count in word_counts(len(order), fractions)]
    elif metric == "sufficiency":  # with only these
        sets = [order[count:] for count in word_counts(len(order), fractions)]
    elif metric == "leave_one_out":
        sets = [[word] for word in range(len(order))]
    else:
        sets = [np.flatnonzero(mask).tolist() for mask in masks]
    return [frozenset(), *map(frozenset, sets)]


def metric_value(metric: str, scores: np.ndarray, masks: np.ndarray, outputs: np.ndarray) -> float:
    """A metric of one explanation.

    Parameters
    ----------
    scores, masks : as for `word_sets`.
    outputs : what the model gives for the target without each of `word_sets`.

    Returns
    -------
    comprehensiveness : the mean drop without the top words, in [-1, 1] for probabilities; higher
        is more faithful, 0 if these words do not matter.
    sufficiency : the mean drop with only the top words; lower is more faithful, 0 or less if these
        words alone decide.
    leave_one_out : Kendall's tau-b between the scores and the drops without single words, in [-1,
        1]; higher is more faithful. NaN if all scores, or all drops, are equal. Occlusion has 1
        by construction if it erases in the same way.
    infidelity : mean squared error of the sum of scores in a set as a forecast of the drop
        without it; 0 or more, lower is more faithful. Scores are first scaled by the one factor
        that serves them best (captum's `normalize=True`), because norms and gradients are not in
        logits."""
    drops = outputs[0] - np.asarray(outputs[1:], dtype=float)
    if metric in ("comprehensiveness", "sufficiency"):
        return float(np.mean(drops))
    if metric == "leave_one_out":
        if np.ptp(drops) == 0:
            return math.nan
        return float(kendalltau(scores, drops, method="asymptotic").statistic)  # p is not needed
    sums = masks @ np.asarray(scores, dtype=float)
    square = float(np.mean(sums**2))
    factor = float(np.mean(sums * drops)) / square if square > 0 else 0.0
    return float(np.mean((factor * sums - drops) ** 2))


def word_counts(n_words: int, fractions: Sequence[float] = FRACTIONS) -> tuple[int, ...]:
    """How many words each fraction means: rounded up, rising, equal numbers once.

    Of 20 words the default fractions mean 1, 2, 4 and 10: both 1 % and 5 % are one word."""
    if not fractions or not all(0 < fraction <= 1 for fraction in fractions):
        raise ValueError(f"`fractions` must be in (0, 1]; got {tuple(fractions)!r}.")
    # 0.05 * 20 is 1.0000000000000002 in some orders of rounding, which must not become two words.
    return tuple(sorted({math.ceil(round(fraction * n_words, 9)) for fraction in fractions}))


def random_masks(n_words: int, n_masks: int, rng: np.random.Generator) -> np.ndarray:
    """(n_masks, n_words) bool: random sets of words, of sizes uniform from 1 to `n_words`."""
    sizes = rng.integers(1, n_words + 1, size=n_masks)
    ranks = rng.permuted(np.tile(np.arange(n_words), (n_masks, 1)), axis=1)
    return ranks < sizes[:, None]


def _outputs(
    nli: NLIModel, explanation: Explanation, found: Mapping[Words, np.ndarray]
) -> tuple[dict[Words, float], dict[Words, float]]:
    """F of an explanation, and the probability of its target, without each set of words, from the
    (labels,) logits."""
    target = nli.labels.index(explanation.target)
    contrast = [] if explanation.contrast is None else [nli.labels.index(explanation.contrast)]
    among = [target, *contrast] if contrast else [target, *np.delete(np.arange(len(nli.labels)), target)]
    outputs = {words: float(own[target] - own[contrast].sum()) for words, own in found.items()}
    return outputs, {words: float(softmax(own[among])[0]) for words, own in found.items()}
