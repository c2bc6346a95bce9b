"""Letters: a text is written in its language's script, and with the letters of its language where several share a script."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import regex

from xlmkit.languages import LANGUAGES
from xlmkit.pairs.workshop.findings import Finding
from xlmkit.pairs.workshop.items import Item

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
"""The letters of each language whose script is not its own, in lower case; Hindi, Thai and Chinese take any letter of their script."""

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
"""Letters of a neighbouring language that look right and are not, with the ones to write; Chinese is in simplified characters."""


def script_share(text: str, language: str) -> float:
    """The share of a text's letters, in [0, 1], that are of the language's script; 1 where there are no letters."""
    script = LANGUAGES[language].script
    letters = regex.findall(r"\p{L}", text)
    own = regex.findall(rf"(?=\p{{L}})\p{{Script={_PROPERTY.get(script, script)}}}", text)
    return len(own) / len(letters) if letters else 1.0


def foreign_letters(text: str, language: str) -> list[str]:
    """The letters that are not the language's, sorted; words in Latin letters are passed over where the script is another one."""
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
