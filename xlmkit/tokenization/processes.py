"""Processes: texts prepared beside the model, by Python programs that import no torch and never run the caller's own script again.

Each is fed through a pipe and ends when the pipe does, so that none outlives a caller that was killed. One that dies loses nothing: its texts are prepared by
the caller. pythainlp's dictionary is loaded once in each, with its first Thai text."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import IO, cast

from xlmkit.notices import warn_once
from xlmkit.tokenization.bpe import BPETokenizer
from xlmkit.tokenization.cache import chosen, kept
from xlmkit.tokenization.texts import Blocks, Prepared, computed, prepare

# The caller's `sys.path` comes first, so that the program finds what the caller has.
_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from xlmkit.tokenization.processes import serve; serve()"
)


def usual(tokenizer: BPETokenizer, *, lowercase: bool) -> Blocks:
    """Blocks computed here, and kept where the environment says."""
    return kept(computed(tokenizer, lowercase=lowercase), chosen(), tokenizer, lowercase=lowercase)


class Preparers:
    """`count` processes for one checkpoint's pieces; a context manager, at whose end they are gone."""

    def __init__(self, tokenizer: BPETokenizer, *, lowercase: bool, count: int) -> None:
        self._here = usual(tokenizer, lowercase=lowercase)
        self._lock = Lock()
        self._children = [_Child(tokenizer, lowercase) for _ in range(count)]
        self._idle: SimpleQueue[_Child] = SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(count)

    def submit(self, texts: Sequence[str], codes: Sequence[str]) -> Future[Prepared]:
        """`prepare` of these texts, some time."""
        return self._threads.submit(self._run, list(texts), list(codes))

    def _run(self, texts: list[str], codes: list[str]) -> Prepared:
        child = self._idle.get()
        try:
            answer = child.ask((texts, codes))
        except (OSError, EOFError, pickle.UnpicklingError):
            warn_once("a process that prepares texts has died; its texts are prepared here")
            with self._lock:
                return prepare(self._here, texts, codes)
        finally:
            self._idle.put(child)
        if isinstance(answer, Exception):
            raise answer
        return cast("Prepared", answer)

    def __enter__(self) -> Preparers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for child in self._children:
                child.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for child in self._children:
            child.end()


def serve() -> None:
    """What each process runs: pieces first, then texts and codes again and again, each answered by what was prepared or by the error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints, prints elsewhere
    asked = sys.stdin.buffer
    tokenizer, lowercase = pickle.load(asked)
    blocks = usual(tokenizer, lowercase=lowercase)
    while True:
        try:
            texts, codes = pickle.load(asked)
        except EOFError:
            return
        answer: Prepared | Exception
        try:
            answer = prepare(blocks, texts, codes)
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


class _Child:
    """One process, of a session of its own: Ctrl-C reaches the caller, who ends it."""

    def __init__(self, tokenizer: BPETokenizer, lowercase: bool) -> None:
        self._first: list[object] = [
            sys.path,
            (tokenizer, lowercase),
        ]  # told with the first question: megabytes
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def ask(self, question: object) -> object:
        """The answer; an OSError or EOFError where the process has died."""
        pipe = cast("IO[bytes]", self.process.stdin)
        for what in (*self._first, question):
            pickle.dump(what, pipe)
        pipe.flush()
        self._first = []
        return pickle.load(cast("IO[bytes]", self.process.stdout))

    def end(self) -> None:
        """Close its pipes, which ends it, and wait."""
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what was not yet written to a dead process
                cast("IO[bytes]", pipe).close()
        self.process.wait()
