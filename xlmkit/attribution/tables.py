"""Tables: Explanations as tidy frames, to count, compare and draw.

Every row names pair, languages, method, target and contrast, so that frames of many calls can be put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from xlmkit.explanation import Explanation, written

KEYS = (
    "pair_id",
    "premise_language",
    "hypothesis_language",
    "prediction",
    "gold",
    "target",
    "contrast",
    "method",
    "aggregation",
    "unit",
    "converged",
)


def tabulate(
    explanations: Iterable[Explanation], *, pairs: pd.DataFrame | None = None, columns: Sequence[str] = ()
) -> pd.DataFrame:
    """One row a word, and one each for the special tokens and, where they were attributed, the language ids.

    Parameters
    ----------
    pairs : the frame that was explained, to take `columns` from, by `pair_id` (`item`, `english_premise`).

    Returns
    -------
    pair_id, premise_language, hypothesis_language, label, gold, target, contrast, method, aggregation, unit, passed, and
        kind       "word", "special tokens" or "language ids"
        sentence   "premise", "hypothesis" or "text", missing for what is no word
        word       its place in `Explanation.words`; `word_text` as prepared for the model (and as `explanation.written`); `start`, `end` its span in the sentence as given
        score      in `unit`; under "sum" the rows of a pair add up to F(x) - F(baseline), as far as the method promises it
        share      of |score| in the sum of all |score| of the pair, in [0, 1]; missing where that sum is 0
    and `columns`. `untrained` = True where a model's head is random.

    Raises
    ------
    ValueError : if `columns` are not in `pairs`, or `pairs` has a pair_id twice, or one is missing."""
    listed = list(explanations)
    rows = [{**_keys(explanation), **row} for explanation in listed for row in _rows(explanation)]
    names = [*KEYS, "kind", "sentence", "word", "word_text", "start", "end", "score", "share"]
    frame = pd.DataFrame(rows, columns=names)
    for name in ("word", "start", "end"):
        frame[name] = frame[name].astype("Int64")
    frame["converged"] = frame["converged"].astype("boolean")
    frame["score"], frame["share"] = frame["score"].astype(float), frame["share"].astype(float)
    if not all(explanation.trained for explanation in listed):
        untrained = {explanation.pair_id for explanation in listed if not explanation.trained}
        frame["untrained"] = frame["pair_id"].isin(untrained)
    return _joined(frame, pairs, columns)


def language_shares(
    explanations: Iterable[Explanation], *, pairs: pd.DataFrame | None = None, columns: Sequence[str] = ()
) -> pd.DataFrame:
    """One row an explanation of `language_attribution`: how much of the change in logit is due to the language ids?

    Parameters
    ----------
    pairs, columns : as in `tabulate`.

    Returns
    -------
    The columns of `tabulate` up to `converged`, and
        change        F(x) - F(baseline), in logits
        words, special_tokens, language_ids   what is due to each, in logits; they add up to `change` + `delta`
        share         |language_ids| / (|words| + |special_tokens| + |language_ids|), in [0, 1]; missing where all are 0
        delta, steps, baseline_language

    Raises
    ------
    ValueError : if an explanation has no language share or is no signed sum; or as in `tabulate`."""
    rows = []
    for explanation in explanations:
        if explanation.language_share is None or explanation.aggregation != "sum":
            raise ValueError(
                f"expected explanations of language_attribution(..., aggregation='sum'), got {explanation!r}"
            )
        parts = {
            "words": float(explanation.word_scores.sum()),
            "special_tokens": explanation.remainder,
            "language_ids": explanation.language_share,
        }
        whole = sum(map(abs, parts.values()))
        rows.append(
            {
                **_keys(explanation),
                "change": explanation.change,
                **parts,
                "share": abs(explanation.language_share) / whole if whole else float("nan"),
                "delta": explanation.delta,
                "n_steps": explanation.n_steps,
                "baseline_language": explanation.provenance["settings"]["baseline_language"],
            }
        )
    added = (
        "change",
        "words",
        "special_tokens",
        "language_ids",
        "share",
        "delta",
        "n_steps",
        "baseline_language",
    )
    frame = pd.DataFrame(rows, columns=[*KEYS, *added])
    frame["converged"] = frame["converged"].astype("boolean")
    return _joined(frame, pairs, columns)


def _keys(explanation: Explanation) -> dict[str, Any]:
    values = {name: getattr(explanation, name) for name in KEYS}
    return {name: written(value) if isinstance(value, str) else value for name, value in values.items()}


def _rows(explanation: Explanation) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "kind": "word",
            "sentence": explanation.sides[word.sentence],
            "word": place,
            "word_text": written(word.text),
            "start": word.start,
            "end": word.end,
            "score": score,
        }
        for place, (word, score) in enumerate(zip(explanation.words, explanation.word_scores, strict=True))
    ]
    rows.append({"kind": "special tokens", "score": explanation.remainder})
    if explanation.language_share is not None:
        rows.append({"kind": "language ids", "score": explanation.language_share})
    whole = sum(abs(row["score"]) for row in rows)
    return [{**row, "share": abs(row["score"]) / whole if whole else float("nan")} for row in rows]


def _joined(frame: pd.DataFrame, pairs: pd.DataFrame | None, columns: Sequence[str]) -> pd.DataFrame:
    """The frame with more columns of its pairs."""
    if not columns:
        return frame
    if pairs is None or not {"pair_id", *columns} <= set(pairs):
        raise ValueError(
            f"expected `pairs` with pair_id and {', '.join(columns)}; got {None if pairs is None else list(pairs)!r}"
        )
    source = pairs.set_index("pair_id")[list(columns)]
    missing = set(frame["pair_id"]) - set(source.index)
    if missing or source.index.has_duplicates:
        what = f"no row for {sorted(missing)[0]!r}" if missing else "a pair_id twice"
        raise ValueError(f"expected one row of `pairs` for each explanation; got {what}")
    return frame.join(source, on="pair_id")
