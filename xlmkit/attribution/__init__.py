"""Attribution: how much each token adds to a label's logit, or to the difference of two logits.

====================  ========================================================================
integrated_gradients  along a path from a baseline; scores add up to the change in logit; gated
gradient_shap         the same, expected over two baselines and random points; gated
saliency              the norm of the gradient
input_x_gradient      the gradient times the embedding
occlusion             the change without one word
kernel_shap, lime     a linear model of what leaving out random sets of words does
attention_rollout     where attention flows; a warning example that knows no label and no sign
random                normal noise; the control that every method must beat
====================  ========================================================================

`explain` calls them all. Read the modules in this order: `targets` (labels by name),
`batch` (pairs as tensors), `path` and `perturbation` (the methods), `methods` (the table of them,
and `attribute`, which runs one), `explain`, `tabulate` (explanations as frames).

Everything is computed in fp32, with the attention mask and without token types. The baseline is
the same input with the padding embedding in place of every ordinary token; special tokens,
positions, language ids and mask stay. Captum computes every method that it has, except integrated
gradients, whose passes mix pairs (`path`); tests compare those with captum's."""

from xlmkit.attribution.explain import explain, explain_errors, explain_masked, language_attribution
from xlmkit.attribution.methods import AGGREGATIONS, METHODS
from xlmkit.attribution.path import STEPS
from xlmkit.attribution.perturbation import interaction
from xlmkit.attribution.tabulate import language_shares, tabulate

__all__ = [
    "AGGREGATIONS",
    "METHODS",
    "STEPS",
    "explain",
    "explain_errors",
    "explain_masked",
    "interaction",
    "language_attribution",
    "language_shares",
    "tabulate",
]
