"""Typography: marks and spaces as a native text has them.

The choices: NFC; digits 0 to 9; apostrophe U+2019; the Greek question mark is `;` (U+003B, which NFC makes of U+037E); French has a narrow
no-break space (U+202F) before `?`, `!` and `;`, a no-break space (U+00A0) before `:` and inside «»; no full stop and no comma in Thai; no spaces in Chinese."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import regex

from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.items import Item

NARROW, WIDE = "\u202f", "\u00a0"
_JOINERS = {"hi": "\u200c\u200d", "ur": "\u200c"}  # invisible, and part of the spelling there
_QUOTES = "“”„‟«»‹›‘‚「」『』"
_SPACED_MARK = regex.compile(r"\s[,.;:!?،؛؟۔।，。；：！？、)\]]")
_NAMES = {NARROW: "U+202F", WIDE: "U+00A0", "": "nothing", " ": "a space"}

Fault = tuple[str, str]  # what is wrong, and the remedy


@dataclass(frozen=True)
class Typography:
    """How one language is set: `ends` are the marks that may close a sentence, `instead` maps a wrong mark to the right one."""

    ends: str = ".?!"
    quotes: str = "“”"
    instead: dict[str, str] = field(default_factory=dict)


STYLES: dict[str, Typography] = {
    "ar": Typography(".؟!", "«»", {",": "،", ";": "؛", "?": "؟", "۔": "."}),
    "bg": Typography(quotes="„“"),
    "de": Typography(quotes="„“"),
    "el": Typography(".;!", "«»", {"?": ";"}),
    "en": Typography(),
    "es": Typography(quotes="«»"),
    "fr": Typography(quotes="«»"),
    "hi": Typography("।?!", instead={".": "।", "|": "।"}),
    "ru": Typography(quotes="«»"),
    "sw": Typography(),
    "th": Typography("", instead={".": "", ",": " ", ";": " ", "।": ""}),
    "tr": Typography(),
    "ur": Typography("۔؟!", instead={",": "،", ";": "؛", "?": "؟", ".": "۔"}),
    "vi": Typography(),
    "zh": Typography(
        "。？！",
        instead={",": "，", ".": "。", "?": "？", "!": "！", ":": "：", ";": "；", "(": "（", ")": "）"},
    ),
}


def check_typography(item: Item) -> Iterator[Finding]:
    """Findings on the characters, marks and spaces of one item."""
    for side, text, _ in item.sides():
        for rule in (_characters, _ending, _marks, _quotes, _spaces, _own):
            for what, remedy in rule(text, item.language):
                yield item.finding(f"`{side}`: {what}", remedy)


def _characters(text: str, language: str) -> Iterator[Fault]:
    if unicodedata.normalize("NFC", text) != text:
        yield "expected Unicode NFC, got another form", "unicodedata.normalize('NFC', text)"
    for digit in sorted(set(regex.findall(r"\p{Nd}", text)) - set("0123456789")):
        yield f"expected digits 0 to 9, got {digit!r}", "write Western digits in every language"
    allowed = _JOINERS.get(language, "")
    for character in sorted(set(text)):
        if character in "\t\n\r":  # a space that is no plain one: `_spaces` says so
            continue
        if unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") and character not in allowed:
            yield f"expected no invisible character, got U+{ord(character):04X}", "take it out"


def _ending(text: str, language: str) -> Iterator[Fault]:
    style = STYLES[language]
    last = text.rstrip(style.quotes[1])[-1:]
    if style.ends and last not in style.ends:
        marks = " ".join(style.ends)
        yield f"expected one of {marks} at the end, got {last!r}", f"end the sentence with {style.ends[0]!r}"


def _marks(text: str, language: str) -> Iterator[Fault]:
    if language == "th":
        text = regex.sub(r"(?<=\d )น\.", "", text)  # the abbreviation of "o'clock" has its dot
    for wrong, right in STYLES[language].instead.items():
        inside_number = (
            r"(?<=\d){0}(?=\d)" if wrong in ".,:" else r"(?!){0}"
        )  # 9.30, 1,5 and 9:30 are no sentences
        mark = regex.escape(wrong)
        if regex.search(mark, regex.sub(inside_number.format(mark), "", text)):
            yield f"expected no {wrong!r} in this language", f"write {_NAMES.get(right, repr(right))} instead"
    for straight, curly in (('"', STYLES[language].quotes), ("'", "’"), ("`", "’")):
        if straight in text:
            yield f"expected no {straight!r}", f"write {curly}"


def _quotes(text: str, language: str) -> Iterator[Fault]:
    opening, closing = tuple(STYLES[language].quotes)
    for mark in sorted(set(text) & set(_QUOTES) - {opening, closing}):
        yield f"expected the quotation marks {opening}{closing}, got {mark!r}", f"write {opening}{closing}"
    if text.count(opening) != text.count(closing):
        yield f"expected as many {opening!r} as {closing!r}", "open and close each quotation"


def _spaces(text: str, language: str) -> Iterator[Fault]:
    if text != text.strip():
        yield "expected no space at either end, got one", "take it out"
    if regex.search(r"\s\s", text):
        yield "expected single spaces, got several in a row", "leave one"
    allowed = {" "} | ({NARROW, WIDE} if language == "fr" else set())
    for space in sorted(set(regex.findall(r"\s", text)) - allowed):
        yield f"expected plain spaces, got U+{ord(space):04X}", "write U+0020"
    if language != "fr" and (match := _SPACED_MARK.search(text)):
        yield f"expected no space before {match[0][-1]!r}, got one", "take the space out"


def _own(text: str, language: str) -> Iterator[Fault]:
    """What one language alone asks for."""
    rules = {"es": _spanish, "fr": _french, "th": _thai, "zh": _chinese}
    return rules[language](text) if language in rules else iter(())


def _spanish(text: str) -> Iterator[Fault]:
    for opening, closing in (("¿", "?"), ("¡", "!")):
        if text.count(opening) != text.count(closing):
            yield (
                f"expected {opening!r} before each question or exclamation that ends in {closing!r}",
                f"write {opening}...{closing}",
            )


def _french(text: str) -> Iterator[Fault]:
    rules = (
        (rf"(?<!{NARROW})[?!;]", "U+202F before ? ! ;"),
        (rf"(?<!{WIDE}|\d):", "U+00A0 before :"),
        (rf"«(?!{WIDE})|(?<!{WIDE})»", "U+00A0 inside « »"),
    )
    for pattern, expected in rules:
        if match := regex.search(pattern, text):
            yield f"expected {expected}, got none at {match[0]!r}", f"write {expected.split()[0]} there"


def _thai(text: str) -> Iterator[Fault]:
    between_phrases = regex.findall(r"(?<!\d) (?!\d)", text)
    if len(between_phrases) * 10 > len(regex.findall(r"\p{L}", text)):
        yield (
            "expected spaces between phrases only, got more than one for ten letters",
            "join the words of a phrase",
        )


def _chinese(text: str) -> Iterator[Fault]:
    if regex.search(r"\s", text):
        yield "expected no spaces in Chinese, got one", "take it out"
