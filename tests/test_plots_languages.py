"""Figures of an error analysis by language: what is drawn is what the frames say."""

from __future__ import annotations

import itertools
import re
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from seaborn import FacetGrid

from xlmkit import plots
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import LABELS
from xlmkit.plots import figure
from xlmkit.plots.embeddings import leaves

CODES = ["ar", "en", "sw", "zh"]


@pytest.fixture(autouse=True)
def a_clean_desk():
    matplotlib.rcdefaults()
    yield
    plt.close("all")


def gap() -> pd.DataFrame:
    """As `gap` gives it: a loss that holds, one that does not, a win."""
    rows = [("ar", 0.10, 0.05, 0.15, 0.01), ("sw", 0.02, -0.03, 0.07, 0.9), ("zh", -0.1, -0.15, -0.05, 0.02)]
    frame = pd.DataFrame(rows, columns=["language", "gap", "low", "high", "p_holm"])
    frame.attrs = {"reference": "en"}
    return frame


def compared() -> pd.DataFrame:
    """As `compare` gives it."""
    rows = [("ar", "en", -0.10, -0.15, -0.05, 0.01), ("en", "sw", 0.02, -0.03, 0.07, 0.9)]
    return pd.DataFrame(rows, columns=["first", "second", "difference", "low", "high", "p_holm"])


def sliced() -> pd.DataFrame:
    """As `slices` gives it for one language."""
    rows = [("negation", "none", 90, 0.6, 0.5, 0.7, 0.01, False), ("negation", "both", 5, 0.2, 0.0, 0.6, np.nan, True)]  # fmt: skip
    columns = ["feature", "value", "n", "accuracy", "low", "high", "p_adjusted", "too_small"]
    return pd.DataFrame(rows, columns=columns)


def differing() -> pd.DataFrame:
    """As `flips` gives it: both orders, and each with itself."""
    rows = [(one, two, 0.0 if one == two else abs(CODES.index(one) - CODES.index(two)) / 10) for one in CODES for two in CODES]  # fmt: skip
    return pd.DataFrame(rows, columns=["first", "second", "share"])


def swapped() -> pd.DataFrame:
    """As `probes.language_id_matrix` gives it."""
    frame = pd.DataFrame(itertools.product(CODES, [*CODES, "none"]), columns=["text_language", "id"])
    return frame.assign(flips=np.linspace(0, 0.5, len(frame)), margin=np.linspace(-1, 0.5, len(frame)))


def mixed() -> pd.DataFrame:
    """As `probes.mixed_language_grid` gives it."""
    frame = pd.DataFrame(itertools.product(CODES, CODES), columns=["premise_language", "hypothesis_language"])
    return frame.assign(accuracy=np.linspace(0.3, 0.7, len(frame)))


def counted() -> pd.DataFrame:
    return pd.DataFrame({"right": [0, 1, 2], "n": [3, 1, 2], "expected": [1.0, 3.5, 1.5]})


def confused() -> pd.DataFrame:
    """As `confusion` gives it: each language predicts the gold label on 50 %, the next on 30, the one after on 20."""
    rows = [
        (code, gold, label, (0.5, 0.3, 0.2)[(two - one) % 3])
        for code in [*CODES, "all"]
        for (one, gold), (two, label) in itertools.product(enumerate(LABELS), enumerate(LABELS))
    ]
    return pd.DataFrame(rows, columns=["language", "gold", "prediction", "share"])


def binned() -> pd.DataFrame:
    """As `reliability` gives it: one bin of each language is empty."""
    rows = [
        (code, part, n, sure, right)
        for code in CODES
        for part, (n, sure, right) in enumerate([(0, np.nan, np.nan), (10, 0.55, 0.4), (30, 0.9, 0.8)])
    ]
    return pd.DataFrame(rows, columns=["language", "bin", "n", "confidence", "accuracy"])


def mapped() -> pd.DataFrame:
    """As `probes.language_map` gives it; some points are close together."""
    places = np.random.default_rng(3).normal(size=(len(LANGUAGES), 2))
    places[:5] = places[0] + 0.03 * places[:5]
    frame = pd.DataFrame({"language": list(LANGUAGES), "x": places[:, 0], "y": places[:, 1]})
    scripts = [language.script for language in LANGUAGES.values()]
    return frame.assign(script=scripts, family=["one" if n % 2 else "other" for n in range(len(frame))])


def joined() -> pd.DataFrame:
    """As `probes.dendrogram` gives it: ar and zh join first, then en and sw, then all."""
    frame = pd.DataFrame({"first": [0, 1, 4], "second": [3, 2, 5], "distance": [0.2, 0.4, 0.9], "size": [2, 2, 4]})  # fmt: skip
    frame.attrs["languages"] = CODES
    return frame


def found() -> pd.DataFrame:
    """As `probes.retrieval` gives it."""
    frame = pd.DataFrame(itertools.product(range(3), CODES, ["right", "none"]), columns=["layer", "language", "ids"])  # fmt: skip
    return frame.assign(accuracy=np.linspace(0, 1, len(frame)), chance=0.01)


DRAWINGS = [
    (plots.differences, gap),
    (plots.differences, compared),
    (plots.slices, sliced),
    (plots.disagreement, differing),
    (plots.items_by_n_correct, counted),
    (plots.language_id_matrix, swapped),
    (plots.mixed_language_grid, mixed),
    (plots.language_map, mapped),
    (plots.dendrogram, joined),
    (plots.retrieval, found),
]
PANELS = [(plots.confusion, confused), (plots.reliability, binned)]

drawing = pytest.mark.parametrize(("draw", "made"), DRAWINGS, ids=lambda value: value.__name__)
panels = pytest.mark.parametrize(("draw", "made"), PANELS, ids=lambda value: value.__name__)


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def dots(ax) -> dict[str, list[tuple[float, float]]]:
    """(x, y) of the single points of an Axes, by whether they are filled."""
    single = [line for line in ax.lines if len(line.get_xdata()) == 1]
    filled = {True: "filled", False: "hollow"}
    sorted_out: dict[str, list[tuple[float, float]]] = {"filled": [], "hollow": []}
    for line in single:
        which = filled[to_hex(line.get_markerfacecolor()) == to_hex(line.get_color())]
        sorted_out[which].append((float(line.get_xdata()[0]), float(line.get_ydata()[0])))
    return sorted_out


@drawing
def test_a_plot_draws_on_the_axes_that_it_is_given_and_changes_nothing(draw, made):
    frame, settings = made(), dict(matplotlib.rcParams)
    copy = frame.copy(deep=True)
    _, ax = plt.subplots()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph is a warning
        assert draw(frame, ax=ax) is ax
        ax.figure.canvas.draw()
    assert len(plt.get_fignums()) == 1
    pd.testing.assert_frame_equal(frame, copy)
    assert dict(matplotlib.rcParams) == settings


@panels
def test_a_figure_of_panels_is_seaborns_and_has_one_for_each_language(draw, made):
    frame, settings = made(), dict(matplotlib.rcParams)
    copy = frame.copy(deep=True)
    facets = draw(frame)
    assert isinstance(facets, FacetGrid)
    assert list(facets.axes_dict) == list(frame["language"].unique())
    assert len(plt.get_fignums()) == 1
    pd.testing.assert_frame_equal(frame, copy)
    assert dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize(("draw", "made"), [*DRAWINGS, *PANELS], ids=lambda value: value.__name__)
def test_a_missing_column_is_refused_by_its_name(draw, made):
    frame = made()
    with pytest.raises(ValueError, match="expected a frame with the column"):
        draw(frame.drop(columns=frame.columns[0]))


@pytest.mark.parametrize(
    ("draw", "made"),
    [
        (plots.slices, sliced),
        (plots.disagreement, differing),
        (plots.language_id_matrix, swapped),
        (plots.mixed_language_grid, mixed),
        (plots.confusion, confused),
        (plots.retrieval, found),
    ],
)
def test_several_rows_for_one_place_are_refused(draw, made):
    with pytest.raises(ValueError, match="at most one row"):
        draw(pd.concat([made(), made()]))


def test_the_published_row_averages_to_the_published_average():
    for model, row in plots.PUBLISHED.items():
        assert set(row) == {*LANGUAGES, "all"}
        assert np.mean([row[code] for code in LANGUAGES]) == pytest.approx(row["all"], abs=0.0005), model


def test_the_published_accuracy_stands_in_the_row_of_its_language():
    table = pd.DataFrame({"language": ["sw", "en"], "n": 9, "accuracy": [0.5, 0.7], "low": 0.4, "high": 0.8})
    ax = plots.accuracy(table, published="XLM (MLM)")
    assert sorted(dots(ax)["hollow"]) == [(pytest.approx(64.6), 1.0), (pytest.approx(83.2), 0.0)]
    with pytest.raises(ValueError, match="'XLM-R'"):
        plots.accuracy(table, published="XLM-R")


def test_a_dot_is_filled_where_the_difference_holds_after_correction():
    shown = dots(plots.differences(gap()))
    assert shown == {"filled": [(10.0, 0.0), (-10.0, 2.0)], "hollow": [(2.0, 1.0)]}
    assert len(dots(plots.differences(gap().drop(columns="p_holm")))["filled"]) == 3


def test_a_gap_above_zero_is_a_loss_and_a_difference_above_zero_is_none():
    colours = [to_hex(line.get_color()) for line in plots.differences(gap()).lines[:6:2]]
    assert colours == [to_hex(figure.VERMILION), to_hex(figure.INK), to_hex(figure.BLUE)]
    assert to_hex(plots.differences(compared()).lines[2].get_color()) == to_hex(figure.VERMILION)


def test_a_difference_says_between_what_and_what():
    names = [tick.get_text() for tick in plots.differences(compared()).get_yticklabels()]
    assert names == ["English (en) − Swahili (sw)", "Arabic (ar) − English (en)"]  # by value
    assert "below English (en)" in plots.differences(gap()).get_xlabel()


def test_a_trap_is_drawn_by_its_own_interval_of_the_difference():
    row = {"what": "no language ids", "low": 0.5, "high": 0.6, "difference": -0.2}
    row |= {"difference_low": -0.3, "difference_high": -0.1, "language": "all"}
    ax = plots.differences(pd.DataFrame([row]))
    assert list(ax.lines[0].get_xdata()) == [-30.0, -10.0]
    assert ax.get_yticklabels()[0].get_text() == "no language ids"


def test_a_slice_that_is_too_small_bears_a_cross():
    marks = [line.get_marker() for line in plots.slices(sliced()).lines if len(line.get_xdata()) == 1]
    assert marks == ["o", "x"]


def test_two_languages_differ_as_much_in_either_order_and_none_from_itself():
    both = texts(plots.disagreement(differing()))
    one_way = differing()
    assert texts(plots.disagreement(one_way[one_way["first"] < one_way["second"]])) == both
    assert both == ["10", "20", "30", "10", "10", "20", "20", "10", "10", "30", "20", "10"]


def test_bars_count_items_and_diamonds_what_independence_expects():
    ax = plots.items_by_n_correct(counted())
    assert [bar.get_height() for bar in ax.patches] == [3, 1, 2]
    assert list(ax.lines[0].get_ydata()) == [1.0, 3.5, 1.5]


def test_the_right_ids_are_outlined_and_nothing_else():
    for draw, frame in ((plots.language_id_matrix, swapped()), (plots.mixed_language_grid, mixed())):
        frames = [patch.get_xy() for patch in draw(frame).patches if isinstance(patch, Rectangle)]
        assert frames == [(place, place) for place in range(len(CODES))]


def test_shares_are_written_in_percent_and_margins_in_logits_with_a_true_minus():
    assert texts(plots.language_id_matrix(swapped()))[-1] == "50"
    margins = texts(plots.language_id_matrix(swapped(), value="margin"))
    assert (margins[0], margins[-1]) == ("−1.0", "0.5")
    assert not any("-" in text or text == "−0.0" for text in margins)
    with pytest.raises(ValueError, match="'mean'"):
        plots.language_id_matrix(swapped().assign(mean=0), value="mean")


def test_a_confusion_matrix_has_gold_in_its_rows():
    panel = plots.confusion(confused()).axes_dict["sw"]
    assert texts(panel) == ["50", "30", "20", "20", "50", "30", "30", "20", "50"]


def test_labels_that_share_an_initial_are_written_out():
    frame = confused().replace({"entailment": "art", "neutral": "arms", "contradiction": "sport"})
    panel = next(iter(plots.confusion(frame[frame["language"] == "all"]).axes_dict.values()))
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["arms", "art", "sport"]


def test_a_reliability_diagram_has_a_dot_for_each_bin_that_holds_pairs():
    error = pd.DataFrame({"language": CODES, "ece": 0.123, "ece_floor": 0.01})
    panel = plots.reliability(binned(), error).axes_dict["zh"]
    assert np.allclose(panel.collections[0].get_offsets(), [[55, 40], [90, 80]])
    assert panel.get_title() == "Chinese (zh)\nECE 12.3, floor 1.0"


def test_every_language_is_named_on_the_map_and_no_name_covers_another():
    ax = plots.language_map(mapped())
    ax.figure.canvas.draw()
    assert sorted(texts(ax)) == sorted(LANGUAGES)
    boxes = [Text.get_window_extent(text) for text in ax.texts]  # without the line that leads there
    for one, other in itertools.combinations(boxes, 2):
        overlap = one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1
        assert not overlap


def test_a_tree_joins_its_branches_at_their_distance_and_keeps_every_leaf():
    assert leaves(joined()) == ["ar", "zh", "en", "sw"]
    ax = plots.dendrogram(joined())
    assert [max(line.get_xdata()) for line in ax.lines] == [0.2, 0.4, 0.9]
    assert list(ax.lines[-1].get_ydata()) == [0.5, 0.5, 2.5, 2.5]  # in the middle of its two branches
    assert [tick.get_text()[-3:-1] for tick in ax.get_yticklabels()] == leaves(joined())


def test_cosines_stand_in_the_order_of_the_tree_without_the_ones_of_the_diagonal():
    table = pd.DataFrame(np.eye(4) + 0.25, index=CODES, columns=CODES)
    table.loc["ar", "zh"] = table.loc["zh", "ar"] = -0.5
    ax = plots.language_cosines(table, joined())
    assert [tick.get_text() for tick in ax.get_xticklabels()] == leaves(joined())
    assert texts(ax) == ["−0.50", "0.25", "0.25", "−0.50", *["0.25"] * 8]


def test_retrieval_is_averaged_over_the_languages_of_a_layer():
    frame = found()
    line = plots.retrieval(frame).lines[0]
    own = frame[(frame["ids"] == "right") & (frame["layer"] == 1)]
    assert line.get_ydata()[1] == pytest.approx(100 * own["accuracy"].mean())


def test_a_figure_as_svg_is_the_same_twice_and_is_closed():
    first, second = (plots.svg(plots.items_by_n_correct(counted())) for _ in range(2))
    assert first == second
    assert first.startswith("<?xml")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("text", ["अतीत काल", "ประเทศไทย", "国际政治", "السياسة", "نہیں ہے"])
def test_text_of_every_script_is_drawn_with_a_font_that_has_it(text):
    if len(figure.font_families()) < len(figure.FONTS):
        pytest.skip("this machine has no fonts for some scripts")
    frame = sliced().assign(value=[text, "other"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.slices(frame).figure.canvas.draw()


def test_a_family_that_is_not_installed_is_never_asked_for():
    assert set(figure.font_families()) <= set(font_manager.get_font_names())


def test_a_figure_as_svg_is_as_wide_as_what_is_drawn():
    axes = plt.figure(figsize=(1, 1)).add_subplot()
    axes.set_title("a sentence that is far wider than the figure below it")
    assert float(re.search(r'<svg [^>]*width="([\d.]+)pt"', plots.svg(axes))[1]) > 200
