"""The report: its numbers are the frames', its text is harmless, and it needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import shlex
from functools import partial
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import xlmkit
from xlmkit import baselines, cli, metrics, report
from xlmkit.pairs import LABELS
from xlmkit.report.findings import _gap
from xlmkit.report.page import ROWS, SCRIPT, UNREAD

CODES = ("en", "sw", "ur")
FEW = {"count": 200, "progress": False}


def predictions(items: int = 36, codes: tuple[str, ...] = CODES) -> pd.DataFrame:
    """Two items a prompt in three languages; English is mostly right, Swahili mostly wrong where the hypothesis negates."""
    chance = np.random.default_rng(5)
    rows = []
    for item in range(items):
        gold = LABELS[item % 3]
        for code in codes:
            luck = {"en": 0.9, "sw": 0.9 if item % 2 else 0.2, "ur": 0.85}[code]
            label = gold if chance.random() < luck else LABELS[(item + 1) % 3]
            texts = ("The dog sleeps here.", "A dog does not run." if item % 2 == 0 else "A dog runs today.")
            rows.append((f"i{item}-{code}", f"i{item}", f"p{item // 2}", code, *texts, gold, label))
    frame = pd.DataFrame(
        rows,
        columns=["pair_id", "item", "promptID", "language", "premise", "hypothesis", "gold", "prediction"],
    )
    for label in LABELS:
        frame[f"p_{label}"] = np.where(frame["prediction"] == label, 0.7, 0.15)
    frame.attrs = {
        "source": "made up",
        "provenance": {"model": {"weights_sha256": "abc123"}, "xlmkit": "9.9"},
    }
    return frame


@pytest.fixture(scope="module")
def analysis():
    return report.analyse(predictions(), **FEW)


@pytest.fixture
def analyse(monkeypatch):
    """`report.analyse` with baselines that need no training."""
    monkeypatch.setattr(
        baselines, "cross_predict", lambda frame, kind, **_: frame.assign(prediction="neutral")
    )
    return partial(report.analyse, **FEW)


@pytest.fixture(scope="module")
def document(analysis):
    page = report.page(analysis)
    assert plt.get_fignums() == []  # all its figures are closed
    return page


class Tables(HTMLParser):
    """The cells of each section's table, by the section's id: what is exact, and what is shown."""

    def __init__(self, page: str):
        super().__init__()
        self.exact: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.section = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append((tag, named))
        if tag == "section":
            self.section = named.get("id", "")
        elif tag == "tr":
            self.exact.setdefault(self.section, []).append([])
        elif tag == "td":
            self.exact[self.section][-1].append(named["data-value"])


def same(cell: str, value) -> bool:
    if isinstance(value, str | bool | np.bool_):
        return cell == str(value)
    if pd.isna(value):
        return cell == ""
    return float(cell) == float(value)


def test_every_number_on_the_page_is_exactly_the_frames(analysis, document):
    tables = Tables(document).exact
    assert set(analysis.frames) - {"reliability"} == set(tables)
    for name, frame in analysis.frames.items():
        if name == "reliability":
            continue  # drawn only
        shown = frame[[column for column in frame if column not in UNREAD]].head(ROWS)
        cells = tables[name][1:]  # without the head
        assert len(cells) == len(shown), name
        for row, values in zip(cells, shown.itertuples(index=False), strict=True):
            assert all(same(cell, value) for cell, value in zip(row, values, strict=True)), name


def test_the_frames_are_those_of_metrics(analysis):
    preds = predictions()
    chance = {"count": 200, "seed": 0}
    pd.testing.assert_frame_equal(analysis.frames["accuracy"], metrics.evaluate(preds, **chance))
    pd.testing.assert_frame_equal(analysis.frames["gap"], metrics.gap(preds, **chance))
    pd.testing.assert_frame_equal(analysis.frames["comparison"], metrics.compare(preds, **chance))
    pd.testing.assert_frame_equal(analysis.frames["right_wrong"], metrics.right_in_one_wrong_in_other(preds, "en", "sw"))


def test_every_question_is_asked_and_answered_here(analysis):
    asked = "accuracy confusion gap comparison agreement flips by_count calibration reliability temperature slices"
    more = "slices_by_language discovered right_wrong loss"
    expected = {*asked.split(), *more.split(), "beside n-grams and overlap", "beside the hypothesis alone"}
    assert expected == set(analysis.frames) | set(analysis.left_out)
    assert set(analysis.left_out) <= {"discovered"}, analysis.left_out


def test_findings_quote_the_frames(analysis):
    said = " ".join(report.findings(analysis))
    accuracy = analysis.frames["accuracy"].set_index("language")["accuracy"]
    assert f"right on {100 * accuracy['all']:.1f} % of 108 pairs" in said
    gap = analysis.frames["gap"].set_index("language").loc["sw"]
    assert (
        f"most Swahili, {100 * gap['gap']:.1f} points ({100 * gap['low']:.1f} to {100 * gap['high']:.1f})"
        in said
    )
    agreement = analysis.frames["agreement"].iloc[0]
    assert f"On {100 * agreement['unanimous']:.1f} % of 36 items all 3 languages get the same label" in said
    assert f"{len(analysis.frames['right_wrong'])} items are right in English and wrong in Swahili" in said


def test_no_loss_is_claimed_where_chance_may_explain_it(analyse):
    preds = predictions(12).assign(prediction=lambda frame: frame["gold"])
    preds.loc[preds["pair_id"] == "i1-sw", "prediction"] = (
        "contradiction"  # gold is neutral: one item is lost, and no more
    )
    said = " ".join(report.findings(analyse(preds)))
    assert "No language loses more against English" in said
    assert "Of what" not in said


def test_the_shares_of_a_loss_add_up_and_name_where_it_lies(analysis):
    table = analysis.frames["loss"]
    assert np.allclose(table.groupby("feature")["share_of_loss"].sum(), 1)
    assert np.allclose(table.groupby("feature")["share_of_items"].sum(), 1)
    preds = predictions()
    right = (
        (preds["prediction"] == preds["gold"]).groupby([preds["language"], preds["item"]]).first().unstack(0)
    )
    negated = preds[preds["language"] == "en"].set_index("item")["hypothesis"].str.contains("not")
    lost = right["en"].astype(int) - right["sw"].astype(int)
    row = table[(table["feature"] == "negation") & (table["value"] == "hypothesis")].iloc[0]
    assert row["share_of_loss"] == pytest.approx(lost[negated].sum() / lost.sum())
    with pytest.raises(ValueError, match="does not"):
        report.loss(preds.assign(prediction=preds["gold"]), "sw")


def test_the_page_loads_nothing_and_runs_its_own_script_alone(document):
    assert not re.search(r"https?://", document.replace("http://www.w3.org", ""))
    tags = Tables(document).tags
    assert not [tag for tag, _ in tags if tag in ("link", "iframe", "object", "embed", "base", "form")]
    assert [attributes for tag, attributes in tags if tag == "script"] == [{}]
    assert all(
        attributes["src"].startswith("data:image/svg+xml;base64,") for tag, attributes in tags if tag == "img"
    )
    own = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'sha256-{own}'" in document
    assert f"<script>{SCRIPT}</script>" in document


def test_every_figure_has_words_in_its_place(document):
    figures = [attributes for tag, attributes in Tables(document).tags if tag == "img"]
    assert len(figures) == 7
    assert all("The numbers are in the table" in figure["alt"] for figure in figures)


def test_hostile_text_stays_text(analyse):
    bad = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'
    preds = predictions(12).assign(premise=bad, hypothesis=f"{bad} no", genre=bad)
    preds.attrs = {"source": bad, "provenance": {bad: {"a": bad}}}
    page = report.page(analyse(preds))
    assert page.count("<script>") == 1
    assert "onerror=alert(1)>" not in page
    assert "\u202e" not in page
    assert not [tag for tag, attributes in Tables(page).tags if "onerror" in attributes]


def test_text_of_another_language_has_its_direction_beside_the_english_original(analyse):
    preds = predictions()
    preds.loc[preds["language"] == "ur", "hypothesis"] = "کتا سو رہا ہے"
    preds.loc[preds["language"] == "ur", "prediction"] = "neutral"
    preds = preds[preds["language"] != "sw"]
    page = report.page(analyse(preds))
    assert 'lang="ur" dir="rtl">کتا سو رہا ہے</td>' in page
    assert "english_hypothesis" in page


def test_provenance_names_model_data_and_kit(document):
    for said in ("weights_sha256", "abc123", xlmkit.__version__, "made up", "data.sha256", "statistics.seed"):
        assert said in document


def test_what_cannot_be_answered_is_named_with_its_reason(analyse):
    alone = analyse(predictions(codes=("en",)))
    assert {"gap", "comparison", "agreement", "flips"} <= set(alone.left_out)
    page = report.page(alone)
    assert "<h2>Left out</h2>" in page
    assert "<dt>comparison</dt>" in page
    assert report.findings(alone)[0].startswith("The model is right on")


@pytest.mark.parametrize(
    "missing", [["item", "promptID"], ["premise", "hypothesis"], [f"p_{label}" for label in LABELS]]
)
def test_a_frame_that_lacks_columns_gives_a_smaller_page(missing, analyse):
    found = analyse(predictions().drop(columns=missing))
    assert found.left_out
    assert "accuracy" in found.frames
    assert "<h2>Left out</h2>" in report.page(found)


def test_different_items_are_refused_by_name_where_pairs_are_needed(analyse):
    preds = predictions()
    found = analyse(preds[preds["pair_id"] != "i7-sw"])
    assert "'i7'" in found.left_out["gap"]


def test_without_gold_there_is_no_report(analyse):
    with pytest.raises(ValueError, match="gold"):
        analyse(predictions().assign(gold=None))


def test_the_published_row_stands_only_beside_the_set_that_it_was_measured_on(analysis, analyse):
    assert "XNLI test" not in report.page(analysis)
    tested = predictions()
    tested.attrs["source"] = "xnli/test"
    drawn = report.page(analyse(tested))
    svg = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", drawn)[1]).decode()
    assert "XNLI test" in svg


def test_another_models_predictions_stand_beside_in_pairs(analyse):
    preds = predictions()
    better = preds.assign(prediction=preds["gold"])
    found = analyse(preds, beside={"the perfect one": better})
    row = found.frames["beside the perfect one"].set_index("language").loc["all"]
    assert row["second_accuracy"] == 1
    assert "below the perfect one (100.0 %)" in " ".join(report.findings(found))


def test_the_same_predictions_give_the_same_page(analysis, document):
    assert report.page(analysis) == document
    again = report.analyse(predictions(), **FEW)
    assert all(frame.equals(again.frames[name]) for name, frame in analysis.frames.items())
    assert again.provenance == analysis.provenance


def test_evaluate_writes_the_report_beside_its_table(tmp_path, capsys):
    xlmkit.save_results(predictions(12), tmp_path / "predictions.parquet")
    line = f"evaluate --predictions {tmp_path / 'predictions.parquet'} --report {tmp_path / 'errors.html'}"
    assert cli.main(shlex.split(line)) == 0
    out, err = capsys.readouterr()
    assert "accuracy" in out
    assert "wrote" in err
    page = (tmp_path / "errors.html").read_text(encoding="utf-8")
    exact = Tables(page).exact["accuracy"][1:]
    table = xlmkit.evaluate(predictions(12))
    assert [float(row[3]) for row in exact] == table["accuracy"].tolist()


def test_a_report_with_another_ending_is_refused_before_anything_is_computed(capsys):
    assert cli.main(shlex.split("evaluate --predictions nowhere.csv --report errors.pdf")) == 2
    assert "expected `--report` to end in .html" in capsys.readouterr().err


def test_rounding_says_when_a_p_is_small_and_writes_a_true_minus():
    from xlmkit.report.page import _rounded

    assert (_rounded("p", 1e-4), _rounded("p_holm", 1e-4), _rounded("share", 1e-4)) == (
        "&lt; 0.001",
        "&lt; 0.001",
        "0.000",
    )
    assert (_rounded("gap", -0.25), _rounded("gap", -1e-9)) == ("−0.250", "0.000")
    assert math.isclose(float(_rounded("gap", 0.12345)), 0.123)


def test_the_command_takes_a_dev_file_and_other_models_into_the_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    heard = {}

    def analyse(preds, **given):
        heard.update(given)
        return report.analysis.Analysis(
            {"accuracy": metrics.evaluate(preds, n_resamples=50)}, {}, "en", None, {"data": {"source": "x"}}
        )

    monkeypatch.setattr(report, "analyse", analyse)
    for name in ("all", "dev", "before", "other"):
        xlmkit.save_results(predictions(6 if name == "dev" else 12), f"{name}.parquet")
    line = "evaluate --predictions all.parquet --report errors.html --dev dev.parquet --beside before.parquet other.parquet"
    assert cli.main(shlex.split(line)) == 0
    assert len(heard["dev"]) == 18
    assert {name: len(frame) for name, frame in heard["beside"].items()} == {"before": 36, "other": 36}
    for wrong, sentence in (
        ("--dev dev.parquet", "are for the report; remedy: add `--report"),
        (
            "--report e.html --beside before.parquet x/before.parquet",
            "expected `--beside` files with different names",
        ),
        ("--report e.html --beside nowhere.parquet", "there is no file 'nowhere.parquet'"),
    ):
        assert cli.main(shlex.split(f"evaluate --predictions all.parquet {wrong}")) == 2
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lost", "said"), [(1, "1 of 2 languages loses against"), (2, "All of 2 languages lose against")]
)
def test_one_language_loses_and_two_lose(lost, said):
    rows = [
        {"language": code, "gap": 0.2, "low": 0.1, "high": 0.3, "p_holm": 0.01 if place < lost else 1}
        for place, code in enumerate(("sw", "ur"))
    ]
    frame = pd.DataFrame(rows)
    found = report.Analysis({"gap": frame}, {}, "en", "sw", {})
    assert said in " ".join(_gap(found))
