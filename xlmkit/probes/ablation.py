"""The trap ablation: seven mistakes that the default transformers pipeline makes with XLM without a
warning, one at a time and together, and what they cost.

The right way is the authors' (facebookresearch/XLM: `concat_batches` in xlm/utils.py,
xlm/evaluation/xnli.py, tools/tokenize.sh). The French pair "Un chat dort." / "Il dort.":

    right      </s> un chat dort . </s> il dort . </s>    tokenized as French, all with the id of fr
    default    <s>  un chat dort . </s> il dort . </s>    tokenized as English, without ids

Where the mistakes are reported: transformers PR #3791 (trap 1), XLM #103 (4), captum #1334 (6),
transformers #14558 and #2053 (7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import XLMTokenizer

from xlmkit import forward, inference
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding
from xlmkit.model import NLIModel
from xlmkit.model.source import EMBEDDED, locate
from xlmkit.model.weights import random_head
from xlmkit.pairs import language_columns, row_language, sentence_columns
from xlmkit.probes.language_ids import (
    add_language_ids,
    check_has_language_ids,
    compare_inputs,
    comparison_rows,
    gold_numbers,
    language_embeddings,
    logits_if_changed,
    set_language_id,
)
from xlmkit.stats import ALL, with_all
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
RANDOM_HEAD = ("7", "all")


def ablation(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    tokenizer: XLMTokenizer | None = None,
    n_random_heads: int = 5,
    batch_tokens: int | None = None,
    max_length: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """What each mistake of the default transformers pipeline costs, by language.

    Parameters
    ----------
    pairs : as for `predict`. Every pair is computed up to nine times.
    tokenizer : that of transformers for this model; None loads it from the model's folder.
    n_random_heads : random heads for trap 7, drawn with the seeds 0, 1, ...; their figures are
        averaged.
    batch_tokens, max_length : as for `predict`.
    seed : of the bootstrap over premise groups.

    Returns
    -------
    One row per trap and language, and for "all" languages: `trap` (a key of `TRAPS`), `what`,
    `language` ("en>fr" for mixed pairs), and the columns of `compare_inputs`. `changed` is the
    fraction of pairs whose ids, language ids or mask differ from the right ones; 1 where the
    network changes.

    Raises
    ------
    ValueError : if the model has no language ids or no head, `n_random_heads` is not positive, or
        rows are invalid.
    FileNotFoundError : if no tokenizer is given and the model's folder does not exist."""
    check_has_language_ids(nli)
    inference.need_head(nli)
    check_int("n_random_heads", n_random_heads, 1)
    frame = inference.check_input(nli, pairs)
    if tokenizer is None:
        folder = locate(None if nli.source == EMBEDDED else nli.source).folder
        tokenizer = XLMTokenizer.from_pretrained(folder)
    inputs = trap_inputs(nli, frame, tokenizer, max_length)
    wide = add_language_ids(nli, extra_embeddings(nli))
    heads = [random_head(nli.network.config, seed=number) for number in range(n_random_heads)]
    weight, bias = (  # (heads * labels, H) and (heads * labels,)
        np.concatenate([head[f"sequence_summary.summary.{name}"] for head in heads])
        for name in ("weight", "bias")
    )
    gold, budget, parts = gold_numbers(frame, nli.labels), forward.Budget.of(nli, batch_tokens), []
    last = [int(nli.network.config.n_layers)]
    total = len(frame) * (len(TRAPS) + 1)  # the right input is computed, then compared with itself
    with tqdm(total=total, desc="ablation", unit="pair", disable=not progress) as bar:
        right = inference.logits(wide, inputs[RIGHT], batch_tokens=batch_tokens, bar=bar)
        for trap, encoding in inputs.items():
            if trap in RANDOM_HEAD:
                states = forward.hidden_states(wide, encoding, last, "first", budget=budget, bar=bar)
                logits, changed = np.concatenate(states) @ weight.T + bias, np.ones(len(frame), dtype=bool)
            else:
                logits, changed = logits_if_changed(wide, encoding, inputs[RIGHT], right, batch_tokens, bar)
            predicted = logits.reshape(len(frame), -1, len(nli.labels)).argmax(2)  # (N, heads)
            rows = comparison_rows(frame, gold, right.argmax(1), predicted, changed)
            parts.append(rows.assign(trap=trap))
    table = pd.concat(parts, ignore_index=True)
    result = compare_inputs(with_all(table, "language"), ["trap", "language"], seed=seed)
    languages = [*sorted(set(result["language"]) - {ALL}), ALL]
    order = pd.MultiIndex.from_product([TRAPS, languages], names=["trap", "language"])
    result = result.set_index(["trap", "language"]).loc[order].reset_index()
    result.insert(1, "what", result["trap"].map(TRAPS))
    settings = {"n_random_heads": n_random_heads, "max_length": max_length, "seed": seed}
    result.attrs["provenance"] = inference.provenance(nli, "ablation", settings)
    return result


def unmasked_baseline(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_length: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """Where trap 6 matters: the padding baseline of an attribution, with its mask and without.

    Every token but the special ones is replaced by padding. Without a mask, transformers takes the
    first three positions for the whole input.

    Parameters
    ----------
    pairs, batch_tokens, max_length : as for `predict`.

    Returns
    -------
    One row per language: `language`, `n`, `attended` (mean fraction of the positions that are still
    attended, in [0, 1]), `shift` (mean absolute change of a logit of the baseline, in logits). A
    completeness delta cannot be less than the shift, whatever the number of steps.

    Raises
    ------
    ValueError : if the model has no head, or rows are invalid."""
    inference.need_head(nli)
    frame = inference.check_input(nli, pairs)
    encoding = inference.encode_frame(nli, frame, max_length=max_length, spans=False)
    masked = replace(encoding, input_ids=encoding.input_ids.where(encoding.input_ids.le(EOS), PAD))
    bare = without_mask(masked)
    with tqdm(total=2 * len(frame), desc="baseline", unit="pair", disable=not progress) as bar:
        right, wrong = (
            inference.logits(nli, side, batch_tokens=batch_tokens, bar=bar) for side in (masked, bare)
        )
    table = pd.DataFrame({"language": row_language(frame), "attended": bare.lengths / masked.lengths})
    groups = table.assign(shift=np.abs(right - wrong).mean(1).astype(float)).groupby("language")
    means = groups.agg(n=("shift", "size"), attended=("attended", "mean"), shift=("shift", "mean"))
    return means.reset_index()


def trap_inputs(
    nli: NLIModel, frame: pd.DataFrame, tokenizer: XLMTokenizer, max_length: int
) -> dict[str, Encoding]:
    """What each trap feeds to a network with the ids of `extra_embeddings`, in the order of
    `TRAPS`."""
    none = len(language_embeddings(nli))
    right = inference.encode_frame(nli, frame, max_length=max_length, spans=False)
    as_english = frame.assign(**dict.fromkeys(language_columns(frame), "en"))
    english = inference.encode_frame(nli, as_english, max_length=max_length, spans=False)
    moses = sacremoses_encoding(tokenizer, frame, max_length)
    moses = _with_first_token(moses, BOS if nli.pair_format == "huggingface" else EOS)
    special = right.input_ids.le(EOS).long()  # `<s>` is 0, `</s>` is 1
    default, second_sentence = hf_pipeline_encoding(tokenizer, frame, max_length)
    default = set_language_id(default, none)
    typed = without_mask(_with_token_types(nli, default, second_sentence))
    return {
        RIGHT: right,
        "1": _with_first_token(right, BOS),
        "2": _with_right_ids(nli, frame, english),
        "3": _with_right_ids(nli, frame, moses),
        "4": set_language_id(right, none),
        "5": _with_token_types(nli, right, special.cumsum(1) - special >= 2),
        "6": without_mask(right),
        "7": right,
        "usual": default,
        "1-6": typed,
        "all": typed,
    }


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
