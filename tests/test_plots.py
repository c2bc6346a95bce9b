"""Plots draw the numbers of a frame, on the Axes they are given, and change nothing."""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from xlmkit import plots
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS


@pytest.fixture(autouse=True)
def a_clean_desk():
    matplotlib.rcdefaults()
    yield
    plt.close("all")


@pytest.fixture
def predictions() -> pd.DataFrame:
    """Four items in 15 languages; every fifth label is wrong."""
    rows = [(f"s{item}", code) for item in range(4) for code in LANGUAGES]
    frame = pd.DataFrame(rows, columns=["item", "language"])
    frame["gold"] = [LABELS[int(item[1]) % 3] for item in frame["item"]]
    frame["prediction"] = [
        gold if n % 5 else LABELS[LABELS.index(gold) - 1] for n, gold in enumerate(frame["gold"])
    ]
    shares = np.random.default_rng(1).dirichlet([1, 1, 1], len(frame))
    return frame.assign(**{f"p_{label}": shares[:, n] for n, label in enumerate(LABELS)})


@pytest.fixture
def table() -> pd.DataFrame:
    """As `evaluate` gives it: two languages and all."""
    columns = ["language", "n", "accuracy", "low", "high"]
    rows = [("ar", 8, 0.75, 0.4, 0.9), ("en", 8, 0.25, 0.1, 0.6), ("all", 16, 0.5, 0.2, 0.8)]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def scores() -> pd.DataFrame:
    """Words by methods; the second method is silent."""
    return pd.DataFrame(
        {"integrated_gradients": [1.0, -4.0, 2.0], "occlusion": 0.0}, index=["no", "dog", "no"]
    )


def drawings(predictions, table, scores):
    shares = predictions.pivot(index="item", columns="language", values="p_neutral")
    return [
        (plots.labels, predictions),
        (plots.accuracy, table),
        (plots.probabilities, predictions[predictions["item"] == "s1"]),
        (plots.heatmap, shares),
        (plots.word_scores, scores),
    ]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_a_plot_draws_on_the_axes_that_it_is_given_and_changes_nothing(
    predictions, table, scores, monkeypatch
):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("a plot called plt.show"))
    settings = dict(matplotlib.rcParams)
    for draw, frame in drawings(predictions, table, scores):
        copy = frame.copy(deep=True)
        _, ax = plt.subplots()
        before = plt.get_fignums()
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a missing glyph is a warning
            assert draw(frame, ax=ax) is ax
            ax.figure.canvas.draw()
        assert plt.get_fignums() == before, draw.__name__
        pd.testing.assert_frame_equal(frame, copy)
    assert dict(matplotlib.rcParams) == settings
    plots.labels(predictions)
    assert len(plt.get_fignums()) == len(before) + 1  # without axes, a figure of its own


def test_a_cross_marks_exactly_the_wrong_labels(predictions):
    shown = texts(plots.labels(predictions))
    assert (
        sum(plots.WRONG in text for text in shown) == (predictions["prediction"] != predictions["gold"]).sum()
    )
    assert not any(plots.WRONG in text for text in texts(plots.labels(predictions.drop(columns="gold"))))
    unknown = texts(plots.labels(predictions.assign(gold=None)))
    assert not any(plots.WRONG in text for text in unknown)


def test_labels_keeps_the_order_of_the_frame_and_leaves_what_is_missing_empty(predictions):
    ax = plots.labels(predictions.iloc[::-1].iloc[1:])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [*list(LANGUAGES)[-2::-1], "zh"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["s3", "s2", "s1", "s0"]
    assert sum(text != "" for text in texts(ax)) == len(predictions) - 1


def test_a_dot_lies_at_the_accuracy_and_a_line_on_the_interval(table):
    ax = plots.accuracy(table)
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == ["Arabic (ar), n = 8", "English (en), n = 8", "all, n = 16"]
    assert ax.yaxis_inverted()  # the first row is on top
    spans = {tuple(line.get_xdata()) for line in ax.lines}
    assert {(75.0,), (25.0,), (50.0,), (40.0, 90.0), (10.0, 60.0), (20.0, 80.0)} <= spans


def test_the_shares_of_a_bar_fill_it_in_the_order_of_the_labels(predictions):
    one = predictions[predictions["item"] == "s1"]
    ax = plots.probabilities(one)
    widths = np.array([[bar.get_width() for bar in container] for container in ax.containers])
    starts = np.array([[bar.get_x() for bar in container] for container in ax.containers])
    assert np.allclose(starts[0], 0)
    assert np.allclose(starts[1:], (starts + widths)[:-1])  # each begins where the one before it ends
    assert np.allclose(widths.sum(0), 100)
    assert np.allclose(widths, 100 * one[[f"p_{label}" for label in LABELS]].to_numpy().T)
    assert ax.get_yticklabels()[4].get_text() == "English (en)"
    assert ax.yaxis_inverted()  # the first row is on top


def test_a_heatmap_writes_shares_as_percentages_and_correlations_as_they_are():
    frame = pd.DataFrame([[0.5, -0.25]], index=["premise_a"], columns=["b", "c"])
    assert texts(plots.heatmap(frame.abs())) == ["50", "25"]
    assert texts(plots.heatmap(frame, signed=True)) == ["0.50", "−0.25"]


def test_word_scores_are_scaled_by_method_and_a_silent_method_stays_zero(scores):
    ax = plots.word_scores(scores)
    assert texts(ax) == ["+0.2", "0", "−1.0", "0", "+0.5", "0"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(scores.index)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="prediction"), "'prediction'"),
        (lambda frame: pd.concat([frame, frame]), "at most one row"),
        (lambda frame: frame.assign(prediction="perhaps"), "'perhaps'"),
    ],
)
def test_a_frame_that_cannot_be_drawn_is_refused_by_name(predictions, change, message):
    with pytest.raises(ValueError, match=message):
        plots.labels(change(predictions))


def test_a_missing_column_is_named(predictions, table):
    with pytest.raises(ValueError, match="'low'"):
        plots.accuracy(table.drop(columns="low"))
    with pytest.raises(ValueError, match="'p_neutral', 'p_contradiction'"):
        plots.probabilities(predictions.drop(columns=["p_neutral", "p_contradiction"]))


def test_a_table_takes_nothing_as_html_and_gives_each_text_its_own_direction():
    frame = pd.DataFrame({"<i>": ["</s>", "<script>alert(1)</script>", "سلام"], "p": [0.125, 1.0, 0.0]})
    page = plots.table(frame)._repr_html_()
    assert "<script" not in page
    assert "&lt;/s&gt;" in page
    assert "<i>" not in page
    assert "td.col0 {\n  unicode-bidi: plaintext" in page
    assert ">0.12<" in page


def test_the_same_frame_gives_the_same_table(predictions):
    first, second = (plots.table(predictions.copy()).html for _ in range(2))
    assert first == second
    assert plots.table(predictions.iloc[1:]).html != first


def test_a_table_shows_the_index_only_where_asked():
    frame = pd.DataFrame({"a": [1]}, index=["row name"])
    assert "row name" not in plots.table(frame)._repr_html_()
    assert "row name" in plots.table(frame, index=True)._repr_html_()


def test_in_a_terminal_a_table_is_text(scores):
    shown = repr(plots.table(scores, index=True, precision=1))
    assert shown.split() == [
        "integrated_gradients",
        "occlusion",
        "no",
        "1.0",
        "0.0",
        "dog",
        "-4.0",
        "0.0",
        "no",
        "2.0",
        "0.0",
    ]
    assert "dog" not in repr(plots.table(scores))
