"""Minimal edits: the fewest words whose removal or replacement flips a wrong prediction to gold.

Removal is by deletion in the space of ids, as input reduction does it (Feng et al. 2018, arXiv:1804.07781); replacement by what a language model finds
likely there, as in MiCE (Ross et al. 2021, arXiv:2012.13985), keeps the sentence whole. An edit that flips shows what the model leans on, and not
that it would be right to: what is left of the pair may well have another label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax
from tqdm.auto import tqdm

from xlmkit.alignment.vectors import words_of
from xlmkit.checkpoint import NLIModel
from xlmkit.encoding import Encoding, is_whole
from xlmkit.errors.search import Edits, Found, Search, Task, search
from xlmkit.errors.variants import Edit, check_same_pieces, edited, guesses
from xlmkit.errors.words import is_lettered
from xlmkit.explanation import ExplainedWord, Explanation
from xlmkit.inference import check_input, encode_frame, logits, need_head, provenance
from xlmkit.notices import say
from xlmkit.pairs import is_missing, sentence_columns

AT_ONCE = 16  # pairs that are searched together


def minimal_edits(
    nli: NLIModel,
    errors: pd.DataFrame,
    *,
    explanations: Sequence[Explanation] | None = None,
    mlm: NLIModel | None = None,
    top: int = 5,
    budget: int = 300,
    batch_tokens: int | None = None,
    max_tokens: int = 256,
    progress: bool = True,
) -> pd.DataFrame:
    """The fewest words of each error whose removal, or replacement, makes the model predict gold.

    Parameters
    ----------
    errors : a frame as `predict` gives it, with `gold` in every row. What this model gets right is left out, with a notice.
    explanations : of these errors against gold, whose scores order the words of the greedy search; None: by the effect of each word alone.
    mlm : a language model with the same pieces (load(..., task="mlm")): words are replaced by its likeliest `top` words, not taken out.
    budget : variants that may be computed for one error. A pair of W words has W single deletions and W (W - 1) / 2 of two words; what
        does not fit is passed over, of two words the least promising first, and then nothing is called minimal that might not be.

    Returns
    -------
    The errors, index and columns, with `label` and `p_<label>` of this model, and

    ======================================  ========================================================================================
    size                                    words edited; missing where nothing within the budget flips
    minimal                                 whether fewer are known not to flip: all single words, and where three are edited all two,
                                            were tried. Of replacements two words are tried with each word's best one only.
    edits                                   numbers of the words as in `Explanation.words`; [] where nothing flips
    edited_words, new_words                 their texts, and what stands in their place ("" where removed)
    edited_premise, edited_hypothesis       the texts after it, for reading (of single texts `edited_text`)
    new_label, new_p_<label>                the prediction after it, probabilities in [0, 1]; missing where nothing flips
    tried                                   variants computed
    ======================================  ========================================================================================

    One word with a letter or digit stays in each sentence; so a one-word sentence is only ever edited by replacement.

    Raises
    ------
    ValueError : if rows are faulty, a gold label is missing, an option is not as said above, or an explanation has other words."""
    need_head(nli)
    for name, value in (("budget", budget), ("top", top)):
        if not is_whole(value) or value < 1:
            raise ValueError(f"`{name}` must be a positive whole number; got {value!r}")
    if mlm is not None:
        check_same_pieces(nli, mlm)
    frame = check_input(nli, errors)
    _need_gold(frame)
    known = _by_pair(explanations or ())
    settings = _Settings(mlm, top, budget, batch_tokens, max_tokens)
    parts = []
    with tqdm(total=len(frame), desc="edits", unit="pair", disable=not progress or frame.empty) as bar:
        for start in range(0, max(1, len(frame)), AT_ONCE):
            rows = frame.iloc[start : start + AT_ONCE]
            parts.append(_edit(nli, rows, known, settings))
            bar.update(len(rows))
    result = pd.concat(parts)
    if len(result) < len(frame):
        say(
            f"{len(frame) - len(result)} of {len(frame)} pairs are predicted right and left out of the errors"
        )
    named = {"edit": "delete", "top": None} if mlm is None else {"edit": "replace", "top": top}
    asked = {**named, "budget": budget, "max_tokens": max_tokens}
    result.attrs["provenance"] = provenance(nli, "minimal_edits", asked)
    return result


@dataclass(frozen=True)
class _Settings:
    """What stays the same over all errors of one call."""

    mlm: NLIModel | None
    top: int
    budget: int
    batch_tokens: int | None
    max_tokens: int


def _edit(
    nli: NLIModel, rows: pd.DataFrame, explanations: dict[str, Explanation], settings: _Settings
) -> pd.DataFrame:
    """Some errors, searched together."""
    encoding = encode_frame(nli, rows, max_tokens=settings.max_tokens, spans=True)
    before = logits(nli, encoding, batch_tokens=settings.batch_tokens)  # (N, labels)
    golds = [nli.labels.index(gold) for gold in rows["gold"]]
    wrong = [place for place, gold in enumerate(golds) if before[place].argmax() != gold]
    searches = [
        search(_task(encoding, place, golds[place], explanations.get(rows["pair_id"].iloc[place]), settings))
        for place in wrong
    ]
    found = _together(nli, encoding, wrong, searches, settings.batch_tokens)
    return _described(nli, rows.iloc[wrong], encoding, wrong, before[wrong], found)


def _by_pair(explanations: Sequence[Explanation]) -> dict[str, Explanation]:
    known = {one.pair_id: one for one in explanations}
    if len(known) < len(explanations):
        raise ValueError(
            f"expected one explanation a pair; got {len(explanations)} of {len(known)} pairs; remedy: those of one method"
        )
    return known


def _need_gold(frame: pd.DataFrame) -> None:
    golds = frame["gold"].to_list() if "gold" in frame else [None] * len(frame)
    without = sum(map(is_missing, golds))
    if without:
        raise ValueError(
            f"minimal edits need a gold label in every row; got none in {without} of {len(golds)}; remedy: drop these rows"
        )


def _task(
    encoding: Encoding, row: int, gold: int, explanation: Explanation | None, settings: _Settings
) -> Task:
    words = words_of(encoding, row)
    sentences = tuple(word.sentence if is_lettered(word.text) else None for word in words)
    order = None
    if explanation is not None:
        if [word.text for word in explanation.words] != [word.text for word in words]:
            raise ValueError(
                f"the explanation of pair {explanation.pair_id!r} has other words than the pair; remedy: explain it with the same `max_tokens`"
            )
        order = tuple(np.argsort(-explanation.word_scores, kind="stable").tolist())
    if settings.mlm is None:
        choices: dict[int, Edits] = {number: (Edit(number),) for number in range(len(words))}
    else:
        lettered = [number for number, sentence in enumerate(sentences) if sentence is not None]
        choices = dict(
            zip(lettered, guesses(settings.mlm, encoding, row, lettered, settings.top), strict=True)
        )
    return Task(choices, sentences, gold, order, settings.mlm is None, settings.budget)


def _together(
    nli: NLIModel, encoding: Encoding, rows: Sequence[int], searches: list[Search], batch_tokens: int | None
) -> list[Found]:
    """Run all searches, the variants that they ask for at the same time in one call."""
    found: dict[int, Found] = {}
    answers: dict[int, np.ndarray | None] = dict.fromkeys(range(len(searches)))
    while answers:
        asked: dict[int, list[Edits]] = {}
        for number, answer in answers.items():
            try:
                asked[number] = searches[number].send(answer)  # type: ignore[arg-type]  # None starts a generator
            except StopIteration as end:
                found[number] = end.value
        places = [rows[number] for number, variants in asked.items() for _ in variants]
        flat = [edits for variants in asked.values() for edits in variants]
        computed = iter(
            logits(nli, edited(encoding, places, flat), batch_tokens=batch_tokens) if flat else ()
        )
        answers = {number: np.stack([next(computed) for _ in variants]) for number, variants in asked.items()}
    return [found[number] for number in range(len(searches))]


def _described(
    nli: NLIModel,
    rows: pd.DataFrame,
    encoding: Encoding,
    places: Sequence[int],
    before: np.ndarray,
    found: Sequence[Found],
) -> pd.DataFrame:
    """The errors with what was found."""
    labels = np.array(nli.labels, dtype=object)
    after = np.array(
        [np.full(len(labels), np.nan) if one.logits is None else one.logits for one in found]
    ).reshape(-1, len(labels))
    flipped = np.array([one.logits is not None for one in found], dtype=bool)
    result = rows.copy()
    result["label"] = labels[before.argmax(1)]
    for column, label in enumerate(labels):
        result[f"p_{label}"] = softmax(before.astype(float), axis=1)[:, column]
    result["size"] = pd.array([None if one.edits is None else len(one.edits) for one in found], dtype="Int64")
    result["minimal"] = [one.minimal for one in found]
    said = [
        _said(nli, rows, number, words_of(encoding, place), one)
        for number, (place, one) in enumerate(zip(places, found, strict=True))
    ]
    for name in (
        "edits",
        "edited_words",
        "new_words",
        *(f"edited_{side}" for side in sentence_columns(rows)),
    ):
        result[name] = pd.Series([one[name] for one in said], index=result.index, dtype=object)
    result["new_label"] = rows["gold"].astype(object).where(flipped, None)
    for column, label in enumerate(labels):
        result[f"new_p_{label}"] = softmax(after.astype(float), axis=1)[:, column]
    result["tried"] = [one.tried for one in found]
    return result


def _said(
    nli: NLIModel,
    rows: pd.DataFrame,
    number: int,
    words: tuple[ExplainedWord, ...],
    found: Found,
) -> dict[str, object]:
    """One error's edits in words."""
    edits = sorted(found.edits or (), key=lambda edit: edit.word)
    new = ["" if edit.piece is None else nli.pieces.name(edit.piece).removesuffix("</w>") for edit in edits]
    values: dict[str, object] = {
        "edits": [edit.word for edit in edits],
        "edited_words": [words[edit.word].text for edit in edits],
        "new_words": new,
    }
    for sentence, side in enumerate(sentence_columns(rows)):
        text = rows[side].iloc[number]
        changes = [
            ((word.start, word.end), put)
            for word, put in zip([words[edit.word] for edit in edits], new, strict=True)
            if word.sentence == sentence
        ]
        values[f"edited_{side}"] = _rewritten(text, changes) if found.edits is not None else None
    return values


def _rewritten(text: str, changes: Sequence[tuple[tuple[int, int], str]]) -> str:
    """The text with these spans replaced, from its end to its start, so that places stay true; what goes takes the spaces before it along."""
    for (start, end), put in sorted(changes, reverse=True):
        before = text[:start] if put else text[:start].rstrip(" ")
        text = before + put + text[end:]
    return text.strip()
