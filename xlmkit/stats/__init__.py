"""Statistical inference on frames of predictions: which rows belong together, bootstrap, permutation and sign-flip tests, intervals."""

from xlmkit.stats.bootstrap import resamples
from xlmkit.stats.intervals import effective_rows, wilson

__all__ = ["effective_rows", "resamples", "wilson"]
