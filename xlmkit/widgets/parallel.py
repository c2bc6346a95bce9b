"""One item in all its languages: what is predicted for each, why, and how far the languages
agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import ipywidgets
import pandas as pd

from xlmkit import attribution, inference
from xlmkit.checks import check_choice
from xlmkit.explanation import Explanation
from xlmkit.model import NLIModel
from xlmkit.pairs import row_language, shared_items, with_english
from xlmkit.render import escaped, plain, quoted
from xlmkit.render.cards import METHOD_NAMES, banners, legend, method_name
from xlmkit.render.words import marked, shared_scale
from xlmkit.widgets.controls import LABEL, Clickable, button, dropdown, line, offer
from xlmkit.widgets.filters import check_predictions, search_key, search_keys
from xlmkit.widgets.html import (
    Row,
    english_texts,
    item_options,
    language_names,
    paragraphs,
    percent,
    sides,
    verdict,
)
from xlmkit.widgets.live import METHOD_OPTIONS, Explain, LiveRows

Predict = Callable[[pd.DataFrame], pd.DataFrame]

QUICK = "input_x_gradient"
PLAIN = "none"
OFFERED = 200  # items in a list at a time
ORDERS = ("language", "confidence, highest first", "confidence, lowest first", "wrong first", "prediction")
VIEWS = ("all", "wrong", "right", "not as in English")


def parallel(nli: NLIModel, pairs: pd.DataFrame, *, item: str | None = None, method: str = QUICK) -> Parallel:
    """Explore one item in all its languages: predictions, coloured words, English originals,
    agreement, explanations.

    Parameters
    ----------
    pairs : parallel pairs as `read_pairs` gives them, with `item`, such as "workshop" and
        "xnli/dev".
    item : the item to begin with; None takes the first.
    method : how words are coloured at first, one of `attribution.METHODS` or "none".

    Returns
    -------
    The explorer, for the last line of a cell; its first item has been computed.

    Raises
    ------
    ValueError : if rows are faulty, no column identifies items, an item occurs twice in a language,
        or the item or method is unknown."""
    inference.need_head(nli)
    frame = with_english(inference.check_input(nli, pairs))
    predict = partial(inference.predict, nli, progress=False)
    explain = partial(attribution.explain, nli, progress=False)
    return Parallel(frame, predict, explain, item=item, method=method)


class Parallel(LiveRows):
    """The explorer that `parallel` makes; it calls the two functions and has no model.

    Parameters
    ----------
    pairs, item, method : as `parallel` takes them.
    predict : pairs -> the same rows with `prediction` and probabilities.
    explain : pairs, `method`, `contrast` -> one Explanation per row."""

    def __init__(
        self,
        pairs: pd.DataFrame,
        predict: Predict,
        explain: Explain,
        *,
        item: str | None = None,
        method: str = QUICK,
    ) -> None:
        super().__init__("One item in all its languages", explain)
        shared_items(pairs, minimum=1, complete=False)  # each item once per language
        self._pairs = pairs.reset_index(drop=True)
        check_choice("item", self._pairs["item"][0] if item is None else item, self._pairs["item"].unique())
        check_choice("method", method, (PLAIN, *attribution.METHODS))
        self._predict = predict
        self._predicted: dict[str, pd.DataFrame] = {}  # by item, of those that were looked at
        self._explained: dict[tuple[str, str], dict[str, Explanation]] = {}  # by item and method, then pair
        self._present: str | None = None  # the item that the table shows
        self._items, self._keys = item_options(self._pairs), search_keys(self._pairs)
        self._build(item, method)
        self._computing = self.worker(self._compute)
        self.on_any(self._narrow, self.search)
        self.on_any(self._ask, self.item, self.colours)
        self.on_any(self.draw, self.order, self.view)
        self.on_any(partial(self._step, -1), self.back)
        self.on_any(partial(self._step, 1), self.next)
        self.on(self.rows, self._choose)
        self._ask()
        self.wait()

    def _build(self, item: str | None, method: str) -> None:
        self.search = ipywidgets.Text(
            description="find an item", placeholder="words in any language", style=LABEL
        )
        self.item = dropdown("item", self._offered("", item), item, width="28em")
        self.back = button("◀ previous", "the item before this one in the list")
        self.next = button("next ▶", "the item after this one in the list")
        self.order = dropdown("sort by", ORDERS)
        self.view = dropdown("show", VIEWS)
        self.colours = dropdown("colour words by", [("no colours", PLAIN), *METHOD_OPTIONS], method)
        self.method.description = "explain an open row by"
        self.summary = Clickable(label="agreement of the languages", live=True)
        self.rows = Clickable(label="the item in each language; choose a language to see its explanation")
        self.lay_out(
            line(self.search, self.item, ipywidgets.HBox([self.back, self.next])),
            line(self.order, self.view, self.colours, self.method),
            self.summary,
            self.rows,
            *self.footer,
        )

    def row(self, key: str) -> pd.DataFrame:
        """The row of the present item with this `pair_id`."""
        rows = self._predicted[self._present or ""]
        return rows[rows["pair_id"] == key]

    def draw(self) -> None:
        """Show what is known of the present item in the chosen order and view."""
        if self._present is not None:
            self.summary.html, self.rows.html = self._summary(), self._table()
            self.changed()

    def _choose(self, value: str) -> None:
        """Open the row whose button was chosen; its button, and Escape, close it again."""
        rows = self._predicted.get(self._present or "", pd.DataFrame({"pair_id": []}))
        # The page has ids without hidden characters.
        chosen = {plain(pair_id): pair_id for pair_id in rows["pair_id"]}.get(value)
        self.open(None if chosen == self.opened else chosen)

    def _ask(self) -> None:
        if self.item.value is not None:
            self._computing.ask((self.item.value, self.colours.value))

    def _compute(self, question: tuple[str, str]) -> Iterator[Callable[[], None]]:
        """Predictions first, then the colours, language by language."""
        item, method = question
        if item not in self._predicted:
            yield partial(self.tell, "Predicting the item in all its languages …")
            self._predicted[item] = check_predictions(self._predict(self._pairs[self._pairs["item"] == item]))
        yield partial(self._turn_to, item)
        rows = self._predicted[item]
        done = self._explained.setdefault(question, {})  # stays, even if the rest is no longer wanted
        for place, pair_id in enumerate(rows["pair_id"] if method != PLAIN else ()):
            if pair_id not in done:
                yield partial(self.tell, f"{METHOD_NAMES[method]}: {len(done)} of {len(rows)} languages …")
                done[pair_id] = self.explain(self._computing, rows.iloc[[place]], method=method)
        yield partial(self._turn_to, item)
        yield partial(self.tell, "")

    def _turn_to(self, item: str) -> None:
        if item != self._present:
            self.opened, self.card, self._present = None, "", item
        self.say("")
        self.draw()

    def _table(self) -> str:
        rows = view_rows(order_rows(self._predicted[self._present or ""], self.order.value), self.view.value)
        if rows.empty:
            return f'<p class="xk-notice">No language fits “{escaped(self.view.value)}”.</p>'
        explained = self._explained.get((self._present or "", self.colours.value))
        return translations_table(rows, explained, opened=self.opened, detail=self.card)

    def _summary(self) -> str:
        rows = self._predicted[self._present or ""]
        untrained = "untrained" in rows and bool(rows["untrained"].any())
        warning = '<p class="xk-notice"><b>Untrained.</b> This model’s head is random: its predictions mean nothing.</p>'
        text = f"<p><b>{escaped(self._present)}</b>. {escaped(summary(rows))}</p>"
        return warning + text if untrained else text

    def body(self) -> str:
        """The agreement of the languages, and the table."""
        return "" if self._present is None else self._summary() + self._table()

    def _offered(self, text: str, kept: str | None = None) -> list[tuple[str, str]]:
        """The items to choose from: those with all words of `text` in one of their rows, and the
        kept one."""
        words = search_key(text).split()
        fitting = {
            item
            for item, key in zip(self._pairs["item"], self._keys, strict=True)
            if all(word in key for word in words)
        }
        listed = [option for option in self._items if option[1] in fitting][:OFFERED]
        return [*(option for option in self._items if option[1] == kept and option not in listed), *listed]

    def _narrow(self) -> None:
        offered = self._offered(self.search.value)
        if not offered:
            self.say(f"No item has “{self.search.value}” in its texts.")
            return
        offer(self.item, offered)
        more = len(offered) == OFFERED < len(self._items)
        self.say(f"The list shows the first {OFFERED} items. Search for more words." if more else "")

    def _step(self, step: int) -> None:
        values = [value for _, value in self.item.options]
        place = values.index(self.item.value) + step
        if 0 <= place < len(values):
            self.item.value = values[place]


def order_rows(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    """The rows of one item in one of `ORDERS`, equal ones by the name of their language.

    Raises
    ------
    ValueError : if there is no such order."""
    check_choice("order", order, ORDERS)
    names = pd.Series([language_names(row) for row in rows.to_dict("records")], index=rows.index)
    by_name = rows.loc[names.sort_values(kind="stable").index]
    if order == "language":
        return by_name
    if order == "wrong first":
        return by_name.sort_values("correct", kind="stable", na_position="last")
    column = "prediction" if order == "prediction" else "confidence"
    return by_name.sort_values(column, ascending=not order.endswith("highest first"), kind="stable")


def view_rows(rows: pd.DataFrame, view: str) -> pd.DataFrame:
    """The rows of one item that are in one of `VIEWS`.

    Raises
    ------
    ValueError : if there is no such view."""
    check_choice("view", view, VIEWS)
    if view == "all":
        return rows
    if view == "not as in English":
        english = rows.loc[row_language(rows) == "en", "prediction"]
        return rows[rows["prediction"] != english.iloc[0]] if len(english) else rows
    return rows[(rows["correct"] == (view == "right")).fillna(False).to_numpy(dtype=bool)]


def summary(rows: pd.DataFrame) -> str:
    """How far the languages of one item agree, with one sentence for each thing that is known."""
    count = len(rows)
    predictions = rows["prediction"].value_counts()
    sentences = []
    known = rows[rows["gold"].notna()] if "gold" in rows else rows[:0]
    if len(known):
        golds = ", ".join(sorted(set(known["gold"])))
        sentences.append(f"Gold: {golds}. Right in {int(known['correct'].sum())} of {len(known)} languages.")
    listed = ", ".join(f"{label} {number}" for label, number in predictions.items())
    sentences.append(f"{count} language{'' if count == 1 else 's'}. Predicted: {listed}.")
    english = row_language(rows) == "en"
    if english.any() and count > 1:
        label, others = rows["prediction"][english].iloc[0], rows["prediction"][~english]
        sentences.append(f"As in English ({label}): {int((others == label).sum())} of {len(others)} others.")
    if count > 1:
        same = (predictions * (predictions - 1)).sum() / (count * (count - 1))
        sentences.append(f"Any two languages agree with a probability of {100 * same:.0f} %.")
    return " ".join(sentences)


def translations_table(
    rows: pd.DataFrame,
    explanations: Mapping[str, Explanation] | None = None,
    *,
    opened: str | None = None,
    detail: str = "",
) -> str:
    """One item as a table, one row per language: prediction, texts, English original, and what each
    word adds.

    Parameters
    ----------
    rows : of one item, from `check_predictions`, in the order to draw.
    explanations : by `pair_id`, of one method, so that they share a scale; without one, a row has
        no colours.
    opened : the `pair_id` of the open row; `detail` is the HTML to show under it.

    Returns
    -------
    HTML in which each row has a button whose `data-xk` is its `pair_id` without hidden
    characters."""
    records = rows.to_dict("records")
    found = [(explanations or {}).get(row["pair_id"]) for row in records]
    drawn = [explanation for explanation in found if explanation is not None]
    scale = shared_scale(drawn)
    english = [english_texts(row) for row in records]
    texts = " and ".join(name for name, _ in sides(records[0]))
    heads = ["language", "prediction", texts, *(["English original"] if any(english) else [])]
    body = ""
    for row, explanation, original in zip(records, found, english, strict=True):
        is_open = row["pair_id"] == opened
        body += _table_row(row, explanation, scale, is_open, original)
        if is_open and detail:
            body += f'<tr><td colspan="{len(heads)}"><div role="status" aria-label="explanation of the open row">{detail}</div></td></tr>'
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<div class="xk xk-wide" lang="en" dir="ltr">{_scale(drawn, scale)}'
        f'<table class="xk-translations"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _table_row(row: Row, explanation: Explanation | None, scale: float, is_open: bool, original: str) -> str:
    classes = {
        "xk-open": is_open,
        "xk-failed": explanation is not None and explanation.converged is False,
        "xk-untrained": row.get("untrained") is True,
    }
    texts, warning = paragraphs(row), ""
    if explanation is not None:
        texts = [marked(explanation, side, scale) for side in range(len(explanation.sides))]
        warning = banners(explanation)
    name = language_names(row)
    button = (
        f'<button type="button" class="xk-button" data-xk="{quoted(row["pair_id"])}" aria-expanded="{str(is_open).lower()}" '
        f'aria-label="{"close" if is_open else "explain"} {quoted(name)}">{"▼" if is_open else "▶"} {escaped(name)}</button>'
    )
    return (
        f'<tr class="{" ".join(name for name, holds in classes.items() if holds)}"><th scope="row">{button}</th>'
        f'<td class="xk-prediction"><b>{escaped(row["prediction"])}</b> {percent(row.get("confidence"))}<br>{verdict(row)}</td>'
        f"<td>{warning}{''.join(texts)}</td>{f'<td>{original}</td>' if original else ''}</tr>"
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
