"""Explore: one pair, to be changed at will; what the model says each time, and why."""

from __future__ import annotations

import pandas as pd

from xlmkit.attribution import METHODS
from xlmkit.inference import check_input, need_head
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.widgets.answering import Answers
from xlmkit.widgets.explorer import Explorer
from xlmkit.widgets.situation import Situation

PREMISE, HYPOTHESIS = "A man is sleeping in his bed.", "A man is awake."


def explore(
    nli: NLIModel,
    *,
    premise: str = PREMISE,
    hypothesis: str = HYPOTHESIS,
    language: str = "en",
    hypothesis_language: str | None = None,
    method: str = "saliency",
    target: str = "predicted",
    pairs: pd.DataFrame | None = None,
) -> Explorer:
    """Try out what the model says of a pair, and why, as its texts, languages, language id and words are changed.

    Parameters
    ----------
    premise, hypothesis, language, hypothesis_language : what to begin with; the hypothesis's language is the premise's unless it is given.
    method, target : of the explanation, as in `explain`.
    pairs : examples to begin with, as `read_pairs` gives them, each to be had in all its languages, its English original beside it.

    Returns
    -------
    An `Explorer`: controls in a notebook, a picture where there are no widgets. It computes nothing before it is shown or changed.

    Raises
    ------
    ValueError : if a language, the method or the target is unknown, or the model is no NLI model."""
    need_head(nli)
    if nli.sentences == 1:
        raise ValueError(f"explore is for pairs; {nli.source!r} takes single texts; remedy: another model")
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}; got {method!r}")
    if target not in ("predicted", *nli.labels):
        raise ValueError(f"`target` must be predicted or one of {', '.join(nli.labels)}; got {target!r}")
    return Explorer(
        Answers(nli),
        Situation(
            premise, hypothesis, language, language if hypothesis_language is None else hypothesis_language
        ),
        labels=nli.labels,
        ids=[code for code in LANGUAGES if code in nli.lang2id] if nli.uses_language_ids else [],
        method=method,
        target=target,
        pairs=None if pairs is None else check_input(nli, pairs),
    )
