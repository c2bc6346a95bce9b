"""Columns of a frame of pairs and names of labels, however a source spells them.

Labels travel by name, because their numbers differ by source (XLM's authors: contradiction 0; the
Hub's XNLI: entailment 0)."""

from __future__ import annotations

import numbers
import re
import reprlib
from collections.abc import Callable, Sequence

import pandas as pd

from xlmkit.notices import warn_once

LABELS = ("entailment", "neutral", "contradiction")

SPELLINGS: dict[str, tuple[str, ...]] = {
    "pair_id": ("pair_id", "id", "uid"),
    "item": ("item", "item_id", "pairid"),
    "language": ("language", "lang"),
    "premise_language": ("premise_language", "premise_lang"),
    "hypothesis_language": ("hypothesis_language", "hypothesis_lang"),
    "premise": ("premise", "sentence1"),
    "hypothesis": ("hypothesis", "hypo", "sentence2"),
    "gold": ("gold", "gold_label", "label"),
}
"""The columns of a frame of pairs and how sources spell them, in any case (XNLI's `pairID` is the
same in all languages, so it is an `item`)."""

TEXT_SPELLINGS: dict[str, tuple[str, ...]] = {
    "pair_id": SPELLINGS["pair_id"],
    "item": SPELLINGS["item"],
    "language": SPELLINGS["language"],
    "text": ("text", "sentence"),
    "gold": SPELLINGS["gold"],
}
"""The same for single texts, which some tasks other than NLI take."""

_LABEL_NAMES: dict[str, str | None] = {
    "entailment": "entailment",
    "entails": "entailment",
    "e": "entailment",
    "neutral": "neutral",
    "n": "neutral",
    "contradiction": "contradiction",
    "contradictory": "contradiction",
    "contradicts": "contradiction",
    "c": "contradiction",
    "-": None,  # SNLI and MultiNLI: the annotators disagreed
    "hidden": None,  # MultiNLI's test sets
    "": None,
}
_NUMBERED = (
    "write labels by name, because the meaning of 0, 1, 2 differs by source; for the Hub's XNLI and MNLI: "
    "frame['gold'] = frame['label'].map({0: 'entailment', 1: 'neutral', 2: 'contradiction'})"
)
_UNKNOWN_LABEL = f"labels are {', '.join(LABELS)}, or '-' or nothing for a missing one"


def label_name(value: object) -> str | None:
    """The name of a label as sources write it ("Entailment", "contradictory", "e"), or None for a
    missing one ("-").

    Raises
    ------
    ValueError : "what is wrong; what to do", if it is a number, whose meaning differs by source, or
        no known label."""
    if is_missing(value):
        return None
    name = value.strip().lower() if isinstance(value, str) else ""
    if isinstance(value, str) and name in _LABEL_NAMES:
        return _LABEL_NAMES[name]
    if isinstance(value, numbers.Number) or re.fullmatch(r"[-+]?\d+(\.0*)?", name):
        raise ValueError(f"label {reprlib.repr(value)} is a number; {_NUMBERED}")
    raise ValueError(f"unknown label {reprlib.repr(value)}; {_UNKNOWN_LABEL}")


def label_reader(labels: Sequence[str] | None) -> Callable[[object], str | None]:
    """A function that reads a cell with a label: `label_name` if `labels` are NLI's; else the cell
    must be one of `labels`, or any text if they are None. It returns None for an empty cell and
    raises a ValueError for an unknown label."""
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels or ()):
        raise TypeError(f"expected `labels` as None or several names; got {labels!r}")
    if labels is not None and set(labels) == set(LABELS):
        return label_name

    def read(value: object) -> str | None:
        if is_missing(value) or value == "":
            return None
        if not isinstance(value, str) or (labels is not None and value not in labels):
            known = "labels are names, as text" if labels is None else f"labels are {', '.join(labels)}"
            raise ValueError(f"unknown label {reprlib.repr(value)}; {known}, or nothing for a missing one")
        return value

    return read


def is_missing(value: object) -> bool:
    """Whether a cell is empty: None, NaN or pandas' NA."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def language_columns(frame: pd.DataFrame) -> list[str]:
    """`language`, or the two columns of mixed pairs."""
    return ["language"] if "language" in frame else ["premise_language", "hypothesis_language"]


def sentence_columns(frame: pd.DataFrame) -> list[str]:
    """`premise` and `hypothesis`, or `text` in a frame of single texts."""
    return ["premise", "hypothesis"] if "hypothesis" in frame else ["text"]


def own_columns(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The columns that are the kit's own in a frame from `rename_columns`, in order."""
    return SPELLINGS if "hypothesis" in frame else TEXT_SPELLINGS


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame from `rename_columns` with the kit's own columns first; `gold` is added where it is
    missing."""
    if "gold" not in frame:
        frame = frame.assign(gold=pd.Series(None, index=frame.index, dtype=object))
    leading = [column for column in own_columns(frame) if column in frame and column != "item"]
    return frame[leading + [column for column in frame if column not in leading]]


def rename_columns(
    frame: pd.DataFrame, source: str, language: str | None, *, single: bool = False
) -> pd.DataFrame:
    """A copy with the kit's column names; `language` is that of all rows if no column says it.

    A column `label` becomes `gold`, and a warning says so. With `single`, a frame with a `text` and
    no hypothesis is one of single texts.

    Raises
    ------
    ValueError : if a column is missing, repeated, or ambiguous."""
    columns = list(frame.columns)
    repeated = sorted({str(column) for column in columns if columns.count(column) > 1})
    if repeated:
        raise ValueError(
            f"{source}: column names must differ; got {', '.join(repeated)} more than once. Rename one."
        )
    lower = {str(column).lower() for column in columns}
    single = single and bool(lower & {*TEXT_SPELLINGS["text"]}) and not lower & {*SPELLINGS["hypothesis"]}
    names = {
        column: role
        for role, spelled in (TEXT_SPELLINGS if single else SPELLINGS).items()
        if (column := _spelled(role, spelled, frame, source)) is not None
    }
    result = frame.rename(columns=names)
    for column, role in names.items():
        if role == "gold" and str(column).lower() == "label":
            warn_once(
                f"{source}: the column {column!r} is read as gold labels; predictions are in `prediction`"
            )
    if single:
        sides = ["language"]
    else:
        _require(
            result, ["premise", "hypothesis"], columns, source, "Rename them; a file names them in line 1"
        )
        sides = [name for name in ("premise_language", "hypothesis_language") if name in result] or [
            "language"
        ]
    if sides != ["language"]:
        if "language" in result:
            raise ValueError(
                f"{source}: expected `language`, or `premise_language` and `hypothesis_language`; got both. Drop one."
            )
        _require(result, language_columns(result), columns, source, "Add it, or one `language` column")
        return result
    if "language" not in result and language is not None:
        warn_once(
            f"{source} has no `language` column: all rows are taken as {language!r}, as `languages` says"
        )
        result.insert(0, "language", language)
    one_language = "Add it, or name the language of all rows: read_pairs(..., languages='sw')"
    _require(result, ["language"], columns, source, one_language)
    return result


def _spelled(role: str, spelled: tuple[str, ...], frame: pd.DataFrame, source: str) -> object:
    """The column whose name is `role`, else the one that is spelled like it, else
    None."""
    candidates = [column for column in frame.columns if str(column).lower() in spelled]
    if role in candidates:
        return role
    if len(candidates) > 1:
        raise ValueError(
            f"{source}: `{role}` could be any of the columns {', '.join(map(str, candidates))}. "
            f"Rename the right one to {role!r}."
        )
    return candidates[0] if candidates else None


def _require(frame: pd.DataFrame, roles: Sequence[str], got: Sequence[object], source: str, fix: str) -> None:
    missing = [role for role in roles if role not in frame]
    if missing:
        wanted = " and ".join(f"`{role}` (or {' or '.join(SPELLINGS[role][1:])})" for role in missing)
        shown = ", ".join(reprlib.repr(column) for column in got[:12]) + (", ..." if len(got) > 12 else "")
        raise ValueError(f"{source}: expected a column {wanted}; got {shown or 'no columns'}. {fix}.")
