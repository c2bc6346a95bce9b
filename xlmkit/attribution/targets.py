"""Targets: which label each row's explanation is about, and which label it is contrasted with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from xlmkit.inference import encode_frame, logits
from xlmkit.model import NLIModel

KEYWORDS = ("predicted", "gold")


@dataclass(frozen=True)
class Targets:
    """Target and contrast of each pair, by name.

    A target of None is the label that the model will predict; a contrast of None is no contrast."""

    labels: tuple[str | None, ...]
    contrasts: tuple[str | None, ...]

    def select(self, rows: Sequence[int]) -> Targets:
        """These rows in this order."""
        return Targets(tuple(self.labels[row] for row in rows), tuple(self.contrasts[row] for row in rows))


def check_targets(nli: NLIModel, target: str, contrast: str | None) -> None:
    """Refuse with a ValueError names that are not labels of the model, and a contrast that equals
    the target."""
    for name, value in (("target", target), ("contrast", contrast)):
        if name == "contrast" and value is None:
            continue
        if not isinstance(value, str) or value not in (*KEYWORDS, *nli.labels):
            none = "None, " if name == "contrast" else ""
            raise ValueError(
                f"`{name}` must be {none}'predicted', 'gold' or one of {', '.join(nli.labels)}; got {value!r}"
            )
    if contrast == target:
        raise ValueError(
            f"`contrast` must differ from `target`; got {contrast!r} for both, whose difference is always 0. "
            "Leave `contrast` out, or name another label."
        )


def resolve_targets(
    nli: NLIModel, frame: pd.DataFrame, target: str, contrast: str | None, max_length: int
) -> Targets:
    """Target and contrast of every row of a checked frame.

    Raises
    ------
    ValueError : if gold labels are needed and missing, or the contrast of a row is its target; the
        message counts all such rows and names the first ones."""
    labels = _resolve(nli, frame, "target", target)
    if contrast is None:
        return Targets(tuple(labels), (None,) * len(frame))
    contrasts = _resolve(nli, frame, "contrast", contrast)
    if "predicted" in (target, contrast):
        predicted = predict_labels(nli, frame, max_length)
        labels = [label or best for label, best in zip(labels, predicted, strict=True)]
        contrasts = [label or best for label, best in zip(contrasts, predicted, strict=True)]
    same = [
        f"{pair_id!r}: {label}"
        for pair_id, label, other in zip(frame["pair_id"], labels, contrasts, strict=True)
        if label == other
    ]
    if same:
        raise ValueError(
            f"target={target!r} and contrast={contrast!r} are the same label in {_first(same)}, and a logit "
            "minus itself is always 0. Drop these rows, or use explain_errors, which skips correct predictions."
        )
    return Targets(tuple(labels), tuple(contrasts))


def predict_labels(nli: NLIModel, frame: pd.DataFrame, max_length: int) -> list[str]:
    """The labels that the model predicts in fp32, whatever the precision of its own predictions."""
    encoding = encode_frame(nli, frame, max_length=max_length, spans=False)
    scores = logits(replace(nli, dtype=torch.float32), encoding)  # (N, labels)
    return [nli.labels[column] for column in scores.argmax(1)]


def gold_labels(frame: pd.DataFrame) -> list[str | None]:
    """The gold labels; None where a row has none."""
    if "gold" not in frame:
        return [None] * len(frame)
    return [None if pd.isna(gold) else str(gold) for gold in frame["gold"]]


def require_gold(nli: NLIModel, frame: pd.DataFrame, purpose: str, alternative: str) -> list[str]:
    """The gold labels of a frame in which every row has one that the model knows.

    `purpose` and `alternative` go into the ValueError: what needs them, and what to do without."""
    golds = gold_labels(frame)
    bad = [
        f"{pair_id!r}: {gold}"
        for pair_id, gold in zip(frame["pair_id"], golds, strict=True)
        if gold not in nli.labels
    ]
    if bad:
        raise ValueError(
            f"{purpose} needs a gold label among {', '.join(nli.labels)} in every row; "
            f"not so in {_first(bad)}. Drop these rows, or {alternative}."
        )
    return [gold for gold in golds if gold is not None]


def _resolve(nli: NLIModel, frame: pd.DataFrame, option: str, name: str) -> list[str | None]:
    """A label for each row; None for the label that will be predicted."""
    if name == "gold":
        alternative = "use target='predicted'" if option == "target" else "leave `contrast` out"
        return list(require_gold(nli, frame, f"{option}='gold'", alternative))
    return [None if name == "predicted" else name] * len(frame)


def _first(rows: Sequence[str]) -> str:
    """How many rows, and the first five."""
    return f"{len(rows)} ({', '.join(rows[:5])}{', ...' if len(rows) > 5 else ''})"
