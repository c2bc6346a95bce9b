"""Page: an analysis as one HTML document without script or network: sentences, figures, tables.

A table shows rounded numbers; the exact one appears when the pointer is on it."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from xlmkit import plots
from xlmkit.languages import LANGUAGES
from xlmkit.render import count_of, document, escaped, quoted, read_css, settings
from xlmkit.report.analysis import Analysis
from xlmkit.report.findings import findings, named

MAX_ROWS, MAX_OPEN = 300, 40  # rows of a table on the page; rows up to which it is unfolded
HIDDEN = ["premise_rationale", "hypothesis_rationale", "rationales", "untrained", "truncated", "correct"]
AGAINST = "On the same pairs: `difference` is this model minus the other, with its 95 % interval."


SECTIONS = tomllib.loads(Path(__file__).with_name("sections.toml").read_text(encoding="utf-8"))
FIGURES: dict[str, Callable[[Analysis, str], Any]] = {  # the second is the languages' column
    "accuracy": lambda found, by: plots.accuracy(
        found.frames["accuracy"], by=by, published=_published(found)
    ),
    "confusion": lambda found, by: plots.confusion(found.frames["confusion"], by=by),
    "gap": lambda found, by: plots.differences(found.frames["gap"]),
    "disagreement": lambda found, by: plots.disagreement(found.frames["disagreement"]),
    "items_by_n_correct": lambda found, by: plots.items_by_n_correct(found.frames["items_by_n_correct"]),
    "calibration": lambda found, by: plots.reliability(
        found.frames["reliability"], found.frames["calibration"], by=by
    ),
    "slices": lambda found, by: plots.slices(found.frames["slices"]),
}


def page(analysis: Analysis) -> str:
    """The whole document: findings, one section per frame, what was left out, and provenance."""
    others = {
        name: {"title": name.capitalize(), "about": AGAINST}
        for name in analysis.frames
        if name.startswith("against ")
    }
    sentences = " ".join(escaped(sentence) for sentence in findings(analysis))
    parts = [_section("Findings", f'<p class="findings">{sentences}</p>')]
    for name, texts in (SECTIONS | others).items():
        if name in analysis.frames:
            parts.append(_frame_section(name, texts, analysis))
    if analysis.left_out:
        why = "<p>What these predictions cannot answer, and why.</p>"
        parts.append(_section("Left out", why + settings(analysis.left_out)))
    provenance = {**analysis.provenance, "statistics": dict(analysis.settings)}
    parts.append(_section("Provenance", settings(provenance)))
    return document("Errors by language", read_css(Path(__file__).with_name("page.css")), "\n".join(parts))


def _frame_section(name: str, texts: dict[str, str], analysis: Analysis) -> str:
    frame, figure = analysis.frames[name], ""
    names = {"{reference}": named(analysis.reference), "{lowest}": named(analysis.lowest)}
    title, about = texts["title"], texts["about"].replace("`", "")
    for placeholder, language in names.items():
        title, about = title.replace(placeholder, language), about.replace(placeholder, language)
    if name in FIGURES:
        drawing = FIGURES[name](analysis, str(analysis.frames["accuracy"].columns[0]))
        picture = base64.b64encode(plots.svg(drawing).encode()).decode()
        alt = quoted(f"{texts['alt']} The numbers are in the table.")
        figure = f'<img alt="{alt}" src="data:image/svg+xml;base64,{picture}">'
    unfolded = "" if figure or len(frame) > MAX_OPEN else " open"
    table = f"<details{unfolded}><summary>{count_of(len(frame), 'row')}</summary>{_table(frame)}</details>"
    return _section(title, f"<p>{escaped(about)}</p>{figure}{table}", name)


def _section(title: str, body: str, name: str = "") -> str:
    name = (name or title.lower()).replace(" ", "-")
    return f'<section id="{quoted(name)}"><h2>{escaped(title)}</h2>{body}</section>'


def _published(analysis: Analysis) -> str | None:
    """The published accuracies are comparable only with predictions of the same test set."""
    return "XLM (MLM)" if analysis.provenance["data"]["source"] == "xnli/test" else None


def _table(frame: pd.DataFrame) -> str:
    """The first rows of a frame; `title` has the exact number of a rounded one."""
    shown = frame.drop(columns=HIDDEN, errors="ignore").head(MAX_ROWS)
    head = "".join(f'<th scope="col">{escaped(column)}</th>' for column in shown)
    rows = "".join(
        f"<tr>{''.join(_cell(str(name), value, record.get('language')) for name, value in record.items())}</tr>"
        for record in shown.to_dict("records")
    )
    rest = f"<p>The first {MAX_ROWS} of {len(frame)} rows.</p>" if len(frame) > MAX_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"


def _cell(name: str, value: Any, language: Any) -> str:
    if isinstance(value, str):
        known = LANGUAGES.get(language) if name in ("premise", "hypothesis") else None
        where = f'lang="{known.code}" dir="{known.direction}"' if known else 'dir="auto"'
        return f"<td {where}>{escaped(value)}</td>"
    if pd.isna(value):
        return "<td></td>"
    if not isinstance(value, float):
        return f'<td class="n">{escaped(value)}</td>'
    small = (name == "p" or name.startswith("p_")) and value < 0.001
    text = "< 0.001" if small else f"{value:z.3f}".replace("-", "−")
    return f'<td class="n" title="{value!r}">{escaped(text)}</td>'
