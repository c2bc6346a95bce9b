"""Interaction: which words of premise and hypothesis matter together?

For words i of the premise and j of the hypothesis, leave-two-out gives F(x) - F(x without i) - F(x without j) + F(x without both): zero
where the two add up, and what they do only together where they do not. It is the second difference behind the Shapley interaction
index (Grabisch and Roubens 1999), taken at the whole input. A word is left out as in occlusion, by the padding embedding."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from xlmkit.attribution.batch import Names
from xlmkit.attribution.explaining import places
from xlmkit.attribution.names import check_names, names_of, predicted_labels
from xlmkit.checks import check_int
from xlmkit.encoding import WAYS, Encoding, erase
from xlmkit.inference import check_input, encode_frame, logits, need_head, provenance
from xlmkit.model import NLIModel
from xlmkit.pairs import sentence_columns


def interaction(
    nli: NLIModel,
    pair: pd.DataFrame,
    *,
    target: str = "predicted",
    contrast: str | None = None,
    top: int = 12,
    how: str = "pad",
    batch_tokens: int | None = None,
    max_length: int = 256,
) -> pd.DataFrame:
    """What each word of the premise does only together with each word of the hypothesis.

    Parameters
    ----------
    pair : a frame of one row, as `explain` takes it.
    target, contrast : as in `explain`.
    top : of a longer sentence, the words that change F most when left out alone; they stay in the order of the text.
    how : "pad", "mask" or "delete", as in `erase`.

    Returns
    -------
    A frame with a row a word of the premise and a column a word of the hypothesis, in logits: positive where the two together speak for the target more
    than they do one by one. A repeated word is numbered: "the", "the (2)". `attrs` has pair_id, target, contrast, output F(x), how, the
    effects of the words alone (`premise_effects`, `hypothesis_effects`: F(x) - F(x without the word)), their places in `Explanation.words`
    (`premise_places`, `hypothesis_places`), english_premise and english_hypothesis where the pair has them, and provenance.

    Raises
    ------
    ValueError : if there is not exactly one row, it is a single text, an option is not as said above, or as in `explain`."""
    need_head(nli)
    check_names(nli, target, contrast)
    if how not in WAYS:
        raise ValueError(f"`how` must be one of {', '.join(WAYS)}; got {how!r}")
    check_int("top", top, 1)
    frame = check_input(nli, pair)
    if len(frame) != 1 or len(sentence_columns(frame)) != 2:
        raise ValueError(
            f"expected one pair of premise and hypothesis; got {len(frame)} rows of {', '.join(sentence_columns(frame))}; "
            "remedy: pairs[:1] or pairs[pairs.pair_id == ...]"
        )
    names = names_of(nli, frame, target, contrast, max_length)
    if names.targets[0] is None:
        names = Names(tuple(predicted_labels(nli, frame, max_length)), names.contrasts)
    encoding = encode_frame(nli, frame, max_length=max_length, spans=True)
    words = places(encoding, 0)[1]

    def score(erased: list[list[int]]) -> np.ndarray:
        return _score(nli, encoding, names, erased, how, batch_tokens)

    whole, *without = score([[], *([place] for place in range(len(words)))])
    effects = whole - np.array(without)  # (W,)
    sides = [[place for place, word in enumerate(words) if word.sentence == side] for side in (0, 1)]
    rows, columns = (sorted(sorted(side, key=lambda place: -abs(effects[place]))[:top]) for side in sides)
    both = score([[i, j] for i in rows for j in columns]).reshape(len(rows), len(columns))
    found = pd.DataFrame(
        effects[rows][:, None] + effects[columns][None, :] - (whole - both),
        index=pd.Index(_numbered([words[i].text for i in rows]), name="premise"),
        columns=pd.Index(_numbered([words[j].text for j in columns]), name="hypothesis"),
    )
    english: dict[Hashable, Any] = {
        name: frame[name].iloc[0] for name in ("english_premise", "english_hypothesis") if name in frame
    }
    settings = {
        "target": target,
        "contrast": contrast,
        "top": top,
        "how": how,
        "max_length": max_length,
        "dtype": "float32",
    }
    attrs: dict[Hashable, Any] = {
        "pair_id": frame["pair_id"].iloc[0],
        "target": names.targets[0],
        "contrast": names.contrasts[0],
        "output": float(whole),
        "how": how,
        "premise_places": rows,
        "hypothesis_places": columns,
        "premise_effects": effects[rows].tolist(),
        "hypothesis_effects": effects[columns].tolist(),
        **english,
        "provenance": provenance(nli, "interaction", settings),
    }
    found.attrs = attrs
    return found


def _score(
    nli: NLIModel,
    encoding: Encoding,
    names: Names,
    erased: list[list[int]],
    how: str,
    batch_tokens: int | None,
) -> np.ndarray:
    """F in fp32 of the one pair without each of the given sets of words."""
    variants = erase(encoding.select([0] * len(erased)), erased, how)
    found = logits(replace(nli, dtype=torch.float32), variants, batch_tokens=batch_tokens).astype(np.float64)
    target, contrast = names.targets[0], names.contrasts[0]
    assert target is not None  # resolved above
    return found[:, nli.labels.index(target)] - (
        0.0 if contrast is None else found[:, nli.labels.index(contrast)]
    )


def _numbered(words: list[str]) -> list[str]:
    """Each word once: the second "the" is "the (2)"."""
    seen: dict[str, int] = {}
    labels = []
    for word in words:
        seen[word] = seen.get(word, 0) + 1
        labels.append(word if seen[word] == 1 else f"{word} ({seen[word]})")
    return labels
