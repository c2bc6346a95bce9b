"""One item in all its languages: what is predicted for each, why, and how far they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import ipywidgets
import pandas as pd

from xlmkit import attribution, inference
from xlmkit.explanation import Explanation
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns
from xlmkit.render import card, escaped, plain
from xlmkit.render.cards import METHOD_NAMES
from xlmkit.widgets.choosing import folded, folded_texts, predictions, records, with_english
from xlmkit.widgets.controls import Clickable
from xlmkit.widgets.panel import LABEL, WAITING, Panel, button, dropdown, failed, heard, line, styled
from xlmkit.widgets.translations import ORDERS, VIEWS, items_of, ordered, summary, table, viewed
from xlmkit.widgets.why import unpredicted, why

Predict = Callable[[pd.DataFrame], pd.DataFrame]
Explain = Callable[..., list[Explanation]]

QUICK = "input_x_gradient"
THOROUGH = "integrated_gradients"
PLAIN = "none"
OFFERED = 200  # items in the list at a time; a search narrows them


def parallel(nli: NLIModel, pairs: pd.DataFrame, *, item: str | None = None, method: str = QUICK) -> Parallel:
    """Explore one item in all its languages: predictions, words in colour, English originals, agreement; a row opens its explanation.

    Parameters
    ----------
    pairs : parallel pairs as `read_pairs` gives them, with `item`; "workshop" and "xnli/dev" are such.
    item : the item to begin with; None takes the first.
    method : how words are coloured to begin with, one of `attribution.METHODS` or "none".

    Returns
    -------
    The explorer, for the last line of a cell; its first item has been computed.

    Raises
    ------
    ValueError : if rows are faulty, no column says which are one item, an item stands twice in a language, or item or method is unknown."""
    inference.need_head(nli)
    frame = with_english(inference.check_input(nli, pairs).reset_index(drop=True))
    predict = partial(inference.predict, nli, progress=False)
    explain = partial(attribution.explain, nli, progress=False)
    return Parallel(frame, predict, explain, item=item, method=method)


class Parallel(Panel):
    """The explorer that `parallel` makes; it calls the two functions and holds no model.

    Parameters
    ----------
    pairs : as `parallel` takes them.
    predict : pairs -> the same rows with `prediction` and probabilities.
    explain : pairs, `method`, `contrast` -> an Explanation a row."""

    def __init__(
        self,
        pairs: pd.DataFrame,
        predict: Predict,
        explain: Explain,
        *,
        item: str | None = None,
        method: str = QUICK,
    ) -> None:
        self._pairs = _checked(pairs)
        self._predict, self._explain = predict, explain
        self._rows: dict[str, pd.DataFrame] = {}  # predictions of the items that were looked at
        self._found: dict[tuple[str, str], dict[str, Explanation]] = {}  # by item and method
        self._present: str | None = None  # the item that the table shows
        self._opened: str | None = None  # pair_id of the row whose explanation is shown
        self._card = ""
        self._controls(_known_item(self._pairs, item), _known_method(method))
        rows = [
            line(self.search, self.item, ipywidgets.HBox([self.back, self.onward])),
            line(self.order, self.view, self.method, self.thorough),
            self.summary,
            self.rows,
        ]
        super().__init__(rows, self._picture, name="One item in all its languages")
        self._table_work = self.work(self._answer)
        self._card_work = self.work(self._answer_card)
        self._listen()
        self._ask()
        self.settle()

    def _controls(self, item: str, method: str) -> None:
        self._items, self._texts = items_of(self._pairs), folded_texts(self._pairs)
        self.search = ipywidgets.Text(
            description="find an item",
            placeholder="words in any language",
            style=LABEL,
            continuous_update=True,
        )
        self.item = dropdown("item", self._offered("", item), item, width="28em")
        self.back = button("◀ previous", "the item before this one in the list")
        self.onward = button("next ▶", "the item after this one in the list")
        self.order = dropdown("sort by", ORDERS)
        self.view = dropdown("show", VIEWS)
        methods = [(METHOD_NAMES[name], name) for name in attribution.METHODS]
        self.method = dropdown("colour words by", [("no colours", PLAIN), *methods], method)
        self.thorough = dropdown("explain an opened row by", methods, THOROUGH)
        self.summary = Clickable(label="agreement of the languages", live=True)
        self.rows = Clickable(label="the item in each language; choose a language to see its explanation")

    def _listen(self) -> None:
        heard(self.search, self._narrow)
        heard(self.item, self._ask)
        heard(self.method, self._ask)
        heard(self.order, self.draw)
        heard(self.view, self.draw)
        heard(self.thorough, lambda: self.open(self._opened))
        self.back.on_click(lambda _: self._step(-1))
        self.onward.on_click(lambda _: self._step(1))
        self.rows.on_choose(self._choose)

    def _choose(self, value: str) -> None:
        """Open the row whose button was chosen; the button of an open row closes it, as Escape does. A page has ids without hidden characters."""
        rows = self._rows.get(self._present or "")
        known = {} if rows is None else {plain(pair_id): pair_id for pair_id in rows["pair_id"]}
        self.open(None if known.get(value) == self._opened else known.get(value))

    def open(self, pair_id: str | None) -> None:
        """Show the explanation of one row of the present item; None closes it."""
        self._opened, self._card = pair_id, "" if pair_id is None else WAITING
        self.draw()
        if pair_id is not None:
            self._card_work.ask((self._present, pair_id, self.thorough.value))

    def fail(self, error: Exception) -> None:
        """Say what went wrong; where an explanation was on its way, there too, since that is where the reader looks."""
        if self._card == WAITING:
            self._card = failed(error)
            self.draw()
        super().fail(error)

    def draw(self) -> None:
        """Show what is known of the present item in the chosen order and view."""
        rows = self._rows.get(self._present or "")
        if rows is None:
            return
        self.summary.html = self._summary(rows)
        self.rows.html = styled(self._table(rows))
        self.changed()

    def _ask(self) -> None:
        if self.item.value is not None:
            self._table_work.ask((self.item.value, self.method.value))

    def _answer(self, question: tuple[str, str]) -> Iterator[Callable[[], None]]:
        """Predictions first, then the colours, language by language."""
        item, method = question
        if item not in self._rows:
            yield lambda: self.say("The model reads the item in all its languages …")
            own = self._pairs[self._pairs["item"] == item]
            self._rows[item] = predictions(self._predict(own))
        rows = self._rows[item]
        yield lambda: self._turn_to(item)
        found = self._found.setdefault(
            question, {}
        )  # what is done stays done, even if the rest is no longer wanted
        missing = (
            []
            if method == PLAIN
            else [place for place in range(len(rows)) if rows["pair_id"].iloc[place] not in found]
        )
        for done, place in enumerate(missing):
            yield partial(self.say, f"{METHOD_NAMES[method]}: {done} of {len(missing)} languages are done …")
            with self.watching(self._table_work):
                [explanation] = self._explain(unpredicted(rows.iloc[[place]]), method=method)
            found[explanation.pair_id] = explanation
        yield lambda: self._turn_to(item)
        yield lambda: self.say("")

    def _turn_to(self, item: str) -> None:
        if item != self._present:
            self._opened, self._card = None, ""
        self._present = item
        self.draw()

    def _answer_card(self, question: tuple[str, str, str]) -> Iterator[Callable[[], None]]:
        """The explanation of one row: of the predicted label, or where it is wrong of the predicted rather than the gold one."""
        item, pair_id, method = question
        rows = self._rows[item]
        row = rows[rows["pair_id"] == pair_id]
        yield partial(self.say, f"{METHOD_NAMES[method]} is at work …")
        with self.watching(self._card_work, METHOD_NAMES[method]):
            [explanation] = self._explain(unpredicted(row), method=method, **why(records(row)[0], method))
        yield partial(self._show_card, pair_id, card(explanation))

    def _show_card(self, pair_id: str, html: str) -> None:
        still_open = pair_id == self._opened
        self._card = html if still_open else self._card
        self.draw()
        self.say("The explanation stands under its row." if still_open else "")

    def _table(self, rows: pd.DataFrame) -> str:
        shown = viewed(ordered(rows, self.order.value), self.view.value)
        if shown.empty:
            return f'<p class="xk-notice">No language is left under “{escaped(self.view.value)}”.</p>'
        return table(
            shown,
            self._found.get((self._present or "", self.method.value)),
            opened=self._opened,
            detail=self._card,
        )

    def _summary(self, rows: pd.DataFrame) -> str:
        untrained = "untrained" in rows and bool(rows["untrained"].any())
        warning = '<p class="xk-notice"><b>Untrained.</b> This model’s head is random: nothing here means anything.</p>'
        return (
            f"{warning if untrained else ''}<p><b>{escaped(self._present)}</b>. {escaped(summary(rows))}</p>"
        )

    def _picture(self) -> str:
        rows = self._rows.get(self._present or "")
        return "" if rows is None else self._summary(rows) + self._table(rows)

    def _offered(self, text: str, kept: str | None = None) -> list[tuple[str, str]]:
        """The items to choose from: those of which some row holds all words of `text`."""
        words = folded(text).split()
        listed = self._items
        if words:
            texts = zip(self._pairs["item"], self._texts, strict=True)
            fitting = {item for item, own in texts if all(word in own for word in words)}
            listed = [entry for entry in self._items if entry[1] in fitting]
        own = [entry for entry in self._items if entry[1] == kept and entry not in listed[:OFFERED]]
        return [*own, *listed[:OFFERED]]

    def _narrow(self) -> None:
        offered = self._offered(self.search.value)
        if not offered:
            self.say(f"No item has “{self.search.value}” in its texts.")
            return
        kept = self.item.value
        values = [item for _, item in offered]
        self.item.options = offered
        self.item.value = kept if kept in values else values[0]
        more = len(self._items) > OFFERED and len(offered) == OFFERED
        self.say(
            f"The first {OFFERED} fitting items are listed; more words narrow them." if more else ""
        )

    def _step(self, way: int) -> None:
        values = [item for _, item in self.item.options]
        place = values.index(self.item.value) + way
        if 0 <= place < len(values):
            self.item.value = values[place]


def _checked(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs, numbered from 0, if each item stands once in a language."""
    if "item" not in pairs:
        raise ValueError(
            f"expected a column `item` that says which rows are translations of one another; got {', '.join(map(str, pairs.columns))}; "
            "remedy: read_pairs gives it for XNLI and the workshop; in your own pairs, number the items"
        )
    if pairs.empty:
        raise ValueError("expected pairs to show; got a frame without rows")
    columns = ["item", *language_columns(pairs)]
    twice = pairs[pairs.duplicated(columns)]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(
            f"expected each item once in a language; got {first['item']!r} more than once in {first[columns[1]]!r}; remedy: keep one"
        )
    return pairs.reset_index(drop=True)


def _known_item(pairs: pd.DataFrame, item: str | None) -> str:
    items = list(dict.fromkeys(pairs["item"]))
    if item is not None and item not in items:
        raise ValueError(
            f"`item` must be one of the {len(items)} items ({', '.join(items[:5])}, ...); got {item!r}"
        )
    return str(items[0] if item is None else item)


def _known_method(method: str) -> str:
    if method not in (PLAIN, *attribution.METHODS):
        raise ValueError(
            f"`method` must be {PLAIN!r} or one of {', '.join(attribution.METHODS)}; got {method!r}"
        )
    return method
