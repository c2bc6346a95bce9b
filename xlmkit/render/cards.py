"""Cards: one explanation with its prediction, warnings, colour scale, sums and gate verdict."""

from __future__ import annotations

from xlmkit.explanation import Explanation, tolerance
from xlmkit.render.style import STYLE
from xlmkit.render.text import escaped, quoted, signed, unsigned
from xlmkit.render.words import largest, sentences, shade, written

METHOD_NAMES = {
    "integrated_gradients": "integrated gradients",
    "saliency": "saliency (gradient)",
    "input_x_gradient": "input × gradient",
    "occlusion": "occlusion (leave one word out)",
    "gradient_shap": "gradient SHAP",
    "kernel_shap": "KernelSHAP over words",
    "lime": "LIME over words",
    "attention_rollout": "attention rollout (explains no label)",
    "random": "random numbers (a control)",
}
GATE = "the gate: whether all numbers add up to the change, within the allowed delta"
NO_GATE = "no gate: the scores of this method need not add up to the change, or are made to"


def card(explanation: Explanation) -> str:
    """One explanation as an HTML fragment with its own style, for a notebook cell in light or
    dark."""
    return f"<style>{STYLE}</style>{section(explanation)}"


def section(explanation: Explanation) -> str:
    """A card without its style."""
    unsigned_class = "" if explanation.signed else " xk-unsigned"
    scale = largest(explanation)
    return (
        f'<section class="xk{state_classes(explanation)}{unsigned_class}" lang="en" dir="ltr">'
        f"{_head(explanation)}{banners(explanation)}{sentences(explanation, scale)}"
        f"{scale_of(explanation, scale)}{account(explanation)}{_table(explanation)}</section>"
    )


def state_classes(explanation: Explanation) -> str:
    """CSS classes of an explanation that failed its gate or comes from an untrained model."""
    failed, untrained = explanation.converged is False, not explanation.trained
    return " xk-failed" * failed + " xk-untrained" * untrained


def method_name(explanation: Explanation) -> str:
    """The method in words."""
    return METHOD_NAMES.get(explanation.method, explanation.method)


def target(explanation: Explanation) -> str:
    """The label that is explained, and the one it is compared with, as HTML."""
    contrast = "" if explanation.contrast is None else f" rather than <b>{escaped(explanation.contrast)}</b>"
    return f"<b>{escaped(explanation.target)}</b>{contrast}"


def verdict(explanation: Explanation) -> str:
    """Whether the prediction is the gold label, by a sign and a word."""
    return "✓ right" if explanation.gold == explanation.prediction else "✗ wrong"


def prediction(explanation: Explanation) -> str:
    """The predicted label with its probability."""
    return f"{escaped(explanation.prediction)} <b>{100 * explanation.probability:.0f}&#8239;%</b>"


def banners(explanation: Explanation) -> str:
    """Warnings that must not be overlooked: no training, a failed gate, a truncated pair."""
    texts = []
    if not explanation.trained:
        texts.append("<b>Untrained.</b> The model's head is random: label and scores mean nothing.")
    if explanation.converged is False and explanation.delta is not None and explanation.change is not None:
        texts.append(
            f"<b>Failed.</b> After {explanation.n_steps} steps the scores still miss the change in logit by "
            f"{unsigned(explanation.delta)}; {unsigned(tolerance(explanation.change))} is allowed. "
            "Do not rely on them."
        )
    if explanation.truncated:
        texts.append("<b>Truncated.</b> The pair is too long; the model did not see the faded text.")
    return "".join(f'<p class="xk-banner" role="note">{text}</p>' for text in texts)


def scale_of(explanation: Explanation, scale: float) -> str:
    """`legend` with the ends of this explanation's scale, or a sentence if no word has an
    effect."""
    if scale == 0:
        return f'<div class="xk-legend">No word has an effect. Explained: {target(explanation)}.</div>'
    return legend(explanation, scale, *ends(explanation))


def ends(explanation: Explanation) -> tuple[str, str]:
    """The names of the two ends of a signed scale, as HTML."""
    label = escaped(explanation.target)
    against = f"against {label}" if explanation.contrast is None else f"for {escaped(explanation.contrast)}"
    return against, f"for {label}"


def legend(explanation: Explanation, scale: float, against: str, towards: str) -> str:
    """The colour scale: samples with numbers, in the shades and underlines of the words.

    Parameters
    ----------
    against, towards : the names of the ends of a signed scale, as HTML."""
    fractions = (-1.0, -0.5, 0.0, 0.5, 1.0) if explanation.signed else (0.0, 0.5, 1.0)
    # Blanks between the parts: an untrusted notebook and some web pages show it without its style.
    samples = " ".join(
        f'<span class="xk-sample {shade(part * scale, scale)}">{written(explanation, part * scale)}</span>'
        for part in fractions
    )
    if not explanation.signed:
        against = "weak"
        towards = "strong, of either sign" if explanation.aggregation == "l2" else "strong, for no label"
    return (
        f'<div class="xk-legend"><span>{against}</span> <span class="xk-scale">{samples}</span> '
        f'<span>{towards}</span> <span class="xk-unit">{escaped(explanation.unit)}</span></div>'
    )


def account(explanation: Explanation) -> str:
    """What the change in logit consists of, and the gate's verdict in words."""
    about = f"the logit of {explanation.target}"
    if explanation.contrast is not None:
        about += f" minus that of {explanation.contrast}"
    parts = [("F(x)", explanation.output, about)]
    if explanation.baseline_output is not None and explanation.change is not None:
        baseline = "the same at the baseline, the input without content"
        parts.append(("F(baseline)", explanation.baseline_output, baseline))
        parts.append(("change", explanation.change, "F(x) minus F(baseline): what is to be explained"))
    if explanation.signed and explanation.unit == "logits":
        parts.append(("words", float(explanation.word_scores.sum()), "the sum over the words"))
        parts.append(("special tokens", explanation.remainder, "the sum over tokens of no word"))
    if explanation.language_share is not None:
        parts.append(("language ids", explanation.language_share, "what the language ids add"))
    sums = " ".join(
        f'<span title="{quoted(what)}">{name} {signed(value)}</span>' for name, value, what in parts
    )
    return (
        f'<div class="xk-account">{sums} '
        f'<span class="xk-verdict" title="{GATE}">{_gate(explanation)}</span></div>'
    )


def _gate(explanation: Explanation) -> str:
    if explanation.converged is None or explanation.delta is None or explanation.change is None:
        samples = "" if explanation.n_steps is None else f"{explanation.n_steps} samples; "
        return f"{samples}{NO_GATE}"
    allowed = unsigned(tolerance(explanation.change))
    word = "passed" if explanation.converged else "FAILED"
    return f"delta {signed(explanation.delta)}, allowed {allowed}, {explanation.n_steps} steps: <b>{word}</b>"


def _head(explanation: Explanation) -> str:
    gold = ""
    if explanation.gold is not None:
        gold = f'<span class="xk-gold">gold: {escaped(explanation.gold)} {verdict(explanation)}</span>'
    return (
        f'<header class="xk-head"><span class="xk-label">{prediction(explanation)}</span>{gold}'
        f'<span class="xk-why">explained: {target(explanation)}, by {escaped(method_name(explanation))}</span>'
        f'<span class="xk-id">pair {escaped(explanation.pair_id)}</span></header>'
    )


def _table(explanation: Explanation) -> str:
    """Every word with its pieces and score, folded: for screen readers and for exact numbers."""
    pieces: dict[int, list[str]] = {}
    for token in explanation.tokens:
        if token.word is not None:
            pieces.setdefault(token.word, []).append(token.text.removesuffix("</w>"))
    rows = "".join(
        f"<tr><td>{explanation.sides[word.sentence]}</td><td><bdi>{escaped(word.text)}</bdi></td>"
        f"<td><bdi>{escaped(' · '.join(pieces.get(index, [])))}</bdi></td>"
        f"<td>{written(explanation, explanation.word_scores[index], '.4f')}</td></tr>"
        for index, word in enumerate(explanation.words)
    )
    return (
        f'<details class="xk-all"><summary>all {len(explanation.words)} words as the model reads them</summary>'
        "<table><thead><tr><th>sentence</th><th>word</th><th>pieces</th>"
        f"<th>{escaped(explanation.unit)}</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )
