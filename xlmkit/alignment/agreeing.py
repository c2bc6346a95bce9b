"""Agreement across languages: do the explanations of one item name the same words in two languages?

As in explaiNLI (Zaman and Belinkov 2022, arXiv:2204.05428): each word of the first language stands beside the sum of the scores of the words
aligned with it, 0 where there are none, over both sentences of the pair; Spearman's correlation by item, then the mean over items. What that
leaves out is a control: sentences alike in length, or a hypothesis that always counts for more than its premise, correlate by themselves. So
the second language's scores are also shuffled among the words of each sentence, the alignment kept, and what counts is the difference."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from tqdm.auto import tqdm

from xlmkit.alignment.carrying import by_method, partner_matrix
from xlmkit.alignment.parallel import ALL
from xlmkit.checks import is_int
from xlmkit.explanation import Explanation
from xlmkit.stats import bootstrap

UNALIGNED = ("zero", "drop")
_BY_ITEM = (
    *("item", "prompt", "method", "aggregation", "first", "second", "first_pair", "second_pair"),
    *("same_target", "words", "aligned", "rho", "shuffled"),
)


def agreement_by_item(
    explanations: Sequence[Explanation],
    aligned: pd.DataFrame,
    *,
    unaligned: str = "zero",
    shuffles: int = 50,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Spearman's correlation of aligned word scores, item by item.

    Parameters
    ----------
    explanations : of the pairs that were aligned, by one method or several; one a pair, method and aggregation.
    aligned : what `align` gives; its `first` language is the one whose words are counted.
    unaligned : "zero", as explaiNLI: a word without partners stands beside 0. "drop" leaves such words out.
    shuffles, seed : of the control, by item. An item alone gives what it gives among others.

    Returns
    -------
    One row an item, pair of languages, method and aggregation: `item`, `prompt`, `method`, `aggregation`, `first`, `second`, `first_pair`,
    `second_pair`, `same_target` (whether the same label is explained in both, against the same other), `words` (compared), `aligned`
    (share of the first language's words that have a partner), `rho` in [-1, 1] (higher is more alike; missing with fewer than three words, or
    where all scores of a side are equal) and `shuffled`, the mean of rho over the shuffles. Items that were not explained in both languages are
    left out.

    Raises
    ------
    ValueError : if an option is not as said above, an explanation stands twice, or the alignment names words that it has not."""
    if unaligned not in UNALIGNED:
        raise ValueError(f"`unaligned` must be one of {', '.join(UNALIGNED)}; got {unaligned!r}")
    for name, value, least in (("shuffles", shuffles, 1), ("seed", seed, 0)):
        if not is_int(value) or value < least:
            raise ValueError(f"`{name}` must be a whole number, {least} or more; got {value!r}")
    methods = by_method(explanations)
    keys = ["item", "prompt", "first", "second", "first_pair", "second_pair"]
    groups = aligned.groupby(keys, sort=False)
    found = []
    for (item, prompt, first, second, one, other), lines in tqdm(
        groups, desc="agreement", disable=not progress
    ):
        for (method, aggregation), known in methods.items():
            if one not in known or other not in known:
                continue
            here, there = known[one], known[other]
            same = (here.target, here.contrast) == (there.target, there.contrast)
            names = (item, prompt, method, aggregation, first, second, one, other, same)
            found.append((*names, *_correlation(here, there, lines, unaligned, shuffles, seed)))
    return pd.DataFrame(found, columns=list(_BY_ITEM))


def agreement(
    by_item: pd.DataFrame, *, confidence_level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Agreement by method and pair of languages, against its control.

    Parameters
    ----------
    by_item : what `agreement_by_item` gives.
    confidence_level : of the intervals, in (0, 1), by bootstrap over prompts with `n_resamples` resamples that `seed` draws.

    Returns
    -------
    One row a method, aggregation and pair of languages, then "all" pairs together: `method`, `aggregation`, `first`, `second`, `n` (items with a
    rho), `undefined` (without), `same_target` (share of items), `aligned` (mean share of words that have a partner), `rho` (mean, in [-1, 1], as
    published elsewhere), `shuffled` (its control), `difference` (rho - shuffled; above 0 is agreement that the alignment explains), `low`, `high` (of
    the difference). Items that stand in one of two languages only are in none of these numbers.

    Raises
    ------
    ValueError : if there are no rows, or `confidence_level` is not between 0 and 1."""
    if by_item.empty:
        raise ValueError(
            "expected items that were explained in two languages; got none; remedy: explain the pairs that were aligned"
        )
    bootstrap.check_confidence_level(confidence_level)
    prompts = pd.factorize(by_item["prompt"])[0]
    groups = list(_groups(by_item))
    known = by_item["rho"].notna().to_numpy()
    difference = (by_item["rho"] - by_item["shuffled"]).fillna(0.0).to_numpy()
    summed = np.stack(
        [
            bootstrap.cluster_sums(
                np.stack([difference * known, known], 1)[places], prompts[places], n_clusters=prompts.max() + 1
            )
            for _, places in groups
        ],
        axis=1,
    )  # (P, groups, 2)
    result = pd.DataFrame([_row(names, by_item.iloc[places]) for names, places in groups])
    some = np.flatnonzero(result["n"])  # a pair of languages without any rho has no interval either
    ends = np.full((2, len(result)), np.nan)
    if len(some):
        drawn = bootstrap.resampled_sums(summed[:, some], n_resamples=n_resamples, seed=seed)
        with np.errstate(invalid="ignore", divide="ignore"):
            ends[:, some] = bootstrap.interval(
                drawn[..., 0] / drawn[..., 1], confidence_level=confidence_level
            )
    return result.assign(low=ends[0], high=ends[1])


def _groups(by_item: pd.DataFrame) -> Iterator[tuple[tuple[Hashable, ...], np.ndarray]]:
    """The places of each method's rows, by pair of languages and then over all."""
    numbered = by_item.reset_index(drop=True)
    for (method, aggregation), own in numbered.groupby(["method", "aggregation"], sort=False):
        for (first, second), rows in own.groupby(["first", "second"], sort=False):
            yield (method, aggregation, first, second), rows.index.to_numpy()
        yield (method, aggregation, ALL, ALL), own.index.to_numpy()


def _row(names: tuple[Hashable, ...], rows: pd.DataFrame) -> dict[str, object]:
    rho = rows["rho"]
    shuffled = rows["shuffled"][rho.notna()]
    return {
        **dict(zip(("method", "aggregation", "first", "second"), names, strict=True)),
        "n": int(rho.notna().sum()),
        "undefined": int(rho.isna().sum()),
        "same_target": float(rows["same_target"].mean()),
        "aligned": float(rows["aligned"].mean()),
        "rho": float(rho.mean()),
        "shuffled": float(shuffled.mean()),
        "difference": float(rho.mean() - shuffled.mean()),
    }


def _correlation(
    first: Explanation,
    second: Explanation,
    lines: pd.DataFrame,
    unaligned: str,
    shuffles: int,
    seed: int,
) -> tuple[int, float, float, float]:
    """(words, aligned, rho, shuffled) of one item in two languages."""
    joined = partner_matrix(first, second, lines)  # (N, M)
    partnered = joined.any(1)
    kept = partnered if unaligned == "drop" else np.ones(len(joined), dtype=bool)
    # The shuffles of a pair are its own, whatever else is compared, and the same for all methods.
    generator = np.random.default_rng(
        [seed, zlib.crc32(f"{first.pair_id}\0{second.pair_id}".encode("utf-8", "surrogatepass"))]
    )
    scores = np.tile(second.word_scores, (shuffles + 1, 1))  # (1 + shuffles, M), the first as they are
    for sentence in range(len(second.sides)):
        own = [number for number, word in enumerate(second.words) if word.sentence == sentence]
        scores[1:, own] = generator.permuted(scores[1:, own], axis=1)
    rhos = _spearman(first.word_scores[kept], scores @ joined[kept].T)
    return int(kept.sum()), float(partnered.mean()), float(rhos[0]), _mean(rhos[1:])


def _spearman(reference: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's correlation of (N,) scores with each row of (K, N) others; missing with fewer than three, or where one side is constant."""
    if len(reference) < 3:
        return np.full(len(others), np.nan)
    one = rankdata(reference) - (len(reference) + 1) / 2
    rest = rankdata(others, axis=1) - (len(reference) + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return rest @ one / np.sqrt((one**2).sum() * (rest**2).sum(1))


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
