"""The command line: `xlmkit predict`, `explain`, `evaluate`, `probe`, `finetune`, ...

Results go to standard output or to the file named by `--out`; progress, notices and errors go to
standard error, so that pipes stay clean. Exit codes: 0 success; 1 `doctor` found a problem, or
`--ray` refused rows; 2 the input or the command is wrong (one sentence says how); 130
interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from xlmkit.cli import commands
from xlmkit.cli.io import is_first_process, notices_on_stderr
from xlmkit.cli.options import EXAMPLES, PROBES, parser

__all__ = ["EXAMPLES", "PROBES", "main", "parser"]

# Reported in one sentence; any other exception is a bug, and keeps its traceback.
USER_ERRORS = (ValueError, OSError, MemoryError, ImportError, NotImplementedError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process if None.

    Returns
    -------
    The exit code. Wrong usage raises SystemExit(2), as argparse does."""
    args = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        with notices_on_stderr(silent=args.quiet or not is_first_process()):
            code: int = getattr(commands, args.command)(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, for example `head`, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("xlmkit: interrupted", file=sys.stderr)
        return 130
    except USER_ERRORS as error:
        if args.debug:
            raise
        text = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.strerror and error.filename is None:
            text = error.strerror  # the kit's own sentence, without "[Errno 2]"
        print(f"xlmkit: {text}", file=sys.stderr)
        return 2
