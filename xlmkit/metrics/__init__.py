"""Predictions judged by language: frames in, frames out, from any model.

`frames` reads what is given, `bootstrap` resamples prompts, `intervals` makes intervals of shares, and the rest are the questions:
`accuracy`, `confusion`, `comparison`, `agreement`."""

from xlmkit.metrics.accuracy import evaluate
from xlmkit.metrics.bootstrap import resamples
from xlmkit.metrics.confusion import confusion
from xlmkit.metrics.intervals import effective_rows, wilson

__all__ = ["confusion", "effective_rows", "evaluate", "resamples", "wilson"]
