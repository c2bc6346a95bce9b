"""Backend: what a model answers to a question of the explorer; at once by a quick method, then as
asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from scipy.special import softmax

from xlmkit.attribution import METHODS, STEPS, explain_masked
from xlmkit.attribution.batch import explained_tokens, watch_passes
from xlmkit.attribution.perturbation import default_n_samples
from xlmkit.encoding import SENTENCES, erase
from xlmkit.inference import encode_frame, logits, need_head
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.probes import with_language_id
from xlmkit.widgets.state import RIGHT, Answer, PairState, Question

QUICK = ("saliency", "input_x_gradient", "attention_rollout", "random")  # one pass
SLOW = tuple(name for name in METHODS if name not in QUICK)
PASS = 512  # padded tokens in one pass: small enough that a newer question need not wait
REMEMBERED = 64  # answers, for undo and comparison


class PairBackend:
    """Answers questions with one model, in fp32 as `explain`, and remembers the last answers.

    Attributes
    ----------
    labels : of the model.
    ids : codes of the languages that it has an id for; none if it uses no ids."""

    def __init__(self, nli: NLIModel) -> None:
        need_head(nli)
        self._nli = replace(nli, dtype=torch.float32)
        self.labels = nli.labels
        self.ids = [code for code in LANGUAGES if code in nli.lang2id] if nli.uses_language_ids else []
        self._models: dict[str, NLIModel] = {RIGHT: self._nli}
        self._answers: OrderedDict[Question, Answer] = OrderedDict()

    def __call__(
        self,
        question: Question,
        *,
        check: Callable[[], None] = lambda: None,
        tell: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[Answer]:
        """The answer; if its method is slow, first one with saliency.

        Parameters
        ----------
        check : called before each pass of the model; what it raises ends the work.
        tell : called with how many inputs of about how many a slow method has computed.

        Raises
        ------
        ValueError : if a sentence has no words, or an option is unknown."""
        if question not in self._answers:
            if question.method in SLOW:
                quick = self._answer(replace(question, method="saliency"), check, tell)
                yield replace(quick, question=question, final=False)
            self._answers[question] = self._answer(question, check, tell)
        self._answers.move_to_end(question)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        yield self._answers[question]

    def _answer(
        self, question: Question, check: Callable[[], None], tell: Callable[[int, int], None]
    ) -> Answer:
        state = question.state
        _check_words(state)
        if state.language_id not in self._models:
            self._models[state.language_id] = with_language_id(self._nli, state.language_id)
        nli, frame = self._models[state.language_id], state.to_frame()
        encoding = encode_frame(nli, frame, max_length=256, spans=True)
        words = explained_tokens(encoding)[0][1]
        masked = state.masked_words(words)
        [scores] = logits(nli, erase(encoding, [masked]) if masked else encoding)
        totals, done = _expected_inputs(question.method, len(words)), 0

        def before_pass(rows: int) -> None:
            nonlocal done
            check()
            if question.method in SLOW:
                tell(done, next((total for total in totals if total > done), done))
            done += rows

        with watch_passes(before_pass):
            [explanation] = explain_masked(
                nli, frame, [masked], method=question.method, target=question.target, batch_tokens=PASS
            )
        probabilities = softmax(scores.astype(np.float64)).tolist()
        return Answer(question, dict(zip(nli.labels, probabilities, strict=True)), explanation)


def _expected_inputs(method: str, words: int) -> list[int]:
    """After how many inputs a method may be done; path methods continue where the check asks for
    more steps."""
    if method in ("integrated_gradients", "gradient_shap"):
        return np.cumsum(STEPS).tolist()
    return [(words if method == "occlusion" else default_n_samples(words)) + 2]


def _check_words(state: PairState) -> None:
    """A plain sentence where a text is still to be written."""
    for name, text in zip(SENTENCES, state.texts, strict=True):
        if not text.strip():
            raise ValueError(f"The {name} is empty. Write one.")
