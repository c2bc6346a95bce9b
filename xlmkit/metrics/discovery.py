"""Slice discovery: the worst pairs of features, found on half of the prompts and judged on the other half.

Whoever looks at hundreds of slices and reports the worst has found chance. So looking and judging are done on different prompts (Cox 1975): what the
second half says of a slice is as honest as if the slice had been thought of before."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.metrics.parts import PARTS, Part, cut, feature_columns
from xlmkit.metrics.slices import FEWEST, Sample, accuracies, adjusted, p_values, read, too_small
from xlmkit.stats import permutation
from xlmkit.stats.bootstrap import N_RESAMPLES as COUNT
from xlmkit.stats.bootstrap import check_confidence_level

TOP = 10  # slices that are taken to the second half
ALIKE = 0.8  # share of rows in common (Jaccard) above which two slices are one


def discover(
    preds: pd.DataFrame,
    columns: Sequence[str] | None = None,
    seed: int = 0,
    *,
    top: int = TOP,
    labels: Sequence[str] | None = None,
    parts: int = PARTS,
    confidence_level: float = 0.95,
    n_resamples: int = COUNT,
    n_permutations: int = permutation.N_PERMUTATIONS,
) -> pd.DataFrame:
    """The slices by one or two features on which a model is worst against the rest.

    Parameters
    ----------
    preds : predictions with gold and the columns to look at; the rows of one language, or of several that are then looked at together (name
        `language` among the columns to look for slices of languages too).
    columns, labels, parts, n_resamples, n_permutations : as `slices`.
    confidence_level : of the intervals, in (0, 1); 1 minus it is the level of `confirmed`.
    seed : draws the halves, resamples and permutations.
    top : how many slices are taken to the second half.

    Returns
    -------
    One row a slice, the worst on the first half first: `slice` ("overlap: 0 to 0.2 and negation: both"), `feature`, `value`, and `feature_2`, `value_2`
    (missing for a slice by one feature); on the first half `n_found`, `accuracy_found` in [0, 1] (higher is better), `difference_found` in [-1, 1]; on the second half `n`, `accuracy`
    with `low` and `high`, `difference` to the rest with `difference_low` and `difference_high`, `p` (two-sided, by permutation), `p_adjusted` (Benjamini
    and Hochberg over this table) and `too_small`, as `slices` gives them; and `confirmed`: worse on the second half too, with `p_adjusted` of at most
    1 - `confidence_level`.
    On the first half a slice needs 30 items and a rest of 30; the worst is that whose accuracy lies the most standard errors below the rest's.
    Of slices that share 4 rows of 5 only the worst is taken. `attrs` has how many were `looked_at`, and `interval_over`, `seed`.

    Raises
    ------
    ValueError : as `slices`, or if there are fewer than two prompts, or no slice has enough items."""
    check_confidence_level(confidence_level)
    sample, given = read(preds, None, labels)
    first = _half(sample, seed)
    found = _candidates(given, feature_columns(given, columns), parts)
    best = _worst(sample, found, first, top)
    inside = [np.flatnonzero(~first & found[place][1]) for place, _ in best]
    rest = _only(sample, ~first)
    where = np.cumsum(~first) - 1  # places in the second half
    chosen = [where[rows] for rows in inside]
    groups = [rest.group[0]] * len(chosen)
    small = too_small(rest, chosen, groups)
    table = pd.DataFrame([_described(found[place][0]) for place, _ in best])
    table["n_found"], table["accuracy_found"], table["difference_found"] = zip(
        *(figures for _, figures in best), strict=True
    )
    table = table.assign(
        **accuracies(
            rest, chosen, groups, confidence_level=confidence_level, n_resamples=n_resamples, seed=seed
        )
    )
    table["p"] = p_values(rest, chosen, groups, small, n_permutations=n_permutations, seed=seed)
    table["p_adjusted"] = adjusted(table["p"])
    table["too_small"] = small
    table["confirmed"] = (table["difference"] < 0) & (table["p_adjusted"] <= 1 - confidence_level)
    table.attrs = {"looked_at": len(found), "interval_over": sample.over, "seed": seed}
    return table


def _half(sample: Sample, seed: int) -> np.ndarray:
    """(N,) whether a row belongs to the half on which slices are found; prompts are drawn, each with all of its rows."""
    prompts = int(sample.prompt.max()) + 1
    if prompts < 2:
        raise ValueError("expected two or more prompts, to find slices on half of them; got one")
    chosen = np.random.default_rng(seed).permutation(prompts) < prompts // 2
    return chosen[sample.prompt]


def _candidates(
    given: pd.DataFrame, names: Sequence[str], parts: int
) -> list[tuple[tuple[Part, ...], np.ndarray]]:
    """Slices by one feature, and by two different ones, with (N,) whether a row is in it."""
    single = []
    for name in names:
        for part in cut(given, name, parts):
            member = np.zeros(len(given), dtype=bool)
            member[part.rows] = True
            single.append(((part,), member))
    double = [
        ((*one, *other), here & there)
        for (one, here), (other, there) in itertools.combinations(single, 2)
        if one[0].feature != other[0].feature
    ]
    return [*single, *double]


def _worst(
    sample: Sample, found: Sequence[tuple[tuple[Part, ...], np.ndarray]], first: np.ndarray, top: int
) -> list[tuple[int, tuple[int, float, float]]]:
    """The places of the `top` worst slices of the `first` half, each with its rows, accuracy and difference there."""
    right, item = sample.right[first], sample.item[first]
    base, ranked = right.mean(), []
    for place, (_, member) in enumerate(found):
        inside = member[first]
        if min(len(np.unique(item[part])) for part in (inside, ~inside)) < FEWEST:
            continue
        accuracy, other = right[inside].mean(), right[~inside].mean()
        spread = np.sqrt(base * (1 - base) * (1 / inside.sum() + 1 / (~inside).sum()))
        score = (accuracy - other) / spread if spread > 0 else 0.0
        ranked.append((float(score), place, (int(inside.sum()), float(accuracy), float(accuracy - other))))
    if not ranked:
        raise ValueError(
            f"expected slices of {FEWEST} items or more on half of the prompts; got none among {len(found)}; remedy: more items, or columns of "
            "fewer values"
        )
    best: list[tuple[int, tuple[int, float, float]]] = []
    for _, place, figures in sorted(ranked):
        member = found[place][1][first]
        others = [found[other][1][first] for other, _ in best]
        if all((member & other).sum() < ALIKE * (member | other).sum() for other in others):
            best.append((place, figures))
        if len(best) == top:
            break
    return best


def _only(sample: Sample, rows: np.ndarray) -> Sample:
    """These rows of a sample, their prompts numbered anew."""
    return Sample(
        sample.right[rows],
        np.unique(sample.prompt[rows], return_inverse=True)[1],
        sample.item[rows],
        sample.place[rows],
        sample.group[rows],
        sample.over,
    )


def _described(parts: tuple[Part, ...]) -> dict[str, str | None]:
    one, other = parts[0], parts[1] if len(parts) > 1 else None
    return {
        "slice": " and ".join(f"{part.feature}: {part.value}" for part in parts),
        "feature": one.feature,
        "value": one.value,
        "feature_2": other.feature if other else None,
        "value_2": other.value if other else None,
    }
