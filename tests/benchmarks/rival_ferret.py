"""Runs in the environment of ferret, where xlmkit is not: explained texts a second of its integrated gradients.

ferret knows no pairs, so premise and hypothesis are one text. Arguments: a checkpoint's folder, a JSON file with a list of [premise, hypothesis], the number
of steps. Prints one line of JSON."""

import json
import resource
import sys
import time

from ferret import IntegratedGradientExplainer
from transformers import XLMForSequenceClassification, XLMTokenizer


def main(folder: str, file: str, steps: int) -> None:
    with open(file, encoding="utf-8") as opened:
        warm, *texts = [f"{premise} {hypothesis}" for premise, hypothesis in json.load(opened)]
    model = XLMForSequenceClassification.from_pretrained(folder).float().eval()
    explainer = IntegratedGradientExplainer(model, XLMTokenizer.from_pretrained(folder))

    def explain(text: str) -> object:
        return explainer.compute_feature_importance(text, 0, call_args={"n_steps": steps})

    explain(warm)
    start = time.perf_counter()
    found = [explain(text) for text in texts]
    seconds = time.perf_counter() - start
    scores = [score for one in found for score in one.scores]
    row = {
        "pairs": len(texts),
        "seconds": seconds,
        "pairs_per_second": len(texts) / seconds,
        "zeros": sum(float(score) == 0 for score in scores) / len(scores),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
