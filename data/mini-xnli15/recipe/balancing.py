"""The last touch: how readily each label is given, two numbers in the head's bias, set on English dev.

A small student mistrusts entailment: its label is right when it comes, and comes too seldom. What is made as large as can be is a smooth stand-in
for accuracy, the mean probability of the right answer where logits are divided by `SHARPNESS`; accuracy itself is a staircase, on which the best
step is chance. Only a part of that way is gone: a model that says entailment more readily says it to unrelated sentences too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from scipy.special import softmax

from xlmkit.encoding import encode
from xlmkit.inference import logits
from xlmkit.model import NLIModel

SHARPNESS = 0.2  # logits; of 0.1 to 1 the one by which English dev gained most when it was set on one half of it and judged on the other
SHARE = 0.4  # of the way; the whole of it cost up to 5 of 15 languages where sentences are unrelated, and gave 0.4 points of accuracy


@torch.no_grad()
def balance(nli: NLIModel, dev: pd.DataFrame) -> np.ndarray:
    """Add to the bias of the head, in place, `SHARE` of what serves the labelled pairs `dev` best; gives it, (labels,) logits with mean 0."""
    columns = [dev[name].tolist() for name in ("premise", "hypothesis", "language")]
    found = logits(nli, encode(nli, *columns, spans=False)).astype(np.float64)  # (N, labels)
    gold = dev["gold"].map(nli.labels.index).to_numpy()
    rows = np.arange(len(gold))

    def wrong(first: np.ndarray) -> float:
        added = np.append(first, -first.sum())
        return 1 - float(softmax((found + added) / SHARPNESS, axis=1)[rows, gold].mean())

    start = np.vstack([np.zeros(len(nli.labels) - 1), np.eye(len(nli.labels) - 1)])
    best = minimize(wrong, start[0], method="Nelder-Mead", options={"initial_simplex": start}).x
    added = SHARE * np.append(best, -best.sum())
    nli.network.sequence_summary.summary.bias.add_(torch.from_numpy(added))
    return added
