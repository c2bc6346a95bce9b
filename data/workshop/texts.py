"""Checks of single texts: rationale spans, the letters of a language, its typography.

Spans are inside the text, in order, and split no word. A word is a run of letters, marks and
digits. Thai and Chinese have no spaces between words, so there a span may end at any character as a
reader sees it (an extended grapheme cluster, UAX #29).

Letters are those of the language's script, and of its alphabet where several languages share a
script.

Typography: NFC; digits 0 to 9; apostrophe U+2019; the Greek question mark is `;` (U+003B, which NFC
makes of U+037E); French has a narrow no-break space (U+202F) before `?`, `!` and `;`, a no-break
space (U+00A0) before `:` and inside «»; no full stop and no comma in Thai; no spaces in Chinese."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

import regex
from items import Finding, Item, Spans

from xlmkit.languages import LANGUAGES

UNSPACED = ("th", "zh")
JOINED = ("sw",)  # an apostrophe is part of the word there, as in ng’ombe; elsewhere it ends one, as in l’eau
_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")
_GRAPHEME = regex.compile(r"\X")
_REMEDY = "give character offsets, from 0, of whole words, in their order"


def words(text: str, language: str) -> list[str]:
    """The words of a text in lower case; in Thai and Chinese its letters in pairs, which stand for
    words where no spaces do."""
    lowered = text.lower()
    if language not in UNSPACED:
        return regex.findall(r"[\p{L}\p{M}\p{N}]+", lowered)
    seen = [part for part in _GRAPHEME.findall(lowered) if _LETTER.match(part)]
    return [first + second for first, second in itertools.pairwise(seen)] or seen


def is_boundary(text: str, offset: int, language: str) -> bool:
    """Whether a word may begin or end at `offset` of `text` (from 0 to its length)."""
    if offset in (0, len(text)):
        return True
    if language in UNSPACED:
        return offset in {match.start() for match in _GRAPHEME.finditer(text)}
    before, after = text[offset - 1], text[offset]
    inside = [_LETTER.match(character) is not None for character in (before, after)]
    if language in JOINED and "’" in (before, after):
        return not any(inside)
    return not all(inside)


def check_spans(item: Item) -> Iterator[Finding]:
    """Findings on the rationales of one item."""
    for side, text, spans in item.sides():
        for what in _span_faults(text, spans, item.language):
            yield item.finding(f"`{side}_rationale`: {what}", _REMEDY)


def _span_faults(text: str, spans: Spans, language: str) -> Iterator[str]:
    if not spans:
        yield "expected at least one span, got none"
    last = 0
    for start, end in spans:
        if not 0 <= start < end <= len(text):
            yield f"expected 0 <= start < end <= {len(text)}, got [{start}, {end}]"
            continue
        if start < last:
            yield f"expected spans in order that do not overlap, got [{start}, {end}] after one that ends at {last}"
        last = end
        shown = text[start:end]
        if not (_LETTER.match(text[start]) and _LETTER.match(text[end - 1])):
            yield f"expected a span that begins and ends with a letter, mark or digit, got {_shown(shown)}"
        elif not (is_boundary(text, start, language) and is_boundary(text, end, language)):
            yield f"expected whole words, got {_shown(shown)} of {_shown(text)}"
    covered = {position for start, end in spans for position in range(start, end)}
    if spans and all(position in covered for position, letter in enumerate(text) if _LETTER.match(letter)):
        yield "expected the words that decide, got the whole text"


def _shown(text: str) -> str:
    """A text as a finding shows it: on one line that can be read."""
    return repr(text) if len(text) <= 120 else f"{text[:80]!r}..."


SHARE = 0.9  # of the letters of a text; the rest may be names and abbreviations in Latin letters
_PROPERTY = {"Hans": "Han"}  # Unicode has one script for simplified and traditional characters
_ASCII = "abcdefghijklmnopqrstuvwxyz"
_VIETNAMESE = {
    unicodedata.normalize("NFC", vowel + tone)
    for vowel in "aăâeêioôơuưy"
    for tone in ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")
}
ALPHABETS: dict[str, frozenset[str]] = {
    "ar": frozenset("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي"),
    "bg": frozenset("абвгдежзийклмнопрстуфхцчшщъьюяѝ"),
    "de": frozenset(_ASCII + "äöüßé"),
    "el": frozenset("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"),
    "en": frozenset(_ASCII + "éï"),
    "es": frozenset(_ASCII + "áéíóúüñ"),
    "fr": frozenset(_ASCII + "àâæçéèêëîïôœùûüÿ"),
    "ru": frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюя"),
    "sw": frozenset(_ASCII),
    "tr": frozenset(_ASCII + "çğıöşüâîûİ"),
    "ur": frozenset("آأؤئابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوہۂھءیےۓۃ"),
    "vi": frozenset(_ASCII + "đ") | _VIETNAMESE,
}
"""The letters of each language whose script is not its own, in lower case; Hindi, Thai and Chinese
take any letter of their script."""

_INSTEAD = {
    "ur": dict(zip("كيىهةۀ", "کییہۃۂ", strict=True)),
    "ar": dict(zip("کیہھ", "كيهه", strict=True)),
    "zh": dict(
        zip(
            "們個這說時會學來國對過後樣開關門車書長東買賣見馬魚鳥還讓給沒經點電話麼為從兩應進發現當種",
            "们个这说时会学来国对过后样开关门车书长东买卖见马鱼鸟还让给没经点电话么为从两应进发现当种",
            strict=True,
        )
    ),
}
"""Letters of a neighbouring language that look right and are not, with the ones to write; Chinese
is in simplified characters."""


def script_share(text: str, language: str) -> float:
    """The share of a text's letters, in [0, 1], that are of the language's script; 1 where there
    are no letters."""
    script = LANGUAGES[language].script
    letters = regex.findall(r"\p{L}", text)
    own = regex.findall(rf"(?=\p{{L}})\p{{Script={_PROPERTY.get(script, script)}}}", text)
    return len(own) / len(letters) if letters else 1.0


def foreign_letters(text: str, language: str) -> list[str]:
    """The letters that are not the language's, sorted; words in Latin letters are passed over where
    the script is another one."""
    script = LANGUAGES[language].script
    if script != "Latn":
        text = regex.sub(r"(?<![\p{L}\p{M}])[A-Za-z]+(?![\p{L}\p{M}])", "", text)
    letters = set(regex.findall(r"\p{L}", text))
    alphabet = ALPHABETS.get(language)
    if alphabet is not None:
        return sorted(letter for letter in letters if not {letter, letter.lower()} & alphabet)
    own = regex.compile(rf"\p{{Script={_PROPERTY.get(script, script)}}}")
    wrong = _INSTEAD.get(language, {})
    return sorted(letter for letter in letters if letter in wrong or not own.match(letter))


def check_letters(item: Item) -> Iterator[Finding]:
    """Findings on the script and the letters of one item."""
    name = LANGUAGES[item.language].name
    for side, text, _ in item.sides():
        share = script_share(text, item.language)
        if share < SHARE:
            script = LANGUAGES[item.language].script
            yield item.finding(
                f"expected at least {SHARE:.0%} of the letters of `{side}` in {script}, the script of {name}; got {share:.1%}",
                "write it in that script, names too; or name the right language",
            )
            continue
        for letter in foreign_letters(text, item.language):
            instead = _INSTEAD.get(item.language, {}).get(letter)
            yield item.finding(
                f"expected letters of {name} in `{side}`, got {letter!r} (U+{ord(letter):04X})",
                f"write {instead!r} (U+{ord(instead):04X})" if instead else f"write it as {name} does",
            )


NARROW, WIDE = "\u202f", "\u00a0"
_JOINERS = {"hi": "\u200c\u200d", "ur": "\u200c"}  # invisible, and part of the spelling there
_QUOTES = "“”„‟«»‹›‘‚「」『』"
_SPACED_MARK = regex.compile(r"\s[,.;:!?،؛؟۔।，。；：！？、)\]]")
_NAMES = {NARROW: "U+202F", WIDE: "U+00A0", "": "nothing", " ": "a space"}

Fault = tuple[str, str]  # what is wrong, and the remedy


@dataclass(frozen=True)
class Typography:
    """How one language is set: `ends` are the marks that may close a sentence, `instead` maps a
    wrong mark to the right one."""

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
        for rule in (_characters, _ending, _marks, _quotes, _spaces, _of_language):
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


def _of_language(text: str, language: str) -> Iterator[Fault]:
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
