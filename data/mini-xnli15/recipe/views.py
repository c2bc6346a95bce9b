"""The same pairs as the model that is made sees them, and as its teacher does, with the places where the two can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from tokenizers import Tokenizer

from recipe import encoder, places
from recipe.versions import Pair
from xlmkit.encoding import Encoding, Token, encode
from xlmkit.model import NLIModel

MAX_TOKENS = 160
CHUNK = 1500  # pairs that are sorted by length together
SPECIALS = 3  # places that both have: the start, the border between the sentences, the end


@dataclass(frozen=True)
class Views:
    """B pairs, each T tokens of ours and S of the teacher's.

    `our_units` (B, T) and `their_units` (B, S) number, row by row, what both have a token for; -1 is padding, or a token without a
    counterpart. `labels` (B,) are -1 where there is none; `settled` (B,) says which of them are beyond doubt."""

    ours: Encoding
    their_ids: torch.Tensor  # (B, S) int64
    their_mask: torch.Tensor  # (B, S) int64
    our_units: torch.Tensor
    their_units: torch.Tensor
    labels: torch.Tensor
    settled: torch.Tensor


def batches(
    pairs: Iterator[Pair], nli: NLIModel, tokenizer: Tokenizer, *, tokens: int, chance: np.random.Generator
) -> Iterator[Views]:
    """The pairs for ever, in batches of about `tokens` of our tokens and of similar length."""
    while True:
        views = _views(list(islice(pairs, CHUNK)), nli, tokenizer)
        order = np.argsort(views.ours.lengths + chance.uniform(0, 8, CHUNK))
        parts, start = [], 0
        while start < CHUNK:
            size = max(1, tokens // int(views.ours.lengths[order[start]] + 4))
            parts.append(order[start : start + size])
            start += size
        for number in chance.permutation(len(parts)):
            yield _select(views, parts[number])


def teacher_ids(premise: Sequence[int], hypothesis: Sequence[int]) -> list[int]:
    """XLM-R's form of a pair: `<s> premise </s> </s> hypothesis </s>`."""
    return [encoder.BOS, *premise, encoder.EOS, encoder.EOS, *hypothesis, encoder.EOS]


def cut(text: str, tokenizer: Tokenizer) -> tuple[list[int], list[tuple[int, int]]]:
    """The teacher's ids of a text, and the span of each, without the space before it."""
    found = tokenizer.encode(text)
    spans = []
    for start, end in found.offsets:
        while start < end and text[start].isspace():
            start += 1
        spans.append((start, max(end, start + 1)))
    return found.ids, spans


def padded(rows: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    """(B, longest) int64."""
    return torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=filler
    )


def _views(pairs: list[Pair], nli: NLIModel, tokenizer: Tokenizer) -> Views:
    ours = encode(
        nli,
        [pair.premise for pair in pairs],
        [pair.hypothesis for pair in pairs],
        [pair.premise_language for pair in pairs],
        hypothesis_languages=[pair.hypothesis_language for pair in pairs],
        max_length=MAX_TOKENS,
    )
    assert ours.tokens is not None  # since spans were asked for
    ids, our_units, their_units = [], [], []
    for pair, tokens in zip(pairs, ours.tokens, strict=True):
        cuts = [cut(text, tokenizer) for text in (pair.premise, pair.hypothesis)]
        ids.append(teacher_ids(cuts[0][0], cuts[1][0]))
        own, other = _units(pair, tokens, [spans for _, spans in cuts])
        our_units.append(own)
        their_units.append(other)
    return Views(
        ours,
        padded(ids, encoder.PAD),
        padded([[1] * len(row) for row in ids], 0),
        padded(our_units, -1),
        padded(their_units, -1),
        torch.tensor([pair.label for pair in pairs]),
        torch.tensor([pair.settled for pair in pairs]),
    )


def _units(
    pair: Pair, tokens: Sequence[Token], spans: Sequence[list[tuple[int, int]]]
) -> tuple[list[int], list[int]]:
    """The unit of each token of a pair, ours and the teacher's; units 0, 1 and 2 are the special places."""
    ours: list[list[int]] = []
    theirs: list[list[int]] = []
    base = SPECIALS
    for sentence, text in enumerate((pair.premise, pair.hypothesis)):
        own = [(token.start, token.end) for token in tokens if token.sentence == sentence]
        found = places.units(own, spans[sentence], len(text))  # type: ignore[arg-type]
        for target, side in zip((ours, theirs), found, strict=True):
            target.append(np.where(side >= 0, side + base, -1).tolist())
        base += int(found[0].max(initial=-1)) + 1
    return [0, *ours[0], 1, *ours[1], 2], [0, *theirs[0], 1, 1, *theirs[1], 2]


def _select(views: Views, rows: np.ndarray) -> Views:
    index = torch.from_numpy(rows)
    ours = views.ours.select(rows)
    width, other = ours.input_ids.size(1), int(views.their_mask[index].sum(1).max())
    return Views(
        ours,
        views.their_ids[index, :other],
        views.their_mask[index, :other],
        views.our_units[index, :width],
        views.their_units[index, :other],
        views.labels[index],
        views.settled[index],
    )
