"""What can be seen on a pair without a model: length, overlap, negation; and, with a model, into
how many pieces it falls.

All of it is counted on words as the authors' preprocessing cuts them, since that is what the model
reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xlmkit.features.negation import negations
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.tokenization import UNK, split_batch

if TYPE_CHECKING:
    from xlmkit.model import NLIModel

FEATURES = ("length", "length_ratio", "overlap", "negation")
PIECE_FEATURES = ("pieces_per_word", "unknown_pieces")
NEGATION = ("none", "premise", "hypothesis", "both")


def features(pairs: pd.DataFrame, nli: NLIModel | None = None) -> pd.DataFrame:
    """Add to pairs, or to predictions, what can be counted on their words.

    Parameters
    ----------
    pairs : `premise`, `hypothesis` and languages, as `read_pairs` and `predict` give them; other
        columns pass through.
    nli : a model, whose pieces are then counted too.

    Returns
    -------
    The rows in their order with their index, and these columns:
    `length` : words of premise and hypothesis together, punctuation included.
    `length_ratio` : words of the hypothesis for one of the premise.
    `overlap` : fraction in [0, 1] of the hypothesis's different words that the premise has too;
        punctuation does not count. Missing where the hypothesis is nothing but punctuation. Of two
        languages it counts names, numbers and cognates.
    `negation` : "none", "premise", "hypothesis" or "both": where words stand that negate
        (`xlmkit.features.negation` says which, and where that is uncertain).
    `pieces_per_word` : pieces of the model for one word, 1 or more, over both sentences; before any
        truncation.
    `unknown_pieces` : pieces that the model's vocabulary lacks, a whole number.

    Raises
    ------
    TypeError : if `pairs` is no DataFrame.
    ValueError : if rows are faulty (all are named at once), the frame is of single texts, or it has
        a column of one of these names with other values."""
    frame = check_pairs(pairs, labels=None)
    if len(sentence_columns(frame)) < 2:
        raise ValueError("expected pairs of `premise` and `hypothesis`; got single texts")
    sides = language_columns(frame)
    premises = split_column(frame, "premise", sides[0])
    hypotheses = split_column(frame, "hypothesis", sides[-1])
    first, second = (np.array([len(words) for words in side], dtype=int) for side in (premises, hypotheses))
    added: dict[str, Any] = {
        "length": first + second,
        "length_ratio": _ratio(second, first),
        "overlap": [_overlap(*words) for words in zip(premises, hypotheses, strict=True)],
        "negation": _negation(premises, hypotheses, frame[sides[0]], frame[sides[-1]]),
    }
    if nli is not None:
        added |= _pieces(nli, frame, sides)
    return _with(frame, added)


def split_column(frame: pd.DataFrame, sentence: str, side: str, *, lowercase: bool = True) -> list[list[str]]:
    """The words of a column of sentences, row by row; each text is cut once, however many rows have
    it.

    `frame` is as `check_pairs` gives it; `side` names the column that has the sentence's
    language."""
    words: list[list[str]] = [[] for _ in range(len(frame))]
    texts, codes = frame[sentence].to_numpy(), frame[side].to_numpy()
    for code in pd.unique(codes):
        rows = np.flatnonzero(codes == code)
        numbers, different = pd.factorize(texts[rows])
        cut = split_batch(list(different), code, lowercase=lowercase)
        for row, number in zip(rows, numbers, strict=True):
            words[row] = cut[number]
    return words


def _overlap(premise: list[str], hypothesis: list[str]) -> float:
    words = {word for word in hypothesis if any(character.isalnum() for character in word)}
    return len(words & set(premise)) / len(words) if words else np.nan


def _negation(
    premises: list[list[str]], hypotheses: list[list[str]], first: pd.Series, second: pd.Series
) -> list[str]:
    columns = zip(premises, hypotheses, first, second, strict=True)
    return [
        NEGATION[bool(negations(premise, one)) + 2 * bool(negations(hypothesis, other))]
        for premise, hypothesis, one, other in columns
    ]


def _pieces(nli: NLIModel, frame: pd.DataFrame, sides: list[str]) -> dict[str, np.ndarray]:
    """`pieces_per_word` and `unknown_pieces`, of the words as this model is given them."""
    counts = np.zeros((len(frame), 2), dtype=int)  # pieces, unknown ones
    words = np.zeros(len(frame), dtype=int)
    for sentence, side in (("premise", sides[0]), ("hypothesis", sides[-1])):
        for row, cut in enumerate(split_column(frame, sentence, side, lowercase=nli.lowercase)):
            ids = [number for word in nli.tokenizer.ids(cut) for number in word]
            counts[row] += len(ids), ids.count(UNK)
            words[row] += len(cut)
    return {"pieces_per_word": _ratio(counts[:, 0], words), "unknown_pieces": counts[:, 1]}


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(N,) quotients; missing where `whole` is 0."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _with(frame: pd.DataFrame, added: dict[str, Any]) -> pd.DataFrame:
    """The frame and these columns; one that is there already must say the same."""
    result = frame.copy()
    for name, values in added.items():
        column = pd.Series(values, index=frame.index)
        if name in frame and not _same(frame[name], column):
            raise ValueError(
                f"expected a frame without a column {name!r}, or with the same values; got others. Rename or drop it."
            )
        result[name] = column
    return result


def _same(one: pd.Series, other: pd.Series) -> bool:
    return bool(((one == other) | (one.isna() & other.isna())).all())
