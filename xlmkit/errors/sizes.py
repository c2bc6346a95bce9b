"""Sizes of minimal edits: how few words it takes to set errors right, by language."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xlmkit.stats import ALL, bootstrap
from xlmkit.stats.frames import group_names, premise_groups


def edit_sizes(
    edits: pd.DataFrame,
    *,
    by: str = "language",
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """How few words it takes, by language.

    Parameters
    ----------
    edits : what `minimal_edits` gives.
    by : the column to group by.
    confidence_level : of the intervals, in (0, 1), by bootstrap over prompts with `n_resamples` resamples that `seed` draws.

    Returns
    -------
    One row a group in order of its name, then "all": `by`, `n` (errors), then shares in [0, 1]: `flipped` with `low` and `high`, `one_word`,
    `two_words`, `more`; `words` (mean size of those that flip; missing where none does), `tried` (mean variants computed). Fewer words: the model
    hung by less.

    Raises
    ------
    ValueError : if there are no rows or no such column."""
    if "size" not in edits or edits.empty:
        raise ValueError("expected what `minimal_edits` gives, with at least one error")
    bootstrap.check_confidence_level(confidence_level)
    names, prompts = group_names(edits, by), premise_groups(edits)[0]
    size = edits["size"].fillna(0).to_numpy(dtype=int)
    rows = []
    for name in [*sorted(set(names)), ALL]:
        own = np.flatnonzero(names == name) if name != ALL else np.arange(len(names))
        numbers = pd.factorize(prompts[own])[0]
        drawn = bootstrap.resampled_sums(
            bootstrap.cluster_sums(np.stack([size[own] > 0, np.ones(len(own))], 1), numbers),
            n_resamples=n_resamples,
            seed=seed,
        )
        low, high = bootstrap.interval(drawn[:, 0] / drawn[:, 1], confidence_level=confidence_level)
        flips = size[own][size[own] > 0]
        row = {
            by: name,
            "n": len(own),
            "flipped": len(flips) / len(own),
            "low": float(low),
            "high": float(high),
        }
        row |= {"one_word": float((size[own] == 1).mean()), "two_words": float((size[own] == 2).mean())}
        row |= {"more": float((size[own] > 2).mean()), "words": float(flips.mean()) if len(flips) else np.nan}
        rows.append({**row, "tried": float(edits["tried"].to_numpy()[own].mean())})
    return pd.DataFrame(rows)
