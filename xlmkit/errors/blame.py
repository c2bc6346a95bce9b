"""Blame: which words, and which kinds of words, push most towards wrong labels, by language and by
confusion.

A word is blamed for an error if its score (the wrong label's logit minus gold's) is the highest of
its pair, and positive. Frequent kinds of words are blamed often because they are frequent. So every
fraction is compared with the one that chance would give, if a word of each pair were drawn at
random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from xlmkit.checks import check_choice, check_int
from xlmkit.errors.words import GROUP_COLUMNS, TEXTS, WORD_CLASSES
from xlmkit.stats import cluster_sums, estimate, premise_groups
from xlmkit.stats.bootstrap import Resampling

UNITS = ("word", "class")
CELLS = 2**22  # sums that are in memory together, 32 MB


def blame(
    words: pd.DataFrame,
    *,
    unit: str = "word",
    by: str | Sequence[str] = ("language", "confusion"),
    top_k: int = 1,
    min_errors: int = 1,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Count what is blamed, most often first.

    Parameters
    ----------
    words : a frame from `classify_words`.
    unit : "word" counts words as they are written, punctuation included; "class" counts the kinds
        of `WORD_CLASSES`.
    by : columns of `words` to group by, such as "language", "confusion" or both; () for all errors
        together. Group words by language, since one spelling may be two words.
    top_k : how many words of each error are blamed at most: those that push most, if they push
        towards the wrong label.
    min_errors : leave out what is blamed for fewer errors than this.
    confidence_level : of the intervals, in (0, 1), by bootstrap over premise groups with
        `n_resamples` resamples drawn by `seed`. With few errors they are too narrow.

    Returns
    -------
    One row per group and word or class, in each group by `blamed`, then `excess`:

    =======================  =======================================================================
    `by`, `unit`             the group, and the word or class (column "word" or "class")
    errors                   of the group
    present                  errors in which it occurs
    blamed                   errors for which it is blamed
    share, low, high         `blamed` / `errors`, in [0, 1]
    chance                   the share that random words would have, in [0, 1]
    excess, excess_low,      share - chance, in [-1, 1]; above 0 it misleads more than its frequency
    excess_high              explains
    score, score_low,        mean over `present` of the sum of its scores, in logits; positive
    score_high               pushes towards the wrong label
    examples                 up to three `pair_id`s for which it is blamed, the strongest pushes
                             first
    =======================  =======================================================================

    Raises
    ------
    ValueError : if there are no words, an option is out of range, or a column to group by is
        missing."""
    groups = [by] if isinstance(by, str) else list(by)
    check_choice("unit", unit, UNITS)
    check_int("top_k", top_k, 1)
    check_int("min_errors", min_errors, 1)
    missing = [name for name in ("pair_id", "word_text", "score", "rank", *groups) if name not in words]
    if missing or words.empty:
        raise ValueError(
            f"expected a frame from `classify_words` with {', '.join(missing) or 'at least one row'}; "
            f"got {', '.join(map(str, words.columns))}. Make it with errors.classify_words(explanations, pairs)."
        )
    words = words.assign(group=words.groupby(groups, sort=False, dropna=False).ngroup() if groups else 0)
    prompts = words.drop_duplicates("pair_id")
    prompts = prompts.assign(prompt=premise_groups(prompts[["pair_id", *_columns(words, GROUP_COLUMNS)]])[0])
    errors = cluster_sums(np.ones(len(prompts)), prompts["prompt"].to_numpy(), prompts["group"].to_numpy())
    present = _present(words, unit, groups, top_k)
    keys = ["group", *groups, unit]
    rows = present.groupby(keys, dropna=False)
    table = rows.agg(present=("pair_id", "size"), blamed=("blamed", "sum")).reset_index()
    table.insert(len(keys), "errors", errors.sum(0)[table["group"]].astype(int))
    table = table[table["blamed"] >= min_errors].reset_index()
    present["row"] = rows.ngroup().map(pd.Series(table.index, table.pop("index"))).fillna(-1).astype(int)
    present["prompt"] = present["pair_id"].map(prompts.set_index("pair_id")["prompt"])
    options: Resampling = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}
    table = table.join(_intervals(present, errors, table["group"].to_numpy(), options))
    strongest = present[present["blamed"] & (present["row"] >= 0)]
    strongest = strongest.sort_values("score", ascending=False, kind="stable")
    table["examples"] = strongest.groupby("row")["pair_id"].agg(lambda ids: ids.head(3).to_list())
    order = [*groups, "blamed", "excess"]
    table = table.sort_values(order, ascending=[*[True] * len(groups), False, False], ignore_index=True)
    return table.drop(columns="group")


def examples(words: pd.DataFrame, table: pd.DataFrame, *, n_examples: int = 3) -> pd.DataFrame:
    """List the errors that a blame table names as examples, for reading.

    Parameters
    ----------
    words : the frame from `classify_words` from which the table was made, with `pairs`.
    table : rows of `blame`, as many as are to be read.
    n_examples : examples per row, at most three.

    Returns
    -------
    One row per example: the table's groups and word or class, `rank` (1 to `n_examples`),
    `pair_id`, `language`, `gold`, `prediction`, `sentence`, `word_text` (the word that pushes most
    of what is blamed), `score`, the texts, and their English originals if the pairs had them.

    Raises
    ------
    ValueError : if `table` is not from `blame`."""
    unit = next((name for name in UNITS if name in table), None)
    if unit is None or "examples" not in table:
        raise ValueError(f"expected a frame from `blame`; got {', '.join(map(str, table.columns))}")
    keys = list(table.loc[:, :unit].columns)
    by_pair = dict(tuple(words.groupby("pair_id", sort=False)))
    kept = ["pair_id", "language", "gold", "prediction", "sentence", "word_text", "score"]
    kept += _columns(words, TEXTS)
    found = []
    for row in table.to_dict("records"):
        for rank, pair_id in enumerate(row["examples"][:n_examples], 1):
            own = by_pair[pair_id]
            meant = own[own["word_text"] == row[unit]] if unit == "word" else own[own[row[unit]]]
            strongest = meant.loc[meant["score"].idxmax(), kept].to_dict()
            found.append({**{name: row[name] for name in keys}, "rank": rank, **strongest})
    return pd.DataFrame(found, columns=list(dict.fromkeys([*keys, "rank", *kept])))


def _columns(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in frame]


def _present(words: pd.DataFrame, unit: str, groups: list[str], top_k: int) -> pd.DataFrame:
    """One row per error and word or class in it: `score` (summed), `blamed`, and the `chance` of
    being blamed."""
    blamed = (words["rank"] <= top_k) & (words["score"] > 0)
    by_pair = blamed.groupby(words["pair_id"])
    known = words.assign(blamed=blamed, n_words=by_pair.transform("size"), n_blamed=by_pair.transform("sum"))
    if unit == "word":
        known = known.assign(word=words["word_text"])
    else:
        classes = _columns(words, WORD_CLASSES)
        known = pd.concat([known[words[name].astype(bool)].assign(**{"class": name}) for name in classes])
    keys = list(dict.fromkeys(["pair_id", "group", *groups, unit]))
    found = known.groupby(keys, sort=False, dropna=False).agg(
        score=("score", "sum"),
        blamed=("blamed", "any"),
        own=("score", "size"),
        n_words=("n_words", "first"),
        n_blamed=("n_blamed", "first"),
    )
    # The chance that of n_blamed words, drawn without replacement, at least one is its own.
    found["chance"] = 1 - hypergeom.pmf(0, found["n_words"], found["own"], found["n_blamed"])
    return found.reset_index()


def _intervals(
    present: pd.DataFrame, errors: np.ndarray, groups: np.ndarray, options: Resampling
) -> pd.DataFrame:
    """The figures of each row of the table with their intervals; `errors` are (P premise groups,
    G groups) counts."""
    block = max(1, CELLS // (5 * len(errors)))
    parts = []
    for start in range(0, max(1, len(groups)), block):
        own = present[present["row"].between(start, min(start + block, len(groups)) - 1)]
        values = own[["blamed", "chance", "score"]].assign(present=1.0).to_numpy(float)
        sums = np.zeros((len(errors), len(groups[start : start + block]), 5))
        np.add.at(sums[..., :4], (own["prompt"].to_numpy(), own["row"].to_numpy() - start), values)
        sums[..., 4] = errors[:, groups[start : start + block]]
        found = estimate(sums, _ratios, few="percentile", **options)
        parts.append(np.stack([found.value, found.low, found.high], axis=2).reshape(-1, 12))
    ends = ("", "_low", "_high")
    columns = [f"{name}{end}" for name in ("share", "chance", "excess", "score") for end in ends]
    result = pd.DataFrame(np.concatenate(parts), columns=columns)
    result = result.rename(columns={"share_low": "low", "share_high": "high"})
    return result.drop(columns=["chance_low", "chance_high"])


def _ratios(sums: np.ndarray) -> np.ndarray:
    """(..., 5) sums of blamed, chance, score, present and errors -> (..., 4) share, chance,
    excess and score."""
    blamed, chance, score, present, errors = np.moveaxis(sums, -1, 0)
    return np.stack([blamed / errors, chance / errors, (blamed - chance) / errors, score / present], -1)
