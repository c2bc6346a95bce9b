"""Session: what somebody tried, step by step, with undo; as a table at the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pandas as pd

from xlmkit.explanation import Explanation
from xlmkit.widgets.situation import Situation


@dataclass(frozen=True)
class Question:
    """A situation, and how it is to be explained."""

    situation: Situation
    method: str
    target: str


@dataclass(frozen=True)
class Answer:
    """What the model says to a question: label -> probability in [0, 1], and the explanation by `explanation.method`.

    `final` is False where that is a quick method's and the one that was asked for is on its way."""

    question: Question
    probabilities: dict[str, float]
    explanation: Explanation
    final: bool = True


@dataclass(frozen=True)
class Step:
    """One change. `kind` names a field while it is being typed in, so that a text is one step and not one a key."""

    change: str
    situation: Situation
    kind: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)


class Session:
    """The steps so far, and which of them is shown."""

    def __init__(self, start: Situation) -> None:
        self.steps = [Step("start", start)]
        self.position = 0
        self.held: int | None = None  # a step that every later one is compared with

    @property
    def situation(self) -> Situation:
        """The one that is shown."""
        return self.steps[self.position].situation

    @property
    def before(self) -> Situation | None:
        """What it is compared with: the step that is held, else the one before; None for the start."""
        place = self.position - 1 if self.held is None else self.held
        return self.steps[place].situation if 0 <= place != self.position else None

    def add(self, change: str, situation: Situation, *, kind: str | None = None) -> bool:
        """Take a step, forgetting those that were undone; False where nothing changes."""
        if situation == self.situation:
            return False
        now = self.steps[self.position]
        goes_on = kind is not None and now.kind == kind and self.position == len(self.steps) - 1
        if goes_on and self.held != self.position:
            self.steps[self.position] = Step(change, situation, kind)
            return True
        del self.steps[self.position + 1 :]
        self.steps.append(Step(change, situation, kind))
        self.position += 1
        return True

    def go(self, position: int) -> bool:
        """Show another step; False where there is none, or it is shown already."""
        if position == self.position or not 0 <= position < len(self.steps):
            return False
        self.position = position
        return True

    def hold(self, held: bool) -> None:
        """Compare all later steps with the present one, or each with the one before it."""
        self.held = self.position if held else None

    def answered(self, answer: Answer) -> None:
        """Note the probabilities with every step of this situation."""
        for place, step in enumerate(self.steps):
            if step.situation == answer.question.situation:
                self.steps[place] = replace(step, probabilities=dict(answer.probabilities))

    def to_frame(self) -> pd.DataFrame:
        """One row a step: `step`, `change`, the pair with its languages, `language_id`, `masked` words, `prediction` and `p_<label>` in [0, 1].

        What has not been answered yet has no label."""
        rows = []
        for number, step in enumerate(self.steps):
            own = step.situation
            best = max(step.probabilities, key=lambda label: step.probabilities[label], default=None)
            rows.append(
                {
                    "step": number,
                    "change": step.change,
                    "premise": own.premise,
                    "hypothesis": own.hypothesis,
                    "premise_language": own.premise_language,
                    "hypothesis_language": own.hypothesis_language,
                    "language_id": own.language_id,
                    "masked": " ".join(own.text(span) for span in own.masked),
                    "prediction": best,
                    **{f"p_{label}": share for label, share in step.probabilities.items()},
                }
            )
        return pd.DataFrame(rows)
