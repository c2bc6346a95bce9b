"""The rules of the authors' scripts, one table per language, in the order in which they are
applied.

tools/tokenize.sh (facebookresearch/XLM) sends text through the Moses scripts
replace-unicode-punctuation, normalize-punctuation, remove-non-printing-char and tokenizer
-no-escape. Their effect is written here again, oddities included, because the model was trained on
their output.

A line ends in "\\n", no pattern matches across it, and none may take quadratic time on a long line.

Not copied: the tokenizer's inner placeholder DOTMULTI, which turns into a dot where a text itself
contains that word. Classes of characters (alphabetic, unassigned) are those of the Unicode version
that `regex` knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import regex
from sacremoses.corpus import NonbreakingPrefixes

UNSPACED = ("th", "zh")  # a segmenter cuts these; the Moses tokenizer does not run on them
NBSP = "\N{NO-BREAK SPACE}"

Sources = list[tuple[int, int]]
"""The span [start, end) of the original text that each character of the lines stands for."""
NOTHING = (0, 0)  # the source of a space that a rule adds


@dataclass(frozen=True)
class Rule:
    r"""Replace every match of `pattern` by `replacement`, in which `\1` is a group.

    `literal`: the pattern is plain text. `unless`: matches for which it is true stay as they
    are."""

    pattern: str
    replacement: str
    literal: bool = False
    unless: Callable[[regex.Match[str]], bool] | None = None

    @cached_property
    def compiled(self) -> regex.Pattern[str]:
        """The pattern; `^` and `$` are a line's bounds."""
        return regex.compile(regex.escape(self.pattern) if self.literal else self.pattern, regex.MULTILINE)

    @cached_property
    def parts(self) -> tuple[int | str, ...]:
        """The replacement as group numbers and literal texts."""
        pieces = regex.split(r"\\(\d)", self.replacement)
        return tuple(int(piece) if i % 2 else piece for i, piece in enumerate(pieces) if piece)

    def apply(self, lines: str, sources: Sources | None = None) -> tuple[str, Sources | None]:
        """The lines after this rule, and the source of each of their characters where `sources` are
        given."""
        if self.literal and (sources is None or self.pattern not in lines):
            return lines.replace(self.pattern, self.replacement), sources
        if self.unless is None and sources is None:
            return self.compiled.sub(self.replacement, lines), None
        matches: list[regex.Match[str]] = []

        def replaced(match: regex.Match[str]) -> str:
            if self.unless is not None and self.unless(match):
                return match[0]
            matches.append(match)
            return match.expand(self.replacement)

        result = self.compiled.sub(replaced, lines)
        return result, sources if sources is None else self._moved(sources, matches)

    def _moved(self, sources: Sources, matches: list[regex.Match[str]]) -> Sources:
        r"""The sources after the matches were replaced: groups keep theirs, a new character has
        that of what it replaces.

        `([0-9]) (%)` to `\1\2`   "5 %" from (0,1) (1,2) (2,3)   becomes "5%" from (0,1) (2,3)
        `''` to `"`               "''"  from (0,1) (1,2)         becomes `"`  from (0,2)"""
        moved: Sources = []
        done = 0
        for match in matches:
            moved += sources[done : match.start()]
            for part in self.parts:
                if isinstance(part, int):
                    moved += sources[slice(*match.span(part))]
                else:
                    moved += [NOTHING if part.isspace() else self._replaced(sources, match)] * len(part)
            done = match.end()
        return moved + sources[done:]

    def _replaced(self, sources: Sources, match: regex.Match[str]) -> tuple[int, int]:
        """The source of everything in a match except the groups that are kept and, if possible,
        spaces."""
        kept = [match.span(part) for part in self.parts if isinstance(part, int)]
        gone = [i for i in range(*match.span()) if not any(start <= i < end for start, end in kept)]
        visible = [i for i in gone if not match.string[i].isspace()] or gone
        return sources[visible[0]][0], sources[visible[-1]][1]


def _text(old: str, new: str) -> Rule:
    return Rule(old, new, literal=True)


def _each(characters: str, new: str) -> list[Rule]:
    return [_text(character, new) for character in characters]


@cache
def table(language: str) -> tuple[Rule, ...]:
    """All rules for one language, in order."""
    rules = [*_UNICODE_PUNCTUATION, *_normalize_punctuation(language), _NON_PRINTING]
    if language not in UNSPACED:
        rules += [*_TOKENIZER, *_apostrophes(language), *_full_stops(language)]
    return tuple(rules)


# --- replace-unicode-punctuation ---
_UNICODE_PUNCTUATION = [
    *_each("，、", ","),
    Rule("[。．] *", ". "),
    *_each("”“《》」「", '"'),
    _text("１", '"'),  # so it stands in the authors' script, so the model saw it
    *_each("∶：", ":"),
    *(_text(wide, narrow) for wide, narrow in zip("０２３４５６７８９", "023456789", strict=True)),
    *(_text(wide, narrow) for wide, narrow in zip("？！；（）～％", "?!;()~%", strict=True)),
    *(_text(wide, narrow) for wide, narrow in zip("’━〈〉【】", "'-<>[]", strict=True)),
    _text("…", "..."),
]


# --- normalize-punctuation: works on bytes (ASCII digits); sees the newline as a character ---
def _normalize_punctuation(language: str) -> list[Rule]:
    one_space = Rule("  +", " ")
    return [
        _text("\r", ""),
        # Brackets: a space outside, none inside, none between a closing one and a mark.
        _text("(", " ("),
        _text(")", ") "),
        one_space,
        Rule(r"(\)) ([.!:?;,])", r"\1\2"),
        _text("( ", "("),
        _text(" )", ")"),
        # No space before these marks.
        Rule("([0-9]) (%)", r"\1\2"),
        _text(" :", ":"),
        _text(" ;", ";"),
        # Quotation marks, apostrophes and dashes become ASCII; two apostrophes become a quote.
        _text("`", "'"),
        _text("''", ' " '),
        _text("„", '"'),
        _text("–", "-"),
        _text("—", " - "),
        one_space,
        *_each("´‘‚", "'"),
        _text("''", '"'),
        # French quotation marks with their no-break spaces.
        _text(f"«{NBSP}", '"'),
        _text("«", '"'),
        _text(f"{NBSP}»{NBSP}", '" '),
        _text(f"{NBSP}»", '"'),
        _text("»", '"'),
        # Other no-break spaces.
        *(_text(NBSP + mark, mark) for mark in "%:?!;"),
        Rule(f"(nº){NBSP}", r"\1 "),
        Rule(f"{NBSP}(ºC|cm)", r" \1"),
        Rule(f"(,){NBSP}", r"\1 "),
        one_space,
        *_quotes_beside_stops(language),
        # Groups of digits.
        Rule(f"([0-9]){NBSP}([0-9])", r"\1,\2" if language in ("de", "es", "fr") else r"\1.\2"),
    ]


def _quotes_beside_stops(language: str) -> list[Rule]:
    """The rules that move characters: in English the quotation mark goes behind commas and stops,
    elsewhere before."""
    if language == "en":
        return [Rule(r'(")([,.]+)', r"\2\1")]
    # The stop stays before "<". What follows the mark is consumed: no second match starts there;
    # and \G, the last match's end, allows a run of stops whose first was consumed that way.
    return [
        Rule('(,)(")', r"\2\1"),
        Rule(r'(?:\G|(?<!\.))(\.++)(")([ \t\f\v]*[^<\n]|(?=\n))', r"\2\1\3"),
    ]


# --- remove-non-printing-char: characters of category C become spaces ---
_NON_PRINTING = Rule(r"[^\P{C}\n]", " ")


# --- tokenizer -no-escape ---
_TOKENIZER = [
    Rule(r"[^\S\n]+", " "),
    Rule("^ | $", ""),
    # Every other character is a token. Alphanumeric means Alphabetic or a decimal digit,
    # so a virama or nukta splits a word.
    Rule(r"([^\p{Alphabetic}\p{Nd}\s.',\-])", r" \1 "),
    # Runs of dots stay together.
    Rule(r"(\.\.+)", r" \1 "),
    # A comma stays between numbers. At a line's start nothing precedes it, so ",5" stays whole.
    Rule(r"([^\p{N}\n]),", r"\1 , "),
    Rule(r",([^\p{N}\n])", r" , \1"),
    Rule(r"(\p{N}),$", r"\1 ,"),
]


def _apostrophes(language: str) -> list[Rule]:
    """The apostrophe goes with what follows in English (it 's), with what precedes in French (l'
    eau), alone elsewhere.

    In English and French one at a line's start or end has only one neighbour, and stays where it
    is."""
    letter, number, other = r"(\p{Alphabetic})", r"(\p{N})", r"([^\p{Alphabetic}\n])"
    if language == "en":
        return [
            Rule(f"{other}'{other}", r"\1 ' \2"),
            Rule(rf"([^\p{{Alphabetic}}\p{{N}}\n])'{letter}", r"\1 ' \2"),
            Rule(f"{letter}'{other}", r"\1 ' \2"),
            Rule(f"{letter}'{letter}", r"\1 '\2"),
            Rule(f"{number}'(s)", r"\1 '\2"),  # 1990's
        ]
    if language == "fr":
        return [
            Rule(f"{other}'{other}", r"\1 ' \2"),
            Rule(f"{other}'{letter}", r"\1 ' \2"),
            Rule(f"{letter}'{other}", r"\1 ' \2"),
            Rule(f"{letter}'{letter}", r"\1' \2"),
        ]
    return [_text("'", " ' ")]


def _full_stops(language: str) -> list[Rule]:
    """Separate a word's final stop: always at the line's end, before the next word unless it
    belongs to an abbreviation."""
    return [
        Rule(r"([^ \n.])\.(?= *$)", r"\1 ."),
        Rule(r"([^ \n.])\.(?= +([^ \n\p{Lowercase}]))", r"\1 .", unless=_abbreviates(language)),
        Rule(r"\.'(?= *$)", " . '"),
    ]


def _abbreviates(language: str) -> Callable[[regex.Match[str]], bool]:
    always, before_digit = prefixes(language)
    alphabetic = regex.compile(r"\p{Alphabetic}")

    def abbreviates(match: regex.Match[str]) -> bool:
        lines, stop = match.string, match.end() - 1
        word = lines[lines.rfind(" ", 0, stop) + 1 : stop].rpartition("\n")[2]
        if word in always or ("." in word and alphabetic.search(word)):
            return True
        return word in before_digit and match[2] in "0123456789"

    return abbreviates


# Moses reads the English list for every other language.
_WITH_A_LIST = ("de", "el", "en", "es", "fr", "hi", "ru")

# Entries with a trailing space in Moses' list, which never match; sacremoses strips them.
_NEVER_MATCHING = {"es": {"Fil", "gr", "pÃ¡g"}}


@cache
def prefixes(language: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words whose stop does not end a sentence: always, and only before a digit. Moses' lists,
    from sacremoses."""
    code = language if language in _WITH_A_LIST else "en"
    entries = set(NonbreakingPrefixes().words(code)) - _NEVER_MATCHING.get(code, set())
    numeric = {entry for entry in entries if entry.endswith("#NUMERIC_ONLY#")}
    return frozenset(entries - numeric), frozenset(entry.split()[0] for entry in numeric)
