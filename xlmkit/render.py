"""Render: Explanation -> HTML as a string: self-contained, without script or network, readable without colour.

Every character of the user's text is kept in its place and escaped; what is invisible and could mislead (control characters, bidirectional
overrides, lone surrogates) is shown by its number. Blue and vermilion are those of Okabe and Ito (2008), told apart with any colour vision;
the sign is repeated in the kind of underline, and in a number under the strongest words.
Words carry no horizontal padding, since that would break the shapes of Arabic, Urdu and Hindi letters that join."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any

from xlmkit.explanation import ExplainedWord, Explanation, tolerance
from xlmkit.languages import LANGUAGES

LEVELS = 8  # shades on either side of zero
NUMBER_WIDTH = 2.1  # ems of the sentence's font that a number under a word takes
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
JOINING = (
    "ARABIC LETTER",
    "DEVANAGARI LETTER",
    "DEVANAGARI SIGN",
    "DEVANAGARI VOWEL SIGN",
)  # character names
METHOD_NAMES = {
    "integrated_gradients": "integrated gradients",
    "saliency": "saliency (gradient)",
    "input_x_gradient": "input × gradient",
    "occlusion": "occlusion (leave one word out)",
    "gradient_shap": "gradient SHAP",
    "kernel_shap": "KernelSHAP over words",
    "lime": "LIME over words",
    "attention_rollout": "attention rollout (no explanation of a label)",
    "random": "random numbers (a control)",
}


def card(explanation: Explanation) -> str:
    """One explanation as an HTML fragment with its own scoped style, for a notebook cell in light or dark."""
    return f"<style>{STYLE}</style>{_card(explanation)}"


def page(explanations: Iterable[Explanation]) -> str:
    """A whole HTML document with one card an explanation, and model, kit version and settings in its footer."""
    listed = list(explanations)
    cards = "\n".join(_card(entry) for entry in listed) or "<p>No explanations.</p>"
    title = f"{len(listed)} explanation{'' if len(listed) == 1 else 's'}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>xlmkit: {title}</title><style>{PAGE_STYLE}{STYLE}</style></head>\n"
        f"<body><main><h1>{title}</h1>\n{cards}\n</main>\n{_footer(listed)}</body></html>\n"
    )


# --- one card --------------------------------------------------------------------------------------------------------------------------


def _card(explanation: Explanation) -> str:
    states = {
        "xk-failed": explanation.passed is False,
        "xk-untrained": not explanation.trained,
        "xk-unsigned": not explanation.signed,
    }
    classes = " ".join(["xk", *(name for name, holds in states.items() if holds)])
    scale = _scale(explanation)
    return (
        f'<section class="{classes}" lang="en" dir="ltr">{_head(explanation)}{_banners(explanation)}'
        f"{''.join(_sentence(explanation, side, scale) for side in range(len(explanation.sides)))}"
        f"{_legend(explanation, scale)}{_account(explanation)}{_table(explanation)}</section>"
    )


def _scale(explanation: Explanation) -> float:
    """The largest |word score|: the end of the colour scale."""
    return float(abs(explanation.word_scores).max(initial=0.0))


def _head(explanation: Explanation) -> str:
    label, target = escaped(explanation.label), escaped(explanation.target)
    gold = ""
    if explanation.gold is not None:
        right = explanation.gold == explanation.label
        gold = f'<span class="xk-gold">gold: {escaped(explanation.gold)} {"✓ right" if right else "✗ wrong"}</span>'
    contrast = (
        f" rather than <b>{escaped(explanation.contrast)}</b>" if explanation.contrast is not None else ""
    )
    method = escaped(METHOD_NAMES.get(explanation.method, explanation.method))
    return (
        f'<header class="xk-head"><span class="xk-label">{label} <b>{100 * explanation.probability:.0f}&#8239;%</b></span>{gold}'
        f'<span class="xk-why">explained: <b>{target}</b>{contrast}, by {method}</span>'
        f'<span class="xk-id">pair {escaped(explanation.pair_id)}</span></header>'
    )


def _banners(explanation: Explanation) -> str:
    found = []
    if not explanation.trained:
        found.append(
            "<b>Untrained.</b> This model's head is random: neither the label nor the scores mean anything."
        )
    if explanation.passed is False and explanation.delta is not None and explanation.change is not None:
        found.append(
            f"<b>Failed.</b> After {explanation.steps} steps the scores still miss the change in logit by "
            f"{_unsigned(explanation.delta)}; {_unsigned(tolerance(explanation.change))} is allowed. Do not rely on them."
        )
    if explanation.truncated:
        found.append(
            "<b>Cut.</b> The pair is longer than what the model was given; it did not see the faded text."
        )
    return "".join(f'<p class="xk-banner" role="note">{text}</p>' for text in found)


def _sentence(explanation: Explanation, sentence: int, scale: float) -> str:
    code = (explanation.premise_language, explanation.hypothesis_language or "")[sentence]
    known = LANGUAGES.get(code)
    name, direction = (known.name, known.direction) if known else (code, "auto")
    text = (explanation.premise, explanation.hypothesis or "")[sentence]
    return (
        f'<div class="xk-row"><div class="xk-side">{explanation.sides[sentence]}<br>{escaped(name)}</div>'
        f'<p class="xk-text" lang="{quoted(code)}" dir="{direction}">{_words(explanation, sentence, text, scale)}</p></div>'
    )


@dataclass(frozen=True)
class _Run:
    """A stretch of the surface text that one word covers, or several whose spans overlap."""

    start: int
    end: int
    words: tuple[int, ...]  # places in `Explanation.words`


def _runs(words: Sequence[ExplainedWord], sentence: int, length: int) -> list[_Run]:
    """The words of a sentence as stretches in the order of the text, none overlapping; spans outside the text are cut to it."""
    spans = [
        (min(max(word.start, 0), length), min(max(word.end, 0), length), place)
        for place, word in enumerate(words)
        if word.sentence == sentence
    ]
    runs: list[_Run] = []
    for start, end, place in sorted(spans):
        if runs and start < runs[-1].end:
            last = runs.pop()
            runs.append(_Run(last.start, max(last.end, end), (*last.words, place)))
        else:
            runs.append(_Run(start, max(start, end), (place,)))
    return runs


def _words(explanation: Explanation, sentence: int, text: str, scale: float) -> str:
    """The text with its words marked; nothing of it is lost, moved or repeated."""
    runs = _runs(explanation.words, sentence, len(text))
    numbered = _numbered(explanation, text, runs, scale)
    parts, cursor = [], 0
    for run in runs:
        parts.append(escaped(text[cursor : run.start]))
        parts.append(_word(explanation, text, run, scale, run in numbered))
        cursor = run.end
    rest = text[cursor:]
    faded = explanation.truncated and bool(rest.strip())
    parts.append(
        f'<span class="xk-cut" title="not seen by the model">{escaped(rest)}</span>'
        if faded
        else escaped(rest)
    )
    return "".join(parts)


def _score(explanation: Explanation, run: _Run) -> float:
    return float(sum(explanation.word_scores[place] for place in run.words))


def _word(explanation: Explanation, text: str, run: _Run, scale: float, numbered: bool) -> str:
    score = _score(explanation, run)
    prepared = " ".join(explanation.words[place].text for place in run.words)
    surface = text[run.start : run.end]
    shown = (
        escaped(surface)
        if surface.strip()
        else f'<span class="xk-code xk-prepared">{escaped(prepared)}</span>{escaped(surface)}'
    )
    title = quoted(f"{prepared}: {_number(explanation, score)} {explanation.unit}")
    decimals = (
        max(1, 1 - math.floor(math.log10(scale))) if numbered else 0
    )  # the same for all words of a pair
    number = f'<sub dir="ltr">{_number(explanation, score, f".{decimals}f")}</sub>' if numbered else ""
    return f'<span class="xk-w {_shade(explanation, score, scale)}" title="{title}">{shown}{number}</span>'


def _numbered(explanation: Explanation, text: str, runs: Sequence[_Run], scale: float) -> set[_Run]:
    """The strongest words of a sentence, which get a number: each at least a third of the scale, and no two numbers in each other's way."""
    chosen: dict[_Run, float] = {}  # the middle of each, in ems from the sentence's start
    for run in sorted(runs, key=lambda run: -abs(_score(explanation, run))):
        if scale == 0 or abs(_score(explanation, run)) < scale / 3:
            break
        middle = (_width(text[: run.start]) + _width(text[: run.end])) / 2
        if _stands_alone(text, run) and all(abs(middle - other) >= NUMBER_WIDTH for other in chosen.values()):
            chosen[run] = middle
    return set(chosen)


def _width(text: str) -> float:
    """A rough width in ems."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    none = sum(unicodedata.category(character) == "Mn" for character in text)
    return wide + 0.5 * (len(text) - wide - none)


def _stands_alone(text: str, run: _Run) -> bool:
    """Whether a number can hang under the run without tearing joined letters apart."""
    return not (
        _joins(text[run.start : run.start + 1], text[: run.start][-1:])
        or _joins(text[run.end :][:1], text[: run.end][-1:])
    )


def _joins(right: str, left: str) -> bool:
    """Whether two neighbouring characters may be drawn as one shape."""
    if not right or not left:
        return False
    if unicodedata.category(right)[0] == "M":
        return True
    return all(unicodedata.name(side, "").startswith(JOINING) for side in (right, left))


def _shade(explanation: Explanation, score: float, scale: float) -> str:
    level = 0 if scale == 0 else min(LEVELS, math.ceil(LEVELS * abs(score) / scale - 0.5))
    return f"xk-{'n' if score < 0 else 'p'}{level}" if level else "xk-0"


def _legend(explanation: Explanation, scale: float) -> str:
    """The scale: five samples with numbers (three where there is no sign), in the same shades and underlines as the words."""
    shares = (-1.0, -0.5, 0.0, 0.5, 1.0) if explanation.signed else (0.0, 0.5, 1.0)
    target = escaped(explanation.target)
    if scale == 0:
        than = (
            "" if explanation.contrast is None else f" against that of <b>{escaped(explanation.contrast)}</b>"
        )
        return f'<div class="xk-legend">No word moves the logit of <b>{target}</b>{than}.</div>'
    samples = "".join(
        f'<span class="xk-sample {_shade(explanation, share * scale, scale)}">{_number(explanation, share * scale)}</span>'
        for share in shares
    )
    if not explanation.signed:
        ends = (
            "weak",
            "strong, of either sign" if explanation.aggregation == "l2" else "strong, for no label",
        )
    elif explanation.contrast is None:
        ends = (f"against {target}", f"for {target}")
    else:
        ends = (f"for {escaped(explanation.contrast)}", f"for {target}")
    return (
        f'<div class="xk-legend"><span>{ends[0]}</span><span class="xk-scale">{samples}</span><span>{ends[1]}</span>'
        f'<span class="xk-unit">{escaped(explanation.unit)}</span></div>'
    )


def _account(explanation: Explanation) -> str:
    """Where the change in logit went, and the gate's verdict in words."""
    parts = [f"F(x) {_signed(explanation.output)}"]
    if explanation.baseline_output is not None and explanation.change is not None:
        parts.append(f"F(baseline) {_signed(explanation.baseline_output)}")
        parts.append(f"change {_signed(explanation.change)}")
    if explanation.signed and explanation.unit == "logits":
        parts.append(f"words {_signed(float(explanation.word_scores.sum()))}")
        parts.append(f"special tokens {_signed(explanation.remainder)}")
    if explanation.language_share is not None:
        parts.append(f"language ids {_signed(explanation.language_share)}")
    sums = "".join(f"<span>{part}</span>" for part in parts)
    return f'<div class="xk-account">{sums}<span class="xk-verdict">{_verdict(explanation)}</span></div>'


def _verdict(explanation: Explanation) -> str:
    if explanation.passed is None or explanation.delta is None or explanation.change is None:
        samples = "" if explanation.steps is None else f"{explanation.steps} samples; "
        return f"{samples}no gate: this method does not promise that its scores add up to the change, or forces them to"
    word = "passed" if explanation.passed else "FAILED"
    return (
        f"delta {_signed(explanation.delta)}, allowed {_unsigned(tolerance(explanation.change))}, "
        f"{explanation.steps} steps: <b>{word}</b>"
    )


def _table(explanation: Explanation) -> str:
    """Every word with its tokens and score, folded away: for screen readers, and for who wants the numbers."""
    pieces: dict[int, list[str]] = {}
    for token in explanation.tokens:
        if token.word is not None:
            pieces.setdefault(token.word, []).append(token.text.removesuffix("</w>"))
    rows = "".join(
        f"<tr><td>{explanation.sides[word.sentence]}</td><td><bdi>{escaped(word.text)}</bdi></td>"
        f"<td><bdi>{escaped(' · '.join(pieces.get(place, [])))}</bdi></td><td>{_number(explanation, explanation.word_scores[place], '.4f')}</td></tr>"
        for place, word in enumerate(explanation.words)
    )
    return (
        f'<details class="xk-all"><summary>all {len(explanation.words)} words as the model reads them</summary><table><thead><tr>'
        f"<th>sentence</th><th>word</th><th>pieces</th><th>{escaped(explanation.unit)}</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )


# --- page ------------------------------------------------------------------------------------------------------------------------------


def _footer(explanations: Sequence[Explanation]) -> str:
    """Provenance, once for all explanations that share it."""
    shared: dict[tuple[tuple[str, str], ...], int] = {}
    for explanation in explanations:
        entries = tuple(flattened(explanation.provenance))
        shared[entries] = shared.get(entries, 0) + 1
    numbers = count(1)
    parts = []
    for entries, many in shared.items():
        heading = f"Provenance {next(numbers)}: {many} explanations" if len(shared) > 1 else "Provenance"
        items = "".join(f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>" for key, value in entries)
        parts.append(f"<h2>{heading}</h2><dl>{items or '<dt>not recorded</dt>'}</dl>")
    return f"<footer>{''.join(parts)}</footer>"


def flattened(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """A nested mapping as (dotted name, text), in its own order."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from flattened(entry, f"{name}.{key}" if name else str(key))
    elif name:
        yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


# --- text ------------------------------------------------------------------------------------------------------------------------------


def _hidden(character: str) -> bool:
    """Whether a character would be invisible and could mislead, or cannot be written at all."""
    return (
        unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    ) or character in BIDI_CONTROLS


def escaped(value: object) -> str:
    """Escaped text for an element; hidden characters are shown by their number."""
    return "".join(
        f'<span class="xk-code">U+{ord(character):04X}</span>' if _hidden(character) else escape(character)
        for character in str(value)
    )


def quoted(value: object) -> str:
    """Escaped text for a quoted attribute; hidden characters are replaced."""
    return "".join(
        "\ufffd" if _hidden(character) else escape(character, quote=True) for character in str(value)
    )


def _number(explanation: Explanation, value: float, form: str = "") -> str:
    return _signed(value, form) if explanation.signed else _unsigned(value, form)


def _signed(value: float, form: str = "") -> str:
    """+0.12, −0.12 or 0."""
    return "0" if value == 0 else f"{'+' if value > 0 else '−'}{_unsigned(value, form)}"


def _unsigned(value: float, form: str = "") -> str:
    """The size of a number in Python's format `form`; without one, two decimals, and two significant digits where it is small."""
    size = abs(value)
    return "0" if size == 0 else format(size, form or (".2f" if size >= 0.1 else ".2g"))


# --- style -----------------------------------------------------------------------------------------------------------------------------


def _shades() -> str:
    """Background and underline of each level; the text keeps the theme's colour, so the shades are translucent."""
    rules = []
    for sign, colour, line in (("p", "0,114,178", "solid"), ("n", "213,94,0", "dashed")):
        for level in range(1, LEVELS + 1):
            alpha = 0.1 + 0.46 * level / LEVELS
            width = 1 + round(2 * level / LEVELS)
            rules.append(
                f".xk .xk-{sign}{level}{{background:rgba({colour},{alpha:.2f});border-bottom:{width}px {line} rgb({colour})}}"
            )
    return "".join(rules)


SANS = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif'
STYLE = (
    f".xk{{font:15px/1.5 {SANS};color:inherit;border:1px solid rgba(128,128,128,.4);border-radius:8px;padding:12px 16px;"
    "margin:10px 0;max-width:60em;unicode-bidi:isolate}"
    ".xk-head{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline;font-size:.87em}"
    ".xk-label{font-size:1.2em}.xk-id{margin-inline-start:auto}.xk-why,.xk-id,.xk-gold{opacity:.8}"
    ".xk p.xk-banner{margin:8px 0 0;padding:5px 10px;border:2px solid currentColor;border-radius:4px;font-size:.9em;"
    "background:repeating-linear-gradient(135deg,rgba(128,128,128,.18) 0 6px,transparent 6px 12px)}"
    ".xk-row{display:flex;gap:14px;align-items:baseline;margin:6px 0}"
    ".xk-side{flex:0 0 6.2em;font-size:.78em;line-height:1.35;opacity:.75}"
    ".xk p.xk-text{flex:1 1 auto;min-width:0;margin:0;font-size:1.2em;line-height:2.3;white-space:pre-wrap;overflow-wrap:anywhere;"
    "unicode-bidi:isolate;text-align:start}"
    '.xk-text:lang(hi){font-family:"Noto Sans Devanagari","Kohinoor Devanagari","Nirmala UI",Mangal,sans-serif}'
    '.xk-text:lang(th){font-family:"Noto Sans Thai","Leelawadee UI",Thonburi,Sarabun,Tahoma,sans-serif}'
    '.xk-text:lang(ar){font-family:"Noto Naskh Arabic","Geeza Pro","Segoe UI",Amiri,Tahoma,sans-serif}'
    '.xk-text:lang(ur){font-family:"Noto Nastaliq Urdu","Jameel Noori Nastaleeq","Urdu Typesetting","Noto Naskh Arabic",Tahoma,sans-serif}'
    '.xk-text:lang(zh){font-family:"Noto Sans CJK SC","Noto Sans SC","PingFang SC","Microsoft YaHei","Source Han Sans SC",sans-serif}'
    ".xk-w{position:relative;border-radius:3px 3px 0 0}"
    f".xk sub{{position:absolute;top:100%;left:50%;transform:translateX(-50%);margin-top:3px;font:600 .58em/1 {SANS};white-space:nowrap;"
    "font-variant-numeric:tabular-nums;opacity:.85;user-select:none}"
    ".xk-code{font:.7em ui-monospace,monospace;border:1px solid currentColor;border-radius:3px;opacity:.7;unicode-bidi:isolate}"
    ".xk-cut{opacity:.4}"
    ".xk-legend,.xk-account{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline;font-size:.8em;opacity:.9;margin-top:10px;"
    "font-variant-numeric:tabular-nums}"
    ".xk-scale{display:inline-flex;gap:2px}.xk-sample{padding:0 8px;min-width:3em;text-align:center}"
    ".xk-verdict{margin-inline-start:auto}"
    ".xk-all{font-size:.8em;margin-top:6px}.xk-all summary{cursor:pointer;opacity:.75}"
    ".xk .xk-all table{font-size:inherit;border-collapse:collapse;border:0;margin:4px 0 0;table-layout:auto}"
    ".xk .xk-all td,.xk .xk-all th{padding:1px 12px 1px 0;text-align:start;background:none;max-width:none}"
    ".xk .xk-all td:last-child,.xk .xk-all th:last-child{text-align:end;font-variant-numeric:tabular-nums}"
    ".xk-failed,.xk-untrained{border:2px dashed currentColor}"
    ".xk-failed .xk-text,.xk-failed .xk-scale,.xk-untrained .xk-text,.xk-untrained .xk-scale{filter:grayscale(1);opacity:.6}"
    + _shades()
)
PAGE_STYLE = (
    f":root{{color-scheme:light dark}}body{{margin:0;padding:16px;background:Canvas;color:CanvasText;font:15px/1.5 {SANS}}}"
    "main,footer{max-width:62em;margin:0 auto}h1{font-size:1.4em}h2{font-size:1em}footer{font-size:.85em;margin-top:24px}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px}dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}"
    ".xk{content-visibility:auto;contain-intrinsic-size:auto 260px}"
)
