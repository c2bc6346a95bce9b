"""Calibration by language: is a model right as often as its probabilities say, and what does a
temperature change?

The expected calibration error (ECE) is the mean distance between confidence and accuracy over bins
of confidence, weighted by their rows (Guo et al. 2017, arXiv:1706.04599), with bins of equal width,
or of equal mass (Nixon et al. 2019, arXiv:1904.01685). Distances add up whether they are noise or
not, so a perfectly calibrated model has an ECE too, the higher the fewer rows. That floor is
simulated from the model's own probabilities and reported with every ECE. The Brier score (1950) has
no bins and no floor.

Temperature scaling (Guo et al. 2017) makes probabilities softer or sharper and changes no label: p
becomes p^(1/T), divided by the sum over labels; log p serves as logits. T is fitted to the log loss
on a development set, by language, or on English alone, as is all that a zero-shot user has. Fit it
on other rows than those that are evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import t as student

from xlmkit.checks import check_choice, check_int
from xlmkit.notices import warn_once
from xlmkit.stats import ALL, cluster_sums, group_names, grouped, with_all
from xlmkit.stats.bootstrap import MIN_CLUSTERS, Resampling, check_confidence_level
from xlmkit.stats.frames import infer_labels, item_codes, scored_rows, with_gold

N_BINS = 10
BINNINGS = ("width", "mass")
N_SIMULATIONS = 500
CELLS = 2**22  # simulated outcomes that are in memory at a time
TINY = 1e-12  # the least probability in a log loss, which 0 would make infinite
ROUNDING = 0.015 + 1e-9  # three probabilities rounded to two decimals miss a sum of 1 by at most that
LOWEST, HIGHEST = 0.05, 20.0  # temperatures that are tried


def calibration(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    bins: int = N_BINS,
    n_simulations: int = N_SIMULATIONS,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """How far probabilities are from what they promise, by language and over all rows.

    Parameters
    ----------
    preds : `prediction`, `gold` and `p_<label>` for each label, in [0, 1] with a sum of 1; `item`
        and `promptID` where there are any. Rows without gold are left out, with a warning.
    by, labels : as for `evaluate`.
    bins : number of bins of confidence, the probability of the predicted label.
    n_simulations : number of simulated sets of gold labels.
    resampling : `confidence_level`, `n_resamples`, `seed`, as for `evaluate`; `seed` draws
        simulations too.

    Returns
    -------
    One row per group by name, then "all": `by`, `n`, `confidence` (mean), `accuracy`; then, lower
    is better:
    `ece`, `ece_mass` : in [0, 1], with bins of equal width, and of equal mass (rows with the same
        confidence share a bin).
    `ece_floor`, `ece_mass_floor` : mean ECE of the same probabilities when gold is drawn from them,
        so that they are calibrated; `ece_floor_high` is its 97.5 % percentile (for a
        `confidence_level` of 0.95). In "all", translations of an item are right or wrong together,
        which makes the floor as high as it can be.
    `ece_p` : how often such a calibrated model has an ECE of at least `ece`, in (0, 1].
    `brier` : mean squared distance of probabilities and gold, summed over labels, in [0, 2], with
        `brier_low`, `brier_high` by bootstrap over premise groups, missing below 30; and
        `brier_expected`, what it would be if the probabilities were right.
    `nll` : mean negative log probability of gold, in nats.
    `attrs`: `interval_over`, and the groups `without_interval`.

    Raises
    ------
    ValueError : if a column is missing, a label is unknown, no row has gold, `bins` is not
        positive, or probabilities are not in [0, 1] with a sum of 1."""
    check_int("bins", bins, 1)
    rows, *_ = _scored(preds, by, labels)
    table = with_all(rows, by).groupby(by)[["confidence", "accuracy", "brier_expected", "nll"]].mean()
    groups = rows.groupby(by).indices | {ALL: np.arange(len(rows))}
    table = table.loc[list(groups)]
    members = [np.asarray(own) for own in groups.values()]
    table.insert(0, "n", [len(own) for own in members])
    # (G, 2) and (D, G, 2)
    ece, floors = _ece_and_floors(rows, members, bins, n_simulations, resampling.get("seed", 0))
    table["ece"], table["ece_mass"] = ece.T
    table["ece_floor"], table["ece_mass_floor"] = floors.mean(0).T
    upper = 0.5 + resampling.get("confidence_level", 0.95) / 2
    table["ece_floor_high"] = np.quantile(floors[..., 0], upper, axis=0)
    table["ece_p"] = (1 + (floors[..., 0] >= ece[:, 0] - 1e-12).sum(0)) / (1 + n_simulations)
    brier = grouped(with_all(rows, by), {"brier": "brier"}, by, "premise_group", **resampling)
    table = table.join(brier.set_index(by)).reset_index()
    table.attrs = {
        "interval_over": rows.attrs["over"],
        "without_interval": table[by][table["brier_low"].isna()].to_list(),
    }
    return table


def reliability(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    bins: int = N_BINS,
    kind: str = "width",
) -> pd.DataFrame:
    """Confidence and accuracy by bin of confidence: the points of a reliability diagram.

    Parameters
    ----------
    preds, by, labels, bins : as for `calibration`.
    kind : "width" for bins of equal width, "mass" for bins of equally many rows (rows with the same
        confidence share a bin).

    Returns
    -------
    One row per group and bin: `by`, `bin` from 1, `low` and `high` (its bounds; the upper one
    belongs to the next bin, except for the last), `n`, `confidence` and `accuracy` (means in [0,
    1], missing where `n` is 0).

    Raises
    ------
    ValueError : as `calibration`, or if `kind` is unknown."""
    check_choice("kind", kind, BINNINGS)
    check_int("bins", bins, 1)
    rows, *_ = _scored(preds, by, labels)
    tables = []
    for name, own in rows.groupby(by):
        edges = _bin_edges(own["confidence"].to_numpy(), bins, kind)
        by_bin = own.groupby(_bin_numbers(own["confidence"].to_numpy(), edges))
        means = by_bin[["confidence", "accuracy"]].mean().reindex(range(len(edges) - 1))
        means.insert(0, "n", by_bin.size().reindex(means.index, fill_value=0))
        bounds = {"bin": means.index + 1, "low": edges[:-1], "high": edges[1:]}
        tables.append(pd.concat([pd.DataFrame({by: name, **bounds}), means], axis=1))
    return pd.concat(tables, ignore_index=True)


def fit_temperature(
    preds: pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """The temperature at which the log loss of predictions is least, by language and over all rows.

    Parameters
    ----------
    preds : predictions of a development set, with `gold` and `p_<label>`; its English rows for a
        temperature of English alone.
    by, labels, confidence_level : as for `evaluate`.

    Returns
    -------
    One row per group by name, then "all": `by`, `n`, `temperature` (above 1: the model is too
    confident; below: not confident enough), `low` and `high` (Wald's interval of its logarithm,
    with a variance over premise groups; missing below 30), `nll_before` and `nll_after` (mean log
    loss, nats). Temperatures are between 0.05 and 20; a warning names groups at a bound, which have
    no minimum. Where all labels of all rows have the same probability, no temperature changes
    anything, and it is 1.

    Raises
    ------
    ValueError : as `calibration`."""
    check_confidence_level(confidence_level)
    rows, probabilities, gold = _scored(preds, by, labels)
    logits, premises = _logits(probabilities), rows["premise_group"].to_numpy()
    groups = rows.groupby(by).indices | {ALL: np.arange(len(rows))}
    fitted = [_fitted(logits[own], gold[own], premises[own], confidence_level) for own in groups.values()]
    result = pd.DataFrame({by: list(groups)}).join(pd.DataFrame(fitted))
    bound = result[by][~result["temperature"].between(LOWEST * 1.001, HIGHEST * 0.999)]
    if len(bound):
        warn_once(
            f"the log loss has no minimum between temperatures {LOWEST} and {HIGHEST} in {', '.join(bound)}: "
            "there are too few rows, or all of them are right or wrong"
        )
    result.attrs["interval_over"] = rows.attrs["over"]
    return result


def with_temperature(
    preds: pd.DataFrame,
    temperature: float | Mapping[str, float] | pd.DataFrame,
    *,
    by: str = "language",
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Scale the probabilities of predictions by a temperature; labels stay the same.

    Parameters
    ----------
    preds, by, labels : as for `calibration`; gold is not needed.
    temperature : one number for all rows, or one per language: a mapping, or the frame of
        `fit_temperature`.

    Returns
    -------
    The rows, index and columns of `preds`, with new columns `p_<label>`, which sum to 1.

    Raises
    ------
    ValueError : if a temperature is missing or not a positive number, or as `calibration`."""
    names = group_names(preds, by) if not np.isscalar(temperature) else np.full(len(preds), ALL)
    if isinstance(temperature, pd.DataFrame):
        temperature = dict(zip(temperature[by], temperature["temperature"], strict=True))
    known = temperature if isinstance(temperature, Mapping) else {ALL: temperature}
    missing = sorted(set(names) - set(known))
    if missing:
        raise ValueError(
            f"expected a temperature for each {by}; got none for {', '.join(missing)}. "
            "Fit it on rows that include them."
        )
    for value in known.values():
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (is_number and 0 < value < math.inf):
            raise ValueError(f"a temperature must be a positive number; got {value!r}")
    columns = [f"p_{label}" for label in labels or infer_labels(preds)]
    divisors = np.array([known[name] for name in names], dtype=float)
    scaled = softmax(_logits(_probabilities(preds, columns)) / divisors[:, None], axis=1)
    return preds.assign(**dict(zip(columns, scaled.T, strict=True)))


def temperature_effect(
    preds: pd.DataFrame,
    dev: pd.DataFrame,
    *,
    by: str = "language",
    reference: str = "en",
    labels: Sequence[str] | None = None,
    **resampling: Unpack[Resampling],
) -> pd.DataFrame:
    """Calibration of predictions before and after a temperature fitted on English alone, and on
    each language.

    Parameters
    ----------
    preds : the predictions that are evaluated.
    dev : other predictions of the same model, on which temperatures are fitted.
    reference : the language whose temperature is used for all.
    by, labels, resampling : as for `calibration`.

    Returns
    -------
    Three rows for each language and "all": `by`, `fitted_on` ("nothing"; `reference`; "own": each
    language's, in "all" too), `temperature` (missing in "all" where it is each language's), the
    columns of `calibration`, and `brier_gain` with `gain_low` and `gain_high`: by how much the
    Brier score is lower than before (in [-2, 2], higher is better), with its bootstrap interval
    over premise groups.

    Raises
    ------
    ValueError : as `calibration`, or if `dev` lacks a language of `preds` or the `reference`."""
    fitted = fit_temperature(dev, by=by, labels=labels).set_index(by)["temperature"].drop(ALL)
    if reference not in fitted:
        raise ValueError(
            f"expected rows of `reference` {reference!r} in `dev`; got {', '.join(fitted.index)}"
        )
    settings: dict[str, Any] = {"nothing": 1.0, reference: fitted[reference], "own": fitted.to_dict()}
    before, *_ = _scored(preds, by, labels)
    tables = []
    for name, temperature in settings.items():
        scaled = with_temperature(preds, temperature, by=by, labels=labels) if name != "nothing" else preds
        table = calibration(scaled, by=by, labels=labels, **resampling)
        table.insert(1, "fitted_on", name)
        table.insert(2, "temperature", table[by].map(temperature) if name == "own" else temperature)
        after, *_ = _scored(scaled, by, labels)
        rows = with_all(before.assign(gain=before["brier"] - after["brier"]), by)
        gain = grouped(rows, {"gain": "gain"}, by, "premise_group", **resampling)
        tables.append(table.merge(gain.rename(columns={"gain": "brier_gain"}), on=by))
    return pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)


def _scored(
    preds: pd.DataFrame, by: str, labels: Sequence[str] | None
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The N rows with gold, their (N, K) probabilities, and the (N,) numbers of their gold labels.

    The frame has what `scored_rows` gives, `item` numbers, and by row `confidence`, `accuracy` (1
    or 0), `brier`, `brier_expected` and `nll`."""
    rows = with_gold(scored_rows(preds, by, labels))
    names = pd.Index(labels or infer_labels(preds))
    kept = rows.index.to_numpy()
    probabilities = _probabilities(preds, [f"p_{label}" for label in names])[kept]
    number = np.arange(len(rows))
    gold, predicted = (names.get_indexer(pd.Index(rows[column])) for column in ("gold", "prediction"))
    of_gold, squares = probabilities[number, gold], (probabilities**2).sum(1)
    rows = rows.assign(
        item=pd.factorize(item_codes(preds)[kept])[0],
        confidence=probabilities[number, predicted],
        accuracy=(gold == predicted).astype(float),
        brier=squares - 2 * of_gold + 1,
        brier_expected=1 - squares,
        nll=-np.log(np.maximum(of_gold, TINY)),
    )
    return rows.reset_index(drop=True), probabilities, gold


def _probabilities(preds: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """(N, K) the columns of probabilities, checked."""
    missing = [column for column in columns if column not in preds]
    if missing:
        raise ValueError(f"expected a column for the probability of each label; got no {', '.join(missing)}")
    try:
        values = preds[list(columns)].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected numbers in {', '.join(columns)}; {error}") from None
    wrong = ~((values >= 0) & (values <= 1)).all(1) | (np.abs(values.sum(1) - 1) > ROUNDING)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"expected probabilities between 0 and 1 that sum to 1; got {values[row].tolist()} in row {row}, "
            f"the first of {int(wrong.sum())} such rows of {len(preds)}. Use the softmax over all labels, "
            "not percentages."
        )
    return values


def _bin_edges(confidence: np.ndarray, bins: int, kind: str) -> np.ndarray:
    """The B + 1 bounds of bins: from 0 to 1 for equal width, different quantiles for equal mass."""
    if kind == "width":
        return np.linspace(0, 1, bins + 1)
    inner = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    # A bound at the minimum would make an empty bin below it.
    return np.concatenate([[confidence.min()], inner[inner > confidence.min()], [confidence.max()]])


def _bin_numbers(confidence: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(N,) the number of each row's bin, from 0; a bound belongs to the bin above it."""
    return np.searchsorted(edges[1:-1], confidence, side="right")


def _ece_and_floors(
    rows: pd.DataFrame, members: Sequence[np.ndarray], bins: int, n_simulations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(G, 2) ECE of equal width and of equal mass, and (D, G, 2) the same when gold is drawn from
    the probabilities.

    In a simulation a prediction is right with the probability of its label. One random number is
    drawn for an item in all languages: the rows of a language are independent, translations as
    dependent as can be."""
    confidence, item = rows["confidence"].to_numpy(), rows["item"].to_numpy()
    in_bin = []  # by group and kind of bins, (N, B) whether a row is in a bin
    for own in members:
        edges = [_bin_edges(confidence[own], bins, kind) for kind in BINNINGS]
        in_bin.append([np.eye(len(e) - 1)[_bin_numbers(confidence[own], e)] for e in edges])

    def eces(gaps: np.ndarray) -> np.ndarray:
        """(D, N) right or wrong minus confidence -> (D, G, 2)."""
        by_group = [
            [np.abs(gaps[:, own] @ one_hot).sum(1) / len(own) for one_hot in kinds]
            for own, kinds in zip(members, in_bin, strict=True)
        ]
        return np.moveaxis(np.array(by_group), -1, 0)

    generator = np.random.default_rng(seed)
    some = max(1, CELLS // len(rows))
    floors = []
    for start in range(0, n_simulations, some):
        chance = generator.random((min(some, n_simulations - start), item.max() + 1))
        floors.append(eces((chance[:, item] < confidence) - confidence))
    return eces((rows["accuracy"].to_numpy() - confidence)[None])[0], np.concatenate(floors)


def _logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, TINY))


def _fitted(
    logits: np.ndarray, gold: np.ndarray, premise_groups: np.ndarray, confidence_level: float
) -> dict[str, float]:
    """The row of one group: (N, K) logits, (N,) gold and premise groups."""
    number = np.arange(len(gold))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits * math.exp(-log_temperature), axis=1)[number, gold].mean())

    best = 0.0
    if np.ptp(logits, axis=1).max() > 1e-9:
        bounds = (math.log(LOWEST), math.log(HIGHEST))
        inside = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
        best = min((*bounds, inside), key=loss)
    error = _standard_error(logits, gold, premise_groups, math.exp(-best))
    half = error * student.ppf(0.5 + confidence_level / 2, len(np.unique(premise_groups)) - 1)
    ends = {"low": math.exp(best - half), "high": math.exp(best + half)}
    losses = {"nll_before": loss(0.0), "nll_after": loss(best)}
    return {"n": len(gold), "temperature": math.exp(best), **ends, **losses}


def _standard_error(
    logits: np.ndarray, gold: np.ndarray, premise_groups: np.ndarray, inverse: float
) -> float:
    """Standard error of the temperature's logarithm, by the sandwich of slopes summed over premise
    groups; missing for fewer than 30 of them, or where the loss has no curvature."""
    chance = softmax(logits * inverse, axis=1)
    mean = (chance * logits).sum(1)
    slopes = cluster_sums(mean - logits[np.arange(len(gold)), gold], pd.factorize(premise_groups)[0])
    curvature = float(((chance * logits**2).sum(1) - mean**2).sum())
    size = len(slopes)
    if size < MIN_CLUSTERS or curvature <= 0:
        return math.nan
    return math.sqrt(float((slopes**2).sum()) * size / (size - 1)) / (curvature * inverse)
