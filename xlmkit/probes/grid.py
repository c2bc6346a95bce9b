"""Grid: the premise in one language, the hypothesis in another, each with its right id, for all 225 combinations.

The diagonal is what XNLI measures: both sentences in one language."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.probes import judging
from xlmkit.probes.parallel import parallel

_CARRIED = ("promptID", "pairID", "genre", "phenomenon", "english_premise", "english_hypothesis")


def mixed(pairs: pd.DataFrame) -> pd.DataFrame:
    """All combinations of a premise's and a hypothesis's language, of parallel pairs.

    Parameters
    ----------
    pairs : the same items in every language (`item`, `language`).

    Returns
    -------
    Pairs for `predict`, languages squared a item: `item`, `premise_language`, `hypothesis_language`, `premise`, `hypothesis`, `gold`
    where the pairs have it, `english_premise` and `english_hypothesis` where English is among them, prompt and genre.

    Raises
    ------
    ValueError : if the items are not parallel (the first that is missing is named), or the gold label of an item differs by language."""
    frame = parallel(pairs)
    columns = ["item", *(name for name in _CARRIED if name in frame)]
    if "gold" in frame:
        _check_golds(frame)
        columns.append("gold")
    if "english_premise" not in frame and (frame["language"] == "en").any():
        english = frame[frame["language"] == "en"].set_index("item")
        for side in ("premise", "hypothesis"):
            frame[f"english_{side}"] = frame["item"].map(english[side])
            columns.append(f"english_{side}")
    first = frame[[*columns, "language", "premise"]].rename(columns={"language": "premise_language"})
    second = frame[["item", "language", "hypothesis"]].rename(columns={"language": "hypothesis_language"})
    # By item, so that each text is cut once for all its combinations.
    return first.merge(second, on="item", how="left", sort=False)


def grid(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Accuracy of a model by the languages of premise and hypothesis: 15 languages make 225 predictions an item, so choose items first.

    Parameters
    ----------
    pairs : as `mixed` takes them.
    batch_tokens, max_length : as `predict` takes them. seed : of the resampled prompts.

    Returns
    -------
    `grid_table` of the predictions on `mixed(pairs)`.

    Raises
    ------
    ValueError : as `mixed` and `predict`."""
    found = predict(nli, mixed(pairs), batch_tokens=batch_tokens, max_length=max_length, progress=progress)
    result = grid_table(found, seed=seed)
    result.attrs["provenance"] = found.attrs["provenance"]
    return result


def grid_table(preds: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Accuracy by the languages of premise and hypothesis.

    Parameters
    ----------
    preds : `predict`'s answer to `mixed` pairs; any model's predictions with these columns will do.
    seed : of the resampled prompts.

    Returns
    -------
    `premise_language`, `hypothesis_language`, `n`, `n_gold`, `accuracy` in [0, 1] with `low` and `high`; `difference` in [-1, 1] to the same premises
    with hypotheses in their own language (negative is worse), with `difference_low` and `difference_high` (missing below 30 prompts), and `flips`,
    the share of labels other than theirs, in [0, 1].

    Raises
    ------
    ValueError : if a column is missing."""
    rows = _rows(preds)
    result = judging.summary(rows, ["premise_language", "hypothesis_language"], seed=seed)
    return result.drop(columns="changed")


def mixed_language_gap(preds: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Accuracy on pairs in one language, on pairs that mix two, and the difference.

    Parameters
    ----------
    preds : predictions on `mixed` pairs, which give an interval over prompts; or a `grid`, which gives the averages alone.
    seed : of the resampled prompts.

    Returns
    -------
    One row: `same_language` and `mixed_languages` (mean accuracy over the languages, in [0, 1]), `difference` (mixed minus same, in
    [-1, 1]; below 0 mixing costs accuracy) with `low` and `high` (95 %; missing for a grid, and below 30 prompts).

    Raises
    ------
    ValueError : if a column is missing, or all pairs are of one kind."""
    table = preds if "accuracy" in preds else grid_table(preds, seed=seed)
    same = (table["premise_language"] == table["hypothesis_language"]).to_numpy()
    if same.all() or not same.any():
        raise ValueError(
            "expected pairs in one language and mixed pairs; got only one of the two kinds. Make both with mixed(pairs)."
        )
    within, across = table.loc[same, "accuracy"].mean(), table.loc[~same, "accuracy"].mean()
    low = high = math.nan
    if "accuracy" not in preds and not math.isnan(within):
        low, high = _interval(_rows(preds), seed)
    row = {"same_language": within, "mixed_languages": across, "difference": across - within}
    return pd.DataFrame([{**row, "low": low, "high": high}])


def _rows(preds: pd.DataFrame) -> pd.DataFrame:
    """What `judging.summary` takes; the right way is the same premise with a hypothesis in its language."""
    needed = ["item", "premise_language", "hypothesis_language", "prediction"]
    missing = [name for name in needed if name not in preds]
    if missing:
        raise ValueError(
            f"expected predictions on mixed pairs, with the columns {', '.join(needed)}; got none named {', '.join(missing)}; remedy: "
            "predict(nli, mixed(pairs))"
        )
    frame = preds[["item", "premise_language", "hypothesis_language", "prediction"]].copy()
    frame["prompt"] = judging.prompts(preds)
    gold = preds["gold"] if "gold" in preds else pd.Series(None, index=preds.index, dtype=object)
    frame["correct"] = np.where(gold.isna(), np.nan, (preds["prediction"] == gold).astype(float))
    own = frame[frame["premise_language"] == frame["hypothesis_language"]]
    own = own.set_index(["item", "premise_language"])[["prediction", "correct"]]
    keys = pd.MultiIndex.from_frame(frame[["item", "premise_language"]])
    usual = own.reindex(keys)
    frame["right"] = usual["correct"].to_numpy()
    frame["changed"] = (frame["premise_language"] != frame["hypothesis_language"]).astype(float)
    frame["flip"] = np.where(
        usual["prediction"].isna(),
        np.nan,
        (usual["prediction"].to_numpy() != frame["prediction"].to_numpy()).astype(float),
    )
    return frame


def _interval(rows: pd.DataFrame, seed: int) -> tuple[float, float]:
    """Of across minus within, cells weighing equally: every language has the same items, so rows do too."""
    same = rows["premise_language"] == rows["hypothesis_language"]
    weight = np.where(same, -1 / same.sum(), 1 / (~same).sum())
    by_prompt = pd.Series(rows["correct"].to_numpy() * weight).groupby(rows["prompt"].to_numpy()).sum()
    return judging.interval_of_sum(by_prompt.to_numpy(), seed=seed)


def _check_golds(frame: pd.DataFrame) -> None:
    kinds = frame.groupby("item", sort=False)["gold"].nunique(dropna=False)
    if (kinds > 1).any():
        raise ValueError(
            f"expected one gold label an item; item {kinds.index[kinds > 1][0]!r} has different ones by language; remedy: mend it"
        )
