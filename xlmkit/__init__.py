"""xlmkit: cross-lingual natural language inference with XLM, fed exactly as its authors fed it.

Importing makes names and nothing else: torch, transformers and pandas load with the first function that needs them (PEP 562)."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "LANGUAGES": "languages",
    "read_pairs": "pairs",
    "save_results": "results",
    "read_results": "results",
    "load": "model",
    "NLIModel": "model",
    "encode": "encoding",
    "Encoding": "encoding",
    "predict": "inference",
    "classify": "inference",
    "evaluate": "metrics",
    "explain": "attribution",
    "explain_errors": "attribution",
    "finetune": "training",
    "TrainingConfig": "training",
    "Explanation": "explanation",
    "save_html": "render",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        if name in ("explain", "explain_errors", "read_results"):
            importlib.import_module("xlmkit.render")  # so that notebooks show explanations as cards
        return getattr(importlib.import_module(f"xlmkit.{_HOME[name]}"), name)
    raise AttributeError(f"module 'xlmkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
