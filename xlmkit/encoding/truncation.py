"""How many tokens a pair may have, and what is cut where it has more."""

from __future__ import annotations

from xlmkit.checks import is_int
from xlmkit.model import NLIModel


def specials_of(sentences: int) -> int:
    """How many tokens of the layout are no piece of a sentence."""
    return sentences + 1


def check_length(nli: NLIModel, max_length: int, sentences: int) -> None:
    """Refuse a length that leaves no room for a piece of each sentence, or that the model has no positions for.

    Raises
    ------
    ValueError : in these cases, or if it is no whole number."""
    least = specials_of(sentences) + sentences
    if not is_int(max_length) or not least <= max_length <= nli.max_positions:
        raise ValueError(
            f"`max_length` must be a whole number from {least} ({specials_of(sentences)} special tokens and a piece of each sentence) to "
            f"{nli.max_positions} (the model's positions); got {max_length!r}"
        )


def kept_of(sizes: tuple[int, ...], room: int) -> tuple[int, ...]:
    """How many pieces of each sentence stay when only `room` fit: the longer one gives first, then both in turn."""
    if len(sizes) == 1:
        return (min(sizes[0], room),)
    premise, hypothesis = sizes
    if premise + hypothesis <= room:
        return premise, hypothesis
    half = room // 2
    if hypothesis <= half:
        return room - hypothesis, hypothesis
    if premise <= room - half:
        return premise, room - premise
    return room - half, half
