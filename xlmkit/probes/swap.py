"""Swap: every text under every language id, right or wrong, and under none.

What the id does to a fine-tuned model was never measured by language; XLM #103 says only that leaving it out "was hurting the performance quite
significantly". Texts are cut once, by their own language; the ids alone are exchanged, for premise and hypothesis alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit import inference
from xlmkit.encoding import Encoding
from xlmkit.model import NLIModel
from xlmkit.probes import judging
from xlmkit.probes.ids import checked_ids, chunks, exchanged, need_language_ids, spoken, with_none


def swap(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    ids: Sequence[str] | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Accuracy, flips and margins for every language of the texts and every id that they are given.

    Parameters
    ----------
    pairs : as `predict` takes them. All 15 languages under all ids make 16 times as many passes as there are pairs: choose items first.
    ids : codes, or "none" for no id; None: all that the model has, and none.
    batch_tokens, max_length : as `predict` takes them.
    seed : of the resampled prompts.

    Returns
    -------
    One row a language of the texts and an id: `text_language` ("premise>hypothesis" where they differ), `id`, `n`, `n_gold`, `accuracy`
    in [0, 1] with `low` and `high`, `difference` in [-1, 1] (to the right ids, negative is worse) with `difference_low` and `difference_high`, `flips`
    (share of labels other than with the right ids, in [0, 1]), `margin` (mean change of the gold logit minus the best other one, in logits; missing without gold) and `margin_predicted` (the same of the
    label that the right ids give, never counting on gold). Without gold, accuracies are missing and flips are not; below 30 prompts a
    difference has no interval.

    Raises
    ------
    ValueError : if the model has no language ids or no head, an id is unknown, or rows are faulty."""
    need_language_ids(nli)
    inference.need_head(nli)
    names = checked_ids(nli, ids)
    frame = inference.check_input(nli, pairs)
    right, given = _logits(nli, frame, names, batch_tokens, max_length, progress)
    gold, usual = judging.golds(frame, nli.labels), right.argmax(1)
    languages, prompt = spoken(frame), judging.prompts(frame)
    before = {"margin": _margins(right, gold), "margin_predicted": _margins(right, usual)}
    parts = []
    for name, found in given.items():
        parts.append(
            pd.DataFrame(
                {
                    "text_language": languages,
                    "id": name,
                    "prompt": prompt,
                    "correct": judging.correct(found.argmax(1), gold),
                    "right": judging.correct(usual, gold),
                    "flip": (found.argmax(1) != usual).astype(float),
                    "changed": (languages != name).astype(float),
                    "mean_margin": _margins(found, gold) - before["margin"],
                    "mean_margin_predicted": _margins(found, usual) - before["margin_predicted"],
                }
            )
        )
    result = judging.summary(pd.concat(parts, ignore_index=True), ["text_language", "id"], seed=seed)
    result = result.drop(columns="changed").sort_values("text_language", kind="stable", ignore_index=True)
    result.attrs["provenance"] = inference.provenance(nli, "swap", {"ids": names, "max_length": max_length})
    return result


def _logits(
    nli: NLIModel,
    frame: pd.DataFrame,
    names: list[str],
    batch_tokens: int | None,
    max_length: int,
    progress: bool,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(N, labels) logits with the right ids, and with each of the given ones."""
    wide, numbers = with_none(nli)
    shape = (len(frame), len(nli.labels))
    right = np.full(shape, np.nan, dtype=np.float32)
    given = {name: np.full(shape, np.nan, dtype=np.float32) for name in names}
    total = len(frame) * (len(names) + 1)
    with tqdm(total=total, desc="swap", unit="pair", disable=not progress) as bar:
        for rows, encoding in chunks(nli, frame, max_length):
            right[rows] = inference.logits(wide, encoding, batch_tokens=batch_tokens, bar=bar)
            for name in names:
                given[name][rows] = _under(wide, encoding, numbers[name], right[rows], batch_tokens, bar)
    return right, given


def _under(
    wide: NLIModel, encoding: Encoding, id: int, right: np.ndarray, batch_tokens: int | None, bar: tqdm
) -> np.ndarray:
    """Logits under one id; rows that bear it anyway keep the ones that they have."""
    found = right.copy()
    other = ((encoding.langs != id) & encoding.attention_mask.bool()).any(1).numpy()
    rows = np.flatnonzero(other)
    found[rows] = inference.logits(
        wide, exchanged(encoding.select(rows), id), batch_tokens=batch_tokens, bar=bar
    )
    bar.update(len(other) - len(rows))
    return found


def _margins(found: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(N,) logit of each row's label minus the best of the others; NaN where the label is -1."""
    rows = np.arange(len(found))
    others = found.astype(np.float64)
    own = others[rows, label]
    others[rows, label] = -np.inf
    return np.where(label < 0, np.nan, own - others.max(1, initial=-np.inf))
