"""Inference: pairs -> probabilities by label name, in batches that waste nothing and do not change the numbers.

`feeding` turns a checked frame into encodings, `batches` an encoding into logits; `predicting` and `classifying` are what users call."""

from xlmkit.inference.batches import BATCH_TOKENS, logits, token_budget
from xlmkit.inference.classifying import TEMPLATES, classify
from xlmkit.inference.feeding import CHUNK, check_input, encode_frame, need_head
from xlmkit.inference.predicting import predict, provenance

__all__ = [
    "BATCH_TOKENS",
    "CHUNK",
    "TEMPLATES",
    "check_input",
    "classify",
    "encode_frame",
    "logits",
    "need_head",
    "predict",
    "provenance",
    "token_budget",
]
