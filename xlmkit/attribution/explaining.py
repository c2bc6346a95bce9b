"""Explaining: pairs -> Explanations, by any method; of misclassifications by default why the wrong label rather than the right one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from xlmkit.attribution.batch import Names
from xlmkit.attribution.batches import Result, Task, results
from xlmkit.attribution.methods import METHOD, Options, check_options
from xlmkit.attribution.names import check_names, golds, names_of, need_golds, predicted_labels
from xlmkit.encoding import Encoding, word_counts
from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation
from xlmkit.forward import Budget
from xlmkit.inference import check_input, encode_frame, need_head, provenance
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.results import fingerprint, resumable_map

BATCH_TOKENS = {"cpu": 2048, "mps": 4096, "cuda": 16384}  # padded tokens in one forward and backward pass
CHUNK = 1024  # pairs that are encoded and sorted by length together
KEPT = 32  # pairs that are written to a file together


def explain(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    method: str = "integrated_gradients",
    target: str = "predicted",
    contrast: str | None = None,
    n_steps: int | None = None,
    n_samples: int | None = None,
    seed: int = 0,
    aggregation: str | None = None,
    batch_tokens: int | None = None,
    max_length: int = 256,
    keep: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> list[Explanation]:
    """Explain each pair: what do its tokens add to the logit of `target`, or to its difference from that of `contrast`?

    Parameters
    ----------
    pairs : a frame as `read_pairs` or `predict` gives it, of any size; of single texts where the model classifies these.
    method : one of `METHODS`; "attention_rollout" and "random" depend on no label.
    target : the label whose logit is explained: "predicted" (by this model, in fp32), "gold", or a label's name.
    contrast : None, or the label whose logit is subtracted: "gold", "predicted", or a label's name: why the target rather than the contrast.
    n_steps : of integrated gradients and gradient SHAP, 1 to 300: where to start. Whatever it is, pairs that fail the gate
        |delta| <= max(5 % of |F(x) - F(baseline)|, 0.02 logit) go on to each higher number in 20, 50, 100, 200, 300;
        None starts at 20. What fails at 300 is returned with `converged` = False.
    n_samples : of KernelSHAP and LIME, sets of words to draw for a pair; None: 8 a word, at least 200.
    seed : of the methods that draw. What is drawn depends on it and on the pair alone.
    aggregation : over the width of the embeddings: "sum" keeps sign and completeness; "l2", the norm, has neither but agrees better across
        languages. None: what stands first for the method in `AGGREGATIONS`.
    batch_tokens : padded tokens in one pass, over pairs and steps; None chooses by device. Out of memory halves it and goes on.
    max_length : the longest pair, as in `encode`.
    keep : a file for what is found, every few pairs; the same call reads it and goes on where it was cut off.

    Returns
    -------
    One `Explanation` a row, in the order of the rows; [] for none. They do not depend on `batch_tokens`, nor on the other rows (1e-5).

    Raises
    ------
    ValueError : if an option or a row is not as said above, a gold label is missing where asked for, a row's contrast is its target, the method
        knows no labels and is given a contrast, the model has no head, or `keep` is a file of another call.
    MemoryError : if not even one row of one pair fits.
    OSError : if `keep` cannot be written, or another run is writing it."""
    need_head(nli)
    check_names(nli, target, contrast)
    options = check_options(method, aggregation, n_steps, n_samples, seed)
    if contrast is not None and not METHOD[method].labelled:
        raise ValueError(
            f"{method} is the same for every label, so it cannot say why one rather than another; got contrast={contrast!r}; "
            "remedy: leave `contrast` out, or use another method"
        )
    return run(
        nli,
        pairs,
        options,
        target,
        contrast,
        batch_tokens=batch_tokens,
        max_length=max_length,
        keep=keep,
        progress=progress,
    )


def explain_errors(nli: NLIModel, pairs: pd.DataFrame, **options: Any) -> list[Explanation]:
    """Explain what the model gets wrong: why the predicted label rather than the gold one?

    Parameters
    ----------
    pairs : a frame with `gold` in every row: of errors, or of everything; what this model in fp32 gets right is left out, with a notice.
    options : as in `explain`, whose `target` is "predicted" and whose `contrast` is "gold" unless they are given.

    Returns
    -------
    One `Explanation` an error, in the order of the rows; [] where there is none.

    Raises
    ------
    ValueError : as in `explain`, or if a gold label is missing."""
    need_head(nli)
    frame = check_input(nli, pairs)
    right = need_golds(nli, frame, "explain_errors", "give them labels")
    predicted = predicted_labels(nli, frame, options.get("max_length", 256))
    wrong = np.array([own != gold for own, gold in zip(predicted, right, strict=True)], dtype=bool)
    if not wrong.all():
        warn_once(f"{(~wrong).sum()} of {len(frame)} pairs are predicted right and left out of the errors")
    return explain(nli, frame[wrong], **{"target": "predicted", "contrast": "gold"} | options)


def run(
    nli: NLIModel,
    pairs: pd.DataFrame,
    options: Options,
    target: str,
    contrast: str | None,
    *,
    batch_tokens: int | None,
    max_length: int,
    keep: str | os.PathLike[str] | None = None,
    progress: bool,
) -> list[Explanation]:
    """`explain` with options that have been checked."""
    budget = Budget.of(nli, batch_tokens, BATCH_TOKENS).tokens
    frame = check_input(nli, pairs)
    names = names_of(nli, frame, target, contrast, max_length)
    source = provenance(nli, "explain", settings_of(nli, options, target, contrast, max_length))
    task = Task(nli, options, budget)
    size = CHUNK if keep is None else KEPT
    columns = ["pair_id", *sentence_columns(frame), *language_columns(frame)]
    asked = source | {"gold": golds(frame), "pairs": fingerprint(frame, columns)} if keep else {}
    found: list[Explanation] = []
    with tqdm(total=len(frame), desc="explain", unit="pair", disable=not progress or frame.empty) as bar:

        def find(rows: range) -> list[Explanation]:
            some = frame.iloc[rows.start : rows.stop]
            return _explain_chunk(task, some, names.select(rows), source, max_length, bar)

        parts = [range(start, min(start + size, len(frame))) for start in range(0, len(frame), size)]
        for some in resumable_map(
            keep, asked, parts, find, serialize=Explanation.to_dict, deserialize=Explanation.from_dict
        ):
            found += some
            bar.update(len(found) - bar.n)  # those that were kept
    return found


def settings_of(
    nli: NLIModel, options: Options, target: str, contrast: str | None, max_length: int
) -> dict[str, Any]:
    """What was asked for, and what of it the method uses."""
    method = METHOD[options.method]
    settings: dict[str, Any] = {
        "method": options.method,
        "target": target,
        "contrast": contrast,
        "n_steps": options.n_steps,
        "aggregation": options.aggregation,
        "baseline": method.baseline,
        "max_length": max_length,
        "dtype": "float32",
        "device": nli.device.type,
    }
    if method.sampled:
        settings["n_samples"] = options.n_samples
    if method.seeded:
        settings["seed"] = options.seed
    if options.language is not None:
        settings["baseline_language"] = options.language
    return settings


def _explain_chunk(
    task: Task, frame: pd.DataFrame, names: Names, source: dict[str, Any], max_length: int, bar: tqdm
) -> list[Explanation]:
    encoding = encode_frame(task.nli, frame, max_length=max_length, spans=True)
    _check_samples(task.options, encoding, frame)
    found = results(task, encoding, names, bar)
    return [
        explained(task, encoding, row, result, contrast, **given, provenance=source)
        for row, (result, contrast, given) in enumerate(
            zip(found, names.contrasts, given_by(frame), strict=True)
        )
    ]


def _check_samples(options: Options, encoding: Encoding, frame: pd.DataFrame) -> None:
    """A linear model over W words has W + 1 numbers to find."""
    if options.n_samples is None:
        return
    for id, words in zip(frame["pair_id"], word_counts(encoding).tolist(), strict=True):
        if options.n_samples < words + 2:
            raise ValueError(
                f"`n_n_samples` must be at least the number of words + 2; pair {id!r} has {words} words; got {options.n_samples}; "
                "remedy: leave it out, or a lower `max_length`"
            )


def given_by(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What of each row goes into its Explanation unchanged; a single text is a premise without a hypothesis."""
    sentences, languages = sentence_columns(frame), language_columns(frame)
    single = len(sentences) == 1
    sources = {
        "pair_id": "pair_id",
        "premise": sentences[0],
        "hypothesis": None if single else sentences[1],
        "premise_language": languages[0],
        "hypothesis_language": None if single else languages[-1],
    }
    columns = {
        name: [None] * len(frame) if own is None else frame[own].tolist() for name, own in sources.items()
    }
    for *values, gold in zip(*columns.values(), golds(frame), strict=True):
        yield {**dict(zip(columns, values, strict=True)), "gold": gold}


def explained(
    task: Task, encoding: Encoding, row: int, result: Result, contrast: str | None, **given: Any
) -> Explanation:
    """What was found for one pair as an Explanation; `given` are its fields that no method finds."""
    labels = task.nli.labels
    tokens, words = places(encoding, row)
    chances = np.exp(result.logits - result.logits.max())
    return Explanation(
        **given,
        prediction=labels[int(result.logits.argmax())],
        probability=float(chances.max() / chances.sum()),
        target=labels[result.target],
        contrast=contrast,
        tokens=tokens,
        words=words,
        scores=result.scores,
        method=task.options.method,
        aggregation=task.options.aggregation,
        unit=METHOD[task.options.method].unit,
        output=result.output,
        baseline_output=result.baseline_output,
        delta=result.delta,
        n_steps=result.n_steps,
        converged=result.converged,
        language_share=result.language_share,
        truncated=encoding.truncated[row],
        trained=task.nli.trained,
    )


def places(encoding: Encoding, row: int) -> tuple[tuple[ExplainedToken, ...], tuple[ExplainedWord, ...]]:
    """Tokens and words of one pair; words are numbered through both sentences, and only those that reached the model."""
    if encoding.tokens is None or encoding.words is None:
        raise ValueError("attributions need an encoding with spans; remedy: encode(..., spans=True)")
    numbers: dict[tuple[int, int], int] = {}
    tokens: list[ExplainedToken] = []
    words: list[ExplainedWord] = []
    for token in encoding.tokens[row]:
        if token.word is None or token.sentence is None:
            tokens.append(ExplainedToken(token.text))
            continue
        key = (token.sentence, token.word)
        if key not in numbers:
            numbers[key] = len(words)
            word = encoding.words[row][token.sentence][token.word]
            words.append(ExplainedWord(word.text, token.sentence, word.start, word.end))
        tokens.append(ExplainedToken(token.text, numbers[key], token.sentence, token.start, token.end))
    return tuple(tokens), tuple(words)
