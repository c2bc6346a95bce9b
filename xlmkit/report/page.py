"""Page: an analysis as one HTML document that needs nothing else: figures inside it, tables that a few lines of script sort, all text escaped.

A policy in the document lets that one script run, by its hash, and nothing be loaded. Without script the tables are there, unsorted."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xlmkit import plots
from xlmkit.languages import LANGUAGES
from xlmkit.render import SANS, escaped, flattened, quoted
from xlmkit.report.analysis import Analysis
from xlmkit.report.findings import findings, named

ROWS, OPEN = (
    300,
    40,
)  # of a table: how many go on the page, and up to how many are unfolded where there is no figure
UNREAD = {"premise_rationale", "hypothesis_rationale", "rationales", "untrained", "truncated", "correct"}
SCRIPT = """
const missing = text => text === undefined || text === "";
const order = (a, b) => isNaN(a) || isNaN(b) ? String(a).localeCompare(String(b)) : a - b;
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const head = button.closest("th"), body = head.closest("table").tBodies[0];
  const value = row => row.cells[head.cellIndex].dataset.value;
  const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const rows = [...body.rows].sort((a, b) =>
    missing(value(a)) - missing(value(b)) || (missing(value(a)) ? 0 : way * order(value(a), value(b))));
  head.parentElement.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
  body.append(...rows);
}));
"""


@dataclass(frozen=True)
class _Part:
    """One section: the frame that it shows, what that is, and how it is drawn (with the text in place of the picture)."""

    name: str
    title: str
    about: str
    draw: Callable[[Analysis], Any] | None = None
    alt: str = ""


PARTS = (
    _Part(
        "accuracy",
        "Accuracy",
        "Share of pairs with the right label; `low` and `high` are the 95 % interval, by bootstrap over prompts (Wilson's where there are few).",
        lambda found: _accuracy(found),
        "Accuracy by language with its interval, over the line of chance.",
    ),
    _Part(
        "confusion",
        "What is taken for what",
        "`share` is of the pairs with this gold label.",
        lambda found: plots.confusion(found.frames["confusion"], by=_by(found, "confusion")),
        "A small confusion matrix for each language, in percent of each gold label.",
    ),
    _Part(
        "gap",
        "The gap to the reference",
        "On the same items: `gap` is the reference's accuracy minus this language's, with its 95 % interval; `p` is of a sign-flip test over prompts, "
        "`p_holm` the same after Holm's correction for all languages.",
        lambda found: plots.differences(found.frames["gap"]),
        "The gap of each language with its interval; filled dots hold after correction.",
    ),
    _Part(
        "loss",
        "Where the weakest language loses",
        "The gap of the language that loses most on items of each kind, and the share of its whole loss that this makes. Kinds are those of the reference's text.",
    ),
    _Part(
        "comparison",
        "All languages against all",
        "On the same items: `difference` is the first minus the second; `p_mcnemar` is McNemar's exact test over items, `p_holm` corrects `p` for all pairs.",
    ),
    _Part(
        "agreement",
        "Agreement across languages",
        "`unanimous`: items with one label in all languages; `consistency`: pairs of languages that agree on an item; `fleiss_kappa`: that, corrected for chance.",
    ),
    _Part(
        "flips",
        "Which languages differ",
        "`share` of items with different labels in the two languages; `lost`: right in the first, wrong in the second.",
        lambda found: plots.flips(found.frames["flips"]),
        "For every two languages the share of items with different labels.",
    ),
    _Part(
        "by_count",
        "In how many languages an item is right",
        "`expected`: were each language as accurate as it is, and right or wrong independently of the others.",
        lambda found: plots.by_count(found.frames["by_count"]),
        "Items by the number of languages that get them right, beside what independent errors would give.",
    ),
    _Part(
        "right_wrong",
        "Right in the reference, wrong in the weakest language",
        "The surest mistakes first; the English original stands beside each item.",
    ),
    _Part(
        "calibration",
        "Calibration",
        "`ece`: mean distance between confidence and accuracy in bins of equal width (`ece_mass`: of equal mass); `ece_floor`: what a calibrated model shows on as many pairs.",
        lambda found: plots.reliability(
            found.frames["reliability"], found.frames["calibration"], by=_by(found, "reliability")
        ),
        "Reliability by language: accuracy against confidence; on the diagonal the two are equal.",
    ),
    _Part(
        "temperature",
        "After a temperature",
        "Calibration before and after the logits are divided by a constant.",
    ),
    _Part(
        "slices",
        "Slices",
        "Kinds of pairs over all languages: `difference` to the rest of the pairs; `p_adjusted` after Benjamini and Hochberg; fewer than 30 are too small to tell.",
        lambda found: plots.slices(found.frames["slices"]),
        "Accuracy of each slice with its interval; filled dots differ from the rest.",
    ),
    _Part("slices_by_language", "Slices by language", "The same within each language."),
    _Part(
        "discovered",
        "Slices that were looked for",
        "The weakest slices over pairs of features: found on half of the prompts, judged on the other half.",
    ),
)


def page(analysis: Analysis) -> str:
    """The whole document: findings, a section for each question, what could not be answered and why, and provenance."""
    policy = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    said = " ".join(escaped(sentence) for sentence in findings(analysis))
    beside = [
        _Part(name, f"Against {name.removeprefix('beside ')}", BESIDE)
        for name in analysis.frames
        if name.startswith("beside ")
    ]
    sections = "\n".join(
        _section(part, analysis) for part in (*PARTS, *beside) if part.name in analysis.frames
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{policy}'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>xlmkit: errors by language</title><style>{STYLE}</style></head>\n<body><main><h1>Errors by language</h1>\n"
        f'<section><h2>Findings</h2><p class="said">{said}</p></section>\n{sections}\n{_left_out(analysis)}\n{_provenance(analysis)}</main>'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


BESIDE = "On the same pairs: `difference` is this model minus the other, with its 95 % interval."


def _section(part: _Part, analysis: Analysis) -> str:
    figure = ""
    if part.draw is not None:
        picture = base64.b64encode(plots.svg(part.draw(analysis)).encode()).decode()
        alt = quoted(f"{part.alt} The numbers are in the table.")
        figure = f'<img alt="{alt}" src="data:image/svg+xml;base64,{picture}">'
    frame = analysis.frames[part.name]
    return (
        f'<section id="{quoted(part.name)}"><h2>{escaped(_title(part, analysis))}</h2><p>{escaped(part.about).replace("`", "")}</p>'
        f"{figure}<details{'' if figure or len(frame) > OPEN else ' open'}><summary>{len(frame)} rows</summary>{_table(frame)}</details></section>"
    )


def _title(part: _Part, analysis: Analysis) -> str:
    """With the languages' names where it speaks of the reference or the weakest."""
    weakest = named(analysis.lowest) if analysis.lowest else "the weakest language"
    title = part.title.replace("the reference", named(analysis.reference))
    return title.replace("the weakest language", weakest)


def _table(frame: pd.DataFrame) -> str:
    """The first rows of a frame, each number exact in `data-value` and rounded to be read."""
    shown = frame[[column for column in frame if column not in UNREAD]].head(ROWS)
    numbers = set(shown.select_dtypes("number").columns)
    head = "".join(
        f'<th scope="col"{" class=n" if column in numbers else ""}><button>{escaped(column)}</button></th>'
        for column in shown
    )
    rows = "".join(
        f"<tr>{''.join(_cell(name, value, record) for name, value in record.items())}</tr>"
        for record in shown.to_dict("records")
    )
    cut = f"<p>The first {ROWS} of {len(frame)} rows.</p>" if len(frame) > ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{cut}"


def _cell(name: object, value: Any, record: dict[Any, Any]) -> str:
    if isinstance(value, str):
        code = record.get("language", "") if name in ("premise", "hypothesis") else ""
        known = f' lang="{code}" dir="{LANGUAGES[code].direction}"' if code in LANGUAGES else ' dir="auto"'
        return f'<td data-value="{quoted(value)}"{known}>{escaped(value)}</td>'
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return '<td data-value=""></td>'
    if isinstance(value, float):
        return f'<td class="n" data-value="{value!r}">{_rounded(str(name), value)}</td>'
    return f'<td class="n" data-value="{quoted(value)}">{escaped(value)}</td>'


def _rounded(name: str, value: float) -> str:
    if (name.startswith("p_") and value < 0.001) or (name == "p" and value < 0.001):
        return "&lt; 0.001"
    return f"{value:z.3f}".replace("-", "−")


def _left_out(analysis: Analysis) -> str:
    if not analysis.left_out:
        return ""
    rows = "".join(
        f"<dt>{escaped(name)}</dt><dd>{escaped(why)}</dd>" for name, why in analysis.left_out.items()
    )
    return f"<section><h2>Left out</h2><p>What these predictions cannot answer, and why.</p><dl>{rows}</dl></section>"


def _provenance(analysis: Analysis) -> str:
    rows = "".join(
        f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>"
        for key, value in flattened({**analysis.provenance, "statistics": dict(analysis.settings)})
    )
    return f"<section><h2>Provenance</h2><dl>{rows}</dl></section>"


def _accuracy(analysis: Analysis) -> Any:
    """Beside the published row only where the pairs are of the set that it was measured on."""
    tested = str(analysis.provenance["data"]["source"]) == "xnli/test"
    table = analysis.frames["accuracy"]
    return plots.accuracy(table, by=_by(analysis, "accuracy"), published="XLM (MLM)" if tested else None)


def _by(analysis: Analysis, name: str) -> str:
    return str(analysis.frames[name].columns[0])


STYLE = (
    f":root{{color-scheme:light}}body{{margin:0;padding:16px;font:15px/1.5 {SANS};color:#222;background:#fff}}main{{max-width:62em;margin:0 auto}}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin:1.6em 0 .3em}.said{font-size:1.08em}img{max-width:100%;height:auto;display:block;margin:8px 0}"
    "details{overflow-x:auto}summary{cursor:pointer;color:#555}table{border-collapse:collapse;font-size:.87em;margin:6px 0}"
    "th,td{padding:2px 10px 2px 0;text-align:start;vertical-align:top;unicode-bidi:isolate}th.n,.n{text-align:end;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "thead th{position:sticky;top:0;background:#fff;border-bottom:1px solid #999}tbody tr:nth-child(even){background:#f4f4f4}"
    "th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid #0072B2}"
    'th button::after{content:" ↕";opacity:.35}th[aria-sort=ascending] button::after{content:" ↑";opacity:1}'
    'th[aria-sort=descending] button::after{content:" ↓";opacity:1}'
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;font-size:.87em}dt{color:#555}dd{margin:0;overflow-wrap:anywhere}"
    "@media print{details{display:block}th button::after{content:none}section{break-inside:avoid-page}}"
)
