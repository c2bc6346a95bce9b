"""Predictions to sift: filters, a confusion matrix to click, pages of items, an explanation and a note for the one that is open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import ipywidgets
import pandas as pd

from xlmkit import attribution, inference
from xlmkit.model import NLIModel
from xlmkit.render import card, escaped
from xlmkit.render.cards import METHOD_NAMES
from xlmkit.widgets.bars import bars
from xlmkit.widgets.choosing import (
    ORDERS,
    OUTCOMES,
    Choice,
    folded_texts,
    languages,
    parts,
    predictions,
    records,
)
from xlmkit.widgets.controls import Clickable
from xlmkit.widgets.items import item
from xlmkit.widgets.matrix import asked, counted, labels_of, matrix
from xlmkit.widgets.notes import FILE, Notes
from xlmkit.widgets.panel import (
    LABEL,
    WAITING,
    Panel,
    button,
    dropdown,
    entries,
    failed,
    heard,
    line,
    side_by_side,
    styled,
)
from xlmkit.widgets.parallel import THOROUGH, Explain
from xlmkit.widgets.sifting import ANY, Question, note_filters, sift
from xlmkit.widgets.why import unpredicted, why

PAGE = 8  # items at a time
ALL = ""  # no language and no label is called so; of None, ipywidgets shows an empty box
EMPTY = '<p class="xk-notice">Open an item to see why the model says so, and to note down what you think.</p>'


def errors(
    preds: pd.DataFrame, nli: NLIModel | None = None, notes: str | os.PathLike[str] | Notes | None = None
) -> Errors:
    """Sift predictions: by language, labels, confidence, slice and words; open one to see why, and note down what you think.

    Parameters
    ----------
    preds : predictions as `predict` gives them, of any model; with `gold`, what is wrong is shown first.
    nli : the model that explains what is opened; None shows items without explanations.
    notes : the file where tags and comments are kept, .jsonl; None takes "notes.jsonl" in the folder where the notebook runs. It is made with the
        first note, saved whole with every change, and read again next time.

    Returns
    -------
    The explorer, for the last line of a cell. `.notes.to_frame()` gives the notes, `.shown` the rows that the filters leave.

    Raises
    ------
    ValueError : if rows are faulty or lack a prediction, or the file is there and holds no notes."""
    explain = None
    if nli is not None:
        inference.need_head(nli)
        explain = partial(attribution.explain, nli, progress=False)
    kept = notes if isinstance(notes, Notes) else Notes(FILE if notes is None else notes)
    return Errors(preds, kept, explain)


class Errors(Panel):
    """The explorer that `errors` makes; it calls `explain` and holds no model.

    Parameters
    ----------
    preds, notes : as `errors` takes them.
    explain : pairs, `method`, `target`, `contrast` -> an Explanation a row; None: there are no explanations."""

    def __init__(self, preds: pd.DataFrame, notes: Notes, explain: Explain | None = None) -> None:
        self.notes, self._explain = notes, explain
        self._frame = predictions(preds)
        self._labels = labels_of(self._frame)
        self._parts = parts(self._frame)
        self.shown = self._frame
        self._opened: int | None = None  # the row that is open, by its number in the frame
        self._card, self._page, self._quiet = "", 0, False
        self._controls()
        rows = [
            line(self.language, self.gold, self.label, self.outcome),
            line(self.confidence, self.part, self.noted, self.order, self.search, self.reset),
            self.matrix,
            line(self.back, self.place, self.onward),
            side_by_side(self.items, ipywidgets.VBox([self.detail, self.note])),
        ]
        super().__init__(rows, self._picture, name="Predictions to sift")
        self._sifting = self.work(self._answer)
        self._explaining = self.work(self._answer_card)
        self._listen()
        self._ask()
        self.settle()

    def _controls(self) -> None:
        frame = self._frame
        golds = [label for label in self._labels if "gold" in frame and (frame["gold"] == label).any()]
        self.language = dropdown("language", [(ANY, ALL), *languages(frame)])
        self.gold = dropdown("gold", [(ANY, ALL), *((label, label) for label in golds)])
        self.label = dropdown("predicted", [(ANY, ALL), *((label, label) for label in self._labels)])
        wrong = "correct" in frame and bool((frame["correct"] == False).any())  # noqa: E712  # missing is neither
        self.outcome = dropdown("show", OUTCOMES, "wrong" if wrong else "all")
        self.confidence = ipywidgets.FloatRangeSlider(
            value=(0.0, 1.0),
            min=0,
            max=1,
            step=0.01,
            description="confidence",
            readout_format=".2f",
            style=LABEL,
        )
        self.confidence.disabled = bool(frame["confidence"].isna().all())
        self.part = dropdown("slice", [(ANY, ANY), *((name, name) for name in self._parts)])
        self.noted = dropdown("notes", note_filters(self.notes))
        self.order = dropdown("sort by", ORDERS)
        self.search = ipywidgets.Text(description="search", placeholder="words in any language", style=LABEL)
        self.reset = button("Show everything", "take all filters away")
        self.matrix = Clickable(label="confusion matrix; choose a cell to see its rows")
        self.back = button("◀ page before", "the page before this one")
        self.onward = button("next page ▶", "the page after this one")
        self.place = Clickable(label="which rows are shown", live=True)
        self.items = Clickable(label="items; open one to see more of it")
        methods = [(METHOD_NAMES[name], name) for name in attribution.METHODS]
        self.method = dropdown("explain by", methods, THOROUGH)
        self.detail = Clickable(label="the open item", live=True)
        self.tag = ipywidgets.Combobox(
            description="tag",
            options=self.notes.tags,
            placeholder="a word of your own",
            style=LABEL,
            continuous_update=True,
        )
        self.comment = ipywidgets.Textarea(
            description="comment",
            style=LABEL,
            layout={"width": "100%", "max_width": "36em"},
            continuous_update=True,
        )
        self.saved = Clickable(label="where notes are saved", live=True)
        explaining = [self.method] if self._explain is not None else []
        self.note = ipywidgets.VBox([line(*explaining, self.tag, self.comment), self.saved])
        self.note.layout.display = "none"

    def _listen(self) -> None:
        filters = (
            self.language,
            self.gold,
            self.label,
            self.outcome,
            self.confidence,
            self.part,
            self.noted,
            self.order,
            self.search,
        )
        for control in filters:
            heard(control, lambda: self._turn(0))
        self.matrix.on_choose(self._cell)
        self.items.on_choose(lambda value: self.open(int(value) if value else None))
        self.back.on_click(lambda _: self._turn(self._page - 1))
        self.onward.on_click(lambda _: self._turn(self._page + 1))
        self.reset.on_click(lambda _: self._everything())
        heard(self.method, lambda: self.open(self._opened))
        heard(self.tag, self._take_note)
        heard(self.comment, self._take_note)

    def open(self, row: int | None) -> None:
        """Open one row, by its number in the frame that was given, for its explanation and a note; None closes."""
        self._opened, self._card = row, "" if row is None or self._explain is None else WAITING
        self.note.layout.display = "none" if row is None else None
        if row is not None:
            self._quiet = True  # the fields are filled, not written in
            self.tag.value, self.comment.value = self.notes.of(self._row(row))
            self._quiet = False
            self.saved.html = f"<small>Notes are saved at once, in {escaped(self.notes.path)}.</small>"
            if self._explain is not None:
                self._explaining.ask((row, self.method.value))
        self.draw()

    def fail(self, error: Exception) -> None:
        """Say what went wrong; where an explanation was on its way, there too, since that is where the reader looks."""
        if self._card == WAITING:
            self._card = failed(error)
            self.draw()
        super().fail(error)

    def draw(self) -> None:
        """Show the page, the open item and the notes as they are."""
        self.items.html = styled(self._list())
        self.detail.html = styled(EMPTY if self._opened is None else self._detail(self._opened))
        self.changed()

    @cached_property
    def _texts(self) -> list[str]:
        """What each row says, for searches; of many rows this takes a moment, so not before the first."""
        return folded_texts(self._frame)

    def _row(self, row: int) -> dict[str, Any]:
        return records(self._frame.iloc[[row]])[0]

    def _question(self) -> Question:
        choice = Choice(
            language=self.language.value or None,
            gold=self.gold.value or None,
            label=self.label.value or None,
            outcome=self.outcome.value,
            confidence=tuple(self.confidence.value),
            text=self.search.value,
        )
        return Question(choice, self.part.value, self.noted.value, self.order.value, self._page)

    def _turn(self, page: int) -> None:
        self._page = max(0, min(page, (len(self.shown) - 1) // PAGE)) if page else 0
        self._ask()

    def _ask(self) -> None:
        if not self._quiet:
            self._sifting.ask(self._question())

    def _everything(self) -> None:
        self._quiet = True
        for control in (self.language, self.gold, self.label):
            control.value = ALL
        self.outcome.value, self.confidence.value, self.search.value = "all", (0.0, 1.0), ""
        self.part.value = self.noted.value = ANY
        self._quiet = False
        self._turn(0)

    def _cell(self, value: str) -> None:
        """A cell asks for its rows, right and wrong; the cell that is pressed already lets all rows pass."""
        gold, label = asked(value, self._labels) if value else (None, None)
        if (gold, label) == (self.gold.value or None, self.label.value or None):
            gold = label = None
        self._quiet = True
        self.gold.value = gold if gold in dict(self.gold.options).values() else ALL
        self.label.value, self.outcome.value = label or ALL, "all"
        self._quiet = False
        self._turn(0)

    def _answer(self, question: Question) -> Iterator[Callable[[], None]]:
        texts = self._texts if question.choice.text.strip() else None
        rows, around = sift(self._frame, question, self.notes, parts=self._parts, texts=texts)
        yield partial(self._show, question, rows, counted(around, self._labels))

    def _show(self, question: Question, rows: pd.DataFrame, table: pd.DataFrame) -> None:
        self.shown = rows
        # A cell stands for its rows, right and wrong: where only one of these are shown, no cell is what is shown.
        cell = (question.choice.gold, question.choice.label) if question.choice.outcome == "all" else None
        self.matrix.html = styled(matrix(table, chosen=cell)) if "gold" in self._frame else ""
        pages = max(1, -(-len(rows) // PAGE))
        self._page = min(question.page, pages - 1)
        self.place.html = f"{len(rows)} of {len(self._frame)} rows, page {self._page + 1} of {pages}"
        self.back.disabled, self.onward.disabled = self._page == 0, self._page + 1 >= pages
        self.say("")
        self.draw()

    def _take_note(self) -> None:
        """Save the fields as the open item's note; what cannot be saved stays in the fields, and is said."""
        if self._quiet or self._opened is None:
            return
        try:
            self.notes.write(self._row(self._opened), self.tag.value, self.comment.value)
        except (OSError, ValueError) as error:
            self.saved.html = (
                f'<div class="xk-notice xk-error" role="alert">Not saved: {escaped(error)}</div>'
            )
            return
        self.saved.html = f"<small>✓ Saved in {escaped(self.notes.path)}, which holds {len(self.notes)} note{'' if len(self.notes) == 1 else 's'}.</small>"
        self.tag.options = self.notes.tags
        self._quiet, kept = True, self.noted.value
        filters = note_filters(self.notes)
        self.noted.options = entries(filters)
        self.noted.value = kept if kept in filters else ANY
        self._quiet = False
        self.draw()

    def _answer_card(self, question: tuple[int, str]) -> Iterator[Callable[[], None]]:
        row, method = question
        yield partial(self.say, f"{METHOD_NAMES[method]} is at work …")
        if self._explain is None:
            return
        asked_for = why(self._row(row), method)
        with self.watching(self._explaining, METHOD_NAMES[method]):
            [explanation] = self._explain(unpredicted(self._frame.iloc[[row]]), method=method, **asked_for)
        yield partial(self._show_card, row, card(explanation))

    def _show_card(self, row: int, html: str) -> None:
        self._card = html if row == self._opened else self._card
        self.say("")
        self.draw()

    def _list(self) -> str:
        """The items of the present page."""
        page = self.shown.iloc[PAGE * self._page : PAGE * (self._page + 1)]
        if page.empty:
            return '<p class="xk-notice">No row is left under these filters.</p>'
        rows = zip(page.index, records(page), strict=True)
        entries = (
            item(row, value=str(place), chosen=place == self._opened, note=self.notes.of(row))
            for place, row in rows
        )
        return (
            f'<div class="xk xk-wide" lang="en" dir="ltr"><ul class="xk-items">{"".join(entries)}</ul></div>'
        )

    def _detail(self, number: int) -> str:
        """The open row with its probabilities, as far as they are known, and its explanation."""
        row = self._row(number)
        chances = {label: float(row[f"p_{label}"]) for label in self._labels if f"p_{label}" in row}
        gold = row["gold"] if "gold" in row and isinstance(row["gold"], str) else None
        drawn = bars(chances, gold=gold) if chances else ""
        return f'<div class="xk xk-wide"><ul class="xk-items">{item(row, note=self.notes.of(row))}</ul>{drawn}</div>{self._card}'

    def _picture(self) -> str:
        detail = "" if self._opened is None else self._detail(self._opened)
        return f"<p>{escaped(self._question().words)}</p>{self.matrix.html}<p>{self.place.html}</p>{self._list()}{detail}"
