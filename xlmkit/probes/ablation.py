"""The trap ablation: seven mistakes that the usual path makes in silence, one at a time and together, against the right way.

The right way is the authors' (facebookresearch/XLM: `concat_batches` in xlm/utils.py, xlm/evaluation/xnli.py, tools/tokenize.sh): `</s> P </s> H </s>`,
a language id at every position, texts prepared by the Perl scripts of their language, lower-cased, stripped of marks, no token types, a mask by length.
Each trap changes one thing of that. How each was found: transformers PR #3791 (1), #14558 and #2053 (7), XLM #103 (4), captum #1334 (6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import XLMTokenizer

from xlmkit import inference
from xlmkit.checkpoint import NLIModel
from xlmkit.checkpoint.weights import random_head
from xlmkit.encoding import Encoding, encode
from xlmkit.metrics.frames import ALL
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.pieces import BOS, EOS, PAD
from xlmkit.probes import judging, usual
from xlmkit.probes.ids import chunks, need_language_ids, spoken, vectors, with_heads, with_vectors

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
class _Setting:
    """One row of the table: what is fed, and whether the head is random."""

    trap: str
    encoding: Encoding
    random: bool = False


def ablation(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    tokenizer: XLMTokenizer | None = None,
    heads: int = 5,
    batch_tokens: int | None = None,
    max_tokens: int = 256,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """What each mistake of the usual path costs, by language.

    Parameters
    ----------
    pairs : as `predict` takes them. Nine passes over them.
    tokenizer : transformers' own for this model; None: from its folder.
    heads : how many random heads are drawn for 7 (seeds 0, 1, ...); their figures are means.
    seed : of the resampled prompts.

    Returns
    -------
    One row a trap and a language, and "all" languages: `trap` (a key of `TRAPS`), `what`, `language` ("premise>hypothesis" where mixed), `n`,
    `without_gold`, `accuracy`, `low`, `high`, `difference` (to the right way, negative is worse) with `difference_low` and `difference_high`,
    `flips` (share of labels other than the right way's) and `changed` (share of pairs whose ids, language ids or mask are others; 1 where
    what changes is the network). Without gold, accuracies are missing and flips are not.

    Raises
    ------
    ValueError : if the model has no language ids or no head, `heads` is not positive, or rows are faulty.
    FileNotFoundError : if no tokeniser is given and the model's folder is not there."""
    need_language_ids(nli)
    inference.need_head(nli)
    if heads < 1:
        raise ValueError(f"`heads` must be one or more; got {heads!r}")
    frame = inference.check_input(nli, pairs)
    tokenizer = tokenizer or usual.user_tokenizer(nli)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TRAPS}
    passes = len(TRAPS) + 1  # the right way is computed before it is compared
    with tqdm(total=len(frame) * passes, desc="ablation", unit="pair", disable=not progress) as bar:
        for start in range(0, len(frame), inference.CHUNK):
            chunk = frame.iloc[start : start + inference.CHUNK]
            for name, rows in _judged(nli, chunk, tokenizer, heads, batch_tokens, max_tokens, bar):
                parts[name].append(rows)
    rows = pd.concat([part for name in TRAPS for part in parts[name]], ignore_index=True)
    rows["language"] = np.tile(spoken(frame), len(TRAPS))
    rows["prompt"] = np.tile(judging.prompts(frame), len(TRAPS))
    result = judging.summary(judging.with_all(rows, "language"), ["trap", "language"], seed=seed)
    order = pd.Series({name: number for number, name in enumerate(TRAPS)})
    languages = [*sorted(set(result["language"]) - {ALL}), ALL]
    result = result.sort_values(
        ["trap", "language"],
        key=lambda column: column.map(order if column.name == "trap" else languages.index),
        ignore_index=True,
    )
    result.insert(1, "what", result["trap"].map(TRAPS))
    settings = {"heads": heads, "max_tokens": max_tokens, "seed": seed}
    result.attrs["provenance"] = inference.provenance(nli, "ablation", settings)
    return result


def unmasked_baseline(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_tokens: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """Where trap 6 bites: the pad baseline of an attribution, with its mask and without.

    Every piece but the special tokens is the pad piece. Without a mask transformers takes the first three positions for the whole input.

    Returns
    -------
    `language`, `n`, `attended` (mean share of the positions that are left), `shift` (mean absolute change of a logit of the baseline, in logits):
    a completeness delta cannot get below it, whatever the number of steps.

    Raises
    ------
    ValueError : if the model has no head, or rows are faulty."""
    inference.need_head(nli)
    frame = inference.check_input(nli, pairs)
    parts = []
    with tqdm(total=2 * len(frame), desc="baseline", unit="pair", disable=not progress) as bar:
        for rows, encoding in chunks(nli, frame, max_tokens):
            special = encoding.input_ids.le(EOS)
            masked = replace(encoding, input_ids=torch.where(special, encoding.input_ids, PAD))
            bare = without_mask(masked)
            one, other = (
                inference.logits(nli, fed, batch_tokens=batch_tokens, bar=bar) for fed in (masked, bare)
            )
            measured = {"attended": bare.lengths / masked.lengths, "shift": np.abs(one - other).mean(1)}
            parts.append(pd.DataFrame({"language": spoken(frame.iloc[rows]), **measured}))
    keys = pd.concat(parts).groupby("language")
    return keys.mean().assign(n=keys.size()).reset_index()[["language", "n", "attended", "shift"]]


def without_mask(encoding: Encoding) -> Encoding:
    """The encoding with the mask that transformers makes where it is given none: lengths are counts of ids that are not pad."""
    lengths = (encoding.input_ids != PAD).sum(1)
    mask = torch.arange(encoding.input_ids.size(1)) < lengths[:, None]
    return replace(encoding, attention_mask=mask.long())


def _judged(
    nli: NLIModel,
    chunk: pd.DataFrame,
    tokenizer: XLMTokenizer,
    heads: int,
    batch_tokens: int | None,
    max_tokens: int,
    bar: tqdm,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """What `judging.summary` takes of each trap, but for language and prompt."""
    wide = with_vectors(nli, _further(nli))
    drawn = with_heads(
        replace(wide, dtype=torch.float32),
        [random_head(nli.network.config, seed=number) for number in range(heads)],
    )
    gold = judging.golds(chunk, nli.labels)
    right: Encoding | None = None
    labels = np.empty(0, dtype=np.int64)
    for setting in _settings(nli, chunk, tokenizer, max_tokens):
        if right is None:
            right = setting.encoding
            labels = inference.logits(wide, right, batch_tokens=batch_tokens, bar=bar).argmax(1)
        changed = _differ(right, setting.encoding)
        if setting.random:
            found = inference.logits(drawn, setting.encoding, batch_tokens=batch_tokens, bar=bar)
            answers = found.reshape(len(chunk), heads, -1).argmax(2)
        else:
            answers = labels[:, None].copy()
            places = np.flatnonzero(changed)
            part = setting.encoding.select(places)
            answers[places, 0] = inference.logits(wide, part, batch_tokens=batch_tokens, bar=bar).argmax(1)
            bar.update(len(chunk) - len(places))
        yield (
            setting.trap,
            pd.DataFrame(
                {
                    "trap": setting.trap,
                    "correct": np.mean([judging.correct(answer, gold) for answer in answers.T], axis=0),
                    "right": judging.correct(labels, gold),
                    "flip": (answers != labels[:, None]).mean(1),
                    "mean_changed": np.ones(len(chunk)) if setting.random else changed.astype(float),
                }
            ),
        )


def _settings(
    nli: NLIModel, chunk: pd.DataFrame, tokenizer: XLMTokenizer, max_tokens: int
) -> Iterator[_Setting]:
    """The right way first, then each trap in the order of `TRAPS`. Language ids are those of `_further`."""
    none = len(vectors(nli))
    right = inference.encode_frame(nli, chunk, max_tokens=max_tokens, spans=False)
    yield _Setting(RIGHT, right)
    first = right.input_ids.clone()
    first[:, 0] = BOS
    yield _Setting("1", replace(right, input_ids=first))
    yield _Setting("2", _spoken(nli, chunk, _as_english(nli, chunk, max_tokens)))
    by_language = usual.batch(usual.cut_by_language(tokenizer, chunk, max_tokens))
    yield _Setting("3", _spoken(nli, chunk, by_language))
    yield _Setting("4", replace(right, langs=torch.full_like(right.langs, none)))
    yield _Setting("5", _typed(nli, right))
    yield _Setting("6", without_mask(right))
    yield _Setting("7", right, random=True)
    called = usual.batch(usual.called(tokenizer, chunk, max_tokens))
    called = replace(called, langs=torch.full_like(called.langs, none))
    yield _Setting("usual", called)
    typed = without_mask(_typed(nli, called))
    yield _Setting("1-6", typed)
    yield _Setting("all", typed, random=True)


def _further(nli: NLIModel) -> torch.Tensor:
    """(1 + 2 (n + 1), H): no id; then each id, the last of them none, with the word embedding of type 0 added, and with that of type 1.

    transformers adds `embeddings(token_type_ids)` before the first layer norm, where it adds the language embeddings too."""
    own = vectors(nli)
    nothing = torch.zeros_like(own[:1])
    words = nli.network.transformer.embeddings.weight.detach()[:2]  # of `<s>` and `</s>`
    ids = torch.cat([own, nothing])
    return torch.cat([nothing, ids + words[0], ids + words[1]])


def _typed(nli: NLIModel, encoding: Encoding) -> Encoding:
    """The encoding with the ids that carry a token type: 0 up to the middle `</s>`, 1 behind it."""
    own = len(vectors(nli))
    types = usual.second_sentence(encoding.input_ids).long()
    return replace(encoding, langs=encoding.langs + (own + 1) * (1 + types))


def _as_english(nli: NLIModel, chunk: pd.DataFrame, max_tokens: int) -> Encoding:
    texts = [chunk[name].to_list() for name in sentence_columns(chunk)]
    return encode(
        nli, texts[0], texts[1] if len(texts) > 1 else None, "en", max_tokens=max_tokens, spans=False
    )


def _spoken(nli: NLIModel, chunk: pd.DataFrame, encoding: Encoding) -> Encoding:
    """The encoding with the right language id at every position: the middle `</s>` bears the hypothesis's."""
    sides = [
        torch.tensor([nli.languages[code] for code in chunk[name]])[:, None]
        for name in language_columns(chunk)
    ]
    special = encoding.input_ids.le(EOS).long()
    premise = special.cumsum(1) < 2
    return replace(encoding, langs=torch.where(premise, sides[0], sides[-1]).expand_as(encoding.input_ids))


def _differ(one: Encoding, other: Encoding) -> np.ndarray:
    """(B,) whether anything that the network sees of a row is not the same."""
    if one.input_ids.shape[1] < other.input_ids.shape[1]:
        one, other = other, one
    gap = one.input_ids.shape[1] - other.input_ids.shape[1]
    seen = []
    for encoding, missing in ((one, 0), (other, gap)):
        mask = encoding.attention_mask
        parts = torch.stack([mask, encoding.input_ids * mask, encoding.langs * mask])
        seen.append(torch.nn.functional.pad(parts, (0, missing)))
    return (seen[0] != seen[1]).any(0).any(1).numpy()
