"""Analysis: every question of `metrics` asked of one frame of predictions, and which of them it cannot answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit import __version__, baselines, metrics
from xlmkit.features import features
from xlmkit.stats.bootstrap import ALL, N_RESAMPLES, cluster_sums
from xlmkit.stats.frames import paired_items, premise_groups
from xlmkit.stats.permutation import sign_flip

DATA = (
    "item",
    "language",
    "premise_language",
    "hypothesis_language",
    "premise",
    "hypothesis",
    "text",
    "gold",
)
BASELINES = {"ngram": "n-grams and overlap", "hypothesis_only": "the hypothesis alone"}
TOTAL = 17  # questions without those of `beside`
KINDS = ("gold", "negation", "genre", "phenomenon")  # columns that may say where a language loses


@dataclass(frozen=True)
class Analysis:
    """What was found, as frames of `metrics` by name; `left_out` says why a question has no answer here."""

    frames: Mapping[str, pd.DataFrame]
    left_out: Mapping[str, str]
    reference: str  # the language that the others are held against
    lowest: str | None  # the language that loses most against it; None where nothing can be compared
    provenance: Mapping[str, Any]  # of model, data and kit
    settings: Mapping[str, Any] = field(default_factory=dict)  # resamples and seed


def analyse(
    preds: pd.DataFrame,
    *,
    reference: str = "en",
    dev: pd.DataFrame | None = None,
    beside: Mapping[str, pd.DataFrame] = MappingProxyType({}),
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    progress: bool = True,
) -> Analysis:
    """Ask everything that this frame can answer.

    Parameters
    ----------
    preds : predictions of any model, with gold: `pair_id`, `language`, `item`, `premise`, `hypothesis`, `gold`, `prediction`, `p_<label>`. What lacks a
        column goes without the questions that need it.
    reference : the language that the others are held against.
    dev : the same model's predictions of a development set, on which temperatures are fitted; None takes half of the prompts, and judges the other.
    beside : predictions of the same pairs by others, another checkpoint say, by name; two baselines stand there anyway, trained and asked in turns.
    n_resamples, seed : of resamples and random flips.

    Returns
    -------
    An Analysis: the frames of `metrics` by name, and the questions that were left out, with the reason.

    Raises
    ------
    ValueError : if there is no accuracy to speak of: no gold, no predictions, unknown labels."""
    chance: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed}
    found = {"accuracy": metrics.evaluate(preds, **chance)}
    left_out: dict[str, str] = {}
    bar = tqdm(total=TOTAL + len(beside), initial=1, desc="analyse", unit="question", disable=not progress)
    with bar:
        _answer(_of_languages(preds, reference, chance), found, left_out, bar)
        _answer({"temperature": partial(_temperature, preds, dev, reference, chance)}, found, left_out, bar)
        lowest = _lowest(found.get("gap"))
        _answer(_of_kinds(preds, lowest, reference, chance), found, left_out, bar)
        _answer(_beside(preds, beside, chance), found, left_out, bar)
    return Analysis(found, left_out, reference, lowest, _provenance(preds), chance)


def loss(preds: pd.DataFrame, language: str, reference: str = "en", **chance: Any) -> pd.DataFrame:
    """Where a language loses against the reference: its gap on the items of each kind, and how much of the whole gap that makes.

    Parameters
    ----------
    preds : predictions with gold, each item in both languages; the columns of `KINDS` that there are say the kinds, as the reference's row has them.
    chance : `n_resamples` and `seed`, as `gap` takes them.

    Returns
    -------
    One row a column and value: `feature`, `value`, `n` items, `share_of_items` in [0, 1], `gap` with `low` and `high` in [-1, 1], and `share_of_loss`:
    `n` times `gap`, divided by the same over all items. The shares of a column add up to 1; one is below 0 where the language wins, and more than 1
    if it wins elsewhere.

    Raises
    ------
    ValueError : as `gap` does, or if the language loses nothing."""
    found = paired_items(preds, groups=[reference, language])
    lost = found.correct[:, 0].astype(float) - found.correct[:, 1]  # (I,)
    if not lost.sum() > 0:
        raise ValueError(f"expected {language!r} to lose against {reference!r}; it does not")
    own = preds.iloc[found.rows[:, 0]]
    kinds = [
        (column, value, places)
        for column in KINDS
        if column in own
        for value, places in own.groupby(column).indices.items()
    ]
    counted = np.zeros((len(lost), len(kinds)))  # (I, K)
    for number, (_, _, places) in enumerate(kinds):
        counted[places, number] = 1
    differences, sizes = (cluster_sums(of_items, found.premise_groups) for of_items in (lost[:, None] * counted, counted))
    _, low, high = sign_flip(differences, sizes, **chance)
    n = counted.sum(0).astype(int)
    table = pd.DataFrame([(column, value) for column, value, _ in kinds], columns=["feature", "value"])
    return table.assign(
        n=n,
        share_of_items=n / len(lost),
        gap=differences.sum(0) / n,
        low=low,
        high=high,
        share_of_loss=differences.sum(0) / lost.sum(),
    )


Questions = Mapping[str, Callable[[], pd.DataFrame]]


def _of_languages(preds: pd.DataFrame, reference: str, chance: dict[str, Any]) -> Questions:
    return {
        "confusion": partial(metrics.confusion, preds, **chance),
        "gap": partial(metrics.gap, preds, reference, **chance),
        "comparison": partial(metrics.compare, preds, **chance),
        "agreement": partial(metrics.agreement, preds, **chance),
        "flips": partial(metrics.disagreement, preds),
        "by_count": partial(metrics.items_by_n_correct, preds),
        "calibration": partial(metrics.calibration, preds, **chance),
        "reliability": partial(metrics.reliability, preds),
    }


def _of_kinds(preds: pd.DataFrame, lowest: str | None, reference: str, chance: dict[str, Any]) -> Questions:
    """Questions of the pairs' features, and of the language that loses most."""
    described = _described(preds)
    questions: dict[str, Callable[[], pd.DataFrame]] = {
        "slices": partial(metrics.slices, described, by=None, **chance),
        "slices_by_language": partial(metrics.slices, described, **chance),
        "discovered": partial(metrics.discover_slices, described, **chance),
    }
    if lowest is not None:
        questions["right_wrong"] = partial(metrics.right_in_one_wrong_in_other, preds, reference, lowest)
        questions["loss"] = partial(loss, described, lowest, reference, **chance)
    return questions


def _temperature(
    preds: pd.DataFrame, dev: pd.DataFrame | None, reference: str, chance: dict[str, Any]
) -> pd.DataFrame:
    if dev is not None:
        return metrics.temperature_effect(preds, dev, reference=reference, **chance)
    prompts, _ = premise_groups(preds)
    order = np.random.default_rng(chance["seed"]).permutation(int(prompts.max(initial=-1)) + 1)
    fitted = order[prompts] % 2 == 0
    return metrics.temperature_effect(preds[~fitted], preds[fitted], reference=reference, **chance)


def _beside(preds: pd.DataFrame, beside: Mapping[str, pd.DataFrame], chance: dict[str, Any]) -> Questions:
    def against(name: str, other: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        return metrics.compare_models(preds, other(), names=("model", name), **chance)

    asked = {
        name: partial(baselines.cross_predict, preds, kind, seed=chance["seed"], progress=False)
        for kind, name in BASELINES.items()
    }
    others = asked | {name: partial(pd.DataFrame, other) for name, other in beside.items()}
    return {f"beside {name}": partial(against, name, other) for name, other in others.items()}


def _answer(
    questions: Questions, found: dict[str, pd.DataFrame], left_out: dict[str, str], bar: tqdm
) -> None:
    """Ask each question; what this frame cannot answer is said on the page, in the words of the error."""
    for name, question in questions.items():
        try:
            found[name] = question()
        except ValueError as error:
            left_out[name] = str(error)
        bar.update()


def _described(preds: pd.DataFrame) -> pd.DataFrame:
    """The predictions with the features of their pairs; as they are where there is no text to count on."""
    try:
        return features(preds)
    except ValueError:
        return preds


def _lowest(gap: pd.DataFrame | None) -> str | None:
    """The language that loses most, if any does."""
    if gap is None:
        return None
    losses = gap[gap["language"] != ALL].set_index("language")["gap"]
    return str(losses.idxmax()) if losses.max() > 0 else None


def _provenance(preds: pd.DataFrame) -> dict[str, Any]:
    """Of the model as `predict` wrote it down, and of the data as they are here."""
    columns = [name for name in DATA if name in preds]
    content = preds[columns].to_json(orient="split", index=False).encode("utf-8", "backslashreplace")
    data = {"source": preds.attrs.get("source", "not recorded"), "rows": len(preds)}
    data |= {name: int(preds[name].nunique()) for name in ("language", "item", "promptID") if name in preds}
    data |= {"columns": columns, "sha256": hashlib.sha256(content).hexdigest()}
    made = preds.attrs.get("provenance", {"model": "not recorded: the predictions came without provenance"})
    return {"report": {"xlmkit": __version__}, "predictions": made, "data": data}
