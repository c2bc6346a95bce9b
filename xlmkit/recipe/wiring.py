"""The network before training: an XLM whose attention is wired by hand to compare the two sentences.

15,000 pairs are too few to discover from nothing that a hypothesis is to be held against its premise, so that much is given: layer 1 tells
each token in which sentence it stands, layer 2 looks for its like in the other one (as decomposable attention does, Parikh et al. 2016,
arXiv:1606.01933), layer 3 gathers the hypothesis's words that found none, all its words, and the premise's. What is made of them is random
at first, and training may change everything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import XLMConfig, XLMForSequenceClassification

from xlmkit.languages import LANGUAGES
from xlmkit.pieces import EOS, PAD

LABELS = ("contradiction", "neutral", "entailment")  # the authors' order
WIDTH, HEADS, LAYERS, POSITIONS = 128, 4, 3, 512
HEAD = WIDTH // HEADS
SPECIALS = 14
# The first coordinates are kept free of meaning and carry what the wiring passes on:
SEPARATOR, FIRST, PLACE, SENTENCE, MISSED = range(5)
FREE = 8
MEANING = WIDTH - FREE  # coordinates of the aligned embeddings
GAIN = 3.0  # of what layer 3 gathers
SCALE = 0.5  # of one coordinate of a word embedding


def build(pieces: int) -> XLMForSequenceClassification:
    """An XLM with 15 language embeddings for this many pieces; weights random, from torch's generator."""
    config = XLMConfig(
        vocab_size=pieces,
        emb_dim=WIDTH,
        n_layers=LAYERS,
        n_heads=HEADS,
        n_langs=len(LANGUAGES),
        use_lang_emb=True,
        max_position_embeddings=POSITIONS,
        init_std=0.06,
        summary_first_dropout=0.1,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
        lang2id={code: language.id for code, language in LANGUAGES.items()},
        id2lang={language.id: code for code, language in LANGUAGES.items()},
    )
    return XLMForSequenceClassification(config)


@torch.no_grad()
def wire(
    network: XLMForSequenceClassification, meanings: np.ndarray, counts: Mapping[str, np.ndarray]
) -> None:
    """Put aligned embeddings and the comparison into `network`, in place.

    Parameters
    ----------
    meanings : (pieces, MEANING) float32, rows of length 1 or 0.
    counts : per language (pieces,) how often each piece stands in it."""
    body = network.transformer
    _embed(body, torch.from_numpy(meanings), counts)
    _find_the_sentence(body.attentions[0], body.ffns[0])
    _find_the_like(body.attentions[1])
    _gather(body.attentions[2])


def _embed(body: Any, meanings: torch.Tensor, counts: Mapping[str, np.ndarray]) -> None:
    turn, _ = torch.linalg.qr(
        torch.randn(MEANING, MEANING)
    )  # so that every head gets its share of each direction
    known = meanings.norm(dim=1, keepdim=True) > 0
    meanings = torch.where(known, meanings @ turn, torch.randn_like(meanings))
    words = body.embeddings.weight
    words.zero_()
    words[:, FREE:] = (
        F.normalize(meanings - meanings.mean(1, keepdim=True), dim=1) * math.sqrt(MEANING) * SCALE
    )
    words[:SPECIALS, FREE:] = 0.3 * torch.randn(SPECIALS, MEANING)
    length = MEANING * SCALE**2  # `</s>` is as long as a word, so that layer normalisation treats them alike
    end = torch.randn(MEANING)
    words[EOS, FREE:] = F.normalize(end - end.mean(), dim=0) * math.sqrt(length - 3.0**2)
    words[EOS, SEPARATOR] = 3.0
    words[PAD] = 0.0
    places = body.position_embeddings.weight
    places.normal_(0.0, 0.02)[:, :FREE] = 0.0
    places[:, PLACE] = _ramp(torch.arange(float(POSITIONS)))
    places[0, FIRST] = 3.0
    _centre_languages(body, counts)


def _ramp(place: torch.Tensor) -> torch.Tensor:
    """Even steps for 128 places, smaller ones beyond; zero where sentences usually meet, for numbers near zero are the precise ones in bf16."""
    return 0.06 * ((place.clamp(max=128) - 32) + 40 * torch.log1p((place - 128).clamp(min=0) / 40))


def _centre_languages(body: Any, counts: Mapping[str, np.ndarray]) -> None:
    """A language's embedding takes away what its words have in common, so that languages lie on one another."""
    words = body.embeddings.weight
    means = {
        code: torch.from_numpy(own / max(own.sum(), 1)).to(words.dtype) @ words
        for code, own in counts.items()
    }
    centre = torch.stack(list(means.values())).mean(0)
    body.lang_embeddings.weight.zero_()
    for code, mean in means.items():
        body.lang_embeddings.weight[LANGUAGES[code].id] = centre - mean
    body.lang_embeddings.weight[:, :FREE] = 0.0


def _find_the_sentence(attention: Any, block: Any) -> None:
    """Head 0 looks at the middle `</s>` and subtracts its place from the token's own: the sign is the sentence."""
    for linear in (attention.q_lin, attention.k_lin, attention.v_lin):
        linear.weight[:HEAD] = 0.0
        linear.bias[:HEAD] = 0.0
    attention.v_lin.weight[:, :FREE] = 0.0
    attention.out_lin.weight[:, :HEAD] = 0.0
    attention.out_lin.weight[:FREE] = 0.0
    attention.q_lin.bias[0] = 8.0
    for coordinate, pull in (
        (SEPARATOR, 4.0),
        (FIRST, -6.0),
        (PLACE, -2.0),
    ):  # a `</s>`, not the first, the earlier
        attention.k_lin.weight[0, coordinate] = pull
    attention.v_lin.weight[0, PLACE] = 1.0
    attention.out_lin.weight[PLACE, 0] = -1.0
    block.lin1.weight[:2] = 0.0
    # Two units make a step of the difference: -1.5 in the premise, +1.5 in the hypothesis.
    block.lin1.weight[:2, PLACE] = 4.0
    block.lin1.bias[:2] = torch.tensor([1.0, -1.0])
    block.lin2.weight[:FREE] = 0.0
    block.lin2.weight[:, :2] = 0.0
    block.lin2.weight[SENTENCE, :2] = torch.tensor([1.5, -1.5])
    block.lin2.bias[SENTENCE] = -1.5


def _find_the_like(attention: Any) -> None:
    """Every head compares its share of the meaning across sentences; what finds no like rests on a `</s>` and is marked."""
    share = HEAD - 2
    kept: list[int] = []
    attention.out_lin.weight[:FREE] = 0.0
    for head in range(HEADS):
        first, meaning = head * HEAD, FREE + head * share
        same = torch.eye(share)
        for linear in (attention.q_lin, attention.k_lin, attention.v_lin):
            linear.weight[first : first + HEAD] = 0.0
            linear.weight[first : first + share, meaning : meaning + share] = same
        attention.q_lin.weight[first : first + share] *= 2.0
        side, rest = first + share, first + share + 1
        attention.q_lin.weight[side, SENTENCE], attention.k_lin.weight[side, SENTENCE] = -4.0, 4.0
        attention.q_lin.bias[rest], attention.k_lin.weight[rest, SEPARATOR] = 6.0, 1.0
        attention.v_lin.weight[rest, SEPARATOR] = 1.0
        attention.out_lin.weight[MISSED, rest] = 0.15
        kept += range(first, first + share)
    turn, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH))
    attention.out_lin.weight[FREE:, kept] = 0.7 * turn[:MEANING, :MEANING]


def _gather(attention: Any) -> None:
    """The first position looks at the hypothesis where it was missed (two heads), at the hypothesis, and at the premise."""
    nn.init.orthogonal_(
        attention.v_lin.weight
    )  # so that what is gathered is not drowned by the `</s>` itself
    nn.init.orthogonal_(attention.out_lin.weight, gain=GAIN)
    attention.q_lin.weight.mul_(0.3)
    for head, (sentence, missed) in enumerate(((2.0, 1.5), (2.0, 1.5), (2.0, 0.0), (-2.0, 0.0))):
        row = head * HEAD
        attention.q_lin.bias[row] = math.sqrt(HEAD)
        attention.k_lin.weight[row] = 0.0
        for coordinate, pull in ((SENTENCE, sentence), (MISSED, missed), (SEPARATOR, -2.0)):
            attention.k_lin.weight[row, coordinate] = pull
