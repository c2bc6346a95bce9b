"""Translations: one item in many languages as a table, a row a language, with its English original, its prediction, and what each word adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from xlmkit.explanation import Explanation
from xlmkit.pairs import is_missing
from xlmkit.render import escaped, plain, quoted
from xlmkit.render.cards import banners, legend, method_name
from xlmkit.render.words import largest, marked
from xlmkit.widgets.choosing import records
from xlmkit.widgets.items import original, plain_texts, shortened, sides, spoken, sure, verdict

ORDERS = ("language", "confidence, highest first", "confidence, lowest first", "wrong first", "prediction")
VIEWS = ("all", "wrong", "right", "not as in English")
# Twice the class: JupyterLab has rules of its own for tables in HTML, which would win otherwise.
TABLE_STYLE = (
    ".xk.xk-wide{max-width:none}"
    ".xk-translations.xk-translations{border-collapse:collapse;border:0;width:100%;font-size:inherit;table-layout:auto}"
    ".xk-translations.xk-translations tr{background:none!important;border-top:1px solid rgba(128,128,128,.35)}.xk-translations.xk-translations thead tr{border-top:0}"
    ".xk-translations.xk-translations th,.xk-translations.xk-translations td{padding:5px 12px 5px 0;text-align:start;vertical-align:top;font-weight:400;max-width:none;white-space:normal}"
    ".xk-translations.xk-translations thead th{font-size:.8em;opacity:.8}.xk-translations.xk-translations p.xk-text{margin:0;font-size:1.05em;line-height:2.3;white-space:pre-wrap;"
    "overflow-wrap:anywhere;unicode-bidi:isolate}.xk-translations.xk-translations p.xk-text:last-child{margin-bottom:.5em}.xk-translations.xk-translations .xk-beside{font-size:.82em;opacity:.85;min-width:12em}"
    ".xk-translations.xk-translations .xk-beside p{margin:0 0 4px;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    ".xk-translations.xk-translations tr.xk-open{box-shadow:inset 4px 0 rgb(0,114,178)}.xk-translations.xk-translations tr.xk-open>th{padding-left:10px}"
    ".xk-translations.xk-translations .xk-says{font-size:.88em;min-width:8em}"
)


def ordered(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    """The rows of one item in one of `ORDERS`; equal ones by the language's name.

    Raises
    ------
    ValueError : if there is no such order."""
    if order not in ORDERS:
        raise ValueError(f"`order` must be one of {', '.join(map(repr, ORDERS))}; got {order!r}")
    names = [spoken(row) for row in records(rows)]
    by_name = rows.iloc[sorted(range(len(rows)), key=lambda place: names[place])]
    if order.startswith("confidence"):
        return by_name.sort_values("confidence", ascending=order.endswith("lowest first"), kind="stable")
    if order == "prediction":
        return by_name.sort_values("prediction", kind="stable")
    if order == "wrong first" and "correct" in rows:
        places = by_name["correct"].astype("Int64").fillna(2).to_numpy()  # wrong, right, unknown
        return by_name.iloc[places.argsort(kind="stable")]
    return by_name


def viewed(rows: pd.DataFrame, view: str) -> pd.DataFrame:
    """The rows of one item that are in one of `VIEWS`.

    Raises
    ------
    ValueError : if there is no such view."""
    if view not in VIEWS:
        raise ValueError(f"`view` must be one of {', '.join(map(repr, VIEWS))}; got {view!r}")
    if view == "all":
        return rows
    if view == "not as in English":
        english = _english_label(rows)
        return rows if english is None else rows[rows["prediction"] != english]
    if "correct" not in rows:
        return rows[:0]
    return rows[(rows["correct"] == (view == "right")).fillna(False).to_numpy(dtype=bool)]


def summary(rows: pd.DataFrame) -> str:
    """How far the languages agree, in one sentence for each thing that is known."""
    amount = len(rows)
    labels = rows["prediction"].value_counts()
    counts = ", ".join(f"{label} {count}" for label, count in labels.items())
    parts = [f"{amount} language{'' if amount == 1 else 's'}. Predicted: {counts}"]
    if "gold" in rows and rows["gold"].notna().any():
        known = rows[rows["gold"].notna()]
        golds = ", ".join(sorted(set(known["gold"])))
        parts.insert(0, f"Gold: {golds}. Right in {int(known['correct'].sum())} of {len(known)} languages")
    english = _english_label(rows)
    if english is not None and amount > 1:
        others = rows[~_is_english(rows)]
        parts.append(
            f"As in English ({english}): {int((others['prediction'] == english).sum())} of {len(others)} others"
        )
    if amount > 1:
        same = (labels * (labels - 1)).sum() / (amount * (amount - 1))
        parts.append(f"Of any two languages {100 * same:.0f} % agree")
    return ". ".join(parts) + "."


def table(
    rows: pd.DataFrame,
    explanations: Mapping[str, Explanation] | None = None,
    *,
    opened: str | None = None,
    detail: str = "",
) -> str:
    """The rows as an HTML table.

    Parameters
    ----------
    rows : of one item, from `choosing.predictions`, in the order to draw.
    explanations : by `pair_id`, of one method, so that they share a scale; what is missing is drawn without colours.
    opened : the `pair_id` of the row that is open; `detail` is what to show under it, as HTML.

    Returns
    -------
    A table in which each row has a button whose `data-xk` is its `pair_id`, hidden characters replaced."""
    found = dict(explanations or {})
    own = [found[str(name)] for name in rows["pair_id"] if str(name) in found]
    # A failed explanation's scores say nothing, so they do not set the scale either.
    scale = max(map(largest, [one for one in own if one.converged is not False] or own), default=0.0)
    listed = records(rows)
    heads = [
        "language",
        "prediction",
        " and ".join(name for name, _ in sides(listed[0])) if listed else "sentences",
        *(["English original"] if any(map(original, listed)) else []),
    ]
    body = ""
    for row in listed:
        open_ = str(row["pair_id"]) == opened
        body += _row(row, found.get(str(row["pair_id"])), scale, open_)
        body += (
            f'<tr><td colspan="{len(heads)}"><div role="status" aria-label="explanation of the opened row">{detail}</div></td></tr>'
            if open_ and detail
            else ""
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<div class="xk xk-wide" lang="en" dir="ltr">{_scale(own, scale)}'
        f'<table class="xk-translations"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(row: Mapping[str, Any], explanation: Explanation | None, scale: float, open_: bool) -> str:
    states = {
        "xk-open": open_,
        "xk-failed": explanation is not None and explanation.converged is False,
        "xk-untrained": row.get("untrained") is True,
    }
    classes = " ".join(name for name, holds in states.items() if holds)
    texts = (
        plain_texts(row)
        if explanation is None
        else [marked(explanation, side, scale) for side in range(len(explanation.sides))]
    )
    warning = "" if explanation is None else banners(explanation)
    name = spoken(row)
    button = (
        f'<button type="button" class="xk-button" data-xk="{quoted(row["pair_id"])}" aria-expanded="{str(open_).lower()}" '
        f'aria-label="{"close" if open_ else "explain"} {quoted(name)}">{"▼" if open_ else "▶"} {escaped(name)}</button>'
    )
    beside = original(row, heading=False)
    return (
        f'<tr class="{classes}"><th scope="row">{button}</th><td class="xk-says"><b>{escaped(row["prediction"])}</b> {sure(row.get("confidence"))}'
        f"<br>{verdict(row)}</td><td>{warning}{''.join(texts)}</td>{f'<td>{beside}</td>' if beside else ''}</tr>"
    )


def _scale(explanations: list[Explanation], scale: float) -> str:
    """What the colours mean; nothing where there are none."""
    if not explanations:
        return ""
    method = escaped(method_name(explanations[0]))
    if scale == 0:
        return f'<div class="xk-legend">By {method}, no word moves any of these logits.</div>'
    drawn = legend(explanations[0], scale, "against the predicted label", "for the predicted label")
    return f'{drawn}<div class="xk-legend">what each word adds, by {method}; one scale for all rows</div>'


def _is_english(rows: pd.DataFrame) -> pd.Series:
    return rows["language"] == "en" if "language" in rows else pd.Series(False, index=rows.index)


def _english_label(rows: pd.DataFrame) -> str | None:
    """What is predicted for the English text; None where there is none."""
    labels = rows.loc[_is_english(rows), "prediction"]
    return None if labels.empty else str(labels.iloc[0])


def items_of(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(what to call it, item) of every item, in the order of the frame: its id and the beginning of its English text, else of its first."""
    column = next((name for name in ("english_premise", "english_text") if name in frame), None)
    first = frame.drop_duplicates("item")
    first_text = "premise" if "premise" in frame else "text"
    found = []
    for row in records(first):
        text = row[first_text] if column is None or is_missing(row[column]) else row[column]
        found.append((plain(f"{row['item']}: {shortened(str(text))}"), row["item"]))
    return found
