"""Predictions evaluated by language: frames in, frames out, from any model.

`accuracy` counts correct and confused labels, `comparison` tests differences between languages or
models, `agreement` asks whether languages agree, `calibration` whether probabilities
can be trusted, `slices` on which pairs a model is worse. Statistical inference is in
`xlmkit.stats`."""

from xlmkit.metrics.accuracy import confusion, evaluate
from xlmkit.metrics.agreement import agreement, disagreement, items_by_n_correct, right_in_one_wrong_in_other
from xlmkit.metrics.calibration import (
    calibration,
    fit_temperature,
    reliability,
    temperature_effect,
    with_temperature,
)
from xlmkit.metrics.comparison import compare, compare_models, gap
from xlmkit.metrics.slices import discover_slices, slices

__all__ = [
    "agreement",
    "calibration",
    "compare",
    "compare_models",
    "confusion",
    "disagreement",
    "discover_slices",
    "evaluate",
    "fit_temperature",
    "gap",
    "items_by_n_correct",
    "reliability",
    "right_in_one_wrong_in_other",
    "slices",
    "temperature_effect",
    "with_temperature",
]
