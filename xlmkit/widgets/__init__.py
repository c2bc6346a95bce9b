"""Widgets: explorers for a notebook or a page of voila, on one small framework; they need the extra
`lab`.

==================  ==============================================================================
explore             one pair to change at will: texts, languages, language id, words (`explorer`)
parallel            one item in all its languages: predictions, words, agreement (`parallel`)
browse_predictions  filters, a confusion matrix to click, explanations, notes (`predictions`)
embedding_map       sentences and languages in a plane (`embedding_map`)
==================  ==============================================================================

`live` is the framework: background work in which the newest question wins, a status line, and the
snapshot in the saved notebook. `controls` has what ipywidgets lacks. `html`, `filters`, `state` and
`notes` know no widget, and `backend` is the only module that computes with a model. All that is
shown is escaped."""

from __future__ import annotations

from xlmkit.widgets.embedding_map import embedding_map
from xlmkit.widgets.explorer import explore
from xlmkit.widgets.parallel import parallel
from xlmkit.widgets.predictions import browse_predictions

__all__ = ["browse_predictions", "embedding_map", "explore", "parallel"]
