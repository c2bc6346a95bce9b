"""What the finished model does: accuracy by language, and what 16 bits cost, in the file and in computing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xlmkit.checkpoint import NLIModel, load
from xlmkit.encoding import encode
from xlmkit.inference import logits, predict
from xlmkit.metrics import evaluate
from xlmkit.pairs import read_pairs
from xlmkit.recipe.inputs import DEV, TEST


@dataclass(frozen=True)
class Figures:
    """Shares lie in [0, 1]; margins are fp32's best logit minus its second.

    accuracy : by language on test.a, with 95 % intervals, of the stored model in fp32.
    dev_trained, dev_stored : accuracy on dev, all languages, before and after the weights are stored in fp16.
    bf16_equal : share of dev rows whose label bf16 computing leaves as it is; bf16_margin : the largest margin among the others."""

    accuracy: pd.DataFrame
    dev_trained: float
    dev_stored: float
    bf16_equal: float
    bf16_margin: float

    def plain(self) -> dict[str, object]:
        """Values that JSON can hold, rounded to four places."""
        table = self.accuracy[["language", "n", "accuracy", "low", "high"]].round(4)
        rest = {
            field.name: round(getattr(self, field.name), 4)
            for field in dataclasses.fields(self)
            if field.name != "accuracy"
        }
        return {"test.a": table.to_dict(orient="records"), **rest}


def measure(trained: NLIModel, folder: Path, data: Path, *, progress: bool = True) -> Figures:
    """Compare the trained model with the one stored in `folder`, and judge the latter on test.a, once."""
    stored = load(folder, device="cpu", dtype=torch.float32)
    dev = read_pairs(data / DEV)
    gold = dev["gold"].map(stored.labels.index).to_numpy()
    columns = (dev[name].tolist() for name in ("premise", "hypothesis", "language"))
    encoding = encode(stored, *columns, spans=False)
    rounded = load(folder, device="cpu", dtype=torch.bfloat16)
    found = [logits(nli, encoding) for nli in (trained, stored, rounded)]
    labels = [values.argmax(1) for values in found]
    best = np.sort(found[1], axis=1)
    differing = labels[1] != labels[2]
    return Figures(
        accuracy=evaluate(predict(stored, read_pairs(data / TEST), progress=progress)),
        dev_trained=float((labels[0] == gold).mean()),
        dev_stored=float((labels[1] == gold).mean()),
        bf16_equal=float(1 - differing.mean()),
        bf16_margin=float((best[:, -1] - best[:, -2])[differing].max(initial=0.0)),
    )
