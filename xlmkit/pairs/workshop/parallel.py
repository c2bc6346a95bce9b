"""Parallel files: the same items in every language, with the same label and phenomenon, and of comparable length."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.items import TEXTS, Item

FACTOR = 2.0  # a text may be this many times as long as is usual for its language, or as short
FEWEST = 5  # items below which no length is usual


def check_parallel(files: Sequence[Sequence[Item]], whole: Sequence[bool] | None = None) -> Iterator[Finding]:
    """Findings of each file against the English one, or the first where there is none in English; files in the same language are not compared.

    `whole` says of which files all lines could be read (None: of all); of the others it is not said what they lack."""
    complete = [True] * len(files) if whole is None else list(whole)
    places = [place for place, items in enumerate(files) if items]
    if not places:
        return
    first = next((place for place in places if files[place][0].language == "en"), places[0])
    known = {item.id: item for item in files[first]}
    for place in places:
        items = files[place]
        if items[0].language != files[first][0].language:
            yield from _same_items(items, known, complete[first])
            if complete[place]:
                yield from _missing(items, known)
            yield from _lengths(items, known)


def _same_items(items: Sequence[Item], known: dict[str, Item], all_known: bool) -> Iterator[Finding]:
    file = next(iter(known.values())).file
    for item in items:
        if item.id not in known:
            if all_known:
                yield item.finding(f"expected an item of {file}, got one that is not there", "add it there")
            continue
        for field in ("label", "phenomenon"):
            expected, got = getattr(known[item.id], field), getattr(item, field)
            if expected != got:
                yield item.finding(
                    f"expected the {field} of {file}, {expected!r}; got {got!r}",
                    "mend the one that is wrong; if the label changed in translation, translate anew",
                )


def _missing(items: Sequence[Item], known: dict[str, Item]) -> Iterator[Finding]:
    file = next(iter(known.values())).file
    for name in sorted(known.keys() - {item.id for item in items}):
        what = f"expected every item of {file}, this one is missing"
        yield Finding(items[0].file, None, name, what, "translate it")


def _lengths(items: Sequence[Item], known: dict[str, Item]) -> Iterator[Finding]:
    """Ratios of lengths in characters, each against the median of its file: languages differ, items of one language less so."""
    both = [(item, known[item.id]) for item in items if item.id in known]
    if len(both) < FEWEST:
        return
    for field in TEXTS:
        ratios = [len(getattr(item, field)) / len(getattr(other, field)) for item, other in both]
        usual = statistics.median(ratios)
        for (item, other), ratio in zip(both, ratios, strict=True):
            if abs(math.log(ratio / usual)) > math.log(FACTOR):
                yield item.finding(
                    f"expected a `{field}` of about {usual * len(getattr(other, field)):.0f} characters, as long as {other.file}'s "
                    f"makes it, got {len(getattr(item, field))}",
                    "compare the two: something was left out or added",
                )
