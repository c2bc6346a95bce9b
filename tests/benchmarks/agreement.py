"""Agreement: the same numbers as transformers where both get the same input, and how often the usual path says something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from prediction import LONGEST, device, network
from sizes import folder, pairs
from transformers import XLMTokenizer, pipeline

import xlmkit as xk
from xlmkit.encoding import encode
from xlmkit.inference import logits


def logits_of_both(size: str, count: int) -> dict[str, Any]:
    """The largest difference of a logit in fp32, over the same ids, language ids and mask; padding on one side, none on the other."""
    nli = xk.load(folder(size), dtype="float32")
    own = network(size, "float32").to(device())
    frame = pairs(count, skip=1000)
    encoding = encode(nli, frame["premise"], frame["hypothesis"], frame["language"], spans=False)
    found = logits(nli, encoding)
    theirs = []
    with torch.inference_mode():
        for start in range(0, count, 16):
            some = encoding.select(range(start, min(start + 16, count)))
            tensors = {
                "input_ids": some.input_ids,
                "langs": some.langs,
                "attention_mask": some.attention_mask,
            }
            theirs.append(
                own(**{name: one.to(device()) for name, one in tensors.items()}).logits.float().cpu()
            )
    apart = np.abs(found - torch.cat(theirs).numpy())
    return {"pairs": count, "largest_difference": float(apart.max()), "mean_difference": float(apart.mean())}


def labels_in_bf16(size: str, count: int) -> dict[str, Any]:
    """How many labels bf16 changes, and how near their two best logits lie in fp32."""
    nli = xk.load(folder(size), dtype="float32")
    frame = pairs(count, skip=2000)
    encoding = encode(nli, frame["premise"], frame["hypothesis"], frame["language"], spans=False)
    exact, rounded = logits(nli, encoding), logits(replace(nli, dtype=torch.bfloat16), encoding)
    changed = exact.argmax(1) != rounded.argmax(1)
    best = np.sort(exact, axis=1)
    margins = (best[:, -1] - best[:, -2])[changed]
    return {
        "pairs": count,
        "equal": float(1 - changed.mean()),
        "largest_margin_of_changed": float(margins.max()) if len(margins) else 0.0,
    }


def labels_of_the_pipeline(count: int) -> dict[str, Any]:
    """How many labels of transformers' pipeline are the kit's, and how many of either are right, with the embedded model in fp32."""
    nli = xk.load(dtype="float32")
    frame = pairs(count, skip=4000)
    tokenizer = XLMTokenizer.from_pretrained(folder("embedded"))
    classify = pipeline(
        "text-classification", model=network("embedded", "float32"), tokenizer=tokenizer, device=device()
    )
    texts = zip(frame["premise"], frame["hypothesis"], strict=True)
    items = [{"text": premise, "text_pair": hypothesis} for premise, hypothesis in texts]
    theirs = [one["prediction"] for one in classify(items, batch_size=8, truncation=True, max_length=LONGEST)]
    own = xk.predict(nli, frame, progress=False)["prediction"].to_numpy()
    gold = frame["gold"].to_numpy()
    return {
        "pairs": count,
        "equal": float((own == theirs).mean()),
        "right": float((own == gold).mean()),
        "right_pipeline": float((np.array(theirs) == gold).mean()),
    }
