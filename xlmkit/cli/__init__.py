"""The command line: `xlmkit predict`, `explain`, `evaluate`, `probe`, `finetune`, `convert`, `doctor`.

Results go to standard output or to the file named by `--out`; progress, notices and errors go to standard error, so that pipes stay clean.
Exit codes: 0 all is well; 1 `doctor` found a fault, or `--ray` refused rows; 2 the input or the command is at fault (one sentence says how); 130 interrupted."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from xlmkit.cli.finetuning import TRAINING
from xlmkit.cli.parsing import EXAMPLES, parser
from xlmkit.cli.probing import PROBES
from xlmkit.cli.reading import sourced
from xlmkit.cli.speaking import notices_on_stderr, speaks

__all__ = ["EXAMPLES", "PROBES", "TRAINING", "main", "parser"]


FAULTS = (
    ValueError,
    OSError,
    MemoryError,
    ImportError,
    NotImplementedError,
)  # met with one sentence; a bug keeps its traceback


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process where None.

    Returns
    -------
    The exit code. Wrong usage raises SystemExit(2), as argparse does."""
    chosen = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        with notices_on_stderr(silent=chosen.quiet or not speaks()):
            code: int = chosen.run(sourced(chosen))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, `head` say, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("xlmkit: interrupted", file=sys.stderr)
        return 130
    except FAULTS as error:
        if chosen.debug:
            raise
        print(f"xlmkit: {_sentence(error)}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str:
    """What an error says; of the kit's own OSErrors without "[Errno 2]"."""
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    return str(error) or type(error).__name__
