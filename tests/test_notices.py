"""Laws of notices: said once, in a category of their own, at the user's own line."""

from __future__ import annotations

import warnings

import pytest

from xlmkit import notices
from xlmkit.languages import resolve


def test_a_notice_points_at_the_users_line_and_not_into_the_kit():
    notices.forget()
    with pytest.warns(notices.XlmkitWarning, match="'EN' is taken as 'en'") as caught:
        resolve("EN")
    assert caught[0].filename == __file__


def test_a_notice_is_said_once_until_it_is_forgotten():
    for expected in (1, 0):
        if expected:
            notices.forget()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            resolve("zh-CN")
        assert len(caught) == expected
