"""Explain: pairs -> Explanations, by any method; for errors, why the wrong label and not the right.

`language_attribution` also attributes to the language ids. XLM adds a language embedding to every
position. Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) over word and language
embeddings together, from padding in another language, split the change in logit between the words
and the language ids. What is explained is the id alone; that the text is in that language stays
with the words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.attribution.batch import NO_LANGUAGE, explained_tokens
from xlmkit.attribution.methods import AUTO, BATCH_TOKENS, METHOD, Attribution, Request, attribute
from xlmkit.attribution.targets import (
    check_targets,
    gold_labels,
    predict_labels,
    require_gold,
    resolve_targets,
)
from xlmkit.encoding import Encoding, erase
from xlmkit.explanation import Explanation
from xlmkit.inference import check_input, encode_frame, need_head, provenance
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.results import fingerprint, resumable_map

CHUNK = 1024  # pairs that are encoded and sorted by length together
CHECKPOINT_CHUNK = 32  # the same with a checkpoint, to which each chunk is written


def explain(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    method: str = "integrated_gradients",
    target: str = "predicted",
    contrast: str | None = None,
    n_steps: int | str = AUTO,
    n_samples: int | None = None,
    seed: int = 0,
    aggregation: str | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> list[Explanation]:
    """Explain each pair: what do its tokens add to the logit of `target`?

    Parameters
    ----------
    pairs : a frame as `read_pairs` or `predict` returns it, of any size; single texts where the
        model classifies these.
    method : one of `METHODS`; "attention_rollout" and "random" depend on no label.
    target : the label whose logit is explained: "predicted" (by this model, in fp32), "gold", or
        the name of a label.
    contrast : None, or a label as for `target` whose logit is subtracted: why the target and not
        the contrast.
    n_steps : number of steps of integrated gradients and gradient SHAP, 1 to 300 (gradient SHAP
        takes one more if it is odd). "auto" increases it for each pair, 20, 50, 100, 200, 300,
        until the completeness gate passes: |delta| <= max(5 % of |F(x) - F(baseline)|, 0.02
        logit). Pairs that do not pass are returned with `converged` = False.
    n_samples : number of word sets that KernelSHAP and LIME draw per pair; None draws 8 per word,
        at least 200.
    seed : of the methods that draw. The draws depend on it and on the pair alone.
    aggregation : over the width of the embeddings: "sum" keeps sign and completeness; "l2", the
        norm, has neither but agrees better across languages. None takes the first of
        `AGGREGATIONS[method]`.
    batch_tokens : padded tokens in one pass, over pairs and steps; None chooses by device. It is
        halved when memory runs out.
    max_length : the longest pair in tokens, as for `encode`.
    checkpoint : a JSONL file to which results are appended; the same call resumes from it.
    progress : whether to show a progress bar.

    Returns
    -------
    One `Explanation` per row, in the order of the rows. They do not depend on `batch_tokens`, nor
    on the other rows (1e-5).

    Raises
    ------
    ValueError : if an option or a row is invalid, a needed gold label is missing, the contrast of
        a row is its target, the method knows no labels and has a contrast, the model has no head,
        or `checkpoint` belongs to another call.
    MemoryError : if not even one row of one pair fits.
    OSError : if `checkpoint` cannot be written, or another run is writing it."""
    request = Request(method, target, contrast, n_steps, n_samples, seed, aggregation, max_length)
    return _run(nli, pairs, request, batch_tokens, checkpoint=checkpoint, progress=progress)


def explain_errors(nli: NLIModel, pairs: pd.DataFrame, **options: Any) -> list[Explanation]:
    """Explain what the model gets wrong: why the predicted label and not the gold one?

    Parameters
    ----------
    pairs : a frame with `gold` in every row: errors, or everything. What this model predicts
        correctly in fp32 is skipped, with a warning.
    options : as for `explain`. The default of `target` is "predicted", that of `contrast` "gold".

    Returns
    -------
    One `Explanation` per error, in the order of the rows.

    Raises
    ------
    ValueError : as for `explain`, or if a gold label is missing."""
    need_head(nli)
    frame = check_input(nli, pairs)
    golds = require_gold(nli, frame, "explain_errors", "give them labels")
    predicted = predict_labels(nli, frame, options.get("max_length", 256))
    wrong = np.array([label != gold for label, gold in zip(predicted, golds, strict=True)], dtype=bool)
    if not wrong.all():
        warn_once(f"{(~wrong).sum()} of {len(frame)} pairs are predicted correctly and were skipped")
    return explain(nli, frame[wrong], **{"target": "predicted", "contrast": "gold"} | options)


def language_attribution(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    baseline_language: str = "en",
    target: str = "predicted",
    contrast: str | None = None,
    n_steps: int | str = AUTO,
    aggregation: str | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> list[Explanation]:
    """Explain each pair by its words and its language ids, by integrated gradients over both.

    Parameters
    ----------
    baseline_language : the language of the baseline at every position, as a code; or "none" for
        no language embedding at all, an input that the model never saw. Where a pair has this
        language itself, its language ids are attributed exactly 0.
    target, contrast, n_steps, aggregation, batch_tokens, max_length, progress : as for `explain`.

    Returns
    -------
    One `Explanation` per row, with `language_share` in logits. Scores and share add up to
    F(x) - F(baseline), within the gate. `language_shares` tabulates them.

    Raises
    ------
    ValueError : as for `explain`; or if the model has no language embeddings, or not this
        language."""
    need_head(nli)
    request = Request(
        target=target,
        contrast=contrast,
        n_steps=n_steps,
        aggregation=aggregation,
        max_length=max_length,
        baseline_language=_check_language(nli, baseline_language),
    )
    return _run(nli, pairs, request, batch_tokens, progress=progress)


def explain_masked(
    nli: NLIModel,
    pairs: pd.DataFrame,
    masked: Sequence[Iterable[int]],
    *,
    method: str = "integrated_gradients",
    target: str = "predicted",
    batch_tokens: int | None = None,
) -> list[Explanation]:
    """Explain pairs with some words replaced by the mask token: counterfactuals that no text can
    spell.

    Parameters
    ----------
    masked : per pair the words to mask, by their numbers in `Explanation.words`; with none this
        is `explain`. Masked words keep their numbers and texts, and their scores are those of the
        mask.
    method, target, batch_tokens : as for `explain`.

    Returns
    -------
    One `Explanation` per row, whose provenance names the masked words.

    Raises
    ------
    ValueError : as for `explain` and `erase`."""
    numbers = [sorted(set(words)) for words in masked]
    return _run(nli, pairs, Request(method, target), batch_tokens, masked=numbers)


def _run(
    nli: NLIModel,
    pairs: pd.DataFrame,
    request: Request,
    batch_tokens: int | None,
    *,
    masked: list[list[int]] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> list[Explanation]:
    need_head(nli)
    check_targets(nli, request.target, request.contrast)
    budget = forward.Budget.of(nli, batch_tokens, BATCH_TOKENS)
    frame = check_input(nli, pairs)
    targets = resolve_targets(nli, frame, request.target, request.contrast, request.max_length)
    config = source = provenance(nli, "explain", request.settings(nli))
    if checkpoint is not None:
        columns = ["pair_id", *sentence_columns(frame), *language_columns(frame)]
        config = source | {"gold": gold_labels(frame), "pairs": fingerprint(frame, columns)}
    size = CHUNK if checkpoint is None else CHECKPOINT_CHUNK
    chunks = [range(start, min(start + size, len(frame))) for start in range(0, len(frame), size)]
    explanations: list[Explanation] = []
    with tqdm(total=len(frame), desc="explain", unit="pair", disable=not progress or frame.empty) as bar:

        def explain_chunk(rows: range) -> list[Explanation]:
            some = frame.iloc[rows.start : rows.stop]
            encoding = encode_frame(nli, some, max_length=request.max_length, spans=True)
            fields = _known_fields(nli, request, some, encoding, source)
            if request.n_samples is not None:
                _check_n_samples(request.n_samples, fields)
            if masked is not None and any(masked):
                encoding, fields = _mask(encoding, fields, [masked[row] for row in rows])
            found: dict[int, Attribution] = {}
            for row, attribution in attribute(nli, request, encoding, targets.select(rows), budget):
                found[row] = attribution
                bar.update()
            return [
                Explanation(**fields[row], contrast=targets.contrasts[number], **vars(found[row]))
                for row, number in enumerate(rows)
            ]

        results: Iterator[list[Explanation]] = map(explain_chunk, chunks)
        if checkpoint is not None:
            write, read = Explanation.to_dict, Explanation.from_dict
            results = resumable_map(
                checkpoint, config, chunks, explain_chunk, serialize=write, deserialize=read
            )
        for some in results:
            explanations += some
            bar.update(len(explanations) - bar.n)  # those that the checkpoint had already
    return explanations


def _known_fields(
    nli: NLIModel, request: Request, frame: pd.DataFrame, encoding: Encoding, source: dict[str, Any]
) -> list[dict[str, Any]]:
    """The fields of each row's `Explanation` that are known before any method runs."""
    premise, *hypothesis = sentence_columns(frame)
    languages = language_columns(frame)
    columns = {"pair_id": "pair_id", "premise": premise, "premise_language": languages[0]}
    if hypothesis:
        columns |= {"hypothesis": hypothesis[0], "hypothesis_language": languages[-1]}
    values = {field: frame[column].to_list() for field, column in columns.items()}
    method = METHOD[request.method]
    return [
        {
            "hypothesis": None,  # of a single text
            "hypothesis_language": None,
            **{field: column[row] for field, column in values.items()},
            "gold": gold,
            "tokens": tokens,
            "words": words,
            "method": request.method,
            "aggregation": request.aggregation,
            "unit": method.unit,
            "truncated": encoding.truncated[row],
            "trained": nli.trained,
            "provenance": source,
        }
        for row, (gold, (tokens, words)) in enumerate(
            zip(gold_labels(frame), explained_tokens(encoding), strict=True)
        )
    ]


def _check_n_samples(n_samples: int, fields: list[dict[str, Any]]) -> None:
    """A linear model of W words has W + 1 coefficients to find."""
    for row in fields:
        if n_samples < len(row["words"]) + 2:
            raise ValueError(
                f"`n_samples` must be at least the number of words + 2; pair {row['pair_id']!r} has "
                f"{len(row['words'])} words; got {n_samples}. Leave it out, or use a lower `max_length`."
            )


def _mask(
    encoding: Encoding, fields: list[dict[str, Any]], masked: list[list[int]]
) -> tuple[Encoding, list[dict[str, Any]]]:
    """Encoding and fields with some words masked; the provenance says which."""
    noted = []
    for row, words in zip(fields, masked, strict=True):
        settings = row["provenance"]["settings"] | ({"masked": words} if words else {})
        noted.append({**row, "provenance": {**row["provenance"], "settings": settings}})
    return erase(encoding, masked), noted


def _check_language(nli: NLIModel, language: str) -> str:
    if not nli.uses_language_ids:
        raise ValueError(
            f"{nli.source!r} has no language embeddings, so nothing can be attributed to them. Use explain."
        )
    code = language if language == NO_LANGUAGE else resolve(language)
    if code not in (NO_LANGUAGE, *nli.lang2id):
        raise ValueError(
            f"`baseline_language` must be 'none' or a language of {nli.source!r} "
            f"({', '.join(nli.lang2id)}); got {language!r}"
        )
    return code
