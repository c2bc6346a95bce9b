"""One command of `xlmkit`: what its help says, what it takes, what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

EXIT = "exit codes: 0 all is well, 1 doctor found a fault or --ray refused rows, 2 the input or the command is at fault, 130 interrupted"


class Command(NamedTuple):  # a dataclass would import `inspect`, which `xlmkit --help` does without
    """A command by its name; `options` adds what it takes to its parser, `run` does it and returns the exit code."""

    name: str
    about: str
    examples: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]

    def add(self, commands: Any) -> None:
        """Add the command to argparse's subparsers; its help ends with the examples."""
        parser = commands.add_parser(
            self.name,
            help=self.about,
            description=f"{self.about[0].upper()}{self.about[1:]}.".replace("%%", "%"),
            epilog=f"examples:{self.examples}\n\n{EXIT}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=self.run)
        parser.add_argument("--quiet", action="store_true", help="no progress bar and no notices")
        parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        self.options(parser)
