"""Examples: the items of a frame that an explorer can begin from, each in its languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from xlmkit.encoding import SENTENCES
from xlmkit.languages import LANGUAGES
from xlmkit.render import plain
from xlmkit.widgets.answered import originals
from xlmkit.widgets.situation import Situation


@dataclass(frozen=True)
class Example:
    """An item in one language: the pair as it stands in the frame, and its English texts where the frame knows them."""

    situation: Situation
    english: tuple[str, str] | None


class Examples:
    """The pairs of a frame by item; a frame without an `item` column has them by `pair_id`. None is an explorer without examples."""

    def __init__(self, pairs: pd.DataFrame | None) -> None:
        self._pairs = pd.DataFrame({"pair_id": []}) if pairs is None else pairs
        self._column = "item" if "item" in self._pairs else "pair_id"
        self._english = {} if pairs is None else originals(pairs)

    @property
    def choices(self) -> list[tuple[str, str]]:
        """(what is shown, item) of every item, with the start of its premise, in English where there is one."""
        shown = []
        for row in self._pairs.drop_duplicates(self._column).to_dict("records"):
            text = self._english.get(str(row["pair_id"]), (str(row["premise"]), ""))[0]
            name = f"{row[self._column]}: {text[:50]}{'…' if len(text) > 50 else ''}"
            shown.append((plain(name), str(row[self._column])))
        return shown

    def take(self, item: str, language: str) -> Example:
        """An item in a language.

        Raises
        ------
        ValueError : if there is no such example."""
        row = self._row(item, language)
        if row is None:
            name = LANGUAGES[language].name if language in LANGUAGES else language
            raise ValueError(f"There is no example {item!r} in {name}; choose another.")
        first, second = (str(row.get(f"{side}_language") or row["language"]) for side in SENTENCES)
        situation = Situation(str(row["premise"]), str(row["hypothesis"]), first, second)
        return Example(situation, self._english.get(str(row["pair_id"])))

    def _row(self, item: str, language: str) -> dict[str, Any] | None:
        own = self._pairs[self._pairs[self._column].astype(str) == item]
        if "language" in own and self._column == "item":
            own = own[own["language"] == language]
        return None if own.empty else {str(name): value for name, value in own.iloc[0].to_dict().items()}
