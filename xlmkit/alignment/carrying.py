"""Carry: word scores of one language brought to the words of another over an alignment, for reading and for the aligned heat-map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xlmkit.alignment.parallel import REFERENCE
from xlmkit.explanation import Explanation


def carry(
    explanations: Sequence[Explanation],
    aligned: pd.DataFrame,
    *,
    reference: str = REFERENCE,
    pairs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The scores of each item's words in all its languages, at the words of the reference language.

    Parameters
    ----------
    explanations : of the pairs that were aligned, one a pair, method and aggregation.
    aligned : what `align` gives, for pairs of languages one of which is the reference.
    pairs : the frame that was explained, to take `english_premise` and `english_hypothesis` from; needed by readers where the reference is not English.

    Returns
    -------
    One row an item, method, aggregation, language and word of the reference: `item`, `method`, `aggregation`, `language`, `pair_id`, `prediction`,
    `target`, `contrast`, `sentence`, `word` and `word_text` (of the reference), `score`, the sum over the word's partners in that language, in the
    explanation's unit, missing where it has none; `partners`, their texts; and the English originals, if given. The reference itself comes first. An item without the reference
    language is left out, and so is a language in which the item is missing.

    Raises
    ------
    ValueError : if an explanation stands twice, or the alignment names words that it has not; or `pairs` has no English originals."""
    links = reoriented(aligned, reference)
    ours = links.drop_duplicates(["item", "first_pair"])
    found = []
    for (method, aggregation), known in by_method(explanations).items():
        for item, base in zip(ours["item"], ours["first_pair"], strict=True):
            if base not in known:
                continue
            own = links[links["first_pair"] == base]
            found += _rows(item, known[base], known[base], None, (method, aggregation, reference))
            for (language, other), lines in own.groupby(["second", "second_pair"], sort=False):
                if other in known:
                    found += _rows(item, known[base], known[other], lines, (method, aggregation, language))
    result = pd.DataFrame(found, columns=list(_COLUMNS))
    if pairs is None:
        return result
    english = [name for name in pairs if str(name).startswith("english_")]
    if not english or "pair_id" not in pairs or pairs["pair_id"].duplicated().any():
        raise ValueError(
            "expected `pairs` with `pair_id`, each once, and the English originals (english_premise, english_hypothesis); "
            f"got {', '.join(map(str, pairs.columns))}"
        )
    return result.join(pairs.set_index("pair_id")[english], on="pair_id")


_COLUMNS = (
    *("item", "method", "aggregation", "language", "pair_id", "prediction", "target", "contrast"),
    *("sentence", "word", "word_text", "score", "partners"),
)


def by_method(explanations: Sequence[Explanation]) -> dict[tuple[str, str], dict[str, Explanation]]:
    """(method, aggregation) -> pair_id -> explanation.

    Raises
    ------
    TypeError : if something is no Explanation.
    ValueError : if one stands twice, or there are none."""
    found: dict[tuple[str, str], dict[str, Explanation]] = {}
    for explanation in explanations:
        if not isinstance(explanation, Explanation):
            raise TypeError(
                f"expected explanations, got {type(explanation).__name__}; remedy: explain(nli, pairs)"
            )
        own = found.setdefault((explanation.method, explanation.aggregation), {})
        if explanation.pair_id in own:
            raise ValueError(
                f"expected one explanation a pair, method and aggregation; got two of {explanation.pair_id!r} by {explanation.method} "
                f"({explanation.aggregation}); remedy: compare different targets in calls of their own"
            )
        own[explanation.pair_id] = explanation
    if not found:
        raise ValueError("expected explanations; got none")
    return found


def reoriented(aligned: pd.DataFrame, reference: str) -> pd.DataFrame:
    """The links that touch `reference`, with the reference as `first`.

    Raises
    ------
    ValueError : if there are none."""
    there = aligned[aligned["first"] == reference]
    swapped = aligned[aligned["second"] == reference]
    columns = list(map(str, aligned.columns))
    names = {name: name.replace("first", "second") for name in columns if name.startswith("first")}
    names |= {name: name.replace("second", "first") for name in columns if name.startswith("second")}
    links = pd.concat([there, swapped.rename(columns=names)[aligned.columns]], ignore_index=True)
    if links.empty:
        languages = sorted({*aligned["first"], *aligned["second"]})
        raise ValueError(
            f"expected an alignment with the language {reference!r}; got {', '.join(languages) or 'an empty one'}; remedy: align with it"
        )
    return links


def partner_matrix(first: Explanation, second: Explanation, lines: pd.DataFrame) -> np.ndarray:
    """(W of first, W of second) float64: 1 where two words are aligned, else 0.

    Raises
    ------
    ValueError : if the alignment was made for other words than these."""
    joined = np.zeros((len(first.words), len(second.words)))
    for explanation, name in ((first, "first"), (second, "second")):
        texts = dict(zip(lines[f"{name}_word"], lines[f"{name}_text"], strict=True))
        words = explanation.words
        odd = [number for number, text in texts.items() if number >= len(words) or words[number].text != text]
        if odd:
            raise ValueError(
                f"the alignment names word {odd[0]} {texts[odd[0]]!r} of pair {explanation.pair_id!r}, which its explanation has not; "
                "remedy: align and explain the same pairs with the same `max_length`"
            )
    joined[lines["first_word"].to_numpy(), lines["second_word"].to_numpy()] = 1.0
    return joined


def _rows(
    item: object,
    base: Explanation,
    other: Explanation,
    lines: pd.DataFrame | None,
    names: tuple[str, str, str],
) -> list[tuple[object, ...]]:
    """One language of one item, in the order of `_COLUMNS`."""
    joined = np.eye(len(base.words)) if lines is None else partner_matrix(base, other, lines)
    scores = np.where(joined.any(1), joined @ other.word_scores, np.nan)
    known = (item, *names, other.pair_id, other.prediction, other.target, other.contrast)
    return [
        (*known, base.sides[word.sentence], number, word.text, scores[number], _texts(other, joined[number]))
        for number, word in enumerate(base.words)
    ]


def _texts(explanation: Explanation, joined: np.ndarray) -> list[str]:
    return [explanation.words[number].text for number in np.flatnonzero(joined)]
