"""Align the words of the same item in two languages by their hidden states, as SimAlign does
(Jalili Sabet et al. 2020, arXiv:2004.08728).

The vector of a word is the mean of its tokens' hidden states, read in its pair and with its
language ids. The mean word of each sentence is subtracted first, which removes what a language and
a sentence have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.attribution.batch import explained_tokens
from xlmkit.checks import check_choice
from xlmkit.explanation import ExplainedWord
from xlmkit.inference import encode_frame, provenance
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs, sentence_columns, shared_items
from xlmkit.stats import premise_groups

MATCHINGS = ("itermax", "argmax")
DISCOUNT = 0.9  # SimAlign's alpha: a second partner counts a tenth less
REFERENCE = "en"
ITEMS_AT_ONCE = 16  # the vectors of so many items are in memory together
_COLUMNS = (
    *("item", "prompt", "first", "second", "first_pair", "second_pair", "sentence"),
    *("first_word", "second_word", "first_text", "second_text", "similarity"),
)


@dataclass(frozen=True)
class WordVectors:
    """The words of one pair that reached the model, numbered as in `Explanation.words`, with their
    hidden states.

    `vectors` is (L, W, H) float32 for L layers and W words."""

    words: tuple[ExplainedWord, ...]
    vectors: np.ndarray

    def in_sentence(self, sentence: int) -> np.ndarray:
        """The numbers of the words of a sentence: 0 is the premise or a single text, 1 the
        hypothesis."""
        numbers = [number for number, word in enumerate(self.words) if word.sentence == sentence]
        return np.array(numbers, dtype=np.int64)


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
    """Align the words of each item between languages: premise with premise, hypothesis with
    hypothesis.

    Parameters
    ----------
    pairs : parallel pairs, as `read_pairs` gives them: `item` says which rows are translations of
        one another.
    languages : pairs of codes; None takes every two languages, English first.
    layer : 0 (after the embeddings) to the model's last; None takes two thirds of the way up.
    matching : "itermax" finds more links, and a word may have several partners; "argmax" is more
        often right, with at most one partner.
    batch_tokens : as for `predict`.
    max_length : the longest pair in tokens. Use the same where word scores are projected over the
        alignment.

    Returns
    -------
    One row per pair of aligned words: `item`, `prompt` (a number; items with the same one are
    resampled together), `first`, `second` (languages), `first_pair`, `second_pair` (their
    `pair_id`), `sentence` ("premise", "hypothesis" or "text"), `first_word`, `second_word` (numbers
    as in `Explanation.words`), `first_text`, `second_text`, `similarity` in [0, 1] (higher is
    closer). An item in only one of two languages is left out between them; `attrs["missing"]`
    counts such items by "first-second".

    Raises
    ------
    ValueError : if rows are invalid, an item is twice in a language, or there is no such layer,
        matching or language."""
    check_choice("matching", matching, MATCHINGS)
    layer = default_layer(nli) if layer is None else layer
    frame = check_pairs(pairs, labels=None).reset_index(drop=True)
    positions = shared_items(frame, complete=False)
    chosen = language_pairs(positions.columns, languages)
    items, prompts, ids = frame[positions.index.name], premise_groups(frame)[0], frame["pair_id"]
    budget, found = forward.Budget.of(nli, batch_tokens), []
    with tqdm(total=len(positions), desc="align", unit="item", disable=not progress) as bar:
        for words in vectors_by_item(nli, frame, positions, [layer], budget, max_length):
            for first, second in chosen:
                if first in words and second in words:
                    (row, one), (other_row, other) = words[first], words[second]
                    known = (items[row], prompts[row], first, second, ids[row], ids[other_row])
                    found += [
                        (*known, *link) for link in _links(one, other, sentence_columns(frame), matching)
                    ]
            bar.update()
    result = pd.DataFrame(found, columns=list(_COLUMNS))
    settings = {"layer": layer, "matching": matching, "max_length": max_length}
    result.attrs["provenance"] = provenance(nli, "align", settings)
    present = positions >= 0
    result.attrs["missing"] = {
        f"{first}-{second}": int((present[first] != present[second]).sum()) for first, second in chosen
    }
    return result


def default_layer(nli: NLIModel) -> int:
    """Two thirds of the way up: layer 5 of 8, layer 8 of 12."""
    return round(2 * int(nli.network.config.n_layers) / 3)


def language_pairs(
    languages: Iterable[str], wanted: Sequence[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    """The pairs of languages to compare; None takes every two, English first.

    Raises
    ------
    ValueError : if a pair is not two different languages of the frame."""
    known = sorted(languages, key=lambda code: (code != REFERENCE, code not in LANGUAGES, code))
    if wanted is None:
        return list(combinations(known, 2))
    for pair in wanted:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(known):
            raise ValueError(
                f"`languages` must contain pairs of two different languages of the frame ({', '.join(known)}); got {pair!r}"
            )
    return [(first, second) for first, second in wanted]


def vectors_by_item(
    nli: NLIModel,
    frame: pd.DataFrame,
    positions: pd.DataFrame,
    layers: Sequence[int] | None,
    budget: forward.Budget,
    max_length: int,
) -> Iterator[dict[str, tuple[int, WordVectors]]]:
    """Item by item, the row of each of its languages and the words of that row. `positions` is from
    `shared_items`."""
    for start in range(0, len(positions), ITEMS_AT_ONCE):
        some = positions.iloc[start : start + ITEMS_AT_ONCE]
        rows = [int(row) for row in some.to_numpy().ravel() if row >= 0]
        words = word_vectors(nli, frame.iloc[rows], layers, budget=budget, max_length=max_length)
        by_row = dict(zip(rows, words, strict=True))
        for item in some.to_dict("records"):
            yield {str(language): (row, by_row[row]) for language, row in item.items() if row >= 0}


def word_vectors(
    nli: NLIModel,
    frame: pd.DataFrame,
    layers: Sequence[int] | None,
    *,
    budget: forward.Budget | None = None,
    max_length: int = 256,
) -> list[WordVectors]:
    """The words of each row of a checked frame with their vectors at `layers` (None: all), in
    fp32."""
    encoding = encode_frame(nli, frame, max_length=max_length, spans=True)
    states = forward.hidden_states(nli, encoding, layers, "words", budget=budget)
    words = [words for _, words in explained_tokens(encoding)]
    return [WordVectors(*known) for known in zip(words, states, strict=True)]


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(cosine + 1) / 2 of all pairs of words, after each sentence's mean word was subtracted from
    its words.

    Parameters
    ----------
    first, second : (..., N, H) and (..., M, H) vectors of the words of two sentences.

    Returns
    -------
    (..., N, M) in [0, 1]; higher is more similar. If a sentence has only one word, which is its own
    mean, nothing is subtracted."""
    if min(first.shape[-2], second.shape[-2]) > 1:
        first, second = (words - words.mean(-2, keepdims=True) for words in (first, second))
    first, second = (
        words / np.maximum(np.linalg.norm(words, axis=-1, keepdims=True), 1e-30) for words in (first, second)
    )
    return (first @ np.swapaxes(second, -1, -2) + 1) / 2


def match(similar: np.ndarray, matching: str = "itermax") -> np.ndarray:
    """The words that correspond (sections 2.2 and 2.3 of the paper).

    Parameters
    ----------
    similar : (N, M) similarities, at least 0; among equal ones, the first counts.
    matching : "argmax": words that are nearest to each other, so each has at most one partner.
        "itermax": then once more for what is left; a word that has a partner may get a second one
        at a discount of a tenth, but two words that both have partners are not linked.

            .9 .1 .2      argmax          1  0  0      itermax: row 1 and       1  0  0
            .8 .3 .1      (rows 0, 2      0  0  0      column 2 are free;       1  0  0
            .2 .6 .5      are linked)     0  1  0      .72 and .45 are best     0  1  1

    Returns
    -------
    (N, M) bool."""
    links = _mutual_nearest(similar)
    if matching == "argmax" or min(similar.shape) <= 2:  # SimAlign's own code stops there
        return links
    free_rows, free_columns = ~links.any(1, keepdims=True), ~links.any(0, keepdims=True)
    if not (free_rows.any() and free_columns.any()):
        return links
    weights = np.minimum(DISCOUNT * free_rows + DISCOUNT * free_columns, 1.0)  # both free 1, one .9, none 0
    return links | (_mutual_nearest(similar * weights) & (weights > 0))


def _mutual_nearest(similar: np.ndarray) -> np.ndarray:
    """(N, M) true where two words are nearest to each other."""
    nearest, back = similar.argmax(1), similar.argmax(0)
    rows = np.arange(len(similar))
    links = np.zeros(similar.shape, dtype=bool)
    links[rows, nearest] = back[nearest] == rows
    return links


def _links(
    one: WordVectors, other: WordVectors, sides: Sequence[str], matching: str
) -> Iterator[tuple[str, int, int, str, str, float]]:
    """The aligned words of one item in two languages, from the column `sentence` on."""
    for sentence, side in enumerate(sides):
        numbers, others = one.in_sentence(sentence), other.in_sentence(sentence)
        similar = similarity(one.vectors[0, numbers], other.vectors[0, others])
        for i, j in np.argwhere(match(similar, matching)).tolist():
            word, partner = int(numbers[i]), int(others[j])
            yield side, word, partner, one.words[word].text, other.words[partner].text, float(similar[i, j])
