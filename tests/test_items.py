"""Items: the language of a row, the rows of an item in every language, the English original of a text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xlmkit.checks import check_choice, check_int
from xlmkit.pairs import read_pairs, row_language, shared_items, with_english

FRAME = pd.DataFrame(
    {
        "item": ["a", "a", "b", "b"],
        "language": ["en", "sw", "sw", "en"],
        "premise": ["dog", "mbwa", "paka", "cat"],
        "hypothesis": ["one", "moja", "mbili", "two"],
    },
    index=[7, 8, 9, 10],
)


def test_a_row_has_one_language_or_two():
    assert row_language(FRAME).tolist() == ["en", "sw", "sw", "en"]
    mixed = pd.DataFrame({"premise_language": ["en", "en", "fr"], "hypothesis_language": ["sw", "en", None]})
    assert row_language(mixed).tolist() == ["en>sw", "en", "fr"]
    with pytest.raises(ValueError, match="hypothesis_language"):
        row_language(mixed.drop(columns="hypothesis_language"))


def test_shared_items_are_positions_by_item_and_language():
    found = shared_items(FRAME)
    assert found.to_dict("list") == {"en": [0, 3], "sw": [1, 2]}
    assert found.index.tolist() == ["a", "b"]
    assert shared_items(FRAME, groups=["sw"], minimum=1).to_dict("list") == {"sw": [1, 2]}
    numbered = FRAME.assign(item=[1, "1", 2, "2"])
    assert shared_items(numbered).index.tolist() == ["1", "2"], "7 and '7' are one item"


def test_shared_items_of_the_workshop_put_translations_side_by_side():
    pairs = read_pairs("workshop")
    positions = shared_items(pairs).to_numpy()
    gold = pairs["gold"].to_numpy()[positions]
    assert positions.shape == (120, 15)
    assert (gold == gold[:, :1]).all()
    assert np.array_equal(np.sort(positions.ravel()), np.arange(len(pairs)))


def test_an_item_that_a_language_lacks_is_named_or_marked():
    lacking = FRAME.iloc[[0, 1, 3]]
    with pytest.raises(ValueError, match="'b' is missing in 'sw'"):
        shared_items(lacking)
    assert shared_items(lacking, complete=False).to_dict("list") == {"en": [0, 2], "sw": [1, -1]}


@pytest.mark.parametrize(
    ("frame", "options", "token"),
    [
        (FRAME.drop(columns="item"), {}, "`item`"),
        (FRAME.assign(item=["a", "a", None, "b"]), {}, "`item`"),
        (FRAME.assign(item="a"), {}, "'a' more than once in 'en'"),
        (FRAME[FRAME["language"] == "sw"], {}, "at least 2"),
        (FRAME, {"groups": ["en", "de"]}, "'de'"),
    ],
)
def test_items_that_cannot_be_compared_are_refused(frame, options, token):
    with pytest.raises(ValueError, match=token):
        shared_items(frame, **options)


def test_english_originals_come_from_the_frame_or_from_the_item_in_english():
    found = with_english(FRAME)
    assert found["english_premise"].tolist() == ["dog", "dog", "cat", "cat"]
    assert found.index.tolist() == FRAME.index.tolist()
    own = with_english(FRAME.assign(english_premise=["hound", None, "", "tom"]))
    assert own["english_premise"].tolist() == ["hound", "dog", "cat", "tom"]
    alone = with_english(FRAME[FRAME["language"] == "sw"])
    assert alone["english_hypothesis"].isna().all()
    assert "english_premise" not in FRAME


def test_one_check_refuses_what_is_no_integer_in_its_range():
    check_int("top", 1, 1)
    check_int("top", np.int64(3), 1, 3)
    for wrong in (0, 4, True, 1.0, "2", None):
        with pytest.raises(ValueError, match="`top`"):
            check_int("top", wrong, 1, 3)


def test_one_check_refuses_what_is_no_option():
    check_choice("how", "pad", ("mask", "pad"))
    for wrong in ("drop", None):
        with pytest.raises(ValueError, match=r"`how`.*'mask', 'pad'"):
            check_choice("how", wrong, ("mask", "pad"))
