"""Explorer: one pair to change at will; what the model says each time, and why.

Every change is a step of the session, is asked of the model, and shown when the answer comes. The
explorer has no model: it asks a function that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets
import pandas as pd
import regex

from xlmkit.attribution import METHODS
from xlmkit.checks import check_choice
from xlmkit.encoding import SENTENCES
from xlmkit.inference import check_input, need_head
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.pairs import is_missing, with_english
from xlmkit.render import escaped, quoted
from xlmkit.widgets import state as edits
from xlmkit.widgets.backend import SLOW, PairBackend
from xlmkit.widgets.controls import LANGUAGE_OPTIONS, Clickable, TextField, button, dropdown, line
from xlmkit.widgets.html import answer_html, in_words, item_options, paragraph, sides, steps_html
from xlmkit.widgets.live import METHOD_OPTIONS, Live
from xlmkit.widgets.state import NONE, RIGHT, Answer, PairState, Question, Session, Span

PREMISE, HYPOTHESIS = "A man is sleeping in his bed.", "A man is awake."
SCRIPTS = sorted({entry.script for entry in LANGUAGES.values()})


def explore(
    nli: NLIModel,
    *,
    premise: str = PREMISE,
    hypothesis: str = HYPOTHESIS,
    language: str = "en",
    hypothesis_language: str | None = None,
    method: str = "saliency",
    target: str = "predicted",
    pairs: pd.DataFrame | None = None,
) -> Explorer:
    """Try out what the model says of a pair, and why, while its texts, languages, language id and
    words change.

    Parameters
    ----------
    premise, hypothesis, language, hypothesis_language : the pair to start with; None takes the
        premise's language.
    method, target : of the explanation, as in `explain`.
    pairs : examples, as `read_pairs` gives them: each item in all its languages, with its English
        original.

    Returns
    -------
    The explorer, for the last line of a cell. It computes nothing before it is shown or changed.

    Raises
    ------
    ValueError : if a language, the method or the target is unknown, or the model takes no pairs."""
    need_head(nli)
    if nli.sentences == 1:
        raise ValueError(
            f"explore needs a model of pairs; {nli.source!r} takes single texts. Load another model."
        )
    check_choice("method", method, METHODS)
    check_choice("target", target, ("predicted", *nli.labels))
    return Explorer(
        PairBackend(nli),
        PairState(premise, hypothesis, language, hypothesis_language or language),
        method=method,
        target=target,
        pairs=None if pairs is None else check_input(nli, pairs),
    )


class Explorer(Live):
    """One pair to try things out on; made by `explore`.

    Attributes
    ----------
    session : the steps so far.
    answer, before : what is shown, and what it is compared with; None before the first answer, or
        if there is nothing to compare."""

    def __init__(
        self,
        backend: PairBackend,
        start: PairState,
        *,
        method: str = "saliency",
        target: str = "predicted",
        pairs: pd.DataFrame | None = None,
    ) -> None:
        super().__init__("Explorer")
        self._backend = backend
        self.session = Session(start)
        self.answer: Answer | None = None
        self.before: Answer | None = None
        self._chosen: int | None = None  # the word whose menu is open
        self._example: dict[Any, Any] = {}  # the row that the pair was taken from
        self._pairs = pd.DataFrame({"item": []}) if pairs is None else with_english(pairs)
        self._translated = {"item", "language"} <= set(self._pairs)
        if "item" not in self._pairs:
            self._pairs["item"] = self._pairs["pair_id"]
        self._worker = self.worker(self._answers)
        self._build(start, method, target)
        self._place()
        self._listen()

    # What a cell of a notebook can call, and the callbacks of the page do

    @property
    def state(self) -> PairState:
        """The pair as it is now."""
        return self.session.state

    def change(self, change: str, state: PairState, *, kind: str | None = None) -> None:
        """Go to another state and ask what the model says; `change` describes the step in words."""
        with self.lock:
            if self.session.add(change, state, kind=kind):
                self._moved()

    def type(self, sentence: str, text: str) -> None:
        """Write another text as "premise" or "hypothesis"."""
        with self.lock:
            state = edits.set_text(self.state, SENTENCES.index(sentence), text)
            self.change(f"typed the {sentence}", state, kind=sentence)

    def drop(self, word: int) -> None:
        """Take out a word, a place in `answer.explanation.words`."""
        self._edit(word, "dropped", edits.drop_word)

    def mask(self, word: int) -> None:
        """Let the model see a mask in a word's place, or the word again."""
        self._edit(word, "masked", edits.toggle_mask)

    def replace(self, word: int, words: str) -> None:
        """Put other words in a word's place."""
        self._edit(word, f"put “{words}” for", lambda state, span: edits.replace_word(state, span, words))

    def swap(self) -> None:
        """Exchange premise and hypothesis."""
        with self.lock:
            self.change("swapped the sentences", edits.swap_sentences(self.state))

    def set_language(self, sentence: str, code: str) -> None:
        """Tell the model that the "premise" or the "hypothesis" is in another language."""
        with self.lock:
            changed: dict[str, Any] = {f"{sentence}_language": code}
            self.change(f"{sentence} in {LANGUAGES[code].name}", replace(self.state, **changed))

    def set_language_id(self, id: str) -> None:
        """Give both sentences the id of a language, no id ("none"), or their own ("right")."""
        with self.lock:
            name = LANGUAGES[id].name if id in LANGUAGES else id
            self.change(f"language id: {name}", replace(self.state, language_id=id))

    def start_from(self, item: str, language: str) -> None:
        """Take an example in a language.

        Raises
        ------
        ValueError : if there is no such example."""
        rows = self._pairs[self._pairs["item"] == item]
        if self._translated:
            rows = rows[rows["language"] == language]
        if rows.empty:
            raise ValueError(f"There is no example {item!r} in {LANGUAGES[language].name}. Choose another.")
        with self.lock:
            self._example = rows.iloc[0].to_dict()
            codes = [code for _, code in sides(self._example)]
            state = PairState(*(self._example[name] for name in SENTENCES), *codes)
            self.change(f"example {item} in {LANGUAGES[codes[0]].name}", state)
            self._place()

    def undo(self) -> None:
        """Go back one step."""
        self.go(self.session.position - 1)

    def redo(self) -> None:
        """Go forward one step that was undone."""
        self.go(self.session.position + 1)

    def go(self, step: int) -> None:
        """Go to a step of the session."""
        with self.lock:
            if self.session.go(step):
                self._moved()

    def hold(self, held: bool = True) -> None:
        """Compare what follows with the present step; False compares each step with the one before
        it."""
        with self.lock:
            self.session.hold(held)
            self.ask()

    def ask(self) -> None:
        """Ask the model about the present state."""
        with self.lock:
            question = Question(self.state, self.method.value, self.target.value)
            before = self.session.before
            self._worker.ask((question, None if before is None else replace(question, state=before)))

    def to_frame(self) -> pd.DataFrame:
        """The session as a table; see `Session.to_frame`."""
        with self.lock:
            return self.session.to_frame()

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        if self.answer is None:
            self.ask()

    # Controls

    def _build(self, start: PairState, method: str, target: str) -> None:
        self.fields = [TextField(name.capitalize()) for name in SENTENCES]
        self.languages = [
            dropdown(f"{name} language", LANGUAGE_OPTIONS, code, width="22em")
            for name, code in zip(("Premise", "Hypothesis"), start.languages, strict=True)
        ]
        for control in self.languages:
            control.style.description_width = "11em"  # the two lists line up
        self.example = dropdown("Example", [("(none)", ""), *item_options(self._pairs)])
        self.example_language = dropdown("in", LANGUAGE_OPTIONS, "en")
        self.original = ipywidgets.HTML()
        self.suggestions = Clickable(label="Suggested languages", live=True)
        both = [(f"{LANGUAGES[code].name} ({code}) for both", code) for code in self._backend.ids]
        id_options = [("right: each text's own", RIGHT), *([("none", NONE)] if both else []), *both]
        self.language_id = dropdown("Language id", id_options)
        named = [(name + ", slower" if value in SLOW else name, value) for name, value in METHOD_OPTIONS]
        self.method = dropdown("Explanation", named, method)
        targets = [("the predicted label", "predicted"), *((label, label) for label in self._backend.labels)]
        self.target = dropdown("of", targets, target)
        self.swap_button = button("Swap", "exchange premise and hypothesis", "exchange")
        self.undo_button = button("Undo", "go back one step", "undo")
        self.redo_button = button("Redo", "go forward one step", "repeat")
        self.hold_button = ipywidgets.ToggleButton(
            description="Hold for comparison",
            tooltip="compare what follows with this",
            layout={"width": "auto"},
        )
        self.save_button = button("Save the table", "download all steps as a table (CSV)", "download")
        self.words = Clickable(label="Answer: choose a word to drop, mask or replace it")
        self.steps = Clickable(label="Steps: choose one to go back to it")
        self.menu_title = Clickable(label="The chosen word", live=True)
        self.new_words = TextField("Put in its place", rows=1)
        self.menu_buttons = {
            "replace": button("Replace", "put the text in the word's place", "pencil"),
            "drop": button("Drop", "take the word out", "scissors"),
            "mask": button("Mask", "let the model see a mask in its place, or the word again", "eye-slash"),
            "close": button("Close", "leave the word as it is", "times"),
        }
        self.menu = ipywidgets.VBox(
            [self.menu_title, line(self.new_words, *self.menu_buttons.values(), align="flex-end")],
            layout={"display": "none", "border": "1px solid rgba(128,128,128,.6)", "padding": "4px 10px"},
        )
        self.lay_out(
            *([line(self.example, self.example_language)] if len(self._pairs) else []),
            *(line(*row, align="flex-end") for row in zip(self.fields, self.languages, strict=True)),
            self.original,
            self.suggestions,
            line(self.language_id, self.method, self.target),
            line(
                self.swap_button,
                self.undo_button,
                self.redo_button,
                self.hold_button,
                self.keep_button,
                self.save_button,
            ),
            self.status,
            self.progress,
            self.words,
            self.menu,
            self.steps,
        )

    def _listen(self) -> None:
        for name, field, language in zip(SENTENCES, self.fields, self.languages, strict=True):
            self.on(field, partial(self.type, name))
            self.on(language, partial(self.set_language, name))
        self.on(self.language_id, self.set_language_id)
        self.on_any(self.ask, self.method, self.target)
        self.on_any(self._take_example, self.example, self.example_language)
        self.on_any(self.swap, self.swap_button)
        self.on_any(self.undo, self.undo_button)
        self.on_any(self.redo, self.redo_button)
        self.on(self.hold_button, self.hold)
        self.on_any(self._download, self.save_button)
        self.on(self.words, self._choose)
        self.on(self.steps, lambda value: self.go(int(value.removeprefix("step:"))) if value else None)
        self.on(self.suggestions, lambda value: self.set_language(*value.split(":")) if value else None)
        for name, control in self.menu_buttons.items():
            self.on_any(partial(self._in_menu, name), control)
        self.new_words.on_key(lambda key: self._in_menu({"Enter": "replace", "Escape": "close"}[key]))

    def _take_example(self) -> None:
        if self.example.value:
            try:
                self.start_from(self.example.value, self.example_language.value)
            except ValueError as error:
                super().fail(error)  # the present answer stays

    def _edit(self, word: int, verb: str, edit: Callable[[PairState, Span], PairState]) -> None:
        """Change the text at a word of the answer that is shown."""
        with self.lock:
            if self.answer is None or self.answer.question.state != self.state:
                return  # the words are those of an older text: wait for the answer
            span = self._span(word)
            if verb == "masked" and any(span.overlaps(mask) for mask in self.state.masked):
                verb = "unmasked"
            change = f"{verb} “{self.state.text(span)}” in the {SENTENCES[span.sentence]}"
            self.change(change, edit(self.state, span))

    def _span(self, word: int) -> Span:
        assert self.answer is not None
        found = self.answer.explanation.words[word]
        return Span(found.sentence, found.start, found.end)

    def _choose(self, value: str) -> None:
        """Open the menu of a word that was clicked; of a word in an older text, or "", close it."""
        answer, title, place = self.answer, "", int(value.removeprefix("word:") or -1)
        current = answer is not None and answer.question.state == self.state
        words = answer.explanation.words if answer is not None and current else ()
        self._chosen = place if 0 <= place < len(words) else None
        if self._chosen is not None:
            span = self._span(self._chosen)
            code, text = self.state.languages[span.sentence], self.state.text(span)
            self.new_words.set_language(code)
            self.new_words.value = text
            self.new_words.focus()
            title = (
                f'<span lang="en" dir="ltr">The word <bdi class="xk-text" lang="{quoted(code)}"><b>{escaped(text)}'
                f"</b></bdi> of the {SENTENCES[span.sentence]}:</span>"
            )
        self.menu_title.html = title
        self.menu.layout.display = None if title else "none"
        self._draw()

    def _in_menu(self, action: str) -> None:
        """Do what a button of the menu says to the chosen word; the focus goes back to the
        words."""
        with self.lock:
            word = self._chosen
            if word is None:
                return
            self._choose("")
            if action == "replace":
                self.replace(word, self.new_words.value)
            elif action != "close":
                {"drop": self.drop, "mask": self.mask}[action](word)
            self.words.focus()

    def _download(self) -> None:
        table = "\ufeff" + self.to_frame().to_csv(index=False)
        self.steps.download("xlmkit-session.csv", table, type="text/csv;charset=utf-8")

    # Showing

    def _moved(self) -> None:
        """The state is another one: show it in the controls, and ask."""
        self._choose("")
        self._place()
        self.ask()

    def _place(self) -> None:
        """Bring the controls to the present state."""
        state = self.state
        for place, field in enumerate(self.fields):
            field.set_language(state.languages[place])
            field.value = state.texts[place]
            self.languages[place].value = state.languages[place]
        self.language_id.value = state.language_id
        self.undo_button.disabled = self.session.position == 0
        self.redo_button.disabled = self.session.position == len(self.session.steps) - 1
        self.suggestions.html = "".join(map(self._suggestion, SENTENCES, state.texts, state.languages))
        self.original.value = self._original()
        self.steps.html = steps_html(self.session)

    def _suggestion(self, sentence: str, text: str, language: str) -> str:
        """What the script of a sentence says against its language, with a button for each language
        of that script."""
        buttons = " ".join(
            f'<button type="button" class="xk-button" data-xk="{sentence}:{code}">It is {LANGUAGES[code].name}</button>'
            for code in suggest_languages(text, language)
        )
        name = LANGUAGES[language].name
        notice = f"The {sentence} is set to {name}, but is written in another script. {buttons}"
        return f'<div class="xk-notice">{notice}</div>' if buttons else ""

    def _original(self) -> str:
        """The English original of the example that the pair was taken from; nothing while it is
        that itself."""
        row, (premise, hypothesis) = self._example, self.state.texts
        english = [row.get(f"english_{name}") for name in SENTENCES]
        if any(map(is_missing, english)) or english == [premise, hypothesis]:
            return ""
        same = [premise, hypothesis] == [row[name] for name in SENTENCES]
        what = "English original" + ("" if same else " of the example you started from")
        return f'<p class="xk-original" lang="en" dir="ltr"><b>{what}:</b> {escaped(english[0])} <b>/</b> {escaped(english[1])}</p>'

    def _answers(self, asked: tuple[Question, Question | None]) -> Iterator[Callable[[], None]]:
        question, then = asked
        ask = partial(self._backend, check=self._worker.check, tell=partial(self._progress, question.method))
        answer = None
        # Until the earlier state is answered by this method too, what is shown of it already.
        before = next(
            (shown for shown in (self.answer, self.before) if shown is not None and shown.question == then),
            None,
        )
        for answer in ask(question):
            yield partial(self._show, answer, before)
        if then is not None and answer is not None:
            for before in ask(then):
                if before.final:
                    yield partial(self._show, answer, before)

    def _progress(self, method: str, done: int, total: int) -> None:
        self.tell(f"{method.replace('_', ' ')}: {done} of about {total} inputs …")

    def _show(self, answer: Answer, before: Answer | None) -> None:
        self.answer, self.before = answer, before
        for shown in (answer, before):
            if shown is not None:
                self.session.note(shown)
        if answer.final:
            self.tell("")
        self.say(in_words(answer.probabilities, None if before is None else before.probabilities), "xk-sr")
        self._draw()

    def _draw(self) -> None:
        self.words.html = (
            "" if self.answer is None else answer_html(self.answer, self.before, chosen=self._chosen)
        )
        self.steps.html = steps_html(self.session)

    def fail(self, error: Exception) -> None:
        """Show what went wrong in place of the answer."""
        self.answer = self.before = None
        super().fail(error)
        self._draw()

    def body(self) -> str:
        """The pair with its answer; without one, the problem and the texts."""
        if self.answer is not None and self.answer.question.state == self.state:
            return self._original() + answer_html(self.answer, self.before)
        texts = "".join(map(paragraph, self.state.texts, self.state.languages))
        return f'{self._original()}{self.problem}<div class="xk">{texts}</div>'


def suggest_languages(text: str, language: str) -> list[str]:
    """The languages of the script that most letters of the text have; none if `language` is one of
    them."""
    names = {"Hans": "Hani"}  # Unicode has one script for simplified and traditional characters
    counts = {
        script: len(regex.findall(rf"\p{{Script={names.get(script, script)}}}", text)) for script in SCRIPTS
    }
    script = max(counts, key=counts.__getitem__)
    if not counts[script] or LANGUAGES[language].script == script:
        return []
    return [code for code, entry in LANGUAGES.items() if entry.script == script]
