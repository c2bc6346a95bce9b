"""Widgets: explorers for a notebook or a page of voila, wired to functions that they are given.

========================  ================================================================================================
explore                   one pair, changed at will: texts, languages, language id, words; before and after
parallel                  one item in all its languages: predictions, words in colour, agreement (`translations`)
errors                    predictions to sift, with a confusion matrix to click, and notes (`choosing`, `items`, `matrix`, `notes`)
embedding_map             sentences and languages in a plane (`scatter`)
latest                    debounce; the latest input wins; an old answer never overwrites a newer one
controls                  a text field with `lang` and `dir`, HTML whose parts can be chosen by mouse and keyboard
strip, bars               a pair's words to click; probabilities with numbers, before and after
picture                   the static picture in the saved notebook
style                     how all of it looks
========================  ================================================================================================

They need the extra `lab`. All that is shown is escaped; no script comes from elsewhere."""

from __future__ import annotations

from xlmkit.widgets.embedding_map import embedding_map
from xlmkit.widgets.errors import errors
from xlmkit.widgets.explore import explore
from xlmkit.widgets.parallel import parallel

__all__ = ["embedding_map", "errors", "explore", "parallel"]
