"""Traps: each silent mistake of the usual path as what it feeds the network, everything else being right.

The right way is the authors' (facebookresearch/XLM: `concat_batches` in xlm/utils.py, xlm/evaluation/xnli.py, tools/tokenize.sh): `</s> P </s> H </s>`,
a language id at every position, texts prepared by the Perl scripts of their language, lower-cased, stripped of marks, no token types, a mask by length.
Where the mistakes are reported: transformers PR #3791 (1), XLM #103 (4), captum #1334 (6), transformers #14558 and #2053 (7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd
import torch
from transformers import XLMTokenizer

from xlmkit import inference
from xlmkit.encoding import Encoding, encode
from xlmkit.model import NLIModel
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.probes import usual
from xlmkit.probes.ids import exchanged, vectors
from xlmkit.tokenization import BOS, EOS, PAD

RIGHT = "right"
TRAPS = {
    RIGHT: "as the authors fed it",
    "1": "`<s>` at the pooled position",
    "2": "every text cut as English",
    "3": "sacremoses instead of the Perl scripts",
    "4": "no language ids",
    "5": "token types 0 and 1 look up word embeddings",
    "6": "no attention mask",
    "7": "a random head",
    "usual": "transformers 5's pipeline: 1 to 4",
    "1-6": "1 to 6",
    "all": "1 to 7",
}
"""What each row of `ablation` changes.

2 uses the kit's own English rules, so that English stays as it is; what transformers' port adds to that is 3. 5 is transformers 4, whose tokeniser
returned token types by default; in 5 one has to ask for them. 6 takes lengths from `ids != pad`, as transformers does without a mask: a batch that is
padded at its end gives the same mask, so nothing changes in prediction; it bites where the pad piece stands inside the input, as in
the baseline of an attribution (`unmasked_baseline`). 7 is what loading the published checkpoint as a classifier gives."""


@dataclass(frozen=True)
class Fed:
    """What one trap feeds: N pairs whose language ids are those of `further_ids`, and whether the head is random."""

    trap: str
    encoding: Encoding
    random: bool = False


def feed(nli: NLIModel, chunk: pd.DataFrame, tokenizer: XLMTokenizer, max_length: int) -> Iterator[Fed]:
    """The right way first, then each trap in the order of `TRAPS`."""
    none = len(vectors(nli))
    right = inference.encode_frame(nli, chunk, max_length=max_length, spans=False)
    yield Fed(RIGHT, right)
    yield Fed("1", _beginning(right, BOS))
    yield Fed("2", _spoken(nli, chunk, _as_english(nli, chunk, max_length)))
    moses = usual.cut_by_language(tokenizer, chunk, max_length).encoding
    first = BOS if nli.pair_format == "huggingface" else EOS
    yield Fed("3", _spoken(nli, chunk, _beginning(moses, first)))
    yield Fed("4", exchanged(right, none))
    yield Fed("5", _typed(nli, right, _behind_the_middle(right)))
    yield Fed("6", without_mask(right))
    yield Fed("7", right, random=True)
    called = usual.called(tokenizer, chunk, max_length)
    silent = exchanged(called.encoding, none)
    yield Fed("usual", silent)
    typed = without_mask(_typed(nli, silent, called.second))
    yield Fed("1-6", typed)
    yield Fed("all", typed, random=True)


def further_ids(nli: NLIModel) -> torch.Tensor:
    """(1 + 2 (n + 1), H): no id; then each id, the last of them none, with the word embedding of type 0 added, and with that of type 1.

    transformers adds `embeddings(token_type_ids)` before the first layer norm, where it adds the language embeddings too."""
    own = vectors(nli)
    nothing = torch.zeros_like(own[:1])
    words = nli.network.transformer.embeddings.weight.detach()[:2]  # of `<s>` and `</s>`, the pieces 0 and 1
    ids = torch.cat([own, nothing])
    return torch.cat([nothing, ids + words[0], ids + words[1]])


def without_mask(encoding: Encoding) -> Encoding:
    """The encoding with the mask that transformers makes where it is given none: lengths are counts of ids that are not pad."""
    lengths = (encoding.input_ids != PAD).sum(1)
    mask = torch.arange(encoding.input_ids.size(1)) < lengths[:, None]
    return replace(encoding, attention_mask=mask.long())


def _beginning(encoding: Encoding, id: int) -> Encoding:
    """The encoding with this piece at the first position, which is pooled."""
    ids = encoding.input_ids.clone()
    ids[:, 0] = id
    return replace(encoding, input_ids=ids)


def _typed(nli: NLIModel, encoding: Encoding, second: torch.Tensor) -> Encoding:
    """The encoding with the ids that carry a token type: 1 where `second`, else 0."""
    own = len(vectors(nli)) + 1
    return replace(encoding, langs=encoding.langs + own * (1 + second.long()))


def _behind_the_middle(encoding: Encoding) -> torch.Tensor:
    """(B, T) true behind the middle `</s>`, which is the second special token."""
    special = encoding.input_ids.le(EOS).long()  # `<s>` is 0, `</s>` 1
    return special.cumsum(1) - special >= 2


def _as_english(nli: NLIModel, chunk: pd.DataFrame, max_length: int) -> Encoding:
    texts = [chunk[name].to_list() for name in sentence_columns(chunk)]
    return encode(
        nli, texts[0], texts[1] if len(texts) > 1 else None, "en", max_length=max_length, spans=False
    )


def _spoken(nli: NLIModel, chunk: pd.DataFrame, encoding: Encoding) -> Encoding:
    """The encoding with the right language id at every position: the middle `</s>` bears the hypothesis's."""
    sides = [
        torch.tensor([nli.lang2id[code] for code in chunk[name]])[:, None] for name in language_columns(chunk)
    ]
    premise = encoding.input_ids.le(EOS).cumsum(1) < 2
    return replace(encoding, langs=torch.where(premise, sides[0], sides[-1]).expand_as(encoding.input_ids))
