"""Cards: one explanation with its label, its warnings, its scale, its account and the gate's verdict."""

from __future__ import annotations

from xlmkit.explanation import Explanation, tolerance
from xlmkit.render.style import STYLE
from xlmkit.render.text import escaped, quoted, signed, unsigned
from xlmkit.render.words import language_name, largest, marked, shade, written

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
    return f"<style>{STYLE}</style>{section(explanation)}"


def section(explanation: Explanation) -> str:
    """A card without its style."""
    states = {
        "xk-failed": explanation.converged is False,
        "xk-untrained": not explanation.trained,
        "xk-unsigned": not explanation.signed,
    }
    classes = " ".join(["xk", *(name for name, holds in states.items() if holds)])
    scale = largest(explanation)
    return (
        f'<section class="{classes}" lang="en" dir="ltr">{_head(explanation)}{banners(explanation)}'
        f"{''.join(_sentence(explanation, side, scale) for side in range(len(explanation.sides)))}"
        f"{scale_of(explanation, scale)}{account(explanation)}{_table(explanation)}</section>"
    )


def _head(explanation: Explanation) -> str:
    label, target = escaped(explanation.prediction), escaped(explanation.target)
    gold = ""
    if explanation.gold is not None:
        right = explanation.gold == explanation.prediction
        gold = f'<span class="xk-gold">gold: {escaped(explanation.gold)} {"✓ right" if right else "✗ wrong"}</span>'
    contrast = (
        f" rather than <b>{escaped(explanation.contrast)}</b>" if explanation.contrast is not None else ""
    )
    method = escaped(method_name(explanation))
    return (
        f'<header class="xk-head"><span class="xk-label">{label} <b>{100 * explanation.probability:.0f}&#8239;%</b></span>{gold}'
        f'<span class="xk-why">explained: <b>{target}</b>{contrast}, by {method}</span>'
        f'<span class="xk-id">pair {escaped(explanation.pair_id)}</span></header>'
    )


def method_name(explanation: Explanation) -> str:
    """The method in words."""
    return METHOD_NAMES.get(explanation.method, explanation.method)


def banners(explanation: Explanation) -> str:
    """What must not be overlooked: no training, a failed gate, a pair that was cut."""
    found = []
    if not explanation.trained:
        found.append(
            "<b>Untrained.</b> This model's head is random: neither the label nor the scores mean anything."
        )
    if explanation.converged is False and explanation.delta is not None and explanation.change is not None:
        found.append(
            f"<b>Failed.</b> After {explanation.n_steps} steps the scores still miss the change in logit by "
            f"{unsigned(explanation.delta)}; {unsigned(tolerance(explanation.change))} is allowed. Do not rely on them."
        )
    if explanation.truncated:
        found.append(
            "<b>Cut.</b> The pair is longer than what the model was given; it did not see the faded text."
        )
    return "".join(f'<p class="xk-banner" role="note">{text}</p>' for text in found)


def scale_of(explanation: Explanation, scale: float) -> str:
    """`legend` with the ends of this explanation's scale; where no word moves the logit, that in a sentence."""
    target = escaped(explanation.target)
    if scale == 0:
        than = (
            "" if explanation.contrast is None else f" against that of <b>{escaped(explanation.contrast)}</b>"
        )
        return f'<div class="xk-legend">No word moves the logit of <b>{target}</b>{than}.</div>'
    return legend(explanation, scale, *ends(explanation))


def ends(explanation: Explanation) -> tuple[str, str]:
    """What the ends of a signed scale speak for, as HTML."""
    target = escaped(explanation.target)
    against = f"against {target}" if explanation.contrast is None else f"for {escaped(explanation.contrast)}"
    return against, f"for {target}"


def legend(explanation: Explanation, scale: float, against: str, towards: str) -> str:
    """The scale: five samples with numbers (three where there is no sign), in the same shades and underlines as the words.

    Parameters
    ----------
    against, towards : the ends of a signed scale, as HTML."""
    shares = (-1.0, -0.5, 0.0, 0.5, 1.0) if explanation.signed else (0.0, 0.5, 1.0)
    # Blanks between the parts: an untrusted notebook and some pages on the web show it without its style.
    samples = " ".join(
        f'<span class="xk-sample {shade(share * scale, scale)}">{written(explanation, share * scale)}</span>'
        for share in shares
    )
    if not explanation.signed:
        against = "weak"
        towards = "strong, of either sign" if explanation.aggregation == "l2" else "strong, for no label"
    return (
        f'<div class="xk-legend"><span>{against}</span> <span class="xk-scale">{samples}</span> <span>{towards}</span> '
        f'<span class="xk-unit">{escaped(explanation.unit)}</span></div>'
    )


def _sentence(explanation: Explanation, sentence: int, scale: float) -> str:
    code = (explanation.premise_language, explanation.hypothesis_language or "")[sentence]
    return (
        f'<div class="xk-row"><div class="xk-side">{explanation.sides[sentence]}<br>{escaped(language_name(code))}</div>'
        f"{marked(explanation, sentence, scale)}</div>"
    )


def account(explanation: Explanation) -> str:
    """Where the change in logit went, and the gate's verdict in words."""
    about = f"the logit of {explanation.target}"
    if explanation.contrast is not None:
        about += f" less that of {explanation.contrast}"
    parts = {f"F(x) {signed(explanation.output)}": about}
    if explanation.baseline_output is not None and explanation.change is not None:
        baseline = f"F(baseline) {signed(explanation.baseline_output)}"
        parts[baseline] = "the same at the baseline, the input without content"
        parts[f"change {signed(explanation.change)}"] = "F(x) less F(baseline): what there is to explain"
    if explanation.signed and explanation.unit == "logits":
        parts[f"words {signed(float(explanation.word_scores.sum()))}"] = "the sum of the words' numbers"
        remainder = f"special tokens {signed(explanation.remainder)}"
        parts[remainder] = "the sum of the numbers that belong to no word"
    if explanation.language_share is not None:
        parts[f"language ids {signed(explanation.language_share)}"] = "what the language ids add"
    sums = " ".join(f'<span title="{quoted(what)}">{part}</span>' for part, what in parts.items())
    return f'<div class="xk-account">{sums} <span class="xk-verdict" title="{GATE}">{_verdict(explanation)}</span></div>'


GATE = "the gate: whether all numbers add up to the change, but for the delta that is allowed"


def _verdict(explanation: Explanation) -> str:
    if explanation.converged is None or explanation.delta is None or explanation.change is None:
        samples = "" if explanation.n_steps is None else f"{explanation.n_steps} samples; "
        return f"{samples}no gate: this method does not promise that its scores add up to the change, or forces them to"
    word = "passed" if explanation.converged else "FAILED"
    return (
        f"delta {signed(explanation.delta)}, allowed {unsigned(tolerance(explanation.change))}, "
        f"{explanation.n_steps} steps: <b>{word}</b>"
    )


def _table(explanation: Explanation) -> str:
    """Every word with its tokens and score, folded away: for screen readers, and for who wants the numbers."""
    pieces: dict[int, list[str]] = {}
    for token in explanation.tokens:
        if token.word is not None:
            pieces.setdefault(token.word, []).append(token.text.removesuffix("</w>"))
    rows = "".join(
        f"<tr><td>{explanation.sides[word.sentence]}</td><td><bdi>{escaped(word.text)}</bdi></td>"
        f"<td><bdi>{escaped(' · '.join(pieces.get(place, [])))}</bdi></td><td>{written(explanation, explanation.word_scores[place], '.4f')}</td></tr>"
        for place, word in enumerate(explanation.words)
    )
    return (
        f'<details class="xk-all"><summary>all {len(explanation.words)} words as the model reads them</summary><table><thead><tr>'
        f"<th>sentence</th><th>word</th><th>pieces</th><th>{escaped(explanation.unit)}</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )
