"""Names: which label each row's explanation is about, and which it is contrasted with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch

from xlmkit.attribution.batch import Names
from xlmkit.inference import encode_frame, logits
from xlmkit.model import NLIModel

KEYWORDS = ("predicted", "gold")


def check_names(nli: NLIModel, target: str, contrast: str | None) -> None:
    """Refuse a target or a contrast that is no keyword and no label, and a contrast that is the target's own word."""
    for name, given in (("target", target), ("contrast", contrast)):
        if given is None and name == "contrast":
            continue
        if not isinstance(given, str) or given not in (*KEYWORDS, *nli.labels):
            none = "None, " if name == "contrast" else ""
            raise ValueError(
                f"`{name}` must be {none}'predicted', 'gold' or one of {', '.join(nli.labels)}; got {given!r}"
            )
    if contrast == target:
        raise ValueError(
            f"`contrast` must differ from `target`; got {contrast!r} for both, whose difference is always 0; "
            "remedy: leave `contrast` out, or name another label"
        )


def names_of(nli: NLIModel, frame: pd.DataFrame, target: str, contrast: str | None, max_length: int) -> Names:
    """Target and contrast of every row of a checked frame. No row's contrast is its target.

    Raises
    ------
    ValueError : if gold labels are missing where asked for, or a row's contrast is its target; all such rows are counted, the first are named."""
    targets = _resolve(nli, frame, "target", target)
    if contrast is None:
        return Names(tuple(targets), (None,) * len(frame))
    contrasts = _resolve(nli, frame, "contrast", contrast)
    if "predicted" in (target, contrast):
        predicted = predicted_labels(nli, frame, max_length)
        targets = [own or label for own, label in zip(targets, predicted, strict=True)]
        contrasts = [own or label for own, label in zip(contrasts, predicted, strict=True)]
    same = [
        f"{id!r}: {own}"
        for id, own, other in zip(frame["pair_id"], targets, contrasts, strict=True)
        if own == other
    ]
    if same:
        raise ValueError(
            f"target={target!r} and contrast={contrast!r} are the same label in {_listed(same)}, and a logit minus itself is always 0; "
            "remedy: drop these rows, or explain_errors, which leaves right predictions out"
        )
    return Names(tuple(targets), tuple(contrasts))


def predicted_labels(nli: NLIModel, frame: pd.DataFrame, max_length: int) -> list[str]:
    """What the model predicts in fp32, whatever precision its own predictions have."""
    encoding = encode_frame(nli, frame, max_length=max_length, spans=False)
    found = logits(replace(nli, dtype=torch.float32), encoding)
    return [nli.labels[column] for column in found.argmax(1)]


def golds(frame: pd.DataFrame) -> list[str | None]:
    """The gold labels; None where there is none."""
    if "gold" not in frame:
        return [None for _ in range(len(frame))]
    return [None if pd.isna(gold) else str(gold) for gold in frame["gold"]]


def need_golds(nli: NLIModel, frame: pd.DataFrame, asked: str, remedy: str) -> list[str]:
    """The gold labels, where every row has one that the model knows; `asked` and `remedy` go into the error."""
    found = golds(frame)
    odd = [
        f"{id!r}: {gold}" for id, gold in zip(frame["pair_id"], found, strict=True) if gold not in nli.labels
    ]
    if odd:
        raise ValueError(
            f"{asked} needs a gold label among {', '.join(nli.labels)} in every row; not so in {_listed(odd)}; "
            f"remedy: drop these rows or {remedy}"
        )
    return [gold for gold in found if gold is not None]


def _resolve(nli: NLIModel, frame: pd.DataFrame, option: str, name: str) -> list[str | None]:
    """A label in each row; None for the one that will be predicted."""
    if name == "predicted":
        return [None for _ in range(len(frame))]
    if name != "gold":
        return [name for _ in range(len(frame))]
    remedy = "use target='predicted'" if option == "target" else "leave `contrast` out"
    return list(need_golds(nli, frame, f"{option}='gold'", remedy))


def _listed(rows: Sequence[str]) -> str:
    return f"{len(rows)} ({', '.join(rows[:5])}{', ...' if len(rows) > 5 else ''})"
