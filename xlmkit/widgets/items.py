"""Items: rows of predictions as HTML, each text in its own language and direction with its English original beside it.

What is right or wrong is said by a sign and a word, never by colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlmkit.languages import LANGUAGES
from xlmkit.pairs import is_missing
from xlmkit.render import escaped, quoted
from xlmkit.widgets.bars import percent
from xlmkit.widgets.choosing import ENGLISH

ITEM_STYLE = (
    ".xk-item{border-top:1px solid rgba(128,128,128,.35);padding:6px 0;display:flex;flex-wrap:wrap;gap:4px 18px;align-items:flex-start}"
    ".xk-item .xk-says{flex:0 0 13em;font-size:.87em;line-height:1.45}.xk-item .xk-both{flex:3 1 22em;min-width:0}"
    ".xk-item .xk-beside{flex:2 1 14em;min-width:0;font-size:.85em;opacity:.85}"
    ".xk-item p.xk-text{margin:0;font-size:1.05em;line-height:1.7;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".xk-item .xk-beside p{margin:0;line-height:1.6;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    ".xk-item .xk-note{flex-basis:100%;font-size:.85em;border-inline-start:3px solid currentColor;padding-inline-start:8px;white-space:pre-wrap}"
    ".xk-items>.xk-item:first-child{border-top:0}"
    ".xk-items.xk-items{list-style:none;margin:0;padding:0}.xk-open{border-inline-start:4px solid rgb(0,114,178);padding-inline-start:8px}"
    ".xk-wrong{font-weight:700}.xk-part{font-size:.78em;opacity:.75;overflow-wrap:anywhere}"
    ".xk-button{font:inherit;color:inherit;background:transparent;border:1px solid rgba(128,128,128,.8);border-radius:4px;padding:1px 8px;cursor:pointer;white-space:nowrap}"
    ".xk-button:is([aria-pressed=true],[aria-expanded=true]){border-width:2px;font-weight:700}"
)


def item(
    row: Mapping[str, Any], *, value: str = "", chosen: bool = False, note: tuple[str, str] = ("", "")
) -> str:
    """One row as an HTML list item: what the model says, the texts, their English originals, the reader's note.

    Parameters
    ----------
    row : of a frame from `choosing.predictions`.
    value : what a click on its button sends; "" gives it none.
    chosen : whether it is the one that is open.
    note : tag and comment."""
    said = "".join(
        f'<div><span class="xk-part">{name}</span>{text}</div>'
        for (name, _), text in zip(sides(row), plain_texts(row), strict=True)
    )
    button = ""
    if value:
        button = (
            f'<br><button type="button" class="xk-button" data-xk="{quoted(value)}" aria-pressed="{str(chosen).lower()}" '
            f'aria-label="open item {quoted(row["pair_id"])}">{"▶ open" if chosen else "open"}</button>'
        )
    tag, comment = note
    noted = (
        f'<div class="xk-note"><b><bdi>{escaped(tag)}</bdi></b> <span dir="auto">{escaped(comment)}</span></div>'
        if tag or comment
        else ""
    )
    return (
        f'<li class="xk-item{" xk-open" if chosen else ""}"><div class="xk-says">{says(row)}<br>'
        f'<span class="xk-part">{escaped(row["pair_id"])}</span>{button}</div>'
        f'<div class="xk-both">{said}</div>{original(row)}{noted}</li>'
    )


def says(row: Mapping[str, Any]) -> str:
    """Language, prediction, confidence, and whether it is right."""
    lines = [
        f"<b>{escaped(spoken(row))}</b>",
        f"{escaped(row['prediction'])} {sure(row.get('confidence'))}".strip(),
    ]
    outcome = verdict(row)
    if outcome:
        lines.append(outcome)
    return "<br>".join(lines)


def verdict(row: Mapping[str, Any]) -> str:
    """Right or wrong by sign and word, with the gold label where it is wrong; nothing where there is no gold."""
    gold = row.get("gold")
    if is_missing(gold):
        return ""
    if gold == row["prediction"]:
        return '<span class="xk-right">✓ right</span>'
    return f'<span class="xk-wrong">✗ wrong</span>, gold: {escaped(gold)}'


def spoken(row: Mapping[str, Any]) -> str:
    """The language by its name, or both of a mixed pair."""
    codes = dict.fromkeys(code for _, code in sides(row))
    return " and ".join(LANGUAGES[code].name if code in LANGUAGES else code for code in codes)


def plain_texts(row: Mapping[str, Any]) -> list[str]:
    """Each sentence as a paragraph with its `lang` and `dir`."""
    return [paragraph(str(row[name]), code) for name, code in sides(row)]


def paragraph(text: str, code: str) -> str:
    """One text in its language and direction, with the fonts of `render`."""
    direction = LANGUAGES[code].direction if code in LANGUAGES else "auto"
    return f'<p class="xk-text" lang="{quoted(code)}" dir="{direction}">{escaped(text)}</p>'


def original(row: Mapping[str, Any], *, heading: bool = True) -> str:
    """The English originals beside texts in another language; nothing beside English, or where they are not known."""
    if all(code == "en" for _, code in sides(row)):
        return ""
    names = [ENGLISH[name] for name, _ in sides(row)]
    texts = "".join(
        f'<p lang="en" dir="ltr">{escaped(row[name])}</p>' for name in names if not is_missing(row.get(name))
    )
    head = '<span class="xk-part">English original</span>' if heading else ""
    return f'<div class="xk-beside">{head}{texts}</div>' if texts else ""


def sure(share: Any) -> str:
    """A probability in [0, 1] as "52 %"; nothing where it is missing."""
    return "" if is_missing(share) else percent(float(share))


def shortened(text: str, most: int = 60) -> str:
    """The beginning of a text, on one line, for a list to choose from."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def sides(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(column, language) of each sentence of a row: premise and hypothesis, or a single text."""
    columns = ("premise", "hypothesis") if "hypothesis" in row else ("text",)
    codes = (
        [row["language"]] * 2 if "language" in row else [row["premise_language"], row["hypothesis_language"]]
    )
    return [(column, str(code)) for column, code in zip(columns, codes, strict=False)]
