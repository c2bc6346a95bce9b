"""Quality of an alignment, on rationale spans: words that decide the label in one language must meet words that decide it in the other.

No hand-made word alignments exist for these pairs, but the rationales of the workshop's items correspond across languages by meaning. A span
says less than a word alignment: within it any two words may be joined. So the figures rank layers and methods, and are no alignment error rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit.alignment.aligning import vectors_by_item
from xlmkit.alignment.matching import MATCHINGS, check_matching, match, similarity
from xlmkit.alignment.parallel import ALL, check_parallel, language_pairs
from xlmkit.alignment.vectors import WordVectors, check_layers, layers_of
from xlmkit.checks import is_int
from xlmkit.model import NLIModel
from xlmkit.pairs import check_pairs, is_missing, sentence_columns

POSITION = "position"  # the matching to beat: words at the same place in their sentence, without any model


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
    pairs : parallel pairs with `premise_rationale` and `hypothesis_rationale` (of single texts `text_rationale`): lists of character spans
        [start, end). A sentence without a span in one of the two languages is left out.
    languages, batch_tokens : as in `align`. Pairs are cut at 256 tokens.
    layers : None takes all, from 0 (after the embeddings) to the model's last.
    matchings : of `MATCHINGS`; "position", which needs no model, stands beside them.

    Returns
    -------
    One row a pair of languages, layer and matching, then the same for "all" pairs together:

    ====================  =============================================================================================================
    first, second         languages
    layer, matching       the layer is missing for "position": words are matched by their relative place in the sentence
    n                     sentences
    partners              share of words that have a partner
    precision             of the links that touch a rationale word, the share that end in the other language's rationale
    recall                of the rationale words, the share that are linked to one of the other's
    f1                    their harmonic mean
    chance_precision,     what a shuffle of the second sentence's words would give, the links kept: the expectation over all
    chance_recall         shuffles, exactly
    ====================  =============================================================================================================

    All in [0, 1], higher is better; links and words are counted from both sides, and pooled over sentences.

    Raises
    ------
    ValueError : if a rationale column is missing, a span is not inside its text, or a layer, a matching or a language is not there."""
    for matching in matchings:
        check_matching(matching)
    layers = check_layers(nli, range(layers_of(nli) + 1) if layers is None else layers)
    frame = check_pairs(pairs, labels=None).reset_index(drop=True)
    rows = check_parallel(frame)
    chosen = language_pairs(rows["language"], languages)
    spans = [_spans(frame, side) for side in sentence_columns(frame)]
    counts: dict[tuple, np.ndarray] = defaultdict(lambda: np.zeros(len(_COUNTS)))
    with tqdm(total=rows["item"].nunique(), desc="alignment", unit="item", disable=not progress) as bar:
        for own, vectors in vectors_by_item(nli, frame, rows, layers, batch_tokens, 256):
            places = dict(zip(own["language"], own.index, strict=True))
            for first, second in chosen:
                if first not in vectors or second not in vectors:
                    continue
                for sentence, given in enumerate(spans):
                    sides = tuple(
                        _side(vectors[code], sentence, given[places[code]]) for code in (first, second)
                    )
                    if all(chosen_words.any() for _, chosen_words in sides):
                        _count(counts, (first, second), sides, layers, matchings)
            bar.update()
    return _table(counts)


_COUNTS = ("n", "words", "partnered", "links", "meeting", "deciding", "met", "links_by_chance", "meeting_by_chance", "met_by_chance")  # fmt: skip


def _count(
    counts: dict[tuple, np.ndarray],
    languages: tuple[str, str],
    sides: tuple[tuple[np.ndarray, np.ndarray], ...],
    layers: Sequence[int],
    matchings: Sequence[str],
) -> None:
    """Add one sentence in two languages, for each layer and matching, to the counts of its languages."""
    (first, one), (second, other) = sides
    similar = similarity(first, second)  # (layers, N, M)
    found = [
        (layer, matching, match(similar[place], matching))
        for place, layer in enumerate(layers)
        for matching in matchings
    ]
    for layer, matching, links in [
        *found,
        (None, POSITION, match(_nearness(len(one), len(other)), "argmax")),
    ]:
        counts[*languages, layer, matching] += _figures(links, one, other)


def _figures(links: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What is counted of one sentence in two languages, in the order of `_COUNTS`.

    `links` is (N, M), `one` (N,) and `other` (M,) say which words are in the rationale."""
    joined = links[one][:, other]
    share = other.mean()  # of a shuffled word to be one of the rationale's
    from_one = links[one].sum()
    return np.array(
        [
            1,
            len(one) + len(other),
            links.any(1).sum() + links.any(0).sum(),
            from_one + links[:, other].sum(),
            2 * joined.sum(),
            one.sum() + other.sum(),
            joined.any(1).sum() + joined.any(0).sum(),
            from_one + links.sum() * share,
            2 * from_one * share,
            sum(_hit(int(own), other) for own in links[one].sum(1)) + other.sum() * links[one].any(0).mean(),
        ],
        dtype=float,
    )


def _hit(partners: int, deciding: np.ndarray) -> float:
    """The chance that of so many words, drawn without return, one at least is in the rationale."""
    missed, words = 1.0, len(deciding)
    for drawn in range(partners):
        missed *= (words - deciding.sum() - drawn) / (words - drawn)
    return 1.0 - max(missed, 0.0)


def _nearness(first: int, second: int) -> np.ndarray:
    """(N, M) in [0, 1]: 1 minus the distance of two words' relative places."""
    places = [np.arange(count) / max(count - 1, 1) for count in (first, second)]
    return 1 - np.abs(places[0][:, None] - places[1][None, :])


def _side(words: WordVectors, sentence: int, spans: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """(layers, N, H) vectors of one sentence's words, and (N,) whether they share a character with its rationale."""
    own = words.side(sentence)
    inside = [
        any(words.words[place].start < end and start < words.words[place].end for start, end in spans)
        for place in own
    ]
    return words.vectors[:, own], np.array(inside, dtype=bool)


def _spans(frame: pd.DataFrame, side: str) -> list[list[tuple[int, int]]]:
    """The rationale of each row, [] where there is none."""
    column = f"{side}_rationale"
    if column not in frame:
        raise ValueError(
            f"expected a column `{column}` of character spans; got {', '.join(map(str, frame.columns))}; remedy: read_pairs('workshop') has it"
        )
    found = []
    for id, text, given in zip(frame["pair_id"], frame[side], frame[column], strict=True):
        spans = [] if is_missing(given) else [tuple(span) for span in given]
        for span in spans:
            if len(span) != 2 or not all(map(is_int, span)) or not 0 <= span[0] < span[1] <= len(text):
                raise ValueError(
                    f"`{column}` must hold spans [start, end) inside the text, which has {len(text)} characters; got {list(span)!r} in pair {id!r}"
                )
        found.append(spans)
    return found


def _table(counts: dict[tuple, np.ndarray]) -> pd.DataFrame:
    pooled: dict[tuple, np.ndarray] = dict(counts)
    for (_, _, layer, matching), values in counts.items():
        key = (ALL, ALL, layer, matching)
        pooled[key] = pooled.get(key, 0) + values
    keys = pd.DataFrame(list(pooled), columns=["first", "second", "layer", "matching"])
    keys["layer"] = keys["layer"].astype("Int64")
    values = np.array(list(pooled.values())).reshape(-1, len(_COUNTS)).T
    count = dict(zip(_COUNTS, values, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = count["meeting"] / count["links"], count["met"] / count["deciding"]
        return keys.assign(
            n=count["n"].astype(int),
            partners=count["partnered"] / count["words"],
            precision=precision,
            recall=recall,
            f1=2 * precision * recall / (precision + recall),
            chance_precision=count["meeting_by_chance"] / count["links_by_chance"],
            chance_recall=count["met_by_chance"] / count["deciding"],
        )
