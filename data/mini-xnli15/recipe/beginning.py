"""The model before it learns: layers of the teacher, and for each of its own pieces the teacher's vectors that stand in the same place of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import XLMForSequenceClassification

from recipe import encoder, networks, places, views
from recipe.encoder import Encoder
from xlmkit.encoding import encode
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.tokenization import EOS, PAD

KEPT = (0, 1, 3, 4, 6, 7, 9, 11)  # of the teacher's 12 layers
LANGUAGE_SCALE = 0.03  # of the language embeddings, which the teacher has not


@torch.no_grad()
def start(teacher: Encoder, *, pieces: int, seed: int) -> XLMForSequenceClassification:
    """A network with the layers `KEPT` (of a smaller teacher, all), its positions and its head; the word embeddings are still random."""
    body, config = teacher.network.transformer, teacher.network.config
    kept = [layer for layer in KEPT if layer < config.n_layers]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = networks.build(
            layers=len(kept),
            width=config.emb_dim,
            heads=config.n_heads,
            pieces=pieces,
            languages=len(LANGUAGES),
            positions=config.max_position_embeddings,
            epsilon=config.layer_norm_eps,
        )
        own = network.transformer
        own.lang_embeddings.weight.normal_(0, LANGUAGE_SCALE)
    own.position_embeddings.load_state_dict(body.position_embeddings.state_dict())
    own.layer_norm_emb.load_state_dict(body.layer_norm_emb.state_dict())
    for place, layer in enumerate(kept):
        for name in ("attentions", "layer_norm1", "ffns", "layer_norm2"):
            getattr(own, name)[place].load_state_dict(getattr(body, name)[layer].state_dict())
    network.sequence_summary.load_state_dict(teacher.network.sequence_summary.state_dict())
    return network.requires_grad_(False).eval()


@torch.no_grad()
def embed(
    nli: NLIModel, teacher: Encoder, texts: Mapping[str, Sequence[str]], *, progress: bool = True
) -> int:
    """Set the word embeddings, in place, to means over the teacher's, weighed by the characters that they share; padding is the zero vector.

    `texts` are samples by language. Gives the number of pieces that were met in none: they take the teacher's vectors of their own letters."""
    theirs = teacher.network.transformer.embeddings.weight.numpy()
    sums = np.zeros((len(nli.tokenizer), theirs.shape[1]))
    counts = np.zeros(len(nli.tokenizer))
    for code, lines in tqdm(texts.items(), desc="first vectors", unit="language", disable=not progress):
        encoding = encode(nli, list(lines), None, code)
        assert encoding.tokens is not None  # since spans were asked for
        for line, tokens, ids in zip(lines, encoding.tokens, encoding.input_ids.tolist(), strict=True):
            their_ids, spans = views.cut(line, teacher.tokenizer)
            for token, number in zip(tokens, ids, strict=False):
                if token.start is None or token.end is None:
                    continue
                shares = places.overlapping(token.start, token.end, spans)
                if shares:
                    vectors = theirs[[their_ids[place] for place, _ in shares]]
                    sums[number] += np.average(vectors, axis=0, weights=[count for _, count in shares])
                    counts[number] += 1
    unmet = np.flatnonzero(counts == 0)
    for number in unmet:
        letters = nli.tokenizer.name(int(number)).removesuffix("</w>")
        sums[number] = theirs[teacher.tokenizer.encode(letters).ids or [encoder.UNK]].mean(0)
    found = sums / np.maximum(counts, 1)[:, None]
    found[EOS] = theirs[[encoder.BOS, encoder.EOS]].mean(0)
    found[PAD] = 0.0
    nli.network.transformer.embeddings.weight.copy_(torch.from_numpy(found))
    return len(unmet)
