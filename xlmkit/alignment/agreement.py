"""Compare word scores across languages over an alignment: project them for reading, and measure
whether they agree.

Agreement follows explaiNLI (Zaman and Belinkov 2022, arXiv:2204.05428). Each word of the first
language is compared with the sum of the scores of the words aligned with it, 0 if there are none,
over both sentences of the pair:

    the 0.1   dog 2.0   sleeps -1.0            Spearman's correlation of
               |         |                       0.1  2.0  -1.0    and
              hund 3.0  schläft -0.5  gut -0.6   0.0  3.0  -1.1    (sleeps is aligned with both)

and the mean over items. A control is missing there: sentences of similar length, or a hypothesis
that always counts for more than its premise, correlate by themselves. So the second language's
scores are also shuffled among the words of each sentence, with the same alignment, and the
difference counts."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import rankdata
from tqdm.auto import tqdm

from xlmkit.alignment.align import REFERENCE
from xlmkit.attribution.tabulate import add_columns
from xlmkit.checks import check_choice, check_int
from xlmkit.explanation import Explanation
from xlmkit.stats import ALL, grouped
from xlmkit.stats.bootstrap import Resampling

UNALIGNED = ("zero", "drop")
_BY_ITEM = (
    *("item", "prompt", "method", "aggregation", "first", "second", "first_pair", "second_pair"),
    *("same_target", "words", "aligned", "rho", "shuffled"),
)
_PROJECTED = (
    *("item", "method", "aggregation", "language", "pair_id", "prediction", "target", "contrast"),
    *("sentence", "word", "word_text", "score", "partners"),
)


def agreement_by_item(
    explanations: Sequence[Explanation],
    aligned: pd.DataFrame,
    *,
    unaligned: str = "zero",
    n_shuffles: int = 50,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Spearman's correlation of aligned word scores, item by item.

    Parameters
    ----------
    explanations : of the aligned pairs, by one method or several; one per pair, method and
        aggregation.
    aligned : a frame from `align`; the words of its `first` language are compared.
    unaligned : "zero", as in explaiNLI: a word without partners is compared with 0. "drop" leaves
        such words out.
    n_shuffles, seed : of the control. The result of an item does not depend on the other items.

    Returns
    -------
    One row per item, pair of languages, method and aggregation: `item`, `prompt`, `method`,
    `aggregation`, `first`, `second`, `first_pair`, `second_pair`, `same_target` (whether both
    explain the same label against the same other one), `words` (compared), `aligned` (fraction of
    the first language's words with a partner), `rho` in [-1, 1] (higher is more alike; missing with
    fewer than three words, or if all scores of a side are equal) and `shuffled`, the mean rho over
    the shuffles. Items that were not explained in both languages are left out.

    Raises
    ------
    ValueError : if an option is out of range, an explanation occurs twice, or the alignment was
        made for other words."""
    check_choice("unaligned", unaligned, UNALIGNED)
    check_int("n_shuffles", n_shuffles, 1)
    check_int("seed", seed, 0)
    methods = _by_method(explanations)
    groups = aligned.groupby(["item", "prompt", "first", "second", "first_pair", "second_pair"], sort=False)
    rows = []
    for (item, prompt, first, second, *pair), links in tqdm(groups, desc="agreement", disable=not progress):
        for (method, aggregation), by_pair in methods.items():
            if all(name in by_pair for name in pair):
                one, other = (by_pair[name] for name in pair)
                same = (one.target, one.contrast) == (other.target, other.contrast)
                names = (item, prompt, method, aggregation, first, second, *pair, same)
                rows.append((*names, *_correlation(one, other, links, unaligned, n_shuffles, seed)))
    return pd.DataFrame(rows, columns=list(_BY_ITEM))


def agreement(
    by_item: pd.DataFrame, *, confidence_level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Agreement by method and pair of languages, against its control.

    Parameters
    ----------
    by_item : a frame from `agreement_by_item`.
    confidence_level : of the intervals, in (0, 1), by bootstrap over premise groups with
        `n_resamples` resamples drawn by `seed`.

    Returns
    -------
    One row per method, aggregation and pair of languages, then "all" pairs together: `method`,
    `aggregation`, `first`, `second`, `n` (items with a rho), `undefined` (without), `same_target`
    (fraction of items), `aligned` (mean fraction of words with a partner), `rho` (mean, in [-1,
    1]), `shuffled` (its control), `difference` (rho - shuffled; above 0 is agreement beyond the
    control), `low`, `high` (of the difference).

    Raises
    ------
    ValueError : if there are no rows, or `confidence_level` is not between 0 and 1."""
    if by_item.empty:
        raise ValueError("expected items explained in two languages; got none. Explain the aligned pairs.")
    rho, shuffled = by_item["rho"], by_item["shuffled"].where(by_item["rho"].notna())
    rows = by_item.assign(
        shuffled=shuffled, difference=rho - shuffled, defined=rho.notna(), undefined=rho.isna()
    )
    rows = pd.concat([rows, rows.assign(first=ALL, second=ALL)], ignore_index=True)
    keys = ["method", "aggregation", "first", "second"]
    options: Resampling = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}
    intervals = grouped(rows, {"difference": "difference"}, keys, "prompt", few="percentile", **options)
    groups = rows.groupby(keys, sort=False)
    counts = groups[["defined", "undefined"]].sum().rename(columns={"defined": "n"})
    table = counts.join(groups[["same_target", "aligned", "rho", "shuffled"]].mean()).reset_index()
    table[["difference", "low", "high"]] = intervals[["difference", "difference_low", "difference_high"]]
    methods = table.groupby(["method", "aggregation"], sort=False).ngroup()
    return table.iloc[np.argsort(methods, kind="stable")].reset_index(drop=True)


def project_scores(
    explanations: Sequence[Explanation],
    aligned: pd.DataFrame,
    *,
    reference: str = REFERENCE,
    pairs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Project the scores of each item's words in all its languages to the words of the reference
    language.

    Parameters
    ----------
    explanations : of the aligned pairs, one per pair, method and aggregation.
    aligned : a frame from `align`, for pairs of languages with the reference.
    pairs : the explained frame, for `english_premise` and `english_hypothesis`, where the reference
        is not English.

    Returns
    -------
    One row per item, method, aggregation, language and word of the reference: `item`, `method`,
    `aggregation`, `language`, `pair_id`, `prediction`, `target`, `contrast`, `sentence`, `word` and
    `word_text` (of the reference), `score` (sum over the word's partners in that language, in the
    explanation's unit; missing without partners), `partners` (their texts), and the English
    originals, if given. The reference comes first. An item without the reference language is left
    out.

    Raises
    ------
    ValueError : if an explanation occurs twice, the alignment was made for other words or does not
        have the reference, or `pairs` has no English originals."""
    links = _with_first(aligned, reference)
    rows = []
    for (method, aggregation), by_pair in _by_method(explanations).items():
        for (item, pair_id), own in links.groupby(["item", "first_pair"], sort=False):
            if pair_id not in by_pair:
                continue
            base = by_pair[pair_id]
            rows += _projected((item, method, aggregation, reference), base, base, np.eye(len(base.words)))
            for (language, other_id), lines in own.groupby(["second", "second_pair"], sort=False):
                if other_id in by_pair:
                    other = by_pair[other_id]
                    names = (item, method, aggregation, language)
                    rows += _projected(names, base, other, _link_matrix(base, other, lines))
    result = pd.DataFrame(rows, columns=list(_PROJECTED))
    if pairs is None:
        return result
    english = [name for name in map(str, pairs) if name.startswith("english_")]
    if not english:
        raise ValueError(
            "expected `pairs` with the English originals (english_premise, english_hypothesis); "
            f"got {', '.join(map(str, pairs))}"
        )
    return add_columns(result, pairs, english)


def _by_method(explanations: Sequence[Explanation]) -> dict[tuple[str, str], dict[str, Explanation]]:
    """(method, aggregation) -> pair_id -> explanation."""
    found: dict[tuple[str, str], dict[str, Explanation]] = {}
    for explanation in explanations:
        if not isinstance(explanation, Explanation):
            raise TypeError(
                f"expected explanations; got {type(explanation).__name__}. Make them with explain(nli, pairs)."
            )
        by_pair = found.setdefault((explanation.method, explanation.aggregation), {})
        if explanation.pair_id in by_pair:
            raise ValueError(
                f"expected one explanation per pair, method and aggregation; got two of {explanation.pair_id!r} by "
                f"{explanation.method} ({explanation.aggregation}). Compare different targets in separate calls."
            )
        by_pair[explanation.pair_id] = explanation
    if not found:
        raise ValueError("expected explanations; got none")
    return found


def _with_first(aligned: pd.DataFrame, reference: str) -> pd.DataFrame:
    """The links of the language `reference`, turned so that it is the `first`."""
    swapped = {"first": "second", "second": "first"}
    turned = aligned[aligned["second"] == reference].rename(
        columns=lambda name: re.sub("first|second", lambda side: swapped[side[0]], name)
    )
    links = pd.concat([aligned[aligned["first"] == reference], turned], ignore_index=True)
    if links.empty:
        languages = sorted({*aligned["first"], *aligned["second"]})
        raise ValueError(
            f"expected an alignment with the language {reference!r}; got {', '.join(languages) or 'an empty one'}. Align with it."
        )
    return links


def _link_matrix(first: Explanation, second: Explanation, links: pd.DataFrame) -> np.ndarray:
    """(W of first, W of second) float64: 1 where two words are aligned, else 0.

    Raises
    ------
    ValueError : if the alignment was made for other words."""
    for explanation, name in ((first, "first"), (second, "second")):
        words = [word.text for word in explanation.words]
        for number, text in zip(links[f"{name}_word"], links[f"{name}_text"], strict=True):
            if words[number : number + 1] != [text]:
                raise ValueError(
                    f"expected an alignment of the explained words; it has word {number} {text!r} of pair "
                    f"{explanation.pair_id!r}, its explanation has not. Align and explain with the same `max_length`."
                )
    joined = np.zeros((len(first.words), len(second.words)))
    joined[links["first_word"].to_numpy(), links["second_word"].to_numpy()] = 1.0
    return joined


def _projected(
    names: tuple[object, ...], base: Explanation, other: Explanation, joined: np.ndarray
) -> list[tuple[object, ...]]:
    """One language of one item, in the order of `_PROJECTED`; `joined` is (W of base, W of
    other)."""
    scores = np.where(joined.any(1), joined @ other.word_scores, np.nan)
    known = (*names, other.pair_id, other.prediction, other.target, other.contrast)
    partners = [[other.words[place].text for place in np.flatnonzero(row)] for row in joined]
    return [
        (*known, base.sides[word.sentence], number, word.text, scores[number], partners[number])
        for number, word in enumerate(base.words)
    ]


def _correlation(
    first: Explanation, second: Explanation, links: pd.DataFrame, unaligned: str, n_shuffles: int, seed: int
) -> tuple[int, float, float, float]:
    """(words, aligned, rho, shuffled) of one item in two languages."""
    joined = _link_matrix(first, second, links)  # (N, M)
    has_partner = joined.any(1)
    kept = has_partner if unaligned == "drop" else np.ones(len(joined), dtype=bool)
    # A seed per pair of rows: the same shuffles for all methods, whatever else is compared.
    name = f"{first.pair_id}\0{second.pair_id}".encode("utf-8", "surrogatepass")
    generator = np.random.default_rng([seed, zlib.crc32(name)])
    scores = np.tile(second.word_scores, (n_shuffles + 1, 1))  # (1 + n_shuffles, M), the first unshuffled
    for sentence in range(len(second.sides)):
        own = [number for number, word in enumerate(second.words) if word.sentence == sentence]
        scores[1:, own] = generator.permuted(scores[1:, own], axis=1)
    rhos = _spearman(first.word_scores[kept], scores @ joined[kept].T)
    return int(kept.sum()), float(has_partner.mean()), float(rhos[0]), float(pd.Series(rhos[1:]).mean())


def _spearman(reference: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(K,) Spearman's correlation of (N,) scores with (K, N) others; missing if N < 3 or one side
    is constant."""
    if len(reference) < 3:
        return np.full(len(others), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - cdist([rankdata(reference)], rankdata(others, axis=1), "correlation")[0]
