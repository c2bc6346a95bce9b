"""Traps: mistakes that the default transformers pipeline makes with XLM without a warning, as
inputs for the network.

The right way is the authors' (facebookresearch/XLM: `concat_batches` in xlm/utils.py,
xlm/evaluation/xnli.py, tools/tokenize.sh). The French pair "Un chat dort." / "Il dort.":

    right      </s> un chat dort . </s> il dort . </s>    tokenized as French, all with the id of fr
    default    <s>  un chat dort . </s> il dort . </s>    tokenized as English, without ids

Where the mistakes are reported: transformers PR #3791 (trap 1), XLM #103 (4), captum #1334 (6),
transformers #14558 and #2053 (7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from transformers import XLMTokenizer

from xlmkit import inference
from xlmkit.encoding import Encoding, encode_columns
from xlmkit.model import NLIModel
from xlmkit.model.source import EMBEDDED, locate
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.probes.language_ids import language_embeddings, set_language_id
from xlmkit.tokenization import BOS, EOS, PAD

RIGHT = "right"
TRAPS = {
    RIGHT: "as the authors fed it",
    "1": "`<s>` at the pooled position",
    "2": "every text tokenized as English",
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

2 uses the kit's own English rules, so that English stays as it is; what transformers' port of them
adds is 3. 5 is transformers 4, whose tokenizer returned token types by default; in 5 one has to ask
for them. 6 takes lengths from `ids != pad`, as transformers does without a mask: a batch that is
padded at its end gives the same mask, so predictions do not change. It matters where padding is
inside the input, as in the baseline of an attribution (`unmasked_baseline`). 7 is what loading the
published checkpoint as a classifier gives."""


@dataclass(frozen=True)
class TrapInput:
    """N pairs as one trap feeds them to a network with the ids of `extra_embeddings`, and whether
    its head is random."""

    trap: str
    encoding: Encoding
    random_head: bool = False


def trap_inputs(
    nli: NLIModel, frame: pd.DataFrame, tokenizer: XLMTokenizer, max_length: int
) -> Iterator[TrapInput]:
    """The right input first, then that of each trap, in the order of `TRAPS`."""
    none = len(language_embeddings(nli))
    right = inference.encode_frame(nli, frame, max_length=max_length, spans=False)
    yield TrapInput(RIGHT, right)
    yield TrapInput("1", _with_first_token(right, BOS))
    texts = [frame[name].to_list() for name in sentence_columns(frame)]
    english = encode_columns(
        nli, texts, [["en"] * len(frame)] * len(texts), max_length=max_length, spans=False
    )
    yield TrapInput("2", _with_right_ids(nli, frame, english))
    moses = sacremoses_encoding(tokenizer, frame, max_length)
    moses = _with_first_token(moses, BOS if nli.pair_format == "huggingface" else EOS)
    yield TrapInput("3", _with_right_ids(nli, frame, moses))
    yield TrapInput("4", set_language_id(right, none))
    special = right.input_ids.le(EOS).long()  # `<s>` is 0, `</s>` is 1
    yield TrapInput("5", _with_token_types(nli, right, special.cumsum(1) - special >= 2))
    yield TrapInput("6", without_mask(right))
    yield TrapInput("7", right, random_head=True)
    default, second_sentence = hf_pipeline_encoding(tokenizer, frame, max_length)
    default = set_language_id(default, none)
    yield TrapInput("usual", default)
    typed = without_mask(_with_token_types(nli, default, second_sentence))
    yield TrapInput("1-6", typed)
    yield TrapInput("all", typed, random_head=True)


def extra_embeddings(nli: NLIModel) -> torch.Tensor:
    """(1 + 2 (n + 1), H): embeddings for `add_language_ids`, for a model with n ids.

        n              no id
        n + 1 ...      ids 0 to n - 1 and no id, plus the word embedding that token type 0 looks up
        2 n + 2 ...    the same with token type 1

    transformers adds `embeddings(token_type_ids)` before the first layer norm, where it adds
    language embeddings too."""
    table = language_embeddings(nli)
    none = torch.zeros_like(table[:1])
    words = nli.network.transformer.embeddings.weight.detach()[:2]  # of `<s>` and `</s>`, the ids 0 and 1
    ids = torch.cat([table, none])
    return torch.cat([none, ids + words[0], ids + words[1]])


def without_mask(encoding: Encoding) -> Encoding:
    """The encoding with the mask that transformers makes if it is given none: lengths count the ids
    that are not padding."""
    lengths = (encoding.input_ids != PAD).sum(1)
    mask = torch.arange(encoding.input_ids.size(1)) < lengths[:, None]
    return replace(encoding, attention_mask=mask.long())


def hf_tokenizer(nli: NLIModel) -> XLMTokenizer:
    """The tokenizer of transformers in the model's folder, as
    `AutoTokenizer.from_pretrained(folder)` loads it.

    Raises
    ------
    FileNotFoundError, ConnectionError : if the folder no longer exists (a model made in memory has
        none)."""
    return XLMTokenizer.from_pretrained(locate(None if nli.source == EMBEDDED else nli.source).folder)


def hf_pipeline_encoding(
    tokenizer: XLMTokenizer, frame: pd.DataFrame, max_length: int
) -> tuple[Encoding, torch.Tensor]:
    """The pairs as `tokenizer(premise, hypothesis)` gives them: `<s> P </s> H </s>`, all tokenized
    as English.

    Returns
    -------
    The encoding, whose language ids are 0; and (N, T) bool, true in the second sentence (token type
    1)."""
    texts = [frame[name].to_list() for name in sentence_columns(frame)]
    options = {"padding": True, "return_tensors": "pt", "return_token_type_ids": True}
    found = tokenizer(*texts, truncation="longest_first", max_length=max_length, **options)
    return _encoding(found), found["token_type_ids"].bool()


def sacremoses_encoding(tokenizer: XLMTokenizer, frame: pd.DataFrame, max_length: int) -> Encoding:
    """The same layout with each text tokenized by `_tokenize(text, lang=...)`: sacremoses instead
    of the Perl scripts."""
    languages = language_columns(frame)
    sides = [
        [
            tokenizer.convert_tokens_to_ids(tokenizer._tokenize(text, lang=code))
            for text, code in zip(frame[name], frame[language], strict=True)
        ]
        for name, language in zip(sentence_columns(frame), (languages[0], languages[-1]), strict=False)
    ]
    rows = [
        tokenizer.prepare_for_model(*ids, truncation="longest_first", max_length=max_length)
        for ids in zip(*sides, strict=True)
    ]
    return _encoding(tokenizer.pad(rows, return_tensors="pt"))


def _encoding(batch: Mapping[str, Any]) -> Encoding:
    ids = batch["input_ids"]
    return Encoding(ids, torch.zeros_like(ids), batch["attention_mask"], ((0, 0),) * len(ids))


def _with_first_token(encoding: Encoding, id: int) -> Encoding:
    """The encoding with this token at the first position, which is pooled."""
    ids = encoding.input_ids.clone()
    ids[:, 0] = id
    return replace(encoding, input_ids=ids)


def _with_token_types(nli: NLIModel, encoding: Encoding, second: torch.Tensor) -> Encoding:
    """The encoding with the ids of `extra_embeddings` that have a token type: 1 where `second`,
    else 0."""
    n_ids = len(language_embeddings(nli)) + 1
    return replace(encoding, langs=encoding.langs + n_ids * (1 + second.long()))


def _with_right_ids(nli: NLIModel, frame: pd.DataFrame, encoding: Encoding) -> Encoding:
    """The encoding with the right language id at every position: the hypothesis's from the middle
    `</s>` on."""
    sides = [
        torch.tensor([nli.lang2id[code] for code in frame[name]])[:, None] for name in language_columns(frame)
    ]
    premise = encoding.input_ids.le(EOS).cumsum(1) < 2
    return replace(encoding, langs=torch.where(premise, sides[0], sides[-1]).expand_as(encoding.input_ids))
