"""Masked: the explanation of a pair of which the model does not see some words; of a counterfactual that no text can spell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from tqdm.auto import tqdm

from xlmkit.attribution.batches import Task, results
from xlmkit.attribution.explaining import BATCH_TOKENS, explained, given_by, settings_of
from xlmkit.attribution.methods import check_options
from xlmkit.attribution.names import check_names, names_of
from xlmkit.encoding import erase
from xlmkit.explanation import Explanation
from xlmkit.forward import Budget
from xlmkit.inference import check_input, encode_frame, need_head, provenance
from xlmkit.model import NLIModel

MAX_TOKENS = 256


def explain_masked(
    nli: NLIModel,
    pairs: pd.DataFrame,
    masked: Sequence[Iterable[int]],
    *,
    method: str = "integrated_gradients",
    target: str = "predicted",
    seed: int = 0,
    batch_tokens: int | None = None,
) -> list[Explanation]:
    """`explain` with the mask piece in place of some words; with none it is `explain` itself.

    Parameters
    ----------
    masked : per pair the words to mask, as places in `Explanation.words`. The words keep their places and texts, and get scores, which
        are those of the mask.
    method, target, seed, batch_tokens : as in `explain`.

    Returns
    -------
    One `Explanation` a row, whose provenance names the masked words.

    Raises
    ------
    ValueError : as `explain` and `erase`."""
    need_head(nli)
    check_names(nli, target, None)
    options = check_options(method, None, None, None, seed)
    frame = check_input(nli, pairs)
    names = names_of(nli, frame, target, None, MAX_TOKENS)
    encoding = encode_frame(nli, frame, max_length=MAX_TOKENS, spans=True)
    hidden = [sorted(set(words)) for words in masked]
    if any(hidden):
        encoding = erase(encoding, hidden)
    task = Task(nli, options, Budget.of(nli, batch_tokens, BATCH_TOKENS).tokens)
    settings = settings_of(nli, options, target, None, MAX_TOKENS)
    with tqdm(disable=True) as bar:
        found = results(task, encoding, names, bar)
    return [
        explained(
            task,
            encoding,
            row,
            result,
            None,
            **given,
            provenance=provenance(nli, "explain", settings | ({"masked": own} if own else {})),
        )
        for row, (result, given, own) in enumerate(zip(found, given_by(frame), hidden, strict=True))
    ]
