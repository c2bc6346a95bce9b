"""Words of explained errors: how much each pushes towards the wrong label, and what kind of word it
is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from xlmkit.attribution.tabulate import add_columns, tabulate
from xlmkit.explanation import Explanation
from xlmkit.features import negations
from xlmkit.notices import warn_once
from xlmkit.pairs import row_language

WORD_CLASSES = (
    *("in premise", "in hypothesis", "first word", "last word", "in both sentences", "hypothesis only"),
    *("negation", "number", "punctuation", "function word"),
)
"""Kinds of words; a word may be of several. "first word" and "last word" of a sentence ignore
punctuation. "in both sentences": the same word is in the other sentence; "hypothesis only": it is
not. "negation" is that of `xlmkit.features`, a "number" has a digit, "punctuation" has neither
letter nor digit."""
GROUP_COLUMNS = ("promptID", "item", "pairID")  # say which rows are resampled together
TEXTS = ("premise", "hypothesis", "text", "english_premise", "english_hypothesis")
_NEEDED = (
    *("pair_id", "premise_language", "hypothesis_language", "prediction", "gold", "target", "contrast"),
    *("sentence", "word", "word_text", "score"),
)


def classify_words(
    explanations: Sequence[Explanation] | pd.DataFrame,
    pairs: pd.DataFrame | None = None,
    *,
    function_words: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """List the words of explained errors with their scores and kinds.

    Parameters
    ----------
    explanations : of wrong predictions against gold, as signed sums: from `explain_errors`, or a
        frame that `tabulate` makes of them.
    pairs : the explained frame. `item` and XNLI's ids, the texts and their English originals are
        taken from it.
    function_words : by language, as from `faithfulness.frequent_words`; None leaves the class
        "function word" out.

    Returns
    -------
    One row per word: `pair_id`, the ids of its premise group, `language` ("en>fr" for
    mixed pairs), `gold`, `prediction`, `confusion` ("gold>prediction"), `method`, `sentence`,
    `word`, `word_text`, `score` (in logits; positive pushes towards the wrong label), `rank` of the
    score in its pair (1 pushes most), one bool column for each of `WORD_CLASSES`, then the texts
    and their English originals. Correct predictions are left out with a warning.

    Raises
    ------
    ValueError : if an explanation is not of the prediction against gold or has no sign, there is no
        error, or `pairs` lacks an explained pair."""
    frame = _errors(explanations)
    frame = frame.assign(
        language=row_language(frame),
        confusion=frame["gold"] + ">" + frame["prediction"],
        rank=frame.groupby("pair_id")["score"].rank(method="first", ascending=False).astype(int),
    )
    if pairs is not None:
        wanted = [name for name in (*GROUP_COLUMNS, *TEXTS) if name in pairs and name not in frame]
        frame = add_columns(frame, pairs, wanted)
    frame = frame.assign(**_classes(frame, function_words))
    names = (
        *("pair_id", *GROUP_COLUMNS, "language", "gold", "prediction", "confusion", "method"),
        *("sentence", "word", "word_text", "score", "rank", *WORD_CLASSES, *TEXTS, "untrained"),
    )
    return frame[[name for name in names if name in frame]]


def has_letter_or_digit(text: str) -> bool:
    """Whether a word has a letter or a digit; if not, it is punctuation."""
    return any(map(str.isalnum, text))


def _errors(explanations: Sequence[Explanation] | pd.DataFrame) -> pd.DataFrame:
    """The words of the errors among the explanations, in order, numbered from 0."""
    frame = explanations if isinstance(explanations, pd.DataFrame) else tabulate(explanations)
    missing = [name for name in _NEEDED if name not in frame]
    if missing:
        raise ValueError(f"expected a frame from `tabulate`; got no {', '.join(missing)}")
    frame = frame[frame["word"].notna()]
    wrong = frame[frame["gold"].notna() & (frame["prediction"] != frame["gold"])]
    if len(wrong) < len(frame):
        n_pairs = frame["pair_id"].nunique()
        n_correct = n_pairs - wrong["pair_id"].nunique()
        warn_once(f"{n_correct} of {n_pairs} explained pairs are not errors and are left out")
    if wrong.empty:
        raise ValueError(
            "expected explanations of wrong predictions; got none. Make them with explain_errors(nli, preds)."
        )
    odd = wrong[(wrong["target"] != wrong["prediction"]) | (wrong["contrast"] != wrong["gold"])]
    if len(odd):
        one = odd.iloc[0]
        raise ValueError(
            f"expected explanations of the prediction against gold, {one['prediction']} - {one['gold']}; got "
            f"{one['target']} - {one['contrast']} of pair {one['pair_id']!r}. Make them with explain_errors(nli, preds)."
        )
    if "aggregation" in wrong and (wrong["aggregation"] == "l2").any():
        raise ValueError(
            "expected signed scores, as a norm has no direction; got aggregation 'l2'. "
            "Use explain_errors(..., aggregation='sum')."
        )
    again = wrong[wrong.duplicated(["pair_id", "word"])]
    if len(again):
        raise ValueError(
            f"expected one explanation per pair; got two of {again['pair_id'].iloc[0]!r}. Call once per method."
        )
    return wrong.reset_index(drop=True)


def _classes(
    frame: pd.DataFrame, function_words: Mapping[str, Collection[str]] | None
) -> dict[str, pd.Series | list[bool]]:
    """Whether each word is of each class."""
    texts, sides = frame["word_text"], frame["sentence"]
    codes = frame["premise_language"].where(sides != "hypothesis", frame["hypothesis_language"])
    lettered = texts.map(has_letter_or_digit).astype(bool)
    place = frame["word"].astype(int).where(lettered)
    ends = place.groupby([frame["pair_id"], sides])
    present = set(zip(frame["pair_id"], sides, texts, strict=True))
    other = sides.map({"premise": "hypothesis", "hypothesis": "premise"})
    repeated = pd.Series([key in present for key in zip(frame["pair_id"], other, texts, strict=True)])
    found: dict[str, pd.Series | list[bool]] = {
        "in premise": sides == "premise",
        "in hypothesis": sides == "hypothesis",
        "first word": place == ends.transform("min"),
        "last word": place == ends.transform("max"),
        "in both sentences": repeated & lettered,
        "hypothesis only": (sides == "hypothesis") & ~repeated & lettered,
        "negation": [bool(negations([text], code)) for text, code in zip(texts, codes, strict=True)],
        "number": [any(map(str.isdigit, text)) for text in texts],
        "punctuation": ~lettered,
    }
    if function_words is not None:
        words = {code: function_words.get(code, ()) for code in set(codes)}
        found["function word"] = [text in words[code] for text, code in zip(texts, codes, strict=True)]
    return found
