"""Quality of an alignment, on rationale spans: words that decide the label in one language should
be linked to words that decide it in the other.

There are no manual word alignments for these pairs, but the rationales of the workshop's items
correspond across languages by meaning. A span says less than a word alignment: any two words within
it may be linked. So the figures rank layers and matchings; they are not an alignment error rate."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.alignment.align import MATCHINGS, language_pairs, match, similarity, vectors_by_item
from xlmkit.checks import check_choice, is_int
from xlmkit.explanation import ExplainedWord
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs, is_missing, sentence_columns, shared_items
from xlmkit.stats import ALL

POSITION = "position"  # the baseline: words at the same relative position in their sentence, without a model
COUNTS = ("n", "words", "partnered", "links", "meeting", "deciding", "met", "links_by_chance", "meeting_by_chance", "met_by_chance")  # fmt: skip


def quality(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    languages: Sequence[tuple[str, str]] | None = None,
    layers: Sequence[int] | None = None,
    matchings: Sequence[str] = MATCHINGS,
    batch_tokens: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """How well words are aligned, by pair of languages, layer and matching.

    Parameters
    ----------
    pairs : parallel pairs with `premise_rationale` and `hypothesis_rationale` (for single texts
        `text_rationale`): lists of character spans [start, end). A sentence without a span in one
        of the two languages is left out.
    languages, batch_tokens : as for `align`. Pairs are truncated at 256 tokens.
    layers : None takes all, from 0 (after the embeddings) to the model's last.
    matchings : of `MATCHINGS`; the result also has "position", which needs no model.

    Returns
    -------
    One row per pair of languages, layer and matching, then the same for "all" pairs together:

    ====================  ==========================================================================
    first, second         languages
    layer, matching       the layer is missing for "position", which links words at the same
                          relative position
    n                     sentences
    partners              fraction of words that have a partner
    precision             of the links of rationale words, the fraction that ends in the other's
                          rationale
    recall                of the rationale words, the fraction linked to one of the other's
    f1                    their harmonic mean
    chance_precision,     what shuffling the second sentence's words would give, with the same
    chance_recall         links: the exact expectation over all shuffles
    ====================  ==========================================================================

    All in [0, 1], higher is better; links and words are counted from both sides and pooled over
    sentences.

    Raises
    ------
    ValueError : if a rationale column is missing, a span is not inside its text, or there is no
        such layer, matching or language."""
    for matching in matchings:
        check_choice("matching", matching, MATCHINGS)
    layers = list(range(int(nli.network.config.n_layers) + 1)) if layers is None else list(layers)
    frame = check_pairs(pairs, labels=None).reset_index(drop=True)
    positions = shared_items(frame, complete=False)
    chosen = language_pairs(positions.columns, languages)
    spans = [_spans(frame, side) for side in sentence_columns(frame)]
    counts: dict[tuple, np.ndarray] = defaultdict(lambda: np.zeros(len(COUNTS)))
    budget = forward.Budget.of(nli, batch_tokens)
    with tqdm(total=len(positions), desc="alignment", unit="item", disable=not progress) as bar:
        for words in vectors_by_item(nli, frame, positions, layers, budget, 256):
            for pair in chosen:
                for sentence, given in enumerate(spans):
                    sides = []  # of a language, (L, N, H) vectors and (N,) whether words are in the rationale
                    for row, own in (words[code] for code in pair if code in words):
                        numbers = own.in_sentence(sentence)
                        inside = words_in_spans([own.words[number] for number in numbers], given[row])
                        sides.append((own.vectors[:, numbers], inside))
                    if len(sides) == 2 and all(inside.any() for _, inside in sides):
                        (first, one), (second, other) = sides
                        for place, similar in enumerate(similarity(first, second)):  # (N, M) by layer
                            for matching in matchings:
                                counts[*pair, layers[place], matching] += count_links(
                                    match(similar, matching), one, other
                                )
                        links = match(nearness(len(one), len(other)), "argmax")
                        counts[*pair, None, POSITION] += count_links(links, one, other)
            bar.update()
    return _table(counts)


def read_spans(value: Any, text: str, what: str) -> list[tuple[int, int]]:
    """The spans [start, end) of a rationale, in characters of its text; [] if there is none.

    Parameters
    ----------
    value : a list of spans, or that list as JSON (as in a CSV); empty or missing without a
        rationale.
    what : what an error message calls it.

    Raises
    ------
    ValueError : if it is no such list, or a span is empty or outside the text."""
    if isinstance(value, str):
        with suppress(json.JSONDecodeError):
            value = json.loads(value or "[]")
    listed = list | tuple | np.ndarray
    spans = value if isinstance(value, listed) else [] if is_missing(value) else [value]
    for span in spans:
        is_pair = isinstance(span, listed) and len(span) == 2 and all(map(is_int, span))
        if not is_pair or not 0 <= span[0] < span[1] <= len(text):
            raise ValueError(
                f"{what} must be a list of spans [start, end) inside the text of {len(text)} characters; got {span!r}. "
                "Count characters from 0, and exclude the end."
            )
    return [(start, end) for start, end in spans]


def words_in_spans(words: Sequence[ExplainedWord], spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """(W,) bool: the words of a sentence that share a character with one of its spans."""
    inside = [any(word.start < end and start < word.end for start, end in spans) for word in words]
    return np.array(inside, dtype=bool)


def count_links(links: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What is counted of one sentence in two languages, in the order of `COUNTS`.

    Parameters
    ----------
    links : (N, M) bool, the words that are linked.
    one, other : (N,) and (M,) bool, the words that are in the rationale."""
    both = links[one][:, other]
    fraction = other.mean()  # the chance that a shuffled word is one of the rationale
    from_one = links[one].sum()
    # The chance that of a word's partners, drawn without replacement, one is in the rationale.
    hit = 1 - hypergeom.pmf(0, len(other), other.sum(), links[one].sum(1))
    return np.array(
        [
            1,
            len(one) + len(other),
            links.any(1).sum() + links.any(0).sum(),
            from_one + links[:, other].sum(),
            2 * both.sum(),
            one.sum() + other.sum(),
            both.any(1).sum() + both.any(0).sum(),
            from_one + links.sum() * fraction,
            2 * from_one * fraction,
            hit.sum() + other.sum() * links[one].any(0).mean(),
        ],
        dtype=float,
    )


def nearness(first: int, second: int) -> np.ndarray:
    """(N, M) in [0, 1]: 1 minus the distance of two words' relative positions, in sentences of N
    and M words."""
    places = [np.arange(count) / max(count - 1, 1) for count in (first, second)]
    return 1 - np.abs(places[0][:, None] - places[1][None, :])


def _spans(frame: pd.DataFrame, side: str) -> list[list[tuple[int, int]]]:
    """The rationale of each row, [] if there is none."""
    column = f"{side}_rationale"
    if column not in frame:
        raise ValueError(
            f"expected a column `{column}` of character spans; got {', '.join(map(str, frame.columns))}. "
            "read_pairs('workshop') has it."
        )
    rows = zip(frame["pair_id"], frame[side], frame[column], strict=True)
    return [read_spans(value, text, f"the {side} rationale of pair {id!r}") for id, text, value in rows]


def _table(counts: dict[tuple, np.ndarray]) -> pd.DataFrame:
    keys = ["first", "second", "layer", "matching"]
    rows = [(*key, *values) for key, values in counts.items()]
    table = pd.DataFrame(rows, columns=[*keys, *COUNTS]).astype({"layer": "Int64"})
    table = pd.concat([table, table.assign(first=ALL, second=ALL)])
    count = table.groupby(keys, sort=False, dropna=False)[list(COUNTS)].sum().reset_index()
    precision, recall = count["meeting"] / count["links"], count["met"] / count["deciding"]
    return count[keys].assign(
        n=count["n"].astype(int),
        partners=count["partnered"] / count["words"],
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall),
        chance_precision=count["meeting_by_chance"] / count["links_by_chance"],
        chance_recall=count["met_by_chance"] / count["deciding"],
    )
