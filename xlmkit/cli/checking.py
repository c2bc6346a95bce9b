"""`xlmkit check-pairs` and `xlmkit doctor`."""

from __future__ import annotations

import argparse
import sys


def run_doctor(chosen: argparse.Namespace) -> int:
    from xlmkit import doctor

    checks = doctor.diagnose(chosen.model, device=chosen.device)
    print(doctor.report(checks))
    return 0 if all(check.ok for check in checks) else 1


def run_check_pairs(chosen: argparse.Namespace) -> int:
    from xlmkit.pairs.workshop import check_files

    findings = check_files(chosen.files, language=chosen.language)
    for finding in findings:
        print(finding)
    if not chosen.quiet:
        faults = f"{len(findings)} fault{'' if len(findings) == 1 else 's'}" if findings else "no faults"
        print(f"{faults} in {', '.join(chosen.files)}", file=sys.stderr)
    return 1 if findings else 0
