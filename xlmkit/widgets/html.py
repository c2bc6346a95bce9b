"""HTML of the explorers: probabilities, words to click, items, and what the model answers; strings
in, strings out.

Every text is escaped and has its own language and direction. Right and wrong are told by a sign and
a word, never by colour alone. The look is `widgets.css`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from xlmkit.encoding import SENTENCES
from xlmkit.explanation import Explanation
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import is_missing
from xlmkit.render import escaped, plain, quoted
from xlmkit.render.cards import account, banners, method_name, scale_of
from xlmkit.render.words import direction, language_name, largest, sentences, written
from xlmkit.widgets.state import NONE, RIGHT, Answer, PairState, Session, Step

Row = Mapping[Any, Any]  # one row of a frame of predictions, by the names of its columns
ENGLISH = {"premise": "english_premise", "hypothesis": "english_hypothesis", "text": "english_text"}
SHORT = 60  # characters of a text in a list to choose from


# Probabilities


def bars(
    now: Mapping[str, float], before: Mapping[str, float] | None = None, *, gold: str | None = None
) -> str:
    """A table with a bar and a number for each label.

    Parameters
    ----------
    now, before : label -> probability in [0, 1]; `before` adds the former values and the change in
        points.
    gold : the right label, if it is known."""
    best = max(now, key=now.__getitem__)
    head = "<th>label</th><th>probability</th><th></th>"
    head += "<th>before</th><th>change</th>" if before else ""
    rows = ""
    for label, value in now.items():
        mark = ("▶ " if label == best else "") + escaped(label) + (" (gold)" if label == gold else "")
        track, change = f'<span class="xk-bar" style="width:{100 * value:.1f}%"></span>', ""
        if before:
            track += f'<span class="xk-bar xk-before" style="width:{100 * before[label]:.1f}%"></span>'
            points = round(100 * (value - before[label]))
            sign = "+" if points > 0 else "−" if points < 0 else "±"
            change = f'<td class="xk-number">{percent(before[label])}</td><td class="xk-number">{sign}{abs(points)} points</td>'
        rows += (
            f'<tr{" class=xk-best" if label == best else ""}><th scope="row">{mark}</th><td class="xk-track" '
            f'aria-hidden="true">{track}</td><td class="xk-number">{percent(value)}</td>{change}</tr>'
        )
    return (
        f'<table class="xk-bars" lang="en" dir="ltr"><caption class="xk-sr">{escaped(in_words(now, before))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def in_words(now: Mapping[str, float], before: Mapping[str, float] | None = None) -> str:
    """The most probable label for a screen reader: "neutral, 52 %; before: entailment, 71 %"."""
    best = max(now, key=now.__getitem__)
    return f"{best}, {percent(now[best])}" + (f"; before: {in_words(before)}" if before else "")


def percent(probability: Any) -> str:
    """A probability in [0, 1] as "52 %"; "99.7 %" near the ends; nothing where it is missing."""
    if is_missing(probability):
        return ""
    return f"{100 * probability:.{0 if 0.005 <= probability <= 0.994 else 1}f} %"


# Items: rows of predictions


def sides(row: Row) -> list[tuple[str, str]]:
    """(column, language) of each sentence of a row: premise and hypothesis, or a single text."""
    columns = SENTENCES if "hypothesis" in row else ("text",)
    return [(column, str(row.get(f"{column}_language") or row["language"])) for column in columns]


def language_names(row: Row) -> str:
    """The language of a row by its name, or both of a pair in two languages."""
    return " and ".join(dict.fromkeys(language_name(code) for _, code in sides(row)))


def paragraph(text: str, code: str) -> str:
    """One text in its language and direction, with the fonts of `xlmkit.render`."""
    return f'<p class="xk-text" lang="{quoted(code)}" dir="{direction(code)}">{escaped(text)}</p>'


def paragraphs(row: Row) -> list[str]:
    """Each sentence of a row as a `paragraph`."""
    return [paragraph(str(row[column]), code) for column, code in sides(row)]


def verdict(row: Row) -> str:
    """Right or wrong by sign and word, with the gold label where it is wrong; nothing without
    gold."""
    gold = row.get("gold")
    if is_missing(gold):
        return ""
    if gold == row["prediction"]:
        return '<span class="xk-right">✓ right</span>'
    return f'<span class="xk-wrong">✗ wrong</span>, gold: {escaped(gold)}'


def english_texts(row: Row, heading: str = "") -> str:
    """The English originals of a row in another language; nothing for English, or where they are
    not known."""
    texts = [row.get(ENGLISH[column]) for column, _ in sides(row)]
    if all(code == "en" for _, code in sides(row)) or all(map(is_missing, texts)):
        return ""
    shown = "".join(f'<p lang="en" dir="ltr">{escaped(text)}</p>' for text in texts if not is_missing(text))
    return f'<div class="xk-english-text">{heading}{shown}</div>'


def item(row: Row, *, value: str = "", opened: bool = False, note: tuple[str, str] = ("", "")) -> str:
    """One row as a list item: what the model says, the texts, their English originals, the reader's
    note.

    Parameters
    ----------
    value : what a click on its button sends; "" leaves the button out.
    opened : whether it is the open one.
    note : tag and comment."""
    texts = "".join(
        f'<div><span class="xk-part">{column}</span>{text}</div>'
        for (column, _), text in zip(sides(row), paragraphs(row), strict=True)
    )
    button = noted = ""
    if value:
        button = (
            f'<br><button type="button" class="xk-button xk-only-live" data-xk="{quoted(value)}" '
            f'aria-pressed="{str(opened).lower()}" aria-label="open item {quoted(row["pair_id"])}">'
            f"{'▶ open' if opened else 'open'}</button>"
        )
    if any(note):
        noted = f'<div class="xk-note"><b><bdi>{escaped(note[0])}</bdi></b> <span dir="auto">{escaped(note[1])}</span></div>'
    heading = '<span class="xk-part">English original</span>'
    lines = [
        f"<b>{escaped(language_names(row))}</b>",
        f"{escaped(row['prediction'])} {percent(row.get('confidence'))}" if "prediction" in row else "",
        verdict(row) if "prediction" in row else "",
    ]
    return (
        f'<li class="xk-item{" xk-open" if opened else ""}"><div class="xk-prediction">{"<br>".join(filter(None, lines))}<br>'
        f'<span class="xk-part">{escaped(row["pair_id"])}</span>{button}</div>'
        f'<div class="xk-both">{texts}</div>{english_texts(row, heading)}{noted}</li>'
    )


def items(listed: str) -> str:
    """Items as a list."""
    return f'<div class="xk xk-wide" lang="en" dir="ltr"><ul class="xk-items">{listed}</ul></div>'


def item_options(frame: pd.DataFrame) -> list[tuple[str, Any]]:
    """(name, item) of each item in a frame with English originals: its id and the beginning of its
    first text."""
    options = []
    for row in frame.drop_duplicates("item").to_dict("records"):
        column = "premise" if "premise" in row else "text"
        text = row[column] if is_missing(row.get(ENGLISH[column])) else row[ENGLISH[column]]
        name = " ".join(f"{row['item']}: {text}".split())
        options.append((plain(name if len(name) <= SHORT else name[: SHORT - 1].rstrip() + "…"), row["item"]))
    return options


# One pair: words to click, and the answer now and before


def word_buttons(
    explanation: Explanation,
    *,
    masked: Collection[int] = (),
    chosen: int | None = None,
    scale: float | None = None,
) -> str:
    """Both sentences, each in its language and direction; each word a button that tells its score.

    Parameters
    ----------
    masked : words (places in `Explanation.words`) that the model did not see; they are struck
        through.
    chosen : the word that is being edited; it gets a frame.
    scale : the score at the end of the colour scale; None takes the largest.

    Returns
    -------
    HTML in which each word's `data-xk` is "word:" and its place; of several words with one span,
    the first."""
    scale = largest(explanation) if scale is None else scale
    texts = (explanation.premise, explanation.hypothesis or "")

    def attributes(words: tuple[int, ...]) -> str:
        spans = [explanation.words[word] for word in words]
        text = texts[spans[0].sentence]
        # What a reader hears is the text as it was written; where nothing is written there, the
        # model's word.
        name = text[min(span.start for span in spans) : max(span.end for span in spans)].strip()
        name = name or " ".join(span.text for span in spans)
        score = written(explanation, float(sum(explanation.word_scores[word] for word in words)))
        hidden = any(word in masked for word in words)
        label = f"{name}, {score}{', masked' if hidden else ''}"
        return (
            f'{"data-masked=true " if hidden else ""}data-xk="word:{words[0]}" role="button" '
            f'aria-pressed="{str(chosen in words).lower()}" aria-label="{quoted(label)}"'
        )

    drawn = sentences(explanation, scale, attributes=attributes)
    return f'<div class="xk xk-words" lang="en" dir="ltr">{drawn}</div>'


def answer_html(answer: Answer, before: Answer | None, *, chosen: int | None = None) -> str:
    """Probabilities and words, now and before; one colour scale where the two can be compared.

    Parameters
    ----------
    chosen : the word that is being edited."""
    now = answer.explanation
    scale, columns = largest(now), ""
    if before is not None:
        then = before.explanation
        comparable = (then.method, then.target, then.unit) == (now.method, now.target, now.unit)
        scale = max(scale, largest(then)) if comparable else scale
        words = _column("Before", before, scale if comparable else largest(then))
        columns = f"<section>{without_buttons(words)}</section>"  # they cannot be edited
    hint = '<div class="xk-why xk-only-live">Click a word to drop, mask or replace it.</div>'
    columns += f"<section>{_column('Now', answer, scale, chosen)}{hint}</section>"
    shown = bars(answer.probabilities, None if before is None else before.probabilities)
    return (
        f'<div class="xk xk-answer" lang="en" dir="ltr">{shown}<div class="xk-columns">{columns}</div>'
        f"{banners(now)}{scale_of(now, scale)}{account(now)}</div>"
    )


def _column(title: str, answer: Answer, scale: float, chosen: int | None = None) -> str:
    explanation, state = answer.explanation, answer.question.state
    label = f"{escaped(explanation.prediction)} {percent(answer.probabilities[explanation.prediction])}"
    coming = "" if answer.final else "; the chosen method is still computing"
    words = word_buttons(
        explanation, masked=state.masked_words(explanation.words), chosen=chosen, scale=scale
    )
    return (
        f'<h4>{title}: {label} <span class="xk-ids">({escaped(ids_in_words(state))})</span></h4>'
        f'<div class="xk-why">explained: {escaped(explanation.target)}, by {escaped(method_name(explanation))}{coming}</div>{words}'
    )


def ids_in_words(state: PairState) -> str:
    """The language ids: "language ids: Hindi and English", "language id: Arabic for both", "no
    language id"."""
    if state.language_id == NONE:
        return "no language id"
    if state.language_id != RIGHT:
        return f"language id: {LANGUAGES[state.language_id].name} for both"
    names = dict.fromkeys(LANGUAGES[code].name for code in state.languages)
    return f"language ids of the texts: {' and '.join(names)}"


def steps_html(session: Session) -> str:
    """The session as a table; each step can be chosen, and the present one is marked."""
    rows = "".join(
        _step(number, step, number == session.position) for number, step in enumerate(session.steps)
    )
    count = f"{len(session.steps)} step{'s' if len(session.steps) > 1 else ''}"
    return (
        f'<details lang="en" dir="ltr" open><summary>Session: {count}</summary><table class="xk-steps"><thead><tr>'
        f"<th>step</th><th>change</th><th>prediction</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _step(number: int, step: Step, current: bool) -> str:
    best = max(step.probabilities, key=step.probabilities.__getitem__, default=None)
    shown = "not computed" if best is None else f"{escaped(best)} {percent(step.probabilities[best])}"
    return (
        f'<tr{" class=xk-current" if current else ""}><th scope="row"><span data-xk="step:{number}" role="button" '
        f'aria-label="go to step {number}">{"▶ " if current else ""}{number}</span></th>'
        f"<td><bdi>{escaped(step.change)}</bdi></td><td>{shown}</td></tr>"
    )


# Pictures


def without_buttons(html: str) -> str:
    """The fragment for a picture, in which nothing can be clicked.

    Escaped text has neither quotes nor angle brackets, so only markup is replaced."""
    #   <button type="button" class="xk-cell" data-xk="0:1" aria-label="2 rows">2</button>   is now
    #   <span class="xk-cell">2</span>
    #   <button class="xk-button xk-only-live" ...>open</button>                             is gone
    kept = re.sub(r'<(div|button)[^>]* class="[^"]*\bxk-only-live\b[^>]*>[^<]*</\1>', "", html)
    attributes = r' (?:(?:type|role|data-xk|aria-[a-z]+)="[^"]*"|class="xk-button")'
    kept = re.sub(r'<\w+[^>]* data-xk="[^>]*>', lambda tag: re.sub(attributes, "", tag[0]), kept)
    return re.sub(r"(</?)button\b", r"\1span", kept)
