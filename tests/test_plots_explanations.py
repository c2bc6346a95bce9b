"""Figures of explanations: what is drawn is what the frames say, sign and chance are told without colour, and text is text."""

from __future__ import annotations

import dataclasses
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from test_explanation import explanation

import xlmkit as xk
from xlmkit import plots
from xlmkit.attribution import tabulate

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$\\frac{x$ $y$",
    "\u202eevil\u202c\x00",
]


@pytest.fixture(autouse=True)
def a_clean_desk():
    matplotlib.rcdefaults()
    yield
    plt.close("all")


def carried(**changes) -> pd.DataFrame:
    """As `carry` gives it, with gold: two words in English and German, "cat" without a partner."""
    rows = [
        ("en", "a-en", "neutral", "premise", 0, "no", 1.0, []),
        ("en", "a-en", "neutral", "hypothesis", 1, "cat", -0.5, []),
        ("de", "a-de", "contradiction", "premise", 0, "no", -2.0, ["keine", "nicht"]),
        ("de", "a-de", "contradiction", "hypothesis", 1, "cat", np.nan, []),
    ]
    columns = ["language", "pair_id", "prediction", "sentence", "word", "word_text", "score", "partners"]
    frame = pd.DataFrame(rows, columns=columns)
    known = {"item": "a", "method": "occlusion", "aggregation": "sum", "target": "neutral", "contrast": None}
    return frame.assign(**known, gold="contradiction").assign(**changes)


def summary() -> pd.DataFrame:
    """As `summarize` gives it: occlusion is good, random is at chance, and of a third too little is known."""
    rows = [
        ("occlusion", "comprehensiveness", 0.9, False, 0.30, 0.05),
        ("random", "comprehensiveness", 0.52, True, 0.06, 0.05),
        ("occlusion", "sufficiency", 0.1, False, -0.10, 0.20),
        ("random", "sufficiency", 0.4, pd.NA, 0.21, 0.20),
    ]
    columns = ["method", "metric", "percentile", "at_chance", "mean", "control"]
    frame = pd.DataFrame(rows, columns=columns).astype({"at_chance": "boolean"})
    return frame.assign(aggregation="sum", perturbation="mask")


def matrix() -> pd.DataFrame:
    table = pd.DataFrame([[0.5, -1.0], [0.0, 0.25]], index=["not", "cat"], columns=["a", "cat"])
    table.attrs = {"target": "contradiction", "contrast": "neutral"}
    return table


def drawings():
    return [
        (plots.token_bars, tabulate([explanation()])),
        (plots.aligned, carried()),
        (plots.interaction, matrix()),
        (plots.faithfulness, summary()),
    ]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def names(labels) -> list[str]:
    return [label.get_text() for label in labels]


def hatched(ax) -> list[tuple[float, float]]:
    """(column, row) of the hatched cells."""
    return [patch.get_xy() for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_hatch()]


def test_every_figure_draws_on_the_axes_that_it_is_given_and_changes_nothing():
    settings = dict(matplotlib.rcParams)
    for draw, frame in drawings():
        copy = frame.copy(deep=True)
        _, ax = plt.subplots()
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a missing glyph is a warning
            assert draw(frame, ax=ax) is ax
            ax.figure.canvas.draw()
        pd.testing.assert_frame_equal(frame, copy)
    assert dict(matplotlib.rcParams) == settings


def test_bars_have_the_length_and_sign_of_the_scores_and_a_hatch_where_they_speak_against():
    ax = plots.token_bars(tabulate([explanation()]))
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.1, -0.1, 1.5, -0.25, 0.25])
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, True, False, True, False]
    assert texts(ax) == ["+0.10", "−0.10", "+1.50", "−0.25", "+0.25"]
    assert names(ax.get_yticklabels()) == ["the", "cat", "no", "cat", "(special tokens)"]
    assert ax.get_xlabel() == "explained: contradiction; logits"


def test_bars_say_what_the_target_is_held_against():
    ax = plots.token_bars(tabulate([explanation(contrast="entailment", language_share=0.5)]))
    assert ax.get_xlabel() == "explained: contradiction rather than entailment; logits"
    assert names(ax.get_yticklabels())[-1] == "(language ids)"


def test_an_aligned_map_has_a_column_a_language_with_its_label_and_sign():
    ax = plots.aligned(carried())
    assert names(ax.get_xticklabels()) == ["en ✗\nneutral", "de ✓\ncontradiction"]
    assert names(ax.get_yticklabels()) == ["no", "cat"]
    assert ax.get_xlabel() == "explained: neutral"
    assert names(plots.aligned(carried().drop(columns="gold")).get_xticklabels()) == [
        "en\nneutral",
        "de\ncontradiction",
    ]
    differing = carried(target=["neutral", "neutral", "contradiction", "contradiction"])
    assert plots.aligned(differing).get_xlabel() == "explained: another label in each language"


def test_an_aligned_map_shows_scores_partners_and_what_has_none():
    ax = plots.aligned(carried())
    assert texts(ax) == ["+1.00", "−2.00\nkeine nicht", "−0.50"]
    assert hatched(ax) == [(1, 1)]
    low, high = ax.collections[0].get_clim()
    assert (low, high) == (-2.0, 2.0)  # one scale for all languages, zero in its middle


def test_many_languages_stand_by_code_and_first_letter():
    frames = [carried(language=f"x{n}", pair_id=f"a-{n}")[:2] for n in range(5)]
    ax = plots.aligned(pd.concat(frames).assign(partners=[["wort"]] * 10))
    assert names(ax.get_xticklabels())[0] == "x0 ✗\nN"
    assert ax.get_xlabel() == "N: neutral; explained: neutral"
    assert set(texts(ax)) == {"+1.00", "−0.50"}


def test_scores_without_sign_begin_at_zero():
    ax = plots.aligned(carried(aggregation="l2", score=[1.0, 0.5, 2.0, np.nan]))
    assert ax.collections[0].get_clim() == (0.0, 2.0)


def test_chance_is_hatched_and_said_and_too_few_prompts_too():
    ax = plots.faithfulness(summary())
    assert names(ax.get_yticklabels()) == ["occlusion", "random"]
    assert hatched(ax) == [(0, 1)]
    cells = texts(ax)
    assert cells[0] == "90\n0.30, random 0.05"
    assert cells[1] == "10\n−0.10, random 0.20"
    assert cells[2].startswith("52 ≈ chance\n")
    assert cells[3].startswith("40 few\n")
    low, high = ax.collections[0].get_clim()
    assert (low + high) / 2 == 50  # chance is the middle of the colours


def test_methods_and_metrics_are_told_apart_only_where_they_must_be():
    both = pd.concat([summary(), summary().assign(aggregation="l2")])
    assert "occlusion l2" in names(plots.faithfulness(both).get_yticklabels())
    ways = pd.concat([summary(), summary().assign(perturbation="delete")])
    assert "sufficiency delete" in names(plots.faithfulness(ways).get_xticklabels())
    absent = plots.faithfulness(summary()[:3])
    assert len(texts(absent)) == 3


def test_an_interaction_names_both_sentences_and_what_is_explained():
    ax = plots.interaction(matrix())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("hypothesis", "premise")
    assert ax.get_title() == "explained: contradiction rather than neutral"
    assert texts(ax) == ["0.50", "−1.00", "0.00", "0.25"]
    assert ax.collections[0].get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_and_labels_are_drawn_as_they_are_written(text):
    shown = text.replace("\u202e", "U+202E").replace("\u202c", "U+202C").replace("\x00", "U+0000")
    words = tuple(dataclasses.replace(word, text=text) for word in explanation().words)
    table = tabulate([explanation(words=words)])
    odd = [text] * 4
    frame = carried().assign(word_text=odd, prediction=odd, target=odd, partners=[[text]] * 4)
    grid = pd.DataFrame([[1.0]], index=pd.Index([text], dtype=object), columns=pd.Index([text], dtype=object))
    bars, heat, pair = plots.token_bars(table), plots.aligned(frame), plots.interaction(grid)
    assert names(bars.get_yticklabels())[0] == shown
    assert shown in texts(heat)[1]
    assert names(heat.get_yticklabels()) == [shown, shown]
    assert names(pair.get_yticklabels()) == [shown]
    for ax in (bars, heat, pair):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a letter that no font has
            assert "<script" not in plots.svg(ax)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: plots.token_bars(tabulate([explanation(), explanation(pair_id="p2")])),
            "got 2",
        ),
        (lambda: plots.token_bars(tabulate([])), "got 0"),
        (lambda: plots.token_bars(tabulate([explanation()]).drop(columns="kind")), "'kind'"),
        (lambda: plots.aligned(carried(item=["a", "a", "b", "b"])), "got 2"),
        (lambda: plots.aligned(pd.concat([carried(), carried()])), "`language` and `word`"),
        (lambda: plots.aligned(carried().drop(columns="partners")), "'partners'"),
        (lambda: plots.faithfulness(pd.concat([summary(), summary()])), "`method` and `metric`"),
        (lambda: plots.faithfulness(summary().drop(columns="at_chance")), "'at_chance'"),
    ],
)
def test_a_frame_that_cannot_be_drawn_is_refused_by_name(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_what_is_drawn_can_be_saved_as_a_picture_and_as_numbers(tmp_path):
    for number, (draw, frame) in enumerate(drawings()):
        draw(frame).figure.savefig(tmp_path / f"{number}.png", dpi=40)
        assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")
        saved = frame.reset_index(names="premise") if draw is plots.interaction else frame
        xk.save_results(saved, tmp_path / f"{number}.csv")
        again = xk.read_results(tmp_path / f"{number}.csv")
        pd.testing.assert_frame_equal(again, saved.reset_index(drop=True), check_dtype=False)
