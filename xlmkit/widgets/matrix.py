"""Matrix: which label was taken for which, as a table whose every cell is a button that asks for its rows."""

from __future__ import annotations

import pandas as pd

from xlmkit.pairs import LABELS
from xlmkit.render import escaped, quoted

MATRIX_STYLE = (
    ".xk-matrix.xk-matrix{border-collapse:separate;border-spacing:3px;border:0;font-size:.92em;font-variant-numeric:tabular-nums;table-layout:auto}"
    ".xk-matrix.xk-matrix tr{background:none!important}.xk-matrix.xk-matrix caption{caption-side:top;text-align:start;font-size:.9em;opacity:.85;color:inherit}"
    ".xk-matrix.xk-matrix th,.xk-matrix.xk-matrix td{padding:0;font-weight:400;text-align:center;max-width:none}.xk-matrix.xk-matrix th{padding:0 6px;font-size:.92em}"
    ".xk-matrix.xk-matrix .xk-cell{display:block;box-sizing:border-box;font:inherit;color:inherit;width:100%;min-width:6em;padding:5px 8px;border:1px solid rgba(128,128,128,.5);border-radius:4px;"
    "cursor:pointer;line-height:1.25}.xk-matrix.xk-matrix .xk-cell small{display:block;opacity:.85}"
    ".xk-matrix.xk-matrix .xk-cell[aria-pressed=true]{outline:3px solid currentColor;font-weight:700}"
)
ALL = "all"


def labels_of(frame: pd.DataFrame) -> list[str]:
    """The labels that occur as gold or as prediction, NLI's in their usual order."""
    found = {*frame["prediction"].dropna(), *(frame["gold"].dropna() if "gold" in frame else ())}
    return [*(label for label in LABELS if label in found), *sorted(found - set(LABELS))]


def counted(frame: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """How many rows with gold have each gold and predicted label: a square frame, gold down and prediction across."""
    known = frame[frame["gold"].notna()] if "gold" in frame else frame[:0].assign(gold=None)
    table = pd.crosstab(known["gold"], known["prediction"]) if len(known) else pd.DataFrame()
    return table.reindex(index=labels, columns=labels, fill_value=0).fillna(0).astype(int)


def matrix(table: pd.DataFrame, *, chosen: tuple[str | None, str | None] | None = (None, None)) -> str:
    """The table as HTML.

    Parameters
    ----------
    table : from `counted`.
    chosen : gold and predicted label whose rows are shown; None stands for all. None in place of both: no cell holds just what is shown.

    Returns
    -------
    Buttons whose `data-xk` is "GOLD:PREDICTION" by place in the table's labels, or "all" in the place of one that is not asked for. Their shade says
    which share of the gold label's rows they hold, as the number does; the diagonal has a check mark."""
    labels = [str(name) for name in table.index]
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in labels)
    rows = "".join(_row(table, labels, place, chosen) for place in range(len(labels)))
    below = "".join(
        _button(
            f"{ALL}:{place}",
            f"predicted {name}, whatever the gold label",
            int(table.to_numpy()[:, place].sum()),
            None,
            chosen == (None, name),
        )
        for place, name in enumerate(labels)
    )
    total = int(table.to_numpy().sum())
    right = sum(int(table.to_numpy()[place, place]) for place in range(len(labels)))
    share = f": {100 * right / total:.0f} % right" if total else ""
    every = _button(f"{ALL}:{ALL}", "all rows", total, None, chosen == (None, None))
    return (
        f'<table class="xk-matrix" lang="en" dir="ltr"><caption>{total} rows with a gold label{share}. Choose a cell to see its rows.</caption>'
        f'<thead><tr><th scope="col">gold ↓ predicted →</th>{head}<th scope="col">all</th></tr></thead>'
        f'<tbody>{rows}<tr><th scope="row">all</th>{below}{every}</tr></tbody></table>'
    )


def asked(value: str, labels: list[str]) -> tuple[str | None, str | None]:
    """Gold and predicted label that a button of `matrix` stands for, None for "all".

    Raises
    ------
    ValueError : if it is none of these buttons."""
    names = {ALL: None} | {str(place): name for place, name in enumerate(labels)}
    gold, _, label = value.partition(":")
    if gold not in names or label not in names:
        raise ValueError(f"expected GOLD:PREDICTION by place among {len(labels)} labels; got {value!r}")
    return names[gold], names[label]


def _row(
    table: pd.DataFrame, labels: list[str], place: int, chosen: tuple[str | None, str | None] | None
) -> str:
    gold, total = labels[place], int(table.to_numpy()[place].sum())
    cells = "".join(
        _button(
            f"{place}:{other}",
            f"gold {gold}, predicted {name}",
            int(table.to_numpy()[place, other]),
            int(table.to_numpy()[place, other]) / total if total else None,
            chosen == (gold, name),
            right=place == other,
        )
        for other, name in enumerate(labels)
    )
    every = _button(
        f"{place}:{ALL}", f"gold {gold}, whatever was predicted", total, None, chosen == (gold, None)
    )
    return f'<tr><th scope="row">{escaped(gold)}</th>{cells}{every}</tr>'


def _button(
    value: str, what: str, count: int, share: float | None, pressed: bool, *, right: bool = False
) -> str:
    """One cell; `share` of its gold label's rows, None where that means nothing."""
    colour = "0,114,178" if right else "213,94,0"
    shade = f' style="background:rgba({colour},{0.05 + 0.5 * share:.2f})"' if share is not None else ""
    more = "" if share is None else f", {100 * share:.0f} % of this gold label"
    small = "" if share is None else f"<small>{100 * share:.0f} %</small>"
    return (
        f'<td><button type="button" class="xk-cell" data-xk="{value}" aria-pressed="{str(pressed).lower()}"{shade} '
        f'aria-label="{quoted(what)}: {count} rows{more}">{count}{" ✓" if right else ""}{small}</button></td>'
    )
