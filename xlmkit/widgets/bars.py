"""Bars: the probabilities of the labels as HTML, with numbers, and beside those before a change."""

from __future__ import annotations

from collections.abc import Mapping

from xlmkit.render import escaped


def bars(
    now: Mapping[str, float], before: Mapping[str, float] | None = None, *, gold: str | None = None
) -> str:
    """A table with a bar and a number a label; without its style (`style.STYLE`).

    Parameters
    ----------
    now, before : label -> probability in [0, 1]; with `before` also what it was (a dashed bar) and the change in points.
    gold : the right label, where it is known."""
    best = max(now, key=lambda label: now[label])
    head = "<th>label</th><th>probability</th><th></th>" + (
        "<th>before</th><th>change</th>" if before else ""
    )
    rows = "".join(_row(label, now[label], before, label == best, label == gold) for label in now)
    return (
        f'<table class="xk-bars" lang="en" dir="ltr"><caption class="xk-sr">{escaped(said(now, before))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def said(now: Mapping[str, float], before: Mapping[str, float] | None = None) -> str:
    """The same in a sentence, for a screen reader: "neutral, 52 %; before: entailment, 71 %"."""
    best = max(now, key=lambda label: now[label])
    text = f"{best}, {percent(now[best])}"
    if before:
        then = max(before, key=lambda label: before[label])
        text += f"; before: {then}, {percent(before[then])}"
    return text


def percent(share: float) -> str:
    """A probability in [0, 1] as "52 %"; "99.7 %" where rounding would say that nothing else is possible."""
    return f"{100 * share:.0f} %" if 0.005 <= share <= 0.994 else f"{100 * share:.1f} %"


def _row(label: str, share: float, before: Mapping[str, float] | None, best: bool, gold: bool) -> str:
    mark = ("▶ " if best else "") + escaped(label) + (" (gold)" if gold else "")
    track = f'<span class="xk-bar" style="width:{100 * share:.1f}%"></span>'
    further = ""
    if before is not None:
        then = before[label]
        track += f'<span class="xk-bar xk-then" style="width:{100 * then:.1f}%"></span>'
        points = 100 * (share - then)
        change = "±0" if abs(points) < 0.5 else f"{'+' if points > 0 else '−'}{abs(points):.0f}"
        further = f'<td class="xk-number">{percent(then)}</td><td class="xk-number">{change} points</td>'
    return (
        f'<tr{" class=xk-best" if best else ""}><th scope="row">{mark}</th><td class="xk-track" aria-hidden="true">{track}</td>'
        f'<td class="xk-number">{percent(share)}</td>{further}</tr>'
    )
