"""Side by side: one item in many languages, a row each, with the English original beside it.

All rows share one colour scale, so that a pale row is one whose words add little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlmkit.explanation import Explanation
from xlmkit.render.cards import banners, ends, legend, method_name
from xlmkit.render.style import GRID_STYLE, STYLE
from xlmkit.render.text import escaped
from xlmkit.render.words import language_name, largest, marked

if TYPE_CHECKING:
    import pandas as pd

ENGLISH = ("english_premise", "english_hypothesis")
TEXT = ("english_text",)  # of single texts


def side_by_side(explanations: Sequence[Explanation], *, pairs: pd.DataFrame | None = None) -> str:
    """One item in many languages as an HTML fragment with its own style, for a notebook cell in light or dark.

    Parameters
    ----------
    explanations : of translations of one item, one a language, by one method and aggregation; drawn in this order.
    pairs : the frame that was explained, whose `english_premise` and `english_hypothesis` are the English originals; None takes the texts of the
        English explanation, where there is one.

    Returns
    -------
    Each text in its own direction; right or wrong by a sign and a word. The numbers as frames are `attribution.tabulate(explanations)`.

    Raises
    ------
    ValueError : if there is no explanation, two are of one language, methods or aggregations differ, or `pairs` lacks a pair, has it twice, or says
        that the pairs are of different items."""
    return f"<style>{STYLE}{GRID_STYLE}</style>{grid(explanations, pairs)}"


def grid(explanations: Sequence[Explanation], pairs: pd.DataFrame | None) -> str:
    """The same without its style."""
    listed = _checked(explanations)
    originals = _originals(listed, pairs)
    same = len({(one.target, one.contrast) for one in listed}) == 1
    # A failed explanation's scores say nothing, so they do not set the scale either.
    scale = max(map(largest, [one for one in listed if one.converged is not False] or listed))
    beside = any(any(own) for own in originals)
    rows = "".join(
        _row(one, scale, own if beside else None, same) for one, own in zip(listed, originals, strict=True)
    )
    english = '<th scope="col">English original</th>' if beside else ""
    return (
        f'<section class="xk xk-grid" lang="en" dir="ltr">{_head(listed, pairs, same)}<table><thead><tr><th scope="col">language</th>'
        f'<th scope="col">{" and ".join(listed[0].sides)}</th>{english}</tr></thead><tbody>{rows}</tbody></table>'
        f"{_legend(listed[0], scale, same)}</section>"
    )


def _checked(explanations: Sequence[Explanation]) -> list[Explanation]:
    listed: list[Explanation] = list(explanations)
    if not listed:
        raise ValueError("expected at least one explanation, got none")
    kinds = {(one.method, one.aggregation, one.unit, one.hypothesis is None) for one in listed}
    if len(kinds) > 1:
        named = ", ".join(sorted({f"{one.method} ({one.aggregation})" for one in listed}))
        raise ValueError(
            f"expected explanations by one method and aggregation, since they share a scale; got {named}; remedy: a call for each"
        )
    seen: set[tuple[str, str | None]] = set()
    for one in listed:
        code = (one.premise_language, one.hypothesis_language)
        if code in seen:
            raise ValueError(
                f"expected one explanation a language; got two in {one.premise_language!r}; remedy: choose those of one item"
            )
        seen.add(code)
    return listed


def _originals(explanations: list[Explanation], pairs: pd.DataFrame | None) -> list[tuple[str, ...]]:
    """The English texts beside each explanation; empty where it is in English itself, or none are known."""
    if pairs is None:
        english = next((_texts(one) for one in explanations if _is_english(one)), ())
        return [() if _is_english(one) else english for one in explanations]
    ids = [one.pair_id for one in explanations]
    own = pairs[pairs["pair_id"].isin(ids)] if "pair_id" in pairs else pairs[:0]
    missing = sorted(set(ids) - set(own["pair_id"])) if len(own) else ids
    if missing or own["pair_id"].duplicated().any():
        what = f"none with {missing[0]!r}" if missing else "one twice"
        raise ValueError(
            f"expected `pairs` with each `pair_id` once; got {what}; remedy: give the frame that was explained"
        )
    if "item" in own and own["item"].nunique(dropna=False) > 1:
        items = ", ".join(map(repr, sorted(map(str, own["item"].unique()))))
        raise ValueError(f"expected translations of one item; got {items}; remedy: a call for each")
    columns = [name for name in (ENGLISH if explanations[0].hypothesis is not None else TEXT) if name in own]
    known = own.set_index("pair_id")[columns]
    texts = {id: tuple(text for text in known.loc[id] if isinstance(text, str)) for id in ids}
    return [() if _is_english(one) else texts[one.pair_id] for one in explanations]


def _is_english(explanation: Explanation) -> bool:
    return explanation.premise_language == "en" and explanation.hypothesis_language in ("en", None)


def _texts(explanation: Explanation) -> tuple[str, ...]:
    return (explanation.premise, explanation.hypothesis or "")[: len(explanation.sides)]


def _head(explanations: list[Explanation], pairs: pd.DataFrame | None, same: bool) -> str:
    """What is drawn, how many are right, and what the scores are for."""
    first = explanations[0]
    item = ""
    if pairs is not None and "item" in pairs:
        item = f"{escaped(pairs.loc[pairs['pair_id'] == first.pair_id, 'item'].iloc[0])}: "
    amount = f"{len(explanations)} language{'' if len(explanations) == 1 else 's'}"
    known = [one for one in explanations if one.gold is not None]
    golds = sorted({str(one.gold) for one in known})
    right = sum(one.gold == one.prediction for one in known)
    counts = f"<span>gold: {escaped(', '.join(golds))}; {right} right, {len(known) - right} wrong</span>"
    why = (
        _why(first)
        if same
        else "explained: in each row what it says; scores of different labels are no comparison"
    )
    return (
        f'<header class="xk-head"><span class="xk-label">{item}<b>{amount}</b></span>{counts if known else ""}'
        f'<span class="xk-why">{why}, by {escaped(method_name(first))}</span></header>'
    )


def _why(explanation: Explanation) -> str:
    contrast = "" if explanation.contrast is None else f" rather than <b>{escaped(explanation.contrast)}</b>"
    return f"explained: <b>{escaped(explanation.target)}</b>{contrast}"


def _row(explanation: Explanation, scale: float, english: tuple[str, ...] | None, same: bool) -> str:
    states = {"xk-failed": explanation.converged is False, "xk-untrained": not explanation.trained}
    classes = " ".join(name for name, holds in states.items() if holds)
    codes = dict.fromkeys(filter(None, (explanation.premise_language, explanation.hypothesis_language)))
    names = "<br>".join(f"{escaped(language_name(code))} ({escaped(code)})" for code in codes)
    verdict = ""
    if explanation.gold is not None:
        right = explanation.gold == explanation.prediction
        verdict = (
            f'<br><span class="xk-{"right" if right else "wrong"}">{"✓ right" if right else "✗ wrong"}</span>'
        )
    why = "" if same else f'<br><span class="xk-why">{_why(explanation)}</span>'
    texts = "".join(marked(explanation, side, scale) for side in range(len(explanation.sides)))
    beside = ""
    if english is not None:
        originals = "".join(f'<p lang="en" dir="ltr">{escaped(text)}</p>' for text in english)
        beside = f'<td class="xk-english">{originals}</td>'
    return (
        f'<tr class="{classes}"><th scope="row"><b>{names}</b><br>{escaped(explanation.prediction)} '
        f"{100 * explanation.probability:.0f}&#8239;%{verdict}{why}</th><td>{banners(explanation)}{texts}</td>{beside}</tr>"
    )


def _legend(explanation: Explanation, scale: float, same: bool) -> str:
    if scale == 0:
        return '<div class="xk-legend">No word moves any of these logits.</div>'
    if not same:
        other = "against" if explanation.contrast is None else "for the other label than"
        return legend(explanation, scale, f"{other} the explained label", "for the explained label")
    return legend(explanation, scale, *ends(explanation))
