"""Text as HTML: the one place that escapes it; numbers with their sign; nested settings as rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_hidden(character: str) -> bool:
    """Whether a character is invisible and could mislead, or cannot be encoded at all."""
    control = unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    return control or character in BIDI_CONTROLS


def escaped(value: object) -> str:
    """Text for an HTML element; a hidden character is shown as its code point."""
    return "".join(
        f'<span class="xk-code">U+{ord(character):04X}</span>' if is_hidden(character) else escape(character)
        for character in str(value)
    )


def quoted(value: object) -> str:
    """Text for a quoted HTML attribute; hidden characters are replaced."""
    return escape(plain(value))


def plain(value: object) -> str:
    """Text without markup, such as an entry of a list; hidden characters are replaced."""
    return "".join("\ufffd" if is_hidden(character) else character for character in str(value))


def signed(value: float, form: str = "") -> str:
    """+0.12, −0.12 or 0."""
    return "0" if value == 0 else f"{'+' if value > 0 else '−'}{unsigned(value, form)}"


def unsigned(value: float, form: str = "") -> str:
    """The absolute value in Python's format `form`.

    Without one it has two decimals, and two significant digits where it is below 0.1."""
    size = abs(value)
    return "0" if size == 0 else format(size, form or (".2f" if size >= 0.1 else ".2g"))


def flattened(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """A nested mapping as (dotted name, text), in its own order."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from flattened(entry, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
