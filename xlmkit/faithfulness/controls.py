"""Controls: what every measure of faithfulness needs.

The same input encoded again, random explanations to compare with (the scores of the explanation
itself, in random orders), and one tidy row per explanation and metric. A method whose percentile
among its controls is 0.5 is at chance."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.attribution.tabulate import add_columns
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding, encode
from xlmkit.encoding.encode import require_tokens
from xlmkit.explanation import Explanation
from xlmkit.inference import need_head
from xlmkit.model import NLIModel
from xlmkit.stats.frames import PREMISE_COLUMNS

COLUMNS = ["pair_id", "language", "method", "aggregation", "target", "contrast", "prediction", "gold"]
COLUMNS += ["metric", "perturbation", "value", "control", "percentile"]
_HIGHER = ("comprehensiveness", "leave_one_out", "token_f1", "iou", "auprc", "average_precision")
_LOWER = ("sufficiency", "infidelity", "max_sensitivity")
HIGHER_IS_BETTER = {**dict.fromkeys(_HIGHER, True), **dict.fromkeys(_LOWER, False)}
TOLERANCE = 0.02  # logits by which F(x) may differ from the output that an explanation states
ORDERS, MASKS, NOISE = 0, 1, 2  # independent random streams of one explanation


def check_explanations(
    nli: NLIModel | None, explanations: Explanation | Sequence[Explanation]
) -> list[Explanation]:
    """The explanations as a list; with a model, they must be about its labels.

    Raises
    ------
    TypeError : if one is no explanation.
    ValueError : if a label is not the model's."""
    listed = [explanations] if isinstance(explanations, Explanation) else list(explanations)
    for explanation in listed:
        if not isinstance(explanation, Explanation):
            raise TypeError(
                f"expected explanations; got {type(explanation).__name__}. Use explain(nli, pairs)."
            )
    if nli is None:
        return listed
    need_head(nli)
    for explanation in listed:
        for name in filter(None, (explanation.target, explanation.contrast)):
            if name not in nli.labels:
                raise ValueError(
                    f"pair {explanation.pair_id!r} is explained for the label {name!r}; the model has "
                    f"{', '.join(nli.labels)}. Pass the model that was explained."
                )
    return listed


def input_key(explanation: Explanation) -> tuple[str | None, ...]:
    """Texts and languages: explanations with the same key explain the same input."""
    languages = explanation.premise_language, explanation.hypothesis_language
    return explanation.premise, explanation.hypothesis, *languages


def max_length_of(explanation: Explanation) -> int:
    """The `max_length` with which an explanation was made."""
    return int((explanation.provenance.get("settings") or {}).get("max_length") or 256)


def encode_explained(nli: NLIModel, explanation: Explanation) -> Encoding:
    """The input of an explanation, one row, as the model takes it.

    Raises
    ------
    ValueError : if this model tokenizes it differently."""
    premise, hypothesis, language, other = input_key(explanation)
    encoding = encode(
        nli,
        str(premise),
        hypothesis,
        str(language),
        hypothesis_languages=other,
        max_length=max_length_of(explanation),
    )
    if [token.text for token in require_tokens(encoding)[0]] != [token.text for token in explanation.tokens]:
        raise ValueError(
            f"this model cuts pair {explanation.pair_id!r} into other tokens than its explanation has. "
            "Pass the model that was explained."
        )
    return encoding


def check_same_model(explanation: Explanation, output: float) -> None:
    """Refuse with a ValueError a model whose F(x) is not what the explanation says."""
    if abs(output - explanation.output) > TOLERANCE:
        raise ValueError(
            f"this model gives pair {explanation.pair_id!r} the output {output:.3f}, its explanation says "
            f"{explanation.output:.3f} logits. Pass the model that was explained."
        )


def generator(explanation: Explanation, seed: int, stream: int) -> np.random.Generator:
    """Randomness that depends on the pair's texts and the seed only, whatever else is evaluated."""
    check_int("seed", seed, 0)
    key = "\0".join(map(str, input_key(explanation))).encode("utf-8", "surrogatepass")
    return np.random.default_rng([int(seed), zlib.crc32(key), stream])


def random_orders(explanation: Explanation, n_controls: int, seed: int) -> np.ndarray:
    """(n_controls, W) random orders of the words, the same for every explanation of one pair."""
    check_int("n_controls", n_controls, 1)
    words = np.arange(len(explanation.words))
    return generator(explanation, seed, ORDERS).permuted(np.tile(words, (n_controls, 1)), axis=1)


def with_controls(scores: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """(W,) scores and (K, W) orders -> (1 + K, W): the scores, then K controls.

    A control has the same scores on other words: the highest on the first word of its order, and
    so on. So the controls of two methods with the same orders erase the same words, which saves
    most of the work. With the scores 5 1 3:

        order    2 0 1      the highest score to word 2, the next to word 0, the last to word 1
        control  3 1 5"""
    controls = np.empty(orders.shape)
    np.put_along_axis(controls, orders, np.sort(scores)[None, ::-1], axis=1)
    return np.vstack([scores, controls])


def percentile(value: float, controls: np.ndarray, *, higher_is_better: bool) -> float:
    """The fraction of controls that a value beats, in [0, 1]; higher is better for every metric.

    0.5 is chance. Ties count one half; NaN if the value is."""
    if np.isnan(value):
        return float("nan")
    ties = np.isclose(controls, value, rtol=1e-9, atol=1e-12)
    beaten = (controls < value) if higher_is_better else (controls > value)
    return float(np.mean(np.where(ties, 0.5, beaten)))


def describe(explanation: Explanation) -> dict[str, object]:
    """The columns that identify an explanation; mixed languages as "en>de"."""
    languages = dict.fromkeys(filter(None, (explanation.premise_language, explanation.hypothesis_language)))
    fields = {name: getattr(explanation, name) for name in COLUMNS[2:8]}
    return {"pair_id": explanation.pair_id, "language": ">".join(languages), **fields}


def metric_row(
    explanation: Explanation, metric: str, perturbation: str | None, values: Sequence[float] | np.ndarray
) -> dict[str, object]:
    """One explanation by one metric; `values` are its own value, then those of its controls."""
    value, controls = float(values[0]), np.asarray(values[1:], dtype=float)
    return {
        **describe(explanation),
        "metric": metric,
        "perturbation": perturbation,
        "value": value,
        "control": float(controls.mean()),
        "percentile": percentile(value, controls, higher_is_better=HIGHER_IS_BETTER[metric]),
    }


def metric_frame(
    rows: list[dict[str, object]], explanations: Sequence[Explanation], pairs: pd.DataFrame | None
) -> pd.DataFrame:
    """Rows as a frame, with the items of `pairs`, and `untrained` where a model's head is
    random."""
    frame = add_items(pd.DataFrame(rows, columns=COLUMNS), pairs)
    return frame if all(one.trained for one in explanations) else frame.assign(untrained=True)


def add_items(frame: pd.DataFrame, pairs: pd.DataFrame | None) -> pd.DataFrame:
    """The frame with those of `promptID`, `item` and `pairID` that `pairs` has."""
    if pairs is None:
        return frame
    return add_columns(frame, pairs, [name for name in PREMISE_COLUMNS if name in pairs])
