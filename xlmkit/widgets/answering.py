"""Answering: what a model says to a question of an explorer: at once with a quick explanation, then with the one that was asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from xlmkit.attribution import METHODS
from xlmkit.attribution.batch import watched
from xlmkit.attribution.explaining import places
from xlmkit.attribution.masked import MAX_TOKENS, explain_masked
from xlmkit.attribution.path import STEPS
from xlmkit.attribution.perturbation import usual_samples
from xlmkit.encoding import SENTENCES, Encoding, erase
from xlmkit.inference import encode_frame, logits, need_head
from xlmkit.model import NLIModel
from xlmkit.probes.ids import under
from xlmkit.widgets.session import Answer, Question
from xlmkit.widgets.situation import RIGHT, Situation

QUICK = ("saliency", "input_x_gradient", "attention_rollout", "random")  # one pass
SLOW = tuple(name for name in METHODS if name not in QUICK)
PASS = 512  # padded tokens in one pass: small enough that a newer question need not wait
KEPT = 64  # answers that are remembered, for undo and comparison


@dataclass(frozen=True)
class Progress:
    """How far a slow method is: `done` of about `total` rows that the model must compute."""

    method: str
    done: int
    total: int


class Answers:
    """Answers questions with one model; the last ones are remembered. Everything is computed in fp32, as explanations are."""

    def __init__(self, nli: NLIModel) -> None:
        need_head(nli)
        self._nli = replace(nli, dtype=torch.float32)
        self._models: dict[str, NLIModel] = {RIGHT: self._nli}
        self._kept: OrderedDict[Question, Answer] = OrderedDict()

    def __call__(
        self,
        question: Question,
        *,
        check: Callable[[], None] = lambda: None,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> Iterator[Answer]:
        """Where the method is slow, first the answer with saliency; then the one that was asked for.

        Parameters
        ----------
        check : is called before each pass of the model; what it raises ends the work.
        tell : is told how far a slow method is.

        Raises
        ------
        ValueError : if a sentence has no words, or an option is unknown."""
        if question in self._kept:
            self._kept.move_to_end(question)
            yield self._kept[question]
            return
        if question.method in SLOW:
            yield replace(
                self._answer(replace(question, method="saliency"), check, tell),
                question=question,
                final=False,
            )
        answer = self._answer(question, check, tell)
        self._kept[question] = answer
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        yield answer

    def _answer(
        self, question: Question, check: Callable[[], None], tell: Callable[[Progress], None]
    ) -> Answer:
        situation = question.situation
        _need_words(situation)
        nli = self._model(situation.language_id)
        frame = situation.to_frame()
        encoding = encode_frame(nli, frame, max_length=MAX_TOKENS, spans=True)
        words = places(encoding, 0)[1]
        hidden = situation.hidden(words)
        probabilities = _probabilities(nli, erase(encoding, [hidden]) if hidden else encoding)
        milestones, done = _milestones(question.method, len(words)), 0

        def before_pass(rows: int) -> None:
            nonlocal done
            check()
            if question.method in SLOW:
                tell(
                    Progress(question.method, done, next((mark for mark in milestones if mark > done), done))
                )
            done += rows

        with watched(before_pass):
            (explanation,) = explain_masked(
                nli, frame, [hidden], method=question.method, target=question.target, batch_tokens=PASS
            )
        return Answer(question, probabilities, explanation)

    def _model(self, language_id: str) -> NLIModel:
        """The model with this language id for all, made once."""
        if language_id not in self._models:
            self._models[language_id] = under(self._nli, language_id)
        return self._models[language_id]


def _probabilities(nli: NLIModel, encoding: Encoding) -> dict[str, float]:
    found = logits(nli, encoding)[0].astype(np.float64)
    chances = np.exp(found - found.max())
    return dict(zip(nli.labels, (chances / chances.sum()).tolist(), strict=True))


def _milestones(method: str, words: int) -> tuple[int, ...]:
    """After how many rows a method may be done; path methods go on where the gate asks for more steps."""
    if method in ("integrated_gradients", "gradient_shap"):
        return tuple(np.cumsum(STEPS).tolist())
    return (words + 2,) if method == "occlusion" else (usual_samples(words) + 2,)


def _need_words(situation: Situation) -> None:
    """Say it simply where a sentence is still to be written."""
    for name, text in zip(SENTENCES, situation.texts, strict=True):
        if not text.strip():
            raise ValueError(f"The {name} is empty: write one.")
