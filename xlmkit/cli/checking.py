"""`xlmkit doctor`: what is wrong with this machine."""

from __future__ import annotations

import argparse

from xlmkit.cli.command import Command
from xlmkit.cli.options import add_model


def _doctor(chosen: argparse.Namespace) -> int:
    from xlmkit import doctor

    checks = doctor.diagnose(chosen.model, device=chosen.device)
    print(doctor.report(checks))
    return 0 if all(check.ok for check in checks) else 1


DOCTOR = Command(
    "doctor",
    "say what is wrong with this machine, and the fix",
    """
  xlmkit doctor
  xlmkit doctor --model my-model --device cpu""",
    add_model,
    _doctor,
)
