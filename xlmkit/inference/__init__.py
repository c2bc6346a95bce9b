"""Inference: pairs -> probabilities by label name, in batches that waste nothing and do not change
the numbers."""

from xlmkit.inference.predict import (
    CHUNK,
    check_input,
    encode_frame,
    logits,
    need_head,
    predict,
    provenance,
)
from xlmkit.inference.zero_shot import HYPOTHESIS_TEMPLATES, zero_shot

__all__ = [
    "CHUNK",
    "HYPOTHESIS_TEMPLATES",
    "check_input",
    "encode_frame",
    "logits",
    "need_head",
    "predict",
    "provenance",
    "zero_shot",
]
