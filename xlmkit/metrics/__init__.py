"""Predictions judged by language: frames in, frames out, from any model.

`frames` reads what is given, `bootstrap` resamples prompts, `sign_flip` tests differences, `intervals` are of shares; the rest are the questions:
`accuracy`, `confusion`, `comparison`, `agreement`, `calibration`, `temperature`, `slices`, `discovery`."""

from xlmkit.metrics.accuracy import confusion, evaluate
from xlmkit.metrics.agreement import (
    agreement,
    disagreement,
    items_by_n_correct,
    right_in_one_wrong_in_other,
)
from xlmkit.metrics.calibration import calibration, reliability
from xlmkit.metrics.comparison import compare, compare_models, gap
from xlmkit.metrics.discovery import discover
from xlmkit.metrics.slices import slices
from xlmkit.metrics.temperature import fit_temperature, temperature_effect, with_temperature

__all__ = [
    "agreement",
    "calibration",
    "compare",
    "compare_models",
    "confusion",
    "disagreement",
    "discover",
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
