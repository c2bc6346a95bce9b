"""Probes: what the language id does, and what the default transformers pipeline gets wrong with
this model without a warning.

`language_id_matrix`, `with_language_id` and `interpolate` exchange language ids,
`mixed_language_grid` mixes languages, `ablation` makes the seven known mistakes one at a time,
`language_cosines` and its neighbours look at the language embeddings, `retrieval` at the layers,
and `fill_mask` at the language model."""

from xlmkit.probes.ablation import TRAPS, ablation, unmasked_baseline
from xlmkit.probes.fill_mask import fill_mask
from xlmkit.probes.geometry import (
    FAMILIES,
    dendrogram,
    grouping_test,
    language_cosines,
    language_map,
    nearest_languages,
)
from xlmkit.probes.language_ids import NONE, interpolate, language_id_matrix, logit_shift, with_language_id
from xlmkit.probes.mixed_languages import (
    mixed_language_gap,
    mixed_language_grid,
    mixed_language_table,
    mixed_pairs,
)
from xlmkit.probes.retrieval import project, retrieval, sentence_embeddings

__all__ = [
    "FAMILIES",
    "NONE",
    "TRAPS",
    "ablation",
    "dendrogram",
    "fill_mask",
    "grouping_test",
    "interpolate",
    "language_cosines",
    "language_id_matrix",
    "language_map",
    "logit_shift",
    "mixed_language_gap",
    "mixed_language_grid",
    "mixed_language_table",
    "mixed_pairs",
    "nearest_languages",
    "project",
    "retrieval",
    "sentence_embeddings",
    "unmasked_baseline",
    "with_language_id",
]
