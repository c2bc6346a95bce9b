"""Grid: the premise in one language, the hypothesis in another, each with its right id, for all 225 combinations.

The diagonal is what XNLI measures; what lies beside it was published for other models (`PUBLISHED`), never for XLM with its language ids."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from xlmkit.inference import predict
from xlmkit.model import NLIModel
from xlmkit.probes import judging
from xlmkit.probes.parallel import parallel

PUBLISHED = pd.DataFrame(
    [("mBERT", 0.657, 0.545), ("XLM-R", 0.742, 0.648), ("InfoXLM", 0.754, 0.703)],
    columns=["model", "within", "across"],
)
"""Accuracy of models without language ids on XNLI, in [0, 1]: both sentences in one language (`within`), or not (`across`). Source not found:
the figures were noted without their paper, and public text was searched for them in vain (Chi et al. 2021, arXiv:2007.07834, made InfoXLM; Foroutan et
al. 2023, arXiv:2310.15258, report the same kind of loss, in code-switched reasoning). So they are no citation; and beside other items than
XNLI's test they are a frame of reference and no comparison."""

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


def within_across(found: pd.DataFrame, *, name: str = "this model", seed: int = 0) -> pd.DataFrame:
    """The two averages of a grid, over pairs of one language and over mixed ones, beside the published ones.

    Parameters
    ----------
    found : predictions on `mixed` pairs, which give intervals over prompts; or a `grid`, which gives the averages alone.
    seed : of the resampled prompts.

    Returns
    -------
    `model` (first `name`), `within` and `across` (mean accuracy over languages, in [0, 1]), `difference` (across minus within, in [-1, 1]; below 0 mixing costs) with `low`
    and `high`, missing for published models, for a grid, and below 30 prompts; `source`: "measured" or "published".

    Raises
    ------
    ValueError : if a column is missing, or there are no mixed pairs."""
    table = found if "accuracy" in found else grid_table(found, seed=seed)
    same = (table["premise_language"] == table["hypothesis_language"]).to_numpy()
    if same.all() or not same.any():
        raise ValueError(
            "expected pairs of one language and mixed ones; got only one of the two; remedy: grid(...)"
        )
    within, across = table.loc[same, "accuracy"].mean(), table.loc[~same, "accuracy"].mean()
    low = high = math.nan
    if "accuracy" not in found and not math.isnan(within):
        low, high = _interval(_rows(found), seed)
    own = {"model": name, "within": within, "across": across}
    result = pd.concat([pd.DataFrame([own]), PUBLISHED], ignore_index=True)
    result["difference"] = result["across"] - result["within"]
    result["low"], result["high"] = [low] + [math.nan] * len(PUBLISHED), [high] + [math.nan] * len(PUBLISHED)
    result["source"] = ["measured"] + ["published"] * len(PUBLISHED)
    return result


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
