"""Validation of a frame of pairs: brought to the kit's names, or refused with every faulty row
named at once."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from functools import partial
from unicodedata import category

import pandas as pd

from xlmkit.languages import LANGUAGES, resolve
from xlmkit.notices import warn_once
from xlmkit.pairs.columns import (
    LABELS,
    is_missing,
    label_reader,
    language_columns,
    own_columns,
    rename_columns,
    sentence_columns,
)

SHOWN = 20  # faulty rows that an error lists; the others are counted
_UNKNOWN_LANGUAGE = (
    f"languages are {', '.join(LANGUAGES)}; read_pairs(..., languages=[...]) reads only those that it names"
)
_HALF = "half of a surrogate pair is no character and cannot be saved; write the whole character or remove the half"
_REPEATED = "give each row its own id, or drop the column: then rows are numbered"
_INVISIBLE = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))


def check_pairs(frame: pd.DataFrame, *, labels: Sequence[str] | None = LABELS) -> pd.DataFrame:
    """Check a frame of pairs and bring it to the kit's names, as `read_pairs` does; `labels` as
    there.

    Returns
    -------
    A new frame with the same index, order and columns: columns spelled as in `SPELLINGS` are
    renamed (`label` to `gold`), language codes and labels take their usual names, ids are text. A
    missing `pair_id` is added as the first column, as `read_pairs` does. A frame without rows is
    accepted.

    Raises
    ------
    TypeError : if `frame` is no DataFrame.
    ValueError : as `read_pairs`; rows are named by their index."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"expected a DataFrame of pairs, got {type(frame).__name__}. Use read_pairs(...).")
    return check_frame(frame, None, labels)


def check_frame(
    frame: pd.DataFrame,
    codes: Sequence[str] | None,
    labels: Sequence[str] | None,
    *,
    source: str = "the frame",
) -> pd.DataFrame:
    """`check_pairs` of a frame from `source`, of which only rows in the languages `codes` may be
    wanted."""
    names = frame.index.to_list()  # Python's values, not numpy's
    faults = Faults(source, lambda row: f"index {names[row]!r}")
    result = validate(frame, codes, labels, faults, range(len(frame)))
    faults.raise_any(len(frame))
    return infer_types(result)


def validate(
    frame: pd.DataFrame,
    codes: Sequence[str] | None,
    labels: Sequence[str] | None,
    faults: Faults,
    rows: Sequence[int],
) -> pd.DataFrame:
    """A frame with the kit's columns, languages, labels and ids; what is wrong is added to `faults`
    by the numbers `rows`.

    A single one of `codes` is the language of all rows if no column says it; with any, unknown
    languages are no faults."""
    language = codes[0] if codes is not None and len(codes) == 1 else None
    single = labels is None or set(labels) != set(LABELS)
    named = rename_columns(frame, faults.source, language, single=single)
    return check_rows(named, faults, rows, labels=labels, any_language=codes is not None)


class Faults:
    """What is wrong with which rows of a source, collected so that one error can name all of it.

    Rows have numbers; `call` turns a number into words ("line 7")."""

    def __init__(self, source: str, call: Callable[[int], str]) -> None:
        self.source, self.call = source, call
        self.rows: dict[int, list[str]] = {}
        self.fixes: dict[str, None] = {}

    def add(self, row: int, what: str, fix: str = "") -> None:
        """Add one fault of a row, and what to do about it."""
        self.rows.setdefault(row, []).append(what)
        if fix:
            self.fixes[fix] = None

    def raise_any(self, total: int) -> None:
        """Raise a ValueError that names them all, if there are any."""
        if not self.rows:
            return
        faulty = sorted(self.rows)
        message = [f"{self.source}: {len(faulty)} of {total} rows cannot be used"]
        message += [f"  {self.call(row)}: {'; '.join(self.rows[row])}" for row in faulty[:SHOWN]]
        if len(faulty) > SHOWN:
            message.append(f"  and {len(faulty) - SHOWN} more")
        raise ValueError("\n".join(message + [f"{fix[0].upper()}{fix[1:]}." for fix in self.fixes]))


def check_rows(
    frame: pd.DataFrame,
    faults: Faults,
    rows: Sequence[int],
    *,
    labels: Sequence[str] | None = LABELS,
    any_language: bool = False,
) -> pd.DataFrame:
    """A frame from `rename_columns` with codes, labels and ids in the kit's form; what is wrong is
    added to `faults`.

    `rows` are the numbers of the rows; `labels` those that gold may be, as `label_reader` takes
    them; with `any_language` an unknown language becomes a missing one and is no fault."""
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
        if column not in own_columns(result) and not pd.api.types.is_numeric_dtype(result[column].dtype):
            for row, value in zip(rows, result[column].to_list(), strict=True):
                _check_surrogates(value, column, row, faults)
    return _identified(result, sides, faults, rows)


def _mapped(
    column: pd.Series, name: Callable[[object], str | None], faults: Faults, rows: Sequence[int]
) -> pd.Series:
    """Each value by its name; a ValueError of `name` is a fault of the row."""
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
    """With a unique `pair_id` as text: the given one, or item and language, or the row number."""
    for column in ("pair_id", "item"):
        if column in frame:
            frame[column] = _texts(frame[column], faults, rows)
    codes_of = ["-".join(map(str, codes)) for codes in frame[sides].itertuples(index=False)]
    if "pair_id" in frame and "item" not in frame and frame["pair_id"].duplicated().any():
        keys = set(zip(frame["pair_id"], codes_of, strict=True))
        if len(keys) == len(frame):
            warn_once(f"{faults.source}: ids repeat from language to language, so they are taken as `item`")
            frame = frame.rename(columns={"pair_id": "item"})
    if "pair_id" not in frame:
        ids = [str(number) for number in range(1, len(frame) + 1)]
        if "item" in frame:
            ids = [f"{item}-{codes}" for item, codes in zip(frame["item"], codes_of, strict=True)]
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


def infer_types(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with pandas' own type for text where a column of objects is all text."""
    result = frame.copy()
    for column in result.columns:
        if result[column].dtype == object:
            result[column] = result[column].infer_objects()
    return result
