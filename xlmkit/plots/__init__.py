"""Plots: a frame in, an Axes (or a table for reading) out. The numbers were computed before; here they are only drawn.

Two kinds, as in seaborn. Most functions draw on one Axes: they take `ax` and return it. Those that draw a panel a language make a figure of their own,
take no `ax`, and return seaborn's FacetGrid (`.axes_dict` by language, `.figure`); each says so. Nothing is shown, saved or set.

Nothing is said by colour alone. Figures bear codes and English names, so that they need no font for Devanagari, Thai or Chinese; text of your own in these
scripts is drawn with the fonts that the machine has."""

from xlmkit.plots.agreement import by_count, flips
from xlmkit.plots.calibration import reliability
from xlmkit.plots.described import Described, described
from xlmkit.plots.explanations import aligned, interaction, token_bars, word_scores
from xlmkit.plots.figure import CHANCE, COLOURS, INK, WRONG, svg
from xlmkit.plots.geometry import cosines, dendrogram, embedding_map
from xlmkit.plots.intervals import PUBLISHED, accuracy, differences, slices
from xlmkit.plots.judging import judged
from xlmkit.plots.matrices import confusion, grid
from xlmkit.plots.predictions import labels, probabilities
from xlmkit.plots.probes import mixed, retrieval, swap
from xlmkit.plots.tables import Table, table
from xlmkit.plots.training import learning_curve

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
    "by_count",
    "confusion",
    "cosines",
    "dendrogram",
    "described",
    "differences",
    "embedding_map",
    "flips",
    "grid",
    "interaction",
    "judged",
    "labels",
    "learning_curve",
    "mixed",
    "probabilities",
    "reliability",
    "retrieval",
    "slices",
    "svg",
    "swap",
    "table",
    "token_bars",
    "word_scores",
]
