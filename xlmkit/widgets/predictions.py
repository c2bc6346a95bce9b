"""Predictions to browse: filters, a confusion matrix to click, pages of items; an explanation and a
note for the open one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from xlmkit import attribution, inference
from xlmkit.model import NLIModel
from xlmkit.pairs import LABELS
from xlmkit.render import escaped, quoted
from xlmkit.widgets.controls import LABEL, Clickable, button, dropdown, line, offer, two_columns
from xlmkit.widgets.filters import (
    ORDERS,
    OUTCOMES,
    Filters,
    check_predictions,
    filter_rows,
    language_options,
    note_options,
    search_keys,
    slices_of,
    sort_rows,
)
from xlmkit.widgets.html import bars, item, items
from xlmkit.widgets.live import Explain, LiveRows
from xlmkit.widgets.notes import FILE, Notes

PAGE = 8  # items at a time
ALL = "all"
EMPTY = '<p class="xk-notice">Open an item to see its explanation and to write a note.</p>'


def browse_predictions(
    preds: pd.DataFrame, nli: NLIModel | None = None, notes: str | os.PathLike[str] | Notes | None = None
) -> PredictionBrowser:
    """Browse predictions by language, label, confidence, slice and words; open one for its
    explanation and a note.

    Parameters
    ----------
    preds : predictions as `predict` gives them, of any model; with `gold`, wrong ones are shown
        first.
    nli : the model that explains what is opened; None shows items without explanations.
    notes : a .jsonl file for tags and comments; None takes "notes.jsonl" in the notebook's folder.
        It is created with the first note, saved completely with every change, and read again next
        time.

    Returns
    -------
    The explorer, for the last line of a cell. `.notes.to_frame()` gives the notes, `.shown` the
    rows that fit.

    Raises
    ------
    ValueError : if rows are faulty or lack a prediction, or the file exists but has no notes."""
    explain = None
    if nli is not None:
        inference.need_head(nli)
        explain = partial(attribution.explain, nli, progress=False)
    kept = notes if isinstance(notes, Notes) else Notes(FILE if notes is None else notes)
    return PredictionBrowser(preds, kept, explain)


class PredictionBrowser(LiveRows):
    """The explorer that `browse_predictions` makes; it calls `explain` and has no model.

    Attributes
    ----------
    shown : the rows that fit, in order. `open` takes their numbers in the frame that was given.
    filters : the controls by the names of `Filters`."""

    def __init__(self, preds: pd.DataFrame, notes: Notes, explain: Explain | None = None) -> None:
        super().__init__("Predictions", explain)
        self.notes = notes
        self._frame = check_predictions(preds)
        self._labels = labels_of(self._frame)
        self._slices = slices_of(self._frame)
        self.shown = self._frame
        self._page, self._quiet = 0, False
        self._build()
        self._filtering = self.worker(self._filter)
        self.on_any(partial(self._turn, 0), *self.filters.values(), self.order)
        self.on(self.matrix, self._choose_cell)
        self.on(self.items, lambda value: self.open(int(value) if value else None))
        self.on_any(lambda: self._turn(self._page - 1), self.back)
        self.on_any(lambda: self._turn(self._page + 1), self.next)
        self.on_any(lambda: self._set(Filters()), self.reset)
        self.on_any(self._save_note, self.tag, self.comment)
        self._turn(0)
        self.wait()

    def _build(self) -> None:
        frame, any_label = self._frame, ("any", "")
        golds = [name for name in self._labels if "gold" in frame and (frame["gold"] == name).any()]
        wrong = bool((frame["correct"] == False).fillna(False).any())  # noqa: E712  # missing is neither
        self.filters: dict[str, ipywidgets.Widget] = {
            "language": dropdown("language", [any_label, *language_options(frame)]),
            "gold": dropdown("gold", [any_label, *((name, name) for name in golds)]),
            "prediction": dropdown("predicted", [any_label, *((name, name) for name in self._labels)]),
            "outcome": dropdown("show", OUTCOMES, "wrong" if wrong else "all"),
            "confidence": ipywidgets.FloatRangeSlider(
                value=(0.0, 1.0),
                min=0,
                max=1,
                step=0.01,
                description="confidence",
                style=LABEL,
                disabled=bool(frame["confidence"].isna().all()),
            ),
            "slice": dropdown("slice", [any_label, *((name, name) for name in self._slices)]),
            "noted": dropdown("notes", note_options(self.notes)),
            "text": ipywidgets.Text(description="search", placeholder="words in any language", style=LABEL),
        }
        self.order = dropdown("sort by", ORDERS)
        self.reset = button("Show everything", "remove all filters")
        self.matrix = Clickable(label="confusion matrix; choose a cell to see its rows")
        self.back = button("◀ previous page", "the page before this one")
        self.next = button("next page ▶", "the page after this one")
        self.place = Clickable(label="which rows are shown", live=True)
        self.items = Clickable(label="items; open one to see more of it")
        self.detail = Clickable(label="the open item", live=True)
        self.tag = ipywidgets.Combobox(
            description="tag", options=self.notes.tags, placeholder="a word of your own", style=LABEL
        )
        self.comment = ipywidgets.Textarea(
            description="comment", style=LABEL, layout={"width": "100%", "max_width": "36em"}
        )
        self.saved = Clickable(label="where notes are saved", live=True)
        explaining = [] if self._explain is None else [self.method]
        self.note = ipywidgets.VBox([line(*explaining, self.tag, self.comment), self.saved])
        self.note.layout.display = "none"
        self.lay_out(
            line(*self.filters.values(), self.order, self.reset),
            self.matrix,
            line(self.back, self.place, self.next),
            two_columns(self.items, ipywidgets.VBox([self.detail, self.note])),
            *self.footer,
        )

    def row(self, key: int) -> pd.DataFrame:
        """The row with this number in the frame that was given."""
        return self._frame.iloc[[key]]

    def open(self, key: int | None) -> None:
        """Open one row, by its number in the frame that was given, for its explanation and a note;
        None closes it."""
        with self.lock:
            self.note.layout.display = "none" if key is None else None
            if key is not None:
                self._quiet = True  # the fields are filled by us, not by the reader
                self.tag.value, self.comment.value = self.notes.of(self._record(key))
                self._quiet = False
                self.saved.html = f"<small>Notes are saved at once in {escaped(self.notes.path)}.</small>"
            super().open(key)

    def draw(self) -> None:
        """Show the page, the open item and its note as they are now."""
        self.items.html = self._list()
        self.detail.html = EMPTY if self.opened is None else self._detail()
        self.changed()

    def _record(self, key: int) -> dict[Any, Any]:
        return self.row(key).to_dict("records")[0]

    @cached_property
    def _keys(self) -> list[str]:
        """What searches compare; of many rows this takes a moment, so not before the first
        search."""
        return search_keys(self._frame)

    def _values(self) -> Filters:
        return Filters(**{name: control.value for name, control in self.filters.items()})

    def _set(self, filters: Filters) -> None:
        self._quiet = True
        for name, control in self.filters.items():
            control.value = getattr(filters, name)
        self._quiet = False
        self._turn(0)

    def _turn(self, page: int) -> None:
        if not self._quiet:
            self._filtering.ask((self._values(), self.order.value, page))

    def _choose_cell(self, value: str) -> None:
        """Show the rows of a cell, right and wrong; choosing it again shows all rows."""
        gold, label = cell_labels(value, self._labels) if value else ("", "")
        now = self._values()
        if (gold, label) == (now.gold, now.prediction):
            gold = label = ""
        offered = [value for _, value in self.filters["gold"].options]
        gold = gold if gold in offered else ""
        self._set(replace(now, gold=gold, prediction=label, outcome="all"))

    def _filter(self, question: tuple[Filters, str, int]) -> Iterator[Callable[[], None]]:
        filters, order, page = question
        keys = self._keys if filters.text.strip() else None
        rows, around = filter_rows(self._frame, filters, self.notes, slices=self._slices, keys=keys)
        # A cell stands for right and wrong rows: where only one kind is shown, no cell is what is
        # shown.
        cell = (filters.gold, filters.prediction) if filters.outcome == "all" else None
        matrix = confusion_matrix(around, self._labels, chosen=cell) if "gold" in self._frame else ""
        yield partial(self._show, sort_rows(rows, order), page, matrix)

    def _show(self, rows: pd.DataFrame, page: int, matrix: str) -> None:
        self.shown, self.matrix.html = rows, matrix
        pages = max(1, -(-len(rows) // PAGE))
        self._page = min(max(page, 0), pages - 1)
        self.place.html = f"{len(rows)} of {len(self._frame)} rows, page {self._page + 1} of {pages}"
        self.back.disabled, self.next.disabled = self._page == 0, self._page + 1 >= pages
        self.say("")
        self.draw()

    def _save_note(self) -> None:
        """Save the fields as the open item's note; what cannot be saved stays in the fields."""
        if self._quiet or self.opened is None:
            return
        try:
            self.notes.write(self._record(self.opened), self.tag.value, self.comment.value)
        except (OSError, ValueError) as error:
            self.saved.html = (
                f'<div class="xk-notice xk-error" role="alert">Not saved: {escaped(error)}</div>'
            )
            return
        count = f"{len(self.notes)} note{'' if len(self.notes) == 1 else 's'}"
        self.saved.html = f"<small>✓ Saved in {escaped(self.notes.path)} ({count}).</small>"
        self.tag.options = self.notes.tags
        self._quiet = True
        offer(self.filters["noted"], note_options(self.notes))
        self._quiet = False
        self.draw()

    def _list(self) -> str:
        """The items of the present page."""
        page = self.shown.iloc[PAGE * self._page : PAGE * (self._page + 1)]
        if page.empty:
            return '<p class="xk-notice">No rows fit these filters.</p>'
        return items(
            "".join(
                item(row, value=str(number), opened=number == self.opened, note=self.notes.of(row))
                for number, row in zip(page.index, page.to_dict("records"), strict=True)
            )
        )

    def _detail(self) -> str:
        """The open row with its probabilities, as far as they are known, and its explanation."""
        row = self._record(self.opened)
        chances = {label: float(row[f"p_{label}"]) for label in self._labels if f"p_{label}" in row}
        drawn = bars(chances, gold=row.get("gold")) if chances else ""
        return items(item(row, note=self.notes.of(row))) + drawn + self.card

    def body(self) -> str:
        """The filters, the matrix, the page, and the open row."""
        detail = "" if self.opened is None else self._detail()
        return f"<p>{escaped(self._values().in_words())}</p>{self.matrix.html}<p>{self.place.html}</p>{self._list()}{detail}"


def labels_of(frame: pd.DataFrame) -> list[str]:
    """The labels that occur as gold or as prediction, those of NLI in their usual order."""
    columns = [name for name in ("prediction", "gold") if name in frame]
    labels = set(frame[columns].stack().dropna())
    return [*(label for label in LABELS if label in labels), *sorted(labels - set(LABELS))]


def confusion_matrix(
    frame: pd.DataFrame, labels: list[str], *, chosen: tuple[str, str] | None = ("", "")
) -> str:
    """How many rows have each gold and predicted label, as a table of buttons.

    Parameters
    ----------
    chosen : gold and predicted label of the rows that are shown, "" for all; None: no cell is what
        is shown.

    Returns
    -------
    HTML. A cell's `data-xk` is "GOLD:PREDICTION" by place in `labels`, or "all". Its shade and its
    percentage are its fraction of the gold label's rows; the diagonal has a check mark."""
    #   gold ↓ predicted →   e    n    all
    #   e                    0:0  0:1  0:all
    #   n                    1:0  1:1  1:all
    #   all                  all:0 ..  all:all
    known = frame[frame["gold"].notna()]
    table = pd.crosstab(known["gold"], known["prediction"])
    counts = table.reindex(index=labels, columns=labels, fill_value=0).to_numpy()
    places = [*range(len(labels)), None]
    rows = ""
    for gold in places:
        cells = "".join(_cell(counts, labels, gold, predicted, chosen) for predicted in places)
        rows += f'<tr><th scope="row">{ALL if gold is None else escaped(labels[gold])}</th>{cells}</tr>'
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in (*labels, ALL))
    right = f": {100 * np.trace(counts) / len(known):.0f} % right" if len(known) else ""
    return (
        f'<table class="xk-matrix" lang="en" dir="ltr"><caption>{len(known)} rows with a gold label{right}. Choose a cell '
        f'to see its rows.</caption><thead><tr><th scope="col">gold ↓ predicted →</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def cell_labels(value: str, labels: list[str]) -> tuple[str, str]:
    """Gold and predicted label that a button of `confusion_matrix` stands for, "" for all.

    Raises
    ------
    ValueError : if it is not one of these buttons."""
    names = {ALL: ""} | {str(place): name for place, name in enumerate(labels)}
    gold, _, label = value.partition(":")
    if gold not in names or label not in names:
        raise ValueError(f"expected GOLD:PREDICTION by place among {len(labels)} labels; got {value!r}.")
    return names[gold], names[label]


def _cell(
    counts: np.ndarray,
    labels: list[str],
    gold: int | None,
    predicted: int | None,
    chosen: tuple[str, str] | None,
) -> str:
    row = counts if gold is None else counts[gold : gold + 1]
    count = int((row if predicted is None else row[:, predicted]).sum())
    names = ["" if place is None else labels[place] for place in (gold, predicted)]
    what = f"gold {names[0] or 'any'}, predicted {names[1] or 'any'}"
    shade = small = fraction = ""
    if gold is not None and predicted is not None and row.sum():
        share, colour = count / row.sum(), "0,114,178" if gold == predicted else "213,94,0"
        shade = f' style="background:rgba({colour},{0.05 + 0.5 * share:.2f})"'
        small, fraction = f"<small>{100 * share:.0f} %</small>", f", {100 * share:.0f} % of this gold label"
    value = ":".join(ALL if place is None else str(place) for place in (gold, predicted))
    mark = " ✓" if gold == predicted is not None else ""
    return (
        f'<td><button type="button" class="xk-cell" data-xk="{value}" aria-pressed="{str(chosen == tuple(names)).lower()}"{shade} '
        f'aria-label="{quoted(what)}: {count} row{"" if count == 1 else "s"}{fraction}">{count}{mark}{small}</button></td>'
    )
