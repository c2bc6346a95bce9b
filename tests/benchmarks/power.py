"""Power: what the machine draws while `xlmkit.predict` keeps it busy."""

from __future__ import annotations

import time
from typing import Any

from measure import BEHIND
from sizes import folder, pairs

import xlmkit as xk
from xlmkit.training.cost import Meter


def prediction(seconds: float) -> dict[str, Any]:
    """Mean watts over so many seconds of work on the embedded model, and how they were come by."""
    nli = xk.load(folder("embedded"))
    xk.predict(nli, pairs(64, skip=BEHIND), progress=False)
    done = 0
    with Meter() as meter:
        start = time.perf_counter()
        while done == 0 or time.perf_counter() - start < seconds:
            xk.predict(nli, pairs(1024, skip=done), progress=False)
            done += 1024
    used = meter.reading()
    watts = None if used.kwh is None else used.kwh * 3.6e6 / used.seconds
    return {
        "pairs": done,
        "seconds": used.seconds,
        "pairs_per_second": done / used.seconds,
        "watts": watts,
        "measured": used.measured,
        "kg_co2e_per_kwh": None if not used.kwh or used.kg_co2e is None else used.kg_co2e / used.kwh,
        "country": used.country,
    }
