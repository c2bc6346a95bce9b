"""Explorer: what happens when somebody types, turns a dial or clicks a word; it asks a function that it is given, and holds no model.

Every change goes through `change`: it is a step of the session, is asked of the model, and shown when the answer comes. Callbacks of the page, the thread
that answers and the notebook's own cells may come at the same time, so each holds the lock of `Latest` while it changes or shows anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pandas as pd

from xlmkit.encoding import SENTENCES
from xlmkit.languages import LANGUAGES
from xlmkit.render import escaped, quoted
from xlmkit.widgets.answered import ANSWER_STYLE, answered, original, pair, proposal, steps
from xlmkit.widgets.answering import Progress
from xlmkit.widgets.bars import said
from xlmkit.widgets.board import Board
from xlmkit.widgets.examples import Example, Examples
from xlmkit.widgets.latest import Latest
from xlmkit.widgets.picture import KEPT, Pictured
from xlmkit.widgets.session import Answer, Question, Session
from xlmkit.widgets.situation import (
    NONE,
    RIGHT,
    Situation,
    Span,
    dropped,
    replaced,
    swapped,
    toggled,
    typed,
)

Asked = tuple[Question, Question | None]
Shown = tuple[Answer, Answer | None]


class Ask(Protocol):
    """What an explorer is given: a question's answers, better and better; see `answering.Answers`."""

    def __call__(
        self, question: Question, *, check: Callable[[], None], tell: Callable[[Progress], None]
    ) -> Iterator[Answer]:
        """The answers; `check` raises where they are no longer wanted, `tell` is told how far they are."""
        ...


class Explorer(Pictured):
    """One pair to try things out on; made by `explore`.

    Attributes
    ----------
    session : the steps so far.
    answer, before : what is shown, and what it is compared with; None before the first answer, or where there is nothing to compare.
    board : the controls."""

    def __init__(
        self,
        ask: Ask,
        start: Situation,
        *,
        labels: Sequence[str],
        ids: Sequence[str],
        method: str = "saliency",
        target: str = "predicted",
        pairs: pd.DataFrame | None = None,
    ) -> None:
        self._ask, self._examples = ask, Examples(pairs)
        self._began: Example | None = None
        self.session = Session(start)
        self.answer: Answer | None = None
        self.before: Answer | None = None
        self._problem = ""
        self._chosen: int | None = None
        self._latest: Latest[Asked, Shown] = Latest(self._answers, self._show, self._fail)
        choices = self._examples.choices
        self.board = Board(start, labels=labels, ids=ids, method=method, target=target, examples=choices)
        super().__init__(self.board.content, self._picture, name="Explorer")
        self._wire()
        self._place()

    # What a notebook's cell can call, and the page's callbacks do.

    @property
    def situation(self) -> Situation:
        """The pair as it is now."""
        return self.session.situation

    def change(self, change: str, situation: Situation, *, kind: str | None = None) -> None:
        """Take a step to another situation, and ask what the model says; `change` says in words what was done."""
        with self._latest.lock:
            if self.session.add(change, situation, kind=kind):
                self._moved()

    def type(self, sentence: str, text: str) -> None:
        """Write another text as "premise" or "hypothesis"."""
        with self._latest.lock:
            place = SENTENCES.index(sentence)
            self.change(f"typed the {sentence}", typed(self.situation, place, text), kind=sentence)

    def drop(self, word: int) -> None:
        """Take out a word, a place in `answer.explanation.words`."""
        self._edit(word, "dropped", dropped)

    def mask(self, word: int) -> None:
        """Let the model see a mask in a word's place, or the word again."""
        self._edit(word, "masked", toggled)

    def replace(self, word: int, words: str) -> None:
        """Put other words in a word's place."""
        self._edit(word, f"put “{words}” for", lambda own, span: replaced(own, span, words))

    def swap(self) -> None:
        """Exchange premise and hypothesis."""
        with self._latest.lock:
            self.change("swapped the sentences", swapped(self.situation))

    def set_language(self, sentence: str, code: str) -> None:
        """Say that the "premise" or the "hypothesis" is in another language."""
        with self._latest.lock:
            changed: dict[str, Any] = {f"{sentence}_language": code}
            self.change(f"{sentence} in {LANGUAGES[code].name}", replace(self.situation, **changed))

    def set_language_id(self, id: str) -> None:
        """Give both sentences the id of a language, "none", or each its own again ("right")."""
        names = {RIGHT: "right", NONE: "none"}
        with self._latest.lock:
            name = names[id] if id in names else LANGUAGES[id].name
            self.change(f"language id: {name}", replace(self.situation, language_id=id))

    def start_from(self, item: str, language: str) -> None:
        """Take an item of the examples in a language.

        Raises
        ------
        ValueError : if there is no such example."""
        taken = self._examples.take(item, language)
        with self._latest.lock:
            self._began = taken
            name = LANGUAGES[taken.situation.languages[0]].name
            self.change(f"example {item} in {name}", taken.situation)
            self._place()

    def undo(self) -> None:
        """Go back a step."""
        self.go(self.session.position - 1)

    def redo(self) -> None:
        """Go forward a step that was undone."""
        self.go(self.session.position + 1)

    def go(self, step: int) -> None:
        """Go to a step of the session."""
        with self._latest.lock:
            if self.session.go(step):
                self._moved()

    def hold(self, held: bool = True) -> None:
        """Compare what follows with the present step; with False each step with the one before it."""
        with self._latest.lock:
            self.session.hold(held)
            self.ask()

    def ask(self) -> None:
        """Ask the model about the present situation."""
        with self._latest.lock:
            method, target = self.board.method.value, self.board.target.value
            before = self.session.before
            then = None if before is None else Question(before, method, target)
            self._latest.ask((Question(self.situation, method, target), then))

    def to_frame(self) -> pd.DataFrame:
        """The session as a table; see `Session.to_frame`."""
        with self._latest.lock:
            return self.session.to_frame()

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until the last change has been answered and the saved picture shows it; False after `timeout` seconds."""
        self._latest.hurry()
        return self._latest.settle(timeout) and super().settle(timeout)

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        if self.answer is None:
            self.ask()

    # Wiring

    def _wire(self) -> None:
        board = self.board
        for name, field, language in zip(SENTENCES, board.fields, board.languages, strict=True):
            field.observe(self._typing(name), "value")
            language.observe(self._speaking(name), "value")
        board.language_id.observe(lambda change: self.set_language_id(change["new"]), "value")
        for dial in (board.method, board.target):
            dial.observe(lambda _: self.ask(), "value")
        for box in (board.example, board.example_language):
            box.observe(lambda _: self._take_example(), "value")
        board.swap.on_click(lambda _: self.swap())
        board.undo.on_click(lambda _: self.undo())
        board.redo.on_click(lambda _: self.redo())
        board.hold.observe(lambda change: self.hold(change["new"]), "value")
        board.keep.on_click(lambda _: self._keep())
        board.save.on_click(lambda _: self._download())
        board.answer.on_choose(self._choose)
        board.steps.on_choose(lambda value: self._go_to(value))
        board.proposals.on_choose(self._accept)
        menu = board.word
        menu.drop.on_click(lambda _: self._in_menu("drop"))
        menu.mask.on_click(lambda _: self._in_menu("mask"))
        menu.replace.on_click(lambda _: self._in_menu("Enter"))
        menu.close.on_click(lambda _: self._in_menu("Escape"))
        menu.words.on_key(self._in_menu)

    def _typing(self, sentence: str) -> Callable[[dict[str, Any]], None]:
        return lambda change: self.type(sentence, change["new"])

    def _speaking(self, sentence: str) -> Callable[[dict[str, Any]], None]:
        return lambda change: self.set_language(sentence, change["new"])

    def _take_example(self) -> None:
        if self.board.example.value:
            try:
                self.start_from(self.board.example.value, self.board.example_language.value)
            except ValueError as error:
                with self._latest.lock:  # until the next change
                    self.board.proposals.html = f'<p class="xk-notice" role="alert">{escaped(error)}</p>'

    def _edit(self, word: int, verb: str, edit: Callable[[Situation, Span], Situation]) -> None:
        """Change the text that is shown at a word of the answer that is shown."""
        with self._latest.lock:
            if self.answer is None or self.answer.question.situation != self.situation:
                return  # the words are those of an older text: wait for the answer
            own = self.answer.explanation.words[word]
            span = Span(own.sentence, own.start, own.end)
            text = self.situation.text(span)
            if verb == "masked" and any(span.overlaps(mask) for mask in self.situation.masked):
                verb = "showed again"
            self._choose("")
            self.change(f"{verb} “{text}” in the {SENTENCES[own.sentence]}", edit(self.situation, span))

    def _choose(self, value: str) -> None:
        """A word was clicked: open its menu."""
        with self._latest.lock:
            answer = self.answer
            current = answer is not None and answer.question.situation == self.situation
            place = int(value.removeprefix("word:")) if value.startswith("word:") else None
            if answer is None or not current or place is None or place >= len(answer.explanation.words):
                self._chosen = None
                self.board.word.show("")
            else:
                self._chosen = place
                own = answer.explanation.words[place]
                code = self.situation.languages[own.sentence]
                text = self.situation.text(Span(own.sentence, own.start, own.end))
                self.board.word.words.speak(code)
                self.board.word.words.value = text
                self.board.word.words.focus()
                self.board.word.show(
                    f'<span lang="en" dir="ltr">The word <bdi class="xk-text" lang="{quoted(code)}"><b>{escaped(text)}</b></bdi> '
                    f"of the {SENTENCES[own.sentence]}:</span>"
                )
            self._draw()

    def _in_menu(self, key: str) -> None:
        """Replace the chosen word by what was written ("Enter"), "drop" or "mask" it, or leave it; the focus goes back to the words."""
        with self._latest.lock:
            if self._chosen is None:
                return
            if key == "Enter":
                self.replace(self._chosen, self.board.word.words.value)
            elif key in ("drop", "mask"):
                {"drop": self.drop, "mask": self.mask}[key](self._chosen)
            else:
                self._choose("")
            self.board.answer.focus()

    def _go_to(self, value: str) -> None:
        if value.startswith("step:"):
            self.go(int(value.removeprefix("step:")))

    def _accept(self, value: str) -> None:
        """A proposed language was taken."""
        if value.count(":") == 1:
            self.set_language(*value.split(":"))

    def _keep(self) -> None:
        with self._latest.lock:
            self.keep()
            self.board.status.html = f'{self._trouble()}<p class="xk-notice">{KEPT}</p>'

    def _download(self) -> None:
        self.board.steps.download(
            "xlmkit-session.csv",
            "\ufeff" + self.to_frame().to_csv(index=False),
            type="text/csv;charset=utf-8",
        )

    # Showing

    def _moved(self) -> None:
        """The situation is another: show it in the controls, and ask."""
        self._chosen = None
        self.board.word.show("")
        self._place()
        self.ask()

    def _place(self) -> None:
        """Bring the controls to the present situation."""
        now, board = self.situation, self.board
        for place, field in enumerate(board.fields):
            field.speak(now.languages[place])
            field.value = now.texts[place]
            board.languages[place].value = now.languages[place]
        board.language_id.value = now.language_id
        board.undo.disabled = self.session.position == 0
        board.redo.disabled = self.session.position == len(self.session.steps) - 1
        board.proposals.html = "".join(proposal(name, now) for name in SENTENCES)
        board.original.value = self._original()
        board.steps.html = steps(self.session)

    def _original(self) -> str:
        if self._began is None or self._began.english is None:
            return ""
        taken = self._began.situation
        same = self.situation.texts == taken.texts
        return "" if same and set(taken.languages) == {"en"} else original(self._began.english, not same)

    def _answers(self, asked: Asked) -> Iterator[Shown]:
        question, then = asked
        check = self._latest.check
        answer = None
        for answer in self._ask(question, check=check, tell=self._tell):
            yield answer, self._matching(then)
        if then is not None and answer is not None:
            for before in self._ask(then, check=check, tell=self._tell):
                if before.final:
                    yield answer, before

    def _matching(self, then: Question | None) -> Answer | None:
        """What is shown of `then` already, until it is answered anew."""
        for shown in (self.answer, self.before):
            if then is not None and shown is not None and shown.question == then:
                return shown
        return None

    def _tell(self, progress: Progress) -> None:
        bar = self.board.progress
        bar.max, bar.value = float(progress.total), float(progress.done)
        bar.description = (
            f"{progress.method.replace('_', ' ')}: {progress.done} of about {progress.total} passes"
        )
        bar.layout.display = None

    def _show(self, shown: Shown) -> None:
        self.answer, self.before = shown
        self._problem = ""
        self.session.answered(self.answer)
        if self.before is not None:
            self.session.answered(self.before)
        if self.answer.final:
            self.board.progress.layout.display = "none"
        spoken = said(self.answer.probabilities, None if self.before is None else self.before.probabilities)
        self.board.status.html = f'<p class="xk-sr">{escaped(spoken)}</p>'
        self._draw()
        self.changed()

    def _draw(self) -> None:
        if self.answer is not None and not self._problem:
            self.board.answer.html = answered(self.answer, self.before, chosen=self._chosen)
        self.board.steps.html = steps(self.session)

    def _fail(self, error: Exception) -> None:
        self._problem = str(error) or type(error).__name__
        self.answer = self.before = None
        self.board.progress.layout.display = "none"
        self.board.answer.html = ""
        self.board.status.html = self._trouble()
        self.changed()

    def _trouble(self) -> str:
        """What went wrong with the present question, as HTML; nothing where all is well."""
        return (
            f'<p class="xk-notice xk-error" role="alert">{escaped(self._problem)}</p>'
            if self._problem
            else ""
        )

    def _picture(self) -> str:
        with self._latest.lock:
            body = f'<p class="xk-notice">{escaped(self._problem)}</p>' if self._problem else ""
            if self.answer is not None and self.answer.question.situation == self.situation:
                body = answered(self.answer, self.before, still=True)
            else:
                body += f'<div class="xk">{pair(self.situation)}</div>'
            return f"<style>{ANSWER_STYLE}</style>{self._original()}{body}"
