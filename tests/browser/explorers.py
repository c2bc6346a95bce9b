"""How a test reads an explorer, and what it must show: computed here, by the same model, apart from the page."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from playwright.sync_api import expect

import xlmkit as xk
from xlmkit.probes import with_language_id
from xlmkit.widgets.html import percent

EXPLORE = """
from xlmkit.widgets import explore
{name} = explore(nli, {options})
{name}
"""


def live(shown: Any) -> Any:
    """The explorer with its controls; its picture is an output of its own."""
    return shown.locator("[class*='xk-live-']")


def picture(shown: Any) -> Any:
    """What the saved notebook shows of it."""
    return shown.locator("[class*='xk-picture-']")


def spelt(text: str) -> re.Pattern[str]:
    """A text of which each word may have its number under it."""
    return re.compile(r"[\d.]*\s*".join(map(re.escape, text.split())))


def write(explorer: Any, sentence: str, text: str) -> None:
    """Type a text in place of what a field holds, key by key."""
    field = explorer.get_by_label(sentence, exact=True)
    field.fill("")
    field.press_sequentially(text)


def predicted(nli: Any, premise: str, hypothesis: str, *languages: str, language_id: str = "") -> list[str]:
    """The probabilities of a pair as they must be shown, in the order of the labels."""
    first, second = languages[0], languages[-1]
    row = {
        "premise": premise,
        "hypothesis": hypothesis,
        "premise_language": first,
        "hypothesis_language": second,
    }
    model = with_language_id(nli, language_id) if language_id else nli
    found = xk.predict(model, pd.DataFrame([row]), progress=False).iloc[0]
    return [percent(found[f"p_{label}"]) for label in nli.labels]


def expect_now(explorer: Any, numbers: list[str]) -> None:
    """Wait until these probabilities are shown."""
    expect(explorer.locator("table.xk-bars tbody td:nth-child(3)")).to_have_text(numbers)
