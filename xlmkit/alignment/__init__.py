"""Which words of the same item in two languages correspond, by the model's hidden states, and
whether their attributions agree.

`align` pairs the words of parallel sentences (SimAlign, Jalili Sabet et al. 2020,
arXiv:2004.08728), `quality` measures how well on rationale spans, `project_scores` projects word
scores to the words of another language (annotation projection), and `agreement` compares
explanations across languages."""

from xlmkit.alignment.agreement import agreement, agreement_by_item, project_scores
from xlmkit.alignment.align import MATCHINGS, align, default_layer
from xlmkit.alignment.rationales import quality

__all__ = [
    "MATCHINGS",
    "agreement",
    "agreement_by_item",
    "align",
    "default_layer",
    "project_scores",
    "quality",
]
