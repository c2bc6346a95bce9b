"""Answered: an explorer's answer as HTML: probabilities, words, and the same before the last change beside it."""

from __future__ import annotations

import pandas as pd

from xlmkit.encoding import SENTENCES
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import is_missing
from xlmkit.render import escaped, quoted
from xlmkit.render.cards import account, banners, method_name, scale_of
from xlmkit.render.words import direction, largest
from xlmkit.widgets.bars import bars, percent
from xlmkit.widgets.session import Answer, Session, Step
from xlmkit.widgets.situation import NONE, RIGHT, Situation
from xlmkit.widgets.strip import strip
from xlmkit.widgets.suggestion import suggested

ANSWER_STYLE = (
    ".xk.xk-answer{border:0;padding:0;margin:4px 0;max-width:76em}.xk-beside-each{display:flex;flex-wrap:wrap;gap:0 16px;align-items:flex-start}"
    ".xk-beside-each>section{flex:1 1 24em;min-width:0}.xk-beside-each h4{margin:8px 0 0;font-size:.95em}"
    ".xk-beside-each .xk-strip{margin:4px 0;max-width:none}.xk-id-said{font-weight:400}"
    ".xk-steps{border-collapse:collapse;border:0;font-size:.88em;table-layout:auto}.xk-steps tr{background:none!important}"
    ".xk-steps th,.xk-steps td{padding:2px 14px 2px 0;text-align:start;font-weight:400;max-width:none;vertical-align:top}"
    ".xk-steps tr.xk-here>*{font-weight:700}.xk-steps bdi{white-space:pre-wrap;overflow-wrap:anywhere}"
)


def answered(answer: Answer, before: Answer | None, *, chosen: int | None = None, still: bool = False) -> str:
    """Bars, the words now, and where there is a `before` the words then; one colour scale where the two can be compared.

    Parameters
    ----------
    chosen : the word that is being worked on.
    still : without buttons, for a picture."""
    own, scale = answer.explanation, largest(answer.explanation)
    then = None if before is None else before.explanation
    if then is not None and (then.method, then.target, then.unit) == (own.method, own.target, own.unit):
        scale = max(scale, largest(then))
    columns = _column("Now", answer, scale, chosen, still)
    if before is not None and then is not None:
        shared = scale if then.method == own.method and then.target == own.target else largest(then)
        columns = _column("Before", before, shared, None, True) + columns
    shown = bars(answer.probabilities, None if before is None else before.probabilities)
    return (
        f'<div class="xk xk-answer" lang="en" dir="ltr">{shown}<div class="xk-beside-each">{columns}</div>'
        f"{banners(own)}{scale_of(own, scale)}{account(own)}</div>"
    )


def told(situation: Situation) -> str:
    """The language ids in words: "ids: Hindi and English", "ids: all Arabic", "no language id"."""
    if situation.language_id == NONE:
        return "no language id"
    if situation.language_id != RIGHT:
        return f"ids: all {LANGUAGES[situation.language_id].name}"
    names = list(dict.fromkeys(LANGUAGES[code].name for code in situation.languages))
    return f"ids: {' and '.join(names)}, as the texts"


def original(english: tuple[str, str], begun: bool) -> str:
    """The English original of the item that the pair was taken from; `begun` where the pair has been changed since."""
    premise, hypothesis = (escaped(text) for text in english)
    what = "English original of the item this began with" if begun else "English original"
    return f'<p class="xk-original" lang="en" dir="ltr"><b>{what}:</b> {premise} <b>/</b> {hypothesis}</p>'


def proposal(sentence: str, now: Situation) -> str:
    """What the letters of a sentence say against its language, with a button for each that they speak for."""
    place = SENTENCES.index(sentence)
    codes = suggested(now.texts[place], now.languages[place])
    if not codes:
        return ""
    buttons = " ".join(
        f'<button type="button" class="xk-button" data-xk="{sentence}:{code}">It is {LANGUAGES[code].name}</button>'
        for code in codes
    )
    chosen, likely = (
        LANGUAGES[now.languages[place]].name,
        " or ".join(LANGUAGES[code].name for code in codes),
    )
    return f'<div class="xk-notice">The {sentence} is read as {chosen}, but its letters look like {likely}. {buttons}</div>'


def steps(session: Session) -> str:
    """The session as a table of which each step can be chosen; the one that is shown is marked."""
    rows = "".join(
        _step(number, step, number == session.position) for number, step in enumerate(session.steps)
    )
    return (
        f'<details lang="en" dir="ltr" open><summary>What was tried: {len(session.steps)} step{"s" if len(session.steps) > 1 else ""}</summary>'
        f'<table class="xk-steps"><thead><tr><th>step</th><th>change</th><th>label</th></tr></thead><tbody>{rows}</tbody></table></details>'
    )


def pair(situation: Situation) -> str:
    """Both texts, each in its language and direction, for a picture of which nothing is computed yet."""
    return "".join(
        f'<p class="xk-text" lang="{quoted(code)}" dir="{direction(code)}">{escaped(text)}</p>'
        for text, code in zip(situation.texts, situation.languages, strict=True)
    )


def originals(pairs: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """pair_id -> the English texts of its item, where the frame has them, in columns of their own or as the item in English."""
    found: dict[str, tuple[str, str]] = {}
    english = {}
    if {"item", "language"} <= set(pairs):
        own = pairs[pairs["language"] == "en"]
        english = dict(zip(own["item"], zip(own["premise"], own["hypothesis"], strict=True), strict=True))
    for row in pairs.to_dict("records"):
        texts = (row.get("english_premise"), row.get("english_hypothesis"))
        if any(is_missing(text) for text in texts):
            texts = english.get(row.get("item"), (None, None))
        if not any(is_missing(text) for text in texts):
            found[str(row["pair_id"])] = (str(texts[0]), str(texts[1]))
    return found


def _column(title: str, answer: Answer, scale: float, chosen: int | None, still: bool) -> str:
    own, situation = answer.explanation, answer.question.situation
    label = f"{escaped(own.prediction)} {percent(answer.probabilities[own.prediction])}"
    coming = "" if answer.final else "; the chosen method is on its way"
    why = f"explained: {escaped(own.target)}, by {escaped(method_name(own))}{coming}"
    hint = "" if still else '<div class="xk-why">Click a word to drop, mask or replace it.</div>'
    words = strip(own, masked=situation.hidden(own.words), chosen=chosen, scale=scale, still=still)
    return (
        f'<section><h4>{title}: {label} <span class="xk-id-said">({escaped(told(situation))})</span></h4>'
        f'<div class="xk-why">{why}</div>{words}{hint}</section>'
    )


def _step(number: int, step: Step, here: bool) -> str:
    said = "not computed"
    if step.probabilities:
        best = max(step.probabilities, key=lambda label: step.probabilities[label])
        said = f"{escaped(best)} {percent(step.probabilities[best])}"
    mark = "▶ " if here else ""
    return (
        f'<tr{" class=xk-here" if here else ""}><th scope="row"><span data-xk="step:{number}" role="button" '
        f'aria-label="go to step {number}">{mark}{number}</span></th><td><bdi>{escaped(step.change)}</bdi></td><td>{said}</td></tr>'
    )
