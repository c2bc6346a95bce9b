"""Side by side: one item in many languages, one row per language, next to the English original.

All rows share one colour scale, so a pale row is one whose words add little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xlmkit.explanation import Explanation
from xlmkit.render.cards import (
    banners,
    ends,
    legend,
    method_name,
    prediction,
    state_classes,
    target,
    verdict,
)
from xlmkit.render.style import GRID_STYLE, STYLE
from xlmkit.render.text import escaped
from xlmkit.render.words import language_name, marked, sentence_of, shared_scale

if TYPE_CHECKING:
    import pandas as pd


def side_by_side(explanations: Sequence[Explanation], *, pairs: pd.DataFrame | None = None) -> str:
    """One item in many languages as an HTML fragment with its own style, in light or dark.

    Parameters
    ----------
    explanations : of translations of one item, one per language, by one method and aggregation.
        They are drawn in this order.
    pairs : the frame that was explained; its `english_premise` and `english_hypothesis` (or
        `english_text`) are the English originals. None takes the texts of the English explanation,
        if there is one.

    Returns
    -------
    HTML with each text in its own direction; right and wrong have a sign and a word. The numbers as
    a frame are `attribution.tabulate(explanations)`.

    Raises
    ------
    ValueError : if there is no explanation, two are in one language, methods or aggregations
        differ, `pairs` does not have one row per pair, or the pairs are of different items."""
    return f"<style>{STYLE}{GRID_STYLE}</style>{grid(explanations, pairs)}"


def grid(explanations: Sequence[Explanation], pairs: pd.DataFrame | None) -> str:
    """The same without its style."""
    listed = list(explanations)
    _check(listed)
    originals = _originals(listed, pairs)
    same_target = len({(one.target, one.contrast) for one in listed}) == 1
    scale = shared_scale(listed)
    heads = ["language", " and ".join(listed[0].sides)]
    heads += ["English original"] * any(originals)
    cells = [_language(one, same_target) + _texts(one, scale) for one in listed]
    if any(originals):
        cells = [cell + _english(texts) for cell, texts in zip(cells, originals, strict=True)]
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    rows = "".join(
        f'<tr class="{state_classes(one).lstrip()}">{cell}</tr>'
        for one, cell in zip(listed, cells, strict=True)
    )
    return (
        f'<section class="xk xk-grid" lang="en" dir="ltr">{_head(listed, pairs, same_target)}'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"{_legend(listed[0], scale, same_target)}</section>"
    )


def _check(explanations: list[Explanation]) -> None:
    if not explanations:
        raise ValueError("expected at least one explanation, got none.")
    kinds = {(one.method, one.aggregation, one.unit, one.hypothesis is None) for one in explanations}
    if len(kinds) > 1:
        names = ", ".join(sorted({f"{one.method} ({one.aggregation})" for one in explanations}))
        raise ValueError(
            f"expected one method and aggregation, since all rows share one scale; got {names}. "
            "Call it once for each."
        )
    codes = [(one.premise_language, one.hypothesis_language) for one in explanations]
    double = next((code for place, code in enumerate(codes) if code in codes[:place]), None)
    if double is not None:
        raise ValueError(
            f"expected one explanation per language; got two in {double[0]!r}. Select those of one item."
        )


def _originals(explanations: list[Explanation], pairs: pd.DataFrame | None) -> list[tuple[str, ...]]:
    """The English texts for each explanation; empty if it is in English or they are unknown."""

    def is_english(one: Explanation) -> bool:
        return one.premise_language == "en" and one.hypothesis_language in ("en", None)

    if pairs is None:
        texts = next((_sentences(one) for one in explanations if is_english(one)), ())
        return [() if is_english(one) else texts for one in explanations]
    ids = [one.pair_id for one in explanations]
    rows = pairs[pairs["pair_id"].isin(ids)] if "pair_id" in pairs else pairs[:0]
    missing = sorted(set(ids) - set(rows["pair_id"])) if len(rows) else ids
    if missing or rows["pair_id"].duplicated().any():
        problem = f"none with {missing[0]!r}" if missing else "one twice"
        raise ValueError(
            f"expected `pairs` with each `pair_id` once; got {problem}. Pass the frame that was explained."
        )
    if "item" in rows and rows["item"].nunique(dropna=False) > 1:
        items = ", ".join(map(repr, sorted(map(str, rows["item"].unique()))))
        raise ValueError(f"expected translations of one item; got {items}. Call it once for each item.")
    names = [f"english_{side}" for side in explanations[0].sides]
    known = rows.set_index("pair_id")[[name for name in names if name in rows]]
    return [
        () if is_english(one) else tuple(text for text in known.loc[one.pair_id] if isinstance(text, str))
        for one in explanations
    ]


def _sentences(explanation: Explanation) -> tuple[str, ...]:
    return tuple(sentence_of(explanation, side)[1] for side in range(len(explanation.sides)))


def _head(explanations: list[Explanation], pairs: pd.DataFrame | None, same_target: bool) -> str:
    """The item, how many predictions are right, and what is explained."""
    first, count = explanations[0], len(explanations)
    item = ""
    if pairs is not None and "item" in pairs:
        item = f"{escaped(pairs.loc[pairs['pair_id'] == first.pair_id, 'item'].iloc[0])}: "
    known = [one for one in explanations if one.gold is not None]
    right = sum(one.gold == one.prediction for one in known)
    golds = escaped(", ".join(sorted({str(one.gold) for one in known})))
    counts = f"<span>gold: {golds}; {right} right, {len(known) - right} wrong</span>" if known else ""
    why = target(first) if same_target else "each row's own label; do not compare scores between labels"
    return (
        f'<header class="xk-head"><span class="xk-label">{item}<b>{count_of(count, "language")}</b></span>'
        f'{counts}<span class="xk-why">explained: {why}, by {escaped(method_name(first))}</span></header>'
    )


def count_of(count: int, noun: str) -> str:
    """`1 language` or `3 languages`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _language(explanation: Explanation, same_target: bool) -> str:
    """The first cell: the language, the prediction, and whether it is right."""
    codes = dict.fromkeys(filter(None, (explanation.premise_language, explanation.hypothesis_language)))
    lines = [f"<b>{'<br>'.join(f'{escaped(language_name(code))} ({escaped(code)})' for code in codes)}</b>"]
    lines.append(prediction(explanation))
    if explanation.gold is not None:
        text = verdict(explanation)
        lines.append(f'<span class="xk-{text.split()[1]}">{text}</span>')
    if not same_target:
        lines.append(f'<span class="xk-why">explained: {target(explanation)}</span>')
    return f'<th scope="row">{"<br>".join(lines)}</th>'


def _texts(explanation: Explanation, scale: float) -> str:
    texts = "".join(marked(explanation, side, scale) for side in range(len(explanation.sides)))
    return f"<td>{banners(explanation)}{texts}</td>"


def _english(texts: tuple[str, ...]) -> str:
    paragraphs = "".join(f'<p lang="en" dir="ltr">{escaped(text)}</p>' for text in texts)
    return f'<td class="xk-english">{paragraphs}</td>'


def _legend(explanation: Explanation, scale: float, same_target: bool) -> str:
    if scale == 0:
        return '<div class="xk-legend">No word has an effect on any of these logits.</div>'
    if same_target:
        return legend(explanation, scale, *ends(explanation))
    other = "against" if explanation.contrast is None else "for the other label than"
    return legend(explanation, scale, f"{other} the explained label", "for the explained label")
