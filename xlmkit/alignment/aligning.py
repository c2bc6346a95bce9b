"""Align: the words of the same item in two languages that correspond, as a tidy frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit.alignment.matching import check_matching, match, similarity
from xlmkit.alignment.parallel import check_parallel, language_pairs, missing
from xlmkit.alignment.vectors import WordVectors, check_layers, default_layer, word_vectors
from xlmkit.inference import provenance
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs, sentence_columns

ITEMS_AT_ONCE = 16  # the vectors of so many items are in memory together
COLUMNS = (
    *("item", "prompt", "first", "second", "first_pair", "second_pair", "sentence"),
    *("first_word", "second_word", "first_text", "second_text", "similarity"),
)


def align(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    languages: Sequence[tuple[str, str]] | None = None,
    layer: int | None = None,
    matching: str = "itermax",
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """Align the words of each item between languages: premise with premise, hypothesis with hypothesis.

    Parameters
    ----------
    pairs : parallel pairs, as `read_pairs` gives them: `item` (in XNLI's files `pairID`) says which rows are translations of one another.
    languages : pairs of codes; None takes every two languages, English first where it is one of them.
    layer : 0 (after the embeddings) to the model's last; None takes two thirds of the way up.
    matching : "itermax" finds more, and a word may have several partners; "argmax" is more often right, one partner at most.
    batch_tokens : as in `predict`, in one pass that keeps all layers.
    max_length : the longest pair, as in `encode`; it must be the same where word scores are carried over the alignment.

    Returns
    -------
    One row a pair of aligned words: `item`, `prompt` (a number; items that share one are resampled together), `first`, `second` (languages),
    `first_pair`, `second_pair` (their `pair_id`), `sentence` ("premise", "hypothesis" or "text"), `first_word`, `second_word` (numbers as in
    `Explanation.words`), `first_text`, `second_text`, `similarity` in [0, 1], higher is closer. An item that stands in one of two languages only is
    left out between these two; `attrs["missing"]` counts such items by "first-second".

    Raises
    ------
    ValueError : if rows are faulty, an item stands twice in a language, or a layer, a matching or a language is not there."""
    check_matching(matching)
    layer = check_layers(nli, [default_layer(nli) if layer is None else layer])[0]
    frame = check_pairs(pairs, labels=None).reset_index(drop=True)
    rows = check_parallel(frame)
    chosen = language_pairs(rows["language"], languages)
    sides = sentence_columns(frame)
    found: list[tuple[object, ...]] = []
    with tqdm(total=rows["item"].nunique(), desc="align", unit="item", disable=not progress) as bar:
        for own, vectors in vectors_by_item(nli, frame, rows, [layer], batch_tokens, max_length):
            found += _lines(own, vectors, chosen, matching, sides)
            bar.update()
    result = pd.DataFrame(found, columns=list(COLUMNS))
    settings = {"layer": layer, "matching": matching, "max_length": max_length}
    result.attrs["provenance"] = provenance(nli, "align", settings)
    result.attrs["missing"] = missing(rows, chosen)
    return result


def vectors_by_item(
    nli: NLIModel,
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    layers: Sequence[int],
    batch_tokens: int | None,
    max_length: int,
) -> Iterator[tuple[pd.DataFrame, dict[str, WordVectors]]]:
    """Item by item: its rows, and its words by language. `rows` is the frame's `check_parallel`."""
    items = list(rows["item"].unique())
    for start in range(0, len(items), ITEMS_AT_ONCE):
        some = rows[rows["item"].isin(items[start : start + ITEMS_AT_ONCE])]
        words = word_vectors(
            nli, frame.loc[some.index], layers, batch_tokens=batch_tokens, max_length=max_length
        )
        by_row = dict(zip(some.index, words, strict=True))
        for _, own in some.groupby("item", sort=False):
            yield own, {language: by_row[row] for row, language in own["language"].items()}


def _lines(
    rows: pd.DataFrame,
    vectors: Mapping[str, WordVectors],
    languages: Sequence[tuple[str, str]],
    matching: str,
    sides: Sequence[str],
) -> Iterator[tuple[object, ...]]:
    """The aligned words of one item, in the order of `COLUMNS`."""
    item, prompt = rows[["item", "prompt"]].iloc[0]
    ids = dict(zip(rows["language"], rows["pair_id"], strict=True))
    for first, second in languages:
        if first not in vectors or second not in vectors:
            continue
        one, other = vectors[first], vectors[second]
        known = (item, prompt, first, second, ids[first], ids[second])
        for sentence, side in enumerate(sides):
            here, there = one.side(sentence), other.side(sentence)
            similar = similarity(one.vectors[0, here], other.vectors[0, there])
            for i, j in np.argwhere(match(similar, matching)).tolist():
                place, partner = int(here[i]), int(there[j])
                texts = one.words[place].text, other.words[partner].text
                yield (*known, side, place, partner, *texts, float(similar[i, j]))
