"""Blame: which words, and which kinds of words, push most towards wrong labels, by language and by confusion.

A word is blamed for an error if its score (the wrong label's logit minus gold's) is the highest of its pair, and positive. Common kinds of words are
blamed often because they are common; so every share stands beside the one that chance would give, were a word of each pair drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from xlmkit.checks import check_int
from xlmkit.errors.words import PROMPTS, TEXTS, blamable
from xlmkit.stats import bootstrap
from xlmkit.stats.frames import premise_groups

KINDS = ("word", "class")
CELLS = 2**23  # resampled figures that are in memory together, 64 MB
_FIGURES = (
    *("share", "low", "high", "chance", "excess", "excess_low", "excess_high"),
    *("score", "score_low", "score_high"),
)
_RENAMED = {"share_low": "low", "share_high": "high"}


def blame(
    words: pd.DataFrame,
    *,
    of: str = "word",
    by: str | Sequence[str] = ("language", "cell"),
    top: int = 1,
    least: int = 1,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Count what is blamed, most frequent first.

    Parameters
    ----------
    words : what `errors.words` gives.
    of : "word" counts words as they are written, punctuation included, "class" kinds of words (`CLASSES`).
    by : columns of `words` to group by, as "language", "cell" or both; () for all errors together. Words should be grouped by language.
    top : so many words of each error are blamed, those that push most, as far as they push to the wrong label at all.
    least : leave out what is blamed for fewer errors than this.
    confidence_level : of the intervals, in (0, 1), by bootstrap over prompts with `n_resamples` resamples that `seed` draws. They say nothing of a handful of
        errors.

    Returns
    -------
    One row a group and a word or class, in each group by `blamed` and then `share` of chance:

    =======================  ==========================================================================================================
    `by`, `of`               the group, and the word or class (column "word" or "class")
    errors                   of the group
    present                  errors in which it stands
    blamed                   errors for which it is blamed
    share, low, high         `blamed` of `errors`, in [0, 1]
    chance                   the share that random words would have, in [0, 1]
    excess, excess_low,      share - chance, in [-1, 1]; above 0: it misleads more than its frequency says
    excess_high
    score, score_low,        mean over `present` of the sum of its scores, in logits; positive pushes to the wrong label
    score_high
    examples                 up to three `pair_id`s for which it is blamed, the strongest pushes first
    =======================  ==========================================================================================================

    Raises
    ------
    ValueError : if there are no words, an option is not as said above, or a column to group by is not there."""
    groups = [by] if isinstance(by, str) else list(by)
    _check(words, of, groups, top, least, confidence_level)
    pairs = _by_pair(words, of, groups, top)
    everything = [*groups, of]
    errors = _errors(words, groups)
    table = pairs.groupby(everything, sort=True, dropna=False).agg(
        present=("pair_id", "size"), blamed=("blamed", "sum")
    )
    table = table.reset_index()
    keys = list(map(tuple, table[groups].to_numpy())) if groups else [()] * len(table)
    sizes = {key: len(own) for key, own in _by_group(errors, groups).items()}
    table.insert(len(everything), "errors", [sizes[key] for key in keys])
    table = table[table["blamed"] >= least].reset_index(drop=True)
    table = table.assign(
        **_figures(table, pairs, errors, groups, everything, confidence_level, n_resamples, seed)
    )
    strongest = pairs[pairs["blamed"]].sort_values("score", ascending=False, kind="stable")
    shown = {key: own["pair_id"][:3].to_list() for key, own in strongest.groupby(everything, sort=False)}
    table["examples"] = [shown[key] for key in map(tuple, table[everything].to_numpy())]
    order = [*groups, "blamed", "excess"]
    return table.sort_values(order, ascending=[*[True] * len(groups), False, False], ignore_index=True)


def examples(words: pd.DataFrame, table: pd.DataFrame, *, count: int = 3) -> pd.DataFrame:
    """The errors that a blame table names as examples, to be read.

    Parameters
    ----------
    words : what `errors.words` gave with `pairs`, and what the table was made from.
    table : rows of `blame`, as many as are to be read.
    count : examples a row, at most three.

    Returns
    -------
    One row an example: the table's groups and word or class, `rank` (1 to `count`), `pair_id`, `language`, `gold`, `prediction`, `sentence`, `word_text` (the
    word that pushes most of what is blamed), `score`, the texts, and their English originals where the pairs had them.

    Raises
    ------
    ValueError : if `table` is none of `blame`."""
    of = next((name for name in KINDS if name in table), None)
    if of is None or "examples" not in table:
        raise ValueError(f"expected a table of `blame`; got {', '.join(map(str, table.columns))}")
    groups = list(table.columns[: table.columns.get_loc(of)])
    by_pair = dict(tuple(words.groupby("pair_id", sort=False)))
    kept = [*("pair_id", "language", "gold", "prediction", "sentence", "word_text", "score")]
    kept += [name for name in TEXTS if name in words]
    found = []
    for line in table.to_dict("records"):
        for rank, pair in enumerate(line["examples"][:count], 1):
            own = by_pair[pair]
            meant = own[own["word_text"] == line[of]] if of == "word" else own[own[line[of]]]
            strongest = meant.loc[meant["score"].idxmax()]
            known = {name: line[name] for name in [*groups, of]}
            found.append({**known, "rank": rank, **strongest[kept].to_dict()})
    return pd.DataFrame(found, columns=list(dict.fromkeys([*groups, of, "rank", *kept])))


def _check(
    words: pd.DataFrame, of: str, groups: list[str], top: int, least: int, confidence_level: float
) -> None:
    if of not in KINDS:
        raise ValueError(f"`of` must be one of {', '.join(KINDS)}; got {of!r}")
    for name, value in (("top", top), ("least", least)):
        check_int(name, value, 1)
    missing = [name for name in ("pair_id", "word_text", "score", "rank", *groups) if name not in words]
    if missing or words.empty:
        raise ValueError(
            f"expected the words of errors with {', '.join(missing) or 'at least one row'}; got {', '.join(map(str, words.columns))}; "
            "remedy: errors.words(explanations, pairs)"
        )
    bootstrap.check_confidence_level(confidence_level)


def _errors(words: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """One row an error: `pair_id`, its groups and the number of its prompt."""
    named = list(dict.fromkeys(["pair_id", *groups, *(name for name in PROMPTS if name in words)]))
    errors = words[named].drop_duplicates("pair_id").reset_index(drop=True)
    return errors.assign(prompt=premise_groups(errors)[0])


def _by_group(errors: pd.DataFrame, groups: list[str]) -> dict[tuple, pd.DataFrame]:
    return dict(tuple(errors.groupby(groups, sort=False))) if groups else {(): errors}


def _by_pair(words: pd.DataFrame, of: str, groups: list[str], top: int) -> pd.DataFrame:
    """One row an error and a word or class that stands in it: `score` (summed), `blamed`, `chance` of being so."""
    blamed = (words["rank"] <= top) & (words["score"] > 0)
    pair = words.groupby("pair_id")["pair_id"]
    known = words[list(dict.fromkeys(["pair_id", *groups, "score"]))].assign(
        blamed=blamed, all=pair.transform("size"), named=blamed.groupby(words["pair_id"]).transform("sum")
    )
    if of == "word":
        long = known.assign(word=words["word_text"])
    else:
        long = pd.concat(
            [known[words[name].to_numpy(dtype=bool)].assign(**{"class": name}) for name in blamable(words)]
        )
    keys = list(dict.fromkeys(["pair_id", *groups, of]))
    found = long.groupby(keys, sort=False).agg(
        score=("score", "sum"),
        blamed=("blamed", "any"),
        own=("score", "size"),
        all=("all", "first"),
        named=("named", "first"),
    )
    found["chance"] = 1 - hypergeom.pmf(0, found["all"], found["own"], found["named"])
    return found.reset_index()


def _figures(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    errors: pd.DataFrame,
    groups: list[str],
    everything: list[str],
    confidence_level: float,
    n_resamples: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Shares, chances and scores of each row of the table, with their intervals."""
    prompt = errors.set_index("pair_id")["prompt"]
    prompts = int(prompt.max()) + 1
    by_row = dict(tuple(pairs.groupby(everything, sort=False)))
    by_group = _by_group(errors, groups)
    keys = list(map(tuple, table[everything].to_numpy()))
    found: dict[str, list[np.ndarray]] = {name: [] for name in _FIGURES}
    some = max(1, CELLS // (max(n_resamples, prompts) * 5))  # rows whose resamples are in memory together
    for start in range(0, len(keys), some):
        sums = np.zeros(
            (prompts, len(keys[start : start + some]), 5)
        )  # errors, blamed, chance, present, score
        for row, key in enumerate(keys[start : start + some]):
            own, rest = by_row[key], by_group[key[:-1]]
            values = np.stack([own["blamed"], own["chance"], np.ones(len(own)), own["score"]], 1)
            sums[:, row, 1:] = bootstrap.cluster_sums(
                values.astype(float), prompt[own["pair_id"]].to_numpy(), n_clusters=prompts
            )
            sums[:, row, 0] = np.bincount(rest["prompt"], minlength=prompts)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = _ratios(bootstrap.resampled_sums(sums, n_resamples=n_resamples, seed=seed))
        for name, value in _ratios(sums.sum(0)).items():
            low, high = bootstrap.interval(drawn[name], confidence_level=confidence_level)
            for part, values in ((name, value), (f"{name}_low", low), (f"{name}_high", high)):
                found.get(_RENAMED.get(part, part), []).append(values)
    return {name: np.concatenate([np.empty(0), *values]) for name, values in found.items()}


def _ratios(sums: np.ndarray) -> dict[str, np.ndarray]:
    errors, blamed, chance, present, score = np.moveaxis(sums, -1, 0)
    return {
        "share": blamed / errors,
        "chance": chance / errors,
        "excess": (blamed - chance) / errors,
        "score": score / present,
    }
