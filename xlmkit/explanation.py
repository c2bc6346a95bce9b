"""Explanation: what each token of one sentence pair, or of one text, adds to a label's logit.

A light value, which computes no attribution and knows nothing of HTML or files: `render` draws it
(in a notebook `xlmkit` registers `render.card` with IPython, so that an explanation displays as a
highlighted pair), `results` saves it.

Completeness, and the gate on its error delta, follow Sundararajan et al. 2017, arXiv:1703.01365: a
path method's scores must add up to F(x) - F(baseline), so the size of the error says whether there
were enough steps. The floor of 0.02 logit is for changes near 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from xlmkit.notices import warn_once

RELATIVE_GATE = 0.05  # of |F(x) - F(baseline)|
ABSOLUTE_GATE = 0.02  # logit
FORMAT = 2  # of `to_dict`; raise it when a reader of the old form would misread the new one
# Fields of format 1 (version 0.1)
RENAMED = {"label": "prediction", "steps": "n_steps", "passed": "converged"}
SENTENCES = ("premise", "hypothesis")


def tolerance(change: float) -> float:
    """The largest |delta| in logits that passes the gate, for a change in logit F(x) -
    F(baseline)."""
    return max(RELATIVE_GATE * abs(change), ABSOLUTE_GATE)


def passes_gate(delta: float, change: float) -> bool:
    """Whether |delta| <= max(5 % of |change|, 0.02 logit)."""
    return abs(delta) <= tolerance(change)


def written(text: str) -> str:
    """A text as tables and files can represent it: half of a surrogate pair, which is not a
    character, by its number as in Python (`\\ud800`)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class ExplainedWord:
    """A word that the model saw: its preprocessed text, and its span in its sentence as the user
    wrote it.

    `sentence` is 0 for the premise and 1 for the hypothesis; `start` and `end` count characters.
    Spans may be out of order, where the authors' rules move a character."""

    text: str
    sentence: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ExplainedToken:
    """A token that the model saw. `word` is its index in `Explanation.words`, the rest as there;
    all None for a special token."""

    text: str
    word: int | None = None
    sentence: int | None = None
    start: int | None = None
    end: int | None = None

    @property
    def special(self) -> bool:
        """Whether it belongs to the layout of the pair (`</s>`) and to no word."""
        return self.word is None


@dataclass(frozen=True, eq=False)
class Explanation:
    """What each token of one sentence pair adds to the target's logit.

    Attributes
    ----------
    pair_id, premise, hypothesis : as the user gave them; a single text is a premise whose
        `hypothesis` is None.
    premise_language, hypothesis_language : codes; the second is None for a single text.
    prediction, probability : the label that the model predicts (in fp32) and its probability in [0,
        1].
    gold : the right label, None if unknown.
    target : the label whose logit is explained.
    contrast : the label whose logit is subtracted from it, or None. F is the logit, or the
        difference.
    tokens : (T,) in the model's order, special tokens included.
    words : (W,) premise first, without words that truncation cut off.
    scores : (T,) float64, read-only, in `unit`; positive speaks for the target.
    method : its name, such as "integrated_gradients".
    aggregation : "sum" (signed, over the width of the embeddings), "l2" (its norm) or "share" (of
        attention); only "sum" has negative scores.
    unit : "logits"; for saliency "logits per unit of embedding", for attention "share of
        attention", for random scores "none (random)".
    output, baseline_output : F(x) and F(baseline) in logits; the latter None if the method has no
        baseline.
    delta : the completeness error in logits: the signed sum of all scores and of `language_share`,
        minus (F(x) - F(baseline)). Under "l2" it is still that of the signed sum, because it
        evaluates the path and not the aggregation. None if the method promises no completeness, or
        enforces it.
    n_steps : steps on the path from the baseline, or samples of kernel_shap and lime; None for
        other methods.
    converged : whether delta passes the gate; None where no gate applies.
    language_share : logits that belong to the language ids, None if not computed.
    truncated : whether tokens were cut off.
    trained : False if the model's head is random, so that nothing here means anything.
    provenance : model, kit version and settings; JSON-safe."""

    pair_id: str
    premise: str
    hypothesis: str | None
    premise_language: str
    hypothesis_language: str | None
    prediction: str
    probability: float
    target: str
    tokens: tuple[ExplainedToken, ...]
    words: tuple[ExplainedWord, ...]
    scores: np.ndarray
    method: str
    output: float
    gold: str | None = None
    contrast: str | None = None
    aggregation: str = "sum"
    unit: str = "logits"
    baseline_output: float | None = None
    delta: float | None = None
    n_steps: int | None = None
    converged: bool | None = None
    language_share: float | None = None
    truncated: bool = False
    trained: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scores = np.array(self.scores, dtype=np.float64)  # a copy, which nobody else can change
        if scores.shape != (len(self.tokens),):
            raise ValueError(
                f"`scores` must have one value per token: expected shape ({len(self.tokens)},), got {scores.shape}."
            )
        if not np.isfinite(scores).all():
            raise ValueError(
                f"`scores` must be finite numbers; got {scores[~np.isfinite(scores)][0]} (pair {self.pair_id!r})."
            )
        if any(token.word is not None and not 0 <= token.word < len(self.words) for token in self.tokens):
            raise ValueError(
                f"every token's `word` must be None or an index of the {len(self.words)} `words`."
            )
        scores.setflags(write=False)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "provenance", MappingProxyType(_plain(self.provenance)))

    @cached_property
    def word_scores(self) -> np.ndarray:
        """(W,) float64, read-only: the sum over each word's tokens, in `unit`."""
        sums = np.zeros(len(self.words))
        for token, score in zip(self.tokens, self.scores, strict=True):
            if token.word is not None:
                sums[token.word] += score
        sums.setflags(write=False)
        return sums

    @property
    def signed(self) -> bool:
        """Whether scores can be negative, that is, speak against the target."""
        return self.aggregation == "sum"

    @property
    def sides(self) -> tuple[str, ...]:
        """The names of the sentences: ("premise", "hypothesis"), or ("text",)."""
        return SENTENCES if self.hypothesis is not None else ("text",)

    @property
    def remainder(self) -> float:
        """The sum of the special tokens' scores, in `unit`."""
        return float(sum(self.scores[[token.special for token in self.tokens]]))

    @property
    def change(self) -> float | None:
        """F(x) - F(baseline) in logits, which the signed scores should add up to; None if the
        method has no baseline."""
        return None if self.baseline_output is None else self.output - self.baseline_output

    def to_frame(self) -> pd.DataFrame:
        """One row per token; texts as `written`.

        Returns
        -------
        A frame with the columns

        ============================  ========================================================
        pair_id, method, aggregation  the same in every row, so that frames can be joined
        target, contrast              labels by name
        position                      of the token in the model's input, from 0
        token, special                its text; whether it is a special token
        sentence                      "premise", "hypothesis" or "text", missing for special tokens
        word, word_text               index in `words`, and the word as preprocessed for the model
        start, end                    span in the sentence as the user wrote it
        score                         in `unit`
        converged                     whether delta passes the gate, missing where there is none
        untrained                     True; the column is there only if the model's head is random
        ============================  ========================================================"""
        tokens, n = self.tokens, len(self.tokens)
        words = [None if token.word is None else written(self.words[token.word].text) for token in tokens]
        sentences = [None if token.sentence is None else self.sides[token.sentence] for token in tokens]
        frame = pd.DataFrame(
            {
                "pair_id": written(self.pair_id),
                "method": self.method,
                "aggregation": self.aggregation,
                "target": self.target,
                "contrast": self.contrast,
                "position": range(n),
                "token": [written(token.text) for token in tokens],
                "special": [token.special for token in tokens],
                "sentence": sentences,
                "word": pd.array([token.word for token in tokens], dtype="Int64"),
                "word_text": words,
                "start": pd.array([token.start for token in tokens], dtype="Int64"),
                "end": pd.array([token.end for token in tokens], dtype="Int64"),
                "score": self.scores,
                "converged": pd.array([self.converged] * n, dtype="boolean"),
            }
        )
        return frame if self.trained else frame.assign(untrained=True)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can represent it; `from_dict` gives an equal Explanation back."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values["tokens"] = [asdict(token) for token in self.tokens]
        values["words"] = [asdict(word) for word in self.words]
        values["scores"] = self.scores.tolist()
        values["provenance"] = _plain(self.provenance)
        return {"format": FORMAT, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Explanation:
        """The Explanation that `to_dict` was called on, in this version or in 0.1.

        Raises
        ------
        ValueError : if `values` is not what `to_dict` returns."""
        known = {entry.name for entry in fields(cls)}
        saved_format = values.get("format") if isinstance(values, Mapping) else values
        if saved_format not in (1, FORMAT):
            raise ValueError(
                f"expected an explanation of `format` {FORMAT}; got {saved_format!r}. Explain again with this version."
            )
        given = {name: value for name, value in values.items() if name != "format"}
        if saved_format == 1:
            given = {RENAMED.get(name, name): value for name, value in given.items()}
            warn_once("these explanations were saved by version 0.1, and their fields were renamed.")
        if set(given) != known:
            odd = ", ".join(sorted(known.symmetric_difference(given)))
            raise ValueError(f"expected exactly the fields of `Explanation`; missing or unknown: {odd}.")
        try:
            given["tokens"] = tuple(ExplainedToken(**token) for token in given["tokens"])
            given["words"] = tuple(ExplainedWord(**word) for word in given["words"])
            return cls(**given)
        except TypeError as error:
            raise ValueError(f"expected the tokens, words and scores of an explanation; {error}.") from error

    def __repr__(self) -> str:
        verdict = {True: "converged", False: "FAILED", None: "no gate"}[self.converged]
        languages = "/".join(filter(None, (self.premise_language, self.hypothesis_language)))
        contrast = "" if self.contrast is None else f", contrast={self.contrast!r}"
        return (
            f"Explanation(pair_id={self.pair_id!r}, {languages}, prediction={self.prediction!r}, "
            f"target={self.target!r}{contrast}, method={self.method!r}, {len(self.words)} words, {verdict})"
        )

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Explanation) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal by value, and contains an array

    def __reduce__(self) -> tuple[Any, ...]:
        # A plain pickle would forget that the arrays are read-only.
        return Explanation.from_dict, (self.to_dict(),)


def _plain(value: Any) -> Any:
    """Mappings as dicts, sequences as lists, the rest as it is: the form that JSON gives back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
