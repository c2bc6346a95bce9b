"""Predictions judged by language: frames in, frames out, from any model.

`frames` reads what is given, `bootstrap` resamples prompts, `intervals` makes intervals of shares, and the rest are the questions:
`accuracy`, `confusion`, `comparison`, `agreement`."""

from xlmkit.metrics.accuracy import evaluate
from xlmkit.metrics.agreement import agreement, by_count, flips, right_wrong
from xlmkit.metrics.bootstrap import resamples
from xlmkit.metrics.comparison import compare, compare_models, gap
from xlmkit.metrics.confusion import confusion
from xlmkit.metrics.intervals import effective_rows, wilson

__all__ = [
    "agreement",
    "by_count",
    "compare",
    "compare_models",
    "confusion",
    "effective_rows",
    "evaluate",
    "flips",
    "gap",
    "resamples",
    "right_wrong",
    "wilson",
]
