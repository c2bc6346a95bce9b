"""Widgets: explorers for a notebook or a page of voila, wired to functions that they are given.

========================  ================================================================================================
explore                   one pair, changed at will: texts, languages, language id, words; before and after
latest                    debounce; the latest input wins; an old answer never overwrites a newer one
controls                  a text field with `lang` and `dir`, HTML whose parts can be chosen by mouse and keyboard
strip, bars               a pair's words to click; probabilities with numbers, before and after
picture                   the static picture in the saved notebook
style                     how all of it looks
========================  ================================================================================================

They need the extra `lab`. All that is shown is escaped; no script comes from elsewhere."""

from __future__ import annotations

from xlmkit.widgets.explore import explore

__all__ = ["explore"]
