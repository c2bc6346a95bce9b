"""Predictions judged by language: frames in, frames out, from any model.

`frames` reads what is given, `bootstrap` resamples prompts, `sign_flip` tests differences, `intervals` are of shares; the rest are the questions:
`accuracy`, `confusion`, `comparison`, `agreement`, `calibration`, `temperature`, `slices`, `discovery`."""

from xlmkit.metrics.accuracy import evaluate
from xlmkit.metrics.agreement import agreement, by_count, flips, right_wrong
from xlmkit.metrics.calibration import calibration, reliability
from xlmkit.metrics.comparison import compare, compare_models, gap
from xlmkit.metrics.confusion import confusion
from xlmkit.metrics.discovery import discover
from xlmkit.metrics.slices import slices
from xlmkit.metrics.temperature import fit_temperature, temperature_effect, with_temperature

__all__ = [
    "agreement",
    "by_count",
    "calibration",
    "compare",
    "compare_models",
    "confusion",
    "discover",
    "evaluate",
    "fit_temperature",
    "flips",
    "gap",
    "reliability",
    "right_wrong",
    "slices",
    "temperature_effect",
    "with_temperature",
]
