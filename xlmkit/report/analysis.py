"""Analysis: every function of `metrics` applied to one frame of predictions.

What a frame cannot answer, for lack of a column or of items, is left out with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit import __version__, baselines, metrics
from xlmkit.features import features
from xlmkit.stats import ALL, cluster_sums, paired_items, premise_groups, sign_flip
from xlmkit.stats.bootstrap import N_RESAMPLES

LANGUAGES = ("language", "premise_language", "hypothesis_language")
DATA = ("item", *LANGUAGES, "premise", "hypothesis", "text", "gold")  # columns of the data's hash
BASELINES = {"ngram": "n-grams and overlap", "hypothesis_only": "the hypothesis alone"}
FEATURES = ("gold", "negation", "genre", "phenomenon")  # columns that may explain a gap


@dataclass(frozen=True)
class Analysis:
    """Frames of `metrics` by name; `left_out` gives the reason why a frame is missing."""

    frames: Mapping[str, pd.DataFrame]
    left_out: Mapping[str, str]
    reference: str  # the language that the others are compared with
    lowest: str | None  # the language with the largest gap; None if none can be compared
    provenance: Mapping[str, Any]  # of model, data and kit
    settings: Mapping[str, Any] = field(default_factory=dict)  # n_resamples and seed


def analyse(
    preds: pd.DataFrame,
    *,
    reference: str = "en",
    dev: pd.DataFrame | None = None,
    others: Mapping[str, pd.DataFrame] = MappingProxyType({}),
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    progress: bool = True,
) -> Analysis:
    """Compute everything that these predictions can tell.

    Parameters
    ----------
    preds : predictions of any model, with gold: `pair_id`, `language`, `item`, `premise`,
        `hypothesis`, `gold`, `prediction`, `p_<label>`. Without a column, the frames that need it
        are left out.
    reference : the language that the others are compared with.
    dev : the same model's predictions of a development set, on which temperatures are fitted. None
        fits them on a random half of the premise groups and evaluates them on the other half.
    others : by name, predictions of the same pairs by other models, such as another checkpoint. Two
        baselines are always compared; they are trained and evaluated by cross-validation.
    n_resamples, seed : number of resamples and of random sign flips, and their seed.

    Returns
    -------
    An Analysis: the frames, and the reasons for those that were left out.

    Raises
    ------
    ValueError : if accuracy cannot be computed: no gold, no predictions, unknown labels."""
    chance: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed}
    frames = {"accuracy": metrics.evaluate(preds, **chance)}
    left_out: dict[str, str] = {}
    questions = _questions(preds, frames, reference, dev, others, chance)
    for name, question in tqdm(questions, desc="analyse", unit="frame", disable=not progress):
        try:
            frames[name] = question()
        except ValueError as error:
            left_out[name] = str(error)
    return Analysis(frames, left_out, reference, _lowest(frames), _provenance(preds), chance)


def gap_by_feature(preds: pd.DataFrame, language: str, reference: str = "en", **chance: Any) -> pd.DataFrame:
    """The gap of a language to the reference, divided among the values of each feature.

    Parameters
    ----------
    preds : predictions with gold, each item in both languages. Features are the columns of
        `FEATURES` that there are; an item has the values of its row in the reference language.
    language, reference : the language with the lower accuracy, and the one it is compared with.
    chance : `n_resamples` and `seed`, as for `metrics.gap`.

    Returns
    -------
    One row per feature and value: `feature`, `value`, `n` items, `fraction_of_items` in [0, 1],
    `gap` with `low` and `high` in [-1, 1], and `fraction_of_gap`: `n` times `gap`, divided by the
    same over all items. The fractions of a feature add up to 1. A fraction is negative where the
    language is better than the reference, and then others can be above 1.

    Raises
    ------
    ValueError : as `metrics.gap`, or if the language is not below the reference."""
    paired = paired_items(preds, groups=[reference, language])
    lost = paired.correct[:, 0].astype(float) - paired.correct[:, 1]  # (I,)
    if lost.sum() <= 0:
        raise ValueError(f"expected a language below {reference!r}; {language!r} is not.")
    rows = preds.iloc[paired.rows[:, 0]]
    values = {name: pd.get_dummies(rows[name]) for name in FEATURES if name in rows}
    members = pd.concat(values, axis=1, names=["feature", "value"])
    counted = members.to_numpy(dtype=float)  # (I, K)
    differences = cluster_sums(lost[:, None] * counted, paired.premise_groups)  # (P, K)
    _, low, high = sign_flip(differences, cluster_sums(counted, paired.premise_groups), **chance)
    n, total = counted.sum(0).astype(int), differences.sum(0)
    return members.columns.to_frame(index=False).assign(
        n=n,
        fraction_of_items=n / len(lost),
        gap=total / n,
        low=low,
        high=high,
        fraction_of_gap=total / lost.sum(),
    )


def _questions(
    preds: pd.DataFrame,
    frames: Mapping[str, pd.DataFrame],
    reference: str,
    dev: pd.DataFrame | None,
    others: Mapping[str, pd.DataFrame],
    chance: dict[str, Any],
) -> Iterator[tuple[str, Callable[[], pd.DataFrame]]]:
    """The names of frames with the functions that compute them; the last depend on `frames`."""
    yield "confusion", partial(metrics.confusion, preds, **chance)
    yield "gap", partial(metrics.gap, preds, reference, **chance)
    yield "comparison", partial(metrics.compare, preds, **chance)
    yield "agreement", partial(metrics.agreement, preds, **chance)
    yield "disagreement", partial(metrics.disagreement, preds)
    yield "items_by_n_correct", partial(metrics.items_by_n_correct, preds)
    yield "calibration", partial(metrics.calibration, preds, **chance)
    yield "reliability", partial(metrics.reliability, preds)
    yield "temperature", partial(_temperature, preds, dev, reference, chance)
    try:
        described = features(preds)
    except ValueError:  # there is no text
        described = preds
    yield "slices", partial(metrics.slices, described, by=None, **chance)
    yield "slices_by_language", partial(metrics.slices, described, **chance)
    yield "discovered", partial(metrics.discover_slices, described, **chance)
    lowest = _lowest(frames)
    if lowest is not None:
        yield "lost_items", partial(metrics.right_in_one_wrong_in_other, preds, reference, lowest)
        yield "gap_by_feature", partial(gap_by_feature, described, lowest, reference, **chance)
    for kind, name in BASELINES.items():
        baseline = partial(baselines.cross_predict, preds, kind, seed=chance["seed"], progress=False)
        yield f"against {name}", partial(_against, preds, name, baseline, chance)
    for name, other in others.items():
        yield f"against {name}", partial(_against, preds, name, other.copy, chance)


def _against(
    preds: pd.DataFrame, name: str, predict: Callable[[], pd.DataFrame], chance: dict[str, Any]
) -> pd.DataFrame:
    return metrics.compare_models(preds, predict(), names=("model", name), **chance)


def _temperature(
    preds: pd.DataFrame, dev: pd.DataFrame | None, reference: str, chance: dict[str, Any]
) -> pd.DataFrame:
    if dev is None:
        groups, _ = premise_groups(preds)
        order = np.random.default_rng(chance["seed"]).permutation(int(groups.max(initial=-1)) + 1)
        fitted = order[groups] % 2 == 0
        preds, dev = preds[~fitted], preds[fitted]
    return metrics.temperature_effect(preds, dev, reference=reference, **chance)


def _lowest(frames: Mapping[str, pd.DataFrame]) -> str | None:
    """The language with the largest gap, if any has one."""
    if "gap" not in frames:
        return None
    gaps = frames["gap"].set_index("language")["gap"].drop(ALL)
    return str(gaps.idxmax()) if gaps.max() > 0 else None


def _provenance(preds: pd.DataFrame) -> dict[str, Any]:
    """The provenance of the model as `predict` recorded it, and of the data given here."""
    columns = [name for name in DATA if name in preds]
    content = preds[columns].to_json(orient="split", index=False).encode("utf-8", "backslashreplace")
    data = {"source": preds.attrs.get("source", "not recorded"), "rows": len(preds)}
    data |= {name: int(preds[name].nunique()) for name in ("language", "item", "promptID") if name in preds}
    data |= {"columns": columns, "sha256": hashlib.sha256(content).hexdigest()}
    made = preds.attrs.get("provenance", {"model": "not recorded: the predictions have no provenance"})
    return {"report": {"xlmkit": __version__}, "predictions": made, "data": data}
