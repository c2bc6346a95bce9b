"""What the finished model does: accuracy by language, what it takes it from, what its confidence is worth, and what 16 bits cost.

Everything is measured on XNLI's test.a, on which nothing was decided. What needs several passes is measured on every eighth prompt of it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recipe.inputs import TEST
from xlmkit import forward
from xlmkit.encoding import Encoding, encode
from xlmkit.inference import logits, predict
from xlmkit.languages import LANGUAGES
from xlmkit.metrics import calibration, evaluate
from xlmkit.model import NLIModel, load
from xlmkit.pairs import read_pairs

EVERY = 8  # of the prompts


@dataclass(frozen=True)
class Figures:
    """Shares and errors lie in [0, 1]; margins are fp32's best logit minus its second.

    accuracy : by language on test.a, with 95 % intervals, as users get it (bf16 where the processor has it).
    calibration_error : by language, expected calibration error; a perfect model of this accuracy shows `calibration_floor` at this number of rows.
    probes : accuracy on an eighth of test.a, all languages: `as_fed`, `hypothesis_only` (as a single text), `wrong_language_id`, `no_language_id`.
    seeds : accuracy on that eighth by language, a column for each seed of the last stage.
    fp16_equal, bf16_equal : share of its labels that storing in fp16, and computing in bf16, leave as they are; bf16_margin : the largest margin among
        the others."""

    accuracy: pd.DataFrame
    calibration_error: Mapping[str, float]
    calibration_floor: float
    probes: Mapping[str, float]
    seeds: pd.DataFrame
    fp16_equal: float
    bf16_equal: float
    bf16_margin: float

    def plain(self) -> dict[str, Any]:
        """Values that JSON can hold, rounded to four places."""
        table = self.accuracy[["language", "n", "accuracy", "low", "high"]].round(4)
        return {
            "test.a": table.to_dict(orient="records"),
            "calibration_error": {code: round(error, 4) for code, error in self.calibration_error.items()},
            "probes": {name: round(share, 4) for name, share in self.probes.items()},
            "seeds": dict(zip(self.seeds.index, self.seeds.round(4).to_dict(orient="records"), strict=True)),
            **{
                name: round(getattr(self, name), 4)
                for name in ("calibration_floor", "fp16_equal", "bf16_equal", "bf16_margin")
            },
        }


def measure(runs: Sequence[NLIModel], folder: Path, data: Path, *, progress: bool = True) -> Figures:
    """Judge the model stored in `folder`, made of the first of the `runs`; the others differ in the last stage's seed."""
    usual = load(folder, device="cpu")
    pairs = read_pairs(data / TEST)
    preds = predict(usual, pairs, progress=progress)
    sample = pairs[pairs["promptID"].isin(pairs["promptID"].drop_duplicates()[::EVERY])]
    encoding = encode(usual, *_columns(sample), spans=False)
    exact = logits(dataclasses.replace(usual, dtype=torch.float32), encoding)
    trained = logits(runs[0], encoding)
    rounded = _rounded(usual, encoding)
    others = [dataclasses.replace(run, dtype=usual.dtype) for run in runs[1:]]
    best = np.sort(exact, axis=1)
    differing = exact.argmax(1) != rounded.argmax(1)
    calibrated = calibration(preds).set_index("language")
    return Figures(
        accuracy=evaluate(preds),
        calibration_error={str(code): float(error) for code, error in calibrated["ece"].items()},
        calibration_floor=float(calibrated["ece_floor"]["en"]),
        probes=_probes(usual, sample, encoding),
        seeds=_seeds([usual, *others], sample, encoding),
        fp16_equal=float((exact.argmax(1) == trained.argmax(1)).mean()),
        bf16_equal=float(1 - differing.mean()),
        bf16_margin=float((best[:, -1] - best[:, -2])[differing].max(initial=0.0)),
    )


def _probes(nli: NLIModel, sample: pd.DataFrame, encoding: Encoding) -> dict[str, float]:
    """What the answers rest on: all that is given, the hypothesis alone, another language's id, none."""
    gold = sample["gold"].map(nli.labels.index).to_numpy()
    _, hypotheses, languages = _columns(sample)
    alone = encode(nli, hypotheses, None, languages, spans=False)
    wrong = dataclasses.replace(encoding, langs=(encoding.langs + 7) % len(LANGUAGES))
    without = copy.deepcopy(nli.network)
    without.transformer.lang_embeddings.weight.data.zero_()  # nothing is added, as transformers does with `langs=None`
    found = {
        "as_fed": logits(nli, encoding),
        "hypothesis_only": logits(nli, alone),
        "wrong_language_id": logits(nli, wrong),
        "no_language_id": logits(dataclasses.replace(nli, network=without), encoding),
    }
    return {name: float((values.argmax(1) == gold).mean()) for name, values in found.items()}


def _seeds(runs: Sequence[NLIModel], sample: pd.DataFrame, encoding: Encoding) -> pd.DataFrame:
    """Accuracy, a row a language and "all", a column a run."""
    gold = sample["gold"].map(runs[0].labels.index).to_numpy()
    right = pd.DataFrame(
        {f"seed {number}": logits(run, encoding).argmax(1) == gold for number, run in enumerate(runs)}
    )
    table = right.groupby(sample["language"].to_numpy()).mean()
    table.loc["all"] = right.mean()
    return table


def _rounded(nli: NLIModel, encoding: Encoding) -> np.ndarray:
    """(N, labels) logits as bf16 gives them, before close ones are computed again."""
    half = dataclasses.replace(nli, dtype=torch.bfloat16)
    order = np.argsort(encoding.lengths)
    found = np.zeros((len(encoding), len(nli.labels)), dtype=np.float32)
    for part in np.array_split(order, -(-len(order) // 64)):
        found[part] = forward.logits(half, encoding.select(part)).numpy()
    return found


def _columns(pairs: pd.DataFrame) -> list[list[str]]:
    return [pairs[name].tolist() for name in ("premise", "hypothesis", "language")]
