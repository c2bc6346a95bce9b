"""Sizing: hours, machines, money, electricity and disk for 10^5, 10^7 and 10^9 pairs, from measured paces; and what gives out first.

Measured figures come from results/*.json. What cannot be measured here (a price, a shared disk's pace) is an assumption that is stated at the top of the page."""

from __future__ import annotations

from cells import NONE, Results, heading, measured, number, percent, row, table

SIZES = ("embedded", "full")
AMOUNTS = (10**5, 10**7, 10**9)
PRICE = 0.05  # assumed: money for a rented core and hour
DISK = 1e9  # assumed: bytes a second that a shared disk gives to all together
ROWS = 16_384  # rows of a shard of predictions, as xlmkit.distributed writes them
TEST_PACE = 7_515  # pairs a second: XNLI's 75,150 test pairs in ten seconds
DAY = 86_400


def page(results: Results) -> str:
    """The whole page."""
    parts = [
        "# Sizing: 100,000, 10 million and 1,000 million pairs",
        "Written by `make bench` from the raw results in `results/`; read it as orders of magnitude for machines like this one. "
        f"Assumed and not measured: {PRICE} a core and hour (in your currency; prices scale), and a shared disk of {DISK / 1e9:g} GB/s.",
        heading(results),
        "## Hours, machines, money, electricity",
        work(results),
        "## Disk",
        disk(results),
        "## What gives out first",
        limits(results),
    ]
    return "\n\n".join(parts) + "\n"


def work(results: Results) -> str:
    """One line for each task, size and amount."""
    power = row(results, "energy", "xlmkit.predict, embedded")
    watts, carbon = power.get("watts"), power.get("kg_co2e_per_kwh")
    cores = _cores(results)
    lines = []
    for task, size, pace in paces(results):
        for amount in AMOUNTS:
            seconds = amount / pace
            kwh = None if watts is None else watts * seconds / 3.6e6
            lines.append(
                [
                    f"{task}, {size}",
                    _power_of_ten(amount),
                    _time(seconds),
                    number(max(1.0, seconds / DAY)) if seconds > DAY else "1",
                    number(seconds / 3600 * cores * PRICE),
                    NONE if kwh is None else number(kwh),
                    NONE if kwh is None or carbon is None else number(kwh * carbon),
                ]
            )
    how = power.get("measured", NONE)
    said = (
        NONE
        if watts is None
        else f"{number(watts)} W while predicting ({how}); CO2 of the world's mean electricity"
    )
    head = ["task", "pairs", "one machine", "machines for a day's work", "money", "kWh", "kg CO2e"]
    return (
        f"One machine is this one, {cores} cores. Its power: {said}. Explanations are integrated gradients with as many steps as their gate asks for; "
        "only those that pass it are counted.\n\n" + table(head, lines)
    )


def paces(results: Results) -> list[tuple[str, str, float]]:
    """Task, size and pairs a second of this machine, for what was measured."""
    found = []
    for size in SIZES:
        own = measured(results, f"predict-{size}", "xlmkit")
        if own:
            found.append(("predict", size, max(one["pairs_per_second"] for one in own.values())))
    for size in SIZES:
        one = row(results, f"explain-{size}", "xlmkit.explain")
        if one.get("passing_pairs_per_second"):
            found.append(("explain", size, one["passing_pairs_per_second"]))
    return found


def disk(results: Results) -> str:
    """Bytes in and out."""
    streamed = _largest(results)
    if streamed is None:
        return NONE
    lines = []
    for amount in AMOUNTS:
        sizes = (_bytes(amount * streamed[name]) for name in ("bytes_in", "bytes_out"))
        lines.append([_power_of_ten(amount), *sizes, f"{-(-amount // ROWS):,}"])
    return (
        f"Predictions as Parquet: {number(streamed['bytes_in'])} bytes a pair in, {number(streamed['bytes_out'])} out, texts repeated in the results.\n\n"
        + table(["pairs", "in", "out", f"shards of {ROWS:,}"], lines)
    )


def limits(results: Results) -> str:
    """What would be the narrowest place, on this processor and on faster devices."""
    text = row(results, "preparation", "by language").get("pairs_per_second")
    streamed, cores = _largest(results), _cores(results)
    lines = []
    for size in SIZES:
        parts = row(results, "profile", f"predict {size}")
        if "parts" in parts:
            shares = {name: seconds / parts["seconds"] for name, seconds in parts["parts"].items()}
            narrow = max(shares, key=lambda name: shares[name])
            lines.append(
                f"- **On processors, {size}: {'the model' if narrow == 'model' else narrow}.** It takes {percent(shares[narrow])} of a prediction's time, text to ids "
                f"{percent(shares['text to ids'])}."
            )
    if text is not None:
        needed = -(-TEST_PACE // max(1, int(text)))
        lines.append(
            f"- **On a fast device: text.** A core prepares {number(text)} pairs/s, warm. A device that predicts more than that per core waits for text; "
            f"XNLI's test set in ten seconds ({TEST_PACE:,} pairs/s) asks for {needed} core{'' if needed == 1 else 's'} at work on text, or for texts that are in the cache."
        )
    if streamed is not None:
        moved = streamed["bytes_in"] + streamed["bytes_out"]
        best = max((pace for task, _, pace in paces(results) if task == "predict"), default=None)
        if best is not None:
            lines.append(
                f"- **Then a shared disk.** A pair moves {number(moved)} bytes, so {DISK / 1e9:g} GB/s carry {number(DISK / moved)} pairs/s: {number(DISK / moved / best)} machines of "
                f"{cores} cores at the fastest pace above."
            )
    growth = _growth(results)
    if growth is not None:
        lines.append(
            f"- **Last, memory.** Between the smallest and the largest input measured, a worker's peak grew by {number(max(0.0, growth['worker']))} bytes a row and that of the process "
            f"that spreads the work by {number(max(0.0, growth['driver']))}; for 10^9 rows the latter would be {_bytes(max(0.0, growth['driver']) * 1e9)} at that rate."
        )
    return "\n".join(lines) or NONE


def _growth(results: Results) -> dict[str, float] | None:
    """Bytes of peak memory a row, from the smallest streamed input to the largest."""
    rows = sorted(measured(results, "memory", "flat").values(), key=lambda one: one["rows"])
    if len(rows) < 2:
        return None
    first, last = rows[0], rows[-1]
    more = last["rows"] - first["rows"]
    return {
        name: (last[f"{name}_peak_gb"] - first[f"{name}_peak_gb"]) * 1e9 / more
        for name in ("worker", "driver")
    }


def _largest(results: Results) -> dict[str, float] | None:
    rows = measured(results, "memory", "flat").values()
    return max(rows, key=lambda one: one["rows"], default=None)


def _cores(results: Results) -> int:
    hardware = next(iter(results.values()))["run"]["hardware"]
    return int(hardware.split(" core", 1)[0])


def _power_of_ten(amount: int) -> str:
    return f"10^{len(str(amount)) - 1}"


def _time(seconds: float) -> str:
    for unit, size in (("years", 365 * DAY), ("days", DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds)} s"


def _bytes(value: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{number(value / size)} {unit}"
    return f"{number(value)} bytes"
