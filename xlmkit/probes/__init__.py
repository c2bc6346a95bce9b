"""Probes: what the language id does, and what the usual path does to this model in silence.

`swap` and `under` exchange ids, `interpolate` moves from one to another, `grid` mixes languages, `ablation` makes the seven known mistakes one at a
time, `geometry` looks at the language embeddings themselves, `retrieval` at the layers, and `fill_mask` at the language model."""

from xlmkit.probes.ablation import ablation, unmasked_baseline
from xlmkit.probes.fill_mask import fill_mask
from xlmkit.probes.geometry import FAMILIES, dendrogram, embedding_map, geometry, groups, nearest
from xlmkit.probes.grid import grid, grid_table, mixed, mixed_language_gap
from xlmkit.probes.ids import under
from xlmkit.probes.interpolation import interpolate, movement
from xlmkit.probes.retrieval import retrieval
from xlmkit.probes.swap import swap
from xlmkit.probes.traps import TRAPS

__all__ = [
    "FAMILIES",
    "TRAPS",
    "ablation",
    "dendrogram",
    "embedding_map",
    "fill_mask",
    "geometry",
    "grid",
    "grid_table",
    "groups",
    "interpolate",
    "mixed",
    "mixed_language_gap",
    "movement",
    "nearest",
    "retrieval",
    "swap",
    "under",
    "unmasked_baseline",
]
