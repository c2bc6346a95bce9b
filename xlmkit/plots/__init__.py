"""Plots: a frame in, an Axes (or a table to be read) out. No number is computed here.

Most functions draw on one Axes: they take `ax` and return it, as in seaborn. `confusion` and
`reliability` draw one panel per language; they take no `ax` and return seaborn's FacetGrid
(`.axes_dict` by language, `.figure`). Nothing is shown, saved or set globally.

Colour never carries a meaning alone. Figures show language codes and English names, so they need no
font for Devanagari, Thai or Chinese; your own text in these scripts takes the installed fonts."""

from xlmkit.plots.curves import items_by_n_correct, learning_curve, reliability, retrieval
from xlmkit.plots.embeddings import dendrogram, language_cosines, language_map
from xlmkit.plots.explanations import aligned, interaction, token_bars, word_scores
from xlmkit.plots.figure import CHANCE, COLOURS, INK, WRONG
from xlmkit.plots.heatmaps import (
    confusion,
    disagreement,
    faithfulness,
    heatmap,
    labels,
    language_id_matrix,
    mixed_language_grid,
)
from xlmkit.plots.output import Described, Table, described, svg, table
from xlmkit.plots.rows import PUBLISHED, accuracy, differences, probabilities, slices

__all__ = [
    "CHANCE",
    "COLOURS",
    "INK",
    "PUBLISHED",
    "WRONG",
    "Described",
    "Table",
    "accuracy",
    "aligned",
    "confusion",
    "dendrogram",
    "described",
    "differences",
    "disagreement",
    "faithfulness",
    "heatmap",
    "interaction",
    "items_by_n_correct",
    "labels",
    "language_cosines",
    "language_id_matrix",
    "language_map",
    "learning_curve",
    "mixed_language_grid",
    "probabilities",
    "reliability",
    "retrieval",
    "slices",
    "svg",
    "table",
    "token_bars",
    "word_scores",
]
