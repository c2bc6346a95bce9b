"""Premise in one language, hypothesis in another, each with its right language id, in all 225
combinations.

Both sentences in one language is what XNLI measures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs, shared_items, with_english
from xlmkit.probes.language_ids import compare_inputs
from xlmkit.stats import cluster_sums, estimate, premise_groups

_KEPT = ("promptID", "pairID", "genre", "phenomenon", "gold", "english_premise", "english_hypothesis")


def mixed_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Combine the premise of each item in every language with its hypothesis in every language.

    Parameters
    ----------
    pairs : the same items in every language (`item`, `language`).

    Returns
    -------
    Pairs for `predict`, L x L per item for L languages: `item`, `premise_language`,
    `hypothesis_language`, `premise`, `hypothesis`, and if known `gold`, the English originals, and
    XNLI's ids and genre.

    Raises
    ------
    ValueError : if an item is missing in a language (the first one is named), or its gold label
        differs by language."""
    frame = check_parallel(pairs)
    if "gold" in frame:
        differ = frame.groupby("item", sort=False)["gold"].nunique(dropna=False).gt(1)
        if differ.any():
            raise ValueError(
                f"expected one gold label per item; item {differ.idxmax()!r} has different ones by language. Correct it."
            )
    if (frame["language"] == "en").any():
        frame = with_english(frame)
    kept = [name for name in _KEPT if name in frame]
    first = frame[["item", *kept, "language", "premise"]].rename(columns={"language": "premise_language"})
    second = frame[["item", "language", "hypothesis"]].rename(columns={"language": "hypothesis_language"})
    return first.merge(second, on="item", how="left", sort=False)


def check_parallel(pairs: pd.DataFrame) -> pd.DataFrame:
    """The checked pairs, sorted by item in order of appearance, then by language.

    Raises
    ------
    ValueError : if a row is of two languages, there are fewer than two languages, or an item is not
        once in each."""
    frame = check_pairs(pairs, labels=None)
    if "language" not in frame:
        raise ValueError(
            "expected pairs in one language each (`language`); got mixed pairs. Pass the pairs they were made of."
        )
    rows = shared_items(frame)
    return frame.iloc[rows.to_numpy().ravel()].reset_index(drop=True)


def mixed_language_grid(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Accuracy of a model by the languages of premise and hypothesis.

    Parameters
    ----------
    pairs : as for `mixed_pairs`. 15 languages take 225 predictions per item, so select items first.
    batch_tokens, max_length : as for `predict`.
    seed : of the bootstrap over premise groups.

    Returns
    -------
    `mixed_language_table` of the predictions on `mixed_pairs(pairs)`.

    Raises
    ------
    ValueError : as `mixed_pairs` and `predict`."""
    preds = predict(
        nli, mixed_pairs(pairs), batch_tokens=batch_tokens, max_length=max_length, progress=progress
    )
    result = mixed_language_table(preds, seed=seed)
    result.attrs["provenance"] = preds.attrs["provenance"]
    return result


def mixed_language_table(preds: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Accuracy by the languages of premise and hypothesis, from the predictions of any model.

    Parameters
    ----------
    preds : predictions on `mixed_pairs`.
    seed : of the bootstrap over premise groups.

    Returns
    -------
    One row per `premise_language` and `hypothesis_language`, with the columns of `compare_inputs`
    but `changed`. The right input is the same premise with the hypothesis in its own language.

    Raises
    ------
    ValueError : if a column is missing."""
    result = compare_inputs(_rows(preds), ["premise_language", "hypothesis_language"], seed=seed)
    return result.drop(columns="changed")


def mixed_language_gap(preds: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Accuracy on pairs in one language, on pairs that mix two, and the difference.

    Parameters
    ----------
    preds : predictions on `mixed_pairs`, which give an interval over premise groups; or a
        `mixed_language_grid`, which gives the averages alone.
    seed : of the bootstrap over premise groups.

    Returns
    -------
    One row: `same_language` and `mixed_languages` (mean accuracy over the languages, in [0, 1]),
    `difference` (mixed minus same, in [-1, 1]; below 0 mixing costs accuracy) with `low` and `high`
    (95 %; missing for a grid, and below 30 premise groups).

    Raises
    ------
    ValueError : if a column is missing, or all pairs are of one kind."""
    table = preds if "accuracy" in preds else mixed_language_table(preds, seed=seed)
    same = (table["premise_language"] == table["hypothesis_language"]).to_numpy()
    if same.all() or not same.any():
        raise ValueError(
            "expected pairs in one language and mixed pairs; got only one of the two kinds. Make both with mixed_pairs(pairs)."
        )
    own, mixed = table.loc[same, "accuracy"].mean(), table.loc[~same, "accuracy"].mean()
    row = {"same_language": own, "mixed_languages": mixed, "difference": mixed - own}
    low = high = np.nan
    if "accuracy" not in preds and not np.isnan(own):
        rows = _rows(preds)
        # Every language has the same items, so weighting rows equally weights cells equally.
        weight = np.where(rows["changed"], 1 / rows["changed"].sum(), -1 / (~rows["changed"]).sum())
        values = np.stack([rows["correct"] * weight, np.ones(len(rows))], 1)
        sums = cluster_sums(values, rows["premise_group"].to_numpy())[:, None]  # (P, 1, 2)
        found = estimate(sums, lambda sums: sums[..., 0], seed=seed)
        low, high = found.low[0], found.high[0]
    return pd.DataFrame([{**row, "low": low, "high": high}])


def _rows(preds: pd.DataFrame) -> pd.DataFrame:
    """The rows for `compare_inputs`."""
    keys = ["item", "premise_language", "hypothesis_language", "prediction"]
    missing = [name for name in keys if name not in preds]
    if missing:
        raise ValueError(
            f"expected predictions on mixed pairs with the columns {', '.join(keys)}; got no {', '.join(missing)}. "
            "Call predict(nli, mixed_pairs(pairs))."
        )
    rows = preds[keys].assign(premise_group=premise_groups(preds)[0])
    gold = preds["gold"] if "gold" in preds else pd.Series(None, index=preds.index, dtype=object)
    rows["correct"] = np.where(gold.isna(), np.nan, preds["prediction"] == gold)
    rows["changed"] = rows["premise_language"] != rows["hypothesis_language"]
    right = rows[~rows["changed"]].set_index(["item", "premise_language"])[["prediction", "correct"]]
    right = right.reindex(pd.MultiIndex.from_frame(rows[["item", "premise_language"]])).reset_index(drop=True)
    flips = (right["prediction"].to_numpy() != rows["prediction"].to_numpy()).astype(float)
    flips[right["prediction"].isna()] = np.nan
    return rows.assign(right=right["correct"].to_numpy(), flip=flips)
