"""`python -m xlmkit.recipe`: make the stand-in model from public texts."""

from __future__ import annotations

import argparse
from pathlib import Path

from xlmkit import recipe


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python -m xlmkit.recipe", description=recipe.__doc__)
    options.add_argument(
        "--data", type=Path, required=True, help="folder with train15k/, parallel/ and xnli/"
    )
    options.add_argument("--out", type=Path, required=True, help="the model's folder, e.g. data/mini-xnli15")
    options.add_argument("--epochs", type=int, default=recipe.Plan().epochs)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--smoke",
        action="store_true",
        help="any small inputs, unchecked; few pieces: proves the path, not a model",
    )
    return options


if __name__ == "__main__":
    given = parser().parse_args()
    recipe.make(given.data, given.out, epochs=given.epochs, seed=given.seed, smoke=given.smoke)
