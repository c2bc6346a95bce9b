"""Statistical inference on frames: which rows belong together, and how sure their figures are.

`grouped` gives means or ratios per group with bootstrap intervals over premise groups, `estimate`
any function of sums; `sign_flip` tests paired differences, `slice_p` a slice against the rest.

    from xlmkit.stats import grouped, premise_groups, with_all

    frame["premise_group"] = premise_groups(frame)[0]
    rows = with_all(frame, "language")
    grouped(rows, {"accuracy": "correct"}, "language", "premise_group", few="wilson")"""

from xlmkit.stats.bootstrap import ALL, Estimate, cluster_sums, estimate, grouped, wilson, with_all
from xlmkit.stats.frames import group_names, paired_items, premise_groups
from xlmkit.stats.permutation import sign_flip, slice_p

__all__ = [
    "ALL",
    "Estimate",
    "cluster_sums",
    "estimate",
    "group_names",
    "grouped",
    "paired_items",
    "premise_groups",
    "sign_flip",
    "slice_p",
    "wilson",
    "with_all",
]
