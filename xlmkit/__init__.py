"""xlmkit: cross-lingual natural language inference with XLM, fed exactly as its authors fed it.

Importing makes names and nothing else: torch, transformers and pandas load with the first function
that needs them (PEP 562).
In a notebook, importing also teaches IPython how to show an explanation."""

from __future__ import annotations

import importlib
import sys
from typing import Any

__version__ = "0.2.0"

_HOME = {
    "read_pairs": "pairs",
    "save_results": "results",
    "read_results": "results",
    "load": "model",
    "NLIModel": "model",
    "encode": "encoding",
    "predict": "inference",
    "zero_shot": "inference",
    "evaluate": "metrics",
    "explain": "attribution",
    "explain_errors": "attribution",
    "interaction": "attribution",
    "language_attribution": "attribution",
    "finetune": "training",
    "TrainingConfig": "training",
    "Explanation": "explanation",
    "save_html": "render",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"xlmkit.{_HOME[name]}"), name)
        globals()[name] = value  # found there from now on
        return value
    raise AttributeError(f"module 'xlmkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def show_explanations_in_notebooks() -> None:
    """In IPython and Jupyter, show an `Explanation` as a highlighted pair; elsewhere, do nothing.

    `Explanation` knows nothing of HTML and must not import `render`, which imports it. So this
    package, which knows both, registers `render.card` with IPython by the class name: neither
    is imported before an explanation is shown."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        html = shell.display_formatter.formatters["text/html"]
        html.for_type_by_name("xlmkit.explanation", "Explanation", _card)


def _card(explanation: Any) -> str:
    return importlib.import_module("xlmkit.render").card(explanation)


show_explanations_in_notebooks()
