"""The 15 languages of XLM-15: code, name, script, direction, and the id that the model was trained
with.

Ids are the alphabetical order of the codes, as in the authors' release (`lang2id` of
xlm-mlm-xnli15-1024)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xlmkit.notices import warn_once


@dataclass(frozen=True)
class Language:
    """One language of the model.

    `script` is the ISO 15924 code of its main script; `direction` is "ltr" or "rtl", as in HTML's
    `dir`."""

    code: str
    id: int
    name: str
    native_name: str
    script: str
    direction: str = "ltr"


LANGUAGES: dict[str, Language] = {
    entry.code: entry
    for entry in (
        Language("ar", 0, "Arabic", "العربية", "Arab", "rtl"),
        Language("bg", 1, "Bulgarian", "български", "Cyrl"),
        Language("de", 2, "German", "Deutsch", "Latn"),
        Language("el", 3, "Greek", "ελληνικά", "Grek"),
        Language("en", 4, "English", "English", "Latn"),
        Language("es", 5, "Spanish", "español", "Latn"),
        Language("fr", 6, "French", "français", "Latn"),
        Language("hi", 7, "Hindi", "हिन्दी", "Deva"),
        Language("ru", 8, "Russian", "русский", "Cyrl"),
        Language("sw", 9, "Swahili", "Kiswahili", "Latn"),
        Language("th", 10, "Thai", "ไทย", "Thai"),
        Language("tr", 11, "Turkish", "Türkçe", "Latn"),
        Language("ur", 12, "Urdu", "اردو", "Arab", "rtl"),
        Language("vi", 13, "Vietnamese", "Tiếng Việt", "Latn"),
        Language("zh", 14, "Chinese", "中文", "Hans"),
    )
}


def resolve(code: str) -> str:
    """The code of one of the 15 languages, from a code as users write it.

    Upper case and region or script suffixes (`EN`, `zh-CN`, `pt_BR`'s form) are accepted as their
    base, with one warning.

    Raises
    ------
    ValueError : if the base is not one of the 15 languages, or `code` is not a str."""
    if isinstance(code, str):
        if code in LANGUAGES:
            return code
        base = re.split(r"[-_]", code.strip(), maxsplit=1)[0].lower()
        if base in LANGUAGES:
            warn_once(f"language {code!r} is taken as {base!r} ({LANGUAGES[base].name})")
            return base
    raise ValueError(
        f"`language` must be one of {', '.join(LANGUAGES)}; got {code!r}. Pass language='en' for English."
    )
