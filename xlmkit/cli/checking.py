"""`xlmkit check-pairs` and `xlmkit doctor`: what is wrong with a file of pairs, or with this machine."""

from __future__ import annotations

import argparse
import sys

from xlmkit.cli.command import Command
from xlmkit.cli.options import add_model


def _check_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "files", nargs="+", metavar="FILE", help=".jsonl files, one a language, as in `data/workshop/`"
    )
    command.add_argument(
        "--language", metavar="CODE", help="of the files, where their names do not end in one"
    )


def _doctor(chosen: argparse.Namespace) -> int:
    from xlmkit import doctor

    checks = doctor.diagnose(chosen.model, device=chosen.device)
    print(doctor.report(checks))
    return 0 if all(check.ok for check in checks) else 1


def _check_pairs(chosen: argparse.Namespace) -> int:
    from xlmkit.pairs.workshop import check_files

    findings = check_files(chosen.files, language=chosen.language)
    for finding in findings:
        print(finding)
    if not chosen.quiet:
        faults = f"{len(findings)} fault{'' if len(findings) == 1 else 's'}" if findings else "no faults"
        print(f"{faults} in {', '.join(chosen.files)}", file=sys.stderr)
    return 1 if findings else 0


CHECK_PAIRS = Command(
    "check-pairs",
    "list every fault of pairs in the workshop's format",
    """
  xlmkit check-pairs my-pairs-sw.jsonl
  xlmkit check-pairs data/workshop/en.jsonl data/workshop/fr.jsonl
  xlmkit check-pairs additions.jsonl --language ur""",
    _check_options,
    _check_pairs,
)


DOCTOR = Command(
    "doctor",
    "say what is wrong with this machine, and the fix",
    """
  xlmkit doctor
  xlmkit doctor --model my-model --device cpu""",
    add_model,
    _doctor,
)
