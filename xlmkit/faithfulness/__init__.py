"""Faithfulness: do explanations say what the model uses? Judged against random controls, so that a method at chance is seen to be.

`judge` erases words, `sensitivity` shakes the input, `plausibility` compares with rationales; `summarize` makes the table of methods and metrics of
what they found. `profile` and `compare_errors` ask whether explanations of errors differ from those of correct predictions."""

from xlmkit.faithfulness.differences import compare_errors
from xlmkit.faithfulness.judging import judge
from xlmkit.faithfulness.plausibility import plausibility, rationale_words
from xlmkit.faithfulness.profiles import frequent_words, profile
from xlmkit.faithfulness.sensitivity import sensitivity
from xlmkit.faithfulness.summary import summarize

__all__ = [
    "compare_errors",
    "frequent_words",
    "judge",
    "plausibility",
    "profile",
    "rationale_words",
    "sensitivity",
    "summarize",
]
