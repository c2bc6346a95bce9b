"""Six pairs, and each of them by hand: encoding, embeddings, baseline, and the logits that transformers' own forward gives."""

from __future__ import annotations

import pandas as pd
import torch

from xlmkit import forward
from xlmkit.attribution import explain
from xlmkit.encoding import encode
from xlmkit.tokenization import PAD

ROWS = [
    ("a", "en", "en", "The man is not in a red book today.", "No dog sleeps.", "contradiction"),
    ("b", "fr", "fr", "L'homme dort.", "Il pleut.", "neutral"),
    ("c", "hi", "hi", "एक आदमी सो रहा नहीं है।", "आज कुत्ता।", "contradiction"),
    ("d", "th", "zh", "แมวไม่นอน", "今天下雨。", "neutral"),
    ("e", "ur", "ar", "آدمی آج نہیں سو رہا ہے۔", "رجل ينام.", "entailment"),
    (
        "f",
        "de",
        "de",
        "Der Mann schläft nicht, die Katze und der Hund schlafen heute auch nicht.",
        "Es regnet.",
        "neutral",
    ),
]
NAMES = ["pair_id", "premise_language", "hypothesis_language", "premise", "hypothesis", "gold"]
FEW = {"kernel_shap": {"n_samples": 60}, "lime": {"n_samples": 60}}  # so that the tests stay quick


def frame(rows=ROWS):
    return pd.DataFrame(rows, columns=NAMES)


def explained_by(nli, pairs, method, **options):
    """`explain` without a bar, and with few samples."""
    return explain(nli, pairs, method=method, progress=False, **FEW.get(method, {}), **options)


def parts(nli, row, piece=PAD):
    """One pair alone, by hand: encoding, embeddings, baseline with the embedding of `piece` at ordinary tokens, logits(embeddings) by transformers."""
    _, language, other, premise, hypothesis, _ = row
    encoding = encode(nli, premise, hypothesis, language, hypothesis_languages=other)
    table = nli.network.transformer.embeddings.weight
    inputs = table[encoding.input_ids]
    baseline = inputs.clone()
    for position, token in enumerate(encoding.tokens[0]):
        if not token.special:
            baseline[0, position] = table[piece]

    def logits(embeddings):
        rows = len(embeddings)
        return nli.network(
            inputs_embeds=embeddings,
            langs=encoding.langs.expand(rows, -1),
            attention_mask=encoding.attention_mask.expand(rows, -1),
        ).logits

    return encoding, inputs, baseline, logits


def features(encoding):
    """(1, T) the place of each token's word from 0 through both sentences; a special token is with the first word."""
    keys = [None if token.special else (token.sentence, token.word) for token in encoding.tokens[0]]
    order = [key for key in dict.fromkeys(keys) if key is not None]
    return torch.tensor([[0 if key is None else order.index(key) for key in keys]])


def assert_same(left, right, tolerance=1e-5):
    for one, other in zip(left, right, strict=True):
        assert abs(one.scores - other.scores).max() <= tolerance
        assert (one.pair_id, one.target, one.contrast, one.n_steps, one.converged) == (
            other.pair_id,
            other.target,
            other.contrast,
            other.n_steps,
            other.converged,
        )
        assert abs(one.output - other.output) <= tolerance


def replace_network(monkeypatch, function):
    """Let `function(embeddings (B, T, H), attention_mask (B, T))` -> (B,) be every label's logit, with a factor 1, 2, 3 by label."""

    def logits(nli, embeddings, langs, attention_mask):
        return function(embeddings, attention_mask)[:, None] * torch.tensor([1.0, 2.0, 3.0])

    monkeypatch.setattr(forward, "logits_from_embeddings", logits)
