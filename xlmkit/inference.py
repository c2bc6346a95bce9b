"""Inference: pairs -> probabilities by label name, in batches that waste nothing and do not change the numbers.

Zero-shot classification asks the same model whether a text entails "the topic of this text is ..." (Yin et al. 2019, arXiv:1909.00161)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xlmkit import __version__, forward
from xlmkit.checkpoint import CLASSIFIERS, NLIModel
from xlmkit.encoding import Columns, Encoding, columns, encode, is_whole, lay_out
from xlmkit.languages import resolve
from xlmkit.notices import say
from xlmkit.pairs import check_pairs, language_columns, sentence_columns
from xlmkit.preparation.processes import Preparers

CHUNK = 4096  # pairs that are encoded and sorted by length together
# Padded tokens in one batch; a processor gains nothing by more.
BATCH_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 65536}
TIE = 0.02  # logits; bf16 moves those of the embedded model by 0.003 on average, and by 0.018 at most among 300 of the workshop's pairs

TEMPLATES: dict[str, str] = {
    "ar": "موضوع هذا النص هو {}.",
    "bg": "Темата на този текст е {}.",
    "de": "Das Thema dieses Textes ist {}.",
    "el": "Το θέμα αυτού του κειμένου είναι {}.",
    "en": "The topic of this text is {}.",
    "es": "El tema de este texto es {}.",
    "fr": "Le sujet de ce texte est {}.",
    "hi": "इस पाठ का विषय {} है।",
    "ru": "Тема этого текста — {}.",
    "sw": "Mada ya maandishi haya ni {}.",
    "th": "หัวข้อของข้อความนี้คือ{}",
    "tr": "Bu metnin konusu {}.",
    "ur": "اس متن کا موضوع {} ہے۔",
    "vi": "Chủ đề của văn bản này là {}.",
    "zh": "这段文字的主题是{}。",
}
"""The hypothesis of zero-shot classification in each language; `{}` takes the label, in a place that asks for no inflection."""


def predict(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    batch_tokens: int | None = None,
    max_tokens: int = 256,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict the label of every pair, or of every text where the model classifies single texts.

    Parameters
    ----------
    pairs : a frame as `read_pairs` gives it: `premise`, `hypothesis`, `language` (or `premise_language` and `hypothesis_language`);
        for single texts `text` and `language`.
    batch_tokens : padded tokens in one batch; None chooses by device. Out of memory halves it and goes on.
    max_tokens : the longest pair, special tokens included; longer ones are cut as `encode` says and marked `truncated`.
    workers : processes that prepare texts beside the model. None: up to 4 where the model is on an accelerator and there are more than
        `CHUNK` rows, otherwise 0, since on a processor the model uses every core already.

    Returns
    -------
    The given rows, index and columns, and `label`, `p_<label>` for each label (probabilities in [0, 1]), `truncated`, `correct` where the frame
    has gold labels (missing where a row has none), and `untrained` = True throughout if the model's head is random.
    `attrs["provenance"]` names model, kit version and settings.

    Raises
    ------
    ValueError : if rows are faulty (all are named at once), pairs are given to a model of single texts or the other way round, or
        the model has no head."""
    need_head(nli)
    frame = check_input(nli, pairs)
    found, truncated = _logits_of_frame(
        nli, frame, batch_tokens, max_tokens, _workers(nli, workers, len(frame)), progress
    )
    probabilities = _softmax(found)
    result = frame.copy()
    result["label"] = np.array(nli.labels, dtype=object)[found.argmax(1)]
    for column, label in enumerate(nli.labels):
        result[f"p_{label}"] = probabilities[:, column]
    result["truncated"] = truncated
    if "gold" in result:
        correct = (result["label"] == result["gold"]).astype("boolean")
        result["correct"] = correct.mask(result["gold"].isna())
    if not nli.trained:
        result["untrained"] = True
    settings = {
        "max_tokens": max_tokens,
        "dtype": str(nli.dtype).removeprefix("torch."),
        "device": nli.device.type,
    }
    result.attrs["provenance"] = provenance(nli, "predict", settings)
    return result


def logits(
    nli: NLIModel, encoding: Encoding, *, batch_tokens: int | None = None, bar: tqdm | None = None
) -> np.ndarray:
    """Logits of every pair of an encoding, in length-sorted batches.

    Returns
    -------
    (N, labels) float32, in the order of the pairs and of `nli.labels`. They do not depend on the batches (1e-5 in fp32). Below fp32,
    a pair whose two best logits lie within `TIE` is computed again in fp32: a label is never decided by rounding alone.

    Raises
    ------
    ValueError : if the model has no head.
    MemoryError : if not even one pair fits."""
    need_head(nli)
    return _logits(nli, encoding, _Budget(token_budget(batch_tokens, BATCH_TOKENS[nli.device.type])), bar)


@dataclass
class _Budget:
    """Padded tokens that a batch may have: less once memory ran out, for all batches that follow."""

    tokens: int


def _logits(nli: NLIModel, encoding: Encoding, budget: _Budget, bar: tqdm | None) -> np.ndarray:
    found = _in_batches(nli, encoding, budget, bar)
    if nli.dtype != torch.float32:
        best = np.sort(found, axis=1)[:, -2:]
        close = np.flatnonzero(best[:, -1] - best[:, 0] < TIE)
        found[close] = _in_batches(replace(nli, dtype=torch.float32), encoding.select(close), budget, None)
    return found


def classify(
    nli: NLIModel,
    texts: str | Sequence[str],
    labels: Sequence[str],
    language: str | Sequence[str],
    *,
    template: str | None = None,
    multi_label: bool = False,
    batch_tokens: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Zero-shot classification: which of `labels` does each text entail?

    Parameters
    ----------
    labels : the candidates, in words of the text's language ("sport", "politics").
    language : code of all texts, or one a text.
    template : a hypothesis with `{}` for the label; None takes `TEMPLATES` of the text's language.
    multi_label : False: the probabilities of a text sum to 1 (softmax of the entailment logits over the labels). True: each label is
        judged alone (entailment against contradiction).

    Returns
    -------
    One row a text: `text`, `language`, `label` (the best), and `p_<label>` in [0, 1] for each candidate.

    Raises
    ------
    ValueError : if there are no labels, labels repeat, the template has no `{}`, or the model's labels lack entailment."""
    texts = [texts] if isinstance(texts, str) else list(texts)
    languages = [
        resolve(code) for code in ([language] * len(texts) if isinstance(language, str) else language)
    ]
    _check_candidates(nli, texts, labels, languages, template, multi_label)
    frame = _hypotheses(texts, labels, languages, template)
    found, _ = _logits_of_frame(nli, frame, batch_tokens, 256, _workers(nli, None, len(frame)), progress)
    entailment = found[:, nli.labels.index("entailment")]
    if multi_label:
        against = found[:, nli.labels.index("contradiction")]
        chances = _softmax(np.stack([against, entailment], 1))[:, 1].reshape(len(texts), len(labels))
    else:
        chances = _softmax(entailment.reshape(len(texts), len(labels)))
    result = pd.DataFrame({"text": texts, "language": languages})
    result["label"] = np.array(labels, dtype=object)[chances.argmax(1)]
    for column, label in enumerate(labels):
        result[f"p_{label}"] = chances[:, column]
    if not nli.trained:
        result["untrained"] = True
    result.attrs["provenance"] = provenance(
        nli, "classify", {"template": template, "multi_label": multi_label}
    )
    return result


def provenance(nli: NLIModel, task: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What a result must carry to be made again: the model, the kit's version, what was asked."""
    return {"xlmkit": __version__, "task": task, "settings": settings, "model": dict(nli.provenance)}


def _logits_of_frame(
    nli: NLIModel,
    frame: pd.DataFrame,
    batch_tokens: int | None,
    max_tokens: int,
    workers: int,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(N, labels) float32 logits and (N,) truncated of a checked frame."""
    found = np.full((len(frame), len(nli.labels)), np.nan, dtype=np.float32)
    truncated = np.zeros(len(frame), dtype=bool)
    budget = _Budget(token_budget(batch_tokens, BATCH_TOKENS[nli.device.type]))
    with tqdm(total=len(frame), desc="predict", unit="pair", disable=not progress) as bar:
        for rows, encoding in _encodings(nli, frame, max_tokens, workers):
            found[rows] = _logits(nli, encoding, budget, bar)
            truncated[rows] = encoding.truncated
    return found, truncated


def _encodings(
    nli: NLIModel, frame: pd.DataFrame, max_tokens: int, workers: int
) -> Iterator[tuple[slice, Encoding]]:
    """The rows of a checked frame in chunks, encoded without spans, in their order; with workers some chunks ahead of the one that was given out."""
    chunks = [slice(start, start + CHUNK) for start in range(0, len(frame), CHUNK)]
    if not workers:
        for rows in chunks:
            yield rows, encode_frame(nli, frame.iloc[rows], max_tokens=max_tokens, spans=False)
        return
    waiting: deque[tuple[slice, Columns, Any]] = deque()
    with Preparers(nli.pieces, lowercase=nli.lowercase, count=min(workers, max(1, len(chunks)))) as preparers:
        while chunks or waiting:
            while chunks and len(waiting) <= workers:
                rows = chunks.pop(0)
                asked = _columns(frame.iloc[rows])
                waiting.append((rows, asked, preparers.submit(*asked.flat)))
            rows, asked, prepared = waiting.popleft()
            yield rows, lay_out(nli, asked, prepared.result(), max_tokens=max_tokens)


def _workers(nli: NLIModel, workers: int | None, rows: int) -> int:
    """How many processes prepare; a ValueError where the option is no whole number from 0."""
    if workers is None:
        return 0 if nli.device.type == "cpu" or rows <= CHUNK else max(0, min(4, (os.cpu_count() or 1) - 1))
    if not is_whole(workers) or workers < 0:
        raise ValueError(f"`workers` must be a whole number from 0; got {workers!r}")
    return workers


def _in_batches(nli: NLIModel, encoding: Encoding, budget: _Budget, bar: tqdm | None) -> np.ndarray:
    """(N, labels) logits in `nli.dtype`."""
    found = np.full((len(encoding), len(nli.labels)), np.nan, dtype=np.float32)
    lengths = encoding.lengths
    waiting = list(_batches(lengths, budget.tokens))[::-1]
    while waiting:
        rows = waiting.pop()
        size = len(rows) * int(lengths[rows].max())
        if size > budget.tokens and len(rows) > 1:  # made before memory ran out
            waiting += _halves(rows)
            continue
        try:
            found[rows] = forward.logits(nli, encoding.select(rows)).numpy()
        except RuntimeError as error:
            _check_memory(rows, error)
            waiting += _halves(rows)
            budget.tokens = (len(rows) + 1) // 2 * int(lengths[rows].max())
            continue
        if bar is not None:
            bar.update(len(rows))
    return found


def _batches(lengths: np.ndarray, budget: int) -> Iterator[np.ndarray]:
    """Rows in batches of at most `budget` padded tokens (and at least one row): first full ones of a single length, which need no padding and no mask, then
    what is left over, longest first."""
    order = np.argsort(-lengths, kind="stable")
    rest = []
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        size = budget // int(lengths[same[0]]) if len(same) else 0
        whole = len(same) // size * size if size > 1 else 0
        yield from same[:whole].reshape(-1, max(size, 1))
        rest.append(same[whole:])
    left = np.concatenate(rest)
    start = 0
    while start < len(left):
        size = max(1, budget // int(lengths[left[start]]))
        yield left[start : start + size]
        start += size


def _halves(rows: np.ndarray) -> list[np.ndarray]:
    middle = (len(rows) + 1) // 2
    return [rows[middle:], rows[:middle]]


def _check_memory(rows: np.ndarray, error: RuntimeError) -> None:
    """Raise again what is no lack of memory, or what one pair alone lacks; say it otherwise."""
    if not forward.out_of_memory(error):
        raise error
    if len(rows) == 1:
        raise MemoryError(
            "one pair alone does not fit into memory; remedy: a lower `max_tokens`, dtype='bfloat16', or device='cpu'"
        ) from error
    say("out of memory: the batch was halved; a smaller `batch_tokens` avoids the retries")


def token_budget(batch_tokens: int | None, usual: int) -> int:
    """The padded tokens that a batch may have: `batch_tokens`, or `usual` where that is None.

    Raises
    ------
    ValueError : if it is no positive whole number."""
    if batch_tokens is None:
        return usual
    if not is_whole(batch_tokens) or batch_tokens < 1:
        raise ValueError(f"`batch_tokens` must be a positive whole number of tokens; got {batch_tokens!r}")
    return batch_tokens


def check_input(nli: NLIModel, frame: pd.DataFrame) -> pd.DataFrame:
    """`check_pairs` with the model's labels; pairs or single texts, whichever the model was trained on.

    Raises
    ------
    ValueError : if rows are faulty, or it is the other of the two."""
    checked = check_pairs(frame, labels=nli.labels)
    columns = sentence_columns(checked)
    if nli.sentences not in (None, len(columns)):
        forms = {1: "single texts (`text`)", 2: "pairs (`premise` and `hypothesis`)"}
        raise ValueError(
            f"the model {nli.source!r} was trained on {forms[nli.sentences]}; got {forms[len(columns)]}; remedy: give it what it knows"
        )
    return checked


def encode_frame(nli: NLIModel, frame: pd.DataFrame, *, max_tokens: int, spans: bool) -> Encoding:
    """`encode` of the pairs, or of the single texts, of a checked frame."""
    given, others = _given(frame)
    return encode(nli, *given, hypothesis_languages=others, max_tokens=max_tokens, spans=spans)


def _columns(frame: pd.DataFrame) -> Columns:
    given, others = _given(frame)
    return columns(*given, hypothesis_languages=others)


def _given(frame: pd.DataFrame) -> tuple[tuple[list[str], list[str] | None, list[str]], list[str] | None]:
    """Of a checked frame: premises, hypotheses and languages, and where the hypotheses have their own, those."""
    first, *second = (frame[name].to_list() for name in sentence_columns(frame))
    languages, *others = (frame[name].to_list() for name in language_columns(frame))
    return (first, second[0] if second else None, languages), others[0] if others else None


def need_head(nli: NLIModel) -> None:
    """Refuse with a ValueError what has no head that gives labels, and with a TypeError what is no model."""
    if not isinstance(nli, NLIModel):
        raise TypeError(f"expected a model first, got {type(nli).__name__}; remedy: nli = load(...)")
    if nli.task not in CLASSIFIERS:
        raise ValueError(
            f"expected a model with an NLI head or another that classifies; got task {nli.task!r}; remedy: load(source, task='nli')"
        )


def _check_candidates(
    nli: NLIModel,
    texts: Sequence[str],
    labels: Sequence[str],
    languages: Sequence[str],
    template: str | None,
    multi_label: bool,
) -> None:
    need_head(nli)
    needed = {"entailment", "contradiction"} if multi_label else {"entailment"}
    if not needed <= set(nli.labels):
        raise ValueError(
            f"zero-shot classification needs an NLI model with the labels {sorted(needed)}; got one with {nli.labels!r}; "
            "remedy: load one, or `predict` with this model's own labels"
        )
    named = not isinstance(labels, str) and all(isinstance(label, str) and label.strip() for label in labels)
    if not named or not labels or len(set(labels)) != len(labels):
        raise ValueError(f"`labels` must be one or more different names; got {labels!r}")
    if len(languages) != len(texts):
        raise ValueError(
            f"`language` needs one code for all texts or one a text; got {len(languages)} for {len(texts)}"
        )
    if template is not None and "{}" not in template:
        raise ValueError(f"`template` must hold {{}} where the label goes; got {template!r}")


def _hypotheses(
    texts: list[str], labels: Sequence[str], languages: list[str], template: str | None
) -> pd.DataFrame:
    """Each text with a hypothesis for each label; a faulty text is refused by its number."""
    hypotheses = [
        (template or TEMPLATES[code]).replace("{}", label) for code in languages for label in labels
    ]
    firsts = {"premise": texts, "hypothesis": hypotheses[:: len(labels)], "language": languages}
    check_pairs(pd.DataFrame(firsts, dtype=object))
    return pd.DataFrame(
        {
            "premise": [text for text in texts for _ in labels],
            "hypothesis": hypotheses,
            "language": [code for code in languages for _ in labels],
        },
        dtype=object,
    )


def _softmax(values: np.ndarray) -> np.ndarray:
    """(N, K) -> (N, K) float64 that sums to 1 by row."""
    shifted = np.exp(values.astype(np.float64) - values.max(1, keepdims=True, initial=-np.inf))
    return shifted / shifted.sum(1, keepdims=True)
