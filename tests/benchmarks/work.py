"""One piece of work of the benchmark, in a process of its own: `python work.py MODULE FUNCTION ARGUMENTS-AS-JSON`; the last line it prints is its result.

Prepared texts are kept nowhere, unless the work is about that."""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings

os.environ |= {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}


def main(module: str, function: str, arguments: str) -> None:
    warnings.simplefilter("ignore")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    found = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print(json.dumps({**found, "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
