"""Text as HTML: escaped, each character in its place; numbers with their sign."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def hidden(character: str) -> bool:
    """Whether a character would be invisible and could mislead, or cannot be written at all."""
    return (
        unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    ) or character in BIDI_CONTROLS


def escaped(value: object) -> str:
    """Escaped text for an element; hidden characters are shown by their number."""
    return "".join(
        f'<span class="xk-code">U+{ord(character):04X}</span>' if hidden(character) else escape(character)
        for character in str(value)
    )


def quoted(value: object) -> str:
    """Escaped text for a quoted attribute; hidden characters are replaced."""
    return escape(plain(value), quote=True)


def plain(value: object) -> str:
    """Text for what shows no markup (the entries of a list): as it is, hidden characters replaced."""
    return "".join("\ufffd" if hidden(character) else character for character in str(value))


def signed(value: float, form: str = "") -> str:
    """+0.12, −0.12 or 0."""
    return "0" if value == 0 else f"{'+' if value > 0 else '−'}{unsigned(value, form)}"


def unsigned(value: float, form: str = "") -> str:
    """The size of a number in Python's format `form`; without one, two decimals, and two significant digits where it is small."""
    size = abs(value)
    return "0" if size == 0 else format(size, form or (".2f" if size >= 0.1 else ".2g"))


def flattened(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """A nested mapping as (dotted name, text), in its own order."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from flattened(entry, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
