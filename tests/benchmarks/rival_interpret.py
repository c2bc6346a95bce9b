"""Runs in the environment of transformers-interpret, where xlmkit is not: explained pairs a second of its explainers.

Its explainer for pairs is tried first. Where that cannot run, what it said is noted and its explainer of single texts gets premise and hypothesis as one text.
Arguments: a checkpoint's folder, a JSON file with a list of [premise, hypothesis], the number of steps. Prints one line of JSON."""

import json
import resource
import sys
import time
from collections.abc import Callable

from transformers import XLMForSequenceClassification, XLMTokenizer
from transformers_interpret import PairwiseSequenceClassificationExplainer, SequenceClassificationExplainer

Explain = Callable[[str, str], list[tuple[str, float]]]


def main(folder: str, file: str, steps: int) -> None:
    with open(file, encoding="utf-8") as opened:
        warm, *texts = json.load(opened)
    explain, said = explainer(folder, warm, steps)
    start = time.perf_counter()
    found = [explain(*pair) for pair in texts]
    seconds = time.perf_counter() - start
    scores = [score for one in found for _, score in one]
    row = {
        "pairs": len(texts),
        "seconds": seconds,
        "pairs_per_second": len(texts) / seconds,
        "zeros": sum(score == 0 or score != score for score in scores) / len(scores),
        "pairs_refused": said,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }
    print(json.dumps(row))


def explainer(folder: str, warm: list[str], steps: int) -> tuple[Explain, str]:
    """What explains a pair, warmed; and what the explainer for pairs said where it could not ('' where it could)."""
    model = XLMForSequenceClassification.from_pretrained(folder).float().eval()
    tokenizer = XLMTokenizer.from_pretrained(folder)
    pairs = PairwiseSequenceClassificationExplainer(model, tokenizer)
    single = SequenceClassificationExplainer(model, tokenizer)

    def both(premise: str, hypothesis: str) -> list[tuple[str, float]]:
        return pairs(premise, hypothesis, n_steps=steps)

    def joined(premise: str, hypothesis: str) -> list[tuple[str, float]]:
        return single(f"{premise} {hypothesis}", n_steps=steps)

    try:
        both(*warm)
    except Exception as error:  # noqa: BLE001 - whatever it says is the finding
        joined(*warm)
        return joined, f"{type(error).__name__}: {error}"
    return both, ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
