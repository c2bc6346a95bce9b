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
OF_FILE = (check_labels, check_repeats, check_cues)


def check_files(paths: Iterable[str | os.PathLike[str]], *, language: str | None = None) -> list[Finding]:
    """Every fault of files in the workshop's format; none means that they can be used.

    Parameters
    ----------
    paths : `.jsonl` files, one a language. Several are also compared: with the English one, or else the first.
    language : of all the files, where their names do not end in one.

    Raises
    ------
    ValueError : if a file cannot be read as JSON Lines at all, or its language is unknown.
    OSError : if it cannot be opened."""
    code = None if language is None else resolve(language)
    found: list[Finding] = []
    files: list[list[Item]] = []
    for path in paths:
        items, faults = read_items(path, language=code)
        faults += [finding for item in items for check in OF_ITEM for finding in check(item)]
        found += sorted(faults, key=lambda finding: finding.line or 0)
        if items:
            found += [finding for check in OF_FILE for finding in check(items)]
        files.append(items)
    return found + list(check_parallel(files))
