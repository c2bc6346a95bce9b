"""Language id: how much of a decision is due to the language that the model was told?

XLM adds a language embedding to every position. Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) over word and language embeddings together,
from the padding baseline spoken in another language, share the change in logit out between the words and the language ids. What is
explained is the id alone: that the text is in that language stays in the words."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from xlmkit.attribution.batch import NO_LANGUAGE
from xlmkit.attribution.explaining import run
from xlmkit.attribution.methods import check_options
from xlmkit.attribution.names import check_names
from xlmkit.explanation import Explanation
from xlmkit.inference import need_head
from xlmkit.languages import resolve
from xlmkit.model import NLIModel


def language_attribution(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    baseline_language: str = "en",
    target: str = "predicted",
    contrast: str | None = None,
    n_steps: int | None = None,
    aggregation: str | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> list[Explanation]:
    """Explain each pair by its words and by its language ids: integrated gradients from (padding, another language).

    Parameters
    ----------
    baseline_language : the code of the language that every position of the baseline bears, or "none" for no language embedding at all, an input
        that the model never saw. Where a pair already bears it, the language ids' share is exactly 0.
    the rest : as in `explain`.

    Returns
    -------
    One `Explanation` a row, with `language_share` in logits. Scores and share together add up to F(x) - F(baseline) within the gate.

    Raises
    ------
    ValueError : as in `explain`; or if the model has no language embeddings, or not that one."""
    need_head(nli)
    check_names(nli, target, contrast)
    options = check_options("integrated_gradients", aggregation, n_steps, None, 0)
    return run(
        nli,
        pairs,
        replace(options, language=_known(nli, baseline_language)),
        target,
        contrast,
        batch_tokens=batch_tokens,
        max_length=max_length,
        progress=progress,
    )


def _known(nli: NLIModel, language: str) -> str:
    if not nli.uses_language_ids:
        raise ValueError(
            f"{nli.source!r} has no language embeddings, so nothing can be due to them; remedy: use explain"
        )
    if language == NO_LANGUAGE:
        return language
    code = resolve(language)
    if code not in nli.lang2id:
        raise ValueError(
            f"`baseline_language` must be 'none' or a language of {nli.source!r}, which knows {', '.join(nli.lang2id)}; got {language!r}"
        )
    return code
