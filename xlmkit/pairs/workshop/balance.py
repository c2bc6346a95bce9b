"""Balance: labels as even as their number allows, in a file and in each phenomenon, and no pair twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from xlmkit.pairs.checks import LABELS
from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.items import Item


def check_labels(items: Sequence[Item]) -> Iterator[Finding]:
    """Findings where two labels of the items of one file, or of one phenomenon of it, differ by more than one item."""
    groups = {"the file": list(items)}
    for item in items:
        groups.setdefault(f"phenomenon {item.phenomenon!r}", []).append(item)
    for name, group in groups.items():
        counts = Counter(item.label for item in group)
        numbers = [counts[label] for label in LABELS]
        if max(numbers) - min(numbers) > 1:
            got = ", ".join(f"{label} {counts[label]}" for label in LABELS)
            yield Finding(
                items[0].file,
                None,
                None,
                f"expected the labels of {name} to differ by at most one item, got {got}",
                "add items of the rarer labels, or take some of the others away",
            )


def check_repeats(items: Sequence[Item]) -> Iterator[Finding]:
    """Findings for ids and pairs of texts of one file that were there before."""
    ids: dict[str, int] = {}
    pairs: dict[tuple[str, str], int] = {}
    for item in items:
        if ids.setdefault(item.id, item.line) != item.line:
            yield item.finding(
                f"expected an id of its own, got that of line {ids[item.id]}", "number the items anew"
            )
        pair = (_folded(item.premise), _folded(item.hypothesis))
        if pairs.setdefault(pair, item.line) != item.line:
            yield item.finding(
                f"expected a pair of its own, got the texts of line {pairs[pair]}", "write another pair"
            )
        if pair[0] == pair[1]:
            yield item.finding("expected two texts, got the same one twice", "write another hypothesis")


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
