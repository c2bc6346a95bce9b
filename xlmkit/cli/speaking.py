"""What is said on standard error."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from xlmkit.notices import XlmkitWarning


def speaks() -> bool:
    """Whether this process is the first, or the only one, of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


def progress(chosen: argparse.Namespace) -> bool:
    """Whether a bar is shown: where somebody sees it and did not say `--quiet`."""
    return not chosen.quiet and sys.stderr.isatty()


@contextlib.contextmanager
def notices_on_stderr(*, silent: bool) -> Iterator[None]:
    """Show the kit's notices as one line each on standard error, or not at all."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Any, category: Any, *rest: Any, **more: Any) -> None:
            if issubclass(category, XlmkitWarning):
                print(f"note: {message}", file=sys.stderr)
            else:
                usual(message, category, *rest, **more)

        warnings.simplefilter("ignore" if silent else "always", XlmkitWarning)
        warnings.showwarning = show
        yield
