"""Tabulate: explanations as tidy frames, to count, compare and draw.

Every row names pair, languages, method, target and contrast, so that frames of several calls can be
concatenated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from xlmkit.explanation import Explanation, written

_KEYS = ["pair_id", "premise_language", "hypothesis_language", "prediction", "gold", "target", "contrast"]
_KEYS += ["method", "aggregation", "unit", "converged"]
_WORD = ["kind", "sentence", "word", "word_text", "start", "end", "score", "share"]
_LANGUAGE = ["change", "words", "special_tokens", "language_ids", "share", "delta", "n_steps"]
_LANGUAGE += ["baseline_language"]


def tabulate(
    explanations: Iterable[Explanation], *, pairs: pd.DataFrame | None = None, columns: Sequence[str] = ()
) -> pd.DataFrame:
    """One row per word, one for the special tokens, and one for the language ids if attributed.

    Parameters
    ----------
    pairs : the explained frame, from which `columns` (such as `item`) are added by `pair_id`.

    Returns
    -------
    pair_id, premise_language, hypothesis_language, prediction, gold, target, contrast, method,
    aggregation, unit, converged, and

        kind       "word", "special tokens" or "language ids"
        sentence   "premise", "hypothesis" or "text"; missing unless `kind` is "word"
        word       its number in `Explanation.words`
        word_text  as prepared for the model
        start, end its span of characters in the sentence as given
        score      in `unit`; with "sum" the rows of a pair add up to F(x) - F(baseline), as far as
                   the method promises it
        share      |score| as a fraction of the sum of all |score| of the pair, in [0, 1]; missing
                   where that sum is 0

    and `columns`. `untrained` = True marks explanations of a model whose head is random.

    Raises
    ------
    ValueError : if `columns` are not in `pairs`, or `pairs` does not have each pair_id once."""
    listed = list(explanations)
    rows = [{**_keys(explanation), **row} for explanation in listed for row in _word_rows(explanation)]
    frame = pd.DataFrame(rows, columns=[*_KEYS, *_WORD])
    whole = dict.fromkeys(("word", "start", "end"), "Int64")
    frame = frame.astype({**whole, "score": "float64", "share": "float64", "converged": "boolean"})
    if not all(explanation.trained for explanation in listed):
        untrained = {explanation.pair_id for explanation in listed if not explanation.trained}
        frame["untrained"] = frame["pair_id"].isin(untrained)
    return add_columns(frame, pairs, columns)


def language_shares(
    explanations: Iterable[Explanation], *, pairs: pd.DataFrame | None = None, columns: Sequence[str] = ()
) -> pd.DataFrame:
    """How much of the change in logit is due to the language ids? One row per explanation.

    Parameters
    ----------
    explanations : of `language_attribution`, with aggregation "sum".
    pairs, columns : as for `tabulate`.

    Returns
    -------
    The columns of `tabulate` up to `converged`, and

        change             F(x) - F(baseline), in logits
        words, special_tokens, language_ids
                           attributed to each, in logits; they add up to `change` + `delta`
        share              |language_ids| / (|words| + |special_tokens| + |language_ids|), in
                           [0, 1]; missing where all are 0
        delta, n_steps, baseline_language

    Raises
    ------
    ValueError : if an explanation has no language share or is no signed sum; or as for
        `tabulate`."""
    rows = []
    for explanation in explanations:
        if explanation.language_share is None or explanation.aggregation != "sum":
            raise ValueError(
                f"expected explanations of language_attribution(..., aggregation='sum'); got {explanation!r}"
            )
        words, special = float(explanation.word_scores.sum()), explanation.remainder
        total = abs(words) + abs(special) + abs(explanation.language_share)
        rows.append(
            {
                **_keys(explanation),
                "change": explanation.change,
                "words": words,
                "special_tokens": special,
                "language_ids": explanation.language_share,
                "share": abs(explanation.language_share) / total if total else float("nan"),
                "delta": explanation.delta,
                "n_steps": explanation.n_steps,
                "baseline_language": explanation.provenance["settings"]["baseline_language"],
            }
        )
    frame = pd.DataFrame(rows, columns=[*_KEYS, *_LANGUAGE]).astype({"converged": "boolean"})
    return add_columns(frame, pairs, columns)


def add_columns(frame: pd.DataFrame, pairs: pd.DataFrame | None, columns: Sequence[str]) -> pd.DataFrame:
    """The frame with some columns of its pairs at the end, joined by `pair_id`.

    Raises
    ------
    TypeError, ValueError : as for `pairs_by_id`."""
    if pairs is None and not columns:
        return frame
    return frame.join(pairs_by_id(pairs, frame["pair_id"], columns)[list(columns)], on="pair_id")


def pairs_by_id(pairs: Any, pair_ids: Iterable[str], columns: Sequence[str] = ()) -> pd.DataFrame:
    """`pairs` with `pair_id` as its index.

    Raises
    ------
    TypeError : if `pairs` is not a frame.
    ValueError : if it lacks one of `columns`, or does not have each of `pair_ids` once."""
    if not isinstance(pairs, pd.DataFrame):
        raise TypeError(f"`pairs` must be the frame that was explained; got {type(pairs).__name__}.")
    missing = [name for name in ("pair_id", *columns) if name not in pairs]
    if missing:
        raise ValueError(
            f"`pairs` must have the columns {', '.join(missing)}; got {', '.join(map(str, pairs))}."
        )
    known = pairs.set_index(pairs["pair_id"].astype(str))
    repeated = known.index[known.index.duplicated()]
    absent = [pair_id for pair_id in dict.fromkeys(pair_ids) if pair_id not in known.index]
    if absent or len(repeated):
        got = f"no {', '.join(map(repr, absent[:3]))}" if absent else f"{repeated[0]!r} twice"
        raise ValueError(
            f"`pairs` must have each explained pair_id once; got {got}. Pass the frame that was explained."
        )
    return known


def _keys(explanation: Explanation) -> dict[str, Any]:
    values = {name: getattr(explanation, name) for name in _KEYS}
    return {name: written(value) if isinstance(value, str) else value for name, value in values.items()}


def _word_rows(explanation: Explanation) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "kind": "word",
            "sentence": explanation.sides[word.sentence],
            "word": number,
            "word_text": written(word.text),
            "start": word.start,
            "end": word.end,
            "score": score,
        }
        for number, (word, score) in enumerate(zip(explanation.words, explanation.word_scores, strict=True))
    ]
    rows.append({"kind": "special tokens", "score": explanation.remainder})
    if explanation.language_share is not None:
        rows.append({"kind": "language ids", "score": explanation.language_share})
    total = sum(abs(row["score"]) for row in rows)
    return [{**row, "share": abs(row["score"]) / total if total else float("nan")} for row in rows]
