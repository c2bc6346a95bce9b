"""The benchmark's pages say what its raw results say; its sums are worked out by hand here. Nothing is timed."""

from __future__ import annotations

import ast
import copy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent / "benchmarks"
sys.path.insert(0, str(FOLDER))

import cells  # noqa: E402
import details  # noqa: E402
import plan  # noqa: E402
import sizing  # noqa: E402
import tables  # noqa: E402

RUN = {
    "started": "2026-11-22T19:45:00+00:00",
    "commit": "abc1234567",
    "hardware": "2 cores of A Processor, 25 GB of memory",
    "gpu": None,
    "system": "Linux x86_64, Python 3.11.7",
    "versions": {"torch": "2.13.0", "transformers": "5.23.0", "captum": "0.9.0"},
    "load": 0.2,
    "pairs": "some pairs",
    "vocabulary": "some pieces",
}


def rows(part: str, **named: dict) -> dict:
    return {"part": part, "run": RUN, "rows": [{"name": name, **row} for name, row in named.items()]}


def paced(pairs_per_second: float, **more: object) -> dict:
    return {"pairs": 100, "pairs_per_second": pairs_per_second, "peak_gb": 0.5, **more}


@pytest.fixture
def results() -> dict:
    found = {}
    for size, slower in (("embedded", 1), ("full", 10)):
        found[f"predict-{size}"] = rows(
            f"predict-{size}",
            **{
                "pipeline float32 8": paced(50 / slower),
                "pipeline float32 32": paced(40 / slower),
                "pipeline bfloat16 8": paced(100 / slower),
                "xlmkit.predict float32": paced(300 / slower, dtype="float32"),
                "xlmkit.predict auto": paced(400 / slower, dtype="bfloat16"),
            },
        )
        found[f"explain-{size}"] = rows(
            f"explain-{size}",
            **{
                "captum called plainly": paced(2 / slower, passed=90, passing_pairs_per_second=1.8 / slower),
                "xlmkit.explain": paced(
                    8 / slower, passed=99, passing_pairs_per_second=7.2 / slower, mean_steps=27.5
                ),
                "transformers-interpret": {"error": "ValueError: no | such thing"},
            },
        )
    found["energy"] = rows(
        "energy",
        **{
            "xlmkit.predict, embedded": paced(
                400, watts=90.0, kg_co2e_per_kwh=0.475, measured="a meter", country="WLD"
            )
        },
    )
    streamed = {"bytes_in": 100.0, "bytes_out": 300.0}
    found["memory"] = rows(
        "memory",
        **{
            f"flat {size}": {"rows": size, "worker_peak_gb": peak, "driver_peak_gb": 0.5, **streamed}
            for size, peak in ((10_000, 1.0), (1_010_000, 1.002))
        },
    )
    return found


def line(page: str, start: str) -> list[str]:
    """The cells of the one line of a page that begins so."""
    (found,) = [text for text in page.splitlines() if text.startswith(f"| {start}")]
    return [cell.strip() for cell in found.strip("|").split(" | ")]


def test_the_pages_are_what_the_raw_results_say():
    if not list((FOLDER / "results").glob("*.json")):
        pytest.skip("no results yet: make bench")
    for place, text in tables.pages(tables.read(FOLDER / "results")).items():
        assert place.read_text(encoding="utf-8") == text, (
            f"{place.name}: python tests/benchmarks/tables.py writes it"
        )


def test_the_raw_results_name_no_folder_of_the_machine():
    for file in (FOLDER / "results").glob("*.json"):
        text = file.read_text(encoding="utf-8")
        assert str(tables.ROOT) not in text, file.name
        assert str(Path.home()) + "/" not in text, file.name


def test_a_figure_of_the_pages_changes_with_the_raw_result_and_with_nothing_else(results):
    before = tables.summary(results)
    changed = copy.deepcopy(results)
    changed["predict-full"]["rows"][0]["pairs_per_second"] = 7.77
    after = tables.summary(changed)
    assert line(after, "transformers pipeline, fp32, batch 8")[2] == "7.77 (0.5 GB)"
    assert [text for text in before.splitlines() if text not in after.splitlines()] == [
        next(
            text for text in before.splitlines() if text.startswith("| transformers pipeline, fp32, batch 8")
        ),
        next(text for text in before.splitlines() if "best in fp32" in text),
    ]


def test_the_rival_of_a_ratio_is_the_best_batch(results):
    page = tables.summary(results)
    assert line(page, "**xlmkit against the pipeline's best in fp32")[1] == "8.0 x (batch 8)"
    assert line(page, "**xlmkit against the pipeline's best in any")[1] == "4.0 x (batch 8)"
    assert line(page, "**xlmkit against captum")[1] == "4.0 x"


def test_what_could_not_run_says_its_sentence_and_breaks_no_table(results):
    page = tables.summary(results)
    assert "ValueError: no \\| such thing" in page
    assert "- transformers-interpret, full: ValueError" in details.page(results)


def test_a_part_that_is_missing_is_not_measured_and_nothing_fails(results):
    for part in list(results):
        fewer = {name: value for name, value in results.items() if name != part}
        assert tables.summary(fewer)
        assert details.page(fewer)
        assert sizing.page(fewer)
    page = details.page({name: value for name, value in results.items() if name != "predict-full"})
    assert line(page, "predict, full, against")[2] == cells.NONE


def test_a_goal_that_was_not_met_says_so(results):
    page = details.page(results)
    assert line(page, "predict, embedded, against")[2:] == ["8.0 x", "met"]
    slow = {"name": "xlmkit.predict auto", **paced(60, dtype="bfloat16")}
    results["predict-embedded"]["rows"] = [results["predict-embedded"]["rows"][0], slow]
    assert line(details.page(results), "predict, embedded, against")[2:] == ["1.2 x", "**not met**"]
    assert (
        "**not met**: predict, embedded, against the pipeline's best in fp32 (1.2 x of 5 x)."
        in tables.summary(results)
    )


@pytest.mark.parametrize(
    ("ratio", "text"), [(2.979, "2.9 x"), (3.0, "3.0 x"), (0.3 / 0.1, "3.0 x"), (12.34, "12.3 x")]
)
def test_a_ratio_is_rounded_down(ratio, text):
    assert cells.times(ratio) == text


@pytest.mark.parametrize(("found", "verdict"), [(40.0, "met"), (40.1, "**not met**")])
def test_of_a_time_at_most_the_goal_is_met(results, found, verdict):
    results["latency"] = rows(
        "latency", embedded={"model_ms": found, "text_ms": 50.0, "transformers_ms": 60.0}
    )
    page = details.page(results)
    assert line(page, "one pair of 48 pieces")[2:] == [f"{found} ms", verdict]
    assert line(page, "embedded | 60.0 |")[2] == cells.number(found)


def test_what_needs_a_gpu_says_that_it_was_not_measured(results):
    assert line(details.page(results), "on an H200")[2] == "not measured: no GPU was at hand"


def test_parts_of_another_run_are_named_with_theirs(results):
    results["memory"]["run"] = {**RUN, "commit": "fffffff000", "started": "2026-11-23T08:00:00+00:00"}
    text = cells.heading(results)
    assert "at commit `abc1234567`" in text
    assert "Of other runs: memory 23 November 2026, 08:00 UTC at `fffffff000`." in text


def test_what_stands_outside_the_markers_is_kept():
    page = f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n"
    assert tables.between(page, "new") == f"before\n{tables.BEGIN}\n\nnew\n\n{tables.END}\nafter\n"
    with pytest.raises(ValueError, match="once each"):
        tables.between("no markers", "new")


def test_sizes_follow_from_the_paces(results):
    page = sizing.page(results)
    # 10^7 pairs at 400 a second: 25,000 s = 6.94 h; 90 W x 25,000 s = 0.625 kWh; two cores at 0.05
    found = next(text for text in page.splitlines() if text.startswith("| predict, embedded | 10^7"))
    assert [cell.strip() for cell in found.strip("|").split(" | ")][2:] == [
        "6.94 h",
        "1",
        number(25_000 / 3600 * 2 * 0.05),
        "0.625",
        number(0.625 * 0.475),
    ]
    # 2 MB more for a million rows more
    assert "a worker's peak grew by 2.00 bytes a row" in page


def number(value: float) -> str:
    return f"{value:#.3g}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (12.345, "12.3"),
        (1234.5, "1,230"),
        (75_150, "75,200"),
        (0.1234, "0.123"),
        (100.0, "100"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert cells.number(value) == text


def test_every_work_of_the_plan_names_a_function_and_its_parameters():
    for amounts in (plan.WHOLE, plan.QUICK):
        for work in plan.works(amounts):
            module, name = work.function.split(".")
            body = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8")).body
            (function,) = [one for one in body if isinstance(one, ast.FunctionDef) and one.name == name]
            parameters = [one.arg for one in function.args.args]
            assert set(work.arguments) <= set(parameters), work
            assert len(parameters) - len(function.args.defaults) <= len(work.arguments), work


def test_the_operations_of_a_model_are_counted_by_hand():
    import limits

    # Width 2, two layers, pairs of 1 and 3 tokens. First layer: 4 tokens x 24 x 4, attention 4 x (1 + 9) x 2.
    # Last: k and v of 4 tokens, 4 x 4 each; attention 4 x 2 a token; the rest, 20 x 4, once a pair.
    config = SimpleNamespace(emb_dim=2, n_layers=2)
    assert limits.operations(config, np.array([1, 3])) == (384 + 80) + (4 * (16 + 8) + 2 * 80)


def test_the_pace_begins_when_every_worker_has_its_first_shard_behind_it():
    import scaling

    lines = [
        {"pid": 1, "end": 10.0, "rows": 5},
        {"pid": 2, "end": 20.0, "rows": 5},
        {"pid": 1, "end": 25.0, "rows": 30},
        {"pid": 2, "end": 30.0, "rows": 10},
    ]
    assert scaling._pace(lines) == 4.0
    with pytest.raises(ValueError, match="more rows"):
        scaling._pace(lines[:2])


def test_the_pairs_are_the_same_for_all_and_their_ids_differ():
    import sizes

    some, more = sizes.pairs(50), sizes.pairs(80)
    assert some.equals(more[:50])
    assert more["pair_id"].is_unique
    assert sizes.pairs(30, skip=50).reset_index(drop=True).equals(more[50:].reset_index(drop=True))
    assert more["language"].nunique() > 10
