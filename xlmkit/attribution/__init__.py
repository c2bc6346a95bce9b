"""Attribution: how much each token of a pair adds to a label's logit, or to the difference of two labels' logits, by nine methods.

========================  ==============================================================================================
integrated_gradients      a path from a baseline; scores add up to the change in logit; gated (`path`)
gradient_shap             the same, expected over two baselines and random places on the path; gated (`path`)
saliency                  the gradient's norm (`gradients`)
input_x_gradient          the gradient times the embedding (`gradients`)
occlusion                 one word left out (`perturbation`)
kernel_shap, lime         a linear model of what leaving words out at random does (`perturbation`)
attention_rollout         where attention flows; a warning example: it knows no label and no sign (`rollout`)
random                    normal noise; the control that every method must beat (`control`)
========================  ==============================================================================================

`explain` is their common entrance. All is computed in fp32 with the mask always given and token types never. The baseline is the same input
with the padding embedding in place of every ordinary token; special tokens, positions, language ids and mask stay. Captum is the engine
wherever it has the method, but for integrated gradients, whose passes run on from pair to pair (`path`); tests compare them with captum's."""

from xlmkit.attribution.explaining import explain, explain_errors
from xlmkit.attribution.interaction import interaction
from xlmkit.attribution.language_id import language_attribution
from xlmkit.attribution.methods import AGGREGATIONS, METHODS
from xlmkit.attribution.path import STEPS
from xlmkit.attribution.tables import language_shares, tabulate

__all__ = [
    "AGGREGATIONS",
    "METHODS",
    "STEPS",
    "explain",
    "explain_errors",
    "interaction",
    "language_attribution",
    "language_shares",
    "tabulate",
]
