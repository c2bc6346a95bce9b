"""Minimal edits: the fewest words whose removal or replacement flips a wrong prediction to gold.

Words are removed by deletion in the space of ids, as in input reduction (Feng et al. 2018,
arXiv:1804.07781). Replacements are what a language model finds likely in their place, as in MiCE
(Ross et al. 2021, arXiv:2012.13985), and keep the sentence whole. An edit that flips the prediction
shows what the model relies on, not that it should: the edited pair may well have another gold
label."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from tqdm.auto import tqdm

from xlmkit.attribution.batch import explained_tokens
from xlmkit.checks import check_int
from xlmkit.errors.search import Edit, Edits, Outcome, apply_edits, likely_replacements, search
from xlmkit.errors.words import has_letter_or_digit
from xlmkit.explanation import ExplainedWord, Explanation
from xlmkit.inference import check_input, encode_frame, logits, need_head, provenance
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.probes.language_ids import gold_numbers
from xlmkit.results import digest, fingerprint, resumable_map
from xlmkit.stats import group_names, grouped, premise_groups, with_all
from xlmkit.stats.bootstrap import Resampling


def minimal_edits(
    nli: NLIModel,
    errors: pd.DataFrame,
    *,
    explanations: Sequence[Explanation] | None = None,
    mlm: NLIModel | None = None,
    top_k: int = 5,
    budget: int = 300,
    batch_tokens: int | None = None,
    max_length: int = 256,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Find the fewest words of each error whose removal, or replacement, makes the model predict
    gold.

    Parameters
    ----------
    errors : a frame from `predict`, with `gold` in every row. Pairs that this model gets right are
        left out with a warning.
    explanations : of these errors against gold; their scores order the words of the greedy search.
        None: the effect of removing each word alone orders them.
    mlm : a language model with the same vocabulary, load(..., task="mlm"). Words are then replaced
        by its `top_k` most likely words instead of being removed.
    budget : most variants that are computed for one error. A pair of W words has W single deletions
        and W (W - 1) / 2 deletions of two words. What exceeds the budget is skipped, the least
        promising two words first, and no edit is called minimal that might not be.
    batch_tokens, max_length : as in `predict`.
    checkpoint : a file that receives the result of each error. The same call resumes from it.

    Returns
    -------
    The errors, with their index and columns, with `prediction` and `p_<label>` of this model, and

    ================================  ==============================================================
    size                              words edited; missing if nothing within the budget flips the
                                      prediction
    minimal                           whether fewer words are known not to flip it: all single words
                                      were tried, and for an edit of three also all two. Of
                                      replacements, two words are tried with the best one of each
                                      word only.
    edits                             numbers of the words, as in `Explanation.words`; [] if nothing
                                      flips
    edited_words, new_words           their texts, and what replaces them ("" if removed)
    edited_premise,                   the texts after the edit, for reading (`edited_text` of single
    edited_hypothesis                 texts)
    new_prediction, new_p_<label>     the prediction after the edit, with probabilities in [0, 1];
                                      missing if nothing flips
    tried                             variants computed
    ================================  ==============================================================

    Every sentence keeps at least one word with a letter or digit, so a sentence of one word is
    edited by replacement only.

    Raises
    ------
    ValueError : if rows are invalid, a gold label is missing, an option is out of range, an
        explanation has other words, or `checkpoint` is the file of another call.
    OSError : if `checkpoint` cannot be written, or another run is writing it."""
    need_head(nli)
    check_int("budget", budget, 1)
    check_int("top_k", top_k, 1)
    if mlm is not None:
        check_same_vocabulary(nli, mlm)
    frame = check_input(nli, errors)
    gold = gold_numbers(frame, nli.labels)  # (N,)
    if (gold < 0).any():
        raise ValueError(
            f"expected a gold label in every row; got none in {(gold < 0).sum()} of {len(gold)}. "
            "Drop these rows."
        )
    by_pair = {one.pair_id: one for one in explanations or ()}
    if len(by_pair) < len(explanations or ()):
        raise ValueError(
            f"expected one explanation per pair; got {len(explanations or ())} of {len(by_pair)} pairs. "
            "Pass the explanations of one method."
        )
    encoding = encode_frame(nli, frame, max_length=max_length, spans=True)
    before = logits(nli, encoding, batch_tokens=batch_tokens)  # (N, labels)
    wrong = np.flatnonzero(before.argmax(1) != gold)
    if len(wrong) < len(frame):
        warn_once(f"{len(frame) - len(wrong)} of {len(frame)} pairs are predicted correctly and are left out")
    result = frame.iloc[wrong]

    def edit(row: int) -> list[dict[str, Any]]:
        """The new columns of one error, as values that JSON has."""
        pair, own = result.iloc[row], encoding.select([wrong[row]])
        words = explained_tokens(own)[0][1]
        lettered = [number for number, word in enumerate(words) if has_letter_or_digit(word.text)]
        if mlm is None:
            choices: dict[int, Edits] = {number: (Edit(number),) for number in range(len(words))}
            sentences = [word.sentence if has_letter_or_digit(word.text) else None for word in words]
        else:
            replacements = likely_replacements(mlm, own, lettered, top_k)
            choices, sentences = dict(zip(lettered, replacements, strict=True)), []
        outcome = search(
            choices,
            lambda variants: logits(nli, apply_edits(own, variants), batch_tokens=batch_tokens),
            gold=gold[wrong[row]],
            sentences=sentences,
            order=word_order(by_pair[pair["pair_id"]], words) if pair["pair_id"] in by_pair else None,
            budget=budget,
        )
        return [_record(nli, pair, words, outcome)]

    settings = {"edit": "delete", "top_k": None} if mlm is None else {"edit": "replace", "top_k": top_k}
    source = provenance(nli, "minimal_edits", {**settings, "budget": budget, "max_length": max_length})
    config = (
        {}
        if checkpoint is None
        else source
        | {
            "pairs": fingerprint(
                frame, ["pair_id", *sentence_columns(frame), *language_columns(frame), "gold"]
            ),
            "explanations": digest([one.to_dict() for one in by_pair.values()]),
            "mlm": None if mlm is None else dict(mlm.provenance),
        }
    )
    chunks = range(len(wrong))
    parts = resumable_map(checkpoint, config, chunks, edit, serialize=dict, deserialize=dict)
    bar = tqdm(parts, total=len(wrong), desc="edits", unit="error", disable=not progress or not len(wrong))
    records = [record for part in bar for record in part]
    texts = [f"edited_{side}" for side in sentence_columns(frame)]
    names = ["size", "minimal", "edits", "edited_words", "new_words", *texts, "new_prediction"]
    chances = [f"new_p_{label}" for label in nli.labels]
    new = pd.DataFrame(records, result.index, [*names, *chances, "tried"], dtype=object)
    types: dict[str, Any] = {
        "size": "Int64",
        "minimal": bool,
        "tried": "int64",
        **dict.fromkeys(chances, float),
    }
    result = result.assign(
        prediction=np.array(nli.labels, dtype=object)[before[wrong].argmax(1)],
        **{
            f"p_{label}": p
            for label, p in zip(nli.labels, softmax(before[wrong].astype(float), 1).T, strict=True)
        },
        **new.astype(types),
    )
    result.attrs["provenance"] = source
    return result


def edit_sizes(
    edits: pd.DataFrame,
    *,
    by: str = "language",
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """How few words it takes to flip errors to gold, by language.

    Parameters
    ----------
    edits : a frame from `minimal_edits`.
    by : the column to group by.
    confidence_level : of the intervals, in (0, 1), by bootstrap over premise groups with
        `n_resamples` resamples drawn by `seed`.

    Returns
    -------
    One row per group in alphabetical order, then "all": `by`, `n` (errors), then fractions in [0,
    1]: `flipped` with `low` and `high`, `one_word`, `two_words`, `more`; `words` (mean size of the
    edits that flip; missing if none does), `tried` (mean variants computed). Fewer words: the
    errors hung by less.

    Raises
    ------
    ValueError : if there are no rows or no such column."""
    if "size" not in edits or edits.empty:
        raise ValueError("expected a frame from `minimal_edits` with at least one error")
    size = edits["size"].to_numpy(float, na_value=np.nan)
    frame = pd.DataFrame({by: group_names(edits, by), "prompt": premise_groups(edits)[0], "words": size})
    frame = frame.assign(flipped=~np.isnan(size), one_word=size == 1, two_words=size == 2, more=size > 2)
    frame = with_all(frame.assign(tried=edits["tried"].to_numpy()), by)
    options: Resampling = {"confidence_level": confidence_level, "n_resamples": n_resamples, "seed": seed}
    found = grouped(frame, {"flipped": "flipped"}, by, "prompt", few="wilson", **options)
    groups = frame.groupby(by, sort=False)
    means = groups[["one_word", "two_words", "more", "words", "tried"]].mean().reset_index(drop=True)
    result = found.rename(columns={"flipped_low": "low", "flipped_high": "high"}).join(means)
    result.insert(1, "n", groups.size().to_numpy())
    return pd.concat([result[:-1].sort_values(by), result[-1:]], ignore_index=True)  # "all" stays last


def word_order(explanation: Explanation, words: Sequence[ExplainedWord]) -> tuple[int, ...]:
    """The numbers of the words, the strongest push towards the wrong label first.

    Raises
    ------
    ValueError : if the explanation has other words."""
    if [word.text for word in explanation.words] != [word.text for word in words]:
        raise ValueError(
            f"the explanation of pair {explanation.pair_id!r} has other words than the pair. "
            "Explain it with the same `max_length`."
        )
    return tuple(np.argsort(-explanation.word_scores, kind="stable").tolist())


def check_same_vocabulary(nli: NLIModel, mlm: NLIModel) -> None:
    """Refuse with a ValueError a model that is not a language model, or has another vocabulary than
    the classifier."""
    if not isinstance(mlm, NLIModel) or mlm.task != "mlm":
        got = f"task {mlm.task!r}" if isinstance(mlm, NLIModel) else type(mlm).__name__
        raise ValueError(f"`mlm` must be a language model; got {got}. Use load(source, task='mlm').")
    names, others = ([model.tokenizer.name(id) for id in range(len(model.tokenizer))] for model in (nli, mlm))
    if names != others:
        raise ValueError(
            f"`mlm` must have the classifier's vocabulary of {len(names)} tokens; got another of {len(others)}. "
            "Use the checkpoint from which the classifier was fine-tuned."
        )


def edit_text(text: str, changes: Sequence[tuple[tuple[int, int], str]]) -> str:
    """The text with each span (start, end) replaced; a removed word takes the spaces before it
    along."""
    for (start, end), new in sorted(changes, reverse=True):  # from the end, so that earlier spans stay valid
        before = text[:start] if new else text[:start].rstrip(" ")
        text = before + new + text[end:]
    return text.strip()


def _record(
    nli: NLIModel, pair: pd.Series, words: Sequence[ExplainedWord], outcome: Outcome
) -> dict[str, Any]:
    """The new columns of one error, as values that JSON has."""
    flip = outcome.flip
    edits = sorted(flip.edits, key=lambda edit: edit.word) if flip else []
    new = ["" if e.piece is None else nli.tokenizer.name(e.piece).removesuffix("</w>") for e in edits]
    record: dict[str, Any] = {
        "size": len(edits) or None,
        "minimal": outcome.minimal,
        "edits": [edit.word for edit in edits],
        "edited_words": [words[edit.word].text for edit in edits],
        "new_words": new,
        "tried": outcome.tried,
        "new_prediction": nli.labels[int(flip.logits.argmax())] if flip else None,
    }
    for sentence, side in enumerate(name for name in ("premise", "hypothesis", "text") if name in pair):
        changed = [(words[e.word], text) for e, text in zip(edits, new, strict=True)]
        changes = [((word.start, word.end), text) for word, text in changed if word.sentence == sentence]
        record[f"edited_{side}"] = edit_text(pair[side], changes) if flip else None
    chances = softmax(flip.logits.astype(float)).tolist() if flip else [None] * len(nli.labels)
    return record | {f"new_p_{label}": chance for label, chance in zip(nli.labels, chances, strict=True)}
