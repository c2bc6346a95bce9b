"""Checks of a frame of pairs: brought to the kit's names, or refused with every faulty row named at once."""

from __future__ import annotations

import numbers
import re
import reprlib
from collections.abc import Callable, Sequence
from functools import partial
from unicodedata import category

import pandas as pd

from xlmkit.languages import LANGUAGES, resolve
from xlmkit.notices import warn_once

LABELS = ("entailment", "neutral", "contradiction")
SHOWN = 20  # faulty rows that an error lists; the others are counted

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
"""The columns of a frame of pairs, and how sources spell them, in any case (XNLI's `pairID` is one item in all languages: an `item`)."""

TEXT_SPELLINGS: dict[str, tuple[str, ...]] = {
    "pair_id": SPELLINGS["pair_id"],
    "item": SPELLINGS["item"],
    "language": SPELLINGS["language"],
    "text": ("text", "sentence"),
    "gold": SPELLINGS["gold"],
}
"""The same of a frame of single texts, which some other tasks than NLI take."""

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
    "write labels by name, because what 0, 1, 2 stand for differs by source; for the Hub's XNLI and MNLI, "
    "frame['gold'] = frame['label'].map({0: 'entailment', 1: 'neutral', 2: 'contradiction'})"
)
_UNKNOWN_LABEL = f"labels are {', '.join(LABELS)}, or '-' or nothing where there is none"
_UNKNOWN_LANGUAGE = (
    f"languages are {', '.join(LANGUAGES)}; read_pairs(..., languages=[...]) reads only those that it names"
)
_HALF = "half of a surrogate pair is no character and cannot be saved; write the whole character or remove the half"
_REPEATED = "give each row its own id, or drop the column: then rows are numbered"
_INVISIBLE = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))


def label_name(value: object) -> str | None:
    """The name of a label as sources write it ("Entailment", "contradictory", "e"), or None where they write that there is none ("-").

    Raises
    ------
    ValueError : if it is a number, whose meaning differs by source, or no known label."""
    if is_missing(value):
        return None
    name = value.strip().lower() if isinstance(value, str) else ""
    if isinstance(value, str) and name in _LABEL_NAMES:
        return _LABEL_NAMES[name]
    if isinstance(value, numbers.Number) or re.fullmatch(r"[-+]?\d+(\.0*)?", name):
        raise ValueError(f"label {reprlib.repr(value)} is a number; {_NUMBERED}")
    raise ValueError(f"unknown label {reprlib.repr(value)}; {_UNKNOWN_LABEL}")


def label_reader(labels: Sequence[str] | None) -> Callable[[object], str | None]:
    """What reads a cell with a label: `label_name` where `labels` are NLI's, else it must be one of them; any text where they are None.

    The reader gives None for an empty cell, and raises a ValueError for what it does not know."""
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels or ()):
        raise TypeError(f"expected `labels` as None or several names; got {labels!r}")
    if labels is not None and set(labels) == set(LABELS):
        return label_name

    def read(value: object) -> str | None:
        if is_missing(value) or value == "":
            return None
        if not isinstance(value, str) or (labels is not None and value not in labels):
            known = "labels are names, as text" if labels is None else f"labels are {', '.join(labels)}"
            raise ValueError(f"unknown label {reprlib.repr(value)}; {known}, or nothing where there is none")
        return value

    return read


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: None, NaN or pandas' NA."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


class Faults:
    """What is wrong with which row of a source, gathered so that one error can name all of it.

    Rows go by a number; `call` says how a number is said ("line 7")."""

    def __init__(self, source: str, call: Callable[[int], str]) -> None:
        self.source, self.call = source, call
        self.rows: dict[int, list[str]] = {}
        self.remedies: dict[str, None] = {}

    def add(self, row: int, what: str, remedy: str = "") -> None:
        """Note one fault of a row, and what would mend it."""
        self.rows.setdefault(row, []).append(what)
        if remedy:
            self.remedies[remedy] = None

    def raise_any(self, total: int) -> None:
        """Raise a ValueError that names them all, if there are any."""
        if not self.rows:
            return
        faulty = sorted(self.rows)
        message = [f"{self.source}: {len(faulty)} of {total} rows cannot be used"]
        message += [f"  {self.call(row)}: {'; '.join(self.rows[row])}" for row in faulty[:SHOWN]]
        if len(faulty) > SHOWN:
            message.append(f"  and {len(faulty) - SHOWN} more")
        raise ValueError("\n".join(message + [f"remedy: {remedy}" for remedy in self.remedies]))


def renamed(frame: pd.DataFrame, source: str, language: str | None, *, single: bool = False) -> pd.DataFrame:
    """A copy with the kit's column names; `language` is that of all rows where no column says it.

    Where `single` texts may be, a frame with a `text` and no hypothesis is taken as such.

    Raises
    ------
    ValueError : if a column is missing, repeated, or could be more than one."""
    columns = list(frame.columns)
    if len(set(columns)) < len(columns):
        twice = sorted({str(column) for column in columns if columns.count(column) > 1})
        raise ValueError(f"{source}: expected different column names; got {', '.join(twice)} more than once")
    lower = {str(column).lower() for column in columns}
    rename = "rename them; a file names them in its first line" + (
        "; single texts stand in a column `text`" if single else ""
    )
    single = single and bool(lower & {*TEXT_SPELLINGS["text"]}) and not lower & {*SPELLINGS["hypothesis"]}
    found = {}
    for role, spellings in (TEXT_SPELLINGS if single else SPELLINGS).items():
        column = _column(role, spellings, frame, source)
        if column is not None:
            found[column] = role
    result = frame.rename(columns=found)
    if not single:
        _need(result, ("premise", "hypothesis"), columns, source, rename)
    mixed = set() if single else {"premise_language", "hypothesis_language"} & set(result.columns)
    if mixed and "language" in result:
        raise ValueError(
            f"{source}: expected `language`, or `premise_language` and `hypothesis_language`; got both; remedy: drop one"
        )
    if mixed:
        _need(
            result,
            ("premise_language", "hypothesis_language"),
            columns,
            source,
            "add it, or one `language` column",
        )
    elif "language" not in result and language is not None:
        warn_once(
            f"{source} has no `language` column: all its rows are taken as {language!r}, which `languages` names"
        )
        result.insert(0, "language", language)
    one_language = (
        "add the column, or, if all rows are in one language, name it: read_pairs(..., languages='sw')"
    )
    if not mixed:
        _need(result, ("language",), columns, source, one_language)
    return result


def checked(
    frame: pd.DataFrame,
    faults: Faults,
    rows: Sequence[int],
    *,
    labels: Sequence[str] | None = LABELS,
    any_language: bool = False,
) -> pd.DataFrame:
    """A frame from `renamed` with codes, labels and ids in the kit's form, what is wrong being added to `faults`.

    `rows` are the numbers of the rows; `labels` those that gold may be, as `label_reader` takes them; `any_language` leaves an unknown
    language missing instead of taking it for a fault."""
    result = frame.copy()
    sides = language_columns(result)
    for side in sides:
        result[side] = _mapped(result[side], partial(_language, any_language=any_language), faults, rows)
    for column in sentence_columns(result):
        for row, text in zip(rows, result[column].to_list(), strict=True):
            _check_text(text, column, row, faults)
    if "gold" in result:
        result["gold"] = _mapped(result["gold"], label_reader(labels), faults, rows)
    for column in result.columns:
        if column not in spellings(result) and not pd.api.types.is_numeric_dtype(result[column].dtype):
            for row, value in zip(rows, result[column].to_list(), strict=True):
                _check_surrogates(value, column, row, faults)
    return _identified(result, sides, faults, rows)


def language_columns(frame: pd.DataFrame) -> list[str]:
    """`language`, or the two columns of mixed pairs."""
    return ["language"] if "language" in frame else ["premise_language", "hypothesis_language"]


def sentence_columns(frame: pd.DataFrame) -> list[str]:
    """`premise` and `hypothesis`, or `text` in a frame of single texts."""
    return ["premise", "hypothesis"] if "hypothesis" in frame else ["text"]


def spellings(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """The columns that are the kit's own in this frame from `renamed`, in their order."""
    return SPELLINGS if "hypothesis" in frame else TEXT_SPELLINGS


def _column(role: str, spelled: tuple[str, ...], frame: pd.DataFrame, source: str) -> object:
    """The column that plays `role`: the one that has its very name, else the one that is spelled like it."""
    fitting = [column for column in frame.columns if str(column).lower() in spelled]
    if role in fitting:
        return role
    if len(fitting) > 1:
        raise ValueError(
            f"{source}: `{role}` could be any of the columns {', '.join(map(str, fitting))}; remedy: rename the right one to {role!r}"
        )
    return fitting[0] if fitting else None


def _need(frame: pd.DataFrame, roles: Sequence[str], got: Sequence[object], source: str, remedy: str) -> None:
    missing = [role for role in roles if role not in frame]
    if missing:
        wanted = " and ".join(f"`{role}` (or {' or '.join(SPELLINGS[role][1:])})" for role in missing)
        shown = ", ".join(reprlib.repr(column) for column in got[:12]) + (", ..." if len(got) > 12 else "")
        raise ValueError(
            f"{source}: expected a column {wanted}; got {shown or 'no columns'}; remedy: {remedy}"
        )


def _mapped(
    column: pd.Series, name: Callable[[object], str | None], faults: Faults, rows: Sequence[int]
) -> pd.Series:
    """Each value by its name; a ValueError of `name` ("what; remedy") is a fault of the row."""
    known: dict[str, str | None] = {}
    result: list[str | None] = []
    for row, value in zip(rows, column.to_list(), strict=True):
        if isinstance(value, str) and value in known:
            result.append(known[value])
            continue
        found = None
        try:
            found = name(value)
        except ValueError as error:
            faults.add(row, *str(error).split("; ", 1))
        else:
            if isinstance(value, str):
                known[value] = found
        result.append(found)
    return pd.Series(result, index=column.index, dtype=object)


def _language(value: object, *, any_language: bool) -> str | None:
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        raise ValueError(f"no language; {_UNKNOWN_LANGUAGE}")
    try:
        return resolve(value)  # type: ignore[arg-type]
    except ValueError:
        if any_language and isinstance(value, str):
            return None
        raise ValueError(f"unknown language {reprlib.repr(value)}; {_UNKNOWN_LANGUAGE}") from None


def _check_text(text: object, column: str, row: int, faults: Faults) -> None:
    if is_missing(text):
        faults.add(row, f"`{column}` is missing")
    elif not isinstance(text, str):
        faults.add(row, f"`{column}` must be text, got {reprlib.repr(text)} ({type(text).__name__})")
    elif not text:
        faults.add(row, f"`{column}` is empty")
    elif not (text[0].isalnum() or any(category(character) not in _INVISIBLE for character in text)):
        faults.add(row, f"`{column}` has no visible character: {text[:20]!a}")
    else:
        _check_surrogates(text, column, row, faults)


def _check_surrogates(text: object, column: object, row: int, faults: Faults) -> None:
    if isinstance(text, str):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            faults.add(row, f"`{column}` has a lone surrogate U+{code:04X} at character {error.start}", _HALF)


def _identified(frame: pd.DataFrame, sides: list[str], faults: Faults, rows: Sequence[int]) -> pd.DataFrame:
    """With a unique `pair_id`, as text: the given one, or item and language, or the number of the row."""
    for column in ("pair_id", "item"):
        if column in frame:
            frame[column] = _texts(frame[column], faults, rows)
    spoken = ["-".join(map(str, codes)) for codes in frame[sides].itertuples(index=False)]
    if "pair_id" in frame and "item" not in frame and frame["pair_id"].duplicated().any():
        keys = set(zip(frame["pair_id"], spoken, strict=True))
        if len(keys) == len(frame):
            warn_once(f"{faults.source}: ids repeat from language to language, so they are taken as `item`")
            frame = frame.rename(columns={"pair_id": "item"})
    if "pair_id" not in frame:
        ids = [str(number) for number in range(1, len(frame) + 1)]
        if "item" in frame:
            ids = [f"{item}-{codes}" for item, codes in zip(frame["item"], spoken, strict=True)]
        frame.insert(0, "pair_id", pd.Series(ids, index=frame.index, dtype=object))
    first: dict[object, int] = {}
    for row, value in zip(rows, frame["pair_id"].to_list(), strict=True):
        if value is not None and first.setdefault(value, row) != row:
            faults.add(row, f"`pair_id` {value!r} was already used at {faults.call(first[value])}", _REPEATED)
    return frame


def _texts(ids: pd.Series, faults: Faults, rows: Sequence[int]) -> pd.Series:
    values = [None if is_missing(value) else str(value).strip() or None for value in ids.to_list()]
    for row, value in zip(rows, values, strict=True):
        if value is None:
            faults.add(row, f"no `{ids.name}`", _REPEATED)
        else:
            _check_surrogates(value, ids.name, row, faults)
    return pd.Series(values, index=ids.index, dtype=object)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame whose columns of objects have pandas' own type for text where they are all text."""
    result = frame.copy()
    for column in result.columns:
        if result[column].dtype == object:
            result[column] = result[column].infer_objects()
    return result
