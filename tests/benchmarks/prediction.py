"""Prediction: pairs a second from text to labels, by transformers' pipeline, its Trainer, and `xlmkit.predict`; the same weights, the same pairs.

The pipeline and the Trainer cannot be given language ids by their users' usual calls and cut every language as English. They are measured for speed all the same;
how often their label differs is in `agreement`."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import torch
from measure import memory, rate
from sizes import MADE, folder, pairs
from transformers import (
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    XLMForSequenceClassification,
    XLMTokenizer,
    pipeline,
)

import xlmkit as xk

LONGEST = 256  # tokens, for all


def transformers_pipeline(
    size: str, dtype: str, batch: int, block: int, seconds: float, warm: int
) -> dict[str, Any]:
    """`pipeline("text-classification")`."""
    where = folder(size)
    tokenizer = XLMTokenizer.from_pretrained(where)
    classify = pipeline(
        "text-classification", model=network(size, dtype), tokenizer=tokenizer, device=device()
    )

    def work(frame: pd.DataFrame) -> None:
        texts = zip(frame["premise"], frame["hypothesis"], strict=True)
        items = [{"text": premise, "text_pair": hypothesis} for premise, hypothesis in texts]
        classify(items, batch_size=batch, truncation=True, max_length=LONGEST)

    return rate(work, block=block, seconds=seconds, warm=warm)


def trainer_predict(size: str, batch: int, block: int, seconds: float, warm: int) -> dict[str, Any]:
    """`Trainer.predict` on the tokeniser's rows, padded by `DataCollatorWithPadding`, as in transformers' examples."""
    tokenizer = XLMTokenizer.from_pretrained(folder(size))
    settings = TrainingArguments(
        output_dir=str(MADE / "trainer"),
        per_device_eval_batch_size=batch,
        report_to=[],
        disable_tqdm=True,
        use_cpu=device() == "cpu",
    )
    own = Trainer(
        network(size, "float32"),
        settings,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )

    def work(frame: pd.DataFrame) -> None:
        texts = (frame["premise"].tolist(), frame["hypothesis"].tolist())
        cut = tokenizer(*texts, truncation=True, max_length=LONGEST)
        own.predict([{name: column[row] for name, column in cut.items()} for row in range(len(frame))])

    return rate(work, block=block, seconds=seconds, warm=warm)


def ours(size: str, dtype: str, block: int, seconds: float, warm: int, **options: Any) -> dict[str, Any]:
    """`xlmkit.predict`."""
    nli = xk.load(folder(size), dtype=dtype)
    found = rate(
        lambda frame: xk.predict(nli, frame, progress=False, **options),
        block=block,
        seconds=seconds,
        warm=warm,
    )
    return {**found, "dtype": str(nli.dtype).removeprefix("torch.")}


def text_to_table(size: str, count: int) -> dict[str, Any]:
    """Seconds of one call of `xlmkit.predict` in a fresh process, and of the same call again."""
    nli = xk.load(folder(size))
    frame, seconds = pairs(count), []
    for _ in range(2):
        start = time.perf_counter()
        xk.predict(nli, frame, progress=False)
        seconds.append(time.perf_counter() - start)
    cold, warm = seconds
    return {
        "pairs": count,
        "cold_seconds": cold,
        "warm_seconds": warm,
        "pairs_per_second": count / warm,
        **memory(),
    }


def network(size: str, dtype: str) -> XLMForSequenceClassification:
    """The model as transformers loads it."""
    return XLMForSequenceClassification.from_pretrained(folder(size), dtype=getattr(torch, dtype)).eval()


def device() -> str:
    """Where all of them compute."""
    return "cuda" if torch.cuda.is_available() else "cpu"
