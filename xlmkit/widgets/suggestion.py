"""Suggestion: which languages a text may be in, from its script and its letters alone. Only ever a proposal: the reader decides."""

from __future__ import annotations

import regex

from xlmkit.languages import LANGUAGES

_SCRIPTS = {
    "Arab": "Arabic",
    "Cyrl": "Cyrillic",
    "Latn": "Latin",
    "Grek": "Greek",
    "Deva": "Devanagari",
    "Thai": "Thai",
    "Hans": "Han",
}
_LETTERS = {code: regex.compile(rf"\p{{Script={name}}}") for code, name in _SCRIPTS.items()}
# Letters that tell languages of one script apart, and the languages that are written with them.
_OWN = {
    "ar": "ةىيكأإؤئ",
    "ur": "ٹڈڑںےہھگچپژکیئ",
    "bg": "ъѝ",
    "ru": "ъыэё",
    "de": "äöüß",
    "en": "",
    "es": "áéíóúñü¿¡",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "sw": "",
    "tr": "çğıöşüâîû",
    "vi": "ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ",
}
FEW = 2  # so many letters of another language suggest it; one may be a name's, or a loan word's


def suggested(text: str, language: str) -> tuple[str, ...]:
    """Languages that the text is more likely to be in than `language`; () where that may well be right.

    Parameters
    ----------
    language : the code that was chosen.

    Returns
    -------
    Codes, the likelier first: of the script that most letters are in, where it is not that of `language`; else those whose own letters (ñ, ğ, ы, ٹ)
        cover more of the text's, by at least two."""
    counts = {script: len(letters.findall(text)) for script, letters in _LETTERS.items()}
    script = max(counts, key=lambda name: counts[name])
    if not counts[script]:
        return ()
    covered = {
        code: sum(letter in _OWN.get(code, "") for letter in text.lower())
        for code, entry in LANGUAGES.items()
        if entry.script == script
    }
    most = max(covered.values())
    likely = tuple(code for code in covered if covered[code] == most)
    if language in covered and most - covered[language] < FEW:
        return ()
    return likely
