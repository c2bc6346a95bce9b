"""Benchmark: `xlmkit.predict` against the `transformers` pipeline, same weights, same pairs, same run.

The pipeline cannot be given language ids and cuts every language as English; it is measured for its speed all the same, at the best of several batch
sizes. Both start from raw text. Full size is 12 x 1024 with 95,000 pieces and random weights; the embedded size is the model in data/."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from transformers import XLMConfig, XLMForSequenceClassification, XLMTokenizer, pipeline
from transformers.utils import logging

import xlmkit as xk
from xlmkit import bundled
from xlmkit.checkpoint import NLIModel
from xlmkit.pieces import Pieces

SHARED = Path(__file__).resolve().parents[3] / "shared"
REAL_TOKENIZER = SHARED / "data/xlm_xnli15_tokenizer"
XNLI_DEV = SHARED / "data/xnli/xnli.dev.tsv"
BATCH_SIZES = (1, 8, 32, 128)
WARM = 16  # pairs of a full-size warm-up; the embedded size is warmed by one full pass, as the tokenisers' caches want


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=str(XNLI_DEV) if XNLI_DEV.exists() else "workshop")
    parser.add_argument(
        "--full-pairs", type=int, default=64, help="pairs for the full size (0: leave it out)"
    )
    parser.add_argument("--embedded-pairs", type=int, default=3000)
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    pairs = xk.read_pairs(arguments.data).sample(frac=1, random_state=0)
    print(
        f"prediction: pairs/s from raw text, {torch.get_num_threads()} threads, torch {torch.__version__}, {arguments.data}"
    )
    compare(
        "embedded", xk.load(device="cpu"), bundled.path("mini-xnli15"), take(pairs, arguments.embedded_pairs)
    )
    if arguments.full_pairs:
        folder = REAL_TOKENIZER if REAL_TOKENIZER.exists() else bundled.path("mini-xnli15")
        compare(
            "full (random weights)", full_size(folder), folder, take(pairs, arguments.full_pairs), warm=WARM
        )


def take(pairs: pd.DataFrame, count: int) -> pd.DataFrame:
    """`count` pairs, the same ones again where there are fewer."""
    copies = -(-count // len(pairs))
    return pd.concat(
        [pairs.assign(pair_id=pairs["pair_id"] + f"-{i}") for i in range(copies)], ignore_index=True
    )[:count]


def full_size(tokenizer: Path) -> NLIModel:
    """A model of the published checkpoint's size with random weights."""
    embedded = xk.load(device="cpu")
    config = XLMConfig(
        vocab_size=95_000,
        emb_dim=1024,
        n_layers=12,
        n_heads=8,
        n_langs=15,
        use_lang_emb=True,
        num_labels=3,
    )
    network = XLMForSequenceClassification(config).eval().requires_grad_(False)
    return dataclasses.replace(
        embedded, network=network, pieces=Pieces.read(tokenizer), source="full size, random"
    )


def compare(
    name: str, nli: NLIModel, tokenizer: Path, pairs: pd.DataFrame, *, warm: int | None = None
) -> None:
    """Print one table: the pipeline at each batch size, ours in each precision, and the ratio to the pipeline's best."""
    print(f"\n{name}: {len(pairs)} pairs", flush=True)
    rival = pipeline(
        "text-classification",
        model=nli.network,
        tokenizer=XLMTokenizer.from_pretrained(tokenizer),
        device="cpu",
    )

    def classify(frame: pd.DataFrame, size: int) -> None:
        items = [
            {"text": p, "text_pair": h} for p, h in zip(frame["premise"], frame["hypothesis"], strict=True)
        ]
        rival(items, batch_size=size, truncation=True, max_length=256)

    best = 0.0
    for size in BATCH_SIZES:
        speed = rate(lambda frame, size=size: classify(frame, size), pairs, warm)
        best = max(best, speed)
        print(f"  transformers pipeline, fp32, batch {size:<4d} {speed:9.1f}", flush=True)
    for dtype in (torch.float32, torch.bfloat16):
        ours = dataclasses.replace(nli, dtype=dtype)
        speed = rate(lambda frame, ours=ours: xk.predict(ours, frame, progress=False), pairs, warm)
        chosen = " (auto)" if dtype == nli.dtype else ""
        label = str(dtype).removeprefix("torch.") + chosen
        print(
            f"  xlmkit.predict, {label:<23s} {speed:9.1f}   {speed / best:5.2f} x the pipeline's best",
            flush=True,
        )


def rate(work: Callable[[pd.DataFrame], object], pairs: pd.DataFrame, warm: int | None) -> float:
    """Pairs a second, after a first run over `warm` pairs (None: all)."""
    work(pairs[:warm])
    start = time.perf_counter()
    work(pairs)
    return len(pairs) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
