"""One pair's way through the package: the number of files that `predict` and `explain` cross stays small."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import xlmkit

PACKAGE = str(Path(xlmkit.__file__).parent)
PAIR = pd.DataFrame({"premise": ["le chien dort"], "hypothesis": ["le chat dort"], "language": ["fr"]})


def files_crossed(function: Callable[[], object]) -> list[str]:
    """Files of the package in which a function runs while `function` does, after one warm-up call."""
    function()
    seen: set[str] = set()

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            seen.add(frame.f_code.co_filename.removeprefix(PACKAGE + "/"))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return sorted(seen)


@pytest.mark.parametrize(("verb", "most"), [("predict", 14), ("explain", 20)])
def test_one_pair_crosses_few_files(nli, verb, most):
    files = files_crossed(lambda: getattr(xlmkit, verb)(nli, PAIR, progress=False))
    print(f"\n{verb}: {len(files)} files\n  " + "\n  ".join(files))
    assert "tokenization/words.py" in files  # the trace sees the way from text to ids
    assert len(files) <= most
