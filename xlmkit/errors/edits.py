"""Minimal edits: the fewest words whose removal or replacement flips a wrong prediction to gold.

Removal is by deletion in the space of ids, as input reduction does it (Feng et al. 2018, arXiv:1804.07781); replacement by what a language model finds
likely there, as in MiCE (Ross et al. 2021, arXiv:2012.13985), keeps the sentence whole. An edit that flips shows what the model leans on, and not
that it would be right to: what is left of the pair may well have another label."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from tqdm.auto import tqdm

from xlmkit.alignment.vectors import words_of
from xlmkit.checks import check_int
from xlmkit.encoding import Encoding
from xlmkit.errors.search import Edits, Found, Search, Task, search
from xlmkit.errors.variants import Edit, check_same_pieces, edited, guesses
from xlmkit.errors.words import is_lettered
from xlmkit.explanation import ExplainedWord, Explanation
from xlmkit.inference import check_input, encode_frame, logits, need_head, provenance
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once
from xlmkit.pairs import is_missing, language_columns, sentence_columns
from xlmkit.results import digest, fingerprint, resumable_map

AT_ONCE = 16  # pairs that are searched, and written to a file, together


def minimal_edits(
    nli: NLIModel,
    errors: pd.DataFrame,
    *,
    explanations: Sequence[Explanation] | None = None,
    mlm: NLIModel | None = None,
    top: int = 5,
    budget: int = 300,
    batch_tokens: int | None = None,
    max_length: int = 256,
    keep: str | os.PathLike[str] | None = None,
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
    batch_tokens, max_length : as in `predict`.
    keep : a file for what is found, every few pairs; the same call reads it and goes on where it was cut off.

    Returns
    -------
    The errors, index and columns, with `prediction` and `p_<label>` of this model, and

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
    ValueError : if rows are faulty, a gold label is missing, an option is not as said above, an explanation has other words, or `keep` is
        a file of another call.
    OSError : if `keep` cannot be written, or another run is writing it."""
    need_head(nli)
    for name, value in (("budget", budget), ("top", top)):
        check_int(name, value, 1)
    if mlm is not None:
        check_same_pieces(nli, mlm)
    frame = check_input(nli, errors)
    _need_gold(frame)
    known = _by_pair(explanations or ())
    settings = _Settings(mlm, top, budget, batch_tokens, max_length)
    named = {"edit": "delete", "top": None} if mlm is None else {"edit": "replace", "top": top}
    source = provenance(nli, "minimal_edits", {**named, "budget": budget, "max_length": max_length})
    asked = {} if keep is None else source | _input(frame, known, mlm)
    found: list[tuple[int, dict[str, Any]]] = []
    with tqdm(total=len(frame), desc="edits", unit="pair", disable=not progress or frame.empty) as bar:

        def find(rows: range) -> list[tuple[int, dict[str, Any]]]:
            own = _edit(nli, frame.iloc[rows.start : rows.stop], known, settings)
            return [(rows.start + place, said) for place, said in own.items()]

        parts = [range(start, min(start + AT_ONCE, len(frame))) for start in range(0, len(frame), AT_ONCE)]
        for rows, some in zip(
            parts, resumable_map(keep, asked, parts, find, serialize=list, deserialize=tuple), strict=True
        ):
            found += some
            bar.update(len(rows))
    result = _described(frame, found, _columns(nli, frame))
    if len(result) < len(frame):
        warn_once(
            f"{len(frame) - len(result)} of {len(frame)} pairs are predicted right and left out of the errors"
        )
    result.attrs["provenance"] = source
    return result


def _input(frame: pd.DataFrame, explanations: dict[str, Explanation], mlm: NLIModel | None) -> dict[str, Any]:
    """What beside model and settings decides what is found."""
    columns = ["pair_id", *sentence_columns(frame), *language_columns(frame), "gold"]
    return {
        "pairs": fingerprint(frame, columns),
        "explanations": digest([one.to_dict() for one in explanations.values()]),
        "mlm": None if mlm is None else dict(mlm.provenance),
    }


def _columns(nli: NLIModel, frame: pd.DataFrame) -> list[str]:
    """What an error gets beside its own columns, in order."""
    sides = [f"edited_{side}" for side in sentence_columns(frame)]
    before, after = ([f"{name}_{label}" for label in nli.labels] for name in ("p", "new_p"))
    named = ["size", "minimal", "edits", "edited_words", "new_words", *sides, "new_label"]
    return ["prediction", *before, *named, *after, "tried"]


@dataclass(frozen=True)
class _Settings:
    """What stays the same over all errors of one call."""

    mlm: NLIModel | None
    top: int
    budget: int
    batch_tokens: int | None
    max_length: int


def _edit(
    nli: NLIModel, rows: pd.DataFrame, explanations: dict[str, Explanation], settings: _Settings
) -> dict[int, dict[str, Any]]:
    """Some pairs, searched together: by place the errors among them, with what was found of each."""
    encoding = encode_frame(nli, rows, max_length=settings.max_length, spans=True)
    before = logits(nli, encoding, batch_tokens=settings.batch_tokens)  # (N, labels)
    golds = [nli.labels.index(gold) for gold in rows["gold"]]
    wrong = [place for place, gold in enumerate(golds) if before[place].argmax() != gold]
    searches = [
        search(_task(encoding, place, golds[place], explanations.get(rows["pair_id"].iloc[place]), settings))
        for place in wrong
    ]
    found = _together(nli, encoding, wrong, searches, settings.batch_tokens)
    texts: list[Any] = rows[sentence_columns(rows)].to_dict("records")
    return {
        place: _said(nli, texts[place], before[place], words_of(encoding, place), one)
        for place, one in zip(wrong, found, strict=True)
    }


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
                f"the explanation of pair {explanation.pair_id!r} has other words than the pair; remedy: explain it with the same `max_length`"
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


def _said(
    nli: NLIModel, texts: Mapping[str, str], before: np.ndarray, words: Sequence[ExplainedWord], found: Found
) -> dict[str, Any]:
    """What one error gets beside its own columns, as JSON can hold it; `texts` by the names of the sentences, `before` (labels,) logits."""
    edits = sorted(found.edits or (), key=lambda edit: edit.word)
    new = [
        "" if edit.piece is None else nli.tokenizer.name(edit.piece).removesuffix("</w>") for edit in edits
    ]
    edited_texts = {}
    for sentence, (side, text) in enumerate(texts.items()):
        changes = [
            ((words[edit.word].start, words[edit.word].end), put)
            for edit, put in zip(edits, new, strict=True)
            if words[edit.word].sentence == sentence
        ]
        edited_texts[f"edited_{side}"] = None if found.edits is None else _rewritten(text, changes)
    return {
        "prediction": nli.labels[int(before.argmax())],
        **_chances(nli, "p", before),
        "size": None if found.edits is None else len(edits),
        "minimal": found.minimal,
        "edits": [edit.word for edit in edits],
        "edited_words": [words[edit.word].text for edit in edits],
        "new_words": new,
        **edited_texts,
        "new_label": None if found.logits is None else nli.labels[int(found.logits.argmax())],
        **_chances(nli, "new_p", found.logits),
        "tried": found.tried,
    }


def _chances(nli: NLIModel, name: str, logits: np.ndarray | None) -> dict[str, float | None]:
    """(labels,) probabilities by column, None where there are no logits."""
    known = [None] * len(nli.labels) if logits is None else softmax(logits.astype(float)).tolist()
    return {f"{name}_{label}": chance for label, chance in zip(nli.labels, known, strict=True)}


def _described(
    frame: pd.DataFrame, found: Sequence[tuple[int, Mapping[str, Any]]], names: Sequence[str]
) -> pd.DataFrame:
    """The rows of the frame that are errors, each with what was found of it."""
    result = frame.iloc[[place for place, _ in found]].copy()
    types = {"size": "Int64", "minimal": "bool", "tried": "int64"}
    for name in names:
        usual = "float64" if name.startswith(("p_", "new_p_")) else "object"
        values = [own[name] for _, own in found]
        result[name] = pd.Series(values, index=result.index, dtype=types.get(name, usual))
    return result


def _rewritten(text: str, changes: Sequence[tuple[tuple[int, int], str]]) -> str:
    """The text with these spans replaced, from its end to its start, so that places stay true; what goes takes the spaces before it along."""
    for (start, end), put in sorted(changes, reverse=True):
        before = text[:start] if put else text[:start].rstrip(" ")
        text = before + put + text[end:]
    return text.strip()
