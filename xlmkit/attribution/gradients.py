"""Gradients at the input: saliency (Simonyan et al. 2013, arXiv:1312.6034) and input x gradient (Shrikumar et al. 2016, arXiv:1605.01713).

XLM's first step is a layer norm over the width, so adding the same number to a whole embedding changes nothing: a gradient's signed sum over the
width is zero for every token. Saliency is therefore given as a norm only. Neither method promises that scores add up to anything."""

from __future__ import annotations

from captum.attr import InputXGradient, Saliency

from xlmkit.attribution.batch import Attributed, Batch


def saliency(batch: Batch) -> Attributed:
    """The gradient of F."""
    inputs = batch.inputs.clone().requires_grad_()
    return Attributed(
        Saliency(batch.score).attribute(inputs, abs=False, additional_forward_args=batch.arguments)
    )


def input_x_gradient(batch: Batch) -> Attributed:
    """The gradient of F times the embedding."""
    inputs = batch.inputs.clone().requires_grad_()
    return Attributed(InputXGradient(batch.score).attribute(inputs, additional_forward_args=batch.arguments))
