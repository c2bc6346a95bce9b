"""Texts and their languages, checked, by column: premises and hypotheses, or single texts alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from xlmkit.languages import LANGUAGES, resolve

SENTENCES = ("premise", "hypothesis")


@dataclass(frozen=True)
class Columns:
    """Checked texts and the codes of their languages, each by column (premises and hypotheses, or single texts alone)."""

    texts: list[list[str]]
    codes: list[list[str]]

    @property
    def flat(self) -> tuple[list[str], list[str]]:
        """Texts and codes, column after column, as `prepare` takes them."""
        return list(chain.from_iterable(self.texts)), list(chain.from_iterable(self.codes))


def columns(
    premises: str | Sequence[str],
    hypotheses: str | Sequence[str] | None,
    languages: str | Sequence[str],
    *,
    hypothesis_languages: str | Sequence[str] | None = None,
) -> Columns:
    """What `encode` takes, checked; it raises as `encode` does."""
    texts = _columns(premises, hypotheses)
    return Columns(texts, _language_columns(texts, languages, hypothesis_languages))


def names_of(texts: Sequence[object]) -> tuple[str, ...]:
    """What errors call the sentences of these columns."""
    return SENTENCES if len(texts) == len(SENTENCES) else ("text",)


def _columns(premises: str | Sequence[str], hypotheses: str | Sequence[str] | None) -> list[list[str]]:
    """The sentences by column: premises and hypotheses, or single texts alone."""
    given = [premises] if hypotheses is None else [premises, hypotheses]
    names = names_of(given)
    texts = [
        [column] if isinstance(column, str) else _listed(name, column)
        for name, column in zip(names, given, strict=True)
    ]
    if len(texts[0]) != len(texts[-1]):
        raise ValueError(
            f"expected as many hypotheses as premises; got {len(texts[0])} premises and {len(texts[1])} hypotheses"
        )
    for name, column in zip(names, texts, strict=True):
        for row, text in enumerate(column):
            if not isinstance(text, str):
                raise TypeError(f"expected text as {name} {row}, got {text!r} of type {type(text).__name__}")
    return texts


def _listed(name: str, column: Iterable[str] | None) -> list[str]:
    if not isinstance(column, Iterable):
        raise TypeError(f"expected {name} as text or a sequence of texts, got {column!r}")
    return list(column)


def _language_columns(
    texts: list[list[str]], languages: str | Sequence[str], hypothesis_languages: str | Sequence[str] | None
) -> list[list[str]]:
    count = len(texts[0])
    columns: list[list[str]] = []
    if len(texts) == 1 and hypothesis_languages is not None:
        raise ValueError(
            f"single texts have no hypothesis; got `hypothesis_languages` {hypothesis_languages!r}; remedy: leave it out"
        )
    named = (("languages", languages), ("hypothesis_languages", hypothesis_languages))
    for name, given in named[: len(texts)]:
        if given is None and name == "hypothesis_languages":
            columns.append(columns[0])
            continue
        listed = [given] * count if isinstance(given, str) else _listed(f"`{name}`", given)
        if len(listed) != count:
            raise ValueError(
                f"`{name}` needs one code for all pairs or one a pair; got {len(listed)} for {count} pairs"
            )
        columns.append([code if code in LANGUAGES else resolve(code) for code in listed])
    return columns


def refuse_wordless(texts: list[list[str]], sizes: list[list[int]]) -> None:
    """Refuse sentences of no pieces; `sizes` by column, as the texts.

    Raises
    ------
    ValueError : if there are any; it names the first ten."""
    bare = [
        f"{name} {row} ({texts[side][row]!r})"
        for side, name in enumerate(names_of(texts))
        for row, size in enumerate(sizes[side])
        if not size
    ]
    if bare:
        raise ValueError(
            "expected at least one word in every sentence; none is left by the authors' preprocessing in "
            + ", ".join(bare[:10])
            + (f" and {len(bare) - 10} more" if len(bare) > 10 else "")
            + "; remedy: remove or mend these rows"
        )
