"""All checks of files of pairs, in the order in which a reader mends faults: fields, spans, letters, typography, balance, cues, parallel."""

from __future__ import annotations

import os
from collections.abc import Iterable

from xlmkit.languages import resolve
from xlmkit.pairs.workshop.balance import check_labels, check_repeats
from xlmkit.pairs.workshop.cues import check_cues
from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.items import Item, read_items
from xlmkit.pairs.workshop.letters import check_letters
from xlmkit.pairs.workshop.parallel import check_parallel
from xlmkit.pairs.workshop.spans import check_spans
from xlmkit.pairs.workshop.typography import check_typography

OF_ITEM = (check_spans, check_letters, check_typography)
OF_FILE = (check_labels, check_cues)


def check_files(paths: Iterable[str | os.PathLike[str]], *, language: str | None = None) -> list[Finding]:
    """Every fault of files in the workshop's format, in the order of their lines; none means that they can be used.

    What is asked of a file as a whole (labels, cues, missing items) waits until each of its lines has the fields that it needs.

    Parameters
    ----------
    paths : `.jsonl` files, one a language. Those in other languages are compared with the English one, or else the first.
    language : of all the files, where their names do not end in one.

    Raises
    ------
    ValueError : if a file cannot be read as JSON Lines at all, or its language is unknown.
    OSError : if it cannot be opened."""
    code = None if language is None else resolve(language)
    found: list[Finding] = []
    files: list[list[Item]] = []
    whole: list[bool] = []
    for path in paths:
        items, faults = read_items(path, language=code)
        files.append(items)
        whole.append(not faults)
        faults += [finding for item in items for check in OF_ITEM for finding in check(item)]
        faults += check_repeats(items)
        found += sorted(faults, key=lambda finding: finding.line or 0)
        if whole[-1]:
            found += [finding for check in OF_FILE for finding in check(items)]
    return found + list(check_parallel(files, whole))
