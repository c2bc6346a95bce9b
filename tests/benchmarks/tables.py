"""Tables: the raw results in results/*.json -> the tables of README.md and SIZING.md here. No number comes from anywhere else.

`python tests/benchmarks/tables.py` writes them between their markers; tests/test_benchmarks.py compares."""

from __future__ import annotations

import json
from pathlib import Path

import details
import sizing
from cells import Results, Row, cell, heading, measured, number, percent, row, speed, table, times

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BEGIN, END = "<!-- benchmarks: written by make bench -->", "<!-- benchmarks: end -->"
SIZES = {"embedded": "embedded, 8 x 384", "full": "full, 12 x 1024"}
RIVALS = ("captum called plainly", "transformers-interpret", "ferret")


def main() -> None:
    """Write every table."""
    for place, text in pages(read(HERE / "results")).items():
        place.write_text(text, encoding="utf-8")
        print(f"wrote {place.relative_to(ROOT)}")


def pages(results: Results) -> dict[Path, str]:
    """The whole text of each page that holds tables."""
    here = HERE / "README.md"
    tables = f"{heading(results)}\n\n{summary(results)}\n\n{details.page(results)}"
    return {
        here: between(here.read_text(encoding="utf-8"), tables),
        HERE / "SIZING.md": sizing.page(results),
    }


def read(folder: Path) -> Results:
    """The results by part.

    Raises
    ------
    FileNotFoundError : if there are none."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    if not found:
        raise FileNotFoundError(f"expected results of a benchmark in {folder}, got none. Make bench.")
    return {part["part"]: part for part in found}


def between(text: str, tables: str) -> str:
    """`text` with `tables` between the markers.

    Raises
    ------
    ValueError : if it does not have both markers once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"expected {BEGIN!r} and {END!r} once each. Put them where the tables belong.")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{rest.split(END)[1]}"


def summary(results: Results) -> str:
    """Goals, predictions and explanations: the tables that come first."""
    more = "[The sizing page](SIZING.md) says what 10^5, 10^7 and 10^9 pairs take."
    return "\n\n".join([details.verdict(results), predictions(results), explanations(results), more])


def predictions(results: Results) -> str:
    """Pairs a second from text to labels, each way of doing it, at both sizes."""
    names = list(dict.fromkeys(name for size in SIZES for name in _names(results, f"predict-{size}")))
    lines = [
        [_said(name, results), *(cell(row(results, f"predict-{size}", name), speed) for size in SIZES)]
        for name in names
    ]
    for start, text in (("pipeline float32", "in fp32"), ("pipeline", "in any precision")):
        lines.append(
            [
                f"**xlmkit against the pipeline's best {text}**",
                *(_ahead(results, size, start) for size in SIZES),
            ]
        )
    return table(["text to labels, pairs/s (peak memory)", *SIZES.values()], lines)


def explanations(results: Results) -> str:
    """Explained pairs a second by integrated gradients at both sizes."""

    def lines(name: str, text: str) -> list[str]:
        return [text, *(cell(row(results, f"explain-{size}", name), _explained) for size in SIZES)]

    rows = [
        lines(name, name + (", 50 steps" if name == RIVALS[0] else ", 50 steps, no language ids"))
        for name in RIVALS
    ]
    rows.append(lines("xlmkit.explain 50 steps", "xlmkit.explain, 50 steps, more where needed"))
    rows.append(lines("xlmkit.explain", "xlmkit.explain, as many steps as needed"))
    rows.append(["**xlmkit against captum, pairs that pass**", *(_passing(results, size) for size in SIZES)])
    return table(["integrated gradients in fp32, pairs/s", *SIZES.values()], rows)


def _names(results: Results, part: str) -> list[str]:
    return [one["name"] for one in results.get(part, {}).get("rows", [])]


def _said(name: str, results: Results) -> str:
    """A row's name in words."""
    what, dtype, *batch = name.split()
    if dtype == "auto":
        chosen = {
            str(one["dtype"])
            for size in SIZES
            for one in [row(results, f"predict-{size}", name)]
            if "dtype" in one
        }
        dtype = f"auto ({', '.join(sorted(chosen)) or 'unknown'})"
    what = "transformers pipeline" if what == "pipeline" else what
    words = [
        what,
        dtype.replace("float32", "fp32").replace("bfloat16", "bf16"),
        *(f"batch {size}" for size in batch),
    ]
    return ", ".join(words)


def _ahead(results: Results, size: str, start: str) -> str:
    """How many times the pace of the best row that begins so."""
    own, theirs = measured(results, f"predict-{size}", "xlmkit"), measured(results, f"predict-{size}", start)
    if not own or not theirs:
        return "not measured"
    best = max(theirs, key=lambda name: theirs[name]["pairs_per_second"])
    fastest = max(one["pairs_per_second"] for one in own.values())
    return f"{times(fastest / theirs[best]['pairs_per_second'])} (batch {best.split()[-1]})"


def _explained(one: Row) -> str:
    extra = []
    if "passed" in one:
        extra.append(f"{one['passed']} of {one['pairs']} pass")
    if "mean_steps" in one:
        extra.append(f"{number(one['mean_steps'])} steps")
    if "zeros" in one:
        extra.append(f"{percent(one['zeros'])} of the scores are 0")
    return f"{number(one['pairs_per_second'])} ({', '.join([*extra, format(one['peak_gb'], '.1f') + ' GB'])})"


def _passing(results: Results, size: str) -> str:
    own, theirs = (row(results, f"explain-{size}", name) for name in ("xlmkit.explain", RIVALS[0]))
    if "error" in own or "error" in theirs or not theirs["passed"]:
        return "not measured"
    return times(own["passing_pairs_per_second"] / theirs["passing_pairs_per_second"])


if __name__ == "__main__":
    main()
