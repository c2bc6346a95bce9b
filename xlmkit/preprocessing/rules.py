"""The rules of the authors' scripts, as one table in the order in which they act.

Two readers apply the table: `xlmkit.preprocessing.split_batch` to many lines at once, `xlmkit.preprocessing.tracked`
to one text while it remembers where each character came from. Both see the same patterns, so both give the same words.

The behaviour is that of tools/tokenize.sh and lowercase_and_remove_accent.py (facebookresearch/XLM) over the Moses
scripts replace-unicode-punctuation, normalize-punctuation, remove-non-printing-char and tokenizer -no-escape; the rules
are written anew. A line ends in "\\n", and no pattern may match across it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import regex
from sacremoses.corpus import NonbreakingPrefixes

NBSP = "\N{NO-BREAK SPACE}"
UNSPACED = ("th", "zh")  # languages written without spaces: a segmenter cuts them, the tokeniser does not run

# What the tokeniser means by its classes (Perl's POSIX-like properties). A virama or nukta is neither: it splits a word.
_ALNUM = r"\p{Alphabetic}\p{Nd}"
_ALPHA = r"\p{Alphabetic}"


@dataclass(frozen=True)
class Rule:
    r"""Replace every match of `pattern` by `replacement` (`\1` is a group).

    `literal`: the pattern means itself. `unless` leaves a match alone if it returns true. `moves`: groups 1 and 2 change
    places."""

    pattern: str
    replacement: str
    literal: bool = False
    unless: Callable[[regex.Match[str]], bool] | None = None
    moves: bool = False

    @cached_property
    def compiled(self) -> regex.Pattern[str]:
        return regex.compile(regex.escape(self.pattern) if self.literal else self.pattern, regex.MULTILINE)

    @cached_property
    def parts(self) -> tuple[int | str, ...]:
        """The replacement as a sequence of group numbers and literal texts."""
        pieces = regex.split(r"\\(\d)", self.replacement)
        return tuple(int(p) if i % 2 else p for i, p in enumerate(pieces) if p)

    def apply(self, lines: str) -> str:
        if self.literal:
            return lines.replace(self.pattern, self.replacement)
        if self.unless is None:
            return self.compiled.sub(self.replacement, lines)
        unless = self.unless
        return self.compiled.sub(lambda m: m[0] if unless(m) else m.expand(self.replacement), lines)


def _same(text: str, replacement: str) -> Rule:
    return Rule(text, replacement, literal=True)


def _each(characters: str, replacement: str) -> list[Rule]:
    return [_same(character, replacement) for character in characters]


# replace-unicode-punctuation. The full-width digit one becomes a quotation mark: so it stands in the authors' script,
# and so the model saw it.
_UNICODE_PUNCTUATION = [
    *_each("，、", ","),
    Rule(r"[。．] *", ". "),
    *_each("”“《》」「１", '"'),
    *_each("∶：", ":"),
    _same("？", "?"),
    _same("！", "!"),
    _same("；", ";"),
    _same("（", "("),
    _same("）", ")"),
    *(_same(wide, narrow) for wide, narrow in zip("０２３４５６７８９", "023456789", strict=True)),
    _same("～", "~"),
    _same("’", "'"),
    _same("…", "..."),
    _same("━", "-"),
    _same("〈", "<"),
    _same("〉", ">"),
    _same("【", "["),
    _same("】", "]"),
    _same("％", "%"),
]

_ONE_SPACE = Rule("  +", " ")


def _normalize_punctuation(language: str) -> list[Rule]:
    """normalize-punctuation: works on bytes, so its digits and letters are ASCII; sees the line's end as a character."""
    thousands = "," if language in ("de", "es", "fr") else "."
    if language == "en":
        quotes = [Rule(r'(")([,.]+)', r"\2\1", moves=True)]  # "word", -> "word,"
    else:
        quotes = [
            Rule(r'(,)(")', r"\2\1", moves=True),
            # Not before "<". What follows the quote is consumed, so that a stop right after it starts no second match.
            Rule(r'(\.+)(")([ \t\f\v]*[^<\n]|(?=\n))', r"\2\1\3", moves=True),
        ]
    return [
        _same("\r", ""),
        _same("(", " ("),
        _same(")", ") "),
        _ONE_SPACE,
        Rule(r"(\)) ([.!:?;,])", r"\1\2"),
        _same("( ", "("),
        _same(" )", ")"),
        Rule(r"([0-9]) (%)", r"\1\2"),
        _same(" :", ":"),
        _same(" ;", ";"),
        _same("`", "'"),
        _same("''", ' " '),
        _same("„", '"'),
        _same("–", "-"),
        _same("—", " - "),
        _ONE_SPACE,
        *_each("´‘‚", "'"),
        _same("''", '"'),
        _same(f"{NBSP}«{NBSP}", ' "'),
        _same(f"«{NBSP}", '"'),
        _same("«", '"'),
        _same(f"{NBSP}»{NBSP}", '" '),
        _same(f"{NBSP}»", '"'),
        _same("»", '"'),
        *(_same(NBSP + mark, mark) for mark in "%:?!;"),
        Rule(f"(nº){NBSP}", r"\1 "),
        Rule(f"{NBSP}(ºC)", r" \1"),
        Rule(f"{NBSP}(cm)", r" \1"),
        Rule(f"(,){NBSP}", r"\1 "),
        _ONE_SPACE,
        *quotes,
        Rule(f"([0-9]){NBSP}([0-9])", rf"\1{thousands}\2"),
    ]


# remove-non-printing-char: a space for each character of category C (control, format, surrogate, private, unassigned).
_CONTROLS = Rule(r"[^\P{C}\n]", " ")


def _apostrophes(language: str) -> list[Rule]:
    """Contractions: the apostrophe goes right in English (it 's), left in French (l' eau), alone elsewhere."""
    other, letter = rf"([^{_ALPHA}\n])", rf"([{_ALPHA}])"
    if language == "en":
        return [
            Rule(f"{other}'{other}", r"\1 ' \2"),
            Rule(rf"([^{_ALPHA}\p{{N}}\n])'{letter}", r"\1 ' \2"),
            Rule(f"{letter}'{other}", r"\1 ' \2"),
            Rule(f"{letter}'{letter}", r"\1 '\2"),
            Rule(r"(\p{N})'(s)", r"\1 '\2"),
        ]
    if language == "fr":
        return [
            Rule(f"{other}'{other}", r"\1 ' \2"),
            Rule(f"{other}'{letter}", r"\1 ' \2"),
            Rule(f"{letter}'{other}", r"\1 ' \2"),
            Rule(f"{letter}'{letter}", r"\1' \2"),
        ]
    return [_same("'", " ' ")]


def _tokenizer(language: str) -> list[Rule]:
    """tokenizer -no-escape: separate what is no word; commas and stops by their neighbours."""
    return [
        Rule(r"[^\S\n]+", " "),
        Rule(r"(^ +| +$)", ""),
        Rule(rf"([^{_ALNUM}\s.',\-])", r" \1 "),
        Rule(r"(\.\.+)", r" \1 "),
        Rule(r"([^\p{N}\n]),", r"\1 , "),
        Rule(r",([^\p{N}\n])", r" , \1"),
        Rule(r"(\p{N}),$", r"\1 ,"),
        *_apostrophes(language),
        Rule(r"([^ \n.])\.(?= *$)", r"\1 ."),
        Rule(r"([^ \n.])\.(?= +[^ \n\p{Lowercase}])", r"\1 .", unless=_abbreviation(language)),
        Rule(r"\.'(?= *$)", " . '"),
    ]


def _abbreviation(language: str) -> Callable[[regex.Match[str]], bool]:
    """Whether the stop that a match is about belongs to its word."""
    always, before_digit = prefixes(language)

    def belongs(match: regex.Match[str]) -> bool:
        text, stop = match.string, match.end() - 1
        start = max(text.rfind(" ", 0, stop), text.rfind("\n", 0, stop)) + 1
        word = text[start:stop]
        if word in always or ("." in word and regex.search(r"\p{Alphabetic}", word)):
            return True
        return word in before_digit and text[stop:].lstrip(" ")[0] in "0123456789"

    return belongs


# Two Spanish entries end in a space in Moses' list, so they never match there; sacremoses strips them.
_NEVER_MATCHING = {"es": {"Fil", "gr"}}
_LISTED = ("de", "el", "en", "es", "fr", "hi", "ru")  # the others have no list and use the English one


@lru_cache
def prefixes(language: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words after which a stop does not end a sentence: always, and only before a digit."""
    code = language if language in _LISTED else "en"
    lines = list(NonbreakingPrefixes().words(code))
    numeric = {line.split()[0] for line in lines if line.endswith("#NUMERIC_ONLY#")}
    always = {line for line in lines if not line.endswith("#NUMERIC_ONLY#")}
    return frozenset(always - _NEVER_MATCHING.get(code, set())), frozenset(numeric)


@lru_cache
def table(language: str) -> tuple[Rule, ...]:
    """The rules for one language, in order."""
    rules = [*_UNICODE_PUNCTUATION, *_normalize_punctuation(language), _CONTROLS]
    return tuple(rules if language in UNSPACED else [*rules, *_tokenizer(language)])
