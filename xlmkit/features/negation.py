"""Negation words of the 15 languages, as the authors' preprocessing leaves them: lower case,
without non-spacing marks.

What counts is the negation of a clause and its words: not, no, never, nobody, nothing, nowhere,
neither, nor, and their counterparts in other languages. Affixes of adjectives (unhappy, harmless),
words for "without", and verbs that deny (fail, lack, refuse) do not count; longer lists include
them (Hartmann et al. 2021, CoNLL, aclanthology.org/2021.conll-1.19;
github.com/mahartmann/negationminpairs, data/negation_cues: bg, de, en, fr).

Sources that were seen: the lists of Hartmann et al. for bg, de, en and fr; Grambank, feature GB107
(grambank.clld.org/parameters/GB107, after Kornfilt 1997: 123), for Turkish -mA- on the verb; for
Swahili two courses (2seedsswahili.wordpress.com, unit 8, "Negations"; waswahilitrust.plus.com,
"Present tense, negative") for the subject prefixes by person and noun class with -ku-, -ja-, -ta-
or a final -i, and dailynews.co.tz ("The Swahili negative forms") for kuto-. For ar, el, es, hi,
ru, th, ur, vi and zh there is no published source: candidates were words that occur in XNLI dev
where the English version is negated.

How the form of a language affects the feature:
- tr: the suffix -mA- is matched together with the tense or participle that follows it; -mA alone
  (imperative, or verbal noun) and -mAm (aorist, or "my doing") are ambiguous and do not count, nor
  does -mAdAn ("without", "before").
- sw: a negative subject prefix (ha-, si-, hatu-, ...) with -ku-, -ja-, -ta- or a final -i, negative
  -si- before a subjunctive or a relative, and -to- in infinitives; Arabic loans of the same shape
  are listed as exceptions; hu- (also habitual) counts only with a tense or in frequent verbs.
- zh, th: words are the segmenter's; frequent words that begin with a negative and mean something
  else (zh 不同 "different") are exceptions.
- th, vi, hi lose the marks that distinguish some words: th ไม is "not" and "wood", vi "chua" is
  "not yet" and "lord" and "khong" also ends questions (they count); hi न and मत are "not" and parts
  of frequent other words (they do not count).
- fr: pas, jamais, rien, ... count, but not ne, which is also "only" (ne ... que); ne ... plus is
  missed.
- el: μη does not count; it is mostly the prefix "non-".
- hi, ur: XNLI contains items in Latin letters, so `nahi` is listed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import regex

from xlmkit.languages import resolve

WORDS: dict[str, str] = {
    "ar": "لا ولا فلا لم ولم فلم لن ولن فلن ليس وليس فليس اليس ليست وليست اليست ليسوا ليسا ليستا لست لسنا لسن ابدا عدم وعدم بعدم",
    "bg": "не няма нямам нямаш нямаме нямате нямат нямаше нямах нямахме нямахте нямаха нищо никои никоя никое никого никому никога никакъв никаква "
    "никакво никакви никъде никак нито недеи недеите",
    "de": "nicht nichts nie niemals niemand niemanden niemandem nirgends nirgendwo nirgendwohin kein keine keinen keinem keiner keines keinerlei keinesfalls "
    "keineswegs nein weder",
    "el": "δεν δε μην οχι ουτε μητε ποτε τιποτα τιποτε κανενας κανεναν κανενα καμια καμιας πουθενα",
    "en": "not 't n't no never nobody nothing none nowhere neither nor cannot nope dont didnt doesnt isnt cant wont",
    "es": "no nunca jamas nada nadie ningun ninguno ninguna ningunos ningunas tampoco ni",
    "fr": "pas non jamais rien aucun aucune aucunement ni nul nulle nullement guere",
    "hi": "नही नहीन ना nahi nahin",
    "ru": "не нет нету ни никогда ничего ничто ничем ничему никто никого никому никем никакои никакая никакое никакие никаких никакого никаким никакую "
    "нигде никуда никак нельзя некому нечего",
    "sw": "si sio siyo hapana wala kamwe hamna sina huna huwezi hujui hupendi hutaki huoni hupaswi hufai usijali usidhani usiwahi",
    "th": "ไม ไมได ไมม ไมใช ไมเคย ไมตอง ไมตองการ ไมคอย ไมเลย ไมอยาก ไมควร ไมสามารถ ไมไดเรอง ใชไมได เปนไปไมได อยา มได",
    "tr": "hic hicbir hicbiri hickimse asla hayır yok yoktu yoktur yokmus yoktum yoktuk yoklar",
    "ur": "نہیں نہيں نہ نا مت nahi nahin",
    "vi": "khong chua chang ko",
    "zh": "不 没 没有 沒 沒有 未 无法 無法 别 別",
}
"""Whole words; each language's are separated by spaces."""

_SUBJECT = (
    "ha(?:tu|m|wa|i|zi|ya|ki|vi|li|u|ku|pa|mu)?"  # Swahili: he, we, you, they, and the noun classes, negative
)
_OTHER_SUBJECT = "(?:ni|u|a|tu|m|wa|i|zi|li|ya|ki|vi|pa|ku)"

PATTERNS: dict[str, tuple[str, ...]] = {
    "sw": (
        f"(?:{_SUBJECT}|si|hu)(?:ku|ja|ta)[a-z]{{2,}}",  # hakuja, sijaona, hutanunua: past, perfect, future
        f"(?:{_SUBJECT}|si)[a-z]{{2,}}i",  # hapendi, siwezi: present
        f"{_SUBJECT}na",  # hana, hakuna: has not, there is not
        f"{_OTHER_SUBJECT}si(?!mam|kili|kie|kiz|sit|sim)[a-z]{{2,}}e",  # asiende: subjunctive; not stems with si- (simama, sikia)
        f"(?:{_OTHER_SUBJECT})si(?:ye|yo|o|cho|vyo|zo|lo|po|ko)[a-z]*",  # asiyejua, isiyo: relative
        "kuto(?:ku|fa|ch|e|ju|pa|ta|si|ji|mi|wa|wez|pend)[a-z]+",  # kutokuwa, kutofanya: infinitive
    ),
    "tr": (
        "degil.*",
        ".{2,}m[ıiu]yor.*",  # gelmiyor: progressive
        ".{2,}m[ae]z(?:d[ıi].*|s[ae].*|ken|l[ae]r.*|l[ıi][kg].*|s[ıi]n.*|m[ıi]s.*)?",  # gelmez: aorist
        ".{2,}m[ae]y[ıi]z",
        ".{2,}m[ae]d[ıi](?:m|n|k|n[ıi]z|l[ae]r|yd.*|ys.*|g.*|kc[ae])?",  # gelmedi, gelmedigi: past, participle
        ".{2,}m[ae]m[ıi]s.*",  # gelmemis: evidential
        ".{2,}m[ae]y[ae]c[ae][kg].*",  # gelmeyecek: future
        ".{2,}m[ae]y[ae]n.*",  # gelmeyen: participle
        ".{2,}m[ae]m[ae](?:k|kt.*|s[ıi].*|l[ıi].*|n[ıi].*|m[ıi]z.*)",  # gelmemek, gelmemesi, gelmemeli
        ".{2,}m[ae]s[ıi]n(?:l[ae]r)?",  # gelmesin: optative
    ),
    "zh": (
        "[不没沒].+",
        "未(?:曾|能|必|有|受|见|被|经|获|付)?",
        "(?:从|從|毫|并|並|决|決|绝|絕|尚|根本|从来|從來)(?:不|没|沒|未|非|无法|無法).*",
    ),
}
"""Regular expressions that a whole word must match, for the languages that negate within words."""

EXCEPTIONS: dict[str, str] = {
    "sw": "habari habasi hadharani hadhithi hadithi hafifi hakiki halaiki halali halisi halmashauri hamali hamsini handaki harakati harusi hasidi hatari "
    "hatarishi hawaii hayati hukumu hukumiwa hutaka hutakiwa hutamkwa hutazama isipokuwa siagi sikuhizi sikukuu sikuzote simulizi sisini sitaha sitawi "
    "sitini",
    "tr": "namaz",
    "zh": "不同 不同于 不过 不過 不仅 不僅 不仅仅 不断 不斷 不断扩大 不管 不管怎样 不久 不得不 不时 不時 不论 不論 不止 不少 不错 不錯 不已 不禁 不妨 不愧 不良 "
    "不良行为 不良后果 不如 不屈不挠 不知不觉 没错 沒錯 没收 没落",
}
"""Words that match a pattern and negate nothing."""


def negations(words: Iterable[str], language: str) -> tuple[str, ...]:
    """The words of a sentence that negate, in its order.

    Parameters
    ----------
    words : as `xlmkit.tokenization.split_batch` cuts them.
    language : one of the 15 codes.

    Raises
    ------
    ValueError : if `language` is not one of the 15."""
    code = resolve(language)
    return tuple(word for word in words if _negates(word, code))


@cache
def _lists(code: str) -> tuple[frozenset[str], regex.Pattern[str] | None, frozenset[str]]:
    """The words, the pattern and the exceptions of a language."""
    patterns = PATTERNS.get(code)
    compiled = regex.compile("|".join(f"(?:{pattern})" for pattern in patterns)) if patterns else None
    return frozenset(WORDS[code].split()), compiled, frozenset(EXCEPTIONS.get(code, "").split())


def _negates(word: str, code: str) -> bool:
    listed, pattern, exceptions = _lists(code)
    if word in listed:
        return True
    return pattern is not None and word not in exceptions and pattern.fullmatch(word) is not None
