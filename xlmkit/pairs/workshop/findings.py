"""A finding: one fault of a file of pairs, where it stands and what mends it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fault. `line` counts from 1 and is None, like `item`, where the fault is the whole file's."""

    file: str
    line: int | None
    item: str | None
    what: str  # "expected ..., got ..."
    remedy: str

    def __str__(self) -> str:
        """`fr.jsonl:12: negation-03: expected ..., got ...; remedy: ...`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        item = "" if self.item is None else f"{self.item}: "
        return f"{place}: {item}{self.what}; remedy: {self.remedy}"
