"""Which words of the same item in two languages correspond, by the model's own hidden states; and whether their attributions agree.

`vectors` makes a vector of each word, `matching` pairs the words of two sentences (SimAlign, Jalili Sabet et al. 2020, arXiv:2004.08728), `aligning`
does that for a frame of parallel pairs, `rationales` measures how well, `carrying` brings word scores over, and `agreeing` compares them.

What was measured chose the defaults. The layer is two thirds of the way up: of 8 layers the fifth is best in `quality` on the workshop's items, as the
eighth of 12 was for SimAlign. The mean word of each sentence is taken away first, which removes what a language and a sentence have in common."""

from xlmkit.alignment.agreeing import agreement, agreement_by_item
from xlmkit.alignment.aligning import align
from xlmkit.alignment.carrying import carry
from xlmkit.alignment.matching import MATCHINGS
from xlmkit.alignment.rationales import quality
from xlmkit.alignment.vectors import default_layer

__all__ = ["MATCHINGS", "agreement", "agreement_by_item", "align", "carry", "default_layer", "quality"]
