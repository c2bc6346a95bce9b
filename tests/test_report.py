"""The report: its numbers are the frames', its text is harmless, and it needs nothing but itself."""

from __future__ import annotations

import base64
import dataclasses
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
from xlmkit.report.page import HIDDEN, MAX_ROWS

CODES = ("en", "sw", "ur")
FEW = {"n_resamples": 200, "progress": False}


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
    neutral = partial(pd.DataFrame.assign, prediction="neutral")
    monkeypatch.setattr(baselines, "cross_predict", lambda frame, kind, **_: neutral(frame))
    return partial(report.analyse, n_resamples=50, progress=False)


@pytest.fixture(scope="module")
def document(analysis):
    page = report.page(analysis)
    assert plt.get_fignums() == []  # all its figures are closed
    return page


def only(analysis, *names):
    """The analysis with these frames alone: figures take most of the time of a page."""
    return dataclasses.replace(
        analysis, frames={name: analysis.frames[name] for name in ("accuracy", *names)}
    )


class Tables(HTMLParser):
    """The cells of each section's table, by the section's id: (exact number or "", text)."""

    def __init__(self, page: str):
        super().__init__()
        self.rows: dict[str, list[list[list[str]]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.section, self.in_cell = "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append((tag, named))
        self.in_cell = tag == "td" or (self.in_cell and tag == "span")
        if tag == "section":
            self.section = named["id"]
        elif tag == "tr":
            self.rows.setdefault(self.section, []).append([])
        elif tag == "td":
            self.rows[self.section][-1].append([named.get("title", ""), ""])

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag != "td"

    def handle_data(self, data):
        if self.in_cell:
            self.rows[self.section][-1][-1][1] += data


def shows(cell: list[str], value) -> bool:
    """Whether a cell has the exact number, and a text that rounds it."""
    exact, text = cell
    if isinstance(value, str):
        return text == value
    if pd.isna(value):
        return text == ""
    if not isinstance(value, float):
        return text == str(value)
    small = text == "< 0.001" and value < 0.001
    return float(exact) == value and (small or abs(float(text.replace("−", "-")) - value) <= 0.0005001)


def test_every_number_on_the_page_is_the_frames(analysis, document):
    tables = Tables(document).rows
    frames = {
        name.replace(" ", "-"): frame for name, frame in analysis.frames.items() if name != "reliability"
    }
    assert set(frames) == set(tables)
    for name, frame in frames.items():
        shown = frame.drop(columns=HIDDEN, errors="ignore").head(MAX_ROWS)
        cells = tables[name][1:]  # without the head
        assert len(cells) == len(shown), name
        for row, values in zip(cells, shown.itertuples(index=False), strict=True):
            assert all(shows(cell, value) for cell, value in zip(row, values, strict=True)), (name, row)


def test_the_frames_are_those_of_metrics(analysis):
    preds = predictions()
    chance = {"n_resamples": 200, "seed": 0}
    pd.testing.assert_frame_equal(analysis.frames["accuracy"], metrics.evaluate(preds, **chance))
    pd.testing.assert_frame_equal(analysis.frames["gap"], metrics.gap(preds, **chance))
    pd.testing.assert_frame_equal(analysis.frames["comparison"], metrics.compare(preds, **chance))
    lost = metrics.right_in_one_wrong_in_other(preds, "en", "sw")
    pd.testing.assert_frame_equal(analysis.frames["lost_items"], lost)


def test_every_question_is_asked_and_answered_here(analysis):
    names = (
        "accuracy confusion gap comparison agreement disagreement items_by_n_correct calibration reliability "
        "temperature slices slices_by_language discovered lost_items gap_by_feature"
    )
    expected = {*names.split(), "against n-grams and overlap", "against the hypothesis alone"}
    assert expected == set(analysis.frames) | set(analysis.left_out)
    assert set(analysis.left_out) <= {"discovered"}, analysis.left_out


def test_findings_quote_the_frames(analysis):
    said = " ".join(report.findings(analysis))
    accuracy = analysis.frames["accuracy"].set_index("language")["accuracy"]
    assert f"right on {100 * accuracy['all']:.1f} % of 108 pairs" in said
    gap = analysis.frames["gap"].set_index("language").loc["sw"]
    assert (
        f"Swahili most: {100 * gap['gap']:.1f} points ({100 * gap['low']:.1f} to {100 * gap['high']:.1f})"
        in said
    )
    agreement = analysis.frames["agreement"].iloc[0]
    assert f"On {100 * agreement['unanimous']:.1f} % of 36 items all 3 languages get the same label" in said
    assert f"{len(analysis.frames['lost_items'])} items are right in English and wrong in Swahili" in said


def test_no_loss_is_claimed_where_chance_may_explain_it(analyse):
    preds = predictions(12).assign(prediction=lambda frame: frame["gold"])
    preds.loc[preds["pair_id"] == "i1-sw", "prediction"] = (
        "contradiction"  # gold is neutral: one item is lost, and no more
    )
    said = " ".join(report.findings(analyse(preds)))
    assert "No language is significantly below English" in said
    assert "of the gap of" not in said


def test_the_fractions_of_a_gap_add_up_and_name_where_it_comes_from(analysis):
    table = analysis.frames["gap_by_feature"]
    assert np.allclose(table.groupby("feature")["fraction_of_gap"].sum(), 1)
    assert np.allclose(table.groupby("feature")["fraction_of_items"].sum(), 1)
    preds = predictions()
    right = (
        (preds["prediction"] == preds["gold"]).groupby([preds["language"], preds["item"]]).first().unstack(0)
    )
    negated = preds[preds["language"] == "en"].set_index("item")["hypothesis"].str.contains("not")
    lost = right["en"].astype(int) - right["sw"].astype(int)
    row = table[(table["feature"] == "negation") & (table["value"] == "hypothesis")].iloc[0]
    assert row["fraction_of_gap"] == pytest.approx(lost[negated].sum() / lost.sum())
    with pytest.raises(ValueError, match="'sw' is not"):
        report.gap_by_feature(preds.assign(prediction=preds["gold"]), "sw")


def test_the_page_loads_and_runs_nothing(document):
    assert not re.search(r"https?://", document.replace("http://www.w3.org", ""))
    tags = Tables(document).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "embed", "base", "form"}
    sources = [attributes["src"] for tag, attributes in tags if tag == "img"]
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "default-src 'none'" in document


def test_every_figure_has_words_in_its_place(document):
    figures = [attributes for tag, attributes in Tables(document).tags if tag == "img"]
    assert len(figures) == 7
    assert all("The numbers are in the table" in figure["alt"] for figure in figures)


def test_hostile_text_stays_text(analyse):
    bad = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'
    preds = predictions(12).assign(premise=bad, hypothesis=f"{bad} no", genre=bad)
    preds.attrs = {"source": bad, "provenance": {bad: {"a": bad}}}
    found = analyse(preds)
    with_text = [name for name, frame in found.frames.items() if "script" in frame.to_json()]
    assert {"slices", "lost_items"} <= set(with_text)
    page = report.page(only(found, *with_text))
    assert "<script>" not in page
    assert "onerror=alert(1)>" not in page
    assert "\u202e" not in page
    assert not [tag for tag, attributes in Tables(page).tags if "onerror" in attributes]


def test_text_of_another_language_has_its_direction_next_to_the_english_original(analyse):
    preds = predictions()
    preds.loc[preds["language"] == "ur", "hypothesis"] = "کتا سو رہا ہے"
    preds.loc[preds["language"] == "ur", "prediction"] = "neutral"
    preds = preds[preds["language"] != "sw"]
    page = report.page(only(analyse(preds), "lost_items"))
    assert 'lang="ur" dir="rtl">کتا سو رہا ہے</td>' in page
    assert "english_hypothesis" in page


def test_provenance_names_model_data_and_kit(document):
    for said in ("weights_sha256", "abc123", xlmkit.__version__, "made up", "data.sha256", "statistics.seed"):
        assert said in document


def test_what_cannot_be_answered_is_named_with_its_reason(analyse):
    alone = analyse(predictions(codes=("en",)))
    assert {"gap", "comparison", "agreement", "disagreement"} <= set(alone.left_out)
    page = report.page(only(alone))
    assert "<h2>Left out</h2>" in page
    assert "<dt>comparison</dt>" in page
    assert report.findings(alone)[0].startswith("The model is right on")


@pytest.mark.parametrize(
    ("missing", "left_out"),
    [
        (["item", "promptID"], "gap"),
        (["premise", "hypothesis"], "against"),
        ([f"p_{label}" for label in LABELS], "calibration"),
    ],
)
def test_without_a_column_only_the_frames_that_need_it_are_left_out(missing, left_out, analyse):
    found = analyse(predictions(12).drop(columns=missing))
    assert "accuracy" in found.frames
    assert left_out in found.left_out or left_out == "against"


def test_different_items_are_refused_by_name_where_pairs_are_needed(analyse):
    preds = predictions()
    found = analyse(preds[preds["pair_id"] != "i7-sw"])
    assert "'i7'" in found.left_out["gap"]


def test_without_gold_there_is_no_report(analyse):
    with pytest.raises(ValueError, match="gold"):
        analyse(predictions().assign(gold=None))


def test_published_accuracies_are_shown_only_with_the_set_that_they_are_of(analysis):
    for source, shown in (("made up", False), ("xnli/test", True)):
        few = dataclasses.replace(only(analysis), provenance={"data": {"source": source}})
        svg = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", report.page(few))[1]).decode()
        assert ("XNLI test" in svg) == shown


def test_another_models_predictions_are_compared_pair_by_pair(analyse):
    preds = predictions()
    better = preds.assign(prediction=preds["gold"])
    found = analyse(preds, others={"the perfect one": better})
    row = found.frames["against the perfect one"].set_index("language").loc["all"]
    assert row["second_accuracy"] == 1
    assert "below the perfect one (100.0 %)" in " ".join(report.findings(found))


def test_the_same_predictions_give_the_same_page(analysis, analyse):
    few = only(analysis, "gap")
    assert report.page(few) == report.page(few)
    first, again = (analyse(predictions(12)) for _ in range(2))
    assert all(frame.equals(again.frames[name]) for name, frame in first.frames.items())
    assert again.provenance == first.provenance


def test_evaluate_writes_the_report_and_prints_its_table(tmp_path, capsys):
    xlmkit.save_results(predictions(12), tmp_path / "predictions.parquet")
    line = f"evaluate --predictions {tmp_path / 'predictions.parquet'} --report {tmp_path / 'errors.html'}"
    assert cli.main(shlex.split(line)) == 0
    out, err = capsys.readouterr()
    assert "accuracy" in out
    assert "wrote" in err
    page = (tmp_path / "errors.html").read_text(encoding="utf-8")
    rows = Tables(page).rows["accuracy"][1:]
    table = xlmkit.evaluate(predictions(12))
    assert [float(row[3][0]) for row in rows] == table["accuracy"].tolist()


def test_a_report_with_another_ending_is_refused_before_anything_is_computed(capsys):
    assert cli.main(shlex.split("evaluate --predictions nowhere.csv --report errors.pdf")) == 2
    assert "`--report` must end in .html" in capsys.readouterr().err


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
    line = "evaluate --predictions all.parquet --report errors.html --dev dev.parquet --others before.parquet other.parquet"
    assert cli.main(shlex.split(line)) == 0
    assert len(heard["dev"]) == 18
    assert {name: len(frame) for name, frame in heard["others"].items()} == {"before": 36, "other": 36}
    for wrong, sentence in (
        ("--dev dev.parquet", "belong to the report"),
        (
            "--report e.html --others before.parquet x/before.parquet",
            "files with different names",
        ),
        ("--report e.html --others nowhere.parquet", "there is no file 'nowhere.parquet'"),
    ):
        assert cli.main(shlex.split(f"evaluate --predictions all.parquet {wrong}")) == 2
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("significant", "said"), [(1, "1 of 2 languages is significantly"), (2, "2 of 2 languages are")]
)
def test_one_language_is_below_and_two_are(significant, said):
    rows = [
        {"language": code, "gap": 0.2, "low": 0.1, "high": 0.3, "p_holm": 0.01 if place < significant else 1}
        for place, code in enumerate(("sw", "ur"))
    ]
    accuracy = pd.DataFrame([{"language": "all", "n": 9, "accuracy": 0.5, "low": 0.4, "high": 0.6}])
    frames = {"accuracy": accuracy, "gap": pd.DataFrame(rows)}
    assert said in " ".join(report.findings(report.Analysis(frames, {}, "en", "sw", {})))
