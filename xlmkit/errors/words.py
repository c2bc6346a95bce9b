"""Words of explained errors: each with its push towards the wrong label, and what kind of word it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from xlmkit.attribution.tables import tabulate
from xlmkit.explanation import Explanation
from xlmkit.features import negations
from xlmkit.notices import warn_once

CLASSES = (
    *("in premise", "in hypothesis", "first word", "last word", "in both sentences", "hypothesis only"),
    *("negation", "number", "punctuation", "function word"),
)
"""Kinds of words; a word may be of several. "first word" and "last word" of a sentence, punctuation aside; "in both sentences": the same word stands
in the other one; "hypothesis only": it does not; "negation" as in `xlmkit.features`; "number" has a digit; "punctuation" has neither letter nor digit."""
PROMPTS = ("promptID", "item", "pairID")
TEXTS = ("premise", "hypothesis", "text", "english_premise", "english_hypothesis")
_NEEDED = ("pair_id", "premise_language", "prediction", "gold", "target", "contrast", "sentence", "word", "word_text", "score")  # fmt: skip


def words(
    explanations: Sequence[Explanation] | pd.DataFrame,
    pairs: pd.DataFrame | None = None,
    *,
    function_words: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """The words of explained errors, with what kind of word each is.

    Parameters
    ----------
    explanations : of wrong predictions, prediction against gold, as signed sums: `explain_errors(...)`, or what `tabulate` makes of it.
    pairs : the frame that was explained; `item` and XNLI's ids, the texts and their English originals are taken from it by `pair_id`.
    function_words : by language, as `faithfulness.frequent_words` finds them; None leaves the class "function word" out.

    Returns
    -------
    One row a word: `pair_id`, what says which rows are one prompt, `language` ("en>fr" of mixed pairs), `gold`, `prediction`, `cell` ("gold>label"),
    `method`, `sentence`, `word`, `word_text`, `score` (in logits; positive pushes to the wrong label), `rank` of the score in its pair (1 pushes
    most), a column of truth values for each of `CLASSES`, then the texts and the English originals. Explanations of right predictions
    are left out, with a notice.

    Raises
    ------
    ValueError : if an explanation is not of the predicted label against gold, or has no sign, or no error is left; or `pairs` lacks one."""
    frame = _errors(explanations, pairs)
    pair = frame.groupby("pair_id", sort=False)
    result = frame.assign(
        cell=frame["gold"] + ">" + frame["prediction"],
        rank=pair["score"].rank(method="first", ascending=False).astype(int),
    )
    return result.assign(**_classes(frame, function_words))[_columns(result, function_words)]


def blamable(frame: pd.DataFrame) -> list[str]:
    """The classes that a frame of `words` has a column for."""
    return [name for name in CLASSES if name in frame]


def _errors(explanations: Sequence[Explanation] | pd.DataFrame, pairs: pd.DataFrame | None) -> pd.DataFrame:
    """The words of the errors among the explanations, in order, numbered from 0, with more columns of their pairs."""
    if isinstance(explanations, pd.DataFrame):
        frame = explanations
        missing = [name for name in _NEEDED if name not in frame]
        if missing:
            raise ValueError(f"expected a frame of `tabulate`; got none with {', '.join(missing)}")
    else:
        frame = tabulate(explanations)
    frame = frame[frame["word"].notna()]
    wrong = frame[frame["gold"].notna() & (frame["prediction"] != frame["gold"])]
    if len(wrong) < len(frame):
        known = frame["pair_id"].nunique()
        warn_once(
            f"{known - wrong['pair_id'].nunique()} of {known} explained pairs are no errors and are left out"
        )
    if wrong.empty:
        raise ValueError(
            "expected explanations of wrong predictions; got none; remedy: explain_errors(nli, preds)"
        )
    _check(wrong)
    language = wrong["premise_language"]
    if "hypothesis_language" in wrong:
        other = wrong["hypothesis_language"].fillna(language)
        language = language.where(language == other, language + ">" + other)
    return _with_pairs(wrong.assign(language=language).reset_index(drop=True), pairs)


def _check(wrong: pd.DataFrame) -> None:
    odd = wrong[(wrong["target"] != wrong["prediction"]) | (wrong["contrast"] != wrong["gold"])]
    if len(odd):
        one = odd.iloc[0]
        raise ValueError(
            f"expected explanations of the prediction against gold ({one['prediction']} - {one['gold']}); got {one['target']} - {one['contrast']} of pair "
            f"{one['pair_id']!r}; remedy: explain_errors(nli, preds)"
        )
    if "aggregation" in wrong and (wrong["aggregation"] == "l2").any():
        raise ValueError(
            "expected signed scores, since a norm has no direction to blame; got aggregation 'l2'; remedy: explain_errors(..., aggregation='sum')"
        )
    if wrong.duplicated(["pair_id", "word"]).any():
        again = wrong.loc[wrong.duplicated(["pair_id", "word"]), "pair_id"].iloc[0]
        raise ValueError(
            f"expected one explanation a pair; got two of {again!r}; remedy: blame each method in a call of its own"
        )


def _with_pairs(frame: pd.DataFrame, pairs: pd.DataFrame | None) -> pd.DataFrame:
    if pairs is None:
        return frame
    if "pair_id" not in pairs or pairs["pair_id"].duplicated().any():
        raise ValueError(
            "expected `pairs` with each `pair_id` once; remedy: give the frame that was explained"
        )
    gone = set(frame["pair_id"]) - set(pairs["pair_id"])
    if gone:
        raise ValueError(
            f"expected `pairs` with every explained pair; got no {sorted(gone)[0]!r}; remedy: give the frame that was explained"
        )
    wanted = [name for name in (*PROMPTS, *TEXTS) if name in pairs and name not in frame]
    return frame.join(pairs.set_index("pair_id")[wanted], on="pair_id")


def _columns(frame: pd.DataFrame, function_words: object) -> list[str]:
    classes = CLASSES if function_words is not None else CLASSES[:-1]
    names = (
        *("pair_id", *PROMPTS, "language", "gold", "prediction", "cell", "method"),
        *("sentence", "word", "word_text", "score", "rank"),
    )
    here = [name for name in names if name in frame]
    return [*here, *classes, *(name for name in (*TEXTS, "untrained") if name in frame)]


def _classes(
    frame: pd.DataFrame, function_words: Mapping[str, Collection[str]] | None
) -> dict[str, np.ndarray | list[bool]]:
    """Each class's truth values, by row."""
    texts, sides = frame["word_text"], frame["sentence"]
    codes = frame["premise_language"].where(sides != "hypothesis", frame["hypothesis_language"])
    lettered = texts.map(is_lettered).to_numpy()
    place = frame["word"].astype(int).where(lettered)
    ends = place.groupby([frame["pair_id"], sides])
    spoken = set(zip(frame["pair_id"], sides, texts, strict=True))
    other = {"premise": "hypothesis", "hypothesis": "premise"}
    repeated = np.array(
        [
            (pair, other.get(side), text) in spoken
            for pair, side, text in zip(frame["pair_id"], sides, texts, strict=True)
        ]
    )
    found: dict[str, np.ndarray | list[bool]] = {
        "in premise": (sides == "premise").to_numpy(),
        "in hypothesis": (sides == "hypothesis").to_numpy(),
        "first word": (place == ends.transform("min")).to_numpy(),
        "last word": (place == ends.transform("max")).to_numpy(),
        "in both sentences": repeated & lettered,
        "hypothesis only": (sides == "hypothesis").to_numpy() & ~repeated & lettered,
        "negation": [bool(negations([text], code)) for text, code in zip(texts, codes, strict=True)],
        "number": texts.map(lambda text: any(character.isdigit() for character in text)).to_numpy(),
        "punctuation": ~lettered,
    }
    if function_words is not None:
        found["function word"] = [
            text in function_words.get(code, ()) for text, code in zip(texts, codes, strict=True)
        ]
    return found


def is_lettered(text: str) -> bool:
    """Whether a word has a letter or a digit, so that it is no punctuation."""
    return any(character.isalnum() for character in text)
