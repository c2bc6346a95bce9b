"""Latest: debounce, and the latest input wins. An answer that is older than what is shown, or than a newer question, is never shown.

The work is done in a thread of its own, which lives only while there is something to answer, so that a page stays alive meanwhile and
neither a busy cell nor a second notebook waits for it. The thread works in the context of who asked: ipykernel keeps there which message of the page is being
answered, and sends the page's next messages to whoever answered the last. A thread without it would answer for some other page, whose end would leave this one
unheard (ipykernel 7.4, comm/comm.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

DELAY = 0.03  # seconds without a newer question after which one is answered


class Superseded(Exception):
    """A newer question has been asked, so that the present one need not be answered."""


class Latest(Generic[Question, Answer]):
    """Answers the newest of many questions.

    Parameters
    ----------
    answer : gives the answers to a question, better and better ones; each is shown as it comes. It may ask `check` from time to time.
    show : is called with each answer that is still the newest's, in the order in which they came; never two calls at a time.
    fail : is called with the exception that `answer` or `show` raised, if its question is still the newest.
    delay : seconds that must pass without a newer question before one is answered."""

    def __init__(
        self,
        answer: Callable[[Question], Iterator[Answer]],
        show: Callable[[Answer], None],
        fail: Callable[[Exception], None],
        *,
        delay: float = DELAY,
    ) -> None:
        self._answer, self._show, self._fail, self._delay = answer, show, fail, delay
        self.lock = threading.RLock()
        """Held while an answer is shown; who changes what `show` reads takes it too, so that the two cannot meet."""
        self._changed = threading.Condition(self.lock)
        self._waiting: list[tuple[Context, Question]] = []  # the newest question, while nobody works on it
        self._newest = 0  # how many questions there were
        self._working: threading.Thread | None = None
        self._hurried = False
        self._own = 0  # the number of the question that is worked on

    def ask(self, question: Question) -> None:
        """Take a question in place of all that came before; returns at once."""
        with self._changed:
            self._newest += 1
            self._waiting = [(copy_context(), question)]
            if self._working is None:
                self._working = threading.Thread(target=self._work, daemon=True, name="xlmkit-latest")
                self._working.start()
            self._changed.notify_all()

    def hurry(self) -> None:
        """Answer what waits now, without the rest of the delay."""
        with self._changed:
            self._hurried = bool(self._waiting)
            self._changed.notify_all()

    def check(self) -> None:
        """For use inside `answer`: raise Superseded where a newer question has come."""
        with self._changed:
            if self._own != self._newest and threading.current_thread() is self._working:
                raise Superseded

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to answer; False where `timeout` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: self._working is None, timeout)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._calm()
                if not self._waiting:
                    self._working = None
                    self._changed.notify_all()
                    return
                (context, question), self._own = self._waiting.pop(), self._newest
            context.run(self._give, question)

    def _calm(self) -> None:
        """Wait until `delay` seconds have brought no newer question, or somebody is in a hurry."""
        seen = -1
        while self._waiting and seen != self._newest and not self._hurried:
            seen = self._newest
            self._changed.wait_for(lambda: self._hurried or seen != self._newest, self._delay)  # noqa: B023
        self._hurried = False

    def _give(self, question: Question) -> None:
        try:
            for answer in self._answer(question):
                with self.lock:
                    self.check()
                    self._show(answer)
        except Superseded:
            pass
        except Exception as error:  # noqa: BLE001  # whatever it is, the page must say it and go on
            with self.lock:
                if self._own == self._newest:
                    self._fail(error)
