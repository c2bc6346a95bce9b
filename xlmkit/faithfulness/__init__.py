"""Faithfulness: do explanations say what the model uses?

Everything is compared with random controls, so that a method at chance is seen to be. Evaluate with
`erasure_metrics` (erase words), `sensitivity` (shake the input) and `plausibility` (compare with
rationales); `summarize` makes a table of methods and metrics from their frames. `profile` and
`compare_errors` ask whether explanations of errors differ from those of correct predictions."""

from xlmkit.faithfulness.erasure_metrics import erasure_metrics
from xlmkit.faithfulness.plausibility import plausibility, rationale_words
from xlmkit.faithfulness.sensitivity import sensitivity
from xlmkit.faithfulness.summary import compare_errors, frequent_words, profile, summarize

__all__ = [
    "compare_errors",
    "erasure_metrics",
    "frequent_words",
    "plausibility",
    "profile",
    "rationale_words",
    "sensitivity",
    "summarize",
]
