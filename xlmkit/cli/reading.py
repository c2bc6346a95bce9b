"""What a command reads: pairs, a model, predictions."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xlmkit
from xlmkit.cli.options import PAIRS

if TYPE_CHECKING:
    import pandas as pd

    from xlmkit.model import NLIModel

CHOOSING = ("languages", "phenomena", "items", "limit")  # among the pairs of a source


def sourced(chosen: argparse.Namespace) -> argparse.Namespace:
    """The choices with what `--data` names in the place of the pairs."""
    data = getattr(chosen, "data", None)
    if data is None:
        return chosen
    if chosen.pairs is not None:
        raise ValueError(
            f"expected one source of pairs, got both {chosen.pairs!r} and `--data {data}`; remedy: leave one out"
        )
    return argparse.Namespace(**{**vars(chosen), "pairs": data})


def read(chosen: argparse.Namespace, labels: Sequence[str] | None) -> pd.DataFrame:
    """The pairs, or texts, that the command names: a source, standard input, or one in the command itself; `labels` are the model's, None for any."""
    options = {name: getattr(chosen, name) for name in CHOOSING}
    if any(given is not None for given in (chosen.premise, chosen.hypothesis, chosen.text)):
        if idle := [f"`--{name}`" for name, value in options.items() if value is not None]:
            raise ValueError(
                f"expected one pair, or text, as it is given; got {', '.join(idle)} too, which choose among pairs read; remedy: leave them out"
            )
        return _single(chosen)
    if chosen.language or chosen.hypothesis_language:
        raise ValueError(
            "`--language` goes with `--premise` and `--hypothesis`, or `--text`; remedy: `--languages` chooses among pairs read"
        )
    if chosen.pairs is None:
        raise ValueError(
            f"expected pairs, got none; remedy: name {PAIRS}, or give `--premise` and `--hypothesis`"
        )
    if chosen.pairs != "-":
        return xlmkit.read_pairs(chosen.pairs, labels=labels, **options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"standard-input.{chosen.format}")
        file.write_bytes(sys.stdin.buffer.read())
        try:
            return xlmkit.read_pairs(file, labels=labels, **options)
        except ValueError as error:
            raise ValueError(
                str(error).replace(str(file), "standard input").replace(file.name, "standard input")
            ) from error


def _single(chosen: argparse.Namespace) -> pd.DataFrame:
    import pandas as pd

    given = "--premise" if chosen.text is None else "--text"
    if chosen.pairs is not None:
        raise ValueError(
            f"expected one pair or a source of pairs, got both (`{given}` and {chosen.pairs!r}); remedy: leave one out"
        )
    if chosen.text is not None:
        return _single_text(chosen)
    if chosen.premise is None or chosen.hypothesis is None:
        missing = "--premise" if chosen.premise is None else "--hypothesis"
        raise ValueError(f"`--premise` and `--hypothesis` go together; `{missing}` is missing")
    language = chosen.language or "en"
    row = {"pair_id": "1", "premise": chosen.premise, "hypothesis": chosen.hypothesis}
    if chosen.hypothesis_language is None:
        row["language"] = language
    else:
        row |= {"premise_language": language, "hypothesis_language": chosen.hypothesis_language}
    return pd.DataFrame([row], dtype=object)  # pandas' type for text refuses what `predict` then names


def _single_text(chosen: argparse.Namespace) -> pd.DataFrame:
    import pandas as pd

    if chosen.premise is not None or chosen.hypothesis is not None or chosen.hypothesis_language is not None:
        raise ValueError(
            "`--text` is a text alone, without `--premise`, `--hypothesis` or `--hypothesis-language`; remedy: leave one out"
        )
    row = {"pair_id": "1", "text": chosen.text, "language": chosen.language or "en"}
    return pd.DataFrame([row], dtype=object)


def load(chosen: argparse.Namespace) -> NLIModel:
    """The model that the command names; it raises as `xlmkit.load`."""
    model: NLIModel = xlmkit.load(
        chosen.model, device=chosen.device, dtype=chosen.dtype, allow_untrained=chosen.allow_untrained
    )
    return model


def read_predictions(file: str) -> pd.DataFrame:
    """What `predict` wrote to a file.

    Raises
    ------
    ValueError : if it holds explanations, or has no labels."""
    found = xlmkit.read_results(file)
    if "prediction" not in found:
        raise ValueError(
            f"expected predictions in {file!r}, got none; remedy: `xlmkit predict ... --out {file}`"
        )
    return found
