"""Items of a file of pairs: one line with its rationales, and the check that it has the fields that
it needs.

The format is JSON Lines, one file per language and one item per line; README.md describes it.
`texts` checks single texts, `check` whole files."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS
from xlmkit.pairs.tables import read_table


@dataclass(frozen=True)
class Finding:
    """One fault of a file. `line` counts from 1; `line` and `item` are None where the fault is the
    whole file's."""

    file: str
    line: int | None
    item: str | None
    what: str  # "expected ..., got ..."
    remedy: str

    def __str__(self) -> str:
        """`fr.jsonl:12: negation-03: expected ..., got .... Do ....`"""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        item = "" if self.item is None else f"{self.item}: "
        return f"{place}: {item}{self.what}. {self.remedy[0].upper()}{self.remedy[1:]}."


TEXTS = ("premise", "hypothesis")
_WORDS = ("id", "phenomenon", "label", *TEXTS)
_RATIONALES = ("premise_rationale", "hypothesis_rationale")
_FIELDS = f"the fields are {', '.join((*_WORDS, *_RATIONALES))}, and `note` where there is one"
_SPANS = "write character spans [start, end) such as [[4, 11], [20, 25]]"

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Item:
    """One pair as it stands in a file: its language, its line, and the spans of the words that
    decide the label."""

    file: str
    line: int
    language: str
    id: str
    phenomenon: str
    label: str
    premise: str
    hypothesis: str
    premise_rationale: Spans
    hypothesis_rationale: Spans
    note: str | None = None

    def sides(self) -> Iterator[tuple[str, str, Spans]]:
        """`premise` and `hypothesis`, each with its text and its spans."""
        yield "premise", self.premise, self.premise_rationale
        yield "hypothesis", self.hypothesis, self.hypothesis_rationale

    def finding(self, what: str, remedy: str) -> Finding:
        """A fault of this item."""
        return Finding(self.file, self.line, self.id, what, remedy)


def language_of(path: str | os.PathLike[str]) -> str:
    """The language that a file's name ends in: `fr` of `fr.jsonl` and of `my-pairs-fr.jsonl`.

    Raises
    ------
    ValueError : if it ends in none of the 15."""
    code = re.split(r"[-_.]", Path(path).stem)[-1]
    if code not in LANGUAGES:
        raise ValueError(
            f"{Path(path).name}: expected a name that ends in a language, such as `fr.jsonl` or `mine-fr.jsonl`. "
            f"Rename the file or pass --language with one of {', '.join(LANGUAGES)}."
        )
    return code


def read_items(
    path: str | os.PathLike[str], *, language: str | None = None
) -> tuple[list[Item], list[Finding]]:
    """The items of a file whose lines have all they need, and a finding for each fault of the
    others.

    Parameters
    ----------
    language : of all items; where None, the one that the file's name ends in.

    Raises
    ------
    ValueError : if the file is no `.jsonl`, is empty or not UTF-8, or does not say its language.
    OSError : if it cannot be read."""
    path = Path(path)
    if path.suffix.lower() != ".jsonl":
        raise ValueError(f"{path.name}: expected a .jsonl file. Write one JSON object per line.")
    code = language_of(path) if language is None else language
    table = read_table(path)
    findings = [Finding(path.name, line, None, *fault.split("; ", 1)) for line, fault in table.broken.items()]
    items = []
    for line, row in zip(table.lines, table.rows, strict=True):
        faults = [
            Finding(path.name, line, _name(row), what, remedy)
            for what, remedy in _row_faults(row, note_needed=code == "en")
        ]
        findings += faults
        if not faults:
            items.append(_item(path.name, line, code, row))
    return items, findings


def _name(row: Mapping[str, Any]) -> str | None:
    """The id of a line for its findings: what could not be shown on one line is left out."""
    name = row.get("id")
    return name if isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= 60 else None


def _item(file: str, line: int, language: str, row: Mapping[str, Any]) -> Item:
    name, phenomenon, label, premise, hypothesis = (row[field] for field in _WORDS)
    first, second = (tuple((start, end) for start, end in row[field]) for field in _RATIONALES)
    note = row.get("note")
    return Item(file, line, language, name, phenomenon, label, premise, hypothesis, first, second, note)


def _row_faults(row: Mapping[str, Any], *, note_needed: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the fields of one line, and the remedy."""
    texts = (*_WORDS, "note") if note_needed or "note" in row else _WORDS
    for field in (*texts, *_RATIONALES):
        if field not in row:
            yield f"expected a field `{field}`, got none", _FIELDS
    for field in row:
        if field not in (*_WORDS, *_RATIONALES, "note"):
            yield f"expected no field {reprlib.repr(field)}", _FIELDS
    for field in texts:
        if field in row and not (isinstance(row[field], str) and row[field].strip()):
            remedy = f"write {', '.join(LABELS[:-1])} or {LABELS[-1]}" if field == "label" else "write a text"
            yield f"expected text as `{field}`, got {reprlib.repr(row[field])}", remedy
    if isinstance(row.get("label"), str) and row["label"].strip() and row["label"] not in LABELS:
        yield (
            f"expected a label of {', '.join(LABELS)}; got {reprlib.repr(row['label'])}",
            "write one of them",
        )
    for field in _RATIONALES:
        if field in row and not _are_spans(row[field]):
            yield f"expected a list of spans as `{field}`, got {reprlib.repr(row[field])}", _SPANS
    name, phenomenon = row.get("id"), row.get("phenomenon")
    if isinstance(name, str) and isinstance(phenomenon, str) and name.strip() and phenomenon.strip():
        pattern = re.escape(phenomenon) + "-[0-9]+"
        if not re.fullmatch(pattern, name):
            yield (
                f"expected an id of the phenomenon and a number, got {reprlib.repr(name)}",
                f"write it as in '{phenomenon}-01'",
            )


def _are_spans(value: object) -> bool:
    if not isinstance(value, list):
        return False
    return all(
        isinstance(span, list) and len(span) == 2 and all(type(offset) is int for offset in span)
        for span in value
    )
