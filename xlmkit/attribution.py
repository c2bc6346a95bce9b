"""Attribution: how much each token of a pair adds to a label's logit, by four methods, through captum.

Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) follow the straight path from a baseline: the same input with the padding
embedding in place of every ordinary token, special tokens kept, positions, language ids and mask as they were. Saliency is Simonyan et al. 2013,
arXiv:1312.6034; input x gradient Shrikumar et al. 2016, arXiv:1605.01713; occlusion (Zeiler and Fergus 2013, arXiv:1311.2901)
leaves one word out, by giving it the baseline's embedding. The mask is always given, token types never; all is computed in fp32.

XLM's first step is a layer norm over the width, so adding the same number to a whole embedding changes nothing: a gradient's signed sum over the
width is zero for every token. Saliency is therefore given as a norm only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from captum.attr import FeatureAblation, InputXGradient, IntegratedGradients, Saliency
from tqdm.auto import tqdm

from xlmkit import forward
from xlmkit.checkpoint import NLIModel
from xlmkit.encoding import Encoding, is_whole
from xlmkit.explanation import ExplainedToken, ExplainedWord, Explanation, passes_gate
from xlmkit.inference import check_input, encode_frame, need_head, provenance, token_budget
from xlmkit.notices import say
from xlmkit.pairs import language_columns, sentence_columns
from xlmkit.pieces import PAD

METHODS = ("integrated_gradients", "saliency", "input_x_gradient", "occlusion")
AGGREGATIONS = ("sum", "l2")
STEPS = (20, 50, 100, 200, 300)  # 77 / 93 / 97 % of pairs pass at 20 / 50 / 100 (a trained 20 M model, fp32)
BATCH_TOKENS = {"cpu": 2048, "mps": 4096, "cuda": 16384}  # padded tokens in one forward and backward pass
CHUNK = 1024  # pairs that are encoded and sorted by length together


def explain(
    nli: NLIModel,
    pairs: pd.DataFrame,
    *,
    method: str = "integrated_gradients",
    target: str = "predicted",
    steps: int | None = None,
    aggregation: str | None = None,
    batch_tokens: int | None = None,
    max_tokens: int = 256,
    progress: bool = True,
) -> list[Explanation]:
    """Explain each pair: what do its tokens add to the logit of `target`?

    Parameters
    ----------
    pairs : a frame as `read_pairs` or `predict` gives it, of any size; of single texts where the model classifies these.
    method : "integrated_gradients", "saliency", "input_x_gradient" or "occlusion".
    target : the label whose logit is explained: "predicted" (by this model, in fp32), "gold", or a label's name.
    steps : of integrated gradients, 1 to 300: where to start. Whatever it is, pairs that fail the gate
        |delta| <= max(5 % of |F(x) - F(baseline)|, 0.02 logit) go on to each higher number in 20, 50, 100, 200, 300;
        None starts at 20. What fails at 300 is returned with `passed` = False.
    aggregation : over the width of the embeddings: "sum" keeps sign and completeness; "l2", the norm, has neither but agrees better across
        languages. None: "sum", and "l2" for saliency, whose sum is always zero in XLM. Occlusion has "sum" only.
    batch_tokens : padded tokens in one pass, over pairs and steps; None chooses by device. Out of memory halves it and goes on.
    max_tokens : the longest pair, as in `encode`.

    Returns
    -------
    One `Explanation` a row, in the order of the rows; [] for none. They do not depend on `batch_tokens` (1e-5).

    Raises
    ------
    ValueError : if an option or a row is not as said above, a gold label is missing where asked for, or the model has no head.
    MemoryError : if not even one row of one pair fits."""
    _check_model_and_target(nli, target)
    aggregation = _aggregation(method, aggregation)
    _check_steps(method, steps)
    budget = token_budget(batch_tokens, BATCH_TOKENS[nli.device.type])
    frame = check_input(nli, pairs)
    targets = _targets(nli, frame, target)
    settings = {
        "method": method,
        "target": target,
        "steps": steps,
        "aggregation": aggregation,
        "baseline": "pad, special tokens kept",
        "max_tokens": max_tokens,
        "dtype": "float32",
        "device": nli.device.type,
    }
    task = _Task(nli, method, aggregation, steps, budget)
    source = provenance(nli, "explain", settings)
    found: list[Explanation] = []
    with tqdm(total=len(frame), desc="explain", unit="pair", disable=not progress or frame.empty) as bar:
        for start in range(0, len(frame), CHUNK):
            rows = slice(start, start + CHUNK)
            found += _explain_chunk(task, frame.iloc[rows], targets[rows], source, max_tokens, bar)
    return found


@dataclass
class _Task:
    """What stays the same over all pairs of one call; `budget` (tokens a pass) shrinks when memory runs out."""

    nli: NLIModel
    method: str
    aggregation: str
    steps: int | None
    budget: int


@dataclass(frozen=True)
class _Batch:
    """B pairs on the model's device, as captum takes them."""

    inputs: torch.Tensor  # (B, T, H) word embeddings
    baselines: torch.Tensor  # (B, T, H)
    arguments: tuple[torch.Tensor, torch.Tensor]  # attention mask and language ids, (B, T) each
    words: torch.Tensor  # (B, T) number of each token's word from 1; 0 for special tokens and padding
    targets: torch.Tensor  # (B,) index of the explained label
    logits: torch.Tensor  # (B, labels) F(x)


@dataclass(frozen=True)
class _Result:
    """What a method found for one pair."""

    scores: np.ndarray  # (T,) without padding
    logits: np.ndarray  # (labels,)
    target: int
    baseline_output: float | None = None
    delta: float | None = None
    steps: int | None = None

    @property
    def output(self) -> float:
        return float(self.logits[self.target])

    @property
    def passed(self) -> bool | None:
        if self.delta is None or self.baseline_output is None:
            return None
        return passes_gate(self.delta, self.output - self.baseline_output)

    @property
    def final(self) -> bool:
        """Whether more steps are of no use: there is no gate, it is passed, or the schedule is at its end."""
        return self.passed is not False or self.steps == STEPS[-1]


def _check_model_and_target(nli: NLIModel, target: str) -> None:
    need_head(nli)
    if target not in ("predicted", "gold", *nli.labels):
        raise ValueError(
            f"`target` must be 'predicted', 'gold' or one of {', '.join(nli.labels)}; got {target!r}"
        )


def _aggregation(method: str, aggregation: str | None) -> str:
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}; got {method!r}")
    if aggregation is None:
        return "l2" if method == "saliency" else "sum"
    if aggregation not in AGGREGATIONS:
        raise ValueError(f"`aggregation` must be one of {', '.join(AGGREGATIONS)}; got {aggregation!r}")
    if aggregation == "l2" and method == "occlusion":
        raise ValueError(
            "occlusion gives a word one number, of which there is no norm; remedy: aggregation='sum'"
        )
    if aggregation == "sum" and method == "saliency":
        raise ValueError(
            "a gradient's signed sum is zero for every token of an XLM (its first layer norm takes the mean away); "
            "remedy: aggregation='l2', or method='input_x_gradient' for signed scores"
        )
    return aggregation


def _check_steps(method: str, steps: int | None) -> None:
    if steps is not None and method != "integrated_gradients":
        raise ValueError(
            f"`steps` belongs to integrated_gradients; {method} takes none; remedy: leave it out"
        )
    if steps is not None and not (is_whole(steps) and 1 <= steps <= STEPS[-1]):
        raise ValueError(f"`steps` must be a whole number from 1 to {STEPS[-1]}; got {steps!r}")


def _golds(frame: pd.DataFrame) -> list[str | None]:
    if "gold" not in frame:
        return [None for _ in range(len(frame))]
    return [None if pd.isna(gold) else str(gold) for gold in frame["gold"]]


def _targets(nli: NLIModel, frame: pd.DataFrame, target: str) -> list[str | None]:
    """The label to explain in each row; None for the one that will be predicted."""
    if target == "predicted":
        return [None for _ in range(len(frame))]
    if target != "gold":
        return [target for _ in range(len(frame))]
    golds = _golds(frame)
    odd = [
        f"{id!r}: {gold}" for id, gold in zip(frame["pair_id"], golds, strict=True) if gold not in nli.labels
    ]
    if odd:
        raise ValueError(
            f"target='gold' needs a gold label among {', '.join(nli.labels)} in every row; not so in {len(odd)} "
            f"({', '.join(odd[:5])}{', ...' if len(odd) > 5 else ''}); remedy: drop these rows or use target='predicted'"
        )
    return golds


def _explain_chunk(
    task: _Task, frame: pd.DataFrame, targets: list[str | None], source: dict, max_tokens: int, bar: tqdm
) -> list[Explanation]:
    encoding = encode_frame(task.nli, frame, max_tokens=max_tokens, spans=True)
    results = _results(task, encoding, targets, bar)
    return [
        _explanation(task, encoding, row, result, **given, provenance=source)
        for row, (result, given) in enumerate(zip(results, _given(frame), strict=True))
    ]


def _given(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
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
    for *values, gold in zip(*columns.values(), _golds(frame), strict=True):
        yield {**dict(zip(columns, values, strict=True)), "gold": gold}


def _explanation(task: _Task, encoding: Encoding, row: int, result: _Result, **given: Any) -> Explanation:
    labels = task.nli.labels
    tokens, words = _places(encoding, row)
    chances = np.exp(result.logits - result.logits.max())
    return Explanation(
        **given,
        label=labels[int(result.logits.argmax())],
        probability=float(chances.max() / chances.sum()),
        target=labels[result.target],
        tokens=tokens,
        words=words,
        scores=result.scores,
        method=task.method,
        aggregation=task.aggregation,
        unit="logits per unit of embedding" if task.method == "saliency" else "logits",
        output=result.output,
        baseline_output=result.baseline_output,
        delta=result.delta,
        steps=result.steps,
        passed=result.passed,
        truncated=encoding.truncated[row],
        trained=task.nli.trained,
    )


def _places(encoding: Encoding, row: int) -> tuple[tuple[ExplainedToken, ...], tuple[ExplainedWord, ...]]:
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


# --- batches ---------------------------------------------------------------------------------------------------------------------------


def _results(task: _Task, encoding: Encoding, targets: list[str | None], bar: tqdm) -> list[_Result]:
    """One result a pair. Integrated gradients: each number of steps in turn, for the pairs that have not passed."""
    found: dict[int, _Result] = {}
    waiting = np.arange(len(encoding))
    for steps in _schedule(task):
        for rows, results in _in_batches(task, encoding, targets, waiting, steps):
            found |= dict(zip(rows.tolist(), results, strict=True))
            bar.update(sum(result.final for result in results))
        waiting = np.array([row for row in waiting.tolist() if not found[row].final], dtype=np.int64)
    return [found[row] for row in range(len(encoding))]


def _schedule(task: _Task) -> tuple[int | None, ...]:
    if task.method != "integrated_gradients":
        return (None,)
    start = task.steps or STEPS[0]
    return (start, *(steps for steps in STEPS if steps > start))


def _in_batches(
    task: _Task, encoding: Encoding, targets: list[str | None], waiting: np.ndarray, steps: int | None
) -> Iterator[tuple[np.ndarray, list[_Result]]]:
    """Attribute the waiting rows, longest first, in batches of equal lengths; out of memory halves the budget and goes on."""
    waiting = waiting[np.argsort(-encoding.lengths[waiting], kind="stable")]
    while len(waiting):
        width = int(encoding.lengths[waiting[0]])
        room = max(1, task.budget // width)  # rows of one pass
        rows = waiting[: max(1, room // (steps or 1))]
        try:
            results = _attribute(task, encoding.select(rows), [targets[row] for row in rows], steps, room)
        except RuntimeError as error:
            _shrink(task, room * width, width, error)
            continue
        yield rows, results
        waiting = waiting[len(rows) :]


def _shrink(task: _Task, used: int, width: int, error: RuntimeError) -> None:
    """Halve the budget after an out-of-memory error; raise any other error, and this one where nothing is left to halve."""
    if not forward.out_of_memory(error):
        raise error
    if used <= width:
        raise MemoryError(
            f"one row of {width} tokens does not fit into memory; remedy: a lower `max_tokens`, or device='cpu'"
        ) from error
    task.budget = used // 2
    say("out of memory: the batch was halved; a smaller `batch_tokens` avoids the retries")


# --- methods ---------------------------------------------------------------------------------------------------------------------------


def _attribute(
    task: _Task, encoding: Encoding, targets: list[str | None], steps: int | None, room: int
) -> list[_Result]:
    """Results of one batch; no pass has more than `room` rows, or than there are pairs."""
    function = partial(_logits, task.nli)
    batch = _batch(task, encoding, targets, function)
    attributed = METHOD[task.method](function, batch, steps, room)  # (B, T, H), or (B, T, 1) for occlusion
    before: np.ndarray | None = None
    if task.method in ("integrated_gradients", "occlusion"):
        with torch.no_grad():
            before = _exact(function(batch.baselines, *batch.arguments))  # (B, labels) F(baseline)
    attributed = _exact(attributed) * encoding.attention_mask.numpy()[..., None]  # padding is exactly zero
    signed = attributed.sum(-1)  # (B, T)
    scores = signed if task.aggregation == "sum" else np.linalg.norm(attributed, axis=-1)
    outputs = _exact(batch.logits)  # (B, labels)
    found = []
    for row, (length, target) in enumerate(zip(encoding.lengths, batch.targets.tolist(), strict=True)):
        baseline = None if before is None else float(before[row, target])
        complete = steps is not None and baseline is not None
        delta = float(signed[row].sum() - (outputs[row, target] - baseline)) if complete else None
        found.append(_Result(scores[row, :length], outputs[row], target, baseline, delta, steps))
    return found


def _exact(values: torch.Tensor) -> np.ndarray:
    """float64 on the CPU: sums over the width add no error of their own (and MPS has no float64)."""
    return values.detach().cpu().numpy().astype(np.float64)


def _logits(
    nli: NLIModel, embeddings: torch.Tensor, attention_mask: torch.Tensor, langs: torch.Tensor
) -> torch.Tensor:
    """(B, labels); the arguments in captum's order: what is attributed comes first."""
    return forward.logits_from_embeddings(nli, embeddings, langs, attention_mask)


def _batch(
    task: _Task, encoding: Encoding, targets: list[str | None], function: Callable[..., torch.Tensor]
) -> _Batch:
    nli = task.nli
    words = torch.zeros_like(encoding.input_ids)  # (B, T)
    for row, tokens in enumerate(encoding.tokens or ()):
        seen: dict[tuple[int | None, int | None], int] = {}
        for position, token in enumerate(tokens):
            if not token.special:
                words[row, position] = seen.setdefault((token.sentence, token.word), len(seen) + 1)
    words = words.to(nli.device)
    arguments = (encoding.attention_mask.to(nli.device), encoding.langs.to(nli.device))
    with torch.no_grad():
        inputs = forward.embed(nli, encoding.input_ids).float()  # (B, T, H)
        pad = forward.embed(nli, torch.tensor([[PAD]])).float()  # (1, 1, H)
        baselines = torch.where(words.unsqueeze(-1) > 0, pad, inputs)
        logits = function(inputs, *arguments)  # (B, labels)
    indexes = [
        int(predicted) if name is None else nli.labels.index(name)
        for name, predicted in zip(targets, logits.argmax(1).tolist(), strict=True)
    ]
    return _Batch(inputs, baselines, arguments, words, torch.tensor(indexes, device=nli.device), logits)


def _integrated_gradients(
    function: Callable[..., torch.Tensor], batch: _Batch, steps: int | None, room: int
) -> torch.Tensor:
    return IntegratedGradients(function).attribute(
        batch.inputs,
        baselines=batch.baselines,
        target=batch.targets,
        additional_forward_args=batch.arguments,
        n_steps=steps,
        internal_batch_size=max(room, len(batch.inputs)),
    )


def _saliency(
    function: Callable[..., torch.Tensor], batch: _Batch, steps: int | None, room: int
) -> torch.Tensor:
    inputs = batch.inputs.clone().requires_grad_()
    return Saliency(function).attribute(
        inputs, batch.targets, abs=False, additional_forward_args=batch.arguments
    )


def _input_x_gradient(
    function: Callable[..., torch.Tensor], batch: _Batch, steps: int | None, room: int
) -> torch.Tensor:
    inputs = batch.inputs.clone().requires_grad_()
    return InputXGradient(function).attribute(inputs, batch.targets, additional_forward_args=batch.arguments)


def _occlusion(
    function: Callable[..., torch.Tensor], batch: _Batch, steps: int | None, room: int
) -> torch.Tensor:
    """(B, T, 1): F(x) - F(x without the word), in equal shares to the word's tokens."""
    changes = FeatureAblation(
        function
    ).attribute(
        batch.inputs,
        baselines=batch.baselines,
        target=batch.targets,
        additional_forward_args=batch.arguments,
        feature_mask=batch.words.unsqueeze(-1),  # (B, T, 1)
        perturbations_per_eval=max(1, room // len(batch.inputs)),
    )[..., :1]
    sizes = (batch.words.unsqueeze(2) == batch.words.unsqueeze(1)).sum(
        2, keepdim=True
    )  # (B, T, 1) tokens of the same word
    return changes / sizes * (batch.words > 0).unsqueeze(-1)


METHOD: dict[str, Callable[[Callable[..., torch.Tensor], _Batch, int | None, int], torch.Tensor]] = {
    "integrated_gradients": _integrated_gradients,
    "saliency": _saliency,
    "input_x_gradient": _input_x_gradient,
    "occlusion": _occlusion,
}
